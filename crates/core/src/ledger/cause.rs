//! What makes a transfer or a hold.

use crate::code::codes;

codes! {
    /// What kind of change made a transfer.
    CauseKind as "transfer cause" {
        /// An attempt was paid as agreed (or late). Id: the attempt.
        Payment = "PAYMENT",
        /// An attempt was paid not as agreed. Id: the attempt.
        UnexpectedPayment = "UNEXPECTED_PAYMENT",
        /// A refund succeeded. Id: the refund.
        Refund = "REFUND",
        /// A refund that fits nothing that we know. Id: the gateway's refund number.
        UnexpectedRefund = "UNEXPECTED_REFUND",
        /// Money was put into a wallet on request. Id: the wallet operation.
        WalletCredit = "WALLET_CREDIT",
        /// Money was taken out of a wallet on request. Id: the wallet operation.
        WalletDebit = "WALLET_DEBIT",
        /// Money went from one wallet to another. Id: the wallet operation.
        WalletTransfer = "WALLET_TRANSFER",
        /// A paid top-up came into a wallet. Id: the attempt.
        TopUp = "TOP_UP",
        /// A top-up was given back out of a wallet. Id: the refund.
        TopUpRefund = "TOP_UP_REFUND",
        /// A wallet paid. Id: the leg.
        BalancePayment = "BALANCE_PAYMENT",
        /// Money came back into a wallet. Id: the refund's leg.
        BalanceRefund = "BALANCE_REFUND",
        /// Points paid. Id: the leg.
        PointsPayment = "POINTS_PAYMENT",
        /// Points came back. Id: the refund's leg.
        PointsRefund = "POINTS_REFUND",
        /// Points were given on request. Id: the wallet operation.
        PointsGrant = "POINTS_GRANT",
        /// Points were taken back on request. Id: the wallet operation.
        PointsDebit = "POINTS_DEBIT",
        /// Points went from one wallet to another. Id: the wallet operation.
        PointsTransfer = "POINTS_TRANSFER",
        /// Points expired. Id: the lot, and how often it was looked at.
        PointsExpiry = "POINTS_EXPIRY",
        /// A gateway kept its fee of a payment. Id: the attempt.
        Fee = "FEE",
        /// A gateway gave back a part of its fee. Id: the refund.
        FeeRefund = "FEE_REFUND",
    }
}

/// What made a transfer. Unique in the books: one cause is booked once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransferCause {
    /// What kind of change.
    pub kind: CauseKind,
    /// Which one.
    pub id: String,
}

impl CauseKind {
    /// Whether the id of such a cause is a wallet operation's.
    pub fn is_operation(self) -> bool {
        match self {
            Self::WalletCredit
            | Self::WalletDebit
            | Self::WalletTransfer
            | Self::PointsGrant
            | Self::PointsDebit
            | Self::PointsTransfer => true,
            Self::Payment
            | Self::UnexpectedPayment
            | Self::Refund
            | Self::UnexpectedRefund
            | Self::TopUp
            | Self::TopUpRefund
            | Self::BalancePayment
            | Self::BalanceRefund
            | Self::PointsPayment
            | Self::PointsRefund
            | Self::PointsExpiry
            | Self::Fee
            | Self::FeeRefund => false,
        }
    }
}
