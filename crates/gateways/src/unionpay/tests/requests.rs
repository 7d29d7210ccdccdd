//! What we send, against the vectors.

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::Subject;
use serde_json::Value;
use url::Url;

use super::super::sign::{Fields, Signed};
use super::super::verify::digest;
use super::{NOW, number, unionpay, vectors};
use crate::testing::list;
use crate::{CallError, Gateway, PlaceOrder};

fn fields(case: &Value) -> Vec<(String, String)> {
    let fields = case["fields"].as_object().unwrap();
    fields
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn every_request_vector_is_signed_to_the_byte() {
    let vectors = vectors();
    let cases = list(&vectors, "/request_sign");
    assert_eq!(cases.len(), 8);
    for case in cases {
        let name = &case["name"];
        let given: Fields = fields(case)
            .into_iter()
            .map(|(name, value)| (&*name.leak(), value))
            .collect();
        let sorted: BTreeMap<_, _> = given.iter().cloned().collect();
        let hash = digest(sorted.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())));
        assert_eq!(hash, case["sha256_hex"], "{name}");
        let signed = Signed::try_new(&unionpay().settings, given).unwrap();
        let inputs: BTreeMap<_, _> = signed.inputs().into_iter().collect();
        assert_eq!(inputs["signature"], case["signature"], "{name}");
        let parse = |body: &str| -> BTreeMap<String, String> {
            form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect()
        };
        let wire = parse(case["wire_body"].as_str().unwrap());
        assert_eq!(parse(&signed.body()), wire, "{name}");
    }
}

pub(super) fn order(method: Method) -> PlaceOrder {
    PlaceOrder {
        request_number: number(),
        method,
        amount: Money::try_new(1099, Currency::CNY).unwrap(),
        subject: Subject::try_new("测试[商品]&\"'=").unwrap(),
        payer: None,
        auth_code: None,
        client_ip: None,
        expires_at: DateTime::from_timestamp(NOW + 900, 0).unwrap(),
        notify_url: Url::parse("https://pay.example.cn/callbacks/unionpay/u/payment").unwrap(),
        return_url: Some(Url::parse("https://pay.example.cn/return/unionpay/u").unwrap()),
    }
}

#[tokio::test]
async fn a_page_order_is_a_signed_form_and_differs_from_wap_by_its_channel() {
    for (method, channel) in [(Method::Page, "07"), (Method::Wap, "08")] {
        let placed = unionpay().place(&order(method)).await.unwrap();
        let Some(PrepayInfo::Form {
            action,
            fields,
            html,
        }) = placed.prepay
        else {
            panic!("a form was expected")
        };
        assert_eq!(
            action,
            "https://gateway.95516.com/gateway/api/frontTransReq.do"
        );
        let fields: BTreeMap<_, _> = fields.into_iter().collect();
        for (name, value) in [
            ("txnType", "01"),
            ("txnSubType", "01"),
            ("bizType", "000201"),
            ("channelType", channel),
            ("txnAmt", "1099"),
            ("currencyCode", "156"),
            ("txnTime", "20251009120010"),
            ("payTimeout", "20251009121510"),
            ("orderDesc", "测试商品"),
            ("frontUrl", "https://pay.example.cn/return/unionpay/u"),
            ("certId", "68759663125"),
        ] {
            assert_eq!(fields[name], value, "{name}");
        }
        assert_eq!(fields["orderId"], number());
        let signed = fields.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes()));
        let own = unionpay().settings.sign_private_key.public_key().clone();
        assert!(own.verify_sha256(digest(signed).as_bytes(), &fields["signature"]));
        assert!(html.contains("frontTransReq.do") && html.contains("银联"));
    }
}

#[tokio::test]
async fn the_same_order_is_the_same_to_the_byte() {
    let first = unionpay().place(&order(Method::Page)).await.unwrap();
    assert_eq!(unionpay().place(&order(Method::Page)).await, Ok(first));
}

#[tokio::test]
async fn what_unionpay_does_not_take_is_refused_before_anything_is_sent() {
    let jsapi = order(Method::Jsapi);
    let mut dollars = order(Method::Qr);
    dollars.amount = Money::try_new(1, Currency::USD).unwrap();
    let mut nowhere = order(Method::Page);
    nowhere.return_url = None;
    let mut timeless = order(Method::Page);
    timeless.request_number = "TX20251009000001".to_owned();
    for order in [jsapi, dollars, nowhere, timeless] {
        let refused = unionpay().place(&order).await;
        assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    }
}
