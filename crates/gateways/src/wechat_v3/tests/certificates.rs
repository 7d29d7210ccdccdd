//! Platform certificates that are downloaded, and accounts that must not.

use chrono::TimeDelta;
use kassa_core::Clock;
use kassa_core::notification::ReportedPayment;
use serde_json::{Value, json};

use super::super::WechatV3;
use super::outbound::{answer, answer_at, placed_order, refusal};
use super::{NOW, account, deps, open, settings, vectors};
use crate::testing::{Loopback, http_response, text};
use crate::{CallError, Gateway};

const CERTIFICATES: &str = "/v3/certificates";
const UNPAID: &str =
    r#"{"mchid":"1900007291","out_trade_no":"T20260101000000000001","trade_state":"NOTPAY"}"#;

/// An account without a public key that knows another certificate than the one that signs answers here.
fn certificate_mode(base: &str) -> Value {
    let vectors = vectors();
    let mut settings = settings(base);
    settings["public_keys"] = json!([]);
    let second = "/own/platform_certificate_mode/second";
    settings["platform_certificates"] = json!([{
        "serial": text(&vectors, &format!("{second}_serial_no")),
        "pem": text(&vectors, &format!("{second}_certificate_pem")),
    }]);
    settings
}

fn certificates_response(case: &Value) -> Vec<u8> {
    let headers: Vec<(&str, &str)> = case["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    http_response(200, &headers, case["body"].as_str().unwrap().as_bytes())
}

fn delivered() -> Vec<u8> {
    certificates_response(&vectors()["own"]["certificates_download"])
}

/// A gateway that answers the question for certificates so, and every other one with an unpaid order.
async fn delivering(certificates: Vec<u8>, clock: Clock) -> Loopback {
    Loopback::start(move |request| {
        if request.target == CERTIFICATES {
            return Some(certificates.clone());
        }
        let vectors = vectors();
        let unpaid = UNPAID.replace("1900007291", text(&vectors, "/own/mchid"));
        Some(answer_at(200, &unpaid, clock.now().timestamp()))
    })
    .await
}

fn downloads(server: &Loopback) -> usize {
    let requests = server.requests();
    let asked = requests.iter().filter(|it| it.target == CERTIFICATES);
    asked.count()
}

async fn answering(response: Vec<u8>) -> (WechatV3, Loopback) {
    let server = Loopback::start(move |_request| Some(response.clone())).await;
    (open(certificate_mode(&server.url("")), NOW), server)
}

#[tokio::test]
async fn delivered_certificates_verify_their_own_answer() {
    let vectors = vectors();
    let case = &vectors["own"]["certificates_download"];
    let (gateway, server) = answering(certificates_response(case)).await;
    let certificates = gateway.download_certificates().await.unwrap();
    assert_eq!(server.requests()[0].target, CERTIFICATES);
    let expected = case["expect"].as_object().unwrap();
    assert_eq!(certificates.len(), expected.len());
    for (serial, pem) in expected {
        assert_eq!(certificates[serial].pem, pem.as_str().unwrap());
        assert!(certificates[serial].effective_at < certificates[serial].expires_at);
    }
}

#[tokio::test]
async fn certificates_that_do_not_verify_or_open_are_not_taken() {
    let good = String::from_utf8(delivered()).unwrap();
    let resigned = good.replace("2031-01-01T00:00:00+08:00", "2032-01-01T00:00:00+08:00");
    assert_ne!(good, resigned);
    let (gateway, _server) = answering(resigned.into_bytes()).await;
    assert!(matches!(
        gateway.download_certificates().await,
        Err(CallError::Unknown(_))
    ));

    let vectors = vectors();
    let other = text(&vectors, "/official_go_sdk/certificates_download/body");
    let (gateway, _server) = answering(answer(200, other)).await;
    assert!(matches!(
        gateway.download_certificates().await,
        Err(CallError::Misconfigured(_))
    ));

    let (gateway, _server) = answering(refusal(404, "RESOURCE_NOT_EXISTS")).await;
    assert!(matches!(
        gateway.download_certificates().await,
        Err(CallError::Refused(_))
    ));
}

#[tokio::test]
async fn an_answer_signed_with_an_unknown_certificate_is_judged_with_the_downloaded_ones() {
    let deps = deps(NOW);
    let server = delivering(delivered(), deps.clock.clone()).await;
    let config = account(certificate_mode(&server.url("")));
    let gateway = WechatV3::try_new(&config, &deps).unwrap();
    for _ in 0..2 {
        let report = gateway.query(&placed_order()).await.unwrap();
        assert_eq!(report.state, ReportedPayment::Unpaid);
    }
    assert_eq!(downloads(&server), 1);
    assert_eq!(server.requests().len(), 3, "the question is not repeated");
}

#[tokio::test]
async fn certificates_that_do_not_help_are_asked_for_every_ten_minutes_at_most() {
    let deps = deps(NOW);
    let server = delivering(refusal(404, "RESOURCE_NOT_EXISTS"), deps.clock.clone()).await;
    let config = account(certificate_mode(&server.url("")));
    let gateway = WechatV3::try_new(&config, &deps).unwrap();
    for (minutes, expected) in [(0, 1), (1, 1), (8, 1), (1, 2), (1, 2)] {
        deps.clock.advance(TimeDelta::minutes(minutes));
        // Refused certificates refuse nothing else.
        let outcome = gateway.query(&placed_order()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(downloads(&server), expected);
    }
}

#[tokio::test]
async fn an_account_with_a_public_key_never_asks_for_certificates() {
    let deps = deps(NOW);
    let server = delivering(delivered(), deps.clock.clone()).await;
    let mut mixed = settings(&server.url(""));
    mixed["platform_certificates"] = json!([]);
    let gateway = WechatV3::try_new(&account(mixed), &deps).unwrap();
    let outcome = gateway.query(&placed_order()).await;
    assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
    let refused = gateway.download_certificates().await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    assert_eq!(downloads(&server), 0);
}
