//! Start, stop, the control API over HTTP, and what is never printed.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    CallFault, FaultRule, Keys, Operation, Sandbox, SandboxConfig, SandboxError, system_clock,
    testing::{Bed, wechat_headers},
};

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let mut config = SandboxConfig::for_testing(system_clock()).unwrap();
    config.listen = "0.0.0.0:0".parse().unwrap();
    let refused = Sandbox::start(config).await.unwrap_err();
    assert!(matches!(refused, SandboxError::NotLoopback(_)));
}

#[tokio::test]
async fn a_stopped_sandbox_listens_no_more_and_lets_hanging_calls_go() {
    let bed = Bed::start().await;
    let url = format!("{}/control/books", bed.sandbox.base_url());
    assert_eq!(bed.http.get(&url).send().await.unwrap().status(), 200);
    let (http, control) = (bed.http.clone(), bed.control.clone());
    let hang = CallFault::Hang {
        for_ms: None,
        accepted: true,
    };
    control
        .add_fault(FaultRule::call_once("T00001", Operation::Create, hang))
        .unwrap();
    let body = bed.wechat_biz("T00001", 100).to_string();
    let path = "/v3/pay/transactions/native";
    let headers = wechat_headers(bed.wechat(), bed.now(), ("POST", path, &body));
    let mut request = http
        .post(format!("{}{path}", bed.sandbox.base_url()))
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let hanging = tokio::spawn(request.send());
    bed.until(|| control.order("T00001").is_ok()).await;
    bed.sandbox.stop().await;
    assert_eq!(hanging.await.unwrap().unwrap().status(), 200);
    assert!(http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn the_control_api_does_over_http_what_the_handle_does() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    let base = format!("{}/control", bed.sandbox.base_url());
    let post = |path: &str, body: Value| {
        let request = bed.http.post(format!("{base}{path}"));
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        async move {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            (status, body)
        }
    };
    let get = |path: &str| {
        let request = bed.http.get(format!("{base}{path}"));
        async move {
            let answer = request.send().await.unwrap();
            serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap()
        }
    };
    let rule = json!({
        "scope": {"order": "T00001"},
        "times": 1,
        "fault": {"callback": {"duplicate": {"copies": 1}}},
    });
    assert_eq!(post("/faults", rule.clone()).await.0, 200);
    assert_eq!(get("/faults").await, json!([rule]));
    let (status, paid) = post("/orders/T00001/pay", Value::Null).await;
    assert_eq!((status, &paid["state"]), (200, &json!("paid")));
    assert_eq!(post("/orders/T00001/pay", Value::Null).await.0, 409);
    assert_eq!(post("/orders/T00002/pay", Value::Null).await.0, 404);
    let (_, delivered) = post("/deliver", Value::Null).await;
    assert_eq!(delivered.as_array().unwrap().len(), 2);
    let (status, refund) = post("/orders/T00001/console-refund", json!({"amount": "0.40"})).await;
    assert_eq!((status, &refund["amount_minor"]), (200, &json!(40)));
    let number = refund["out_refund_no"].as_str().unwrap();
    let settle = format!("/refunds/{number}/settle");
    assert_eq!(
        post(&settle, json!({"outcome": "success"})).await.1["status"],
        "success"
    );
    assert_eq!(
        post("/callbacks/0/replay", Value::Null).await.1["acknowledged"],
        true
    );
    assert_eq!(get("/callbacks").await.as_array().unwrap().len(), 3);
    let books = get("/books").await;
    assert_eq!(
        (&books[0]["paid_minor"], &books[0]["refunded_minor"]),
        (&json!(100), &json!(40))
    );
    assert_eq!(get("/calls").await[0]["operation"], "create");
    assert_eq!(get("/orders").await[0]["out_trade_no"], "T00001");
}

#[tokio::test]
async fn the_control_api_is_not_for_other_web_pages() {
    let bed = Bed::start().await;
    let url = format!("{}/control/books", bed.sandbox.base_url());
    for (name, value, status) in [
        ("origin", "https://elsewhere.example", 403),
        ("origin", "null", 403),
        ("host", "elsewhere.example", 403),
        ("origin", bed.sandbox.base_url(), 200),
    ] {
        let answer = bed.http.get(&url).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), status, "{name}: {value}");
    }
}

#[test]
fn credentials_and_settings_print_no_secret() {
    let keys = Keys::for_tests().unwrap();
    let (plain, secure) = ("http://127.0.0.1:1", "https://127.0.0.1:2");
    let credentials = crate::accounts::credentials(&keys, plain, secure).unwrap();
    let mut config = SandboxConfig::new(keys);
    config.clock = Arc::new(|| chrono::DateTime::UNIX_EPOCH);
    let printed = format!("{credentials:?}{config:?}");
    assert!(!printed.contains("PRIVATE"));
    assert!(!printed.contains(&credentials.wechat.apiv3_key));
    assert!(!printed.contains(&credentials.wechat_v2.api_key));
    assert!(!printed.contains(&credentials.baidu.client_secret));
    assert!(printed.contains("2021000000000001"));
}
