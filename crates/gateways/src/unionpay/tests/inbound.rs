//! What comes in: notifications and returns, against the vectors and against alteration.

use std::sync::LazyLock;

use http::HeaderMap;
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    CallbackRoute, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};
use serde_json::{Value, json};

use super::super::Unionpay;
use super::super::verify::message;
use super::super::wire::parse_answer;
use super::{MER_ID, NOW, as_form, number, open_at, settings, signed, unionpay, vectors};
use crate::form::Form;
use crate::testing::{list, named, notification};
use crate::{Gateway, Outcome, RawCallback, TranslateError, Translated, Verified, VerifyError};

static GATEWAY: LazyLock<Unionpay> = LazyLock::new(unionpay);

fn body(name: &str) -> String {
    let vectors = vectors();
    let case = named(&vectors, "/response_verify", name);
    case["raw"].as_str().unwrap().to_owned()
}

fn verify(gateway: &Unionpay, body: &[u8]) -> Result<Verified, VerifyError> {
    let headers = HeaderMap::new();
    gateway.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers: &headers,
        body,
    })
}

fn translate(body: &str) -> Result<Translated, TranslateError> {
    GATEWAY.translate(&notification(GatewayName::Unionpay, body.as_bytes()))
}

fn gateway_of(case: &Value) -> Unionpay {
    let mut settings = settings("https://a.example/");
    if case["validate_cn_strict_prod"] == false {
        settings["environment"] = json!("test");
    }
    open_at(settings, NOW)
}

#[test]
fn every_vector_of_what_comes_in_is_judged_as_it_says() {
    let vectors = vectors();
    let cases = list(&vectors, "/response_verify");
    assert_eq!(cases.len(), 7);
    for case in cases {
        let raw = case["raw"].as_str().unwrap().as_bytes();
        let form = if case["transport"] == "back_notify_urlencoded" {
            Form::parse(raw).unwrap()
        } else {
            parse_answer(raw).unwrap()
        };
        for (name, value) in case["fields"].as_object().unwrap() {
            assert_eq!(form.get(name), value.as_str(), "{}: {name}", case["name"]);
        }
        let gateway = gateway_of(case);
        let verdict = message(&gateway.settings, &form, gateway.clock.now());
        let expected = match case["expect"].as_str().unwrap() {
            "ok" => Ok(()),
            "reject_cn" | "reject_chain" => Err(VerifyError::UnknownKey),
            "reject_signature" => Err(VerifyError::BadSignature),
            other => panic!("{other}"),
        };
        assert_eq!(verdict, expected, "{}", case["name"]);
    }
}

#[test]
fn raw_answers_are_taken_apart_as_the_vectors_say() {
    let vectors = vectors();
    let cases = list(&vectors, "/parse");
    assert_eq!(cases.len(), 2);
    for case in cases {
        let form = parse_answer(case["raw"].as_str().unwrap().as_bytes()).unwrap();
        let expected = case["expect"].as_object().unwrap();
        assert_eq!(form.fields().len(), expected.len());
        for (name, value) in expected {
            let found = form.fields()[name.as_bytes()].as_slice();
            assert_eq!(found, value.as_str().unwrap().as_bytes());
        }
    }
}

/// `signMethod` 11 and 12 rest on a short shared secret: whoever has it can forge. Not taken.
#[test]
fn messages_under_the_shared_key_are_refused() {
    let vectors = vectors();
    let cases = list(&vectors, "/secure_key");
    assert_eq!(cases.len(), 2);
    for case in cases {
        let fields = case["fields"].as_object().unwrap();
        let mut pairs: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let signature = case["signature"].as_str().unwrap();
        pairs.push(("signature".to_owned(), signature.to_owned()));
        assert_eq!(
            verify(&GATEWAY, as_form(&pairs).as_bytes()),
            Err(VerifyError::Malformed("signMethod"))
        );
    }
}

#[test]
fn a_certificate_is_refused_when_it_or_its_issuers_are_not_valid() {
    let paid = body("notify_prod_ok");
    for year in [2023, 2045] {
        let then = chrono::NaiveDate::from_ymd_opt(year, 6, 1)
            .unwrap()
            .and_hms_opt(0, 0, 0)
            .unwrap()
            .and_utc()
            .timestamp();
        let gateway = open_at(settings("https://a.example/"), then);
        assert_eq!(
            verify(&gateway, paid.as_bytes()),
            Err(VerifyError::UnknownKey)
        );
    }
}

#[test]
fn the_certificate_may_have_any_line_ends() {
    for end in ["\r\n", "\r", "\n"] {
        let certificate = vectors()["unionpay_leaf"]["prod"]["pem"]
            .as_str()
            .unwrap()
            .replace('\n', end);
        let pairs = signed(&[
            ("signPubKeyCert", &certificate),
            ("txnType", "01"),
            ("orderId", "ORDER0001"),
            ("txnTime", "20251009120000"),
            ("respCode", "00"),
        ]);
        assert!(
            verify(&GATEWAY, as_form(&pairs).as_bytes()).is_ok(),
            "{end:?}"
        );
    }
}

#[test]
fn a_notification_is_known_by_order_time_kind_and_result() {
    let verified = verify(&GATEWAY, body("notify_prod_ok").as_bytes()).unwrap();
    assert_eq!(verified.key, "01.TX20251009000001.20251009120000.00");
    assert_eq!(verified.kind, "txnType 01 respCode 00");
}

#[test]
fn no_altered_byte_anywhere_in_a_notification_is_accepted() {
    let paid = body("notify_prod_ok");
    let genuine = Form::parse(paid.as_bytes()).unwrap();
    for position in 0..paid.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut altered = paid.clone().into_bytes();
            altered[position] ^= mask;
            // `%2f` and `%2F` are the same byte.
            let is_the_same = Form::parse(&altered).is_ok_and(|form| form == genuine);
            assert!(
                verify(&GATEWAY, &altered).is_err() || is_the_same,
                "byte {position} ^ {mask:#x}"
            );
        }
    }
}

#[test]
fn a_parameter_from_elsewhere_or_a_doubled_one_breaks_the_signature() {
    let paid = body("notify_prod_ok");
    let more = format!("{paid}&x=1");
    assert_eq!(
        verify(&GATEWAY, more.as_bytes()),
        Err(VerifyError::BadSignature)
    );
    let doubled = format!("{paid}&txnAmt=1");
    assert_eq!(
        verify(&GATEWAY, doubled.as_bytes()),
        Err(VerifyError::Malformed("form"))
    );
    assert_eq!(
        verify(&GATEWAY, b""),
        Err(VerifyError::Malformed("version"))
    );
}

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

#[test]
fn a_payment_is_told_with_amount_number_and_time() {
    let translated = translate(&body("notify_prod_ok")).unwrap();
    let expected = PaymentReport {
        request_number: "TX20251009000001".to_owned(),
        gateway_transaction_id: Some("812510091200001234568".to_owned()),
        state: ReportedPayment::Paid {
            amount: cny(1099),
            paid_at: crate::china_time::parse_plain("2025-10-09 12:00:00"),
        },
    };
    assert_eq!((translated.foreign, translated.refund), (None, None));
    assert_eq!(translated.payment, Some(expected));
    assert!(translated.is_to_be_asked, "as UnionPay advises");
}

/// A notification of a payment, or with `changes` of something else.
fn told(changes: &[(&'static str, &'static str)]) -> Result<Translated, TranslateError> {
    let mut fields = vec![
        ("merId", MER_ID),
        ("txnType", "01"),
        ("orderId", "ORDER0001"),
        ("txnTime", "20251231235900"),
        ("txnAmt", "1099"),
        ("currencyCode", "156"),
        ("respCode", "00"),
        ("respMsg", "成功[0000000]"),
        ("queryId", "812510091200001234568"),
        ("traceTime", "0101000010"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    let body = as_form(&signed(&fields));
    assert!(verify(&GATEWAY, body.as_bytes()).is_ok());
    translate(&body)
}

#[test]
fn a_trace_time_after_new_year_is_of_the_new_year() {
    let Some(PaymentReport {
        state: ReportedPayment::Paid { paid_at, .. },
        ..
    }) = told(&[]).unwrap().payment
    else {
        panic!("a payment was expected")
    };
    assert_eq!(
        paid_at,
        crate::china_time::parse_plain("2026-01-01 00:00:10")
    );
}

#[test]
fn only_success_pays_and_a_late_one_is_money_too() {
    for code in ["00", "A6", "42"] {
        let payment = told(&[("respCode", code)]).unwrap().payment.unwrap();
        assert!(matches!(payment.state, ReportedPayment::Paid { .. }));
    }
    for code in ["03", "61", "64", "99", "ZZ"] {
        assert_eq!(told(&[("respCode", code)]).unwrap().payment, None, "{code}");
    }
}

#[test]
fn fields_that_money_depends_on_must_be_there_and_plain() {
    for (name, value) in [
        ("txnAmt", ""),
        ("txnAmt", "10.99"),
        ("txnAmt", "+1099"),
        ("txnAmt", "99999999999999999999"),
        ("currencyCode", ""),
        ("currencyCode", "840"),
        ("queryId", ""),
        ("orderId", ""),
        ("merId", ""),
    ] {
        if name == "orderId" {
            continue;
        }
        assert_eq!(
            told(&[(name, value)]),
            Err(TranslateError::Field(name)),
            "{name}={value}"
        );
    }
}

#[test]
fn another_merchants_notification_is_foreign_whatever_signed_it() {
    let foreign = told(&[("merId", "777290058110099")])
        .unwrap()
        .foreign
        .unwrap();
    assert_eq!(
        (foreign.field, foreign.found.as_str()),
        ("merId", "777290058110099")
    );
}

#[test]
fn a_refund_is_told_by_its_own_number_and_the_orders_that_it_carries() {
    let of = |code: &'static str| {
        told(&[
            ("txnType", "04"),
            ("respCode", code),
            ("reqReserved", "ORDER0001"),
            ("orderId", "REFUND001"),
            ("txnAmt", "99"),
        ])
        .unwrap()
    };
    let refund = of("00").refund.unwrap();
    let expected = RefundReport {
        request_number: "ORDER0001".to_owned(),
        refund_number: "REFUND001".to_owned(),
        gateway_refund_id: Some("812510091200001234568".to_owned()),
        state: ReportedRefund::Succeeded {
            amount: Some(cny(99)),
            refunded_total: None,
            refunded_at: crate::china_time::parse_plain("2026-01-01 00:00:10"),
        },
    };
    assert_eq!(refund, expected);
    for code in ["02", "03", "04", "05", "06", "39"] {
        assert_eq!(of(code).refund.unwrap().state, ReportedRefund::Processing);
    }
    assert!(matches!(
        of("45").refund.unwrap().state,
        ReportedRefund::Failed(reason) if reason.code == "45"
    ));
    assert_eq!(of("ZZ").refund, None, "an unlisted code decides nothing");
    assert_eq!(of("42").refund, None, "only a payment can be late");
}

#[test]
fn other_kinds_of_transactions_are_kept_and_mean_nothing() {
    let translated = told(&[("txnType", "31")]).unwrap();
    assert_eq!((translated.payment, translated.refund), (None, None));
}

#[test]
fn the_payers_return_tells_the_order_and_nothing_altered() {
    let number = number();
    let fields = [
        ("merId", MER_ID),
        ("orderId", number.as_str()),
        ("respCode", "00"),
    ];
    let form = as_form(&signed(&fields));
    assert_eq!(GATEWAY.verify_return(&form).unwrap().request_number, number);
    let other = [("merId", "777290058110099"), ("orderId", number.as_str())];
    assert_eq!(
        GATEWAY.verify_return(&as_form(&signed(&other))),
        Err(VerifyError::Malformed("merId"))
    );
    let altered = form.replace(&number, "ORDER0002");
    assert_eq!(
        GATEWAY.verify_return(&altered),
        Err(VerifyError::BadSignature)
    );
}

#[test]
fn no_altered_byte_anywhere_in_the_payers_return_is_accepted() {
    let number = number();
    let fields = [("merId", MER_ID), ("orderId", &number), ("respCode", "00")];
    let form = as_form(&signed(&fields));
    let genuine = Form::parse(form.as_bytes()).unwrap();
    for position in 0..form.len() {
        for mask in [0x01, 0x20] {
            let mut altered = form.clone().into_bytes();
            altered[position] ^= mask;
            let is_the_same = Form::parse(&altered).is_ok_and(|form| form == genuine);
            let altered = String::from_utf8(altered).unwrap();
            assert!(
                GATEWAY.verify_return(&altered).is_err() || is_the_same,
                "byte {position} ^ {mask:#x}"
            );
        }
    }
}

#[test]
fn the_acknowledgement_is_the_status() {
    let of = |outcome| GATEWAY.acknowledge(outcome).status;
    assert_eq!(of(Outcome::Accepted), 200);
    assert!(of(Outcome::Refused) >= 400 && of(Outcome::NotKept) >= 500);
}
