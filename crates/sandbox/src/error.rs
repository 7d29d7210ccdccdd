//! What can go wrong with the sandbox itself. Refusals of a request are not errors here: they are
//! answers in the gateway's own words.

use std::{io, net::SocketAddr, path::PathBuf};

/// The sandbox could not start or stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The control API has no password, so it is only offered on the machine itself.
    #[error("the sandbox listens on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The client that posts callbacks could not be built.
    #[error("cannot build the client that posts callbacks")]
    Client(#[source] reqwest::Error),
    /// The listener that demands client certificates could not be set up.
    #[error("cannot set up tls: {0}")]
    Tls(String),
    /// The keys could not be used.
    #[error("cannot prepare the keys of the sandbox")]
    Keys(#[from] KeysError),
}

/// Keys could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A key pair could not be generated.
    #[error("cannot generate an rsa key")]
    Generate(#[source] rsa::Error),
    /// A generating thread died.
    #[error("the key generator stopped before it was done")]
    GeneratorStopped,
    /// A private key could not be written as PEM or read from it.
    #[error("key {name} is not a usable rsa key in pkcs#8 pem")]
    PrivateKey {
        /// Which key.
        name: String,
        /// What the parser said.
        source: rsa::pkcs8::Error,
    },
    /// A public key could not be written as PEM.
    #[error("the public half of key {name} cannot be encoded")]
    PublicKey {
        /// Which key.
        name: String,
        /// What the encoder said.
        source: rsa::pkcs8::spki::Error,
    },
    /// A certificate could not be issued.
    #[error("cannot issue certificate {name}")]
    Issue {
        /// Which certificate.
        name: String,
        /// What the issuer said.
        source: rcgen::Error,
    },
    /// A certificate could not be read.
    #[error("certificate {0} cannot be read")]
    Certificate(String),
    /// The folder holds some of the files but not all: nothing is overwritten.
    #[error("the key folder is incomplete: {0} is missing")]
    Incomplete(PathBuf),
    /// A file could not be read or written.
    #[error("cannot access key file {path}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A control request that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No order has this number.
    #[error("no order with number {0}")]
    OrderNotFound(String),
    /// No refund has this number.
    #[error("no refund with number {0}")]
    RefundNotFound(String),
    /// No recorded callback has this index.
    #[error("no recorded callback with index {0}")]
    CallbackNotFound(u64),
    /// The order or refund is in a state that does not allow it.
    #[error("not possible in state {0}")]
    WrongState(String),
    /// The amount is not positive or exceeds what was paid and not refunded.
    #[error("amount {0} is not refundable")]
    NotRefundable(i64),
    /// The text is not a signed page, wap or app request that the gateway accepts.
    #[error("the gateway refused the request: {0}")]
    Refused(String),
    /// A bounded list is full.
    #[error("limit reached: {0}")]
    LimitReached(&'static str),
}
