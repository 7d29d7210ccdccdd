//! Refunds made at the gateway's console: what their notification leaves out is asked for before it is
//! applied, so that it changes the same books in whatever order it comes.

use gateways::PlaceRefund;
use kassa_core::Money;
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::{AttemptId, ChannelAccountId};
use kassa_core::notification::{CallbackRoute, RefundReport, ReportedRefund};
use kassa_core::payment::{Attempt, AttemptStatus};

use crate::call::{About, call};
use crate::payment::{apply, query_attempt};
use crate::{Error, Kassa};

/// Completes the report of a refund that is not ours: its own amount where the gateway told only the
/// order's total, and the payment that it gives back where we have not heard of it yet.
///
/// # Errors
/// [`Error::OutcomeUnknown`] if the gateway cannot be asked now: the notification comes again.
pub(crate) async fn complete_report(
    kassa: &Kassa,
    account: ChannelAccountId,
    report: &mut RefundReport,
    payment_is_told: bool,
) -> Result<(), Error> {
    let ReportedRefund::Succeeded { amount, .. } = &mut report.state else {
        return Ok(());
    };
    let Ok(attempt_id) = report.request_number.parse::<AttemptId>() else {
        return Ok(());
    };
    let Some(attempt) = kassa.store.find_attempt(attempt_id).await? else {
        return Ok(());
    };
    let ours = kassa
        .store
        .find_refund_by_number(attempt.id, &report.refund_number)
        .await?;
    if attempt.channel_account_id != account || ours.is_some() {
        return Ok(());
    }
    if attempt.status != AttemptStatus::Paid && !payment_is_told {
        let paid = query_attempt(kassa, &attempt).await?;
        apply::apply_answer(kassa, &attempt, &paid).await?;
    }
    if amount.is_none() {
        *amount = own_amount(kassa, &attempt, &report.refund_number).await?;
    }
    Ok(())
}

/// What the gateway says of this one refund's amount.
async fn own_amount(
    kassa: &Kassa,
    attempt: &Attempt,
    refund_number: &str,
) -> Result<Option<Money>, Error> {
    let about = About::order(CallOperation::QueryRefund, attempt);
    match ask(kassa, attempt, refund_number, about).await?.state {
        ReportedRefund::Succeeded { amount, .. } => Ok(amount),
        ReportedRefund::Processing
        | ReportedRefund::Failed(_)
        | ReportedRefund::Abnormal(_)
        | ReportedRefund::NotFound => Ok(None),
    }
}

/// What the gateway says of one refund of an order, whoever made it.
///
/// # Errors
/// [`Error::OutcomeUnknown`] if the gateway cannot be asked now.
pub(super) async fn ask(
    kassa: &Kassa,
    attempt: &Attempt,
    refund_number: &str,
    about: About<'_>,
) -> Result<RefundReport, Error> {
    let open = kassa.account(attempt.channel_account_id).await?;
    // Only the numbers of a refund are sent when it is asked about.
    let order = PlaceRefund {
        request_number: attempt.request_number(),
        method: attempt.method,
        gateway_transaction_id: attempt.gateway_transaction_id.clone(),
        refund_number: refund_number.to_owned(),
        amount: Money::zero(attempt.amount.currency()),
        paid: attempt.amount,
        reason: None,
        notify_url: kassa.callback_url(&open.account, CallbackRoute::Refund)?,
    };
    let told = call(kassa, about, open.gateway.query_refund(&order)).await;
    told.map_err(|_no_answer| Error::OutcomeUnknown {
        transaction_id: attempt.transaction_id.to_string(),
    })
}
