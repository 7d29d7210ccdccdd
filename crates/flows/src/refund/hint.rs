//! Refund notices that are only a reason to ask: unsigned ones, and ones that do not say which refund of
//! ours they mean. The gateway's answers take their place.

use kassa_core::gateway_call::CallOperation;
use kassa_core::id::{AttemptId, ChannelAccountId};
use kassa_core::notification::{RefundReport, ReportedRefund};

use super::external::ask;
use crate::call::About;
use crate::{Error, Kassa};

/// What the gateway says of the refunds that a notice may mean: the one that it names by our number or
/// by the gateway's, and those of its order that are open. Where it is none of these, it is a refund of
/// the gateway's console, and is asked for by the number that the notice gives.
///
/// # Errors
/// [`Error::OutcomeUnknown`] if the gateway cannot be asked now: the notification comes again.
pub(crate) async fn confirm(
    kassa: &Kassa,
    account: ChannelAccountId,
    notice: RefundReport,
) -> Result<Vec<RefundReport>, Error> {
    let attempt = match notice.request_number.parse::<AttemptId>() {
        Ok(id) => kassa.store.find_attempt(id).await?,
        Err(_not_ours) => None,
    };
    let Some(attempt) = attempt.filter(|attempt| attempt.channel_account_id == account) else {
        return Ok(vec![notice]);
    };
    let is_same = |id: Option<&String>| id.is_some() && id == notice.gateway_refund_id.as_ref();
    let mut is_ours = false;
    let mut answers = Vec::new();
    for refund in kassa
        .store
        .list_refunds_of_payment(attempt.transaction_id)
        .await?
    {
        let is_named = refund.refund_number == notice.refund_number
            || is_same(refund.gateway_refund_id.as_ref());
        let is_open = !refund.status.is_final() && refund.submitted_at.is_some();
        if refund.goes_through(attempt.id).is_none() || !(is_named || is_open) {
            continue;
        }
        let about = About::refund(CallOperation::QueryRefund, &attempt, refund.id);
        let answer = ask(kassa, &attempt, &refund.refund_number, about).await?;
        is_ours |= is_named || is_same(answer.gateway_refund_id.as_ref());
        answers.push(answer);
    }
    if !is_ours {
        let about = About::order(CallOperation::QueryRefund, &attempt);
        answers.push(ask(kassa, &attempt, &notice.refund_number, about).await?);
    }
    answers.retain(|answer| answer.state != ReportedRefund::NotFound);
    Ok(answers)
}
