//! What business systems are told. An event is written with the change that it tells of.

use crate::code::codes;

codes! {
    /// What happened. The word is the end of the CloudEvent's `type`: `kassa.<word>.v1`.
    EventKind as "event kind" {
        /// An order was placed: the payer can pay.
        PaymentPending = "payment.pending",
        /// A new order is on its way in place of the one before, which is ended first.
        PaymentRetried = "payment.retried",
        /// Paid.
        PaymentSucceeded = "payment.succeeded",
        /// It cannot be paid any more: the gateway refused.
        PaymentFailed = "payment.failed",
        /// Closed unpaid.
        PaymentClosed = "payment.closed",
        /// Part or all of it was given back; the payment's status tells which.
        PaymentRefunded = "payment.refunded",
        /// A refund was accepted by us.
        RefundCreated = "refund.created",
        /// A refund was accepted by the gateway; the money is under way.
        RefundProcessing = "refund.processing",
        /// Given back.
        RefundSucceeded = "refund.succeeded",
        /// It will not be given back by this refund.
        RefundFailed = "refund.failed",
        /// Something was put into a wallet: on request, by another wallet, or by a top-up.
        WalletCredited = "wallet.credited",
        /// Something was taken out of a wallet: on request, for another wallet, or by a refund of a
        /// top-up.
        WalletDebited = "wallet.debited",
        /// Points in a wallet expired.
        WalletPointsExpired = "wallet.points_expired",
        /// Nothing goes out of a wallet any more.
        WalletFrozen = "wallet.frozen",
        /// A wallet is as before it was frozen.
        WalletUnfrozen = "wallet.unfrozen",
        /// A user is to get a one-time code, which the event carries encrypted.
        PasswordCodeRequested = "password.code_requested",
        /// A user has a payment password now.
        PasswordSet = "password.set",
        /// A user changed the payment password.
        PasswordChanged = "password.changed",
        /// A user set a new payment password with a one-time code.
        PasswordReset = "password.reset",
        /// A payment password was tried in vain too often: it is locked for a while.
        PasswordLocked = "password.locked",
        /// Money did not come as agreed: people, or the app's policy, have to decide about it.
        AnomalyOpened = "anomaly.opened",
        /// An anomaly was dealt with.
        AnomalyResolved = "anomaly.resolved",
    }
}

impl EventKind {
    /// The CloudEvent's `type`, for example `kassa.payment.succeeded.v1`.
    pub fn event_type(self) -> String {
        format!("kassa.{}.v1", self.as_str())
    }

    /// The kind of a CloudEvent's `type`.
    pub fn from_event_type(event_type: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.event_type() == event_type)
    }

    /// The topic of the event: `<app_id>.<thing>.<what>.<business_order_type>`, the thing being a payment,
    /// refund, wallet, password or anomaly; what has no order type has the word `NONE`.
    pub fn routing_key(self, app_id: &str, business_order_type: Option<&str>) -> String {
        format!(
            "{app_id}.{}.{}",
            self.as_str(),
            business_order_type.unwrap_or("NONE")
        )
    }
}
