//! Refunds: accepted at once, settled later (`wechat_v3` sheet §7).

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    answer::{Refusal, Reply},
    handle::{Asked, check_notify_url, china_time},
};
use crate::{
    error::ControlError,
    operations::{self, RefundRequest},
    shared::Shared,
    state::{Gateway, Order, OrderKey, Refund, RefundKey, RefundStatus, State},
};

/// Partial refunds of one order.
const REFUNDS_PER_ORDER_MAX: usize = 50;
/// Refunds are possible for this long after the payment.
const REFUND_WINDOW: TimeDelta = TimeDelta::days(365);

/// Accepts a refund; the same number with the same content is the same refund.
pub(super) fn create(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    let missing = || Refusal::new(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付");
    let key = match (asked.text("transaction_id"), asked.text("out_trade_no")) {
        (None, None) => return Err(Refusal::bad("/out_trade_no", "is missing")),
        (Some(id), number) => state
            .find_by_name(id)
            .filter(|key| key.account == asked.merchant.mchid)
            .filter(|key| number.is_none_or(|number| number == key.out_trade_no))
            .ok_or_else(missing)?,
        (None, Some(number)) => asked.key(number),
    };
    let order = state.order(&key).ok_or_else(missing)?.clone();
    let paid_at = order.paid_at.ok_or_else(missing)?;
    let int = |name: &str| {
        asked
            .inner("amount", name)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    let invalid = |message: &str| Refusal::new(400, "INVALID_REQUEST", message);
    let out_refund_no = asked.text("out_refund_no").unwrap_or_default();
    if let Some(existing) = state.refund(&RefundKey::new(&key, out_refund_no)) {
        let is_same = existing.out_trade_no == key.out_trade_no
            && existing.amount_minor == int("refund")
            && order.total_minor == int("total");
        return if is_same {
            Ok(Reply::Ok(refund_object(&order, existing)))
        } else {
            Err(invalid("订单金额或退款金额与之前请求不一致，请核实后再试"))
        };
    }
    if let Some(notify_url) = asked.text("notify_url") {
        check_notify_url(notify_url)?;
    }
    if int("total") != order.total_minor {
        return Err(invalid("订单总金额与实际不符"));
    }
    if shared.now() > paid_at + REFUND_WINDOW {
        return Err(invalid("订单已超过可退款的最大期限"));
    }
    if state.refunds_of(&key).count() >= REFUNDS_PER_ORDER_MAX {
        return Err(invalid("退款次数超过上限"));
    }
    let request = RefundRequest {
        out_refund_no: out_refund_no.to_owned(),
        amount_minor: int("refund"),
        notify_url: asked.text("notify_url").map(str::to_owned),
        is_from_console: false,
        content: Value::Null,
    };
    let made =
        operations::refund(shared, &mut state, &key, request).map_err(|error| match error {
            ControlError::NotRefundable(_) => invalid("申请退款金额大于订单可退金额"),
            _ => missing(),
        })?;
    Ok(Reply::Ok(refund_object(&order, &made)))
}

/// `status` of a refund in API answers, `refund_status` in notices.
pub(super) fn refund_status(status: RefundStatus) -> &'static str {
    match status {
        RefundStatus::Processing => "PROCESSING",
        RefundStatus::Success => "SUCCESS",
        RefundStatus::Closed => "CLOSED",
        RefundStatus::Abnormal => "ABNORMAL",
    }
}

fn refund_object(order: &Order, refund: &Refund) -> Value {
    let mut object = json!({
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": order.gateway_trade_no,
        "out_trade_no": order.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": china_time(refund.created_at),
        "status": refund_status(refund.status),
        "funds_account": "AVAILABLE",
        "amount": {
            "total": order.total_minor,
            "refund": refund.amount_minor,
            "payer_total": order.total_minor,
            "payer_refund": refund.amount_minor,
            "settlement_refund": refund.amount_minor,
            "settlement_total": order.total_minor,
            "discount_refund": 0,
            "currency": "CNY",
        },
    });
    if let (Some(fields), RefundStatus::Success, Some(at)) =
        (object.as_object_mut(), refund.status, refund.settled_at)
    {
        fields.insert("success_time".to_owned(), json!(china_time(at)));
    }
    object
}

/// Finds a refund of this merchant.
pub(super) fn query(shared: &Shared, asked: &Asked<'_>, number: &str) -> Result<Reply, Refusal> {
    let state = shared.state();
    let found = find_refund(&state, &asked.merchant.mchid, number);
    let (order, refund) =
        found.ok_or_else(|| Refusal::new(404, "RESOURCE_NOT_EXISTS", "退款单不存在"))?;
    Ok(Reply::Ok(refund_object(order, refund)))
}

/// Sends a refund that the payer's card refused another way: it is being processed again.
pub(super) fn apply_abnormal(
    shared: &Shared,
    asked: &Asked<'_>,
    refund_id: &str,
) -> Result<Reply, Refusal> {
    let invalid = |message: &str| Refusal::new(400, "INVALID_REQUEST", message);
    let number = asked.text("out_refund_no").unwrap_or_default();
    let to_payer = asked.text("type") == Some("USER_BANK_CARD");
    let names_card = ["bank_type", "bank_account", "real_name"].map(|name| asked.text(name));
    if to_payer && names_card.iter().any(Option::is_none) {
        return Err(Refusal::bad("/bank_account", "is missing"));
    }
    if !to_payer && names_card.iter().any(Option::is_some) {
        return Err(Refusal::bad(
            "/bank_account",
            "is not for the merchant's card",
        ));
    }
    let mut state = shared.state();
    let missing = || Refusal::new(404, "RESOURCE_NOT_EXISTS", "退款单不存在");
    let key = state
        .find_refund(&asked.merchant.mchid, number)
        .ok_or_else(missing)?;
    let refund = state.refund_mut(&key).ok_or_else(missing)?;
    if refund.refund_id != refund_id {
        return Err(invalid("微信支付退款单号与商户退款单号不匹配"));
    }
    if refund.status != RefundStatus::Abnormal {
        return Err(invalid("退款单状态不是退款异常"));
    }
    refund.status = RefundStatus::Processing;
    refund.settled_at = None;
    let found = find_refund(&state, &asked.merchant.mchid, number);
    let (order, refund) = found.ok_or_else(missing)?;
    Ok(Reply::Ok(refund_object(order, refund)))
}

fn find_refund<'a>(state: &'a State, mchid: &str, number: &str) -> Option<(&'a Order, &'a Refund)> {
    let key = state.find_refund(mchid, number)?;
    let refund = state.refund(&key)?;
    let order = OrderKey {
        gateway: Gateway::WechatV3,
        account: refund.account.clone(),
        out_trade_no: refund.out_trade_no.clone(),
    };
    Some((state.order(&order)?, refund))
}
