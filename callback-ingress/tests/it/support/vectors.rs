//! Callbacks that other people's software has signed.

use chrono::{DateTime, Utc};
use kassa_core::Clock;
use serde_json::Value;

use super::client;

const ALIPAY: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/alipay/testdata/vectors.json"
));
const WECHAT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateways/src/wechat_v3/testdata/vectors.json"
));
/// When the WeChat Pay callbacks were signed, and three seconds.
const NOW_UNIX: i64 = 1_767_225_703;

pub(crate) const ALIPAY_PATH: &str = "/callbacks/alipay/alipay-main/payment";
pub(crate) const WECHAT_PATH: &str = "/callbacks/wechat_pay/wechat-main/payment";
pub(crate) const WECHAT_REFUND_PATH: &str = "/callbacks/wechat_pay/wechat-main/refund";

pub(crate) fn alipay() -> Value {
    serde_json::from_str(ALIPAY).expect("vectors")
}

pub(crate) fn wechat() -> Value {
    serde_json::from_str::<Value>(WECHAT).expect("vectors")["own"].take()
}

/// Stands still when the callbacks of Alipay and WeChat Pay were signed.
pub(crate) fn clock() -> Clock {
    Clock::settable(at(NOW_UNIX))
}

/// A time by its seconds.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time")
}

/// A callback, ready to be sent or spoiled.
#[derive(Debug, Clone)]
pub(crate) struct Callback {
    pub(crate) name: String,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_genuine: bool,
    /// When it is received.
    pub(crate) at: DateTime<Utc>,
}

impl Callback {
    pub(crate) fn request(&self) -> Vec<u8> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        client::request("POST", self.path, &headers, &self.body)
    }

    pub(crate) fn header_mut(&mut self, name: &str) -> &mut String {
        let header = self
            .headers
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        &mut header.expect("the header").1
    }
}

/// Every notification in Alipay's vectors.
pub(crate) fn alipay_callbacks() -> Vec<Callback> {
    let vectors = alipay();
    let all = vectors["notifications"].as_array().expect("notifications");
    all.iter()
        .map(|vector| Callback {
            name: text(&vector["name"]),
            path: ALIPAY_PATH,
            headers: vec![(
                "content-type".to_owned(),
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            )],
            body: text(&vector["raw_body"]).into_bytes(),
            is_genuine: vector["valid"].as_bool().expect("a verdict"),
            at: at(NOW_UNIX),
        })
        .collect()
}

/// Every notification in WeChat Pay's vectors.
pub(crate) fn wechat_callbacks() -> Vec<Callback> {
    let vectors = wechat();
    let all = vectors["notifications"].as_array().expect("notifications");
    all.iter()
        .map(|vector| Callback {
            name: text(&vector["name"]),
            path: if text(&vector["name"]).starts_with("refund") {
                WECHAT_REFUND_PATH
            } else {
                WECHAT_PATH
            },
            headers: vector["headers"]
                .as_object()
                .expect("headers")
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
            body: text(&vector["raw_body"]).into_bytes(),
            is_genuine: true,
            at: at(NOW_UNIX),
        })
        .collect()
}

/// Alipay's word that an order was paid.
pub(crate) fn alipay_paid() -> Callback {
    alipay_callbacks().swap_remove(0)
}

/// WeChat Pay's word that an order was paid.
pub(crate) fn wechat_paid() -> Callback {
    wechat_callbacks().swap_remove(0)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
