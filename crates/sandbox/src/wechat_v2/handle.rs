//! What each call does (`wechat_v2` sheet §5).

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::json;
use url::{Host, Url};

use super::{Refusal, Route, check, counter, sign, xml::Fields};
use crate::{
    accounts::WechatV2Merchant,
    crypto::random_text,
    error::ControlError,
    operations::{self, RefundRequest, close_open, expire, gateway_number},
    shared::Shared,
    state::{
        Gateway, Order, OrderKey, OrderState, Product, Refund, RefundKey, RefundStatus, State,
        china,
    },
};

/// How WeChat Pay v2 writes times, in China's zone.
pub(super) const TIME: &str = "%Y%m%d%H%M%S";
/// Hours that China is ahead.
const CHINA_AHEAD: TimeDelta = TimeDelta::hours(8);
/// Orders close by themselves after this time.
const DEFAULT_EXPIRY: TimeDelta = TimeDelta::days(7);
/// Partial refunds of one order.
const REFUNDS_PER_ORDER_MAX: usize = 50;
/// Refunds are possible for this long after the payment.
const REFUND_WINDOW: TimeDelta = TimeDelta::days(365);

/// A call that is let in.
pub(super) struct Asked<'a> {
    pub(super) merchant: &'a WechatV2Merchant,
    pub(super) fields: &'a Fields,
}

impl Asked<'_> {
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    pub(super) fn fen(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }
}

/// Does what the call asks for.
pub(super) fn perform(
    shared: &Arc<Shared>,
    route: Route,
    asked: &Asked<'_>,
) -> Result<Fields, Refusal> {
    if asked.text("appid") != asked.merchant.appid {
        return Err(Refusal::new("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配"));
    }
    match route {
        Route::UnifiedOrder => create(shared, asked),
        Route::Micropay => counter::pay(shared, asked),
        Route::OrderQuery => query(shared, asked),
        Route::CloseOrder => close(shared, asked),
        Route::Reverse => counter::reverse(shared, asked),
        Route::Refund => refund(shared, asked),
        Route::RefundQuery => refund_query(shared, asked),
    }
}

/// The order that a call is about, for the log and the faults.
pub(super) fn order_number(
    shared: &Shared,
    merchant: &WechatV2Merchant,
    fields: &Fields,
) -> String {
    let field = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    if let Some(number) = field("out_trade_no") {
        return number.clone();
    }
    let state = shared.state();
    let by_refund = field("out_refund_no").and_then(|number| {
        let refund = state.refund(&refund_key(merchant, number))?;
        Some(refund.out_trade_no.clone())
    });
    let by_id = || state.find_by_name(field("transaction_id")?);
    by_refund
        .or_else(|| by_id().map(|key| key.out_trade_no))
        .unwrap_or_default()
}

pub(super) fn refund_key(merchant: &WechatV2Merchant, number: &str) -> RefundKey {
    RefundKey {
        gateway: Gateway::WechatV2,
        account: merchant.mch_id.clone(),
        within: String::new(),
        out_refund_no: number.to_owned(),
    }
}

pub(super) fn not_exist() -> Refusal {
    Refusal::new("ORDERNOTEXIST", "订单不存在")
}

/// The order that a call names; WeChat Pay's own number wins.
pub(super) fn named(state: &State, asked: &Asked<'_>) -> Result<OrderKey, Refusal> {
    let key = match asked.text("transaction_id") {
        "" => OrderKey {
            gateway: Gateway::WechatV2,
            account: asked.merchant.mch_id.clone(),
            out_trade_no: asked.text("out_trade_no").to_owned(),
        },
        id => state.find_by_name(id).ok_or_else(not_exist)?,
    };
    let is_ours = key.gateway == Gateway::WechatV2 && key.account == asked.merchant.mch_id;
    if is_ours && state.order(&key).is_some() {
        Ok(key)
    } else {
        Err(not_exist())
    }
}

fn create(shared: &Shared, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let order = order_of(shared, asked)?;
    let key = order.key();
    let product = order.product;
    let token = format!("wx{}", random_text(30).to_lowercase());
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        if existing.content != order.content {
            return Err(Refusal::new("OUT_TRADE_NO_USED", "商户订单号重复"));
        }
        match existing.state {
            OrderState::Open => {}
            OrderState::Paid => return Err(Refusal::new("ORDERPAID", "该订单已支付")),
            OrderState::Closed => return Err(Refusal::new("ORDERCLOSED", "订单已关闭")),
        }
    } else if state.is_full() {
        return Err(Refusal::new("FREQUENCY_LIMITED", "频率限制"));
    } else {
        state.insert_order(order);
    }
    state.add_token(&key, token.clone());
    let mut answer = Fields::new();
    let mut set = |name: &str, value: &str| answer.insert(name.to_owned(), value.to_owned());
    set("trade_type", asked.text("trade_type"));
    set("prepay_id", &token);
    match product {
        Product::WechatNative => {
            set("code_url", &format!("weixin://wxpay/bizpayurl?pr={token}"));
        }
        Product::WechatH5 => {
            let page = format!("{}/payer/wechat/{token}?package=1", shared.base_url);
            set("mweb_url", &page);
        }
        _ => {}
    }
    Ok(answer)
}

fn order_of(shared: &Shared, asked: &Asked<'_>) -> Result<Order, Refusal> {
    let now = shared.now();
    let product = match asked.text("trade_type") {
        "NATIVE" => Product::WechatNative,
        "JSAPI" => Product::WechatJsapi,
        "MWEB" => Product::WechatH5,
        _ => Product::WechatApp,
    };
    check_notify_url(asked.text("notify_url"))?;
    let mut content = asked.fields.clone();
    content.retain(|name, _| name != "nonce_str" && name != "sign");
    let made_up = || format!("oSandbox{}", random_text(20));
    Ok(Order {
        gateway: Gateway::WechatV2,
        account: asked.merchant.mch_id.clone(),
        out_trade_no: asked.text("out_trade_no").to_owned(),
        gateway_trade_no: gateway_number("42000000", now),
        product,
        total_minor: asked.fen("total_fee"),
        subject: asked.text("body").to_owned(),
        body: None,
        attach: asked.some("attach"),
        notify_url: asked.some("notify_url"),
        return_url: None,
        payer: asked.some("openid").unwrap_or_else(made_up),
        state: OrderState::Open,
        is_opened: true,
        refused_count: 0,
        created_at: now,
        expires_at: expiry(now, asked.text("time_expire"))?,
        paid_at: None,
        closed_at: None,
        tokens: Vec::new(),
        content: json!({"sign_type": sign::sign_type(asked.fields), "fields": content}),
    })
}

/// The kind of signature that the order was placed with: its notices have the same.
pub(super) fn sign_type_of(order: &Order) -> &str {
    order
        .content
        .get("sign_type")
        .and_then(serde_json::Value::as_str)
        .unwrap_or(sign::MD5)
}

/// No query; `https` but for addresses of this machine.
fn check_notify_url(text: &str) -> Result<(), Refusal> {
    let url = Url::parse(text).map_err(|_source| check::bad())?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    if is_allowed && url.query().is_none() {
        Ok(())
    } else {
        Err(check::bad())
    }
}

pub(super) fn expiry(now: DateTime<Utc>, text: &str) -> Result<DateTime<Utc>, Refusal> {
    if text.is_empty() {
        return Ok(now + DEFAULT_EXPIRY);
    }
    let china = NaiveDateTime::parse_from_str(text, TIME).map_err(|_source| check::bad())?;
    let at = china
        .checked_sub_signed(CHINA_AHEAD)
        .map(|utc| utc.and_utc());
    at.filter(|at| *at > now).ok_or_else(check::bad)
}

fn query(shared: &Shared, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let mut state = shared.state();
    let key = named(&state, asked)?;
    expire(shared, &mut state, &key);
    let has_refunds = state.refunds_of(&key).next().is_some();
    let order = state.order(&key).ok_or_else(not_exist)?;
    let (word, text) = match order.state {
        OrderState::Open if is_at_counter(order) && order.refused_count > 0 => {
            ("PAYERROR", "支付失败")
        }
        OrderState::Open if is_at_counter(order) => ("USERPAYING", "用户支付中，需要输入密码"),
        OrderState::Closed | OrderState::Paid if counter::is_reversed(order) => {
            ("REVOKED", "订单已撤销")
        }
        OrderState::Open => ("NOTPAY", "订单未支付"),
        OrderState::Closed => ("CLOSED", "订单已关闭"),
        OrderState::Paid if has_refunds => ("REFUND", "转入退款"),
        OrderState::Paid => ("SUCCESS", "支付成功"),
    };
    let mut answer = Fields::from([
        ("out_trade_no".to_owned(), order.out_trade_no.clone()),
        ("trade_state".to_owned(), word.to_owned()),
        ("trade_state_desc".to_owned(), text.to_owned()),
    ]);
    if order.paid_at.is_some() {
        answer.extend(payment(order));
    }
    Ok(answer)
}

/// What answers and notices say of a paid order.
pub(super) fn payment(order: &Order) -> Fields {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: String| fields.insert(name.to_owned(), value);
    set("openid", order.payer.clone());
    set("is_subscribe", "N".to_owned());
    set("trade_type", trade_type(order.product).to_owned());
    set("bank_type", "OTHERS".to_owned());
    set("total_fee", order.total_minor.to_string());
    set("fee_type", "CNY".to_owned());
    set("cash_fee", order.total_minor.to_string());
    set("transaction_id", order.gateway_trade_no.clone());
    set("out_trade_no", order.out_trade_no.clone());
    if let Some(attach) = &order.attach {
        set("attach", attach.clone());
    }
    if let Some(paid_at) = order.paid_at {
        set("time_end", china(paid_at).format(TIME).to_string());
    }
    fields
}

fn is_at_counter(order: &Order) -> bool {
    order.product == Product::WechatBarCode
}

fn trade_type(product: Product) -> &'static str {
    match product {
        Product::WechatBarCode => "MICROPAY",
        Product::WechatJsapi => "JSAPI",
        Product::WechatApp => "APP",
        Product::WechatH5 => "MWEB",
        _ => "NATIVE",
    }
}

fn close(shared: &Shared, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let mut state = shared.state();
    let key = named(&state, asked)?;
    expire(shared, &mut state, &key);
    match state.order(&key).ok_or_else(not_exist)?.state {
        OrderState::Open => close_open(shared, &mut state, &key),
        OrderState::Closed => return Err(Refusal::new("ORDERCLOSED", "订单已关闭")),
        OrderState::Paid => return Err(Refusal::new("ORDERPAID", "订单已支付")),
    }
    Ok(Fields::new())
}

/// Accepts a refund; the same number with the same content is the same refund.
fn refund(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let invalid = |text| Refusal::new("INVALID_REQUEST", text);
    let mut state = shared.state();
    let key = named(&state, asked)
        .map_err(|_missing| Refusal::new("INVALID_TRANSACTIONID", "无效transaction_id"))?;
    let order = state.order(&key).ok_or_else(not_exist)?.clone();
    let paid_at = order.paid_at.ok_or_else(|| invalid("订单未支付"))?;
    let number = asked.text("out_refund_no");
    if asked.fen("total_fee") != order.total_minor {
        return Err(Refusal::new("REFUND_FEE_MISMATCH", "订单金额不一致"));
    }
    if let Some(existing) = state.refund(&refund_key(asked.merchant, number)) {
        let is_same = existing.out_trade_no == key.out_trade_no
            && existing.amount_minor == asked.fen("refund_fee");
        return if is_same {
            Ok(accepted(&order, existing))
        } else {
            Err(Refusal::new("REFUND_FEE_MISMATCH", "退款金额不一致"))
        };
    }
    if let Some(url) = asked.some("notify_url") {
        check_notify_url(&url)?;
    }
    if shared.now() > paid_at + REFUND_WINDOW {
        return Err(Refusal::new("TRADE_OVERDUE", "订单已经超过退款期限"));
    }
    if state.refunds_of(&key).count() >= REFUNDS_PER_ORDER_MAX {
        return Err(invalid("退款次数超过上限"));
    }
    let request = RefundRequest {
        out_refund_no: number.to_owned(),
        amount_minor: asked.fen("refund_fee"),
        notify_url: asked.some("notify_url"),
        is_from_console: false,
        content: serde_json::Value::Null,
    };
    let made = operations::refund(shared, &mut state, &key, request);
    let made = made.map_err(|error| match error {
        ControlError::NotRefundable(_) => invalid("退款金额大于可退金额"),
        _ => invalid("订单状态不正确"),
    })?;
    Ok(accepted(&order, &made))
}

fn accepted(order: &Order, refund: &Refund) -> Fields {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: String| fields.insert(name.to_owned(), value);
    set("transaction_id", order.gateway_trade_no.clone());
    set("out_trade_no", order.out_trade_no.clone());
    set("out_refund_no", refund.out_refund_no.clone());
    set("refund_id", refund.refund_id.clone());
    set("refund_fee", refund.amount_minor.to_string());
    set("total_fee", order.total_minor.to_string());
    set("cash_fee", order.total_minor.to_string());
    fields
}

/// `refund_status` (`wechat_v2` sheet §5).
pub(super) fn refund_status(status: RefundStatus) -> &'static str {
    match status {
        RefundStatus::Processing => "PROCESSING",
        RefundStatus::Success => "SUCCESS",
        RefundStatus::Closed => "REFUNDCLOSE",
        RefundStatus::Abnormal => "CHANGE",
    }
}

fn refund_query(shared: &Shared, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let missing = || Refusal::new("REFUNDNOTEXIST", "退款订单查询失败");
    let state = shared.state();
    let number = asked.text("out_refund_no");
    let refunds: Vec<&Refund> = match state.refund(&refund_key(asked.merchant, number)) {
        Some(refund) => vec![refund],
        None if number.is_empty() => {
            let key = named(&state, asked).map_err(|_missing| missing())?;
            state.refunds_of(&key).collect()
        }
        None => Vec::new(),
    };
    let first = refunds.first().ok_or_else(missing)?;
    let key = OrderKey {
        gateway: Gateway::WechatV2,
        account: first.account.clone(),
        out_trade_no: first.out_trade_no.clone(),
    };
    let order = state.order(&key).ok_or_else(missing)?;
    let mut fields = Fields::new();
    let mut set = |name: String, value: String| fields.insert(name, value);
    set("transaction_id".to_owned(), order.gateway_trade_no.clone());
    set("out_trade_no".to_owned(), order.out_trade_no.clone());
    set("total_fee".to_owned(), order.total_minor.to_string());
    set("cash_fee".to_owned(), order.total_minor.to_string());
    set("refund_count".to_owned(), refunds.len().to_string());
    for (n, refund) in refunds.iter().enumerate() {
        set(format!("out_refund_no_{n}"), refund.out_refund_no.clone());
        set(format!("refund_id_{n}"), refund.refund_id.clone());
        set(format!("refund_channel_{n}"), "ORIGINAL".to_owned());
        set(format!("refund_fee_{n}"), refund.amount_minor.to_string());
        set(
            format!("refund_status_{n}"),
            refund_status(refund.status).to_owned(),
        );
        set(format!("refund_recv_accout_{n}"), "支付用户零钱".to_owned());
        if let (RefundStatus::Success, Some(at)) = (refund.status, refund.settled_at) {
            set(format!("refund_success_time_{n}"), plain_time(at));
        }
    }
    Ok(fields)
}

/// `2026-01-01 08:00:00`, in China's zone.
pub(super) fn plain_time(at: DateTime<Utc>) -> String {
    china(at).format("%Y-%m-%d %H:%M:%S").to_string()
}
