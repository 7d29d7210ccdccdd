//! The one place where an error becomes a gRPC status: kind → code, and the details of `google.rpc`.
//!
//! Every status that leaves Kassa has exactly one `ErrorInfo` (domain `kassa`, a reason of
//! [`flows::Reason`]); `docs/errors.md` is generated from the same list. What is internal stays
//! here: the caller gets the id of the request, under which the log says more.

use std::error::Error as StdError;
use std::fmt::Write;

use flows::password::PasswordError;
use kassa_core::ErrorKind;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::Error;

/// The `domain` of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "kassa";
/// The longest message, in characters: it travels in a trailer, beside its copy in the details.
const MESSAGE_CHARS_MAX: usize = 300;
/// How many bad fields are named with a description; trailers have narrow limits.
const FIELD_VIOLATIONS_MAX: usize = 32;

/// Logs an error, once, and turns it into what the caller gets.
pub(crate) fn answer(error: &Error, request_id: &str) -> Status {
    log(error, request_id);
    status(error, request_id)
}

/// The status of an error.
pub(crate) fn status(error: &Error, request_id: &str) -> Status {
    Status::with_error_details(
        code(error.kind()),
        message(error, request_id),
        details(error, request_id),
    )
}

/// The gRPC code of a kind.
pub(crate) fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidInput => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Forbidden => Code::PermissionDenied,
        ErrorKind::LimitExceeded => Code::ResourceExhausted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Internal => Code::Internal,
    }
}

/// The code's name in metrics, spans and the documentation.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// What tonic itself answered without details (an unreadable message, an unknown method): the same
/// as an error of ours. `None` if the status is complete.
pub(crate) fn complete(status: &Status) -> Option<Error> {
    if !status.details().is_empty() {
        return None;
    }
    match status.code() {
        Code::Ok => None,
        Code::Unimplemented => Some(Error::NoSuchRpc),
        Code::OutOfRange | Code::ResourceExhausted => Some(Error::Unreadable("it is too large")),
        Code::Internal | Code::InvalidArgument => Some(Error::Unreadable(
            "it is not a well-formed message of this method",
        )),
        Code::DeadlineExceeded | Code::Cancelled => Some(Error::DeadlineExceeded),
        Code::Unknown
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Some(Error::Broken("a status without details")),
    }
}

fn message(error: &Error, request_id: &str) -> String {
    if error.kind() == ErrorKind::Internal {
        return format!("internal error; the log says more under request {request_id}");
    }
    error.to_string().chars().take(MESSAGE_CHARS_MAX).collect()
}

fn details(error: &Error, request_id: &str) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    let metadata: std::collections::HashMap<String, String> = error
        .metadata()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    details.set_error_info(error.reason().as_str(), ERROR_DOMAIN, metadata);
    if let Some(delay) = error.retry_after() {
        details.set_retry_info(Some(delay));
    }
    match error {
        Error::Flow(error) => flow_details(error, &mut details),
        Error::RateLimited { limit, .. } => {
            details.add_quota_failure_violation(limit.as_str(), "this limit is used up");
        }
        Error::Unreadable(_)
        | Error::Unauthenticated(_)
        | Error::ScopeMissing { .. }
        | Error::NoSuchRpc
        | Error::DeadlineExceeded
        | Error::Stopping
        | Error::Broken(_) => {}
    }
    if error.kind() == ErrorKind::Internal {
        details.set_request_info(request_id, "");
    }
    details
}

fn flow_details(error: &flows::Error, details: &mut ErrorDetails) {
    if let flows::Error::InvalidInput(violations) = error {
        for violation in violations.iter().take(FIELD_VIOLATIONS_MAX) {
            details.add_bad_request_violation(&violation.field, &violation.description);
        }
    }
    if let flows::Error::NotFound { resource, name }
    | flows::Error::AlreadyExists { resource, name }
    | flows::Error::VersionConflict { resource, name } = error
    {
        let (kind, name) = (
            format!("{ERROR_DOMAIN}/{resource}"),
            format!("{resource}s/{name}"),
        );
        details.set_resource_info(kind, name.replace(' ', "-"), "", error.to_string());
    }
    if let flows::Error::Password(PasswordError::TooManyCodes { .. }) = error {
        details.add_quota_failure_violation("codes of a user", error.to_string());
    }
    if let Some((kind, subject)) = precondition(error) {
        details.add_precondition_failure_violation(kind, subject, error.to_string());
    }
}

/// What of the world is not as it would have to be: its type, and what it is about.
fn precondition(error: &flows::Error) -> Option<(&'static str, String)> {
    let payment = |id: &str| format!("payments/{id}");
    match error {
        flows::Error::PaymentState { transaction_id, .. } => {
            Some(("PAYMENT_STATE", payment(transaction_id)))
        }
        flows::Error::OrderAlreadyPaid { transaction_id, .. } => {
            Some(("BUSINESS_ORDER_STATE", payment(transaction_id)))
        }
        flows::Error::RefundExceedsRefundable { transaction_id, .. } => {
            Some(("REFUND_LIMIT", payment(transaction_id)))
        }
        flows::Error::InsufficientFunds { user_id, .. } => {
            Some(("WALLET_BALANCE", format!("wallets/{user_id}")))
        }
        flows::Error::WalletFrozen { user_id } => {
            Some(("WALLET_STATUS", format!("wallets/{user_id}")))
        }
        flows::Error::GatewayRefused { transaction_id, .. } => {
            Some(("GATEWAY", payment(transaction_id)))
        }
        flows::Error::NoChannelAccount { channel } => {
            Some(("CHANNEL_ACCOUNT", format!("channels/{channel}")))
        }
        flows::Error::AmountOutsideLimits { .. } => Some(("AMOUNT_LIMIT", "amount".to_owned())),
        flows::Error::UnitMismatch { .. } => Some(("UNIT", "amount".to_owned())),
        flows::Error::Limit(error) => Some((error.reason().as_str(), "amount".to_owned())),
        flows::Error::Password(PasswordError::TooManyCodes { .. }) => None,
        flows::Error::Password(error) => {
            Some((error.reason().as_str(), "payment_password".to_owned()))
        }
        flows::Error::AccountUnusable { account } => {
            Some(("CHANNEL_ACCOUNT", format!("channel-accounts/{account}")))
        }
        _ => None,
    }
}

/// Faults are errors, what is away is a warning, refusals are everyday.
fn log(error: &Error, request_id: &str) {
    let (kind, reason) = (error.kind().as_str(), error.reason().as_str());
    match error.kind() {
        ErrorKind::Internal => {
            tracing::error!(
                request.id = request_id,
                reason,
                error = chain(error),
                "call failed"
            );
        }
        ErrorKind::Unavailable | ErrorKind::Timeout => {
            tracing::warn!(
                request.id = request_id,
                reason,
                error = chain(error),
                "call failed"
            );
        }
        ErrorKind::InvalidInput
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::FailedPrecondition
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::LimitExceeded => {
            tracing::info!(request.id = request_id, reason, kind, "call refused");
        }
    }
}

/// An error with its sources, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        if write!(text, ": {inner}").is_err() {
            break;
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
