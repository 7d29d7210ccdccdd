//! Why the ingress does not start.

use std::path::PathBuf;

use kassa_core::ErrorKind;

/// Why the ingress does not start.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the TLS identity cannot be read as PEM.
    #[error("the TLS file {} is not readable PEM", .path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not make a TLS identity.
    #[error("the TLS certificate and key do not fit")]
    TlsIdentity(#[source] rustls::Error),
}

impl IngressError {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Listen { .. } => ErrorKind::Unavailable,
            Self::TlsFile { .. } | Self::TlsIdentity(_) => ErrorKind::InvalidInput,
        }
    }
}

/// An error as a log field that keeps its sources.
pub(crate) fn loggable<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    error
}
