//! Top-ups: payments of the business order type `WALLET_TOPUP`, whose money comes into the payer's wallet.
//!
//! The wallet is credited in the transaction that pays the payment, whatever way it was learned and also
//! when it was paid late. A refund first holds its amount in the wallet, so that nobody spends it
//! meanwhile; its success takes the amount out, its failure gives it free. Money that a console gave back
//! unasked is taken out of the wallet only if all of it is there: the wallet is never overdrawn, and the
//! anomaly of that refund tells people what became of it.

use chrono::TimeDelta;
use kassa_core::Money;
use kassa_core::event::EventKind;
use kassa_core::id::{AttemptId, HoldId};
use kassa_core::ledger::{Amount, CauseKind, HoldStatus, TransferCause};
use kassa_core::payment::PaymentTransaction;
use kassa_core::refund::{RefundSource, RefundTransaction};
use kassa_core::wallet::WalletKey;
use runtime::store::{Movement, NewHold, Posted, Tx};

use super::book::lock_in_tx;
use super::operate::tell_changed_in_tx;
use super::{book_in_tx, lock_for_spending_in_tx};
use crate::payment::is_top_up;
use crate::{Error, Kassa};

/// When the hold of a refund counts as forgotten: longer than any gateway works on a refund.
const REFUND_HOLD: TimeDelta = TimeDelta::days(180);

/// The wallet of a top-up; none if the payment is not one.
fn wallet_of(payment: &PaymentTransaction) -> Option<WalletKey> {
    let user_id = payment.user_id.clone().filter(|_| is_top_up(payment))?;
    Some(WalletKey {
        app_id: payment.app_id.clone(),
        user_id,
    })
}

/// Locks the wallet of a top-up: whoever locks daily totals before the top-up is booked needs it first.
pub(crate) async fn lock_wallet_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
) -> Result<(), Error> {
    if let Some(key) = wallet_of(payment) {
        let _wallet = lock_in_tx(kassa, tx, &key).await?;
    }
    Ok(())
}

/// Books what a paid payment moves, and for a top-up its credit too.
pub(crate) async fn book_paid_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    attempt: AttemptId,
    mut movements: Vec<Movement>,
) -> Result<(), Error> {
    let Some(key) = wallet_of(payment) else {
        book_in_tx(kassa, tx, &movements, Some(payment.id)).await?;
        return Ok(());
    };
    let wallet = lock_in_tx(kassa, tx, &key).await?;
    let credit = key.top_up(attempt.to_string(), payment.amount_paid);
    movements.push(Movement::Transfer(credit.map_err(Error::internal)?));
    let posted = book_in_tx(kassa, tx, &movements, Some(payment.id)).await?;
    if posted.last() == Some(&Posted::New) {
        tell_changed_in_tx(kassa, tx, wallet, EventKind::WalletCredited).await?;
    }
    Ok(())
}

/// Holds what a refund of a top-up will take out of the wallet.
///
/// # Errors
/// [`Error::InsufficientFunds`], [`Error::WalletFrozen`].
pub(crate) async fn hold_refund_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    refund: &RefundTransaction,
) -> Result<(), Error> {
    // A duplicate never came into the wallet.
    let Some(key) = wallet_of(payment).filter(|_| refund.source == RefundSource::Payment) else {
        return Ok(());
    };
    let _wallet = lock_for_spending_in_tx(kassa, tx, &key).await?;
    let expires_at = kassa.clock.now().checked_add_signed(REFUND_HOLD);
    let amount = Amount::Money(refund.amount_requested);
    let hold = NewHold {
        id: HoldId::new(&kassa.ids),
        account: key.account(amount.unit()),
        amount,
        cause: cause(refund),
        expires_at: expires_at.ok_or_else(|| Error::internal("the clock is out of range"))?,
    };
    book_in_tx(kassa, tx, &[Movement::Hold(hold)], Some(payment.id)).await?;
    Ok(())
}

/// Gives free what was held for a refund that will not happen.
pub(crate) async fn release_refund_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    refund: &RefundTransaction,
) -> Result<(), Error> {
    if let Some(hold) = active_hold_in_tx(tx, payment, refund).await? {
        book_in_tx(kassa, tx, &[Movement::VoidHold(hold)], Some(payment.id)).await?;
    }
    Ok(())
}

/// What a refund did to the wallet that its payment topped up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debited {
    /// What was given back was taken out of it.
    Taken,
    /// It had no more than this, and was left as it is.
    Missing {
        /// What could have been taken.
        available: Money,
    },
}

/// Books what a refund moves, and for a top-up what it takes out of the wallet too, which is answered.
pub(crate) async fn book_refunded_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    refund: &RefundTransaction,
    mut movements: Vec<Movement>,
) -> Result<Option<Debited>, Error> {
    let Some(key) = wallet_of(payment) else {
        book_in_tx(kassa, tx, &movements, Some(payment.id)).await?;
        return Ok(None);
    };
    let wallet = lock_in_tx(kassa, tx, &key).await?;
    let amount = refund.amount_requested;
    let transfer = key.top_up_refund(refund.id.to_string(), amount);
    let transfer = transfer.map_err(Error::internal)?;
    let account = key.account(amount.currency().into());
    let available = tx.balances_in_tx(&account).await?.available_minor();
    let debited = match active_hold_in_tx(tx, payment, refund).await? {
        Some(hold) => {
            movements.push(Movement::PostHold { hold, transfer });
            Debited::Taken
        }
        None if available >= amount.amount_minor() => {
            movements.push(Movement::Transfer(transfer));
            Debited::Taken
        }
        None => {
            tracing::warn!(
                payment.id = %payment.id,
                refund.id = %refund.id,
                "a top-up was given back unasked and is not in the wallet any more"
            );
            let available = Money::try_new(available.max(0), amount.currency());
            let available = available.map_err(Error::internal)?;
            Debited::Missing { available }
        }
    };
    book_in_tx(kassa, tx, &movements, Some(payment.id)).await?;
    if debited == Debited::Taken {
        tell_changed_in_tx(kassa, tx, wallet, EventKind::WalletDebited).await?;
    }
    Ok(Some(debited))
}

async fn active_hold_in_tx(
    tx: &Tx,
    payment: &PaymentTransaction,
    refund: &RefundTransaction,
) -> Result<Option<HoldId>, Error> {
    if !is_top_up(payment) {
        return Ok(None);
    }
    let hold = tx.find_hold_of_cause_in_tx(&cause(refund)).await?;
    let active = hold.filter(|hold| hold.status == HoldStatus::Active);
    Ok(active.map(|hold| hold.id))
}

fn cause(refund: &RefundTransaction) -> TransferCause {
    TransferCause {
        kind: CauseKind::TopUpRefund,
        id: refund.id.to_string(),
    }
}
