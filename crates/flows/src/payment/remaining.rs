//! What is left in the wallet that pays.

use kassa_core::Money;
use kassa_core::channel::Channel;
use kassa_core::ledger::Unit;
use kassa_core::money::Points;
use kassa_core::payment::PaymentTransaction;

use super::legs;
use crate::{Error, Kassa};

/// What the payer can still spend, of what the payment's legs are paid with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remaining {
    /// Money, if the balance pays a leg.
    pub balance: Option<Money>,
    /// Points, if points pay a leg.
    pub points: Option<Points>,
}

/// What is available now.
pub(super) async fn of(kassa: &Kassa, payment: &PaymentTransaction) -> Result<Remaining, Error> {
    let mut remaining = Remaining::default();
    for leg in payment.internal_legs() {
        let (wallet, currency) = (legs::wallet_of(payment)?, leg.amount.currency());
        if leg.channel == Channel::Points {
            let account = wallet.account(Unit::Points);
            let available = kassa.store.balances(&account).await?.available_minor();
            remaining.points = Some(Points::try_new(available).map_err(Error::internal)?);
        } else {
            let account = wallet.account(Unit::Currency(currency));
            let available = kassa.store.balances(&account).await?.available_minor();
            let available = Money::try_new(available, currency).map_err(Error::internal)?;
            remaining.balance = Some(available);
        }
    }
    Ok(remaining)
}
