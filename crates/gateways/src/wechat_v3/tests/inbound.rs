//! What comes in: notifications and answers, against the vectors and against alteration.

use std::sync::LazyLock;

use chrono::DateTime;
use http::{HeaderMap, HeaderValue};
use kassa_core::Secret;
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{CallbackRoute, ReportedPayment, ReportedRefund};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::WechatV3;
use super::super::translate::{payment_report, refund_report};
use super::super::verify;
use super::super::wire::Sealed;
use super::{BASE, NOW, account, deps, headers, open, settings, vectors};
use crate::china_time::parse_rfc3339;
use crate::testing::{list, named, notification, text};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

/// When the notifications of the vectors are received.
const RECEIVED: i64 = NOW + 103;

static VECTORS: LazyLock<Value> = LazyLock::new(vectors);
static GATEWAY: LazyLock<WechatV3> = LazyLock::new(|| open(settings(BASE), RECEIVED));

fn case(name: &str) -> &'static Value {
    named(&VECTORS, "/own/notifications", name)
}

fn body(case: &Value) -> &[u8] {
    case["raw_body"].as_str().unwrap().as_bytes()
}

fn verify(gateway: &WechatV3, headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
    gateway.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers,
        body,
    })
}

fn translate(body: &[u8]) -> Result<Translated, TranslateError> {
    GATEWAY.translate(&notification(GatewayName::WechatV3, body))
}

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

#[test]
fn every_answer_vector_is_judged_as_it_says() {
    let mut settings = settings(BASE);
    // The vectors sign some answers with a second platform certificate.
    let second = json!({
        "serial": text(&VECTORS, "/own/platform_certificate_mode/second_serial_no"),
        "pem": text(&VECTORS, "/own/platform_certificate_mode/second_certificate_pem"),
    });
    settings["platform_certificates"]
        .as_array_mut()
        .unwrap()
        .push(second);
    let keys = open(settings, NOW).settings.platform_keys;
    let cases = list(&VECTORS, "/own/response_verification");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let now = DateTime::from_timestamp(case["now_unix"].as_i64().unwrap(), 0).unwrap();
        let body = case["body"].as_str().unwrap().as_bytes();
        let verified = verify::signed(&keys, &headers(case), body, now);
        assert_eq!(
            verified.is_ok(),
            case["valid"] == true,
            "{}: {verified:?}",
            case["name"]
        );
        let expected = match case["name"].as_str().unwrap() {
            "stale_timestamp" => Err(VerifyError::OutsideWindow),
            "unknown_serial" => Err(VerifyError::UnknownKey),
            _ if case["valid"] == true => Ok(()),
            _ => Err(VerifyError::BadSignature),
        };
        assert_eq!(verified, expected, "{}", case["name"]);
    }
}

#[test]
fn every_notification_vector_verifies_and_opens_to_its_plaintext() {
    let cases = list(&VECTORS, "/own/notifications");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let verified = verify(&GATEWAY, &headers(case), body(case)).unwrap();
        let envelope: Value = serde_json::from_slice(body(case)).unwrap();
        assert_eq!(verified.key, envelope["id"].as_str().unwrap());
        assert_eq!(verified.kind, envelope["event_type"].as_str().unwrap());
        assert_eq!(verified.headers.len(), 5);
        let sealed: Sealed = serde_json::from_value(envelope["resource"].clone()).unwrap();
        let plain = super::super::translate::open(&GATEWAY.settings, &sealed).unwrap();
        assert_eq!(
            plain,
            case["plaintext"].as_str().unwrap().as_bytes(),
            "{}",
            case["name"]
        );
    }
}

/// WeChat seals with the new key from the moment it is set; what it tells again was sealed before.
#[test]
fn the_apiv3_key_before_opens_and_a_strangers_does_not() {
    let mut config = account(settings(BASE));
    let current = config.secrets.remove("apiv3_key").unwrap();
    let fresh = Secret::new("vutsrqponmlkjihgfedcba9876543210".to_owned());
    config.secrets.insert("apiv3_key".to_owned(), fresh);
    let told = notification(GatewayName::WechatV3, body(case("payment_success")));
    let without = WechatV3::try_new(&config, &deps(NOW)).unwrap();
    assert_eq!(without.translate(&told), Err(TranslateError::Decrypt));
    config
        .secrets
        .insert("apiv3_key_previous".to_owned(), current.clone());
    let with = WechatV3::try_new(&config, &deps(NOW)).unwrap();
    let translated = with.translate(&told).unwrap();
    assert!(translated.payment.is_some());
    assert_eq!(GATEWAY.translate(&told), Ok(translated));
    assert!(!format!("{with:?}").contains(current.expose().as_str()));
}

#[test]
fn a_notification_from_outside_the_window_is_refused() {
    let case = case("payment_success");
    for now in [NOW + 100 - 301, NOW + 100 + 301] {
        let gateway = open(settings(BASE), now);
        let refused = verify(&gateway, &headers(case), body(case));
        assert_eq!(refused, Err(VerifyError::OutsideWindow), "{now}");
    }
    for now in [NOW + 100 - 299, NOW + 100 + 299] {
        let gateway = open(settings(BASE), now);
        assert!(
            verify(&gateway, &headers(case), body(case)).is_ok(),
            "{now}"
        );
    }
}

#[test]
fn a_signature_probe_and_missing_or_doubled_headers_are_refused() {
    let case = case("payment_success");
    let mut probe = headers(case);
    let signature = probe["wechatpay-signature"].to_str().unwrap();
    let marked = format!("WECHATPAY/SIGNTEST/{}", signature.split_at(19).1);
    probe.insert(
        "wechatpay-signature",
        HeaderValue::from_str(&marked).unwrap(),
    );
    assert_eq!(
        verify(&GATEWAY, &probe, body(case)),
        Err(VerifyError::Probe)
    );
    probe.insert("wechatpay-serial", HeaderValue::from_static("0123"));
    assert_eq!(
        verify(&GATEWAY, &probe, body(case)),
        Err(VerifyError::Probe),
        "it may name a key that nobody has"
    );
    probe.insert("wechatpay-timestamp", HeaderValue::from_static("1"));
    assert_eq!(
        verify(&GATEWAY, &probe, body(case)),
        Err(VerifyError::OutsideWindow)
    );
    for name in [
        "wechatpay-serial",
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-signature",
    ] {
        let mut missing = headers(case);
        missing.remove(name);
        assert_eq!(
            verify(&GATEWAY, &missing, body(case)),
            Err(VerifyError::Malformed(name))
        );
        let mut doubled = headers(case);
        let value = doubled[name].clone();
        doubled.append(name, value);
        assert_eq!(
            verify(&GATEWAY, &doubled, body(case)),
            Err(VerifyError::Malformed(name))
        );
    }
    let mut sm2 = headers(case);
    sm2.insert(
        "wechatpay-signature-type",
        HeaderValue::from_static("WECHATPAY2-SM2-WITH-SM3"),
    );
    let name = "wechatpay-signature-type";
    assert_eq!(
        verify(&GATEWAY, &sm2, body(case)),
        Err(VerifyError::Malformed(name))
    );
}

const SIGNED_HEADERS: [&str; 5] = [
    "wechatpay-serial",
    "wechatpay-timestamp",
    "wechatpay-nonce",
    "wechatpay-signature",
    "wechatpay-signature-type",
];

#[test]
fn no_altered_byte_anywhere_in_body_or_signed_headers_is_accepted() {
    let case = case("payment_success");
    let genuine = headers(case);
    for position in 0..body(case).len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut altered = body(case).to_vec();
            altered[position] ^= mask;
            assert!(
                verify(&GATEWAY, &genuine, &altered).is_err(),
                "byte {position} ^ {mask:#x}"
            );
        }
    }
    for name in SIGNED_HEADERS {
        for position in 0..genuine[name].len() {
            for mask in [0x01, 0x02, 0x20] {
                let mut value = genuine[name].as_bytes().to_vec();
                value[position] ^= mask;
                let Ok(value) = HeaderValue::from_bytes(&value) else {
                    continue;
                };
                let mut altered = genuine.clone();
                altered.insert(name, value);
                let refused = verify(&GATEWAY, &altered, body(case)).is_err();
                assert!(refused, "{name} byte {position} ^ {mask:#x}");
            }
        }
    }
}

proptest! {
    #[test]
    fn an_altered_body_is_refused(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let case = case("payment_success");
        let position = position.index(body(case).len());
        let mut altered = body(case).to_vec();
        prop_assume!(altered[position] != byte);
        altered[position] = byte;
        prop_assert!(verify(&GATEWAY, &headers(case), &altered).is_err());
    }

    #[test]
    fn an_altered_header_is_refused(which in 0_usize..5, position in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
        let case = case("payment_success");
        let mut altered = headers(case);
        let mut value = altered[SIGNED_HEADERS[which]].as_bytes().to_vec();
        let position = position.index(value.len());
        prop_assume!(value[position] != byte);
        value[position] = byte;
        altered.insert(SIGNED_HEADERS[which], HeaderValue::from_bytes(&value).unwrap());
        prop_assert!(verify(&GATEWAY, &altered, body(case)).is_err());
    }

    #[test]
    fn hostile_bodies_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(&GATEWAY, &headers(case("payment_success")), &bytes).is_err());
        prop_assert!(translate(&bytes).is_err());
    }
}

#[test]
fn the_acknowledgement_is_empty_or_a_failure_in_wechats_form() {
    let accepted = GATEWAY.acknowledge(Outcome::Accepted);
    assert_eq!((accepted.status, accepted.body), (204, ""));
    for outcome in [Outcome::Refused, Outcome::NotKept] {
        let refused = GATEWAY.acknowledge(outcome);
        let body: Value = serde_json::from_str(refused.body).unwrap();
        assert!(refused.status >= 400);
        assert_eq!(body["code"], "FAIL");
    }
}

#[test]
fn the_payers_return_is_never_signed() {
    assert_eq!(
        GATEWAY.verify_return("out_trade_no=T1"),
        Err(VerifyError::NotSigned)
    );
}

#[test]
fn a_payment_is_told_with_the_orders_amount_not_what_the_payer_paid() {
    for name in [
        "payment_success",
        "payment_success_public_key_mode",
        "payment_success_empty_associated_data",
    ] {
        let translated = translate(body(case(name))).unwrap();
        assert_eq!((translated.foreign, translated.refund), (None, None));
        assert_eq!(translated.kind, "TRANSACTION.SUCCESS");
        let payment = translated.payment.unwrap();
        assert_eq!(payment.request_number, "T20260101000000000001");
        assert_eq!(
            payment.gateway_transaction_id.as_deref(),
            Some("4200000000202601010000000001")
        );
        let paid_at = parse_rfc3339("2026-01-01T08:01:38+08:00");
        assert_eq!(
            payment.state,
            ReportedPayment::Paid {
                amount: cny(100),
                paid_at
            }
        );
    }
}

#[test]
fn refunds_that_hang_and_refunds_that_failed_are_told_apart() {
    let hung = translate(body(case("refund_abnormal")))
        .unwrap()
        .refund
        .unwrap();
    assert_eq!(hung.refund_number, "R20260101000000000001");
    assert_eq!(
        hung.gateway_refund_id.as_deref(),
        Some("50000000002026010100000000001")
    );
    assert!(matches!(hung.state, ReportedRefund::Abnormal(reason) if reason.code == "ABNORMAL"));
    let failed = translate(body(case("refund_closed"))).unwrap();
    assert_eq!(failed.payment, None);
    let state = failed.refund.unwrap().state;
    assert!(matches!(state, ReportedRefund::Failed(reason) if reason.code == "CLOSED"));
}

#[test]
fn another_merchant_or_app_is_named_as_foreign() {
    let notice = body(case("payment_success"));
    for (field, ours) in [("mchid", "1900000002"), ("appid", "wx0000000000000000")] {
        let mut settings = settings(BASE);
        settings[field] = json!(ours);
        let gateway = open(settings, RECEIVED);
        let translated = gateway
            .translate(&notification(GatewayName::WechatV3, notice))
            .unwrap();
        assert_eq!(translated.foreign.unwrap().field, field);
    }
}

#[test]
fn a_sealed_part_that_does_not_open_is_an_error() {
    let notice = body(case("payment_success"));
    let mut config = account(settings(BASE));
    let other =
        named(&VECTORS, "/own/notification_negative", "wrong_apiv3_key")["apiv3_key"].as_str();
    config
        .secrets
        .insert("apiv3_key".to_owned(), other.unwrap().to_owned().into());
    let gateway = WechatV3::try_new(&config, &deps(RECEIVED)).unwrap();
    let refused = gateway.translate(&notification(GatewayName::WechatV3, notice));
    assert_eq!(refused, Err(TranslateError::Decrypt));

    let mut flipped: Value = serde_json::from_slice(notice).unwrap();
    let sealed = flipped["resource"]["ciphertext"].as_str().unwrap();
    let changed = if sealed.starts_with('A') { "B" } else { "A" };
    flipped["resource"]["ciphertext"] = json!(format!("{changed}{}", sealed.split_at(1).1));
    assert_eq!(
        translate(flipped.to_string().as_bytes()),
        Err(TranslateError::Decrypt)
    );
    flipped["resource"]["algorithm"] = json!("AEAD_SM4_GCM");
    assert_eq!(
        translate(flipped.to_string().as_bytes()),
        Err(TranslateError::Decrypt)
    );
}

#[test]
fn other_kinds_of_notification_are_accepted_and_mean_nothing() {
    let notice = text(&VECTORS, "/official_go_sdk/notify/raw_body");
    let translated = translate(notice.as_bytes()).unwrap();
    assert_eq!(translated.kind, "PAYSCORE.USER_OPEN_SERVICE");
    assert_eq!((translated.payment, translated.refund), (None, None));
}

fn payment_state(word: &str) -> Result<ReportedPayment, &'static str> {
    let transaction = serde_json::from_value(json!({
        "out_trade_no": "T1",
        "trade_state": word,
        "trade_state_desc": "why",
        "amount": {"total": 5, "currency": "CNY"},
    }));
    payment_report(&transaction.unwrap()).map(|report| report.state)
}

#[test]
fn each_trade_state_means_what_the_sheet_says() {
    let paid = ReportedPayment::Paid {
        amount: cny(5),
        paid_at: None,
    };
    for (word, expected) in [
        ("SUCCESS", paid.clone()),
        ("REFUND", paid),
        ("NOTPAY", ReportedPayment::Unpaid),
        ("USERPAYING", ReportedPayment::Unpaid),
        ("CLOSED", ReportedPayment::Closed),
        ("REVOKED", ReportedPayment::Closed),
    ] {
        assert_eq!(payment_state(word), Ok(expected), "{word}");
    }
    assert!(matches!(
        payment_state("PAYERROR"),
        Ok(ReportedPayment::Failed(reason)) if reason.code == "PAYERROR" && reason.message == "why"
    ));
    assert_eq!(payment_state("ACCEPT"), Err("trade_state"));
}

#[test]
fn each_refund_status_means_what_the_sheet_says_under_either_name() {
    for field in ["status", "refund_status"] {
        let state = |word: &str| {
            let refund = serde_json::from_value(json!({
                "out_trade_no": "T1", "out_refund_no": "R1", field: word,
                "success_time": "2026-01-01T08:01:38+08:00",
                "amount": {"refund": 3, "total": 5},
            }));
            refund_report(&refund.unwrap()).map(|report| report.state)
        };
        assert_eq!(state("PROCESSING"), Ok(ReportedRefund::Processing));
        assert_eq!(
            state("SUCCESS"),
            Ok(ReportedRefund::Succeeded {
                amount: Some(cny(3)),
                refunded_total: None,
                refunded_at: parse_rfc3339("2026-01-01T08:01:38+08:00"),
            })
        );
        assert!(matches!(state("CLOSED"), Ok(ReportedRefund::Failed(_))));
        assert!(matches!(state("ABNORMAL"), Ok(ReportedRefund::Abnormal(_))));
        assert_eq!(state("LOST"), Err("status"));
    }
}

#[test]
fn fields_that_are_missing_or_malformed_are_named() {
    let report =
        |value: Value| payment_report(&serde_json::from_value(value).unwrap()).unwrap_err();
    let amount =
        |amount: Value| json!({"out_trade_no": "T1", "trade_state": "SUCCESS", "amount": amount});
    assert_eq!(report(json!({})), "trade_state");
    assert_eq!(report(json!({"trade_state": "NOTPAY"})), "out_trade_no");
    assert_eq!(report(json!({"trade_state": "SUCCESS"})), "amount");
    assert_eq!(report(amount(json!({}))), "amount.total");
    assert_eq!(report(amount(json!({"total": -1}))), "amount.total");
    assert_eq!(
        report(amount(json!({"total": 1, "currency": "XYZ"}))),
        "amount.currency"
    );
    let mut when = amount(json!({"total": 1}));
    when["success_time"] = json!("yesterday");
    assert_eq!(report(when), "success_time");
}
