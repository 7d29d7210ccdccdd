//! How the server is set up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kassa_core::Secret;
use runtime::config::{AuthConfig, GrpcConfig, TlsFiles};

use crate::auth::AuthOptions;
use crate::door::RateLimit;

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS; plain text without it.
    pub tls: Option<TlsIdentity>,
    /// The longest deadline a call gets, also when it asks for none.
    pub deadline_max: Duration,
    /// Calls at a time.
    pub concurrency_max: u32,
    /// The largest request, in bytes.
    pub message_bytes_max: usize,
    /// Calls per second of one app.
    pub rate_limit: RateLimit,
    /// Whether the server describes itself.
    pub reflection: bool,
    /// What tokens must be like.
    pub auth: AuthOptions,
}

/// What the server shows of itself under TLS, and whom it asks for a certificate. PEM.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The certificate chain, the own certificate first.
    pub certificates: String,
    /// The private key.
    pub key: Secret,
    /// The authorities of client certificates; with them callers must show one.
    pub client_authorities: Option<String>,
}

/// Why the options could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A file of the TLS configuration.
    #[error("the file {path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A number that this machine cannot hold.
    #[error("grpc.message_bytes_max is too large for this machine")]
    MessageBytesMax,
}

impl ServerOptions {
    /// The options of a configuration; reads the TLS files.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn from_config(grpc: &GrpcConfig, auth: &AuthConfig) -> Result<Self, OptionsError> {
        Ok(Self {
            listen: grpc.listen,
            tls: TlsIdentity::from_files(&grpc.tls)?,
            deadline_max: grpc.deadline_max(),
            concurrency_max: grpc.concurrency_max,
            message_bytes_max: usize::try_from(grpc.message_bytes_max)
                .map_err(|_narrow| OptionsError::MessageBytesMax)?,
            rate_limit: RateLimit {
                per_second: grpc.rate_limit_per_second,
                burst: grpc.rate_limit_burst,
            },
            reflection: grpc.reflection,
            auth: AuthOptions {
                audience: auth.audience.clone(),
                leeway: auth.leeway(),
                lifetime_max: auth.token_ttl_max(),
            },
        })
    }
}

impl TlsIdentity {
    /// Reads the files; `None` if TLS is off.
    ///
    /// # Errors
    /// [`OptionsError::File`].
    pub fn from_files(files: &TlsFiles) -> Result<Option<Self>, OptionsError> {
        let Some((certificates, key)) = files.identity() else {
            return Ok(None);
        };
        Ok(Some(Self {
            certificates: read(certificates)?,
            key: Secret::new(read(key)?),
            client_authorities: files.client_ca_file.as_deref().map(read).transpose()?,
        }))
    }
}

fn read(path: &Path) -> Result<String, OptionsError> {
    std::fs::read_to_string(path).map_err(|source| OptionsError::File {
        path: path.to_owned(),
        source,
    })
}
