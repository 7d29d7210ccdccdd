//! WeChat Pay's protocol through the sandbox's own door.

use serde_json::{Value, json};

use super::sign;
use crate::{
    ControlError, OrderState, RefundOutcome,
    crypto::open,
    testing::{Bed, wechat_headers},
};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_malformed_authorization_header_is_not_read() {
    let good = "WECHATPAY2-SHA256-RSA2048 mchid=\"1\",nonce_str=\"n\",signature=\"a+/=\",\
                timestamp=\"2\",serial_no=\"3\"";
    assert!(sign::Authorization::parse(good).is_some());
    for bad in [
        good.replace("RSA2048 ", "RSA2048"),
        good.replace("SHA256", "SM3"),
        good.replace("mchid", "appid"),
        good.replace("\"n\"", "n"),
        good.replace(",serial_no=\"3\"", ""),
        format!("{good},mchid=\"1\""),
        format!("{good},more=\"1\""),
    ] {
        assert_eq!(sign::Authorization::parse(&bad), None, "{bad}");
    }
}

const NATIVE: &str = "/v3/pay/transactions/native";

#[tokio::test]
async fn a_request_with_an_altered_signature_is_refused() {
    let bed = Bed::start().await;
    let body = bed.wechat_biz("T00001", 100).to_string();
    let mut headers = wechat_headers(bed.wechat(), bed.now(), ("POST", NATIVE, &body));
    headers[0].1 = headers[0].1.replacen("signature=\"", "signature=\"A", 1);
    let answer = bed
        .wechat_send(bed.wechat(), ("POST", NATIVE, body), headers)
        .await;
    assert_eq!(answer.outcome(), "401 SIGN_ERROR");
    assert!(answer.serial.is_none(), "refusals are not signed");
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn a_request_with_an_altered_amount_is_refused() {
    let bed = Bed::start().await;
    let body = bed.wechat_biz("T00001", 100).to_string();
    let headers = wechat_headers(bed.wechat(), bed.now(), ("POST", NATIVE, &body));
    let altered = body.replace(":100", ":101");
    assert_ne!(altered, body);
    let answer = bed
        .wechat_send(bed.wechat(), ("POST", NATIVE, altered), headers)
        .await;
    assert_eq!(answer.outcome(), "401 SIGN_ERROR");
    for bad in [json!(0), json!(-1), json!(1.5), json!("100")] {
        let mut body = bed.wechat_biz("T00001", 100);
        body["amount"]["total"] = bad;
        let answer = bed.wechat_call("POST", NATIVE, &body).await;
        assert_eq!(answer.outcome(), "400 PARAM_ERROR");
        assert_eq!(answer.body["detail"]["field"], "/amount/total");
    }
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn a_request_without_a_required_field_is_refused() {
    let bed = Bed::start().await;
    for name in [
        "appid",
        "mchid",
        "description",
        "out_trade_no",
        "notify_url",
        "amount",
    ] {
        let mut body = bed.wechat_biz("T00001", 100);
        body.as_object_mut().unwrap().remove(name);
        let answer = bed.wechat_call("POST", NATIVE, &body).await;
        assert_eq!(answer.outcome(), "400 PARAM_ERROR");
        assert_eq!(answer.body["detail"]["field"], format!("/{name}"));
    }
    let body = bed.wechat_biz("T00001", 100);
    let jsapi = bed
        .wechat_call("POST", "/v3/pay/transactions/jsapi", &body)
        .await;
    assert_eq!(jsapi.body["detail"]["field"], "/payer");
}

#[tokio::test]
async fn unknown_fields_and_bad_values_get_the_gateways_own_error() {
    let bed = Bed::start().await;
    for (name, value, outcome) in [
        ("surprise", json!(1), "400 PARAM_ERROR"),
        ("out_trade_no", json!("short"), "400 PARAM_ERROR"),
        ("out_trade_no", json!("has space"), "400 PARAM_ERROR"),
        ("description", json!("d".repeat(128)), "400 PARAM_ERROR"),
        (
            "notify_url",
            json!("http://example.com/x"),
            "400 PARAM_ERROR",
        ),
        (
            "notify_url",
            json!("https://example.com/x?a=1"),
            "400 PARAM_ERROR",
        ),
        (
            "time_expire",
            json!("2026-01-01 09:00:00"),
            "400 PARAM_ERROR",
        ),
        (
            "time_expire",
            json!("2025-12-31T09:00:00+08:00"),
            "400 PARAM_ERROR",
        ),
        (
            "appid",
            json!("wx0000000000000000"),
            "400 APPID_MCHID_NOT_MATCH",
        ),
        ("mchid", json!("1900000003"), "400 PARAM_ERROR"),
    ] {
        let mut body = bed.wechat_biz("T00001", 100);
        body[name] = value;
        let answer = bed.wechat_call("POST", NATIVE, &body).await;
        assert_eq!(answer.outcome(), outcome, "{name}");
    }
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn required_headers_and_the_clock_are_checked() {
    let bed = Bed::start().await;
    let path = "/v3/certificates";
    for (name, value, expected) in [
        ("Accept", Some("text/html"), "400 INVALID_REQUEST"),
        ("User-Agent", None, "400 INVALID_REQUEST"),
        ("Authorization", None, "401 SIGN_ERROR"),
        ("Accept", Some("*/*"), "200"),
    ] {
        let mut headers = wechat_headers(bed.wechat(), bed.now(), ("GET", path, ""));
        headers.retain(|(kept, _)| *kept != name);
        headers.extend(value.map(|value| (name, value.to_owned())));
        let answer = bed
            .wechat_send(bed.wechat(), ("GET", path, String::new()), headers)
            .await;
        assert_eq!(answer.outcome(), expected, "{name}");
    }
    for skew in [-301, 301] {
        let headers = wechat_headers(bed.wechat(), bed.now() + skew, ("GET", path, ""));
        let answer = bed
            .wechat_send(bed.wechat(), ("GET", path, String::new()), headers)
            .await;
        assert_eq!(answer.outcome(), "401 SIGN_ERROR");
    }
    assert_eq!(
        bed.wechat_call("GET", "/v3/unheard/of", &Value::Null)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_repeated_number_is_the_same_order_or_refused() {
    let bed = Bed::start().await;
    let body = bed.wechat_biz("T00001", 100);
    let first = bed.wechat_call("POST", NATIVE, &body).await;
    assert_eq!(first.outcome(), "200");
    assert!(first.is_signed);
    assert_eq!(
        bed.wechat_call("POST", NATIVE, &body).await.outcome(),
        "200"
    );
    let other = bed.wechat_biz("T00001", 101);
    assert_eq!(
        bed.wechat_call("POST", NATIVE, &other).await.outcome(),
        "403 OUT_TRADE_NO_USED"
    );
    let app = bed
        .wechat_call("POST", "/v3/pay/transactions/app", &body)
        .await;
    assert_eq!(app.outcome(), "403 OUT_TRADE_NO_USED");
    assert_eq!(bed.control.orders().len(), 1);
    bed.control.close("T00001").unwrap();
    assert_eq!(
        bed.wechat_call("POST", NATIVE, &body).await.outcome(),
        "400 ORDER_CLOSED"
    );
}

#[tokio::test]
async fn all_four_products_answer_in_their_own_way() {
    let bed = Bed::start().await;
    let mut jsapi = bed.wechat_biz("T00001", 1);
    jsapi["payer"] = json!({"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"});
    let mut h5 = bed.wechat_biz("T00002", 1);
    h5["scene_info"] = json!({"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}});
    let app = bed.wechat_biz("T00003", 1);
    for (product, body, field) in [
        ("jsapi", jsapi, "prepay_id"),
        ("h5", h5, "h5_url"),
        ("app", app, "prepay_id"),
    ] {
        let path = format!("/v3/pay/transactions/{product}");
        let answer = bed.wechat_call("POST", &path, &body).await;
        let name = text(&answer.body[field]).to_owned();
        let page = if field == "h5_url" {
            format!("{name}&redirect_url=http%3A%2F%2F127.0.0.1%3A1%2Fdone")
        } else {
            assert!(name.starts_with("wx") && name.len() == 36, "{name}");
            format!("{}/payer/wechat/{name}", bed.sandbox.base_url())
        };
        let shown = bed.http.get(page).send().await.unwrap();
        assert_eq!(shown.status(), 200);
        let has_redirect = shown.text().await.unwrap().contains("redirect_url=http");
        assert_eq!(has_redirect, product == "h5");
    }
    let token = bed.wechat_order("T00004", 1).await;
    assert_eq!(bed.control.pay(&token).unwrap().out_trade_no, "T00004");
}

#[tokio::test]
async fn queries_and_closing_follow_the_state() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    let mchid = bed.wechat().mchid.clone();
    let path = format!("/v3/pay/transactions/out-trade-no/T00001?mchid={mchid}");
    let query = || bed.wechat_call("GET", &path, &Value::Null);
    assert_eq!(query().await.body["trade_state"], "NOTPAY");
    let no_mchid = "/v3/pay/transactions/out-trade-no/T00001";
    let answer = bed.wechat_call("GET", no_mchid, &Value::Null).await;
    assert_eq!(answer.outcome(), "400 PARAM_ERROR");
    let paid = bed.control.pay("T00001").unwrap();
    let found = query().await;
    assert_eq!(found.body["trade_state"], "SUCCESS");
    assert_eq!(found.body["amount"]["total"], 100);
    let by_id = format!(
        "/v3/pay/transactions/id/{}?mchid={mchid}",
        paid.gateway_trade_no
    );
    let found = bed.wechat_call("GET", &by_id, &Value::Null).await;
    assert_eq!(found.body["out_trade_no"], "T00001");
    let close = |number: &str| {
        let path = format!("/v3/pay/transactions/out-trade-no/{number}/close");
        let body = json!({ "mchid": mchid });
        let bed = &bed;
        async move { bed.wechat_call("POST", &path, &body).await }
    };
    assert_eq!(close("T00001").await.outcome(), "400 ORDER_PAID");
    assert_eq!(close("T00009").await.outcome(), "404 ORDER_NOT_EXIST");
    bed.wechat_order("T00002", 100).await;
    let closed = close("T00002").await;
    assert_eq!(closed.outcome(), "204");
    assert!(closed.is_signed);
    assert_eq!(close("T00002").await.outcome(), "204");
    assert_eq!(
        bed.control.order("T00002").unwrap().state,
        OrderState::Closed
    );
}

#[tokio::test]
async fn another_merchant_sees_nothing() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    let foreign = bed.sandbox.credentials().wechat_foreign.clone();
    let path = format!(
        "/v3/pay/transactions/out-trade-no/T00001?mchid={}",
        foreign.mchid
    );
    let answer = bed
        .wechat_call_as(&foreign, ("GET", &path, &Value::Null))
        .await;
    assert_eq!(answer.outcome(), "404 ORDER_NOT_EXIST");
}

const REFUNDS: &str = "/v3/refund/domestic/refunds";

#[tokio::test]
async fn refunds_are_checked_and_settle_as_told() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    let refund = |number: &str, fen, total| {
        let body = bed.wechat_refund("T00001", number, (fen, total));
        let bed = &bed;
        async move { bed.wechat_call("POST", REFUNDS, &body).await }
    };
    assert_eq!(
        refund("R1", 30, 100).await.outcome(),
        "404 RESOURCE_NOT_EXISTS"
    );
    bed.control.pay("T00001").unwrap();
    let accepted = refund("R1", 30, 100).await;
    assert_eq!(accepted.body["status"], "PROCESSING");
    assert_eq!(
        refund("R1", 30, 100).await.body["refund_id"],
        accepted.body["refund_id"]
    );
    assert_eq!(refund("R1", 31, 100).await.outcome(), "400 INVALID_REQUEST");
    assert_eq!(refund("R2", 30, 99).await.outcome(), "400 INVALID_REQUEST");
    assert_eq!(refund("R2", 71, 100).await.outcome(), "400 INVALID_REQUEST");
    assert_eq!(refund("R2", 70, 100).await.outcome(), "200");
    bed.control
        .settle_refund("R1", RefundOutcome::Success)
        .unwrap();
    bed.control
        .settle_refund("R2", RefundOutcome::Closed)
        .unwrap();
    let again = bed
        .control
        .settle_refund("R2", RefundOutcome::Success)
        .unwrap_err();
    assert_eq!(again, ControlError::WrongState("closed".to_owned()));
    // A closed refund gives its amount free again, under a new number.
    assert_eq!(refund("R3", 70, 100).await.outcome(), "200");
    bed.control
        .settle_refund("R3", RefundOutcome::Abnormal)
        .unwrap();
    let path = format!("{REFUNDS}/R1");
    let found = bed.wechat_call("GET", &path, &Value::Null).await;
    assert_eq!(found.body["status"], "SUCCESS");
    let missing = bed
        .wechat_call("GET", &format!("{REFUNDS}/R9"), &Value::Null)
        .await;
    assert_eq!(missing.outcome(), "404 RESOURCE_NOT_EXISTS");
    let books = bed.control.books();
    assert_eq!((books[0].paid_minor, books[0].refunded_minor), (100, 30));
    assert_eq!(books[0].refunding_minor, 70);
}

#[tokio::test]
async fn only_a_refund_that_hangs_is_sent_another_way_and_then_it_moves_again() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    let body = bed.wechat_refund("T00001", "R1", (100, 100));
    let accepted = bed.wechat_call("POST", REFUNDS, &body).await;
    let id = text(&accepted.body["refund_id"]).to_owned();
    let apply = async |id: &str, body: Value| {
        let path = format!("{REFUNDS}/{id}/apply-abnormal-refund");
        bed.wechat_call("POST", &path, &body).await
    };
    let to_merchant = json!({"out_refund_no": "R1", "type": "MERCHANT_BANK_CARD"});
    let early = apply(&id, to_merchant.clone()).await;
    assert_eq!(early.outcome(), "400 INVALID_REQUEST", "it does not hang");
    bed.control
        .settle_refund("R1", RefundOutcome::Abnormal)
        .unwrap();
    for (id, body, outcome) in [
        ("1", to_merchant.clone(), "400 INVALID_REQUEST"),
        (
            id.as_str(),
            json!({"out_refund_no": "R9", "type": "MERCHANT_BANK_CARD"}),
            "404 RESOURCE_NOT_EXISTS",
        ),
        (
            id.as_str(),
            json!({"out_refund_no": "R1"}),
            "400 PARAM_ERROR",
        ),
        (
            id.as_str(),
            json!({"out_refund_no": "R1", "type": "USER_BANK_CARD"}),
            "400 PARAM_ERROR",
        ),
        (
            id.as_str(),
            json!({"out_refund_no": "R1", "type": "MERCHANT_BANK_CARD", "real_name": "x"}),
            "400 PARAM_ERROR",
        ),
    ] {
        assert_eq!(apply(id, body).await.outcome(), outcome);
    }
    let moving = apply(&id, to_merchant.clone()).await;
    assert_eq!(moving.body["status"], "PROCESSING");
    let again = apply(&id, to_merchant).await;
    assert_eq!(again.outcome(), "400 INVALID_REQUEST", "it moves");
    bed.control
        .settle_refund("R1", RefundOutcome::Success)
        .unwrap();
    assert_eq!(bed.control.books()[0].refunded_minor, 100);
}

#[tokio::test]
async fn every_end_of_a_refund_is_told() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    for (number, outcome) in [
        ("R1", RefundOutcome::Success),
        ("R2", RefundOutcome::Closed),
        ("R3", RefundOutcome::Abnormal),
    ] {
        let body = bed.wechat_refund("T00001", number, (30, 100));
        assert_eq!(
            bed.wechat_call("POST", REFUNDS, &body).await.outcome(),
            "200"
        );
        bed.control.settle_refund(number, outcome).unwrap();
    }
    bed.control.deliver_due().await;
    let events: Vec<(String, Value)> = bed
        .received()
        .iter()
        .map(|received| {
            let body: Value = serde_json::from_str(&received.body).unwrap();
            let plaintext = bed.wechat_plaintext(received).expect("signed and sealed");
            (text(&body["event_type"]).to_owned(), plaintext)
        })
        .collect();
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "TRANSACTION.SUCCESS",
            "REFUND.SUCCESS",
            "REFUND.CLOSED",
            "REFUND.ABNORMAL"
        ]
    );
    assert_eq!(events[0].1["appid"], bed.wechat().appid);
    assert_eq!(events[0].1["amount"]["total"], 100);
    assert_eq!(events[1].1["refund_status"], "SUCCESS");
    assert_eq!(events[1].1["amount"]["refund"], 30);
}

#[tokio::test]
async fn certificates_are_for_platform_certificate_mode_only() {
    let bed = Bed::start().await;
    let answer = bed
        .wechat_call("GET", "/v3/certificates", &Value::Null)
        .await;
    assert!(answer.is_signed);
    let known = &bed.wechat().platform_certificates;
    for (entry, (serial, pem)) in answer.body["data"].as_array().unwrap().iter().zip(known) {
        assert_eq!(entry["serial_no"], serial.as_str());
        let sealed = &entry["encrypt_certificate"];
        let part = |name: &str| text(&sealed[name]).to_owned();
        let opened = open(
            &bed.wechat().apiv3_key,
            &part("nonce"),
            &part("associated_data"),
            &part("ciphertext"),
        );
        assert_eq!(opened.unwrap(), pem.as_bytes());
    }
    let merchant = bed.sandbox.credentials().wechat_public_key_mode.clone();
    let refused = bed
        .wechat_call_as(&merchant, ("GET", "/v3/certificates", &Value::Null))
        .await;
    assert_eq!(refused.outcome(), "404 RESOURCE_NOT_EXISTS");
}

#[tokio::test]
async fn answers_are_signed_with_the_key_of_the_merchants_mode() {
    let bed = Bed::start().await;
    let merchant = bed.sandbox.credentials().wechat_public_key_mode.clone();
    let id = merchant.public_key.clone().unwrap().public_key_id;
    let mut body = bed.wechat_biz("T00001", 100);
    body["mchid"] = json!(merchant.mchid);
    body["appid"] = json!(merchant.appid);
    let answer = bed.wechat_call_as(&merchant, ("POST", NATIVE, &body)).await;
    assert_eq!(answer.outcome(), "200");
    assert_eq!(answer.serial.as_deref(), Some(id.as_str()));
    assert!(answer.is_signed);
    // A merchant in certificate mode may ask for the second certificate's signature, and for no
    // key that it does not have.
    let second = bed.wechat().platform_certificates[1].0.clone();
    for (serial, outcome) in [(second.clone(), "200"), (id, "400 INVALID_REQUEST")] {
        let path = "/v3/certificates";
        let mut headers = wechat_headers(bed.wechat(), bed.now(), ("GET", path, ""));
        headers.push(("Wechatpay-Serial", serial));
        let answer = bed
            .wechat_send(bed.wechat(), ("GET", path, String::new()), headers)
            .await;
        assert_eq!(answer.outcome(), outcome);
        assert_eq!(
            answer.serial.is_some_and(|used| used == second),
            outcome == "200"
        );
    }
}
