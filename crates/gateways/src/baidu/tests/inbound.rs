//! What comes in: callbacks, against the vectors and against alteration.

use std::sync::LazyLock;

use form_urlencoded::Serializer;
use http::HeaderMap;
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{CallbackRoute, RefundQuestion, ReportedPayment, ReportedRefund};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::Baidu;
use super::super::sign::string_to_sign;
use super::{BASE, DEAL_ID, open, settings, vectors};
use crate::crypto::LegacyRsaPrivateKey;
use crate::form::Form;
use crate::testing::{list, named, notification, text};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

static VECTORS: LazyLock<Value> = LazyLock::new(vectors);
static GATEWAY: LazyLock<Baidu> = LazyLock::new(|| open(settings(BASE)));

fn body(name: &str) -> &'static [u8] {
    text(named(&VECTORS, "/notifications", name), "/raw_body").as_bytes()
}

fn raw<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> RawCallback<'a> {
    RawCallback {
        route: CallbackRoute::Payment,
        headers,
        body,
    }
}

fn verify_with(gateway: &Baidu, body: &[u8]) -> Result<Verified, VerifyError> {
    gateway.verify(&raw(&HeaderMap::new(), body))
}

fn verify(body: &[u8]) -> Result<Verified, VerifyError> {
    verify_with(&GATEWAY, body)
}

fn reply(gateway: &Baidu, body: &[u8]) -> Value {
    let reply = gateway.reply_body(&raw(&HeaderMap::new(), body)).unwrap();
    serde_json::from_str(&reply).unwrap()
}

fn translate(body: &[u8]) -> Result<Translated, TranslateError> {
    GATEWAY.translate(&notification(GatewayName::Baidu, body))
}

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

/// A callback with these fields, signed by Baidu's key.
fn signed(fields: &[(&str, &str)]) -> Vec<u8> {
    let key = text(&VECTORS, "/keys/platform_test_private_key_pkcs8_pem");
    let key = LegacyRsaPrivateKey::try_parse(key).unwrap();
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let pairs = sorted.iter();
    let pairs = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let signature = key.sign_sha1(&string_to_sign(pairs, false)).unwrap();
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields).append_pair("rsaSign", &signature);
    form.finish().into_bytes()
}

const PAYMENT: [(&str, &str); 7] = [
    ("orderId", "800020199"),
    ("userId", "149235070"),
    ("tpOrderId", "T1"),
    ("dealId", DEAL_ID),
    ("totalMoney", "100"),
    ("payMoney", "60"),
    ("status", "2"),
];

fn payment(changes: &[(&'static str, &'static str)]) -> Vec<u8> {
    let mut fields = PAYMENT.to_vec();
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    signed(&fields)
}

#[test]
fn every_callback_vector_is_judged_as_it_says() {
    let cases = list(&VECTORS, "/notifications");
    assert_eq!(cases.len(), 7);
    for case in cases {
        let verified = verify(text(case, "/raw_body").as_bytes());
        if case["valid"] == true {
            assert!(verified.is_ok(), "{}: {verified:?}", case["name"]);
        } else {
            assert_eq!(verified, Err(VerifyError::BadSignature), "{}", case["name"]);
        }
    }
}

#[test]
fn each_kind_of_callback_has_its_key_and_its_acknowledgement() {
    for (name, key, ack) in [
        ("pay", "pay:800020199:2", None),
        ("refund_audit", "audit:152713835", Some("refund_audit_ok")),
        (
            "refund_notify_success",
            "refund:152713835:1",
            Some("refund_notify_ok"),
        ),
    ] {
        assert_eq!(verify(body(name)).unwrap().key, key);
        let mut approving = settings(BASE);
        approving["refund_audit"] = json!("approve");
        let gateway = open(approving);
        match ack {
            Some(ack) => assert_eq!(reply(&gateway, body(name)), VECTORS["acks"][ack], "{name}"),
            None => assert_eq!(
                gateway.reply_body(&raw(&HeaderMap::new(), body(name))),
                None
            ),
        }
    }
    let accepted = GATEWAY.acknowledge(Outcome::Accepted);
    let told: Value = serde_json::from_str(accepted.body).unwrap();
    assert_eq!(told, VECTORS["acks"]["pay_ok"]);
    for outcome in [Outcome::Refused, Outcome::NotKept] {
        let refused = GATEWAY.acknowledge(outcome);
        let told: Value = serde_json::from_str(refused.body).unwrap();
        assert_eq!((refused.status, &told), (200, &VECTORS["acks"]["retry"]));
    }
}

/// Baidu would give the payer's money back at once; Kassa opens an anomaly and decides itself.
#[test]
fn no_callback_is_answered_as_a_wrong_order() {
    assert!(VECTORS["acks"]["pay_error_order"]["data"]["isErrorOrder"] == 1);
    for outcome in [Outcome::Accepted, Outcome::Refused, Outcome::NotKept] {
        let told: Value = serde_json::from_str(GATEWAY.acknowledge(outcome).body).unwrap();
        assert_ne!(told, VECTORS["acks"]["pay_error_order"]);
        assert_eq!(told.pointer("/data/isErrorOrder"), None);
    }
}

#[test]
fn a_refund_that_nobody_asked_for_here_stays_undecided_unless_the_account_says_otherwise() {
    let undecided = reply(&GATEWAY, body("refund_audit"));
    assert_eq!(undecided["errno"], 0);
    assert_eq!(undecided["data"]["auditStatus"], 3);
    assert_eq!(undecided["data"]["calculateRes"]["refundPayMoney"], 30);
    let mut approving = settings(BASE);
    approving["refund_audit"] = json!("approve");
    let approving = open(approving);
    for amount in ["", "-1", "x"] {
        let mut fields = vec![("orderId", "1"), ("refundBatchId", "2")];
        if !amount.is_empty() {
            fields.push(("applyRefundMoney", amount));
        }
        let told = reply(&approving, &signed(&fields));
        assert_eq!(told["data"]["auditStatus"], 3, "{amount}");
    }
}

#[test]
fn a_question_that_was_left_undecided_is_told_to_people_and_an_approved_one_is_not() {
    let translated = translate(body("refund_audit")).unwrap();
    assert_eq!((translated.payment, translated.refund), (None, None));
    let asked = RefundQuestion {
        request_number: "T20260101000000000001".to_owned(),
        gateway_refund_id: "152713835".to_owned(),
        amount: Some(cny(30)),
    };
    assert_eq!(translated.question, Some(asked.clone()));
    let mut approving = settings(BASE);
    approving["refund_audit"] = json!("approve");
    let approving = open(approving);
    let approved = approving.translate(&notification(GatewayName::Baidu, body("refund_audit")));
    assert_eq!(approved.unwrap().question, None);
    for amount in ["", "-1", "x", "99999999999999999999"] {
        let fields = signed(&[
            ("orderId", "800020199"),
            ("refundBatchId", "152713835"),
            ("tpOrderId", "T20260101000000000001"),
            ("applyRefundMoney", amount),
        ]);
        let translated = approving
            .translate(&notification(GatewayName::Baidu, &fields))
            .unwrap();
        let expected = RefundQuestion {
            amount: None,
            ..asked.clone()
        };
        assert_eq!(translated.question, Some(expected), "{amount}");
    }
    let nobodys = signed(&[("orderId", "800020199"), ("refundBatchId", "152713835")]);
    assert!(translate(&nobodys).is_err());
}

#[test]
fn a_payment_is_told_with_the_orders_amount() {
    for name in ["pay", "pay_empty_kept", "pay_empty_dropped"] {
        let translated = translate(body(name)).unwrap();
        assert_eq!((translated.foreign, translated.refund), (None, None));
        assert_eq!(translated.kind, "pay status 2");
        let payment = translated.payment.unwrap();
        assert_eq!(payment.request_number, "T20260101000000000001");
        assert_eq!(payment.gateway_transaction_id.as_deref(), Some("800020199"));
        assert_eq!(
            payment.state,
            ReportedPayment::Paid {
                amount: cny(1),
                paid_at: chrono::DateTime::from_timestamp(1_767_225_698, 0),
            }
        );
    }
    let promoted = translate(&payment(&[])).unwrap().payment.unwrap();
    assert!(matches!(promoted.state, ReportedPayment::Paid { amount, .. } if amount == cny(100)));
}

#[test]
fn each_status_has_its_meaning_and_an_unlisted_one_has_none() {
    for (status, expected) in [
        ("1", Some(ReportedPayment::Unpaid)),
        ("-1", Some(ReportedPayment::Closed)),
        ("3", None),
    ] {
        let notice = payment(&[("status", status)]);
        assert!(verify(&notice).is_ok());
        let told = translate(&notice).unwrap().payment;
        assert_eq!(told.map(|report| report.state), expected, "{status}");
    }
}

#[test]
fn amounts_that_are_no_plain_digits_are_refused() {
    for bad in ["", "-1", "+1", "1.0", "1e2", "9223372036854775808"] {
        let refused = translate(&payment(&[("totalMoney", bad)]));
        assert_eq!(refused, Err(TranslateError::Field("totalMoney")), "{bad}");
    }
}

#[test]
fn another_agreement_is_named_as_foreign() {
    let notice = payment(&[("dealId", "470193087")]);
    let foreign = translate(&notice).unwrap().foreign.unwrap();
    assert_eq!(
        (foreign.field, foreign.found.as_str()),
        ("dealId", "470193087")
    );
    let without = translate(&payment(&[("dealId", "")]));
    assert_eq!(without, Err(TranslateError::Field("dealId")));
}

#[test]
fn the_end_of_a_refund_is_a_reason_to_ask() {
    let translated = translate(body("refund_notify_success")).unwrap();
    assert!(translated.refund_is_hint);
    let refund = translated.refund.unwrap();
    assert_eq!(refund.request_number, "T20260101000000000001");
    assert_eq!(refund.gateway_refund_id.as_deref(), Some("152713835"));
    assert!(matches!(
        refund.state,
        ReportedRefund::Succeeded { amount: None, .. }
    ));
    let failed = [
        ("refundBatchId", "1"),
        ("tpOrderId", "T1"),
        ("refundStatus", "2"),
    ];
    let failed = translate(&signed(&failed)).unwrap().refund.unwrap();
    assert!(matches!(failed.state, ReportedRefund::Failed(_)));
    let odd = [
        ("refundBatchId", "1"),
        ("tpOrderId", "T1"),
        ("refundStatus", "9"),
    ];
    let odd = translate(&signed(&odd));
    assert_eq!(odd, Err(TranslateError::Field("refundStatus")));
}

#[test]
fn a_callback_of_no_kind_or_of_two_is_refused() {
    for fields in [
        vec![("orderId", "1")],
        vec![("orderId", "1"), ("status", "2"), ("refundBatchId", "3")],
        vec![("orderId", "1"), ("status", "2"), ("refundStatus", "1")],
    ] {
        let refused = verify(&signed(&fields));
        assert_eq!(refused, Err(VerifyError::Malformed("status")), "{fields:?}");
    }
    let unsigned = verify(b"orderId=1&status=2");
    assert_eq!(unsigned, Err(VerifyError::Malformed("rsaSign")));
    let doubled = [body("pay"), b"&status=2"].concat();
    assert_eq!(verify(&doubled), Err(VerifyError::Malformed("form")));
    let added = [body("pay"), b"&more=1"].concat();
    assert_eq!(verify(&added), Err(VerifyError::BadSignature));
}

#[test]
fn any_of_several_keys_verifies() {
    let mut other = settings(BASE);
    let unrelated = text(&VECTORS, "/official_doc/public_key_pem");
    other["platform_public_keys"] = json!([unrelated]);
    let without = verify_with(&open(other.clone()), body("pay"));
    assert_eq!(without, Err(VerifyError::BadSignature));
    let ours = text(&VECTORS, "/keys/platform_public_key_pem");
    other["platform_public_keys"] = json!([unrelated, ours]);
    assert!(verify_with(&open(other), body("pay")).is_ok());
}

/// Whether two bodies decode to the same fields: then the signature holds for both.
fn is_same_form(left: &[u8], right: &[u8]) -> bool {
    Form::parse(left).unwrap().fields() == Form::parse(right).unwrap().fields()
}

#[test]
fn no_altered_byte_that_changes_a_field_is_accepted() {
    for name in ["pay", "refund_audit", "refund_notify_success"] {
        for position in 0..body(name).len() {
            for mask in [0x01, 0x02, 0x20, 0x80] {
                let mut altered = body(name).to_vec();
                altered[position] ^= mask;
                let accepted = verify(&altered).is_ok();
                assert!(
                    !accepted || is_same_form(&altered, body(name)),
                    "{name} byte {position} ^ {mask:#x}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn an_altered_callback_is_refused(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut altered = body("pay").to_vec();
        let position = position.index(altered.len());
        prop_assume!(altered[position] != byte);
        altered[position] = byte;
        prop_assert!(verify(&altered).is_err() || is_same_form(&altered, body("pay")));
    }

    #[test]
    fn hostile_bodies_are_refused_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        prop_assert!(verify(&bytes).is_err());
        drop(GATEWAY.reply_body(&raw(&HeaderMap::new(), &bytes)));
        prop_assert!(translate(&bytes).is_err());
    }

    #[test]
    fn signed_fields_of_any_text_are_read_without_panic(
        status in ".{0,12}", total in ".{0,12}", time in ".{0,24}",
    ) {
        let fields = [("orderId", "1"), ("tpOrderId", "T1"), ("dealId", DEAL_ID),
            ("status", &status), ("totalMoney", &total), ("payTime", &time)];
        let body = signed(&fields);
        prop_assert_eq!(verify(&body).is_ok(), !status.is_empty());
        drop(translate(&body));
    }
}
