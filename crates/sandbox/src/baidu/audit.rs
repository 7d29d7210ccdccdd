//! Refunds that the payer asks Baidu for (baidu sheet §5): the merchant is asked whether they may be made, again
//! and again until it decides, and what it approves is paid back.

use std::sync::Arc;

use serde_json::Value;

use super::{notify, params};
use crate::{
    delivery::{RecordedCallback, enqueue},
    error::ControlError,
    operations::{self, RefundRequest, gateway_number},
    shared::Shared,
    state::{Gateway, OrderKey, OrderState, RefundKey},
};

/// Questions that wait for a decision at once.
const QUESTIONS_MAX: usize = 10_000;

/// What the merchant is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    order: OrderKey,
    amount_minor: i64,
}

/// What the merchant answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// So many fen may be given back.
    Approved(i64),
    Rejected,
    Undecided,
}

impl Decision {
    /// The amount is always there, also with a refusal.
    fn read(status: Option<u16>, body: &str) -> Option<Self> {
        let told: Value = serde_json::from_str(body).ok()?;
        let is_good = status == Some(200) && told.get("errno")? == 0;
        let money = told.pointer("/data/calculateRes/refundPayMoney")?;
        let money = money.as_i64().filter(|money| *money >= 0 && is_good)?;
        match told.pointer("/data/auditStatus")?.as_i64()? {
            1 => Some(Self::Approved(money)),
            2 => Some(Self::Rejected),
            3 => Some(Self::Undecided),
            _ => None,
        }
    }
}

/// The payer asks for money of a paid order. Answers Baidu's number of the refund that it would make.
pub(crate) fn ask(
    shared: &Shared,
    key: &OrderKey,
    amount_minor: i64,
) -> Result<String, ControlError> {
    let mut state = shared.state();
    let wrong = |what: &str| Err(ControlError::WrongState(what.to_owned()));
    let order = match state.order(key) {
        Some(order) if order.gateway == Gateway::Baidu => order.clone(),
        _ => return wrong("not an order of baidu"),
    };
    if order.state != OrderState::Paid {
        return wrong("not paid");
    }
    let left = order.total_minor.saturating_sub(state.refunded_minor(key));
    if amount_minor <= 0 || amount_minor > left {
        return Err(ControlError::NotRefundable(amount_minor));
    }
    let Some(url) = state.endpoints.get(&order.account).cloned() else {
        return wrong("without a registered address for refunds");
    };
    if state.baidu_questions.len() >= QUESTIONS_MAX {
        return Err(ControlError::LimitReached("questions about refunds"));
    }
    let batch = gateway_number("5030", shared.now());
    let question = Question {
        order: key.clone(),
        amount_minor,
    };
    state.baidu_questions.insert(batch.clone(), question);
    let notice = notify::asked(&order, &batch, amount_minor, url);
    enqueue(shared, &mut state, &order, notice);
    Ok(batch)
}

/// Does what the answer to a question says, once, and tells whether it was a decision.
pub(super) fn decide(
    shared: &Arc<Shared>,
    callback: &RecordedCallback,
    (status, body): (Option<u16>, &str),
) -> bool {
    let Some(decision) = Decision::read(status, body) else {
        return false;
    };
    let batch = params(&callback.body).remove("refundBatchId");
    let batch = batch.unwrap_or_default();
    let mut state = shared.state();
    let asked = state.baidu_questions.get(&batch).cloned();
    match (decision, asked) {
        (Decision::Undecided, _) => false,
        // Nobody gets more than was asked for.
        (Decision::Approved(money), Some(asked)) if money > asked.amount_minor => false,
        // A repeat of a question that is settled.
        (Decision::Approved(_) | Decision::Rejected, None) => true,
        (Decision::Rejected, Some(_)) => {
            state.baidu_questions.remove(&batch);
            true
        }
        (Decision::Approved(money), Some(asked)) => {
            state.baidu_questions.remove(&batch);
            let request = RefundRequest {
                out_refund_no: batch.clone(),
                amount_minor: money,
                notify_url: state.endpoints.get(&asked.order.account).cloned(),
                is_from_console: true,
                content: Value::Null,
            };
            match operations::refund(shared, &mut state, &asked.order, request) {
                Ok(_) => {
                    if let Some(made) = state.refund_mut(&RefundKey::new(&asked.order, &batch)) {
                        made.refund_id = batch;
                    }
                }
                // The merchant was faster, and nothing is left.
                Err(error) => tracing::warn!(%error, "an approved refund cannot be made"),
            }
            true
        }
    }
}
