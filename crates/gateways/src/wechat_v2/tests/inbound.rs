//! What comes in: payment and refund notices, against the vectors and against alteration.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use kassa_core::Secret;
use kassa_core::channel::{GatewayName, Method};
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{CallbackRoute, ReportedPayment, ReportedRefund};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::WechatV2;
use super::super::sign::{SignType, sign};
use super::super::translate::queried;
use super::super::wire::Message;
use super::{APPID, BASE, MCH_ID, account, api_key, deps, message, open, settings, vectors};
use crate::china_time::{parse_compact, parse_plain};
use crate::testing::{list, named, notification, text};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

static VECTORS: LazyLock<Value> = LazyLock::new(vectors);
static GATEWAY: LazyLock<WechatV2> = LazyLock::new(|| open(settings(BASE)));

fn body(name: &str) -> &'static [u8] {
    let case = named(&VECTORS, "/pay_notifications", name);
    case["raw_body"].as_str().unwrap().as_bytes()
}

fn refund_body() -> &'static [u8] {
    text(&VECTORS, "/refund_notification/raw_body").as_bytes()
}

fn verify_with(gateway: &WechatV2, body: &[u8]) -> Result<Verified, VerifyError> {
    gateway.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers: &HeaderMap::new(),
        body,
    })
}

fn verify(body: &[u8]) -> Result<Verified, VerifyError> {
    verify_with(&GATEWAY, body)
}

fn translate(body: &[u8]) -> Result<Translated, TranslateError> {
    GATEWAY.translate(&notification(GatewayName::WechatV2, body))
}

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

/// A payment notice with changed fields, signed by the account's key.
fn signed(changes: &Value) -> Vec<u8> {
    let mut fields = json!({
        "return_code": "SUCCESS", "result_code": "SUCCESS", "appid": APPID, "mch_id": MCH_ID,
        "nonce_str": "n", "out_trade_no": "T1", "transaction_id": "G1", "total_fee": "100",
        "time_end": "20260101080138",
    });
    for (name, value) in changes.as_object().unwrap() {
        fields[name] = value.clone();
    }
    let mut message = message(&fields);
    message.set("sign", sign(SignType::Md5, &message, &api_key()));
    message.to_xml().into_bytes()
}

#[test]
fn every_payment_vector_is_judged_as_it_says() {
    let cases = list(&VECTORS, "/pay_notifications");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let verified = verify(case["raw_body"].as_str().unwrap().as_bytes());
        if case["valid"] == true {
            assert!(verified.is_ok(), "{}: {verified:?}", case["name"]);
        } else {
            let refused = verified.unwrap_err();
            let expected = [VerifyError::BadSignature, VerifyError::Malformed("sign")];
            assert!(expected.contains(&refused), "{}: {refused}", case["name"]);
        }
    }
}

#[test]
fn the_refund_vector_opens_to_its_plaintext() {
    let verified = verify(refund_body()).unwrap();
    let opened = text(&VECTORS, "/refund_notification/plaintext");
    let opened = Message::parse_opened(opened.as_bytes()).unwrap();
    let expected = format!("{}:SUCCESS:", opened.get("refund_id").unwrap());
    assert!(verified.key.starts_with(&expected), "{}", verified.key);
    assert_eq!(verified.key, verify(refund_body()).unwrap().key);
    assert_eq!(verified.kind, "refund.SUCCESS");
    let translated = translate(refund_body()).unwrap();
    assert!(translated.refund_is_hint);
    let refund = translated.refund.unwrap();
    assert_eq!(refund.refund_number, opened.get("out_refund_no").unwrap());
    assert_eq!(refund.request_number, opened.get("out_trade_no").unwrap());
    assert_eq!(
        refund.state,
        ReportedRefund::Succeeded {
            amount: Some(cny(opened.get("refund_fee").unwrap().parse().unwrap())),
            refunded_total: None,
            refunded_at: parse_plain(opened.get("success_time").unwrap()),
        }
    );
}

#[test]
fn a_refund_notice_that_names_somebody_else_is_refused() {
    let body = String::from_utf8(refund_body().to_vec()).unwrap();
    for (name, ours) in [("mch_id", MCH_ID), ("appid", APPID)] {
        let other = body.replace(ours, "somebody");
        assert_ne!(other, body);
        assert_eq!(verify(other.as_bytes()), Err(VerifyError::Malformed(name)));
    }
}

#[test]
fn the_entity_probe_of_the_vectors_is_refused() {
    let probe = text(&VECTORS, "/xxe_probe").as_bytes();
    assert_eq!(verify(probe), Err(VerifyError::Malformed("body")));
    assert_eq!(translate(probe), Err(TranslateError::Field("body")));
}

#[test]
fn the_acknowledgements_are_those_of_the_vectors() {
    let accepted = GATEWAY.acknowledge(Outcome::Accepted);
    assert_eq!(
        (accepted.status, accepted.body),
        (200, text(&VECTORS, "/acks/success"))
    );
    for outcome in [Outcome::Refused, Outcome::NotKept] {
        let refused = GATEWAY.acknowledge(outcome);
        assert!(refused.status >= 400);
        let message = Message::parse(refused.body.as_bytes()).unwrap();
        assert_eq!(message.get("return_code"), Some("FAIL"));
    }
}

#[test]
fn a_payment_is_told_with_the_orders_amount() {
    for name in ["pay_md5", "pay_hmac", "pay_empty_attach"] {
        let verified = verify(body(name)).unwrap();
        assert_eq!(verified.key, "4200000000202601010000000001");
        let translated = translate(body(name)).unwrap();
        assert_eq!((translated.foreign, translated.refund), (None, None));
        assert_eq!(translated.kind, "payment.SUCCESS");
        let payment = translated.payment.unwrap();
        assert_eq!(payment.request_number, "T20260101000000000001");
        assert_eq!(
            payment.gateway_transaction_id.as_deref(),
            Some("4200000000202601010000000001")
        );
        assert_eq!(
            payment.state,
            ReportedPayment::Paid {
                amount: cny(100),
                paid_at: parse_compact("20260101080138"),
            }
        );
    }
}

#[test]
fn coupons_lower_what_was_paid_in_cash_and_not_what_is_compared() {
    let notice = signed(&json!({"cash_fee": "60", "coupon_fee": "40"}));
    let state = translate(&notice).unwrap().payment.unwrap().state;
    assert!(matches!(state, ReportedPayment::Paid { amount, .. } if amount == cny(100)));
}

#[test]
fn a_notice_that_is_no_payment_means_nothing() {
    let translated = translate(body("result_fail")).unwrap();
    assert_eq!((translated.payment, translated.refund), (None, None));
    assert_eq!(translated.kind, "payment.FAIL");
    let verified = verify(body("result_fail")).unwrap();
    assert_eq!(verified.key, "T20260101000000000001:SYSTEMERROR");
}

#[test]
fn amounts_that_are_no_plain_digits_are_refused() {
    for bad in ["", "-1", "+1", "1.0", "1e2", " 1", "9223372036854775808"] {
        let refused = translate(&signed(&json!({"total_fee": bad})));
        assert_eq!(refused, Err(TranslateError::Field("total_fee")), "{bad}");
    }
    let odd = translate(&signed(&json!({"fee_type": "XXX"})));
    assert_eq!(odd, Err(TranslateError::Field("fee_type")));
}

#[test]
fn another_merchant_or_app_is_named_as_foreign() {
    for (field, found) in [("mch_id", "1900000002"), ("appid", "wx0000000000000000")] {
        let notice = signed(&json!({ field: found }));
        assert!(verify(&notice).is_ok());
        let foreign = translate(&notice).unwrap().foreign.unwrap();
        assert_eq!((foreign.field, foreign.found.as_str()), (field, found));
    }
}

#[test]
fn the_key_before_verifies_and_a_stranger_does_not() {
    let mut config = account(settings(BASE));
    let fresh = "0123456789abcdefghijklmnopqrstuv".to_owned();
    config
        .secrets
        .insert("api_key".to_owned(), Secret::new(fresh));
    let without = WechatV2::try_new(&config, &deps()).unwrap();
    for body in [body("pay_md5"), body("pay_hmac"), refund_body()] {
        assert_eq!(verify_with(&without, body), Err(VerifyError::BadSignature));
    }
    config
        .secrets
        .insert("api_key_previous".to_owned(), api_key());
    let with = WechatV2::try_new(&config, &deps()).unwrap();
    for body in [body("pay_md5"), body("pay_hmac"), refund_body()] {
        assert!(verify_with(&with, body).is_ok());
        let parked = with.translate(&notification(GatewayName::WechatV2, body));
        assert!(parked.is_ok());
    }
}

#[test]
fn a_field_that_comes_twice_is_refused() {
    let doubled = String::from_utf8(body("pay_md5").to_vec()).unwrap();
    let doubled = doubled.replace("</xml>", "<total_fee>1</total_fee></xml>");
    assert_eq!(
        verify(doubled.as_bytes()),
        Err(VerifyError::Malformed("body"))
    );
}

#[test]
fn a_signature_of_another_kind_than_the_notice_says_is_refused() {
    let mut message = Message::parse(body("pay_md5")).unwrap();
    message.set("sign_type", "HMAC-SHA256");
    message.set("sign", sign(SignType::Md5, &message, &api_key()));
    let refused = verify(message.to_xml().as_bytes());
    assert_eq!(refused, Err(VerifyError::BadSignature));
    message.set("sign_type", "none");
    let refused = verify(message.to_xml().as_bytes());
    assert_eq!(refused, Err(VerifyError::BadSignature));
}

#[test]
fn no_altered_byte_anywhere_in_a_payment_notice_is_accepted() {
    for name in ["pay_md5", "pay_hmac"] {
        for position in 0..body(name).len() {
            for mask in [0x01, 0x02, 0x08, 0x20, 0x80] {
                let mut altered = body(name).to_vec();
                altered[position] ^= mask;
                assert!(
                    verify(&altered).is_err(),
                    "{name} byte {position} ^ {mask:#x}"
                );
            }
        }
    }
}

#[test]
fn each_state_of_an_order_has_its_meaning() {
    for (word, expected) in [
        ("NOTPAY", Ok(ReportedPayment::Unpaid)),
        ("USERPAYING", Ok(ReportedPayment::Unpaid)),
        ("ACCEPT", Ok(ReportedPayment::Unpaid)),
        ("CLOSED", Ok(ReportedPayment::Closed)),
        ("REVOKED", Ok(ReportedPayment::Closed)),
        ("NEW_STATE", Err("trade_state")),
    ] {
        let answer = message(&json!({"out_trade_no": "T1", "trade_state": word}));
        assert_eq!(
            queried(&answer, Method::Qr).map(|report| report.state),
            expected,
            "{word}"
        );
    }
    for word in ["SUCCESS", "REFUND"] {
        let answer = json!({"out_trade_no": "T1", "trade_state": word, "total_fee": "7"});
        let state = queried(&message(&answer), Method::Qr).unwrap().state;
        assert!(matches!(state, ReportedPayment::Paid { amount, .. } if amount == cny(7)));
        let without = json!({"out_trade_no": "T1", "trade_state": word});
        assert_eq!(queried(&message(&without), Method::Qr), Err("total_fee"));
    }
    let failed = json!({"out_trade_no": "T1", "trade_state": "PAYERROR"});
    let state = queried(&message(&failed), Method::Qr).unwrap().state;
    assert!(matches!(state, ReportedPayment::Failed(reason) if reason.code == "PAYERROR"));
}

proptest! {
    #[test]
    fn an_altered_payment_notice_is_refused(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut altered = body("pay_hmac").to_vec();
        let position = position.index(altered.len());
        prop_assume!(altered[position] != byte);
        altered[position] = byte;
        prop_assert!(verify(&altered).is_err());
    }

    #[test]
    fn hostile_bodies_are_refused_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        prop_assert!(verify(&bytes).is_err());
        prop_assert!(translate(&bytes).is_err());
    }

    #[test]
    fn hostile_encrypted_parts_are_refused_without_panic(
        // Without any, `req_info` is empty: the notice of something else, which lacks its signature.
        bytes in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let notice = format!(
            "<xml><return_code>SUCCESS</return_code><appid>{APPID}</appid>\
             <mch_id>{MCH_ID}</mch_id><req_info>{}</req_info></xml>",
            STANDARD.encode(&bytes)
        );
        prop_assert_eq!(verify(notice.as_bytes()), Err(VerifyError::BadSignature));
        prop_assert_eq!(translate(notice.as_bytes()), Err(TranslateError::Decrypt));
    }
}

#[test]
fn bombs_and_depth_are_refused_at_once() {
    let deep = format!(
        "<xml>{}{}</xml>",
        "<a>".repeat(10_000),
        "</a>".repeat(10_000)
    );
    let wide = format!("<xml>{}</xml>", "<a>1</a>".repeat(8_000));
    let long = format!("<xml><a>{}</a></xml>", "&amp;".repeat(12_000));
    for bomb in [deep, wide, long] {
        assert!(verify(bomb.as_bytes()).is_err());
        assert!(translate(bomb.as_bytes()).is_err());
    }
}
