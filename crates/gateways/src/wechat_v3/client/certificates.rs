//! Downloading the platform certificates (sheet §8), for accounts without a public key: by hand, and when an
//! answer names one that is not known here.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use http::{Method as Verb, StatusCode};
use tokio::sync::Mutex;

use super::super::config::Settings;
use super::super::failure::{Operation, verdict};
use super::super::wire::{Certificates, SealedCertificate};
use super::super::{translate, verify};
use super::{Client, Exchange, read, unexpected};
use crate::crypto::{Certificate, RsaPublicKey};
use crate::error::{reason, unsupported};
use crate::http::Answer;
use crate::{CallError, VerifyError, china_time};

/// Certificates are asked for at most this often, whatever serials come along.
const PAUSE: TimeDelta = TimeDelta::minutes(10);

/// What was downloaded, beside what the settings hold. The lock is held during a download: one is made for
/// all calls that wait for it.
#[derive(Debug, Default)]
pub(super) struct Downloaded(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    certificates: Delivered,
    asked_at: Option<DateTime<Utc>>,
}

/// Certificates by serial.
type Delivered = BTreeMap<String, (PlatformCertificate, RsaPublicKey)>;

impl Kept {
    fn keys(&self, now: DateTime<Utc>) -> BTreeMap<String, RsaPublicKey> {
        let certificates = self.certificates.iter();
        certificates
            .filter(|(_, (it, _))| it.effective_at <= now && now < it.expires_at)
            .map(|(serial, (_, key))| (serial.clone(), key.clone()))
            .collect()
    }

    fn may_ask(&self, now: DateTime<Utc>) -> bool {
        self.asked_at
            .is_none_or(|at| now.signed_duration_since(at) >= PAUSE)
    }
}

/// A platform certificate as WeChat delivers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformCertificate {
    /// PEM, as `platform_certificates` of the settings takes it.
    pub pem: String,
    /// From when on it is used.
    pub effective_at: DateTime<Utc>,
    /// Until when it is used.
    pub expires_at: DateTime<Utc>,
}

impl Client {
    /// Whether an answer holds. In certificate mode, one that names a certificate which is not known here makes
    /// us download those now in use; in public-key mode nothing is ever downloaded.
    pub(super) async fn believe(
        &self,
        settings: &Settings,
        answer: &Answer,
    ) -> Result<(), CallError> {
        let now = self.clock.now();
        let unbelieved = |error: VerifyError| CallError::Unknown(error.to_string());
        let check = |keys: &BTreeMap<String, RsaPublicKey>| {
            verify::signed(keys, &answer.headers, &answer.body, now)
        };
        match check(&settings.platform_keys) {
            Err(VerifyError::UnknownKey) if settings.public_key_id.is_none() => {}
            judged => return judged.map_err(unbelieved),
        }
        let mut kept = self.downloaded.0.lock().await;
        match check(&kept.keys(now)) {
            Err(VerifyError::UnknownKey) if kept.may_ask(now) => {}
            judged => return judged.map_err(unbelieved),
        }
        kept.asked_at = Some(now);
        // Whatever becomes of the download, it says nothing about the call.
        kept.certificates = self
            .download(settings)
            .await
            .map_err(|error| CallError::Unknown(format!("no certificate: {error}")))?;
        check(&kept.keys(now)).map_err(unbelieved)
    }

    pub(in crate::wechat_v3) async fn download_certificates(
        &self,
        settings: &Settings,
    ) -> Result<BTreeMap<String, PlatformCertificate>, CallError> {
        let delivered = self.download(settings).await?.into_iter();
        Ok(delivered
            .map(|(serial, (certificate, _))| (serial, certificate))
            .collect())
    }

    async fn download(&self, settings: &Settings) -> Result<Delivered, CallError> {
        if settings.public_key_id.is_some() {
            return Err(unsupported(
                "an account with a public key downloads no certificates",
            ));
        }
        let exchange = Exchange {
            name: "certificates",
            operation: Operation::Certificates,
            verb: Verb::GET,
            target: "/v3/certificates".to_owned(),
            body: String::new(),
        };
        let answer = self.send(settings, &exchange).await?;
        if answer.status != StatusCode::OK {
            return Err(unexpected(verdict(
                exchange.operation,
                answer.status,
                &answer.body,
            )));
        }
        let delivered: Certificates = read(&answer.body)?;
        let mut keys = settings.platform_keys.clone();
        let mut certificates = BTreeMap::new();
        for sealed in delivered.data {
            let (certificate, key) = open_certificate(settings, &sealed)?;
            keys.insert(sealed.serial_no.clone(), key.clone());
            certificates.insert(sealed.serial_no, (certificate, key));
        }
        verify::signed(&keys, &answer.headers, &answer.body, self.clock.now())
            .map_err(|error| CallError::Unknown(error.to_string()))?;
        Ok(certificates)
    }
}

fn open_certificate(
    settings: &Settings,
    sealed: &SealedCertificate,
) -> Result<(PlatformCertificate, RsaPublicKey), CallError> {
    let bad = |what: &str| CallError::Unknown(format!("a delivered certificate has {what}"));
    let pem = translate::open(settings, &sealed.encrypt_certificate)
        .map_err(|error| CallError::Misconfigured(reason("APIV3_KEY", &error.to_string())))?;
    let pem = String::from_utf8(pem).map_err(|_not_text| bad("no text"))?;
    let certificate = Certificate::try_parse(&pem).map_err(|error| bad(&error.to_string()))?;
    if certificate.serial_hex() != sealed.serial_no {
        return Err(bad("another serial than announced"));
    }
    let key = certificate
        .public_key()
        .map_err(|error| bad(&error.to_string()))?;
    let time = |text: &str| china_time::parse_rfc3339(text).ok_or_else(|| bad("no validity"));
    let effective_at = time(&sealed.effective_time)?;
    let expires_at = time(&sealed.expire_time)?;
    Ok((
        PlatformCertificate {
            pem,
            effective_at,
            expires_at,
        },
        key,
    ))
}
