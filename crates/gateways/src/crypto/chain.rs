//! Certificate chains of gateways that send their certificate along: leaf, intermediate, root.
//!
//! Checked by hand because UnionPay's real intermediates are signed with SHA-1, which strict
//! libraries refuse. Nothing is learned from the network: intermediates and roots are configured, and
//! whoever configures them vouches for them. There is no revocation.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RsaParameters,
};
use chrono::{DateTime, Utc};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{KeyError, RsaPublicKey};

const SHA1_WITH_RSA: &str = "1.2.840.113549.1.1.5";
const SHA256_WITH_RSA: &str = "1.2.840.113549.1.1.11";

/// The configured half of a chain: intermediates, each issued by one of the roots.
#[derive(Debug, Clone)]
pub struct Chain {
    intermediates: Arc<[Link]>,
    roots: Arc<[Link]>,
}

/// A certificate whose chain holds.
#[derive(Debug, Clone)]
pub struct TrustedLeaf {
    /// The common name of its subject.
    pub common_name: String,
    /// The host names that it is for besides.
    pub host_names: Vec<String>,
    /// Its key.
    pub key: RsaPublicKey,
}

impl TrustedLeaf {
    /// Whether it was issued to this host: by its host names, or by its common name if it has none.
    pub fn is_named(&self, host: &str) -> bool {
        if self.host_names.is_empty() {
            return self.common_name == host;
        }
        self.host_names.iter().any(|name| name == host)
    }
}

/// Why a chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Not a certificate, not with an RSA key of a safe length, or without a name.
    #[error("not a usable certificate")]
    Unreadable,
    /// A certificate of the chain is not valid yet, or no longer.
    #[error("a certificate of the chain is outside its validity")]
    OutsideValidity,
    /// No configured certificate issued it.
    #[error("issued by nobody who is configured")]
    UnknownIssuer,
}

/// What of a certificate a chain is checked by.
#[derive(Debug, Clone)]
struct Link {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
    algorithm: String,
    spki: Vec<u8>,
    not_before: i64,
    not_after: i64,
    is_authority: bool,
    common_name: Option<String>,
    host_names: Vec<String>,
}

impl Chain {
    /// Reads the configured certificates (PEM each) and checks that every intermediate was issued by
    /// one of the roots.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn try_new(intermediates: &[&str], roots: &[&str]) -> Result<Self, ChainError> {
        let read = |pems: &[&str]| -> Result<Arc<[Link]>, ChainError> {
            pems.iter().map(|pem| Link::try_parse(pem)).collect()
        };
        let chain = Self {
            intermediates: read(intermediates)?,
            roots: read(roots)?,
        };
        let is_known = |link: &Link| chain.roots.iter().any(|root| root.issued(link));
        if chain.intermediates.iter().all(is_known) {
            Ok(chain)
        } else {
            Err(ChainError::UnknownIssuer)
        }
    }

    /// Checks a certificate that came with a message: issued by an intermediate which was issued by
    /// a root, all of them valid at `now`.
    ///
    /// # Errors
    /// [`ChainError`]; nothing of the certificate may be used then.
    pub fn verify(&self, pem: &str, now: DateTime<Utc>) -> Result<TrustedLeaf, ChainError> {
        let leaf = Link::try_parse(pem)?;
        if leaf.is_authority {
            return Err(ChainError::Unreadable);
        }
        let mut issuers = self
            .intermediates
            .iter()
            .filter(|intermediate| intermediate.issued(&leaf))
            .peekable();
        if issuers.peek().is_none() {
            return Err(ChainError::UnknownIssuer);
        }
        let now = now.timestamp();
        let is_valid = issuers.any(|intermediate| {
            let mut roots = self.roots.iter();
            intermediate.is_valid_at(now)
                && roots.any(|root| root.is_valid_at(now) && root.issued(intermediate))
        });
        if !is_valid || !leaf.is_valid_at(now) {
            return Err(ChainError::OutsideValidity);
        }
        Ok(TrustedLeaf {
            key: RsaPublicKey::try_from_spki(&leaf.spki)
                .map_err(|_unusable: KeyError| ChainError::Unreadable)?,
            common_name: leaf.common_name.ok_or(ChainError::Unreadable)?,
            host_names: leaf.host_names,
        })
    }
}

impl Link {
    /// Reads a PEM whose lines end in any way.
    fn try_parse(pem: &str) -> Result<Self, ChainError> {
        let lines = pem.replace("\r\n", "\n").replace('\r', "\n");
        let der = CertificateDer::from_pem_slice(lines.as_bytes())
            .map_err(|_no_certificate| ChainError::Unreadable)?;
        let (rest, parsed) =
            X509Certificate::from_der(&der).map_err(|_malformed| ChainError::Unreadable)?;
        if !rest.is_empty() {
            return Err(ChainError::Unreadable);
        }
        let mut names = parsed.subject().iter_common_name();
        let common_name = names.next().and_then(|name| name.as_str().ok());
        Ok(Self {
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            signed: parsed.tbs_certificate.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            algorithm: parsed.signature_algorithm.algorithm.to_id_string(),
            spki: parsed.public_key().raw.to_vec(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            is_authority: parsed.is_ca(),
            common_name: common_name.map(str::to_owned),
            host_names: host_names(&parsed),
        })
    }

    fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether this authority issued `other`.
    fn issued(&self, other: &Self) -> bool {
        let parameters: &'static RsaParameters = match other.algorithm.as_str() {
            SHA1_WITH_RSA => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            SHA256_WITH_RSA => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        self.is_authority
            && self.subject == other.issuer
            && ParsedPublicKey::new(parameters, &self.spki)
                .is_ok_and(|key| key.verify_sig(&other.signed, &other.signature).is_ok())
    }
}

fn host_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|it| &it.value.general_names);
    names
        .filter_map(|name| {
            let GeneralName::DNSName(host) = name else {
                return None;
            };
            Some((*host).to_owned())
        })
        .collect()
}
