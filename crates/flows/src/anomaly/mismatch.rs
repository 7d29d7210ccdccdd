//! Mismatch: an order that its gateway calls paid with another amount or currency pays nothing, and its
//! gateway closes it no more. Once people accept that, it ends here, and the business order is free.

use kassa_core::anomaly::{Anomaly, AnomalyKind};
use kassa_core::payment::{PaymentFact, PaymentTransaction};
use runtime::store::{Locked, Tx};

use crate::payment::apply::{AttemptChange, apply_fact_in_tx};
use crate::payment::close;
use crate::{Error, Kassa};

fn is_mismatch(anomaly: &Anomaly) -> bool {
    matches!(
        anomaly.kind,
        AnomalyKind::AmountMismatch | AnomalyKind::CurrencyMismatch
    )
}

/// Ends the order of a mismatch at its gateway if it still can be: what was told of it once may have
/// been wrong, and then nobody may pay it after it was closed here.
///
/// # Errors
/// [`Error::OutcomeUnknown`] where the gateway's word cannot be had; [`Error::RequestInFlight`].
pub(super) async fn end_order(kassa: &Kassa, anomaly: &Anomaly) -> Result<(), Error> {
    let (true, Some(id)) = (is_mismatch(anomaly), anomaly.attempt_id()) else {
        return Ok(());
    };
    let Some(attempt) = kassa.store.find_attempt(id).await? else {
        return Ok(());
    };
    let payment = kassa.store.find_payment(attempt.transaction_id).await?;
    let is_current = payment.is_some_and(|payment| payment.current_attempt_id == Some(id));
    close::end(kassa, &attempt, is_current).await
}

/// Closes the order of a mismatch here, and its payment if it is the current one; gives the payment
/// back as it is afterwards. An order that has ended, and every other anomaly, changes nothing.
pub(super) async fn close_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: Locked<PaymentTransaction>,
    anomaly: &Anomaly,
) -> Result<Locked<PaymentTransaction>, Error> {
    let (true, Some(attempt)) = (is_mismatch(anomaly), anomaly.attempt_id()) else {
        return Ok(payment);
    };
    let attempt = tx.load_attempt_for_update_in_tx(attempt).await?;
    if attempt.get().status.is_ended() {
        return Ok(payment);
    }
    let id = payment.get().id;
    let change = AttemptChange::closed();
    apply_fact_in_tx(kassa, tx, payment, attempt, change, &PaymentFact::Closed).await?;
    Ok(tx.load_payment_for_update_in_tx(id).await?)
}
