//! What each method does (alipay sheet §6, §7, §11).

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    answer::{Answer, GatewayError},
    check::{self, Checked, Method, TIME_FORMAT, time},
    counter, jsapi, payer_page,
};
use crate::{
    money::{AMOUNT_FEN_MAX, fen_from_yuan, yuan_from_fen},
    operations::{self, RefundRequest, close_open, expire, gateway_number},
    shared::Shared,
    state::{Gateway, Order, OrderKey, OrderState, Product, Refund, RefundKey, State, china},
};

/// The payer of every order that names nobody.
pub(super) const BUYER_USER_ID: &str = "2088101117955611";
/// The payer's masked account.
pub(super) const BUYER_LOGON_ID: &str = "159****5620";
/// Web and app orders close by themselves after this time (alipay sheet §10).
const DEFAULT_EXPIRY: TimeDelta = TimeDelta::days(15);
/// A code is valid for this time.
const QR_EXPIRY: TimeDelta = TimeDelta::hours(2);

/// Orders of a counter close by themselves after this time.
const COUNTER_EXPIRY: TimeDelta = TimeDelta::hours(3);

/// Does what a server's call asks for.
pub(super) fn perform(shared: &Arc<Shared>, checked: &Checked<'_>) -> Answer {
    if let Err(error) = check::business(checked) {
        return Answer::from(error);
    }
    let done = match checked.method {
        Method::Precreate => precreate(shared, checked),
        Method::Create => jsapi::create(shared, checked),
        Method::Pay => counter::pay(shared, checked),
        Method::Query => query(shared, checked),
        Method::Close => close(shared, checked),
        Method::Cancel => counter::cancel(shared, checked),
        Method::Refund => refund(shared, checked),
        Method::RefundQuery => refund_query(shared, checked),
        Method::PagePay | Method::WapPay | Method::AppPay => {
            Err(GatewayError::invalid("isv.invalid-method"))
        }
    };
    done.unwrap_or_else(Answer::from)
}

pub(super) fn business(sub_code: &str, sub_msg: &str) -> GatewayError {
    GatewayError::business(sub_code, sub_msg)
}

pub(super) fn invalid(field: &str) -> GatewayError {
    business("ACQ.INVALID_PARAMETER", &format!("参数无效：{field}"))
}

pub(super) fn not_exist() -> GatewayError {
    business("ACQ.TRADE_NOT_EXIST", "交易不存在")
}

fn key_of(checked: &Checked<'_>, out_trade_no: &str) -> OrderKey {
    OrderKey {
        gateway: Gateway::Alipay,
        account: checked.app.app_id.clone(),
        out_trade_no: out_trade_no.to_owned(),
    }
}

/// Reads the order that a create asks for.
pub(super) fn order_of(shared: &Shared, checked: &Checked<'_>) -> Result<Order, GatewayError> {
    let now = shared.now();
    let text = |name: &str| checked.text(name).unwrap_or_default();
    let owned = |name: &str| checked.text(name).map(str::to_owned);
    let param = |name: &str| {
        checked
            .params
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let total_minor = fen_from_yuan(text("total_amount"))
        .filter(|fen| *fen >= 1)
        .ok_or_else(|| invalid("total_amount"))?;
    if total_minor > AMOUNT_FEN_MAX {
        return Err(business("ACQ.TOTAL_FEE_EXCEED", "订单总金额不在允许范围内"));
    }
    if checked
        .text("seller_id")
        .is_some_and(|seller| seller != checked.app.seller_id)
    {
        return Err(business("ACQ.PARTNER_ERROR", "卖家不正确"));
    }
    let product = match checked.method {
        Method::WapPay => Product::AlipayWap,
        Method::AppPay => Product::AlipayApp,
        Method::Precreate => Product::AlipayQr,
        Method::Create => Product::AlipayJsapi,
        Method::Pay => Product::AlipayBarCode,
        _ => Product::AlipayPage,
    };
    Ok(Order {
        gateway: Gateway::Alipay,
        account: checked.app.app_id.clone(),
        out_trade_no: text("out_trade_no").to_owned(),
        gateway_trade_no: gateway_number("", now),
        product,
        total_minor,
        subject: text("subject").to_owned(),
        body: owned("body"),
        attach: owned("passback_params"),
        notify_url: param("notify_url"),
        return_url: param("return_url"),
        payer: BUYER_USER_ID.to_owned(),
        state: OrderState::Open,
        is_opened: product != Product::AlipayQr,
        refused_count: 0,
        created_at: now,
        expires_at: expiry(now, product, checked)?,
        paid_at: None,
        closed_at: None,
        tokens: Vec::new(),
        content: json!([total_minor, text("subject"), format!("{product:?}")]),
    })
}

/// `time_expire` wins over `timeout_express` (alipay sheet §6).
fn expiry(
    now: DateTime<Utc>,
    product: Product,
    checked: &Checked<'_>,
) -> Result<DateTime<Utc>, GatewayError> {
    if let Some(text) = checked.text("time_expire") {
        let at = time(text).ok_or_else(|| invalid("time_expire"))?;
        return if at > now {
            Ok(at)
        } else {
            Err(business(
                "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR",
                "当前时间已过允许支付时间",
            ))
        };
    }
    if let Some(text) = checked.text("timeout_express") {
        return express(now, text).ok_or_else(|| invalid("timeout_express"));
    }
    let default = match product {
        Product::AlipayQr => QR_EXPIRY,
        Product::AlipayBarCode => COUNTER_EXPIRY,
        _ => DEFAULT_EXPIRY,
    };
    Ok(now + default)
}

/// `1m` to `15d`, or `1c` for midnight in China.
fn express(now: DateTime<Utc>, text: &str) -> Option<DateTime<Utc>> {
    if text == "1c" {
        let tomorrow = china(now).date_naive().checked_add_days(Days::new(1))?;
        return time(
            &tomorrow
                .and_time(NaiveTime::MIN)
                .format(TIME_FORMAT)
                .to_string(),
        );
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: i64 = number
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| number.parse().ok())??;
    let length = match unit {
        "m" => TimeDelta::try_minutes(count)?,
        "h" => TimeDelta::try_hours(count)?,
        "d" => TimeDelta::try_days(count)?,
        _ => return None,
    };
    let is_allowed = length >= TimeDelta::minutes(1) && length <= DEFAULT_EXPIRY;
    is_allowed.then(|| now + length)
}

/// An order number that is taken, as Alipay says it.
pub(super) fn taken(existing: &Order, wanted: &Order) -> Option<GatewayError> {
    if existing.content != wanted.content {
        return Some(business("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"));
    }
    match existing.state {
        OrderState::Paid => Some(business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")),
        OrderState::Closed => Some(business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")),
        OrderState::Open => None,
    }
}

fn precreate(shared: &Arc<Shared>, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let order = order_of(shared, checked)?;
    let key = order.key();
    let qr_code = payer_page(shared, &key);
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        // The same order number cannot get a second code.
        return Err(taken(existing, &order).unwrap_or_else(|| {
            business("ACQ.APPLY_PC_MERCHANT_CODE_ERROR", "申请当面付二维码失败")
        }));
    }
    if state.is_full() {
        return Err(GatewayError::limited());
    }
    let out_trade_no = order.out_trade_no.clone();
    state.insert_order(order);
    let node = Answer::success()
        .with("out_trade_no", out_trade_no)
        .with("qr_code", qr_code);
    Ok(Answer::Success(node))
}

/// The payer reaches the cashier: the trade exists from now on. The same number opens the same
/// order again.
pub(super) fn open(shared: &Shared, checked: &Checked<'_>) -> Result<OrderKey, GatewayError> {
    check::business(checked)?;
    let order = order_of(shared, checked)?;
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        return taken(existing, &order).map_or(Ok(key), Err);
    }
    if state.is_full() {
        return Err(GatewayError::limited());
    }
    state.insert_order(order);
    Ok(key)
}

/// The trade that a follow-up call names. `trade_no` wins; one that nobody opened does not exist.
pub(super) fn named(
    shared: &Shared,
    state: &mut State,
    checked: &Checked<'_>,
) -> Result<Order, GatewayError> {
    let key = match (checked.text("trade_no"), checked.text("out_trade_no")) {
        (Some(trade_no), _) => state
            .find_by_name(trade_no)
            .filter(|key| key.account == checked.app.app_id)
            .ok_or_else(not_exist)?,
        (None, Some(out_trade_no)) => key_of(checked, out_trade_no),
        (None, None) => return Err(invalid("out_trade_no")),
    };
    expire(shared, state, &key);
    state
        .order(&key)
        .filter(|order| order.is_opened)
        .cloned()
        .ok_or_else(not_exist)
}

/// `trade_status` of an order with so much refunded (alipay sheet §7).
pub(super) fn trade_status(order: &Order, refunded_minor: i64) -> &'static str {
    match order.state {
        OrderState::Open => "WAIT_BUYER_PAY",
        OrderState::Paid if refunded_minor < order.total_minor => "TRADE_SUCCESS",
        OrderState::Paid | OrderState::Closed => "TRADE_CLOSED",
    }
}

/// A time as Alipay writes it.
pub(super) fn china_time(at: DateTime<Utc>) -> String {
    china(at).format(TIME_FORMAT).to_string()
}

fn query(shared: &Shared, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let mut state = shared.state();
    let order = named(shared, &mut state, checked)?;
    let refunded = state.refunded_minor(&order.key());
    drop(state);
    let total = yuan_from_fen(order.total_minor);
    let paid = if order.paid_at.is_some() {
        total.clone()
    } else {
        yuan_from_fen(0)
    };
    let bills = order
        .paid_at
        .map(|_| json!([{"amount": total.as_str(), "fund_channel": "ALIPAYACCOUNT"}]));
    let node = Answer::success()
        .with("buyer_logon_id", BUYER_LOGON_ID)
        .with("buyer_pay_amount", paid.as_str())
        .with(jsapi::buyer_field(&order), order.payer.as_str())
        .with_some("fund_bill_list", bills)
        .with("invoice_amount", paid.as_str())
        .with("out_trade_no", order.out_trade_no.as_str())
        .with("point_amount", "0.00")
        .with("receipt_amount", paid.as_str())
        .with_some("send_pay_date", order.paid_at.map(china_time))
        .with("subject", order.subject.as_str())
        .with_some("passback_params", order.attach.clone())
        .with("total_amount", total.as_str())
        .with("trade_no", order.gateway_trade_no.as_str())
        .with("trade_status", trade_status(&order, refunded));
    Ok(Answer::Success(node))
}

fn close(shared: &Shared, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let mut state = shared.state();
    let order = named(shared, &mut state, checked)?;
    if order.state != OrderState::Open {
        return Err(business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"));
    }
    close_open(shared, &mut state, &order.key());
    let node = Answer::success()
        .with("out_trade_no", order.out_trade_no.as_str())
        .with("trade_no", order.gateway_trade_no.as_str());
    Ok(Answer::Success(node))
}

fn refund(shared: &Arc<Shared>, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let amount_minor = checked
        .text("refund_amount")
        .and_then(fen_from_yuan)
        .filter(|fen| *fen >= 1)
        .ok_or_else(|| invalid("refund_amount"))?;
    let mut state = shared.state();
    let order = named(shared, &mut state, checked)?;
    let key = order.key();
    let out_refund_no = match checked.text("out_request_no") {
        Some(number) => number.to_owned(),
        None if amount_minor == order.total_minor => order.out_trade_no.clone(),
        None => return Err(invalid("out_request_no")),
    };
    match order.state {
        OrderState::Open => {
            return Err(business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"));
        }
        OrderState::Closed => return Err(business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")),
        OrderState::Paid => {}
    }
    let existing = state.refund(&RefundKey::new(&key, &out_refund_no)).cloned();
    if let Some(existing) = existing {
        if existing.amount_minor != amount_minor {
            return Err(business("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求"));
        }
        let refunded = state.refunded_minor(&key);
        return Ok(Answer::Success(refund_node(
            &order, &existing, "N", refunded,
        )));
    }
    let request = RefundRequest {
        out_refund_no,
        amount_minor,
        notify_url: order.notify_url.clone(),
        is_from_console: false,
        content: Value::Null,
    };
    let made = operations::refund(shared, &mut state, &key, request)
        .map_err(|_source| business("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限"))?;
    let refunded = state.refunded_minor(&key);
    Ok(Answer::Success(refund_node(&order, &made, "Y", refunded)))
}

/// `refund_fee` is what was refunded of the trade so far, not this refund (alipay sheet §7).
fn refund_node(
    order: &Order,
    refund: &Refund,
    fund_change: &str,
    refunded: i64,
) -> super::answer::Node {
    Answer::success()
        .with("buyer_logon_id", BUYER_LOGON_ID)
        .with(jsapi::buyer_field(order), order.payer.as_str())
        .with("fund_change", fund_change)
        .with("gmt_refund_pay", china_time(refund.created_at))
        .with("out_trade_no", order.out_trade_no.as_str())
        .with("refund_fee", yuan_from_fen(refunded))
        .with("trade_no", order.gateway_trade_no.as_str())
}

fn refund_query(shared: &Shared, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let mut state = shared.state();
    let order = named(shared, &mut state, checked)?;
    let number = checked.text("out_request_no").unwrap_or_default();
    let refund = state.refund(&RefundKey::new(&order.key(), number)).cloned();
    drop(state);
    let Some(refund) = refund else {
        // No such refund: success without a status (alipay sheet §7).
        return Ok(Answer::Success(Answer::success()));
    };
    let wants_time = checked
        .biz
        .get("query_options")
        .and_then(Value::as_array)
        .is_some_and(|options| options.iter().any(|option| option == "gmt_refund_pay"));
    let amount = yuan_from_fen(refund.amount_minor);
    let node = Answer::success()
        .with_some(
            "gmt_refund_pay",
            wants_time.then(|| china_time(refund.created_at)),
        )
        .with("out_request_no", refund.out_refund_no.as_str())
        .with("out_trade_no", order.out_trade_no.as_str())
        .with("refund_amount", amount.as_str())
        .with("refund_status", "REFUND_SUCCESS")
        .with("send_back_fee", amount.as_str())
        .with("total_amount", yuan_from_fen(order.total_minor))
        .with("trade_no", order.gateway_trade_no.as_str());
    Ok(Answer::Success(node))
}
