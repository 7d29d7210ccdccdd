//! The gateways whose vectors need a time, headers or a route of their own: an account of each, its callbacks,
//! and the words that it expects.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kassa_core::channel::GatewayName;
use serde_json::{Value, json};

use super::accounts::{Parts, secrets};
use super::vectors::{self, Callback, at, text};

/// When the callbacks of WeChat Pay v2, Baidu and UnionPay are received: what signed them is valid then.
const NOW_UNIX: i64 = 1_767_225_703;
const STRIPE_SECRET: &str = "whsec_throwaway_5f1c0b6a9d2e4f73";
const PAYPAL_CERT_URL: &str =
    "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-ab66f33d";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

const WECHAT_V2_VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/wechat_v2/testdata/vectors.json"
));
const BAIDU_VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/baidu/testdata/vectors.json"
));
const UNIONPAY_VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/unionpay/testdata/vectors.json"
));
const STRIPE_VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/stripe/testdata/webhook.json"
));
const PAYPAL_VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/paypal/testdata/webhook.json"
));

/// One gateway at the door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) gateway: GatewayName,
    /// Status and body for what is kept.
    pub(crate) accepted: (u16, &'static str),
    /// Status and body for what is refused.
    pub(crate) refused: (u16, &'static str),
    /// Status and body for what could not be kept.
    pub(crate) not_kept: (u16, &'static str),
    /// What is signed beside the body, is the signature or says how it was made.
    pub(crate) signed_headers: &'static [&'static str],
}

/// The gateways in question.
pub(crate) fn all() -> [Room; 5] {
    [WECHAT_V2, BAIDU, UNIONPAY, STRIPE, PAYPAL]
}

pub(crate) const WECHAT_V2: Room = Room {
    gateway: GatewayName::WechatV2,
    accepted: (
        200,
        "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>",
    ),
    refused: (
        400,
        "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[refused]]></return_msg></xml>",
    ),
    not_kept: (
        503,
        "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[try again]]></return_msg></xml>",
    ),
    signed_headers: &[],
};

/// By an older text Baidu gives the payer's money back for whatever is not a 200.
pub(crate) const BAIDU: Room = Room {
    gateway: GatewayName::Baidu,
    accepted: (
        200,
        r#"{"errno":0,"msg":"success","data":{"isConsumed":2}}"#,
    ),
    refused: (200, r#"{"errno":100,"msg":"fail"}"#),
    not_kept: (200, r#"{"errno":100,"msg":"fail"}"#),
    signed_headers: &[],
};

const UNIONPAY: Room = Room {
    gateway: GatewayName::Unionpay,
    accepted: (200, "ok"),
    refused: (400, "fail"),
    not_kept: (503, "fail"),
    signed_headers: &[],
};

const STRIPE: Room = Room {
    gateway: GatewayName::Stripe,
    accepted: (200, ""),
    refused: (400, ""),
    not_kept: (503, ""),
    signed_headers: &["stripe-signature"],
};

/// `paypal-auth-version` must be there, but nothing signs it.
const PAYPAL: Room = Room {
    gateway: GatewayName::Paypal,
    accepted: (200, ""),
    refused: (400, ""),
    not_kept: (503, ""),
    signed_headers: &[
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-cert-url",
        "paypal-auth-algo",
    ],
};

impl Room {
    /// The account that the vectors are of.
    pub(crate) fn account(&self) -> Parts {
        match self.gateway {
            GatewayName::WechatV2 => wechat_v2_account(),
            GatewayName::Baidu => baidu_account(),
            GatewayName::Unionpay => unionpay_account(),
            GatewayName::Stripe => stripe_account(),
            GatewayName::Paypal => paypal_account(),
            GatewayName::Alipay | GatewayName::WechatV3 => unreachable!("it has tests of its own"),
        }
    }

    /// Every callback in the vectors that this account can judge.
    pub(crate) fn callbacks(&self) -> Vec<Callback> {
        match self.gateway {
            GatewayName::WechatV2 => wechat_v2_callbacks(),
            GatewayName::Baidu => baidu_callbacks(),
            GatewayName::Unionpay => unionpay_callbacks(),
            GatewayName::Stripe => stripe_callbacks(),
            GatewayName::Paypal => paypal_callbacks(),
            GatewayName::Alipay | GatewayName::WechatV3 => unreachable!("it has tests of its own"),
        }
    }

    /// A genuine callback.
    pub(crate) fn genuine(&self) -> Callback {
        let mut all = self.callbacks().into_iter();
        all.find(|it| it.is_genuine).expect("a genuine callback")
    }
}

/// A callback without headers that count.
fn plain(
    path: &'static str,
    content_type: &str,
    vector: (&Value, &Value),
    valid: bool,
) -> Callback {
    let (name, body) = vector;
    Callback {
        name: text(name),
        path,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: text(body).into_bytes(),
        is_genuine: valid,
        at: at(NOW_UNIX),
    }
}

fn read(vectors: &str) -> Value {
    serde_json::from_str(vectors).expect("vectors")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn wechat_v2_account() -> Parts {
    let vectors = read(WECHAT_V2_VECTORS);
    let own = vectors::wechat();
    let settings = json!({
        "api_base_url": "https://api.mch.weixin.qq.com",
        "mch_id": "1900000001",
        "appid": "wx8888888888888888",
        "sign_type": "MD5",
        "client_certificate": own["merchant_certificate_pem"],
        "h5_app_name": "测试",
        "h5_app_url": "https://pay.example.com",
    });
    let secrets = secrets(&[
        ("api_key", &vectors["api_key"]),
        ("client_private_key", &own["merchant_private_key_pkcs8_pem"]),
    ]);
    ("wechat-v2-main", GatewayName::WechatV2, settings, secrets)
}

fn wechat_v2_callbacks() -> Vec<Callback> {
    const XML: &str = "text/xml";
    const PATH: &str = "/callbacks/wechat_pay/wechat-v2-main/payment";
    let vectors = read(WECHAT_V2_VECTORS);
    let payments = list(&vectors["pay_notifications"]).iter().map(|vector| {
        let valid = vector["valid"] == true;
        plain(PATH, XML, (&vector["name"], &vector["raw_body"]), valid)
    });
    let mut all: Vec<Callback> = payments.collect();
    let probe = (&json!("xxe_probe"), &vectors["xxe_probe"]);
    all.push(plain(PATH, XML, probe, false));
    all.push(wechat_v2_refund());
    all
}

/// The notice that a refund ended, which nothing signs.
pub(crate) fn wechat_v2_refund() -> Callback {
    let vectors = read(WECHAT_V2_VECTORS);
    let notice = (
        &json!("refund"),
        &vectors["refund_notification"]["raw_body"],
    );
    let path = "/callbacks/wechat_pay/wechat-v2-main/refund";
    plain(path, "text/xml", notice, true)
}

fn baidu_account() -> Parts {
    let keys = read(BAIDU_VECTORS);
    let keys = &keys["keys"];
    let settings = json!({
        "api_base_url": "https://openapi.baidu.com",
        "deal_id": "470193086",
        "app_key": "MMUBBH",
        "client_id": "smart-program",
        "platform_public_keys": [keys["platform_public_key_one_line"]],
    });
    let secrets = secrets(&[
        (
            "merchant_private_key",
            &keys["merchant_private_key_pkcs1_pem"],
        ),
        ("client_secret", &json!("smart-program-secret")),
    ]);
    ("baidu-main", GatewayName::Baidu, settings, secrets)
}

fn baidu_callbacks() -> Vec<Callback> {
    let vectors = read(BAIDU_VECTORS);
    let all = list(&vectors["notifications"]).iter().map(|vector| {
        let is_refund = text(&vector["name"]).starts_with("refund");
        let path = if is_refund {
            "/callbacks/baidu/baidu-main/refund"
        } else {
            "/callbacks/baidu/baidu-main/payment"
        };
        let valid = vector["valid"] == true;
        plain(path, FORM, (&vector["name"], &vector["raw_body"]), valid)
    });
    all.collect()
}

fn unionpay_account() -> Parts {
    let vectors = read(UNIONPAY_VECTORS);
    let settings = json!({
        "gateway_url": "https://gateway.95516.com/gateway/api/",
        "mer_id": "777290058110048",
        "environment": "production",
        "sign_cert": vectors["merchant"]["cert_pem"],
        "middle_certs": [vectors["unionpay_ca"]["middle_pem"]],
        "root_certs": [vectors["unionpay_ca"]["root_pem"]],
    });
    let secrets = secrets(&[("sign_private_key", &vectors["merchant"]["private_key_pem"])]);
    ("unionpay-main", GatewayName::Unionpay, settings, secrets)
}

/// Those that come as callbacks, to an account that takes real money.
fn unionpay_callbacks() -> Vec<Callback> {
    const PATH: &str = "/callbacks/unionpay/unionpay-main/payment";
    let vectors = read(UNIONPAY_VECTORS);
    let all = list(&vectors["response_verify"]).iter().filter(|vector| {
        vector["transport"] == "back_notify_urlencoded"
            && vector["validate_cn_strict_prod"] != false
    });
    all.map(|vector| {
        let valid = vector["expect"] == "ok";
        plain(PATH, FORM, (&vector["name"], &vector["raw"]), valid)
    })
    .collect()
}

fn stripe_account() -> Parts {
    let settings = json!({
        "api_base_url": "https://api.stripe.com",
        "mode": "test",
        "publishable_key": "pk_test_public",
    });
    let secrets = secrets(&[
        ("secret_key", &json!("sk_test_throwaway")),
        ("signing_secret", &json!(STRIPE_SECRET)),
    ]);
    ("stripe-main", GatewayName::Stripe, settings, secrets)
}

fn stripe_callbacks() -> Vec<Callback> {
    let vectors = read(STRIPE_VECTORS);
    let cases = list(&vectors["cases"]).iter();
    let cases = cases.filter(|case| case["secret"] == STRIPE_SECRET);
    let callback = |case: &Value| Callback {
        at: at(case["now"].as_i64().expect("a time")),
        headers: vec![
            ("content-type".to_owned(), JSON.to_owned()),
            ("stripe-signature".to_owned(), text(&case["header"])),
        ],
        ..plain(
            "/callbacks/stripe/stripe-main/payment",
            JSON,
            (&case["name"], &case["body"]),
            case["expect"] == "ok",
        )
    };
    cases.map(callback).collect()
}

fn paypal_account() -> Parts {
    let vectors = read(PAYPAL_VECTORS);
    let settings = json!({
        "api_base_url": "https://api-m.sandbox.paypal.com",
        "environment": "sandbox",
        "merchant_id": "WMK7Q2NPT5D8E",
        "client_id": "CID",
        "webhook_id": vectors["webhook_id"],
        "certificates": [{"url": PAYPAL_CERT_URL, "pem": vectors["leaf_pem"]}],
        "intermediate_certs": [vectors["intermediate_pem"]],
        "root_certs": [vectors["trust_root_pem"]],
    });
    let secrets = secrets(&[("client_secret", &json!("CSEC"))]);
    ("paypal-main", GatewayName::Paypal, settings, secrets)
}

/// Those that the certificate of this account judges; the others are about what an address would bring.
fn paypal_callbacks() -> Vec<Callback> {
    const JUDGED: [&str; 4] = ["ok", "bad_signature", "reject_cert_url", "reject_algo"];
    let vectors = read(PAYPAL_VECTORS);
    let now = DateTime::parse_from_rfc3339(&text(&vectors["verify_at"])).expect("a time");
    let cases = list(&vectors["cases"]).iter();
    let cases = cases.filter(|case| JUDGED.contains(&text(&case["expect"]).as_str()));
    let callback = |case: &Value| {
        let headers: BTreeMap<String, String> =
            serde_json::from_value(case["headers"].clone()).expect("headers");
        Callback {
            at: now.with_timezone(&Utc),
            headers: headers.into_iter().collect(),
            ..plain(
                "/callbacks/paypal/paypal-main/payment",
                JSON,
                (&case["name"], &case["body"]),
                case["expect"] == "ok",
            )
        }
    };
    cases.map(callback).collect()
}
