//! What each call does (unionpay sheet §5 to §10).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    Fields,
    check::{self, Checked, Kind, Refusal},
    notify, payer_page,
};
use crate::{
    crypto::random_digits,
    operations::{self, RefundRequest, expire},
    shared::Shared,
    state::{Gateway, Order, OrderState, Product, Refund, RefundKey, RefundStatus, State, china},
};

/// Orders without a `payTimeout` end after this time.
const DEFAULT_EXPIRY: TimeDelta = TimeDelta::hours(1);
/// Digits of `queryId` and `tn`.
const NUMBER_LENGTH: usize = 21;

/// Does what a call asks for; the fields are added to the answer.
pub(super) fn perform(shared: &Arc<Shared>, checked: &Checked) -> Result<Fields, Refusal> {
    match checked.kind {
        Kind::Page | Kind::App | Kind::Qr => place(shared, checked),
        Kind::Query => query(shared, checked),
        Kind::Refund => refund(shared, checked),
        Kind::Unknown => Err(Refusal::new("10", "报文格式错误")),
    }
}

fn success(more: &[(&str, String)]) -> Fields {
    let mut fields = Fields::from([
        ("respCode".to_owned(), "00".to_owned()),
        ("respMsg".to_owned(), "成功[0000000]".to_owned()),
    ]);
    for (name, value) in more {
        fields.insert((*name).to_owned(), value.clone());
    }
    fields
}

/// 21 digits, as `queryId` and `tn` are.
pub(super) fn number(now: DateTime<Utc>) -> String {
    let head = china(now).format("81%y%m%d%H%M%S").to_string();
    let tail = random_digits(NUMBER_LENGTH.saturating_sub(head.len()));
    format!("{head}{tail}")
}

fn place(shared: &Arc<Shared>, checked: &Checked) -> Result<Fields, Refusal> {
    let order = order_of(shared, checked)?;
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        // The payer may open the same page again; everything else is a repeated number.
        let is_same = existing.content == order.content && existing.state == OrderState::Open;
        return if checked.kind == Kind::Page && is_same {
            Ok(success(&[]))
        } else {
            Err(Refusal::new("12", "重复交易"))
        };
    }
    if state.is_full() {
        return Err(Refusal::new("06", "系统繁忙，请稍后再试"));
    }
    let answered = match checked.kind {
        Kind::App => order.tokens.first().map(|tn| ("tn", tn.clone())),
        Kind::Qr => Some(("qrCode", payer_page(shared, &key))),
        Kind::Page | Kind::Query | Kind::Refund | Kind::Unknown => None,
    };
    state.insert_order(order);
    Ok(success(answered.as_slice()))
}

fn order_of(shared: &Shared, checked: &Checked) -> Result<Order, Refusal> {
    let now = shared.now();
    let owned = |name: &str| checked.fields.get(name).cloned();
    let total_minor = check::fen(checked.text("txnAmt"));
    let total_minor = total_minor.ok_or_else(|| Refusal::new("10", "报文格式错误txnAmt"))?;
    let expires_at = match checked.fields.get("payTimeout") {
        Some(text) => check::time(text).unwrap_or(now),
        None => now + DEFAULT_EXPIRY,
    };
    if expires_at <= now {
        return Err(Refusal::new("10", "报文格式错误payTimeout"));
    }
    let product = match checked.kind {
        Kind::App => Product::UnionpayApp,
        Kind::Qr => Product::UnionpayQr,
        _ if checked.text("channelType") == "08" => Product::UnionpayWap,
        _ => Product::UnionpayPage,
    };
    let tokens = if product == Product::UnionpayApp {
        vec![number(now)]
    } else {
        Vec::new()
    };
    Ok(Order {
        gateway: Gateway::Unionpay,
        account: checked.mer_id.clone(),
        out_trade_no: checked.text("orderId").to_owned(),
        gateway_trade_no: number(now),
        product,
        total_minor,
        subject: owned("orderDesc").unwrap_or_default(),
        body: None,
        attach: owned("reqReserved"),
        notify_url: owned("backUrl"),
        return_url: owned("frontUrl"),
        payer: "621626******0018".to_owned(),
        state: OrderState::Open,
        is_opened: product != Product::UnionpayQr,
        refused_count: 0,
        created_at: checked.txn_time,
        expires_at,
        paid_at: None,
        closed_at: None,
        tokens,
        content: json!({
            "txnTime": checked.text("txnTime"),
            "txnAmt": total_minor,
            "bizType": checked.text("bizType"),
        }),
    })
}

fn not_found() -> Refusal {
    Refusal::new("34", "查无此交易")
}

/// An order and a refund are asked about alike: by their own number and time.
fn query(shared: &Shared, checked: &Checked) -> Result<Fields, Refusal> {
    let key = checked.order_key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    let is_asked = |content: &serde_json::Value| {
        ["txnTime", "bizType"]
            .into_iter()
            .all(|name| notify::remembered(content, name) == checked.text(name))
    };
    if let Some(order) = state.order(&key).filter(|order| is_asked(&order.content)) {
        return order_state(order);
    }
    let (order, refund) = find_refund(&state, checked).ok_or_else(not_found)?;
    if is_asked(&refund.content) {
        Ok(refund_state(&order, &refund))
    } else {
        Err(not_found())
    }
}

fn find_refund(state: &State, checked: &Checked) -> Option<(Order, Refund)> {
    let number = checked.text("orderId");
    let refund = state.refund(&RefundKey::new(&checked.order_key(), number))?;
    let mut key = checked.order_key();
    key.out_trade_no.clone_from(&refund.out_trade_no);
    Some((state.order(&key)?.clone(), refund.clone()))
}

/// Before the payer has tried there is nothing to find (sheet §6).
fn order_state(order: &Order) -> Result<Fields, Refusal> {
    let (code, message) = match order.state {
        OrderState::Paid => ("00", "成功[0000000]"),
        OrderState::Open | OrderState::Closed if order.refused_count > 0 => {
            ("64", "余额不足[1000064]")
        }
        OrderState::Open if order.product != Product::UnionpayPage => ("05", "已受理[1000005]"),
        OrderState::Open | OrderState::Closed => return Err(not_found()),
    };
    let mut fields = success(&[
        ("origRespCode", code.to_owned()),
        ("origRespMsg", message.to_owned()),
    ]);
    fields.extend(notify::transaction_of_order(order));
    Ok(fields)
}

fn refund_state(order: &Order, refund: &Refund) -> Fields {
    let (code, message) = match refund.status {
        RefundStatus::Success => ("00", "成功[0000000]"),
        RefundStatus::Processing | RefundStatus::Abnormal => ("05", "已受理[1000005]"),
        RefundStatus::Closed => ("36", "退款失败[1000036]"),
    };
    let mut fields = success(&[
        ("origRespCode", code.to_owned()),
        ("origRespMsg", message.to_owned()),
    ]);
    fields.extend(notify::transaction_of_refund(order, refund));
    fields
}

fn refund(shared: &Arc<Shared>, checked: &Checked) -> Result<Fields, Refusal> {
    let amount_minor = check::fen(checked.text("txnAmt"));
    let amount_minor = amount_minor.ok_or_else(|| Refusal::new("10", "报文格式错误txnAmt"))?;
    let mut state = shared.state();
    let own = checked.order_key();
    let is_repeated = state.order(&own).is_some()
        || state
            .refund(&RefundKey::new(&own, &own.out_trade_no))
            .is_some();
    if is_repeated {
        return Err(Refusal::new("12", "重复交易"));
    }
    let original = Refusal::new("35", "原交易不存在或状态不正确");
    let key = state
        .find_by_name(checked.text("origQryId"))
        .filter(|key| key.gateway == Gateway::Unionpay && key.account == checked.mer_id)
        .ok_or_else(|| original.clone())?;
    let order = state.order(&key).cloned().ok_or_else(|| original.clone())?;
    if order.state != OrderState::Paid {
        return Err(original);
    }
    if notify::remembered(&order.content, "bizType") != checked.text("bizType") {
        return Err(Refusal::new("36", "与原交易信息不符"));
    }
    let request = RefundRequest {
        out_refund_no: own.out_trade_no,
        amount_minor,
        notify_url: checked.fields.get("backUrl").cloned(),
        is_from_console: false,
        content: json!({
            "txnTime": checked.text("txnTime"),
            "bizType": checked.text("bizType"),
            "reqReserved": checked.text("reqReserved"),
        }),
    };
    let made = operations::refund(shared, &mut state, &key, request)
        .map_err(|_too_much| Refusal::new("36", "与原交易信息不符"))?;
    Ok(success(&[("queryId", made.refund_id)]))
}
