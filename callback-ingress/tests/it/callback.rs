//! Genuine callbacks are taken to the byte, altered ones are refused, and nothing is acknowledged
//! before it is kept.

use kassa_core::channel::{Channel, GatewayName};
use kassa_core::notification::CallbackRoute;

use crate::support::TestIngress;
use crate::support::alter::{another_letter, another_value, means_the_same, refuses_alterations};
use crate::support::client::{Answer, Client, request};
use crate::support::queue::Mode;
use crate::support::vectors::{
    ALIPAY_PATH, alipay_callbacks, alipay_paid, wechat_callbacks, wechat_paid,
};

const WECHAT_REFUSED: &str = r#"{"code":"FAIL","message":"refused"}"#;

fn assert_alipay_accepted(answer: &Answer, name: &str) {
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "success"),
        "{name}"
    );
    assert_eq!(answer.header("content-type"), Some("text/plain"), "{name}");
    assert_eq!(answer.header("content-length"), Some("7"), "{name}");
}

fn assert_wechat_accepted(answer: &Answer, name: &str) {
    assert!(matches!(answer.status, 200 | 204), "{name}: {answer:?}");
    assert!(answer.body.is_empty(), "{name}");
}

#[tokio::test]
async fn genuine_alipay_notifications_are_kept_and_answered_with_success() {
    let ingress = TestIngress::start().await;
    let mut genuine = 0;
    for callback in alipay_callbacks() {
        let answer = ingress.post(&callback).await;
        if callback.is_genuine {
            genuine += 1;
            assert_alipay_accepted(&answer, &callback.name);
            let kept = ingress.queue.notifications();
            assert_eq!(kept.len(), genuine, "{}", callback.name);
            assert_eq!(kept[genuine - 1].1, callback.body, "{}", callback.name);
        } else {
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (400, "fail"),
                "{}",
                callback.name
            );
        }
    }
    assert!(genuine >= 9);
    assert_eq!(ingress.queue.notifications().len(), genuine);
}

#[tokio::test]
async fn genuine_wechat_notifications_are_kept_and_answered_with_an_empty_success() {
    let ingress = TestIngress::start().await;
    for (number, callback) in wechat_callbacks().iter().enumerate() {
        let answer = ingress.post(callback).await;
        assert_wechat_accepted(&answer, &callback.name);
        let kept = ingress.queue.notifications();
        assert_eq!(kept.len(), number + 1, "{}", callback.name);
        assert_eq!(kept[number].1, callback.body, "{}", callback.name);
    }
}

#[tokio::test]
async fn a_kept_notification_says_who_verified_it_and_how_it_came() {
    let ingress = TestIngress::start().await;
    ingress.post(&wechat_paid()).await;
    let (message, _) = ingress.queue.notifications().remove(0);
    let account = ingress
        .accounts
        .find_by_code(Channel::WechatPay, "wechat-main")
        .unwrap();
    assert_eq!(message.channel_account_id, account.account.id);
    assert_eq!(
        (message.gateway, message.route),
        (GatewayName::WechatV3, CallbackRoute::Payment)
    );
    assert_eq!(message.key, "EV-2026010108150000001");
    assert_eq!(message.received_at, ingress.clock.now());
    assert!(
        message
            .headers
            .keys()
            .all(|name| *name == name.to_lowercase())
    );
}

#[tokio::test]
async fn a_repeat_is_kept_again_under_the_same_key_and_another_id() {
    let ingress = TestIngress::start().await;
    for _ in 0..2 {
        assert_alipay_accepted(&ingress.post(&alipay_paid()).await, "repeat");
    }
    let kept = ingress.queue.notifications();
    assert_eq!(kept[0].0.key, kept[1].0.key);
    assert_ne!(kept[0].0.id, kept[1].0.id);
}

#[tokio::test]
async fn a_disabled_account_still_takes_callbacks() {
    let ingress = TestIngress::with(|_| {}, |account| account.is_active = false).await;
    assert_alipay_accepted(&ingress.post(&alipay_paid()).await, "disabled");
}

#[tokio::test]
async fn the_broker_being_away_is_answered_with_failure_and_the_repeat_succeeds() {
    let ingress = TestIngress::start().await;
    ingress.queue.set(Mode::Fail);
    let answer = ingress.post(&alipay_paid()).await;
    assert_eq!((answer.status, answer.text().as_str()), (503, "fail"));
    let answer = ingress.post(&wechat_paid()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(ingress.queue.notifications().is_empty());

    ingress.queue.set(Mode::Confirm);
    assert_alipay_accepted(&ingress.post(&alipay_paid()).await, "repeat");
    assert_wechat_accepted(&ingress.post(&wechat_paid()).await, "repeat");
    assert_eq!(ingress.queue.notifications().len(), 2);
}

#[tokio::test]
async fn a_broker_that_does_not_confirm_in_time_is_answered_with_failure() {
    let ingress = TestIngress::with_options(|options| {
        options.publish_timeout = std::time::Duration::from_millis(50);
    })
    .await;
    ingress.queue.set(Mode::Hold);
    let answer = ingress.post(&alipay_paid()).await;
    assert_eq!((answer.status, answer.text().as_str()), (503, "fail"));
}

/// The guard of promise P1: publishing is awaited before the answer is written. Other requests are
/// served meanwhile, so an answer that was written too early would have arrived.
#[tokio::test]
async fn nothing_is_acknowledged_before_the_broker_has_confirmed() {
    let ingress = TestIngress::start().await;
    ingress.queue.set(Mode::Hold);
    let mut gateway = Client::connect(ingress.address).await;
    gateway.send(&alipay_paid().request()).await;
    ingress.queue.arrival().await;
    for _ in 0..20 {
        assert_eq!(ingress.get("/elsewhere", &[]).await.status, 404);
        assert!(!gateway.has_answer(), "answered before the confirm");
    }
    ingress.queue.release();
    assert_alipay_accepted(&gateway.answer().await.unwrap(), "released");
    assert_eq!(ingress.queue.notifications().len(), 1);
}

#[tokio::test]
async fn the_trace_of_a_trusted_proxy_travels_with_the_notification() {
    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let guard = runtime::telemetry::init(
        &runtime::config::TelemetryConfig::for_testing(),
        "callback-ingress-tests",
    )
    .unwrap();
    for (is_trusted, trace_id) in [
        (true, Some("0af7651916cd43dd8448eb211c80319c")),
        (false, None),
    ] {
        let ingress = TestIngress::with_options(|options| {
            let networks: &[&str] = if is_trusted { &["127.0.0.0/8"] } else { &[] };
            options.trusted_proxies = networks.iter().map(|n| n.parse().unwrap()).collect();
        })
        .await;
        let mut callback = alipay_paid();
        callback
            .headers
            .push(("traceparent".to_owned(), TRACEPARENT.to_owned()));
        assert_alipay_accepted(&ingress.post(&callback).await, "traced");
        let envelope = ingress
            .queue
            .confirmed(runtime::queue::QueueName::Notifications)
            .remove(0);
        let traceparent = envelope.trace.traceparent().expect("a trace").to_owned();
        let carried = traceparent.split('-').nth(1).unwrap();
        assert_eq!(
            carried == "0af7651916cd43dd8448eb211c80319c",
            trace_id.is_some()
        );
    }
    guard.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_alipay_body_with_an_altered_byte_is_refused() {
    let original = alipay_paid();
    let body = original.body.clone();
    refuses_alterations(
        &original,
        |answer| answer.text() == "success",
        |callback, position, change| {
            another_value(&mut callback.body, position, change);
            if means_the_same(&callback.body, &body) {
                callback.body.clone_from(&body);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_wechat_body_with_an_altered_byte_is_refused() {
    refuses_alterations(
        &wechat_paid(),
        |answer| matches!(answer.status, 200 | 204),
        |callback, position, change| another_value(&mut callback.body, position, change),
    )
    .await;
}

#[tokio::test]
async fn a_wechat_callback_with_an_altered_signed_header_is_refused() {
    for name in [
        "wechatpay-serial",
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-signature",
    ] {
        refuses_alterations(
            &wechat_paid(),
            |answer| matches!(answer.status, 200 | 204),
            |callback, position, change| {
                another_letter(callback.header_mut(name), position, change);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_missing_signed_header_is_refused_in_the_gateways_words() {
    let ingress = TestIngress::start().await;
    for name in [
        "wechatpay-serial",
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-signature",
    ] {
        let mut callback = wechat_paid();
        callback
            .headers
            .retain(|(header, _)| !header.eq_ignore_ascii_case(name));
        let answer = ingress.post(&callback).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (401, WECHAT_REFUSED),
            "{name}"
        );
    }
    assert!(ingress.queue.notifications().is_empty());
}

#[tokio::test]
async fn a_wechat_callback_outside_the_time_window_is_refused() {
    let ingress = TestIngress::start().await;
    ingress.clock.advance(chrono::TimeDelta::seconds(301));
    assert_eq!(ingress.post(&wechat_paid()).await.status, 401);
    assert!(ingress.queue.notifications().is_empty());
}

#[tokio::test]
async fn a_callback_for_another_gateways_account_is_refused() {
    let ingress = TestIngress::start().await;
    let mut callback = wechat_paid();
    callback.path = ALIPAY_PATH;
    assert_eq!(ingress.post(&callback).await.text(), "fail");
    assert!(ingress.queue.notifications().is_empty());
}

#[tokio::test]
async fn unknown_paths_accounts_and_methods_get_a_bare_status() {
    let ingress = TestIngress::start().await;
    let body = alipay_paid().body;
    for (method, target, status) in [
        ("POST", "/callbacks/alipay/nobody/payment", 404),
        ("POST", "/callbacks/wechat_pay/alipay-main/payment", 404),
        ("POST", "/callbacks/alipay/alipay-main/chargeback", 404),
        ("POST", "/", 404),
        ("GET", ALIPAY_PATH, 405),
        ("PUT", ALIPAY_PATH, 405),
        ("PUT", "/return/alipay/alipay-main", 405),
    ] {
        let answer = ingress
            .send(&request(method, target, &[], &body))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{method} {target}");
        assert!(answer.body.is_empty(), "{method} {target}");
    }
    let answer = ingress.get(ALIPAY_PATH, &[]).await;
    assert_eq!(answer.header("allow"), Some("POST"));
    assert!(ingress.queue.notifications().is_empty());
}

/// WeChat Pay posts tests of whether the merchant verifies (sheet §10): they are refused as any forgery, and
/// counted apart from forgeries.
#[tokio::test]
async fn a_signature_probe_is_refused_and_counted_and_the_genuine_one_after_it_is_kept() {
    runtime::telemetry::metrics::handle();
    let ingress = TestIngress::start().await;
    let mut probe = wechat_paid();
    let signature = probe.header_mut("wechatpay-signature");
    let tail = signature.split_off("WECHATPAY/SIGNTEST/".len());
    *signature = format!("WECHATPAY/SIGNTEST/{tail}");
    let answer = ingress.post(&probe).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (401, WECHAT_REFUSED)
    );
    assert!(ingress.queue.notifications().is_empty());
    let metrics = runtime::telemetry::metrics::render();
    let labels = r#"channel="WECHAT_PAY",account="wechat-main",outcome="signature_probe""#;
    let line = format!("kassa_ingress_callbacks_total{{{labels}}}");
    assert!(metrics.contains(&line), "{line} in {metrics}");

    let answer = ingress.post(&wechat_paid()).await;
    assert_wechat_accepted(&answer, "the genuine one");
    assert_eq!(ingress.queue.notifications().len(), 1);
}

#[tokio::test]
async fn every_callback_is_counted_by_channel_account_and_outcome() {
    runtime::telemetry::metrics::handle();
    let ingress = TestIngress::start().await;
    ingress.post(&alipay_paid()).await;
    let mut altered = wechat_paid();
    altered.body.push(b' ');
    ingress.post(&altered).await;
    let metrics = runtime::telemetry::metrics::render();
    for labels in [
        r#"channel="ALIPAY",account="alipay-main",outcome="accepted""#,
        r#"channel="WECHAT_PAY",account="wechat-main",outcome="bad_signature""#,
    ] {
        let line = format!("kassa_ingress_callbacks_total{{{labels}}}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    assert!(
        metrics.contains("kassa_ingress_callback_seconds_bucket"),
        "{metrics}"
    );
}
