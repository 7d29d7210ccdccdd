//! What happens at a counter (alipay sheet §6, §7): charging the code that a payer shows, and cancelling.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use super::{
    answer::{Answer, GatewayError},
    check::Checked,
    handle::{BUYER_LOGON_ID, BUYER_USER_ID, business, china_time, named, order_of, taken},
};
use crate::{
    counter::{BadCode, Conduct},
    money::yuan_from_fen,
    operations::{self, RefundRequest, close_open, expire},
    shared::Shared,
    state::{Gateway, Order, OrderKey, OrderState, State},
};

/// Cancelling is possible for this long after the order was placed.
const CANCEL_WINDOW: TimeDelta = TimeDelta::hours(24);

/// Charges a code. What is refused makes no order.
pub(super) fn pay(shared: &Arc<Shared>, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let order = order_of(shared, checked)?;
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key)
        && let Some(refusal) = taken(existing, &order)
    {
        return Err(refusal);
    }
    if state.is_full() {
        return Err(GatewayError::limited());
    }
    let code = checked.text("auth_code").unwrap_or_default();
    let charged = state.codes.charge(Gateway::Alipay, code, shared.now());
    let conduct = charged.map_err(|bad| match bad {
        BadCode::Unknown | BadCode::Used | BadCode::Expired => business(
            "ACQ.PAYMENT_AUTH_CODE_INVALID",
            "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款",
        ),
    })?;
    if conduct == Conduct::LacksMoney {
        let text = "买家余额不足";
        return Err(business("ACQ.BUYER_BALANCE_NOT_ENOUGH", text));
    }
    if state.order(&key).is_none() {
        state.insert_order(order);
    }
    if conduct == Conduct::Pays {
        let paid = operations::pay_in(shared, &mut state, &key);
        paid.map_err(|_source| GatewayError::unavailable())?;
    }
    let order = state.order(&key).ok_or_else(GatewayError::unavailable)?;
    Ok(Answer::Success(node(order)))
}

fn node(order: &Order) -> super::answer::Node {
    let total = yuan_from_fen(order.total_minor);
    let head = match order.paid_at {
        Some(_) => Answer::success(),
        None => Answer::waiting(),
    };
    head.with("buyer_logon_id", BUYER_LOGON_ID)
        .with("buyer_user_id", BUYER_USER_ID)
        .with_some("gmt_payment", order.paid_at.map(china_time))
        .with("out_trade_no", order.out_trade_no.as_str())
        .with_some("receipt_amount", order.paid_at.map(|_| total.clone()))
        .with("total_amount", total.as_str())
        .with("trade_no", order.gateway_trade_no.as_str())
}

/// Closes an order that nobody paid, and gives the money of a paid one back. Where there is nothing, nothing is
/// done, and no action told.
pub(super) fn cancel(shared: &Arc<Shared>, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let mut state = shared.state();
    let done = |order: Option<&Order>, action: Option<&str>| {
        let number = checked.text("out_trade_no").unwrap_or_default();
        let node = Answer::success()
            .with_some("action", action)
            .with(
                "out_trade_no",
                order.map_or(number, |it| it.out_trade_no.as_str()),
            )
            .with("retry_flag", "N")
            .with_some("trade_no", order.map(|it| it.gateway_trade_no.as_str()));
        Ok(Answer::Success(node))
    };
    let Ok(order) = named(shared, &mut state, checked) else {
        return done(None, None);
    };
    if shared.now() > order.created_at + CANCEL_WINDOW {
        return Err(business("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围"));
    }
    let key = order.key();
    match order.state {
        OrderState::Closed => done(Some(&order), Some("close")),
        OrderState::Open => {
            close_open(shared, &mut state, &key);
            done(Some(&order), Some("close"))
        }
        OrderState::Paid => {
            give_back(shared, &mut state, &key)?;
            done(Some(&order), Some("refund"))
        }
    }
}

/// Gives back what is left of a paid order.
fn give_back(shared: &Arc<Shared>, state: &mut State, key: &OrderKey) -> Result<(), GatewayError> {
    let refunded = state.refunded_minor(key);
    let Some(order) = state.order(key).cloned() else {
        return Ok(());
    };
    let left = order.total_minor.saturating_sub(refunded);
    if left == 0 {
        return Ok(());
    }
    let request = RefundRequest {
        out_refund_no: order.out_trade_no.clone(),
        amount_minor: left,
        notify_url: order.notify_url.clone(),
        is_from_console: false,
        content: Value::Null,
    };
    let made = operations::refund(shared, state, key, request);
    made.map(drop)
        .map_err(|_source| business("ACQ.CANCEL_NOT_ALLOWED", "当前交易不允许撤销"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Conduct, Gateway, OrderState, RefundStatus,
        testing::{AlipayAnswer, Bed, alipay_biz},
    };

    fn biz(number: &str, code: &str) -> Value {
        let mut biz = alipay_biz(number, "1.00");
        biz["product_code"] = json!("FACE_TO_FACE_PAYMENT");
        biz["scene"] = json!("bar_code");
        biz["auth_code"] = json!(code);
        biz
    }

    async fn charge(bed: &Bed, number: &str, code: &str) -> AlipayAnswer {
        bed.alipay_call("alipay.trade.pay", biz(number, code)).await
    }

    async fn cancel(bed: &Bed, number: &str) -> AlipayAnswer {
        let named = json!({ "out_trade_no": number });
        bed.alipay_call("alipay.trade.cancel", named).await
    }

    fn show(bed: &Bed, conduct: Conduct) -> String {
        bed.control.show_code(Gateway::Alipay, conduct).unwrap()
    }

    #[tokio::test]
    async fn a_code_pays_once_and_the_number_is_taken() {
        let bed = Bed::start().await;
        let code = show(&bed, Conduct::Pays);
        let paid = charge(&bed, "T1", &code).await;
        assert_eq!((paid.outcome().as_str(), paid.is_signed), ("10000", true));
        assert_eq!(paid.node["total_amount"], "1.00");
        assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Paid);
        let used = charge(&bed, "T2", &code).await;
        assert_eq!(used.outcome(), "40004 ACQ.PAYMENT_AUTH_CODE_INVALID");
        let fresh = show(&bed, Conduct::Pays);
        let taken = charge(&bed, "T1", &fresh).await;
        assert_eq!(taken.outcome(), "40004 ACQ.TRADE_HAS_SUCCESS");
        let mut other = biz("T1", &fresh);
        other["total_amount"] = json!("2.00");
        let other = bed.alipay_call("alipay.trade.pay", other).await;
        assert_eq!(other.outcome(), "40004 ACQ.CONTEXT_INCONSISTENT");
        assert_eq!(charge(&bed, "T3", &fresh).await.outcome(), "10000");
    }

    #[tokio::test]
    async fn codes_that_are_unknown_old_or_of_poor_payers_make_no_order() {
        let bed = Bed::start().await;
        let wechats = bed.control.show_code(Gateway::WechatV2, Conduct::Pays);
        let old = show(&bed, Conduct::Pays);
        bed.advance(61);
        for code in ["280000000000000000", &wechats.unwrap(), &old] {
            let refused = charge(&bed, "T1", code).await;
            assert_eq!(refused.outcome(), "40004 ACQ.PAYMENT_AUTH_CODE_INVALID");
        }
        let poor = charge(&bed, "T1", &show(&bed, Conduct::LacksMoney)).await;
        assert_eq!(poor.outcome(), "40004 ACQ.BUYER_BALANCE_NOT_ENOUGH");
        for bad in ["", "28000000000000", "28000000000000000x"] {
            let refused = charge(&bed, "T1", bad).await;
            assert_eq!(refused.outcome(), "40004 ACQ.INVALID_PARAMETER", "{bad}");
        }
        assert!(bed.control.orders().is_empty());
        assert!(
            bed.control
                .show_code(Gateway::Stripe, Conduct::Pays)
                .is_err()
        );
    }

    #[tokio::test]
    async fn an_order_that_waits_is_confirmed_or_cancelled() {
        let bed = Bed::start().await;
        for number in ["T1", "T2"] {
            let waiting = charge(&bed, number, &show(&bed, Conduct::IsAsked)).await;
            assert_eq!(
                (waiting.outcome().as_str(), waiting.is_signed),
                ("10003", true)
            );
            let named = json!({ "out_trade_no": number });
            let asked = bed.alipay_call("alipay.trade.query", named).await;
            assert_eq!(asked.node["trade_status"], "WAIT_BUYER_PAY");
        }
        bed.control.pay("T1").unwrap();
        for _ in 0..2 {
            let back = cancel(&bed, "T1").await;
            assert_eq!(
                (back.outcome().as_str(), &back.node["action"]),
                ("10000", &json!("refund"))
            );
        }
        let refunds = bed.control.refunds();
        assert_eq!(refunds.len(), 1, "given back once");
        assert_eq!(
            (refunds[0].amount_minor, refunds[0].status),
            (100, RefundStatus::Success)
        );
        for _ in 0..2 {
            assert_eq!(cancel(&bed, "T2").await.node["action"], "close");
        }
        assert!(bed.control.pay("T2").is_err());
        let nothing = cancel(&bed, "T3").await;
        assert_eq!(nothing.outcome(), "10000");
        assert_eq!(nothing.node.get("action"), None);
        bed.advance(24 * 3600 + 1);
        let late = cancel(&bed, "T1").await;
        assert_eq!(late.outcome(), "40004 ACQ.TRADE_CANCEL_TIME_OUT");
    }
}
