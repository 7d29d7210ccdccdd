//! What each call does (`wechat_v3` sheet §5 to §8).

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use url::{Host, Url};

use super::{
    Route,
    answer::{Refusal, Reply},
    counter::{self, is_at_counter, is_reversed},
    mode::WechatMode,
    refund,
};
use crate::{
    accounts::WechatMerchant,
    crypto::{random_digits, random_text, seal},
    operations::{close_open, expire, gateway_number},
    shared::Shared,
    state::{Gateway, Order, OrderKey, OrderState, Product, china},
};

/// Orders close by themselves after this time.
pub(super) const DEFAULT_EXPIRY: TimeDelta = TimeDelta::days(7);
/// No order stays open longer.
const EXPIRY_MAX: TimeDelta = TimeDelta::days(15);
/// An earlier `time_expire` is moved to this far ahead.
const EXPIRY_MIN: TimeDelta = TimeDelta::minutes(1);
/// Bytes of `detail`.
const DETAIL_BYTES_MAX: usize = 6_144;

/// A call that is let in.
pub(super) struct Asked<'a> {
    pub(super) merchant: &'a WechatMerchant,
    pub(super) route: &'a Route,
    pub(super) object: &'a Map<String, Value>,
    pub(super) query: &'a str,
}

impl Asked<'_> {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name).and_then(Value::as_str)
    }

    pub(super) fn inner(&self, outer: &str, name: &str) -> Option<&Value> {
        self.object.get(outer).and_then(|object| object.get(name))
    }

    pub(super) fn key(&self, out_trade_no: &str) -> OrderKey {
        OrderKey {
            gateway: Gateway::WechatV3,
            account: self.merchant.mchid.clone(),
            out_trade_no: out_trade_no.to_owned(),
        }
    }

    /// The merchant number in the query must be the one that signed.
    fn check_query_mchid(&self) -> Result<(), Refusal> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        if pairs.any(|(name, value)| name == "mchid" && value == self.merchant.mchid.as_str()) {
            Ok(())
        } else {
            Err(Refusal::bad(
                "/mchid",
                "is missing or not the signing merchant",
            ))
        }
    }

    pub(super) fn check_appid(&self) -> Result<(), Refusal> {
        if self.text("appid") == Some(self.merchant.appid.as_str()) {
            return Ok(());
        }
        let message = "appid和mchid不匹配";
        Err(Refusal::new(400, "APPID_MCHID_NOT_MATCH", message))
    }

    pub(super) fn check_body_mchid(&self) -> Result<(), Refusal> {
        if self.text("mchid") == Some(self.merchant.mchid.as_str()) {
            Ok(())
        } else {
            Err(Refusal::bad("/mchid", "is not the signing merchant"))
        }
    }
}

/// Does what the call asks for.
pub(super) fn perform(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Reply, Refusal> {
    match asked.route {
        Route::Create(product) => create(shared, asked, *product),
        Route::CodePay => counter::pay(shared, asked),
        Route::QueryByNumber(number) => {
            asked.check_query_mchid()?;
            query(shared, &asked.key(number))
        }
        Route::QueryById(id) => {
            asked.check_query_mchid()?;
            query_by_id(shared, asked, id)
        }
        Route::Close(number) => {
            asked.check_body_mchid()?;
            close(shared, &asked.key(number))
        }
        Route::Reverse(number) => counter::reverse(shared, asked, number),
        Route::Refund => refund::create(shared, asked),
        Route::RefundQuery(number) => refund::query(shared, asked, number),
        Route::AbnormalRefund(id) => refund::apply_abnormal(shared, asked, id),
        Route::Certificates => certificates(shared, asked.merchant),
    }
}

pub(super) fn not_exist() -> Refusal {
    Refusal::new(404, "ORDER_NOT_EXIST", "订单不存在")
}

fn create(shared: &Shared, asked: &Asked<'_>, product: Product) -> Result<Reply, Refusal> {
    asked.check_body_mchid()?;
    asked.check_appid()?;
    let order = order_of(shared, asked, product)?;
    let key = order.key();
    let token = token(shared.now(), product);
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        if existing.content != order.content {
            return Err(Refusal::new(403, "OUT_TRADE_NO_USED", "商户订单号重复"));
        }
        match existing.state {
            OrderState::Open => {}
            OrderState::Paid => {
                return Err(Refusal::new(400, "INVALID_REQUEST", "该订单已支付"));
            }
            OrderState::Closed => return Err(Refusal::new(400, "ORDER_CLOSED", "订单已关闭")),
        }
    } else if state.is_full() {
        return Err(Refusal::new(429, "FREQUENCY_LIMITED", "频率超限"));
    } else {
        state.insert_order(order);
    }
    state.add_token(&key, token.clone());
    Ok(Reply::Ok(prepay(shared, product, &token)))
}

fn token(now: DateTime<Utc>, product: Product) -> String {
    if product == Product::WechatNative {
        random_text(16)
    } else {
        format!(
            "wx{}{}",
            china(now).format("%d%H%M%S"),
            random_text(26).to_lowercase()
        )
    }
}

fn prepay(shared: &Shared, product: Product, token: &str) -> Value {
    match product {
        Product::WechatNative => {
            json!({"code_url": format!("weixin://wxpay/bizpayurl?pr={token}")})
        }
        Product::WechatH5 => {
            let package = random_digits(10);
            let page = format!("{}/payer/wechat/{token}?package={package}", shared.base_url);
            json!({ "h5_url": page })
        }
        _ => json!({ "prepay_id": token }),
    }
}

fn order_of(shared: &Shared, asked: &Asked<'_>, product: Product) -> Result<Order, Refusal> {
    let now = shared.now();
    let owned = |name: &str| asked.text(name).map(str::to_owned);
    let notify_url = asked.text("notify_url").unwrap_or_default();
    check_notify_url(notify_url)?;
    let detail_bytes = asked
        .object
        .get("detail")
        .map_or(0, |detail| detail.to_string().len());
    if detail_bytes > DETAIL_BYTES_MAX {
        return Err(Refusal::bad("/detail", "is too long"));
    }
    let made_up_payer = || format!("oSandbox{}", random_text(20));
    let openid = asked
        .inner("payer", "openid")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(Order {
        gateway: Gateway::WechatV3,
        account: asked.merchant.mchid.clone(),
        out_trade_no: owned("out_trade_no").unwrap_or_default(),
        gateway_trade_no: gateway_number("42000000", now),
        product,
        total_minor: asked
            .inner("amount", "total")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        subject: owned("description").unwrap_or_default(),
        body: None,
        attach: owned("attach"),
        notify_url: Some(notify_url.to_owned()),
        return_url: None,
        payer: openid.unwrap_or_else(made_up_payer),
        state: OrderState::Open,
        is_opened: true,
        refused_count: 0,
        created_at: now,
        expires_at: expiry(now, asked.text("time_expire"))?,
        paid_at: None,
        closed_at: None,
        tokens: Vec::new(),
        content: json!([format!("{product:?}"), asked.object]),
    })
}

/// Full `https` URL without a query. Plain `http` is taken for addresses of this machine, because
/// nothing else of a sandbox is reachable.
pub(super) fn check_notify_url(text: &str) -> Result<(), Refusal> {
    let url = Url::parse(text).map_err(|_source| Refusal::bad("/notify_url", "is not a url"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    if is_allowed && url.query().is_none() && url.fragment().is_none() {
        Ok(())
    } else {
        Err(Refusal::bad(
            "/notify_url",
            "must be https and have no parameters",
        ))
    }
}

fn expiry(now: DateTime<Utc>, time_expire: Option<&str>) -> Result<DateTime<Utc>, Refusal> {
    let Some(text) = time_expire else {
        return Ok(now + DEFAULT_EXPIRY);
    };
    let at = DateTime::parse_from_rfc3339(text)
        .map_err(|_source| Refusal::bad("/time_expire", "is not an rfc 3339 time"))?
        .with_timezone(&Utc);
    if at <= now || at > now + EXPIRY_MAX {
        return Err(Refusal::bad("/time_expire", "is over or too far away"));
    }
    Ok(at.max(now + EXPIRY_MIN))
}

/// A time as WeChat Pay writes it.
pub(super) fn china_time(at: DateTime<Utc>) -> String {
    china(at).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// The transaction object (`wechat_v3` sheet §6).
pub(super) fn transaction(order: &Order, has_refunds: bool) -> Map<String, Value> {
    let (state, description) = match order.state {
        OrderState::Open if is_at_counter(order) && order.refused_count > 0 => {
            ("PAYERROR", "支付失败")
        }
        OrderState::Open if is_at_counter(order) => ("USERPAYING", "用户支付中，需要输入密码"),
        OrderState::Closed | OrderState::Paid if is_reversed(order) => ("REVOKED", "订单已撤销"),
        OrderState::Open => ("NOTPAY", "订单未支付"),
        OrderState::Closed => ("CLOSED", "订单已关闭"),
        OrderState::Paid if has_refunds => ("REFUND", "订单发生过退款"),
        OrderState::Paid => ("SUCCESS", "支付成功"),
    };
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set("mchid", json!(order.account));
    set("out_trade_no", json!(order.out_trade_no));
    set("trade_state", json!(state));
    set("trade_state_desc", json!(description));
    if let Some(attach) = &order.attach {
        set("attach", json!(attach));
    }
    if let Some(paid_at) = order.paid_at {
        set("transaction_id", json!(order.gateway_trade_no));
        set("trade_type", json!(trade_type(order.product)));
        set("bank_type", json!("OTHERS"));
        set("success_time", json!(china_time(paid_at)));
        set("payer", json!({"openid": order.payer}));
        set(
            "amount",
            json!({
                "total": order.total_minor,
                "payer_total": order.total_minor,
                "currency": "CNY",
                "payer_currency": "CNY",
            }),
        );
    } else {
        set(
            "amount",
            json!({"total": order.total_minor, "currency": "CNY"}),
        );
    }
    object
}

fn trade_type(product: Product) -> &'static str {
    match product {
        Product::WechatJsapi => "JSAPI",
        Product::WechatApp => "APP",
        Product::WechatH5 => "MWEB",
        Product::WechatBarCode => "MICROPAY",
        _ => "NATIVE",
    }
}

fn query(shared: &Shared, key: &OrderKey) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    expire(shared, &mut state, key);
    let order = state.order(key).ok_or_else(not_exist)?;
    let mut object = transaction(order, state.refunds_of(key).next().is_some());
    let merchant = shared.accounts.wechat_merchant(&order.account);
    if let Some(merchant) = merchant {
        object.insert("appid".to_owned(), json!(merchant.appid));
    }
    Ok(Reply::Ok(Value::Object(object)))
}

/// Finds paid orders only (`wechat_v3` sheet §6).
fn query_by_id(shared: &Shared, asked: &Asked<'_>, id: &str) -> Result<Reply, Refusal> {
    let key = shared
        .state()
        .find_by_name(id)
        .filter(|key| key.gateway == Gateway::WechatV3 && key.account == asked.merchant.mchid);
    let key = key.ok_or_else(not_exist)?;
    let is_paid = shared
        .state()
        .order(&key)
        .is_some_and(|order| order.paid_at.is_some());
    if is_paid {
        query(shared, &key)
    } else {
        Err(not_exist())
    }
}

fn close(shared: &Shared, key: &OrderKey) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    expire(shared, &mut state, key);
    match state.order(key).ok_or_else(not_exist)?.state {
        OrderState::Open => close_open(shared, &mut state, key),
        // Re-entrant.
        OrderState::Closed => {}
        OrderState::Paid => return Err(Refusal::new(400, "ORDER_PAID", "该订单已支付")),
    }
    Ok(Reply::NoContent)
}

/// The platform certificates, encrypted with the merchant's `APIv3` key (`wechat_v3` sheet §8).
fn certificates(shared: &Shared, merchant: &WechatMerchant) -> Result<Reply, Refusal> {
    if shared.state().wechat_modes.of(merchant) == WechatMode::PublicKey {
        return Err(Refusal::new(
            404,
            "RESOURCE_NOT_EXISTS",
            "无可用的平台证书，请使用微信支付公钥",
        ));
    }
    let associated_data = "certificate";
    let mut data = Vec::new();
    for key in &shared.accounts.wechat_certificates {
        let pem = key.certificate_pem.as_deref().unwrap_or_default();
        let nonce = random_text(12);
        let sealed = seal(&merchant.apiv3_key, &nonce, associated_data, pem.as_bytes());
        data.push(json!({
            "serial_no": key.serial,
            "effective_time": "2024-01-01T08:00:00+08:00",
            "expire_time": "2044-01-01T08:00:00+08:00",
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": nonce,
                "associated_data": associated_data,
                "ciphertext": sealed.unwrap_or_default(),
            },
        }));
    }
    Ok(Reply::Ok(json!({ "data": data })))
}
