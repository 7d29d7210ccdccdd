//! The TLS identity.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::IngressError;
use crate::options::TlsIdentity;

/// The only protocol offered.
const ALPN: &[u8] = b"http/1.1";

/// Reads the files: TLS 1.2 and 1.3, no client certificates (gateways and payers show none).
pub(super) fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, IngressError> {
    let chain = CertificateDer::pem_file_iter(&identity.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(&identity.cert_file, source))?;
    let key = PrivateKeyDer::from_pem_file(&identity.key_file)
        .map_err(|source| unreadable(&identity.key_file, source))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(IngressError::TlsIdentity)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unreadable(path: &Path, source: rustls_pki_types::pem::Error) -> IngressError {
    IngressError::TlsFile {
        path: path.to_owned(),
        source,
    }
}
