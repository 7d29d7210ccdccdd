//! Legs: what the changes of a payment mean for the parts that wallets pay.
//!
//! An internal leg is held in the wallet in the transaction that writes the payment down, and posted or
//! voided in the one that pays or ends it: a hold never outlives its payment, and a payment that can
//! still be paid never loses its hold, whatever the hold's expiry says.

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::channel::{Channel, Method};
use kassa_core::id::LegId;
use kassa_core::ledger::{Amount, CauseKind, Transfer, TransferCause, Unit};
use kassa_core::payment::{Attempt, Leg, LegStatus, PaymentTransaction};
use kassa_core::wallet::WalletKey;
use runtime::store::{Movement, NewHold, Tx};

use super::apply::{booking, fee};
use crate::limits::Beyond;
use crate::wallet::{self, top_up};
use crate::{Error, Kassa, limits};

/// How much longer than its payment a hold says that it lasts. A gateway may tell of a payment a while
/// after the order's expiry, and the close at the gateway takes its time.
const HOLD_MARGIN: TimeDelta = TimeDelta::days(7);

/// The wallet that pays the internal legs.
pub(crate) fn wallet_of(payment: &PaymentTransaction) -> Result<WalletKey, Error> {
    let user_id = payment.user_id.clone();
    let user_id = user_id.ok_or_else(|| Error::internal("an internal leg without a user"))?;
    Ok(WalletKey {
        app_id: payment.app_id.clone(),
        user_id,
    })
}

/// Until when the hold of a payment lasts that expires at `expires_at`.
fn held_until(expires_at: DateTime<Utc>) -> DateTime<Utc> {
    expires_at
        .checked_add_signed(HOLD_MARGIN)
        .unwrap_or(expires_at)
}

/// What a leg takes out of the wallet.
pub(super) fn amount_of(leg: &Leg) -> Amount {
    match leg.points {
        Some(points) => Amount::Points(points.points),
        None => Amount::Money(leg.amount),
    }
}

/// The hold of an internal leg of a mixed payment.
pub(super) fn hold(payment: &PaymentTransaction, leg: &Leg) -> Result<Movement, Error> {
    let amount = amount_of(leg);
    let kind = match amount.unit() {
        Unit::Points => CauseKind::PointsPayment,
        Unit::Currency(_) => CauseKind::BalancePayment,
    };
    let id = leg.hold_id;
    Ok(Movement::Hold(NewHold {
        id: id.ok_or_else(|| Error::internal("an internal leg without a hold"))?,
        account: wallet_of(payment)?.account(amount.unit()),
        amount,
        cause: TransferCause {
            kind,
            id: leg.id.to_string(),
        },
        expires_at: held_until(payment.expires_at),
    }))
}

/// The transfer that pays an internal leg.
pub(super) fn transfer(payment: &PaymentTransaction, leg: &Leg) -> Result<Transfer, Error> {
    let (wallet, id) = (wallet_of(payment)?, leg.id.to_string());
    match leg.points {
        Some(points) => wallet.points_payment(id, points.points, leg.amount),
        None => wallet.balance_payment(id, leg.amount),
    }
    .map_err(Error::internal)
}

/// Books the payment by `attempt`: the gateway's part, and what was held for the others.
pub(super) async fn pay_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    attempt: &Attempt,
) -> Result<(), Error> {
    let booking = booking(payment, attempt, payment.amount_by_gateway());
    let gateway = booking.payment(attempt.id.to_string());
    let mut movements = vec![Movement::Transfer(gateway.map_err(Error::internal)?)];
    movements.extend(fee(&booking, attempt)?.map(Movement::Transfer));
    for leg in payment.internal_legs() {
        let hold = leg.hold_id;
        movements.push(Movement::PostHold {
            hold: hold.ok_or_else(|| Error::internal("an internal leg without a hold"))?,
            transfer: transfer(payment, leg)?,
        });
    }
    top_up::book_paid_in_tx(kassa, tx, payment, attempt.id, movements).await?;
    update_status_in_tx(tx, payment, attempt.leg_id).await
}

/// Gives back what was held for a payment that ended unpaid, and what it counted for in limits.
pub(super) async fn end_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    leg_id: LegId,
) -> Result<(), Error> {
    let mut counted: Vec<LegId> = payment.legs.iter().map(|leg| leg.id).collect();
    if counted.is_empty() {
        counted.push(leg_id);
    }
    limits::release_in_tx(kassa, tx, &counted).await?;
    let holds = payment.internal_legs().filter_map(|leg| leg.hold_id);
    let movements: Vec<_> = holds.map(Movement::VoidHold).collect();
    if !movements.is_empty() {
        wallet::book_in_tx(kassa, tx, &movements, Some(payment.id)).await?;
    }
    update_status_in_tx(tx, payment, leg_id).await
}

/// Where the only leg of a payment stands; legs that the payment carries are written with it.
async fn update_status_in_tx(
    tx: &Tx,
    payment: &PaymentTransaction,
    leg_id: LegId,
) -> Result<(), Error> {
    if payment.legs.is_empty() {
        let status = LegStatus::of(payment.status);
        tx.update_leg_status_in_tx(leg_id, status).await?;
    }
    Ok(())
}

/// How the gateway's leg is paid, after [`set_method`].
pub(super) async fn update_method_in_tx(
    tx: &Tx,
    payment: &PaymentTransaction,
    leg_id: LegId,
) -> Result<(), Error> {
    if payment.legs.is_empty() {
        tx.update_leg_method_in_tx(leg_id, payment.channel, payment.method)
            .await?;
    }
    Ok(())
}

/// The gateway's leg was paid another way than the payment said `before`: the leg says how, and what it
/// counts for in limits, counts for its channel.
pub(super) async fn switch_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    before: &PaymentTransaction,
    payment: &PaymentTransaction,
    leg_id: LegId,
) -> Result<(), Error> {
    update_method_in_tx(tx, payment, leg_id).await?;
    // What had ended counts no more, and late money is not the payer's spending of that day.
    if before.channel == payment.channel || !before.status.is_pending() {
        return Ok(());
    }
    top_up::lock_wallet_in_tx(kassa, tx, payment).await?;
    let app = tx.find_app_in_tx(&payment.app_id).await?;
    let policies = app.map(|app| app.policies).unwrap_or_default();
    let leg = (leg_id, Beyond::Counted);
    limits::recount_in_tx(kassa, tx, &policies.payment_config, payment, leg).await
}

/// The gateway's leg is paid in another way than before.
pub(super) fn set_method(payment: &mut PaymentTransaction, channel: Channel, method: Method) {
    payment.channel = channel;
    payment.method = method;
    for leg in &mut payment.legs {
        if !leg.channel.is_internal() {
            leg.channel = channel;
            leg.method = method;
        }
    }
}

/// The legs stand where the payment stands.
pub(super) fn follow(payment: &mut PaymentTransaction) {
    for leg in &mut payment.legs {
        leg.status = LegStatus::of(payment.status);
    }
}

/// The holds last as long as the payment, which may be paid for longer now.
pub(super) async fn extend_in_tx(tx: &Tx, payment: &PaymentTransaction) -> Result<(), Error> {
    for leg in payment.internal_legs() {
        if let Some(hold) = leg.hold_id {
            tx.extend_hold_in_tx(hold, held_until(payment.expires_at))
                .await?;
        }
    }
    Ok(())
}
