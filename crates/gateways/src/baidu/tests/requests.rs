//! What we sign, against the vectors and the printed example; and the order information.

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::payment::{BaiduOrder, PrepayInfo};
use kassa_core::text::Subject;
use serde_json::Value;
use url::Url;

use super::super::client::place;
use super::super::sign::{sign, string_to_sign};
use super::{APP_KEY, BASE, DEAL_ID, NOW, open, settings, vectors};
use crate::crypto::{LegacyRsaPrivateKey, LegacyRsaPublicKey};
use crate::testing::{list, named, text};
use crate::{CallError, PlaceOrder};

fn assert_signed(key: &LegacyRsaPrivateKey, case: &Value, signature: &str) {
    let params = case["params"].as_object().unwrap();
    let fields: BTreeMap<&str, String> = params
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
        .collect();
    let pairs = fields.iter();
    let pairs = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let string = string_to_sign(pairs, false);
    assert_eq!(
        String::from_utf8(string).unwrap(),
        case["string_to_sign"].as_str().unwrap()
    );
    assert_eq!(
        sign(key, &fields).unwrap(),
        case[signature].as_str().unwrap()
    );
}

#[test]
fn the_printed_example_gives_its_string_and_signature() {
    let vectors = vectors();
    let case = &vectors["official_doc"];
    let key = text(case, "/private_key_pem");
    let key = LegacyRsaPrivateKey::try_parse(key).unwrap();
    assert_signed(&key, case, "expected_rsaSign");
    let public = LegacyRsaPublicKey::try_parse(text(case, "/public_key_pem")).unwrap();
    assert_eq!(key.public_key(), &public);
    let message = text(case, "/string_to_sign").as_bytes();
    assert!(public.verify_sha1(message, text(case, "/expected_rsaSign")));
    assert!(!public.verify_sha1(b"another", text(case, "/expected_rsaSign")));
}

#[test]
fn every_example_gives_its_string_and_signature() {
    let vectors = vectors();
    for form in ["pkcs1", "pkcs8"] {
        let key = text(&vectors, &format!("/keys/merchant_private_key_{form}_pem"));
        let key = LegacyRsaPrivateKey::try_parse(key).unwrap();
        let cases = list(&vectors, "/signing");
        assert_eq!(cases.len(), 5);
        for case in cases {
            assert_signed(&key, case, "expected_rsaSign");
        }
        assert_signed(&key, &vectors["query_legacy"], "expected_sign");
    }
}

fn order() -> PlaceOrder {
    PlaceOrder {
        request_number: "T20260101000000000001".to_owned(),
        method: Method::MiniProgram,
        amount: Money::try_new(1, Currency::CNY).unwrap(),
        subject: Subject::try_new("红包").unwrap(),
        payer: None,
        auth_code: None,
        client_ip: None,
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        notify_url: Url::parse("https://pay.example.com/callbacks/baidu/b/payment").unwrap(),
        return_url: None,
    }
}

#[test]
fn the_order_information_is_signed_as_the_vector_is() {
    let gateway = open(settings(BASE));
    let placed = place(&gateway.settings, &order()).unwrap();
    assert_eq!(placed, place(&gateway.settings, &order()).unwrap());
    let PrepayInfo::BaiduOrder(BaiduOrder {
        deal_id,
        app_key,
        total_amount,
        tp_order_id,
        deal_title,
        sign_fields_range,
        rsa_sign,
        biz_info,
        notify_url,
    }) = placed.prepay.unwrap()
    else {
        panic!("order information was expected")
    };
    let vectors = vectors();
    let case = named(&vectors, "/signing", "orderinfo_range_1");
    assert_eq!(rsa_sign, case["expected_rsaSign"]);
    assert_eq!(sign_fields_range, case["signFieldsRange"]);
    assert_eq!((deal_id.as_str(), app_key.as_str()), (DEAL_ID, APP_KEY));
    assert_eq!((total_amount.as_str(), deal_title.as_str()), ("1", "红包"));
    assert_eq!(tp_order_id, order().request_number);
    assert_eq!(notify_url, order().notify_url.as_str());
    let biz_info: Value = serde_json::from_str(&biz_info).unwrap();
    for (name, value) in [
        ("rsaSign", &rsa_sign),
        ("totalAmount", &total_amount),
        ("tpOrderId", &tp_order_id),
    ] {
        assert_eq!(biz_info["tpData"][name], value.as_str());
    }
}

#[test]
fn other_methods_and_currencies_are_refused() {
    let gateway = open(settings(BASE));
    let qr = PlaceOrder {
        method: Method::Qr,
        ..order()
    };
    let dollars = PlaceOrder {
        amount: Money::try_new(1, Currency::USD).unwrap(),
        ..order()
    };
    for order in [qr, dollars] {
        let refused = place(&gateway.settings, &order);
        assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    }
}
