//! TLS of the one listener that demands a client certificate: WeChat Pay v2's `/secapi/` (`wechat_v2` sheet
//! §5). Both ends' certificates are issued at start by the sandbox's root.

use std::{net::IpAddr, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use crate::{error::SandboxError, keys::Keys};

/// The key that the listener shows a certificate for.
const SERVER_KEY: &str = "wechat_platform_1";

/// Accepts connections whose client shows a certificate of the sandbox's root.
pub(crate) fn acceptor(keys: &Keys, address: IpAddr) -> Result<TlsAcceptor, SandboxError> {
    let failed = |error: &dyn std::error::Error| SandboxError::Tls(error.to_string());
    let read =
        |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| failed(&error));
    let root = read(&keys.root_certificate()?)?;
    let mut roots = RootCertStore::empty();
    roots.add(root).map_err(|error| failed(&error))?;
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| failed(&error))?;
    let certificate = read(&keys.issue(SERVER_KEY, "Sandbox WeChat Pay", Some(address))?)?;
    let key = keys.pair(SERVER_KEY)?.private_pem;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| failed(&error))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .map_err(|error| failed(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
