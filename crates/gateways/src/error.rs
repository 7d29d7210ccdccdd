//! Errors of the gateways, by what they mean for us.

#[cfg(feature = "client")]
use kassa_core::notification::GatewayReason;

/// Why a callback was refused at the door. Texts carry no body, signature or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header or field that every genuine callback has is missing or unreadable.
    #[error("the callback lacks a readable {0}")]
    Malformed(&'static str),
    /// No key of the account is known by the name that the callback gives.
    #[error("the callback names a key that the account does not have")]
    UnknownKey,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    BadSignature,
    /// The signature does not hold, and says of itself that it is the gateway's test of whether we look.
    #[error("a test of whether signatures are verified")]
    Probe,
    /// Signed too long ago or in the future.
    #[error("the callback is outside the time window")]
    OutsideWindow,
    /// The gateway signs nothing here.
    #[error("the gateway signs no such message")]
    NotSigned,
}

impl VerifyError {
    /// The word used in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Probe => "signature_probe",
            Self::OutsideWindow => "outside_window",
            Self::NotSigned => "not_signed",
        }
    }
}

/// Why a verified notification could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// A field is missing or not of its form.
    #[error("the notification's field {0} is missing or malformed")]
    Field(&'static str),
    /// The encrypted part does not open with the account's key.
    #[error("the notification's encrypted part does not open with the account's key")]
    Decrypt,
}

/// Why a call brought no answer that we can use: what to do next is in the variant.
#[cfg(feature = "client")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The gateway refused for good: the same call will be refused again.
    #[error("the gateway refused: {} {}", .0.code, .0.message)]
    Refused(GatewayReason),
    /// The gateway did not take it now (rate limit, balance): the same call may be repeated later.
    #[error("the gateway asks to come back later: {} {}", .0.code, .0.message)]
    Later(GatewayReason),
    /// Our account there is not set up for this: people must act.
    #[error("the gateway refuses our account or configuration: {} {}", .0.code, .0.message)]
    Misconfigured(GatewayReason),
    /// Nothing left this machine: the same call may be repeated.
    #[error("the gateway could not be reached: {0}")]
    NotSent(String),
    /// Sent, and no definite answer: only a query tells.
    #[error("the outcome at the gateway is unknown: {0}")]
    Unknown(String),
}

/// The longest code and text of a gateway that is passed on, in characters.
#[cfg(feature = "client")]
const REASON_CODE_MAX: usize = 64;
#[cfg(feature = "client")]
const REASON_MESSAGE_MAX: usize = 256;

/// A gateway's own words, cut to a sane length.
#[cfg(feature = "client")]
pub(crate) fn reason(code: &str, message: &str) -> GatewayReason {
    GatewayReason {
        code: code.chars().take(REASON_CODE_MAX).collect(),
        message: message.chars().take(REASON_MESSAGE_MAX).collect(),
    }
}

/// A call that the room refuses itself, before anything is sent: the code is ours.
#[cfg(feature = "client")]
pub(crate) fn unsupported(message: &str) -> CallError {
    CallError::Refused(reason("UNSUPPORTED", message))
}
