//! Events, against the vectors and against alteration.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{CallbackRoute, ReportedDispute, ReportedPayment, ReportedRefund};
use serde_json::{Value, json};

use super::super::Paypal;
use super::{BASE, CERT_URL, MERCHANT, SIGNED, account, deps, now, open, settings};
use crate::crypto::crc32;
use crate::testing::{list, named, notification, peer_sign, text};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

static EVENTS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../testdata/events.json")).unwrap());
static ROOM: LazyLock<Paypal> = LazyLock::new(|| open(settings(BASE)));

fn header_map(pairs: &[(String, String)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

/// The headers of a signature vector.
fn pairs(case: &Value) -> Vec<(String, String)> {
    let headers = case["headers"].as_object().unwrap().iter();
    headers
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn verify(room: &Paypal, headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
    room.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers,
        body,
    })
}

/// Signs as PayPal does.
fn signed(at: DateTime<Utc>, body: &[u8]) -> Vec<(String, String)> {
    let time = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let (id, webhook) = ("69cd13f0", text(&SIGNED, "/webhook_id"));
    let message = format!("{id}|{time}|{webhook}|{}", crc32(body));
    let signature = peer_sign(text(&SIGNED, "/leaf_private_key_pem"), message.as_bytes());
    [
        ("paypal-transmission-id", id),
        ("paypal-transmission-time", &time),
        ("paypal-transmission-sig", &signature),
        ("paypal-cert-url", CERT_URL),
        ("paypal-auth-algo", "SHA256withRSA"),
        ("paypal-auth-version", "v2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn translate(event: &Value) -> Result<Translated, TranslateError> {
    let body = event.to_string();
    ROOM.translate(&notification(GatewayName::Paypal, body.as_bytes()))
}

fn event(name: &str) -> Value {
    named(&EVENTS, "/events", name)["event"].clone()
}

fn usd(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::USD).unwrap()
}

#[test]
fn every_signature_vector_is_judged_as_it_says() {
    let cases = list(&SIGNED, "/cases");
    assert_eq!(cases.len(), 18);
    for case in cases {
        let mut settings = settings(BASE);
        // Whatever address a vector names, the settings hold the certificate that it would bring.
        settings["certificates"][0]["pem"] = case["cert_url_response_pem"].clone();
        let room = open(settings);
        let body = case["body"].as_str().unwrap().as_bytes();
        let found = verify(&room, &header_map(&pairs(case)), body);
        let expected = match case["expect"].as_str().unwrap() {
            "ok" => Ok(()),
            "bad_signature" => Err(VerifyError::BadSignature),
            "reject_cert_url" | "reject_chain" | "reject_cn" | "reject_validity" => {
                Err(VerifyError::UnknownKey)
            }
            "reject_algo" => Err(VerifyError::Malformed("paypal-auth-algo")),
            other => panic!("{other}"),
        };
        assert_eq!(found.map(|_verified| ()), expected, "{}", case["name"]);
    }
}

#[test]
fn a_verified_event_is_known_by_its_id() {
    let case = named(&SIGNED, "/cases", "ok_high_bit_crc");
    let body = case["body"].as_str().unwrap().as_bytes();
    assert_eq!(crc32(body).to_string(), case["crc32_decimal"]);
    let verified = verify(&ROOM, &header_map(&pairs(case)), body).unwrap();
    let (id, digest) = verified.key.split_once(':').unwrap();
    assert_eq!(id, "WH-2WR32451HC0233532-67976317FL4543714");
    assert_eq!(digest.len(), 64);
    assert_eq!(
        verify(&ROOM, &header_map(&pairs(case)), body).unwrap().key,
        verified.key
    );
    assert_eq!(verified.kind, "PAYMENT.CAPTURE.COMPLETED");
    assert_eq!(verified.headers.len(), 4);
}

/// The signature covers a CRC-32 of the body: whoever has seen an event can write another body for it. That
/// one must not keep the genuine event out of the inbox.
#[test]
fn an_event_of_the_same_id_and_checksum_but_another_body_is_another_event() {
    let genuine: &[u8] = br#"{"id":"WH-1","event_type":"CUSTOMER.DISPUTE.CREATED","x":""}"#;
    let forged = with_checksum_of(
        br#"{"id":"WH-1","event_type":"CHECKOUT.ORDER.SAVED","x":""#,
        genuine,
    );
    assert_eq!(crc32(&forged), crc32(genuine));
    let headers = header_map(&signed(now(), genuine));
    let told = verify(&ROOM, &headers, genuine).unwrap();
    let lied = verify(&ROOM, &headers, &forged).unwrap();
    assert_ne!(told.key, lied.key);
}

/// `start` with letters and an end that make it a body of the checksum of `genuine`: 64 letters of two kinds
/// each, chosen so that the bits of the checksum fit.
fn with_checksum_of(start: &[u8], genuine: &[u8]) -> Vec<u8> {
    const LETTERS: usize = 64;
    let body = |choice: &[bool]| -> Vec<u8> {
        let letters = choice.iter().map(|is_b| if *is_b { b'b' } else { b'a' });
        let mut body = start.to_vec();
        body.extend(letters);
        body.extend_from_slice(br#""}"#);
        body
    };
    let plain = vec![false; LETTERS];
    let base = crc32(&body(&plain));
    // A checksum is linear: what one letter changes of it does not depend on the others.
    let mut rows: Vec<(u32, u64)> = Vec::new();
    for letter in 0..LETTERS {
        let mut choice = plain.clone();
        choice[letter] = true;
        let (mut change, mut by) = (crc32(&body(&choice)) ^ base, 1_u64 << letter);
        for (other, others) in &rows {
            if change ^ other < change {
                (change, by) = (change ^ other, by ^ others);
            }
        }
        if change != 0 {
            rows.push((change, by));
            rows.sort_unstable_by(|one, two| two.cmp(one));
        }
    }
    let (mut left, mut chosen) = (crc32(genuine) ^ base, 0_u64);
    for (change, by) in &rows {
        if left ^ change < left {
            (left, chosen) = (left ^ change, chosen ^ by);
        }
    }
    assert_eq!(left, 0, "the letters reach every checksum");
    let choice: Vec<bool> = (0..LETTERS).map(|bit| (chosen >> bit) & 1 == 1).collect();
    body(&choice)
}

/// A webhook that was registered anew has another id; PayPal goes on repeating what it owes to the old one.
#[test]
fn an_event_to_the_webhook_before_verifies_and_one_to_a_strangers_does_not() {
    let body = br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}"#;
    let headers = header_map(&signed(now(), body));
    let mut moved = settings(BASE);
    let before = moved["webhook_id"].take();
    moved["webhook_id"] = json!("WH1NEW");
    let without = verify(&open(moved.clone()), &headers, body);
    assert_eq!(without, Err(VerifyError::BadSignature));
    moved["webhook_id_previous"] = before;
    assert!(verify(&open(moved), &headers, body).is_ok());
}

#[test]
fn every_single_altered_byte_of_body_and_signed_headers_is_refused() {
    let case = named(&SIGNED, "/cases", "ok_small_crc");
    let good = pairs(case);
    let body = case["body"].as_str().unwrap().as_bytes();
    assert!(verify(&ROOM, &header_map(&good), body).is_ok());
    for position in 0..body.len() {
        for flip in [1, 0x20, 0x80] {
            let mut altered = body.to_vec();
            altered[position] ^= flip;
            assert!(
                verify(&ROOM, &header_map(&good), &altered).is_err(),
                "body {position}"
            );
        }
    }
    for (index, (name, value)) in good.iter().enumerate() {
        // Says which version of the headers this is, and is not signed.
        if name == "paypal-auth-version" {
            continue;
        }
        for position in 0..value.len() {
            for flip in [1, 2, 0x20] {
                let mut altered = value.as_bytes().to_vec();
                altered[position] ^= flip;
                let Ok(altered) = HeaderValue::from_bytes(&altered) else {
                    continue;
                };
                let mut headers = header_map(&good);
                headers.insert(
                    HeaderName::from_bytes(good[index].0.as_bytes()).unwrap(),
                    altered,
                );
                assert!(verify(&ROOM, &headers, body).is_err(), "{name} {position}");
            }
        }
    }
}

#[test]
fn a_missing_or_doubled_header_is_refused() {
    let case = named(&SIGNED, "/cases", "ok_small_crc");
    let body = case["body"].as_str().unwrap().as_bytes();
    for index in 0..6 {
        let mut missing = pairs(case);
        let doubled = missing[index].clone();
        missing.remove(index);
        let refused = verify(&ROOM, &header_map(&missing), body);
        assert!(
            matches!(refused, Err(VerifyError::Malformed(_))),
            "{doubled:?}"
        );
        let mut twice = pairs(case);
        twice.push(doubled.clone());
        let refused = verify(&ROOM, &header_map(&twice), body);
        assert!(
            matches!(refused, Err(VerifyError::Malformed(_))),
            "{doubled:?}"
        );
    }
}

#[test]
fn an_event_that_is_too_old_or_too_new_is_refused() {
    let body = br#"{"id":"WH-1","event_type":"X"}"#;
    for (seconds, is_taken) in [
        (0, true),
        (-3 * 86_400, true),
        (-4 * 86_400, true),
        (-4 * 86_400 - 1, false),
        (300, true),
        (301, false),
    ] {
        let headers = header_map(&signed(now() + TimeDelta::seconds(seconds), body));
        let found = verify(&ROOM, &headers, body);
        if is_taken {
            assert!(found.is_ok(), "{seconds}");
        } else {
            assert_eq!(found, Err(VerifyError::OutsideWindow), "{seconds}");
        }
    }
}

#[test]
fn an_event_without_an_id_is_refused_and_one_of_an_unknown_kind_is_kept() {
    for body in [
        &b"{}"[..],
        b"[]",
        b"",
        br#"{"id":""}"#,
        br#"{"id":"a","id":"b"}"#,
    ] {
        let refused = verify(&ROOM, &header_map(&signed(now(), body)), body);
        assert!(
            matches!(refused, Err(VerifyError::Malformed(_))),
            "{body:?}"
        );
    }
    let body = br#"{"id":"WH-9","event_type":"BILLING.PLAN.CREATED","resource":{"id":"P-1"}}"#;
    let verified = verify(&ROOM, &header_map(&signed(now(), body)), body).unwrap();
    assert_eq!(verified.kind, "BILLING.PLAN.CREATED");
    let told = ROOM
        .translate(&notification(GatewayName::Paypal, body))
        .unwrap();
    assert_eq!(
        (told.payment, told.refund, told.dispute),
        (None, None, None)
    );
}

#[test]
fn a_new_certificate_counts_beside_the_old_one_and_an_unknown_address_does_not() {
    let case = named(&SIGNED, "/cases", "ok_small_crc");
    let body = case["body"].as_str().unwrap().as_bytes();
    let headers = header_map(&pairs(case));
    let other = CERT_URL.replace("CERT-", "CERT-0");
    let mut both = settings(BASE);
    let leaf = both["certificates"][0].clone();
    both["certificates"] = json!([{"url": other, "pem": leaf["pem"]}, leaf]);
    assert!(verify(&open(both), &headers, body).is_ok());
    let mut unknown = settings(BASE);
    unknown["certificates"][0]["url"] = json!(other);
    assert_eq!(
        verify(&open(unknown), &headers, body),
        Err(VerifyError::UnknownKey)
    );
}

#[test]
fn a_certificate_is_good_only_while_it_is_valid() {
    let case = named(&SIGNED, "/cases", "ok_small_crc");
    let body = case["body"].as_str().unwrap().as_bytes();
    let later = deps(now() + TimeDelta::days(40 * 365));
    let room = Paypal::try_new(&account(settings(BASE)), &later).unwrap();
    let refused = verify(&room, &header_map(&pairs(case)), body);
    assert_eq!(refused, Err(VerifyError::UnknownKey));
}

#[test]
fn every_event_vector_means_what_it_says_and_is_asked_about() {
    let cases = list(&EVENTS, "/events");
    assert_eq!(cases.len(), 8);
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
        let expected = |field: &str| case["expect"][field].as_str();
        // What becomes of the payment after a refund is for the books to say.
        let expected_payment = expected("payment").filter(|_| expected("refund").is_none());
        assert_eq!(payment, expected_payment, "{name}");
        assert_eq!(refund, expected("refund"), "{name}");
        assert_eq!(
            told.dispute.is_some(),
            expected("action") == Some("alert"),
            "{name}"
        );
        assert_eq!(told.is_to_be_asked, payment.is_some(), "{name}");
        assert_eq!(told.refund_is_hint, refund.is_some(), "{name}");
        assert_eq!(told.foreign, None, "{name}");
        let has_capture = told.refund.is_some() || told.dispute.is_some();
        let capture = has_capture.then(|| "2GG279541U471931P".to_owned());
        assert_eq!(told.unnamed, capture, "{name}");
        if let Some(report) = told.payment {
            assert_eq!(report.request_number, "TX1", "{name}");
            let order = Some("5O190127TN364715T".to_owned());
            assert_eq!(report.gateway_transaction_id, order, "{name}");
        }
    }
}

#[test]
fn a_capture_tells_amount_and_time_in_every_state() {
    let paid = ReportedPayment::Paid {
        amount: usd(1099),
        paid_at: DateTime::from_timestamp(1_767_686_428, 0),
    };
    for (status, expected) in [
        ("COMPLETED", Some(paid.clone())),
        ("PARTIALLY_REFUNDED", Some(paid.clone())),
        ("REFUNDED", Some(paid)),
        ("PENDING", Some(ReportedPayment::Unpaid)),
        ("SURPRISING", None),
    ] {
        let mut event = event("capture_completed");
        event["resource"]["status"] = json!(status);
        let told = translate(&event).map(|told| told.payment.unwrap().state);
        assert_eq!(
            told,
            expected.ok_or(TranslateError::Field("status")),
            "{status}"
        );
    }
    for kind in ["PAYMENT.CAPTURE.DECLINED", "PAYMENT.CAPTURE.DENIED"] {
        let mut event = event("capture_declined");
        event["event_type"] = json!(kind);
        let state = translate(&event).unwrap().payment.unwrap().state;
        assert!(matches!(state, ReportedPayment::Failed(_)), "{kind}");
    }
}

#[test]
fn a_refund_tells_its_state_and_paypals_number() {
    for (status, expected) in [
        ("PENDING", "processing"),
        ("COMPLETED", "succeeded"),
        ("FAILED", "failed"),
        ("CANCELLED", "failed"),
    ] {
        let mut event = event("capture_refunded_partial");
        event["resource"]["status"] = json!(status);
        let report = translate(&event).unwrap().refund.unwrap();
        let found = match report.state {
            ReportedRefund::Processing => "processing",
            ReportedRefund::Succeeded { amount, .. } => {
                assert_eq!(amount, Some(usd(500)));
                "succeeded"
            }
            ReportedRefund::Failed(_) => "failed",
            ReportedRefund::Abnormal(_) | ReportedRefund::NotFound => "other",
        };
        assert_eq!(found, expected, "{status}");
        assert_eq!(report.refund_number, "1JU08902781691411");
    }
    for broken in [
        json!("https://api.paypal.com/v2/x/1"),
        json!("no address"),
        json!(null),
    ] {
        let mut event = event("capture_refunded_partial");
        event["resource"]["links"][1]["href"] = broken.clone();
        assert!(translate(&event).is_err(), "{broken}");
    }
}

#[test]
fn an_order_of_another_merchant_is_foreign_and_one_without_our_note_is_nobodys() {
    let mut foreign = event("order_approved");
    let unit = &mut foreign["resource"]["purchase_units"][0];
    assert_eq!(unit["payee"]["merchant_id"], MERCHANT);
    unit["payee"]["merchant_id"] = json!("ZMK7Q2NPT5D8E");
    let told = translate(&foreign).unwrap();
    let found = told.foreign.unwrap();
    assert_eq!(
        (found.field, found.found.as_str()),
        ("payee.merchant_id", "ZMK7Q2NPT5D8E")
    );
    assert_eq!(told.payment, None);
    for name in ["order_approved", "capture_completed"] {
        let mut event = event(name);
        let note = [
            "/resource/custom_id",
            "/resource/purchase_units/0/custom_id",
        ];
        let note = note
            .into_iter()
            .find(|pointer| event.pointer(pointer).is_some());
        *event.pointer_mut(note.unwrap()).unwrap() = json!(null);
        assert_eq!(translate(&event).unwrap().payment, None, "{name}");
    }
}

#[test]
fn a_resource_of_an_older_form_is_asked_about() {
    let mut event = event("capture_completed");
    event.as_object_mut().unwrap().remove("resource_version");
    event["resource"]["amount"] = json!({"total": "10.99", "currency": "USD"});
    let told = translate(&event).unwrap();
    assert!(told.is_to_be_asked);
    assert_eq!(told.payment.unwrap().state, ReportedPayment::Unpaid);
}

#[test]
fn a_dispute_and_a_reversal_are_told_to_people() {
    let told = translate(&event("capture_reversed"))
        .unwrap()
        .dispute
        .unwrap();
    assert_eq!(told.state, ReportedDispute::Lost);
    assert_eq!(
        (told.amount, told.reason.as_str()),
        (Some(usd(1099)), "REVERSED")
    );
    for (outcome, expected) in [
        (json!(null), ReportedDispute::Open),
        (json!({"outcome_code": "NONE"}), ReportedDispute::Open),
        (
            json!({"outcome_code": "RESOLVED_BUYER_FAVOUR"}),
            ReportedDispute::Lost,
        ),
        (
            json!({"outcome_code": "RESOLVED_SELLER_FAVOUR"}),
            ReportedDispute::Won,
        ),
    ] {
        let event = json!({"id": "WH-1", "event_type": "CUSTOMER.DISPUTE.UPDATED",
            "resource_version": "2.0", "resource": {
            "dispute_id": "PP-D-1", "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
            "dispute_amount": {"currency_code": "USD", "value": "10.99"},
            "disputed_transactions": [{"seller_transaction_id": "2GG279541U471931P"}],
            "dispute_outcome": outcome}});
        let told = translate(&event).unwrap();
        assert_eq!(told.unnamed.as_deref(), Some("2GG279541U471931P"));
        let dispute = told.dispute.unwrap();
        assert_eq!((dispute.state, dispute.amount), (expected, Some(usd(1099))));
    }
}

#[test]
fn the_replies_are_those_that_paypal_understands() {
    for (outcome, status) in [
        (Outcome::Accepted, 200),
        (Outcome::Refused, 400),
        (Outcome::NotKept, 503),
    ] {
        let reply = ROOM.acknowledge(outcome);
        assert_eq!(
            (reply.status, reply.body, reply.content_type),
            (status, "", None)
        );
    }
    assert_eq!(
        ROOM.verify_return("token=5O1&PayerID=X"),
        Err(VerifyError::NotSigned)
    );
}
