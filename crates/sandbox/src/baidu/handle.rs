//! What the cashier and the calls do (baidu sheet §3 and §8).

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Params, Refusal, sign};
use crate::{
    accounts::BaiduMerchant,
    crypto::random_digits,
    error::ControlError,
    fault::Operation,
    operations::{self, RefundRequest, close_open, expire},
    shared::Shared,
    state::{
        Gateway, Order, OrderKey, OrderState, Product, Refund, RefundKey, RefundStatus, State,
    },
};

/// Orders close by themselves after this time; the sheet names none.
const EXPIRY: TimeDelta = TimeDelta::days(7);
/// The longest `tpOrderId` and `bizRefundBatchId`; the sheet names none for the second.
const NUMBER_LENGTH_MAX: usize = 32;
/// The longest `dealTitle`, in characters; the sheet names none.
const TITLE_LENGTH_MAX: usize = 128;

const PARAMETER: Refusal = Refusal::new(10_001, "parameter error");
const NOT_FOUND: Refusal = Refusal::new(10_002, "order not found");

fn text<'a>(given: &'a Params, name: &str) -> &'a str {
    given.get(name).map_or("", String::as_str)
}

fn fen(given: &Params, name: &str) -> Option<i64> {
    let text = text(given, name);
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|fen| is_digits && *fen > 0)
}

fn number<'a>(given: &'a Params, name: &str) -> Result<&'a str, Refusal> {
    let text = text(given, name);
    let is_number = !text.is_empty()
        && text.len() <= NUMBER_LENGTH_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_number { Ok(text) } else { Err(PARAMETER) }
}

/// The payer reaches the cashier. The signature covers deal, key, number and amount.
pub(super) fn open(shared: &Shared, given: &Params) -> Result<String, Refusal> {
    let deal_id = text(given, "dealId");
    let merchant = shared.accounts.baidu_merchant(deal_id).ok_or(NOT_FOUND)?;
    let range = text(given, "signFieldsRange");
    if range != "1" || text(given, "appKey") != merchant.app_key {
        return Err(PARAMETER);
    }
    let signed: Params = ["appKey", "dealId", "totalAmount", "tpOrderId"]
        .into_iter()
        .map(|name| (name.to_owned(), text(given, name).to_owned()))
        .collect();
    if !sign::is_signed(&merchant.public_key, &signed, text(given, "rsaSign")) {
        return Err(Refusal::new(10_000, "signature error"));
    }
    let total_minor = fen(given, "totalAmount").ok_or(PARAMETER)?;
    let tp_order_id = number(given, "tpOrderId")?.to_owned();
    let title = text(given, "dealTitle");
    let has_biz_info = serde_json::from_str::<Value>(text(given, "bizInfo")).is_ok();
    if title.is_empty() || title.chars().count() > TITLE_LENGTH_MAX || !has_biz_info {
        return Err(PARAMETER);
    }
    let now = shared.now();
    let order = Order {
        gateway: Gateway::Baidu,
        account: merchant.deal_id.clone(),
        out_trade_no: tp_order_id.clone(),
        gateway_trade_no: format!("8{}", random_digits(13)),
        product: Product::BaiduMiniProgram,
        total_minor,
        subject: title.to_owned(),
        body: None,
        attach: None,
        notify_url: Some(text(given, "notifyUrl").to_owned()).filter(|url| !url.is_empty()),
        return_url: None,
        payer: format!("1{}", random_digits(9)),
        state: OrderState::Open,
        is_opened: true,
        refused_count: 0,
        created_at: now,
        expires_at: now + EXPIRY,
        paid_at: None,
        closed_at: None,
        tokens: Vec::new(),
        content: json!([total_minor, title]),
    };
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    match state.order(&key) {
        Some(existing) if existing.content != order.content => {
            Err(Refusal::new(10_001, "tpOrderId is taken by another order"))
        }
        Some(_) => Ok(tp_order_id),
        None if state.is_full() => Err(Refusal::new(5_010_003, "too many orders")),
        None => {
            state.insert_order(order);
            Ok(tp_order_id)
        }
    }
}

/// The order that a call is about, for the log and the faults.
pub(super) fn order_number(shared: &Shared, given: &Params) -> String {
    let number = text(given, "tpOrderId");
    if !number.is_empty() {
        return number.to_owned();
    }
    let key = shared.state().find_by_name(text(given, "orderId"));
    key.map(|key| key.out_trade_no).unwrap_or_default()
}

/// Does what a call asks for.
pub(super) fn perform(
    shared: &Arc<Shared>,
    merchant: &BaiduMerchant,
    operation: Operation,
    given: &Params,
) -> Result<Value, Refusal> {
    if text(given, "pmAppKey") != merchant.app_key {
        return Err(NOT_FOUND);
    }
    let mut state = shared.state();
    let key = OrderKey {
        gateway: Gateway::Baidu,
        account: merchant.deal_id.clone(),
        out_trade_no: order_key_number(&state, given)?,
    };
    expire(shared, &mut state, &key);
    let order = state.order(&key).ok_or(NOT_FOUND)?.clone();
    match operation {
        Operation::Query => Ok(found(merchant, &order)),
        Operation::Close if order.state == OrderState::Open => {
            close_open(shared, &mut state, &key);
            Ok(Value::Bool(true))
        }
        Operation::Close => Err(Refusal::new(10_001, "order cannot be cancelled")),
        Operation::Refund => refund(shared, &mut state, &order, given),
        Operation::RefundQuery if text(given, "userId") == order.payer => Ok(state
            .refunds_of(&key)
            .map(|it| refund_entry(&order, it))
            .collect()),
        _ => Err(PARAMETER),
    }
}

fn order_key_number(state: &State, given: &Params) -> Result<String, Refusal> {
    if text(given, "tpOrderId").is_empty() {
        let key = state.find_by_name(text(given, "orderId"));
        return key.map(|key| key.out_trade_no).ok_or(NOT_FOUND);
    }
    number(given, "tpOrderId").map(str::to_owned)
}

fn status(order: &Order) -> i64 {
    match order.state {
        OrderState::Open => 1,
        OrderState::Paid => 2,
        OrderState::Closed => -1,
    }
}

fn found(merchant: &BaiduMerchant, order: &Order) -> Value {
    let id = |text: &str| text.parse::<i64>().map_or(Value::Null, Value::from);
    json!({
        "appKey": merchant.app_key,
        "dealId": id(&merchant.deal_id),
        "orderId": id(&order.gateway_trade_no),
        "userId": id(&order.payer),
        "tpOrderId": order.out_trade_no,
        "count": 1,
        "oriPrice": order.total_minor,
        "totalMoney": order.total_minor,
        "payMoney": order.total_minor,
        "createTime": order.created_at.timestamp(),
        "status": status(order),
    })
}

fn refund(
    shared: &Arc<Shared>,
    state: &mut State,
    order: &Order,
    given: &Params,
) -> Result<Value, Refusal> {
    let batch = number(given, "bizRefundBatchId")?;
    let is_about = text(given, "tpOrderId") == order.out_trade_no
        && text(given, "orderId") == order.gateway_trade_no
        && text(given, "userId") == order.payer
        && !text(given, "refundReason").is_empty()
        && ["1", "2", "3"].contains(&text(given, "refundType"))
        && ["0", "1"].contains(&text(given, "isSkipAudit"));
    if !is_about {
        return Err(PARAMETER);
    }
    let amount_minor = match given.get("applyRefundMoney") {
        Some(_) => fen(given, "applyRefundMoney").ok_or(PARAMETER)?,
        None => order.total_minor,
    };
    let key = order.key();
    if let Some(existing) = state.refund(&RefundKey::new(&key, batch)) {
        return if existing.amount_minor == amount_minor {
            Ok(made(existing))
        } else {
            Err(Refusal::new(10_001, "bizRefundBatchId is taken"))
        };
    }
    let request = RefundRequest {
        out_refund_no: batch.to_owned(),
        amount_minor,
        notify_url: Some(text(given, "refundNotifyUrl").to_owned()).filter(|url| !url.is_empty()),
        is_from_console: false,
        content: Value::Null,
    };
    let refund = operations::refund(shared, state, &key, request);
    let refund = refund.map_err(|error| match error {
        ControlError::NotRefundable(_) => Refusal::new(10_001, "applyRefundMoney is too much"),
        _ => Refusal::new(10_002, "order not refundable"),
    })?;
    Ok(made(&refund))
}

fn made(refund: &Refund) -> Value {
    json!({
        "refundBatchId": refund.refund_id,
        "refundPayMoney": refund.amount_minor.to_string(),
    })
}

fn refund_entry(order: &Order, refund: &Refund) -> Value {
    let status = match refund.status {
        RefundStatus::Processing | RefundStatus::Abnormal => 1,
        RefundStatus::Success => 2,
        RefundStatus::Closed => 3,
    };
    let number = (!refund.is_from_console).then_some(refund.out_refund_no.as_str());
    json!({
        "bizRefundBatchId": number,
        "orderId": order.gateway_trade_no,
        "refundBatchId": refund.refund_id,
        "refundStatus": status,
        "userId": order.payer,
    })
}
