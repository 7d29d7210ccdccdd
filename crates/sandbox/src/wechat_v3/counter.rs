//! What happens at a counter (`wechat_v3` sheet §5): charging the code that a payer shows, and reversals.
//!
//! UNVERIFIED: the sheet has no refusals of code pay (§14); those here are API v2's, under the statuses of v3's own kind.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    answer::{Refusal, Reply},
    handle::{Asked, DEFAULT_EXPIRY, not_exist, transaction},
};
use crate::{
    accounts::WechatMerchant,
    counter::{self, BadCode, Conduct},
    crypto::random_text,
    operations::{self, close_open, expire, gateway_number},
    shared::Shared,
    state::{Gateway, Order, OrderState, Product},
};

/// Whether a payer's code placed the order.
pub(super) fn is_at_counter(order: &Order) -> bool {
    order.product == Product::WechatBarCode
}

/// Whether an order was reversed, paid or not.
pub(super) fn is_reversed(order: &Order) -> bool {
    order.content.get(counter::REVERSED).is_some()
}

/// Charges a code. What is refused makes no order.
pub(super) fn pay(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    asked.check_body_mchid()?;
    asked.check_appid()?;
    check_store(asked)?;
    let order = order_of(shared, asked);
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        return Err(match existing.state {
            _ if is_reversed(existing) => Refusal::new(400, "ORDER_REVERSED", "订单已撤销"),
            OrderState::Paid => Refusal::new(400, "ORDER_PAID", "订单已支付"),
            OrderState::Closed => Refusal::new(400, "ORDER_CLOSED", "订单已关闭"),
            OrderState::Open => Refusal::new(403, "OUT_TRADE_NO_USED", "商户订单号重复"),
        });
    }
    if state.is_full() {
        return Err(Refusal::new(429, "FREQUENCY_LIMITED", "频率超限"));
    }
    let code = asked.inner("payer", "auth_code").and_then(Value::as_str);
    let code = code.unwrap_or_default();
    let charged = state.codes.charge(Gateway::WechatV3, code, shared.now());
    let conduct = charged.map_err(|bad| match bad {
        BadCode::Unknown => Refusal::new(400, "AUTH_CODE_INVALID", "授权码检验错误"),
        BadCode::Used => Refusal::new(400, "AUTH_CODE_ERROR", "授权码参数错误"),
        BadCode::Expired => Refusal::new(
            400,
            "AUTHCODEEXPIRE",
            "二维码已过期，请用户在微信上刷新后再试",
        ),
    })?;
    if conduct == Conduct::LacksMoney {
        return Err(Refusal::new(403, "NOT_ENOUGH", "余额不足"));
    }
    state.insert_order(order.clone());
    let order = if conduct == Conduct::IsAsked {
        order
    } else {
        let paid = operations::pay_in(shared, &mut state, &key);
        paid.map_err(|_source| Refusal::new(500, "SYSTEM_ERROR", "系统异常"))?
    };
    Ok(answered(asked.merchant, &order))
}

fn answered(merchant: &WechatMerchant, order: &Order) -> Reply {
    let mut object = transaction(order, false);
    object.insert("appid".to_owned(), json!(merchant.appid));
    Reply::Ok(Value::Object(object))
}

/// One of the store's two numbers must be there.
fn check_store(asked: &Asked<'_>) -> Result<(), Refusal> {
    let store = asked.inner("scene_info", "store_info");
    let has = |name: &str| store.is_some_and(|store| store.get(name).is_some());
    if has("id") || has("out_id") {
        Ok(())
    } else {
        Err(Refusal::bad(
            "/scene_info/store_info/id",
            "or out_id is missing",
        ))
    }
}

fn order_of(shared: &Shared, asked: &Asked<'_>) -> Order {
    let now = shared.now();
    let owned = |name: &str| asked.text(name).map(str::to_owned);
    let total = asked.inner("amount", "total").and_then(Value::as_i64);
    Order {
        gateway: Gateway::WechatV3,
        account: asked.merchant.mchid.clone(),
        out_trade_no: owned("out_trade_no").unwrap_or_default(),
        gateway_trade_no: gateway_number("42000000", now),
        product: Product::WechatBarCode,
        total_minor: total.unwrap_or_default(),
        subject: owned("description").unwrap_or_default(),
        body: None,
        attach: owned("attach"),
        // No notice follows.
        notify_url: None,
        return_url: None,
        payer: format!("oSandbox{}", random_text(20)),
        state: OrderState::Open,
        is_opened: true,
        refused_count: 0,
        created_at: now,
        expires_at: now + DEFAULT_EXPIRY,
        paid_at: None,
        closed_at: None,
        tokens: Vec::new(),
        content: json!({}),
    }
}

/// Closes an order that nobody paid, and gives the money of a paid one back.
pub(super) fn reverse(
    shared: &Arc<Shared>,
    asked: &Asked<'_>,
    number: &str,
) -> Result<Reply, Refusal> {
    asked.check_body_mchid()?;
    asked.check_appid()?;
    let key = asked.key(number);
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    let order = state.order(&key).ok_or_else(not_exist)?.clone();
    let refused = || Refusal::new(403, "TRADE_ERROR", "订单不支持撤销");
    if !is_at_counter(&order) {
        return Err(refused());
    }
    match order.state {
        OrderState::Open => close_open(shared, &mut state, &key),
        OrderState::Closed => {}
        OrderState::Paid => {
            counter::give_back(shared, &mut state, &order).map_err(|_source| refused())?;
        }
    }
    counter::mark_reversed(&mut state, &key);
    let merchant = asked.merchant;
    Ok(Reply::Ok(json!({
        "appid": merchant.appid,
        "mchid": merchant.mchid,
        "out_trade_no": number,
    })))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Conduct, Gateway, OrderState, RefundStatus,
        testing::{Bed, WechatAnswer},
    };

    const PAY: &str = "/v3/pay/transactions/codepay";

    fn show(bed: &Bed, conduct: Conduct) -> String {
        bed.control.show_code(Gateway::WechatV3, conduct).unwrap()
    }

    fn body(bed: &Bed, number: &str, code: &str) -> Value {
        json!({
            "appid": bed.wechat().appid,
            "mchid": bed.wechat().mchid,
            "description": "测试商品",
            "out_trade_no": number,
            "payer": {"auth_code": code},
            "amount": {"total": 100, "currency": "CNY"},
            "scene_info": {"store_info": {"out_id": "Shop0755"}},
        })
    }

    async fn charge(bed: &Bed, number: &str, code: &str) -> WechatAnswer {
        bed.wechat_call("POST", PAY, &body(bed, number, code)).await
    }

    async fn reverse(bed: &Bed, number: &str) -> WechatAnswer {
        let path = format!("/v3/pay/transactions/out-trade-no/{number}/reverse");
        let body = json!({"appid": bed.wechat().appid, "mchid": bed.wechat().mchid});
        bed.wechat_call("POST", &path, &body).await
    }

    async fn stands(bed: &Bed, number: &str) -> Value {
        let mchid = &bed.wechat().mchid;
        let path = format!("/v3/pay/transactions/out-trade-no/{number}?mchid={mchid}");
        let answer = bed.wechat_call("GET", &path, &Value::Null).await;
        assert!(answer.is_signed);
        answer.body
    }

    #[tokio::test]
    async fn a_code_pays_once_and_the_number_is_taken() {
        let bed = Bed::start().await;
        let code = show(&bed, Conduct::Pays);
        let paid = charge(&bed, "T00001", &code).await;
        assert_eq!(paid.outcome(), "200");
        assert!(paid.is_signed);
        assert_eq!(paid.body["trade_state"], "SUCCESS");
        assert_eq!(paid.body["trade_type"], "MICROPAY");
        assert_eq!(paid.body["amount"]["total"], 100);
        assert_eq!(stands(&bed, "T00001").await["trade_state"], "SUCCESS");
        let told = bed.control.deliver_due().await;
        assert!(told.is_empty(), "no notice follows");
        for (number, code, expected) in [
            ("T00002", code.as_str(), "400 AUTH_CODE_ERROR"),
            ("T00002", "130000000000000000", "400 AUTH_CODE_INVALID"),
            ("T00001", &show(&bed, Conduct::Pays), "400 ORDER_PAID"),
            ("T00002", &show(&bed, Conduct::LacksMoney), "403 NOT_ENOUGH"),
        ] {
            assert_eq!(charge(&bed, number, code).await.outcome(), expected);
        }
        let late = show(&bed, Conduct::Pays);
        bed.advance(61);
        let refused = charge(&bed, "T00002", &late).await;
        assert_eq!(refused.outcome(), "400 AUTHCODEEXPIRE");
        assert_eq!(
            bed.control.orders().len(),
            1,
            "what is refused makes no order"
        );
    }

    #[tokio::test]
    async fn a_request_without_a_code_or_a_store_is_refused() {
        let bed = Bed::start().await;
        let code = show(&bed, Conduct::Pays);
        let good = body(&bed, "T00001", &code);
        for pointer in ["/payer", "/scene_info", "/amount", "/description"] {
            let mut lacking = good.clone();
            let name = pointer.trim_start_matches('/');
            lacking.as_object_mut().unwrap().remove(name);
            let refused = bed.wechat_call("POST", PAY, &lacking).await;
            assert_eq!(refused.outcome(), "400 PARAM_ERROR", "{pointer}");
        }
        let mut nowhere = good.clone();
        nowhere["scene_info"]["store_info"] = json!({});
        let refused = bed.wechat_call("POST", PAY, &nowhere).await;
        assert_eq!(refused.outcome(), "400 PARAM_ERROR");
        let mut foreign = good.clone();
        foreign["appid"] = json!("wx1");
        let refused = bed.wechat_call("POST", PAY, &foreign).await;
        assert_eq!(refused.outcome(), "400 APPID_MCHID_NOT_MATCH");
        assert_eq!(bed.wechat_call("POST", PAY, &good).await.outcome(), "200");
    }

    #[tokio::test]
    async fn an_order_that_waits_is_confirmed_or_reversed() {
        let bed = Bed::start().await;
        for number in ["T00001", "T00002", "T00003"] {
            let waiting = charge(&bed, number, &show(&bed, Conduct::IsAsked)).await;
            assert_eq!(waiting.body["trade_state"], "USERPAYING");
            assert_eq!(stands(&bed, number).await["trade_state"], "USERPAYING");
        }
        bed.control.refuse("T00003").unwrap();
        assert_eq!(stands(&bed, "T00003").await["trade_state"], "PAYERROR");
        bed.control.pay("T00001").unwrap();
        for number in ["T00001", "T00001", "T00002", "T00003"] {
            let done = reverse(&bed, number).await;
            assert_eq!(done.outcome(), "200");
            assert_eq!(done.body["out_trade_no"], number);
            assert_eq!(stands(&bed, number).await["trade_state"], "REVOKED");
        }
        let refunds = bed.control.refunds();
        assert_eq!(refunds.len(), 1, "given back once");
        assert_eq!(
            (refunds[0].amount_minor, refunds[0].status),
            (100, RefundStatus::Success)
        );
        assert!(stands(&bed, "T00001").await["transaction_id"].is_string());
        assert!(stands(&bed, "T00002").await["transaction_id"].is_null());
        let again = charge(&bed, "T00002", &show(&bed, Conduct::Pays)).await;
        assert_eq!(again.outcome(), "400 ORDER_REVERSED");
        bed.control.pay("T00002").unwrap_err();
        assert_eq!(
            bed.control.order("T00002").unwrap().state,
            OrderState::Closed
        );
        assert_eq!(
            reverse(&bed, "T00009").await.outcome(),
            "404 ORDER_NOT_EXIST"
        );
        bed.wechat_order("T00008", 100).await;
        assert_eq!(reverse(&bed, "T00008").await.outcome(), "403 TRADE_ERROR");
    }
}
