//! What comes in: notifications, returns and answers, against the vectors and against alteration.

use std::sync::LazyLock;

use http::HeaderMap;
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    CallbackRoute, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};
use proptest::prelude::*;
use serde_json::Value;

use super::super::Alipay;
use super::super::config::AlipayKey;
use super::super::verify::{AnswerError, OpenedAnswer, open_answer};
use super::{alipay, certificate_settings, open, vectors};
use crate::crypto::RsaPublicKey;
use crate::form::Form;
use crate::testing::{list, named, notification, peer_sign, text};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

static GATEWAY: LazyLock<Alipay> = LazyLock::new(alipay);
static PAID: LazyLock<String> = LazyLock::new(|| body("trade_success"));

fn body(name: &str) -> String {
    named(&vectors(), "/notifications", name)["raw_body"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn verify(gateway: &Alipay, body: &[u8]) -> Result<Verified, VerifyError> {
    let headers = HeaderMap::new();
    gateway.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers: &headers,
        body,
    })
}

fn translate(body: &str) -> Result<Translated, TranslateError> {
    GATEWAY.translate(&notification(GatewayName::Alipay, body.as_bytes()))
}

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

/// A notification of our own making, signed as Alipay would.
fn signed(fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let message: Vec<String> = sorted
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let vectors = vectors();
    let key = text(&vectors, "/keys/alipay_test_private_key_pkcs8_pem");
    let signature = peer_sign(key, message.join("&").as_bytes());
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("sign_type", "RSA2")
        .append_pair("sign", &signature)
        .finish()
}

#[test]
fn every_notification_vector_is_judged_as_it_says() {
    let vectors = vectors();
    let cases = list(&vectors, "/notifications");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let verified = verify(&GATEWAY, case["raw_body"].as_str().unwrap().as_bytes());
        assert_eq!(
            verified.is_ok(),
            case["valid"] == true,
            "{}: {verified:?}",
            case["name"]
        );
    }
}

#[test]
fn a_verified_notification_is_known_by_its_notify_id() {
    let verified = verify(&GATEWAY, PAID.as_bytes()).unwrap();
    assert_eq!(verified.key, "2026010100222080138000000000000001");
    assert_eq!(verified.kind, "TRADE_SUCCESS");
}

#[test]
fn the_key_of_a_certificate_verifies_notifications_too() {
    let gateway = open(certificate_settings("https://a.example/"));
    assert!(verify(&gateway, body("cert_mode_extra_field").as_bytes()).is_ok());
    assert!(verify(&gateway, body("signed_by_merchant_key").as_bytes()).is_err());
}

#[test]
fn any_of_several_keys_may_have_signed() {
    let mut settings = super::settings("https://a.example/");
    let other = text(
        &vectors(),
        "/real_production_response/alipay_public_key_one_line",
    )
    .to_owned();
    settings["alipay_public_keys"]
        .as_array_mut()
        .unwrap()
        .insert(0, other.into());
    assert!(verify(&open(settings.clone()), PAID.as_bytes()).is_ok());
    settings["alipay_public_keys"].as_array_mut().unwrap().pop();
    assert_eq!(
        verify(&open(settings), PAID.as_bytes()),
        Err(VerifyError::BadSignature)
    );
}

#[test]
fn what_lacks_a_signature_or_an_identity_or_repeats_a_field_is_refused() {
    let without = |name: &str| {
        let kept: Vec<&str> = PAID
            .split('&')
            .filter(|p| !p.starts_with(&format!("{name}=")))
            .collect();
        kept.join("&")
    };
    assert_eq!(
        verify(&GATEWAY, b""),
        Err(VerifyError::Malformed("sign_type"))
    );
    assert_eq!(
        verify(&GATEWAY, without("sign").as_bytes()),
        Err(VerifyError::Malformed("sign"))
    );
    let legacy = PAID.replace("sign_type=RSA2", "sign_type=RSA");
    assert_eq!(
        verify(&GATEWAY, legacy.as_bytes()),
        Err(VerifyError::Malformed("sign_type"))
    );
    let doubled = format!("{}&trade_status=TRADE_CLOSED", *PAID);
    assert_eq!(
        verify(&GATEWAY, doubled.as_bytes()),
        Err(VerifyError::Malformed("form"))
    );
    let anonymous = signed(&[("app_id", super::APP_ID)]);
    assert_eq!(
        verify(&GATEWAY, anonymous.as_bytes()),
        Err(VerifyError::Malformed("notify_id"))
    );
    let many: Vec<String> = (0..200).map(|n| format!("f{n}=1")).collect();
    assert_eq!(
        verify(&GATEWAY, many.join("&").as_bytes()),
        Err(VerifyError::Malformed("form"))
    );
}

/// Altered bytes are refused, or mean the same to the letter: `%2f` is `%2F`.
fn is_refused_or_the_same(altered: &[u8]) -> bool {
    verify(&GATEWAY, altered).is_err() || same_fields(altered, PAID.as_bytes())
}

fn same_fields(left: &[u8], right: &[u8]) -> bool {
    Form::parse(left).unwrap().fields() == Form::parse(right).unwrap().fields()
}

#[test]
fn no_altered_byte_anywhere_in_a_notification_is_accepted() {
    for position in 0..PAID.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut altered = PAID.clone().into_bytes();
            altered[position] ^= mask;
            assert!(
                is_refused_or_the_same(&altered),
                "byte {position} ^ {mask:#x}"
            );
        }
    }
}

proptest! {
    #[test]
    fn an_altered_notification_is_refused(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut altered = PAID.clone().into_bytes();
        let position = position.index(altered.len());
        altered[position] = byte;
        prop_assert!(is_refused_or_the_same(&altered));
    }

    #[test]
    fn hostile_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(&GATEWAY, &bytes).is_err());
        prop_assert!(open_answer(&bytes, "alipay.trade.query", &[]).is_err());
    }
}

#[test]
fn the_acknowledgement_is_exactly_success_or_fail() {
    let accepted = GATEWAY.acknowledge(Outcome::Accepted);
    assert_eq!((accepted.status, accepted.body), (200, "success"));
    for outcome in [Outcome::Refused, Outcome::NotKept] {
        let refused = GATEWAY.acknowledge(outcome);
        assert!(refused.status >= 400);
        assert_eq!(refused.body, "fail");
    }
}

#[test]
fn the_payers_return_tells_the_order_and_nothing_altered() {
    let vectors = vectors();
    let query = text(&vectors, "/sync_return/query_string");
    let claim = GATEWAY.verify_return(query).unwrap();
    assert_eq!(claim.request_number, "T20260101000000000001");
    let altered = query.replace("T20260101000000000001", "T20260101000000000002");
    assert_eq!(
        GATEWAY.verify_return(&altered),
        Err(VerifyError::BadSignature)
    );
    assert!(GATEWAY.verify_return("out_trade_no=T1").is_err());
    assert_eq!(
        verify(&GATEWAY, query.as_bytes()),
        Err(VerifyError::Malformed("notify_id")),
        "a return posted as a notification pays nothing"
    );
}

#[test]
fn no_altered_byte_anywhere_in_the_payers_return_is_accepted() {
    let vectors = vectors();
    let query = text(&vectors, "/sync_return/query_string");
    for position in 0..query.len() {
        for mask in [0x01, 0x02, 0x20] {
            let mut altered = query.as_bytes().to_vec();
            altered[position] ^= mask;
            let text = String::from_utf8(altered.clone()).unwrap();
            assert!(
                GATEWAY.verify_return(&text).is_err() || same_fields(&altered, query.as_bytes()),
                "byte {position} ^ {mask:#x}"
            );
        }
    }
}

#[test]
fn a_payment_is_told_with_amount_number_and_time() {
    for name in ["trade_success", "trade_finished"] {
        let translated = translate(&body(name)).unwrap();
        let expected = PaymentReport {
            request_number: "T20260101000000000001".to_owned(),
            gateway_transaction_id: Some("2026010122001400000000000001".to_owned()),
            state: ReportedPayment::Paid {
                amount: cny(8888),
                paid_at: crate::china_time::parse_plain("2026-01-01 08:01:38"),
            },
        };
        assert_eq!(
            (translated.foreign, translated.refund),
            (None, None),
            "{name}"
        );
        assert_eq!(translated.payment, Some(expected), "{name}");
    }
}

fn refund_of(translated: &Translated) -> &RefundReport {
    translated.refund.as_ref().unwrap()
}

#[test]
fn a_partial_refund_is_a_refund_of_a_paid_order_with_the_sum_so_far() {
    let translated = translate(&body("partial_refund")).unwrap();
    let refund = refund_of(&translated);
    assert_eq!(refund.refund_number, "R20260101000000000001");
    assert_eq!(
        refund.state,
        ReportedRefund::Succeeded {
            amount: None,
            refunded_total: Some(cny(888)),
            refunded_at: crate::china_time::parse_plain("2026-01-02 09:00:00.123"),
        }
    );
    let payment = translated.payment.unwrap();
    assert!(matches!(payment.state, ReportedPayment::Paid { amount, .. } if amount == cny(8888)));
}

#[test]
fn closed_after_a_refund_was_paid_and_closed_without_was_not() {
    let full = translate(&body("full_refund_closed")).unwrap();
    assert!(matches!(
        full.payment.as_ref().unwrap().state,
        ReportedPayment::Paid { .. }
    ));
    assert!(matches!(
        refund_of(&full).state,
        ReportedRefund::Succeeded { refunded_total: Some(total), .. } if total == cny(8888)
    ));
    let timeout = translate(&body("timeout_closed")).unwrap();
    assert_eq!(timeout.payment.unwrap().state, ReportedPayment::Closed);
    assert_eq!(timeout.refund, None);
}

const TRADE: [(&str, &str); 8] = [
    ("app_id", super::APP_ID),
    ("notify_id", "N1"),
    ("notify_type", "trade_status_sync"),
    ("out_trade_no", "T1"),
    ("seller_id", super::SELLER_ID),
    ("total_amount", "88.8"),
    ("trade_no", "G1"),
    ("trade_status", "TRADE_SUCCESS"),
];

fn trade(changes: &[(&'static str, &'static str)]) -> String {
    let mut fields = TRADE.to_vec();
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    signed(&fields)
}

#[test]
fn amounts_with_fewer_decimals_are_the_same_and_with_more_are_refused() {
    let translated = translate(&trade(&[])).unwrap();
    let state = translated.payment.unwrap().state;
    assert!(matches!(state, ReportedPayment::Paid { amount, .. } if amount == cny(8880)));
    for bad in ["88.888", "1e3", "-1", "88,80"] {
        let refused = translate(&trade(&[("total_amount", bad)]));
        assert_eq!(refused, Err(TranslateError::Field("total_amount")), "{bad}");
    }
}

#[test]
fn another_app_or_seller_is_named_as_foreign() {
    for (field, found) in [
        ("app_id", "2021000000000002"),
        ("seller_id", "2088000000000000"),
    ] {
        let foreign = translate(&trade(&[(field, found)]))
            .unwrap()
            .foreign
            .unwrap();
        assert_eq!((foreign.field, foreign.found.as_str()), (field, found));
        assert_eq!(
            translate(&trade(&[(field, "")])),
            Err(TranslateError::Field(field))
        );
    }
}

#[test]
fn states_and_kinds_that_are_not_listed_are_kept_but_mean_nothing() {
    let waiting = translate(&trade(&[("trade_status", "WAIT_BUYER_PAY")])).unwrap();
    assert_eq!(waiting.payment.unwrap().state, ReportedPayment::Unpaid);
    let unlisted = translate(&trade(&[("trade_status", "TRADE_PENDING")])).unwrap();
    assert_eq!(
        (unlisted.kind.as_str(), unlisted.payment),
        ("TRADE_PENDING", None)
    );
    let other = translate(&trade(&[
        ("notify_type", "dut_user_sign"),
        ("trade_status", ""),
    ]))
    .unwrap();
    assert_eq!(
        (other.kind.as_str(), other.payment),
        ("dut_user_sign", None)
    );
}

#[test]
fn a_refund_without_a_number_is_known_by_the_orders() {
    let translated = translate(&trade(&[("refund_fee", "1.00")])).unwrap();
    assert_eq!(refund_of(&translated).refund_number, "T1");
    let none = translate(&trade(&[("refund_fee", "0.00")])).unwrap();
    assert_eq!(none.refund, None, "nothing was given back");
    let unclear = translate(&trade(&[("gmt_refund", "2026-01-02 09:00:00")]));
    assert_eq!(unclear, Err(TranslateError::Field("refund_fee")));
}

fn keys(settings: Value) -> Vec<AlipayKey> {
    open(settings).settings.alipay_keys
}

#[test]
fn every_answer_vector_is_judged_as_it_says_over_its_exact_bytes() {
    let vectors = vectors();
    let keys = keys(certificate_settings("https://a.example/"));
    let cases = list(&vectors, "/response_verification");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let body = case["raw_body"].as_str().unwrap().as_bytes();
        let opened = open_answer(body, case["method"].as_str().unwrap(), &keys);
        let expected = if case["valid"] == true {
            let node = case["signed_substring"].as_str().unwrap();
            Ok(OpenedAnswer {
                node,
                is_signed: true,
            })
        } else {
            Err(AnswerError::BadSignature)
        };
        assert_eq!(opened, expected, "{}", case["name"]);
    }
}

#[test]
fn a_genuine_answer_of_alipays_verifies() {
    let vectors = vectors();
    let key = text(
        &vectors,
        "/real_production_response/alipay_public_key_one_line",
    );
    let node = text(&vectors, "/real_production_response/signed_substring");
    let sign = text(&vectors, "/real_production_response/sign");
    let body = format!(r#"{{"alipay_trade_pay_response":{node},"sign":"{sign}"}}"#);
    let keys = [AlipayKey {
        serial: None,
        key: RsaPublicKey::try_parse(key).unwrap(),
    }];
    let opened = open_answer(body.as_bytes(), "alipay.trade.pay", &keys).unwrap();
    assert_eq!(
        opened,
        OpenedAnswer {
            node,
            is_signed: true
        }
    );
}

#[test]
fn an_answer_of_an_unknown_certificate_is_not_believed() {
    let vectors = vectors();
    let keys = keys(certificate_settings("https://a.example/"));
    let case = named(
        &vectors,
        "/response_verification",
        "query_success_cert_mode",
    );
    let body = case["raw_body"].as_str().unwrap();
    let serial = text(&vectors, "/cert_sn/own/alipay_cert/sn");
    let renamed = body.replace(serial, "00000000000000000000000000000000");
    assert_ne!(renamed, body);
    assert_eq!(
        open_answer(renamed.as_bytes(), "alipay.trade.query", &keys),
        Err(AnswerError::UnknownCertificate)
    );
}

#[test]
fn unsigned_answers_are_told_apart() {
    let vectors = vectors();
    let keys = keys(super::settings("https://a.example/"));
    for name in [
        "/response_unsigned_error/raw_body",
        "/response_error_node/raw_body",
    ] {
        let body = text(&vectors, name).as_bytes();
        assert!(
            !open_answer(body, "alipay.trade.query", &keys)
                .unwrap()
                .is_signed,
            "{name}"
        );
    }
    for bad in [
        "",
        "<html>",
        "{}",
        r#"{"sign":1,"alipay_trade_query_response":{}}"#,
    ] {
        let opened = open_answer(bad.as_bytes(), "alipay.trade.query", &keys);
        assert_eq!(opened, Err(AnswerError::Unreadable), "{bad}");
    }
}
