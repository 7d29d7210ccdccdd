//! What can be wrong between the legs of a payment, and of its refunds.

use kassa_core::channel::Channel;
use kassa_core::{ErrorKind, Money, Points};

use crate::Reason;

/// Why legs do not fit, with the figures that the caller may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LegError {
    /// The parts do not make the whole.
    #[error("the legs add up to {sum}, not to {amount}")]
    DontAddUp {
        /// What they add up to.
        sum: Money,
        /// What they are to add up to.
        amount: Money,
    },
    /// More than one gateway.
    #[error("{first} and {second} cannot pay one payment together: at most one leg is a gateway's")]
    TwoGateways {
        /// A channel.
        first: Channel,
        /// Another one.
        second: Channel,
    },
    /// Points and money do not agree at the app's rate.
    #[error("{points} are worth {value}, and {amount} costs {price}: they must agree")]
    PointsMismatch {
        /// The points given, or found for the amount.
        points: Points,
        /// What they are worth.
        value: Money,
        /// The amount given, or found for the points.
        amount: Money,
        /// What that costs.
        price: Points,
    },
    /// More than can be given back of one leg.
    #[error("leg {leg_no} has {refundable} left to refund")]
    RefundExceeds {
        /// The leg's number.
        leg_no: i32,
        /// What can be given back.
        refundable: Money,
    },
    /// A refund cannot go to the payer's balance.
    #[error("the refund cannot go to the balance: {why}")]
    RefundToBalance {
        /// Why not.
        why: &'static str,
    },
}

impl LegError {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::DontAddUp { .. } | Self::TwoGateways { .. } | Self::PointsMismatch { .. } => {
                ErrorKind::InvalidInput
            }
            Self::RefundExceeds { .. } | Self::RefundToBalance { .. } => {
                ErrorKind::FailedPrecondition
            }
        }
    }

    /// Why, in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::DontAddUp { .. } => Reason::LegsDontAddUp,
            Self::TwoGateways { .. } => Reason::TwoGatewayLegs,
            Self::PointsMismatch { .. } => Reason::PointsMismatch,
            Self::RefundExceeds { .. } => Reason::RefundExceedsLeg,
            Self::RefundToBalance { .. } => Reason::RefundToBalance,
        }
    }

    /// What the caller may show.
    pub(crate) fn figures(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::DontAddUp { sum, amount } => {
                vec![("sum", sum.to_string()), ("amount", amount.to_string())]
            }
            Self::TwoGateways { first, second } => vec![
                ("first", first.as_str().to_owned()),
                ("second", second.as_str().to_owned()),
            ],
            Self::PointsMismatch {
                points,
                value,
                amount,
                price,
            } => vec![
                ("points", points.to_decimal_string()),
                ("points_value", value.to_string()),
                ("amount", amount.to_string()),
                ("amount_in_points", price.to_decimal_string()),
            ],
            Self::RefundExceeds { leg_no, refundable } => vec![
                ("leg_no", leg_no.to_string()),
                ("refundable_amount", refundable.to_decimal_string()),
                ("currency_code", refundable.currency().code().to_owned()),
            ],
            Self::RefundToBalance { why } => vec![("why", (*why).to_owned())],
        }
    }
}
