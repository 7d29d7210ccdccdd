//! Settings of the gateways: the API's typed messages on one side, what an account's row keeps on
//! the other (public settings as JSON, secrets by field name). The names of the fields are those of
//! each room's `config.rs`; what may stand in them is judged there.

use std::collections::BTreeMap;

use kassa_core::Secret;
use kassa_core::channel::GatewayName;
use proto::v1;
use proto::v1::channel_settings::Settings as Given;
use serde_json::{Map, Value, json};

/// Alipay's production gateway (alipay sheet §1).
const ALIPAY_URL_DEFAULT: &str = "https://openapi.alipay.com/gateway.do";
/// WeChat Pay's production API (`wechat_v3` sheet §1).
const WECHAT_URL_DEFAULT: &str = "https://api.mch.weixin.qq.com";
/// Baidu's production API (baidu sheet §8).
const BAIDU_URL_DEFAULT: &str = "https://openapi.baidu.com";
/// Stripe's API (stripe sheet §1).
const STRIPE_URL_DEFAULT: &str = "https://api.stripe.com";
/// PayPal's production API (paypal sheet §1).
const PAYPAL_URL_DEFAULT: &str = "https://api-m.paypal.com";

/// UnionPay's production gateway (unionpay sheet §1).
const UNIONPAY_URL_DEFAULT: &str = "https://gateway.95516.com/gateway/api/";

/// Settings as flows take them.
#[derive(Debug)]
pub(super) struct Settings {
    /// The gateway.
    pub(super) gateway: GatewayName,
    /// What may be shown.
    pub(super) public: Value,
    /// What may not; only what was given.
    pub(super) secrets: BTreeMap<String, Secret>,
}

/// Reads what a caller gave.
pub(super) fn read(given: &Given) -> Settings {
    match given {
        Given::Alipay(alipay) => read_alipay(alipay),
        Given::WechatV3(wechat) => read_wechat(wechat),
        Given::WechatV2(wechat) => read_wechat_v2(wechat),
        Given::Baidu(baidu) => read_baidu(baidu),
        Given::Unionpay(unionpay) => read_unionpay(unionpay),
        Given::Stripe(stripe) => read_stripe(stripe),
        Given::Paypal(paypal) => read_paypal(paypal),
    }
}

fn read_alipay(given: &v1::AlipaySettings) -> Settings {
    let certificates = !given.app_cert.is_empty()
        || !given.alipay_root_cert.is_empty()
        || !given.alipay_certs.is_empty() && given.alipay_public_keys.is_empty();
    let mut public = Map::new();
    put_or(
        &mut public,
        "gateway_url",
        &given.gateway_url,
        ALIPAY_URL_DEFAULT,
    );
    put(&mut public, "app_id", &given.app_id);
    put(&mut public, "seller_id", &given.seller_id);
    put(
        &mut public,
        "mode",
        if certificates {
            "certificate"
        } else {
            "public_key"
        },
    );
    put_list(&mut public, "alipay_public_keys", &given.alipay_public_keys);
    put_list(&mut public, "alipay_certs", &given.alipay_certs);
    put(&mut public, "app_cert", &given.app_cert);
    put(&mut public, "alipay_root_cert", &given.alipay_root_cert);
    put(&mut public, "qr_product_code", &given.qr_product_code);
    put(&mut public, "op_app_id", &given.op_app_id);
    Settings {
        gateway: GatewayName::Alipay,
        public: Value::Object(public),
        secrets: secrets([("app_private_key", &given.app_private_key)]),
    }
}

fn read_wechat(given: &v1::WechatV3Settings) -> Settings {
    let keys = |keys: &[v1::WechatV3Key], name: &str| -> Value {
        keys.iter()
            .map(|key| json!({ name: key.id, "pem": key.pem }))
            .collect()
    };
    let mut public = Map::new();
    put_or(
        &mut public,
        "api_base_url",
        &given.api_base_url,
        WECHAT_URL_DEFAULT,
    );
    put(&mut public, "mchid", &given.mchid);
    put(&mut public, "appid", &given.appid);
    put(&mut public, "merchant_serial_no", &given.merchant_serial_no);
    put(
        &mut public,
        "api_backup_base_url",
        &given.api_backup_base_url,
    );
    put(&mut public, "h5_app_name", &given.h5_app_name);
    put(&mut public, "h5_app_url", &given.h5_app_url);
    for (field, list, name) in [
        (
            "platform_certificates",
            &given.platform_certificates,
            "serial",
        ),
        ("public_keys", &given.public_keys, "id"),
    ] {
        if !list.is_empty() {
            public.insert(field.to_owned(), keys(list, name));
        }
    }
    Settings {
        gateway: GatewayName::WechatV3,
        public: Value::Object(public),
        secrets: secrets([
            ("merchant_private_key", &given.merchant_private_key),
            ("apiv3_key", &given.apiv3_key),
            ("apiv3_key_previous", &given.apiv3_key_previous),
        ]),
    }
}

fn read_wechat_v2(given: &v1::WechatV2Settings) -> Settings {
    let mut public = Map::new();
    put_or(
        &mut public,
        "api_base_url",
        &given.api_base_url,
        WECHAT_URL_DEFAULT,
    );
    for (field, text) in [
        ("api_backup_base_url", &given.api_backup_base_url),
        ("mtls_base_url", &given.mtls_base_url),
        ("mtls_root_certificate", &given.mtls_root_certificate),
        ("mch_id", &given.mch_id),
        ("appid", &given.appid),
        ("sign_type", &given.sign_type),
        ("client_certificate", &given.client_certificate),
        ("h5_app_name", &given.h5_app_name),
        ("h5_app_url", &given.h5_app_url),
    ] {
        put(&mut public, field, text);
    }
    Settings {
        gateway: GatewayName::WechatV2,
        public: Value::Object(public),
        secrets: secrets([
            ("api_key", &given.api_key),
            ("api_key_previous", &given.api_key_previous),
            ("client_private_key", &given.client_private_key),
        ]),
    }
}

fn read_baidu(given: &v1::BaiduSettings) -> Settings {
    let mut public = Map::new();
    put_or(
        &mut public,
        "api_base_url",
        &given.api_base_url,
        BAIDU_URL_DEFAULT,
    );
    put(&mut public, "deal_id", &given.deal_id);
    put(&mut public, "app_key", &given.app_key);
    put(&mut public, "client_id", &given.client_id);
    let keys = &given.platform_public_keys;
    put_list(&mut public, "platform_public_keys", keys);
    put(&mut public, "refund_audit", &given.refund_audit);
    Settings {
        gateway: GatewayName::Baidu,
        public: Value::Object(public),
        secrets: secrets([
            ("merchant_private_key", &given.merchant_private_key),
            ("client_secret", &given.client_secret),
        ]),
    }
}

fn read_unionpay(given: &v1::UnionpaySettings) -> Settings {
    let mut public = Map::new();
    put_or(
        &mut public,
        "gateway_url",
        &given.gateway_url,
        UNIONPAY_URL_DEFAULT,
    );
    put(&mut public, "mer_id", &given.mer_id);
    put_or(&mut public, "environment", &given.environment, "production");
    put(&mut public, "sign_cert", &given.sign_cert);
    put_list(&mut public, "middle_certs", &given.middle_certs);
    put_list(&mut public, "root_certs", &given.root_certs);
    Settings {
        gateway: GatewayName::Unionpay,
        public: Value::Object(public),
        secrets: secrets([("sign_private_key", &given.sign_private_key)]),
    }
}

fn read_stripe(given: &v1::StripeSettings) -> Settings {
    let mut public = Map::new();
    put_or(
        &mut public,
        "api_base_url",
        &given.api_base_url,
        STRIPE_URL_DEFAULT,
    );
    put(&mut public, "mode", &given.mode);
    put(&mut public, "stripe_account", &given.stripe_account);
    put(&mut public, "publishable_key", &given.publishable_key);
    Settings {
        gateway: GatewayName::Stripe,
        public: Value::Object(public),
        secrets: secrets([
            ("secret_key", &given.secret_key),
            ("signing_secret", &given.signing_secret),
            ("signing_secret_previous", &given.signing_secret_previous),
        ]),
    }
}

fn read_paypal(given: &v1::PaypalSettings) -> Settings {
    let mut public = Map::new();
    put_or(
        &mut public,
        "api_base_url",
        &given.api_base_url,
        PAYPAL_URL_DEFAULT,
    );
    put_or(&mut public, "environment", &given.environment, "live");
    put(&mut public, "merchant_id", &given.merchant_id);
    put(&mut public, "client_id", &given.client_id);
    put(&mut public, "webhook_id", &given.webhook_id);
    let previous = &given.webhook_id_previous;
    put(&mut public, "webhook_id_previous", previous);
    if !given.certificates.is_empty() {
        let certificates = given.certificates.iter();
        let certificates = certificates.map(|it| json!({"url": it.url, "pem": it.pem}));
        public.insert("certificates".to_owned(), certificates.collect());
    }
    put_list(&mut public, "intermediate_certs", &given.intermediate_certs);
    put_list(&mut public, "root_certs", &given.root_certs);
    put(&mut public, "brand_name", &given.brand_name);
    Settings {
        gateway: GatewayName::Paypal,
        public: Value::Object(public),
        secrets: secrets([("client_secret", &given.client_secret)]),
    }
}

/// What a caller may see of an account's settings.
pub(super) fn write(gateway: GatewayName, public: &Value) -> v1::ChannelSettings {
    let settings = match gateway {
        GatewayName::Alipay => Given::Alipay(write_alipay(public)),
        GatewayName::WechatV3 => Given::WechatV3(write_wechat(public)),
        GatewayName::WechatV2 => Given::WechatV2(write_wechat_v2(public)),
        GatewayName::Baidu => Given::Baidu(write_baidu(public)),
        GatewayName::Unionpay => Given::Unionpay(write_unionpay(public)),
        GatewayName::Stripe => Given::Stripe(write_stripe(public)),
        GatewayName::Paypal => Given::Paypal(write_paypal(public)),
    };
    v1::ChannelSettings {
        settings: Some(settings),
    }
}

fn write_alipay(public: &Value) -> v1::AlipaySettings {
    v1::AlipaySettings {
        gateway_url: text(public, "gateway_url"),
        app_id: text(public, "app_id"),
        seller_id: text(public, "seller_id"),
        app_private_key: String::new(),
        alipay_public_keys: texts(public, "alipay_public_keys"),
        app_cert: text(public, "app_cert"),
        alipay_certs: texts(public, "alipay_certs"),
        alipay_root_cert: text(public, "alipay_root_cert"),
        qr_product_code: text(public, "qr_product_code"),
        op_app_id: text(public, "op_app_id"),
    }
}

fn write_wechat(public: &Value) -> v1::WechatV3Settings {
    v1::WechatV3Settings {
        api_base_url: text(public, "api_base_url"),
        mchid: text(public, "mchid"),
        appid: text(public, "appid"),
        merchant_serial_no: text(public, "merchant_serial_no"),
        merchant_private_key: String::new(),
        apiv3_key: String::new(),
        apiv3_key_previous: String::new(),
        platform_certificates: keys(public, "platform_certificates", "serial"),
        public_keys: keys(public, "public_keys", "id"),
        api_backup_base_url: text(public, "api_backup_base_url"),
        h5_app_name: text(public, "h5_app_name"),
        h5_app_url: text(public, "h5_app_url"),
    }
}

fn write_unionpay(public: &Value) -> v1::UnionpaySettings {
    v1::UnionpaySettings {
        gateway_url: text(public, "gateway_url"),
        mer_id: text(public, "mer_id"),
        environment: text(public, "environment"),
        sign_cert: text(public, "sign_cert"),
        sign_private_key: String::new(),
        middle_certs: texts(public, "middle_certs"),
        root_certs: texts(public, "root_certs"),
    }
}

fn write_wechat_v2(public: &Value) -> v1::WechatV2Settings {
    v1::WechatV2Settings {
        api_base_url: text(public, "api_base_url"),
        mch_id: text(public, "mch_id"),
        appid: text(public, "appid"),
        sign_type: text(public, "sign_type"),
        api_key: String::new(),
        api_key_previous: String::new(),
        client_certificate: text(public, "client_certificate"),
        client_private_key: String::new(),
        api_backup_base_url: text(public, "api_backup_base_url"),
        h5_app_name: text(public, "h5_app_name"),
        h5_app_url: text(public, "h5_app_url"),
        mtls_base_url: text(public, "mtls_base_url"),
        mtls_root_certificate: text(public, "mtls_root_certificate"),
    }
}

fn write_baidu(public: &Value) -> v1::BaiduSettings {
    v1::BaiduSettings {
        api_base_url: text(public, "api_base_url"),
        deal_id: text(public, "deal_id"),
        app_key: text(public, "app_key"),
        client_id: text(public, "client_id"),
        client_secret: String::new(),
        merchant_private_key: String::new(),
        platform_public_keys: texts(public, "platform_public_keys"),
        refund_audit: text(public, "refund_audit"),
    }
}

fn write_stripe(public: &Value) -> v1::StripeSettings {
    v1::StripeSettings {
        api_base_url: text(public, "api_base_url"),
        mode: text(public, "mode"),
        stripe_account: text(public, "stripe_account"),
        publishable_key: text(public, "publishable_key"),
        secret_key: String::new(),
        signing_secret: String::new(),
        signing_secret_previous: String::new(),
    }
}

fn write_paypal(public: &Value) -> v1::PaypalSettings {
    v1::PaypalSettings {
        api_base_url: text(public, "api_base_url"),
        environment: text(public, "environment"),
        merchant_id: text(public, "merchant_id"),
        client_id: text(public, "client_id"),
        client_secret: String::new(),
        webhook_id: text(public, "webhook_id"),
        webhook_id_previous: text(public, "webhook_id_previous"),
        certificates: list(public, "certificates")
            .map(|it| v1::PaypalCertificate {
                url: text(it, "url"),
                pem: text(it, "pem"),
            })
            .collect(),
        intermediate_certs: texts(public, "intermediate_certs"),
        root_certs: texts(public, "root_certs"),
        brand_name: text(public, "brand_name"),
    }
}

fn put(settings: &mut Map<String, Value>, field: &str, text: &str) {
    put_or(settings, field, text, "");
}

fn put_or(settings: &mut Map<String, Value>, field: &str, text: &str, default: &str) {
    let text = if text.is_empty() { default } else { text };
    if !text.is_empty() {
        settings.insert(field.to_owned(), text.into());
    }
}

fn put_list(settings: &mut Map<String, Value>, field: &str, texts: &[String]) {
    if !texts.is_empty() {
        settings.insert(field.to_owned(), texts.into());
    }
}

fn secrets<const N: usize>(given: [(&str, &String); N]) -> BTreeMap<String, Secret> {
    let given = given.into_iter().filter(|(_, secret)| !secret.is_empty());
    given
        .map(|(field, secret)| (field.to_owned(), Secret::new(secret.clone())))
        .collect()
}

fn text(settings: &Value, field: &str) -> String {
    settings
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn list<'a>(settings: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    settings
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn texts(settings: &Value, field: &str) -> Vec<String> {
    list(settings, field)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn keys(settings: &Value, field: &str, name: &str) -> Vec<v1::WechatV3Key> {
    list(settings, field)
        .map(|key| v1::WechatV3Key {
            id: text(key, name),
            pem: text(key, "pem"),
        })
        .collect()
}
