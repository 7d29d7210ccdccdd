//! Errors of the flows. Each says what kind it is, why in one word, and when to try again.

use std::collections::BTreeMap;
use std::time::Duration;

use kassa_core::anomaly::{AnomalyKind, ResolutionAction};
use kassa_core::channel::Channel;
use kassa_core::ledger::{Amount, Unit};
use kassa_core::payment::{Failure, PaymentStatus};
use kassa_core::{ErrorKind, Money};
use runtime::accounts::CredentialsError;
use runtime::queue::QueueError;
use runtime::store::StoreError;

use crate::Reason;
use crate::limits::LimitError;
use crate::password::PasswordError;
use crate::payment::LegError;

/// When a caller should repeat a request whose outcome is not known.
const RETRY_UNKNOWN: Duration = Duration::from_secs(2);
/// When a caller should repeat a request that is being worked on.
const RETRY_IN_FLIGHT: Duration = Duration::from_millis(500);

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path in the request, snake case and dotted.
    pub field: String,
    /// What is expected of it.
    pub description: String,
}

impl FieldViolation {
    /// Names a bad field.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over literals and errors alike"
    )]
    pub fn new(field: impl Into<String>, description: impl ToString) -> Self {
        Self {
            field: field.into(),
            description: description.to_string(),
        }
    }
}

/// Why a flow did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad fields, all of them.
    #[error("{} of the request: {}", count(.0.len()), fields(.0))]
    InvalidInput(Vec<FieldViolation>),
    /// No such thing, or not the caller's.
    #[error("no {resource} {name}")]
    NotFound {
        /// What kind of thing.
        resource: &'static str,
        /// As the caller named it.
        name: String,
    },
    /// The idempotency key was used with another content.
    #[error("{field} {key} was used before with another content")]
    IdempotencyMismatch {
        /// Which field is the key.
        field: &'static str,
        /// The key.
        key: String,
    },
    /// Something with this name exists.
    #[error("{resource} {name} exists")]
    AlreadyExists {
        /// What kind of thing.
        resource: &'static str,
        /// Its name.
        name: String,
    },
    /// The business order is paid.
    #[error("business order {business_order_id} is paid by transaction {transaction_id}")]
    OrderAlreadyPaid {
        /// The order.
        business_order_id: String,
        /// The payment that paid it.
        transaction_id: String,
    },
    /// The payment is not in a state in which this is possible.
    #[error("transaction {transaction_id} is {status}: {wanted}")]
    PaymentState {
        /// The payment.
        transaction_id: String,
        /// Its status.
        status: PaymentStatus,
        /// What would be needed.
        wanted: &'static str,
    },
    /// More than can be given back.
    #[error("transaction {transaction_id} has {refundable} left to refund")]
    RefundExceedsRefundable {
        /// The payment.
        transaction_id: String,
        /// What can be given back.
        refundable: Money,
    },
    /// More than is available in a wallet.
    #[error("the wallet of user {user_id} has {available} available")]
    InsufficientFunds {
        /// Whose wallet.
        user_id: String,
        /// What is available in it.
        available: Amount,
    },
    /// Nothing goes out of a frozen wallet.
    #[error("the wallet of user {user_id} is frozen")]
    WalletFrozen {
        /// Whose wallet.
        user_id: String,
    },
    /// The legs of a payment or refund do not fit together.
    #[error(transparent)]
    Legs(#[from] LegError),
    /// The anomaly was dealt with in another way.
    #[error("anomaly {anomaly_id} was resolved by {resolution}")]
    AnomalyResolved {
        /// The anomaly.
        anomaly_id: String,
        /// What was done about it.
        resolution: ResolutionAction,
    },
    /// The action does not fit the anomaly as it is.
    #[error("{action} does not fit anomaly {anomaly_id} ({kind}): {why}")]
    AnomalyAction {
        /// The anomaly.
        anomaly_id: String,
        /// Its kind.
        kind: AnomalyKind,
        /// What was to be done.
        action: ResolutionAction,
        /// Why that is not possible.
        why: &'static str,
    },
    /// No active channel account of the app takes this payment.
    #[error("no active channel account for {channel}")]
    NoChannelAccount {
        /// The channel.
        channel: Channel,
    },
    /// The amount is outside the limits of every account that would fit.
    #[error("the amount is outside the limits of the channel account")]
    AmountOutsideLimits {
        /// The smallest amount, if limited.
        min: Option<Money>,
        /// The largest amount, if limited.
        max: Option<Money>,
    },
    /// Money of one unit where another is needed.
    #[error("expected an amount in {expected}, found {found}")]
    UnitMismatch {
        /// The unit that is needed.
        expected: Unit,
        /// The unit that was given.
        found: Unit,
    },
    /// What the app allows a payer.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The payment password and its one-time codes.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// An account that is needed does not open.
    #[error("channel account {account} is not usable")]
    AccountUnusable {
        /// Its id.
        account: String,
    },
    /// The gateway refused for good.
    #[error("the gateway refused: {} {}", .failure.code, .failure.message)]
    GatewayRefused {
        /// The channel.
        channel: Channel,
        /// The payment that failed by it.
        transaction_id: String,
        /// In the gateway's words.
        failure: Failure,
    },
    /// The gateway's answer is not known.
    #[error("the gateway's answer for transaction {transaction_id} is not known yet")]
    OutcomeUnknown {
        /// The payment.
        transaction_id: String,
    },
    /// A gateway could not be asked what a notification is about.
    #[error("the gateway could not be asked what a notification is about")]
    GatewayUnavailable,
    /// The same request is being worked on.
    #[error("the same request is being worked on")]
    RequestInFlight,
    /// The thing was changed meanwhile.
    #[error("{resource} {name} was changed meanwhile")]
    VersionConflict {
        /// What kind of thing.
        resource: &'static str,
        /// Its name.
        name: String,
    },
    /// The database.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// The queue.
    #[error("the queue failed")]
    Queue(#[from] QueueError),
    /// Sealed credentials.
    #[error("the credentials failed")]
    Credentials(#[from] CredentialsError),
    /// A broken invariant: a fault of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// A broken invariant, in words.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub(crate) fn internal(what: impl ToString) -> Self {
        Self::Internal(what.to_string())
    }

    /// One bad field.
    pub(crate) fn field(field: &str, description: impl ToString) -> Self {
        Self::InvalidInput(vec![FieldViolation::new(field, description)])
    }

    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidInput(_) => ErrorKind::InvalidInput,
            Self::Legs(error) => error.kind(),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::IdempotencyMismatch { .. } | Self::AlreadyExists { .. } => {
                ErrorKind::AlreadyExists
            }
            Self::OrderAlreadyPaid { .. }
            | Self::PaymentState { .. }
            | Self::RefundExceedsRefundable { .. }
            | Self::InsufficientFunds { .. }
            | Self::WalletFrozen { .. }
            | Self::AnomalyResolved { .. }
            | Self::AnomalyAction { .. }
            | Self::NoChannelAccount { .. }
            | Self::AmountOutsideLimits { .. }
            | Self::UnitMismatch { .. }
            | Self::Limit(_)
            | Self::AccountUnusable { .. }
            | Self::GatewayRefused { .. } => ErrorKind::FailedPrecondition,
            Self::Password(error) => error.kind(),
            Self::OutcomeUnknown { .. } | Self::GatewayUnavailable => ErrorKind::Unavailable,
            Self::RequestInFlight | Self::VersionConflict { .. } => ErrorKind::Conflict,
            Self::Store(error) => error.kind(),
            Self::Queue(error) => error.kind(),
            Self::Credentials(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// Why, in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::InvalidInput(_) => Reason::InvalidArgument,
            Self::NotFound { .. } => Reason::ResourceNotFound,
            Self::IdempotencyMismatch { .. } => Reason::IdempotencyMismatch,
            Self::AlreadyExists { .. } => Reason::AlreadyExists,
            Self::OrderAlreadyPaid { .. } => Reason::OrderAlreadyPaid,
            Self::PaymentState { .. } => Reason::PaymentState,
            Self::RefundExceedsRefundable { .. } => Reason::RefundExceedsRefundable,
            Self::InsufficientFunds { .. } => Reason::InsufficientFunds,
            Self::WalletFrozen { .. } => Reason::WalletFrozen,
            Self::Legs(error) => error.reason(),
            Self::AnomalyResolved { .. } => Reason::AnomalyResolved,
            Self::AnomalyAction { .. } => Reason::AnomalyAction,
            Self::NoChannelAccount { .. } => Reason::NoChannelAccount,
            Self::AmountOutsideLimits { .. } => Reason::AmountOutsideLimits,
            Self::UnitMismatch { .. } => Reason::UnitMismatch,
            Self::Limit(error) => error.reason(),
            Self::Password(error) => error.reason(),
            Self::AccountUnusable { .. } => Reason::GatewayMisconfigured,
            Self::GatewayRefused { .. } => Reason::GatewayRefused,
            Self::OutcomeUnknown { .. } => Reason::OutcomeUnknown,
            Self::RequestInFlight => Reason::RequestInFlight,
            Self::VersionConflict { .. } => Reason::VersionConflict,
            Self::Store(error) => match error.kind() {
                ErrorKind::Conflict => Reason::VersionConflict,
                ErrorKind::Unavailable => Reason::ServiceUnavailable,
                ErrorKind::NotFound => Reason::ResourceNotFound,
                ErrorKind::AlreadyExists => Reason::AlreadyExists,
                ErrorKind::InvalidInput
                | ErrorKind::FailedPrecondition
                | ErrorKind::Unauthenticated
                | ErrorKind::Forbidden
                | ErrorKind::LimitExceeded
                | ErrorKind::Timeout
                | ErrorKind::Internal => Reason::Internal,
            },
            Self::Queue(_) | Self::GatewayUnavailable => Reason::ServiceUnavailable,
            Self::Credentials(_) | Self::Internal(_) => Reason::Internal,
        }
    }

    /// When the same request may be sent again, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RequestInFlight => Some(RETRY_IN_FLIGHT),
            Self::Password(PasswordError::TooManyCodes { retry_after }) => Some(*retry_after),
            // Only a new reading helps there, not the same request.
            Self::VersionConflict { .. } => None,
            other if other.kind().is_retryable() => Some(RETRY_UNKNOWN),
            _ => None,
        }
    }

    /// Everything dynamic in the message, for the `metadata` of `ErrorInfo`.
    pub fn metadata(&self) -> BTreeMap<&'static str, String> {
        let pairs = match self {
            Self::NotFound { resource, name }
            | Self::AlreadyExists { resource, name }
            | Self::VersionConflict { resource, name } => {
                vec![("resource", (*resource).to_owned()), ("name", name.clone())]
            }
            Self::IdempotencyMismatch { field, key } => {
                vec![("field", (*field).to_owned()), ("key", key.clone())]
            }
            Self::OrderAlreadyPaid {
                business_order_id,
                transaction_id,
            } => vec![
                ("business_order_id", business_order_id.clone()),
                ("transaction_id", transaction_id.clone()),
            ],
            Self::PaymentState {
                transaction_id,
                status,
                ..
            } => vec![
                ("transaction_id", transaction_id.clone()),
                ("status", status.as_str().to_owned()),
            ],
            Self::RefundExceedsRefundable {
                transaction_id,
                refundable,
            } => refundable_figures(transaction_id, *refundable),
            Self::InsufficientFunds { user_id, available } => shortage(user_id, *available),
            Self::WalletFrozen { user_id } => vec![("user_id", user_id.clone())],
            Self::Legs(error) => error.figures(),
            Self::AnomalyResolved {
                anomaly_id,
                resolution,
            } => vec![
                ("anomaly_id", anomaly_id.clone()),
                ("resolution", resolution.as_str().to_owned()),
            ],
            Self::AnomalyAction {
                anomaly_id,
                kind,
                action,
                ..
            } => misfit(anomaly_id, *kind, *action),
            Self::NoChannelAccount { channel } => vec![("channel", channel.as_str().to_owned())],
            Self::AmountOutsideLimits { min, max } => limits(*min, *max),
            Self::UnitMismatch { expected, found } => units(*expected, *found),
            Self::Limit(error) => error.figures(),
            Self::Password(error) => error.figures(),
            Self::AccountUnusable { account } => vec![("channel_account_id", account.clone())],
            Self::GatewayRefused {
                channel,
                transaction_id,
                failure,
            } => refusal(*channel, transaction_id, failure),
            Self::OutcomeUnknown { transaction_id } => {
                vec![("transaction_id", transaction_id.clone())]
            }
            Self::InvalidInput(_)
            | Self::RequestInFlight
            | Self::GatewayUnavailable
            | Self::Store(_)
            | Self::Queue(_)
            | Self::Credentials(_)
            | Self::Internal(_) => Vec::new(),
        };
        pairs.into_iter().collect()
    }
}

impl From<StoreError> for Error {
    /// What a wallet lacks is the caller's to know; whose wallet it is stands behind the slash.
    fn from(error: StoreError) -> Self {
        if let StoreError::InsufficientFunds {
            account,
            available_minor,
        } = &error
            && let Ok(available) = Amount::of(account.unit, *available_minor)
        {
            let user = account.owner.split_once('/').map(|(_, user)| user);
            return Self::InsufficientFunds {
                user_id: user.unwrap_or_default().to_owned(),
                available,
            };
        }
        Self::Store(error)
    }
}

fn shortage(user_id: &str, available: Amount) -> Vec<(&'static str, String)> {
    vec![
        ("user_id", user_id.to_owned()),
        ("available", available.to_decimal_string()),
        ("unit", available.unit().code().to_owned()),
    ]
}

fn misfit(
    anomaly_id: &str,
    kind: AnomalyKind,
    action: ResolutionAction,
) -> Vec<(&'static str, String)> {
    vec![
        ("anomaly_id", anomaly_id.to_owned()),
        ("kind", kind.as_str().to_owned()),
        ("action", action.as_str().to_owned()),
    ]
}

fn refusal(
    channel: Channel,
    transaction_id: &str,
    failure: &Failure,
) -> Vec<(&'static str, String)> {
    vec![
        ("channel", channel.as_str().to_owned()),
        ("transaction_id", transaction_id.to_owned()),
        ("gateway_code", failure.code.clone()),
        ("gateway_message", failure.message.clone()),
    ]
}

fn refundable_figures(transaction_id: &str, refundable: Money) -> Vec<(&'static str, String)> {
    vec![
        ("transaction_id", transaction_id.to_owned()),
        ("refundable_amount", refundable.to_decimal_string()),
        ("currency_code", refundable.currency().code().to_owned()),
    ]
}

fn units(expected: Unit, found: Unit) -> Vec<(&'static str, String)> {
    vec![
        ("expected_unit", expected.to_string()),
        ("found_unit", found.to_string()),
    ]
}

fn limits(min: Option<Money>, max: Option<Money>) -> Vec<(&'static str, String)> {
    [("amount_min", min), ("amount_max", max)]
        .into_iter()
        .filter_map(|(key, limit)| limit.map(|limit| (key, limit.to_string())))
        .collect()
}

fn count(fields: usize) -> String {
    if fields == 1 {
        "bad field".to_owned()
    } else {
        format!("{fields} bad fields")
    }
}

fn fields(violations: &[FieldViolation]) -> String {
    let texts: Vec<_> = violations
        .iter()
        .map(|v| format!("{} {}", v.field, v.description))
        .collect();
    texts.join("; ")
}
