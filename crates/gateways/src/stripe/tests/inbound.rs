//! Events, against the vectors and against alteration.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    CallbackRoute, PaymentReport, ReportedDispute, ReportedPayment, ReportedRefund,
};
use serde_json::{Value, json};

use super::super::Stripe;
use super::{BASE, NOW, SECRET, account, deps, open, settings};
use crate::testing::{list, named, notification};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

const HEADER: &str = "stripe-signature";

static SIGNED: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../testdata/webhook.json")).unwrap());
static EVENTS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../testdata/events.json")).unwrap());

static ROOM: LazyLock<Stripe> = LazyLock::new(|| open(settings(BASE), NOW));

fn headers(signatures: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for signature in signatures {
        let value = HeaderValue::from_str(signature).unwrap();
        headers.append(HeaderName::from_static(HEADER), value);
    }
    headers
}

fn verify(room: &Stripe, headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
    room.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers,
        body,
    })
}

/// Signs as Stripe does.
fn sign(secret: &str, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let message = [format!("{at}.").as_bytes(), body].concat();
    format!("t={at},v1={}", hex::encode(hmac::sign(&key, &message)))
}

fn case(name: &str) -> &'static Value {
    named(&SIGNED, "/cases", name)
}

fn translate(event: &Value) -> Result<Translated, TranslateError> {
    let body = event.to_string();
    ROOM.translate(&notification(GatewayName::Stripe, body.as_bytes()))
}

fn event(name: &str) -> Value {
    named(&EVENTS, "/events", name)["event"].clone()
}

fn usd(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::USD).unwrap()
}

fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

#[test]
fn every_signature_vector_is_judged_as_it_says() {
    let cases = list(&SIGNED, "/cases");
    assert_eq!(cases.len(), 12);
    for case in cases {
        let secret = case["secret"].as_str().unwrap();
        let now = case["now"].as_i64().unwrap();
        let room = Stripe::try_new(&account(settings(BASE), &[secret]), &deps(now)).unwrap();
        let header = headers(&[case["header"].as_str().unwrap()]);
        let found = verify(&room, &header, case["body"].as_str().unwrap().as_bytes());
        let expected = match case["expect"].as_str().unwrap() {
            "ok" => Ok(()),
            "mismatch" => Err(VerifyError::BadSignature),
            "no_v1_signature" | "malformed" => Err(VerifyError::Malformed(HEADER)),
            "timestamp_too_old" | "ok_in_official_sdks__we_should_reject" => {
                Err(VerifyError::OutsideWindow)
            }
            other => panic!("{other}"),
        };
        assert_eq!(found.map(|_verified| ()), expected, "{}", case["name"]);
    }
}

#[test]
fn the_worked_example_of_the_sheet_verifies() {
    let body = br#"{"id":"evt_1","object":"event"}"#;
    let signature = "2cd262523c2a013bec1819d57a3081bd0836d40b30291cf4d83410523e3c371a";
    let header = headers(&[&format!("t=1767686400,v1={signature}")]);
    let account = account(settings(BASE), &["whsec_throwaway_example"]);
    let room = Stripe::try_new(&account, &deps(1_767_686_400)).unwrap();
    let verified = verify(&room, &header, body).unwrap();
    assert_eq!(verified.key, "evt_1");
    assert_eq!(verified.headers.len(), 1);
}

#[test]
fn a_secret_that_is_rolled_still_counts_and_an_unknown_one_does_not() {
    let body = br#"{"id":"evt_1","object":"event","type":"x"}"#;
    let secrets = ["whsec_the_new_one_0123", "whsec_the_old_one_0123"];
    let both = Stripe::try_new(&account(settings(BASE), &secrets), &deps(NOW)).unwrap();
    for secret in secrets {
        let header = headers(&[&sign(secret, NOW, body)]);
        assert!(verify(&both, &header, body).is_ok(), "{secret}");
    }
    let header = headers(&[&sign("whsec_of_another_0123", NOW, body)]);
    assert_eq!(verify(&both, &header, body), Err(VerifyError::BadSignature));
}

#[test]
fn a_doubled_header_or_time_and_a_crowd_of_signatures_are_refused() {
    let case = case("valid_compact");
    let header = case["header"].as_str().unwrap();
    let body = case["body"].as_str().unwrap();
    let room = open(settings(BASE), NOW);
    let crowd = format!("{header}{}", ",v1=00".repeat(20));
    for bad in [
        headers(&[]),
        headers(&[header, header]),
        headers(&[&format!("{header},t=1760000123")]),
        headers(&[&header.replace("t=", "t=+")]),
        headers(&[&header.replace(',', ";")]),
        headers(&["v1"]),
        headers(&[&crowd]),
    ] {
        let refused = verify(&room, &bad, body.as_bytes());
        assert_eq!(refused, Err(VerifyError::Malformed(HEADER)), "{bad:?}");
    }
}

#[test]
fn every_single_altered_byte_of_body_and_signature_is_refused() {
    let case = case("valid_compact");
    let room = open(settings(BASE), NOW);
    let good = headers(&[case["header"].as_str().unwrap()]);
    let body = case["body"].as_str().unwrap().as_bytes();
    assert!(verify(&room, &good, body).is_ok());
    for position in 0..body.len() {
        for flip in [1, 0x20, 0x80] {
            let mut altered = body.to_vec();
            altered[position] ^= flip;
            assert!(verify(&room, &good, &altered).is_err(), "body {position}");
        }
    }
    let header = case["header"].as_str().unwrap().as_bytes();
    for position in 0..header.len() {
        for flip in [1, 2, 0x20] {
            let mut altered = header.to_vec();
            altered[position] ^= flip;
            if let Ok(value) = HeaderValue::from_bytes(&altered) {
                let bad = HeaderMap::from_iter([(HeaderName::from_static(HEADER), value)]);
                assert!(verify(&room, &bad, body).is_err(), "header {position}");
            }
        }
    }
}

#[test]
fn an_event_without_an_id_is_refused_and_one_of_an_unknown_kind_is_kept() {
    let room = open(settings(BASE), NOW);
    for body in [
        &b"{}"[..],
        b"[]",
        b"",
        br#"{"id":""}"#,
        br#"{"id":"a","id":"b"}"#,
    ] {
        let header = headers(&[&sign(SECRET, NOW, body)]);
        let refused = verify(&room, &header, body);
        assert!(
            matches!(refused, Err(VerifyError::Malformed(_))),
            "{body:?}"
        );
    }
    let body = br#"{"id":"evt_9","object":"v2.core.event","type":"v1.billing.meter"}"#;
    let header = headers(&[&sign(SECRET, NOW, body)]);
    assert_eq!(
        verify(&room, &header, body).unwrap().kind,
        "v1.billing.meter"
    );
    let told = room.translate(&notification(GatewayName::Stripe, body));
    let told = told.unwrap();
    assert_eq!(
        (told.payment, told.refund, told.foreign),
        (None, None, None)
    );
}

#[test]
fn every_event_vector_means_what_it_says() {
    let cases = list(&EVENTS, "/events");
    assert_eq!(cases.len(), 15);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let told = translate(&case["event"]).unwrap();
        let payment = told.payment.as_ref().map(|report| match &report.state {
            ReportedPayment::Paid { .. } => "PAID_SUCCESS",
            ReportedPayment::Reversed { .. } => "REVERSED",
            ReportedPayment::Unpaid => "PENDING_PAYMENT",
            ReportedPayment::Closed => "CLOSED",
            ReportedPayment::Failed(_) => "PAID_FAILED",
            ReportedPayment::NotFound => "NOT_FOUND",
        });
        let refund = told.refund.as_ref().map(|report| match &report.state {
            ReportedRefund::Processing => "PROCESSING",
            ReportedRefund::Succeeded { .. } => "SUCCESS",
            ReportedRefund::Failed(_) => "FAILED",
            ReportedRefund::Abnormal(_) | ReportedRefund::NotFound => "OTHER",
        });
        // Its refund is told by `refund.created`, which also has the refund's number.
        let is_told_elsewhere = case["event"]["type"] == "charge.refunded";
        let expected = |field: &str| {
            let word = case["expect"][field].as_str();
            // What becomes of the payment after a refund is for the books to say.
            let is_of_books = field == "payment" && case["expect"]["refund"].is_string();
            word.filter(|_| !is_told_elsewhere && !is_of_books)
        };
        assert_eq!(payment, expected("payment"), "{name}");
        assert_eq!(refund, expected("refund"), "{name}");
        assert_eq!(told.foreign, None, "{name}");
        if let Some(report) = told.payment {
            assert_eq!(report.request_number, "TX1", "{name}");
        }
    }
}

#[test]
fn a_paid_session_tells_amount_order_and_time() {
    let report = translate(&event("session_completed_paid")).unwrap().payment;
    let expected = PaymentReport {
        request_number: "TX1".to_owned(),
        gateway_transaction_id: Some("cs_test_1".to_owned()),
        state: ReportedPayment::Paid {
            amount: usd(1099),
            paid_at: at(1_767_686_401),
        },
    };
    assert_eq!(report, Some(expected));
}

#[test]
fn a_refund_names_the_order_or_the_payment_that_finds_it() {
    let told = translate(&event("refund_canceled")).unwrap();
    assert_eq!(told.unnamed.as_deref(), Some("pi_1"));
    assert_eq!(told.refund.unwrap().refund_number, "RF1");

    let mut ours = event("refund_canceled");
    ours["data"]["object"]["metadata"]["transaction_id"] = json!("TX1");
    let told = translate(&ours).unwrap();
    assert_eq!(told.unnamed, None);
    assert_eq!(told.refund.unwrap().request_number, "TX1");

    let mut console = event("refund_canceled");
    console["data"]["object"]["metadata"] = json!({});
    let told = translate(&console).unwrap();
    assert_eq!(told.refund.unwrap().refund_number, "re_1");
    assert_eq!(told.unnamed.as_deref(), Some("pi_1"));
}

#[test]
fn what_somebody_else_made_on_the_account_means_nothing() {
    let mut other = event("session_completed_paid");
    other["data"]["object"]["metadata"] = json!({});
    assert_eq!(translate(&other).unwrap().payment, None);
    let mut mixed = event("session_completed_paid");
    mixed["data"]["object"]["client_reference_id"] = json!("TX2");
    let refused = Err(TranslateError::Field("client_reference_id"));
    assert_eq!(translate(&mixed), refused);
    let mut charge = event("refund_canceled");
    charge["data"]["object"]["payment_intent"] = Value::Null;
    charge["data"]["object"]["metadata"] = json!({});
    assert_eq!(translate(&charge).unwrap().refund, None);
}

#[test]
fn another_world_or_account_is_foreign() {
    let mut live = event("session_completed_paid");
    live["livemode"] = json!(true);
    assert_eq!(translate(&live).unwrap().foreign.unwrap().field, "livemode");
    let mut other = event("session_completed_paid");
    other["account"] = json!("acct_2");
    let told = translate(&other).unwrap();
    assert_eq!(told.foreign.unwrap().found, "acct_2");
    assert_eq!(told.payment, None);
    let mut without = event("session_completed_paid");
    without.as_object_mut().unwrap().remove("livemode");
    assert_eq!(translate(&without), Err(TranslateError::Field("livemode")));
}

#[test]
fn a_dispute_is_told_with_what_finds_its_order() {
    let dispute = |kind: &str, status: &str| {
        let mut event = event("unknown_type_ignored");
        event["type"] = json!(kind);
        event["data"]["object"] = json!({"id": "du_1", "object": "dispute", "amount": 1099,
            "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1", "reason": "fraudulent",
            "status": status});
        let told = translate(&event).unwrap();
        assert_eq!(told.unnamed.as_deref(), Some("pi_1"));
        told.dispute.unwrap()
    };
    let opened = dispute("charge.dispute.created", "needs_response");
    assert_eq!(opened.state, ReportedDispute::Open);
    assert_eq!(opened.amount, Some(usd(1099)));
    assert_eq!(opened.gateway_dispute_id, "du_1");
    assert_eq!(opened.reason, "fraudulent");
    for (status, state) in [
        ("lost", ReportedDispute::Lost),
        ("won", ReportedDispute::Won),
        ("a_new_word", ReportedDispute::Open),
    ] {
        assert_eq!(dispute("charge.dispute.closed", status).state, state);
    }
}

#[test]
fn a_new_word_or_a_missing_field_is_named_and_decides_nothing() {
    let alter = |name: &str, field: &str, value: Value| {
        let mut event = event(name);
        event["data"]["object"][field] = value;
        translate(&event)
    };
    let session = "session_completed_paid";
    for (field, value) in [
        ("status", json!("a_new_word")),
        ("payment_status", json!("a_new_word")),
        ("status", Value::Null),
        ("payment_status", Value::Null),
        ("currency", json!("zzz")),
        ("amount_total", json!(-1)),
        ("amount_total", Value::Null),
    ] {
        let found = alter(session, field, value.clone());
        assert!(
            matches!(found, Err(TranslateError::Field(_))),
            "{field} {value}"
        );
    }
    let found = alter("refund_canceled", "status", json!("a_new_word"));
    assert_eq!(found, Err(TranslateError::Field("status")));
    let free = alter(session, "payment_status", json!("no_payment_required"));
    let free = free.unwrap().payment.unwrap();
    assert!(
        matches!(free.state, ReportedPayment::Paid { .. }),
        "its amount will not match"
    );
}

/// A declined try leaves the order open, and its event carries what the order can be paid with.
#[test]
fn a_client_secret_is_taken_out_of_what_is_kept_and_nothing_else_is() {
    let declined = event("pi_payment_failed_not_final");
    let secret = declined["data"]["object"]["client_secret"]
        .as_str()
        .unwrap();
    let body = declined.to_string();
    let kept = |body: &str| {
        let headers = HeaderMap::new();
        let callback = RawCallback {
            route: CallbackRoute::Payment,
            headers: &headers,
            body: body.as_bytes(),
        };
        ROOM.kept_body(&callback)
    };
    let expected = body.replace(secret, "[redacted]");
    assert_eq!(kept(&body), Some(expected.clone().into_bytes()));
    let told = ROOM.translate(&notification(GatewayName::Stripe, expected.as_bytes()));
    assert_eq!(told, translate(&declined));
    for without in [event("session_completed_paid").to_string(), String::new()] {
        assert_eq!(kept(&without), None, "{without}");
    }
}

#[test]
fn the_acknowledgements_are_a_status_and_nothing_else() {
    let room = open(settings(BASE), NOW);
    for (outcome, status) in [
        (Outcome::Accepted, 200),
        (Outcome::Refused, 400),
        (Outcome::NotKept, 503),
    ] {
        let reply = room.acknowledge(outcome);
        assert_eq!(
            (reply.status, reply.content_type, reply.body),
            (status, None, "")
        );
    }
    let returned = room.verify_return("session_id=cs_test_1");
    assert_eq!(returned, Err(VerifyError::NotSigned));
}
