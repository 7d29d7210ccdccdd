//! The files of a TLS listener.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// The files of a TLS listener. None of them: plain text, for a loopback address or behind a proxy
/// that ends TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate chain, PEM, the own certificate first.
    pub cert_file: Option<PathBuf>,
    /// The private key, PEM.
    pub key_file: Option<PathBuf>,
    /// The authorities of client certificates, PEM: with it, callers must show one (mTLS). Only
    /// for gRPC.
    pub client_ca_file: Option<PathBuf>,
}

impl TlsFiles {
    /// Certificate and key, if TLS is on.
    pub fn identity(&self) -> Option<(&Path, &Path)> {
        Some((self.cert_file.as_deref()?, self.key_file.as_deref()?))
    }

    /// Whether TLS is on.
    pub fn is_enabled(&self) -> bool {
        self.identity().is_some()
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        let (cert, key) = (self.cert_file.is_some(), self.key_file.is_some());
        check.that(
            cert || !key,
            "cert_file",
            "the certificate chain of key_file",
        );
        check.that(key || !cert, "key_file", "the private key of cert_file");
        let alone = self.client_ca_file.is_some() && !cert && !key;
        check.that(!alone, "client_ca_file", "cert_file and key_file beside it");
        check.file("cert_file", self.cert_file.as_deref());
        check.file("key_file", self.key_file.as_deref());
        check.file("client_ca_file", self.client_ca_file.as_deref());
    }
}
