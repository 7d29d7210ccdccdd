//! The machine-readable reasons of errors. A caller can act on the reason alone; `docs/errors.md`
//! lists them.

/// Why a request was refused or failed. The word is the `reason` of the answer's `ErrorInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// One or more fields are wrong; the answer names each.
    InvalidArgument,
    /// No such thing, or not the caller's.
    ResourceNotFound,
    /// The same idempotency key was used with another content.
    IdempotencyMismatch,
    /// Something with this name exists.
    AlreadyExists,
    /// The business order is paid.
    OrderAlreadyPaid,
    /// The payment is not in a state in which this is possible.
    PaymentState,
    /// More than can be given back.
    RefundExceedsRefundable,
    /// More than is available in the wallet.
    InsufficientFunds,
    /// The wallet is frozen: nothing goes out of it.
    WalletFrozen,
    /// More than can be given back of one leg.
    RefundExceedsLeg,
    /// The refund cannot go to the payer's balance.
    RefundToBalance,
    /// The legs do not add up to the amount.
    LegsDontAddUp,
    /// More than one gateway is to pay.
    TwoGatewayLegs,
    /// Points and money do not agree at the app's rate.
    PointsMismatch,
    /// The anomaly was dealt with in another way.
    AnomalyResolved,
    /// The action does not fit the anomaly: its kind, its gateway, or a refund under way.
    AnomalyAction,
    /// No active channel account of the app takes this payment.
    NoChannelAccount,
    /// The amount is outside the channel account's limits.
    AmountOutsideLimits,
    /// The app does not allow this method.
    MethodDisabled,
    /// The amount is in another unit than is needed.
    UnitMismatch,
    /// Fewer points than a payment takes.
    PointsBelowMinimum,
    /// The payment would bring its user above a limit; the answer has the figures.
    LimitExceeded,
    /// The payment needs the payment password.
    PasswordRequired,
    /// The user has no payment password.
    PasswordNotSet,
    /// The payment password is wrong; the answer has the tries that are left.
    PasswordWrong,
    /// Too many wrong payment passwords; the answer has the time of the end.
    PasswordLocked,
    /// The one-time code is wrong; the answer has the tries that are left.
    CodeWrong,
    /// There is no one-time code that is still good: request another.
    CodeExpired,
    /// One-time codes are asked for too often: wait as long as the answer says.
    TooManyCodes,
    /// The app has no key to encrypt one-time codes to; an operator must set one.
    CodeKeyMissing,
    /// The gateway refused for good.
    GatewayRefused,
    /// The gateway refuses our account or configuration; an operator must act.
    GatewayMisconfigured,
    /// The gateway's answer is not known yet: send the same request again.
    OutcomeUnknown,
    /// The same request is being worked on: send it again in a moment.
    RequestInFlight,
    /// The thing was changed meanwhile: read it and decide again.
    VersionConflict,
    /// The database or the broker is away: send the same request again.
    ServiceUnavailable,
    /// The token is missing, malformed, expired or not signed by a key of the app.
    Unauthenticated,
    /// The token does not carry the scope that the call needs.
    ScopeMissing,
    /// Too many requests.
    RateLimited,
    /// The caller's deadline passed.
    DeadlineExceeded,
    /// A fault of Kassa.
    Internal,
}

impl Reason {
    /// Every reason, for the documentation.
    pub const ALL: &'static [Self] = &[
        Self::InvalidArgument,
        Self::ResourceNotFound,
        Self::IdempotencyMismatch,
        Self::AlreadyExists,
        Self::OrderAlreadyPaid,
        Self::PaymentState,
        Self::RefundExceedsRefundable,
        Self::InsufficientFunds,
        Self::WalletFrozen,
        Self::RefundExceedsLeg,
        Self::RefundToBalance,
        Self::LegsDontAddUp,
        Self::TwoGatewayLegs,
        Self::PointsMismatch,
        Self::AnomalyResolved,
        Self::AnomalyAction,
        Self::NoChannelAccount,
        Self::AmountOutsideLimits,
        Self::MethodDisabled,
        Self::UnitMismatch,
        Self::PointsBelowMinimum,
        Self::LimitExceeded,
        Self::PasswordRequired,
        Self::PasswordNotSet,
        Self::PasswordWrong,
        Self::PasswordLocked,
        Self::CodeWrong,
        Self::CodeExpired,
        Self::TooManyCodes,
        Self::CodeKeyMissing,
        Self::GatewayRefused,
        Self::GatewayMisconfigured,
        Self::OutcomeUnknown,
        Self::RequestInFlight,
        Self::VersionConflict,
        Self::ServiceUnavailable,
        Self::Unauthenticated,
        Self::ScopeMissing,
        Self::RateLimited,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::ResourceNotFound => "RESOURCE_NOT_FOUND",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::OrderAlreadyPaid => "ORDER_ALREADY_PAID",
            Self::PaymentState => "PAYMENT_STATE",
            Self::RefundExceedsRefundable => "REFUND_EXCEEDS_REFUNDABLE",
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::WalletFrozen => "WALLET_FROZEN",
            Self::RefundExceedsLeg => "REFUND_EXCEEDS_LEG",
            Self::RefundToBalance => "REFUND_TO_BALANCE",
            Self::LegsDontAddUp => "LEGS_DONT_ADD_UP",
            Self::TwoGatewayLegs => "TWO_GATEWAY_LEGS",
            Self::PointsMismatch => "POINTS_MISMATCH",
            Self::AnomalyResolved => "ANOMALY_RESOLVED",
            Self::AnomalyAction => "ANOMALY_ACTION",
            Self::NoChannelAccount => "NO_CHANNEL_ACCOUNT",
            Self::AmountOutsideLimits => "AMOUNT_OUTSIDE_LIMITS",
            Self::MethodDisabled => "METHOD_DISABLED",
            Self::UnitMismatch => "UNIT_MISMATCH",
            Self::PointsBelowMinimum => "POINTS_BELOW_MINIMUM",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::PasswordRequired => "PASSWORD_REQUIRED",
            Self::PasswordNotSet => "PASSWORD_NOT_SET",
            Self::PasswordWrong => "PASSWORD_WRONG",
            Self::PasswordLocked => "PASSWORD_LOCKED",
            Self::CodeWrong => "CODE_WRONG",
            Self::CodeExpired => "CODE_EXPIRED",
            Self::TooManyCodes => "TOO_MANY_CODES",
            Self::CodeKeyMissing => "CODE_KEY_MISSING",
            Self::GatewayRefused => "GATEWAY_REFUSED",
            Self::GatewayMisconfigured => "GATEWAY_MISCONFIGURED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::RequestInFlight => "REQUEST_IN_FLIGHT",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::ScopeMissing => "SCOPE_MISSING",
            Self::RateLimited => "RATE_LIMITED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }
}
