//! What happens at a counter (`wechat_v2` sheet §5): charging the code that a payer shows, and reversals.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use super::{
    Refusal,
    handle::{Asked, expiry, named, payment},
    sign,
    xml::Fields,
};
use crate::{
    counter::{self, BadCode, Conduct},
    crypto::random_text,
    operations::{self, close_open, expire, gateway_number},
    shared::Shared,
    state::{Gateway, Order, OrderState, Product},
};

/// Reversals are possible for this long after the order was placed.
const REVERSE_WINDOW: TimeDelta = TimeDelta::days(7);

/// Whether an order was reversed, paid or not.
pub(super) fn is_reversed(order: &Order) -> bool {
    order.content.get(counter::REVERSED).is_some()
}

/// Charges a code. What is refused makes no order.
pub(super) fn pay(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let order = order_of(shared, asked)?;
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        return Err(match existing.state {
            _ if is_reversed(existing) => Refusal::new("ORDERREVERSED", "订单已撤销"),
            OrderState::Paid => Refusal::new("ORDERPAID", "订单已支付"),
            OrderState::Closed => Refusal::new("ORDERCLOSED", "订单已关闭"),
            OrderState::Open if existing.content == order.content => waiting(),
            OrderState::Open => Refusal::new("OUT_TRADE_NO_USED", "商户订单号重复"),
        });
    }
    if state.is_full() {
        return Err(Refusal::new("FREQUENCY_LIMITED", "频率限制"));
    }
    let code = asked.text("auth_code");
    let charged = state.codes.charge(Gateway::WechatV2, code, shared.now());
    let conduct = charged.map_err(|bad| match bad {
        BadCode::Unknown => Refusal::new("AUTH_CODE_INVALID", "授权码检验错误"),
        BadCode::Used => Refusal::new("AUTH_CODE_ERROR", "授权码参数错误"),
        BadCode::Expired => {
            Refusal::new("AUTHCODEEXPIRE", "二维码已过期，请用户在微信上刷新后再试")
        }
    })?;
    if conduct == Conduct::LacksMoney {
        return Err(Refusal::new("NOTENOUGH", "余额不足"));
    }
    state.insert_order(order);
    if conduct == Conduct::IsAsked {
        return Err(waiting());
    }
    let paid = operations::pay_in(shared, &mut state, &key);
    let paid = paid.map_err(|_source| Refusal::new("SYSTEMERROR", "系统错误"))?;
    Ok(payment(&paid))
}

fn waiting() -> Refusal {
    Refusal::new("USERPAYING", "需要用户输入支付密码")
}

fn order_of(shared: &Shared, asked: &Asked<'_>) -> Result<Order, Refusal> {
    let now = shared.now();
    let mut content = asked.fields.clone();
    content.retain(|name, _| name != "nonce_str" && name != "sign");
    Ok(Order {
        gateway: Gateway::WechatV2,
        account: asked.merchant.mch_id.clone(),
        out_trade_no: asked.text("out_trade_no").to_owned(),
        gateway_trade_no: gateway_number("42000000", now),
        product: Product::WechatBarCode,
        total_minor: asked.fen("total_fee"),
        subject: asked.text("body").to_owned(),
        body: None,
        attach: asked.some("attach"),
        // No notice follows.
        notify_url: None,
        return_url: None,
        payer: format!("oSandbox{}", random_text(20)),
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

/// Closes an order that nobody paid, and gives the money of a paid one back.
pub(super) fn reverse(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Fields, Refusal> {
    let mut state = shared.state();
    let key = named(&state, asked)?;
    expire(shared, &mut state, &key);
    let Some(order) = state.order(&key).cloned() else {
        return Err(Refusal::new("ORDERNOTEXIST", "订单不存在"));
    };
    if order.product != Product::WechatBarCode {
        return Err(Refusal::new("TRADE_ERROR", "订单不支持撤销"));
    }
    if shared.now() > order.created_at + REVERSE_WINDOW {
        return Err(Refusal::new("REVERSE_EXPIRE", "订单无法撤销"));
    }
    match order.state {
        OrderState::Open => close_open(shared, &mut state, &key),
        OrderState::Closed => {}
        OrderState::Paid => counter::give_back(shared, &mut state, &order)
            .map_err(|_source| Refusal::new("TRADE_ERROR", "订单不支持撤销"))?,
    }
    counter::mark_reversed(&mut state, &key);
    Ok(Fields::from([("recall".to_owned(), "N".to_owned())]))
}
