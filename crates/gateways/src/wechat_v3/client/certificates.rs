//! Downloading the platform certificates (sheet §8).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::{Method as Verb, StatusCode};

use super::super::config::Settings;
use super::super::failure::{Operation, verdict};
use super::super::wire::{Certificates, SealedCertificate};
use super::super::{translate, verify};
use super::{Client, Exchange, read, unexpected};
use crate::crypto::{Certificate, RsaPublicKey};
use crate::error::reason;
use crate::{CallError, china_time};

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
    pub(in crate::wechat_v3) async fn download_certificates(
        &self,
        settings: &Settings,
    ) -> Result<BTreeMap<String, PlatformCertificate>, CallError> {
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
            keys.insert(sealed.serial_no.clone(), key);
            certificates.insert(sealed.serial_no, certificate);
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
