//! Baidu's protocol through the sandbox's own door.

use serde_json::{Value, json};

use super::{Params, sign};
use crate::{
    BaiduCredentials, OrderState, RefundOutcome,
    testing::{Bed, private_key, public_key},
};

fn merchant(bed: &Bed) -> &BaiduCredentials {
    &bed.sandbox.credentials().baidu
}

fn params(pairs: &[(&str, &str)]) -> Params {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Signed order information.
fn order_info(bed: &Bed, number: &str, fen: &str) -> Params {
    let merchant = merchant(bed);
    let mut info = params(&[
        ("dealId", &merchant.deal_id),
        ("appKey", &merchant.app_key),
        ("totalAmount", fen),
        ("tpOrderId", number),
    ]);
    let key = private_key(&merchant.merchant_private_key_pem);
    let signature = sign::sign(&key, &info).unwrap();
    info.extend(params(&[
        ("rsaSign", &signature),
        ("dealTitle", "红包"),
        ("signFieldsRange", "1"),
        ("bizInfo", "{}"),
        ("notifyUrl", &bed.notify_url),
    ]));
    info
}

async fn read(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn token(bed: &Bed, secret: &str) -> Option<String> {
    let query = sign::encode(&params(&[
        ("grant_type", "client_credentials"),
        ("client_id", &merchant(bed).client_id),
        ("client_secret", secret),
    ]));
    let url = format!("{}/oauth/2.0/token?{query}", merchant(bed).api_base_url);
    let told = read(bed.http.get(url)).await;
    told["access_token"].as_str().map(str::to_owned)
}

async fn call(bed: &Bed, name: &str, own: &[(&str, &str)]) -> Value {
    let token = token(bed, &merchant(bed).client_secret).await.unwrap();
    let mut given = params(own);
    given.insert("pmAppKey".to_owned(), merchant(bed).app_key.clone());
    call_with(bed, name, &token, &given).await
}

async fn call_with(bed: &Bed, name: &str, token: &str, given: &Params) -> Value {
    let base = &merchant(bed).api_base_url;
    let path = format!("{base}/rest/2.0/smartapp/pay/paymentservice/{name}?access_token={token}");
    let request = if name == "applyOrderRefund" {
        bed.http.post(path).body(sign::encode(given))
    } else {
        bed.http.get(format!("{path}&{}", sign::encode(given)))
    };
    read(request).await
}

#[tokio::test]
async fn order_information_is_checked_as_the_cashier_would() {
    let bed = Bed::start().await;
    let good = order_info(&bed, "T1", "100");
    for (name, value, expected) in [
        ("totalAmount", "1", "10000"),
        ("tpOrderId", "T2", "10000"),
        ("rsaSign", "AAAA", "10000"),
        ("dealId", "1", "10002"),
        ("appKey", "other", "10001"),
        ("signFieldsRange", "0", "10001"),
        ("dealTitle", "", "10001"),
        ("bizInfo", "no json", "10001"),
    ] {
        let mut altered = good.clone();
        altered.insert(name.to_owned(), value.to_owned());
        let refused = bed.control.present_baidu(&altered).unwrap_err().to_string();
        assert!(refused.contains(expected), "{name}: {refused}");
    }
    for number in ["", "T-1", "T 1", &"T".repeat(33)] {
        let bad = order_info(&bed, number, "100");
        let refused = bed.control.present_baidu(&bad).unwrap_err().to_string();
        assert!(refused.contains("10001"), "{number}: {refused}");
    }
    assert!(bed.control.orders().is_empty());
    assert_eq!(bed.control.present_baidu(&good).unwrap(), "T1");
    assert_eq!(bed.control.present_baidu(&good).unwrap(), "T1");
    let other = bed.control.present_baidu(&order_info(&bed, "T1", "101"));
    let refused = other.unwrap_err().to_string();
    assert!(refused.contains("10001"), "a number is bound to its amount");
    let url = format!(
        "{}/payer/baidu/order?{}",
        bed.sandbox.base_url(),
        sign::encode(&good)
    );
    let answer = bed.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let page = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(bed.http.get(page).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn calls_need_a_token_that_is_not_over() {
    let bed = Bed::start().await;
    assert_eq!(token(&bed, "wrong").await, None);
    let given = params(&[("tpOrderId", "T1")]);
    let refused = call_with(&bed, "findByTpOrderId", "24.1.x", &given).await;
    assert_eq!(refused["error_code"], 110);
    let good = token(&bed, &merchant(&bed).client_secret).await.unwrap();
    bed.advance(30 * 24 * 3600);
    let over = call_with(&bed, "findByTpOrderId", &good, &given).await;
    assert_eq!(over["error_code"], 110);
}

#[tokio::test]
async fn an_order_is_brought_paid_asked_for_and_told() {
    let bed = Bed::start().await;
    let find = || call(&bed, "findByTpOrderId", &[("tpOrderId", "T1")]);
    assert_eq!(find().await["errno"], 10_002);
    bed.control
        .present_baidu(&order_info(&bed, "T1", "100"))
        .unwrap();
    assert_eq!(find().await["data"]["status"], 1);
    bed.control.pay("T1").unwrap();
    let found = find().await;
    assert_eq!(
        (&found["data"]["status"], &found["data"]["totalMoney"]),
        (&json!(2), &json!(100))
    );
    let order_id = found["data"]["orderId"].to_string();
    let cancelled = call(&bed, "cancelOrder", &[("orderId", &order_id)]).await;
    assert_eq!(cancelled["errno"], 10_001);

    bed.answer_with(&[(200, r#"{"errno":0,"msg":"success"}"#)]);
    let reports = bed.control.deliver_due().await;
    assert!(!reports[0].acknowledged, "a payment must be consumed");
    bed.answer_with(&[(200, r#"{"errno":0,"data":{"isConsumed":2}}"#)]);
    assert!(bed.control.deliver_due().await[0].acknowledged);
    let key = public_key(&merchant(&bed).platform_public_key_pem);
    let form = bed.received()[0].form();
    assert!(sign::is_signed(&key, &form, &form["rsaSign"]));
    assert_eq!(
        (form["status"].as_str(), form["totalMoney"].as_str()),
        ("2", "100")
    );
    let mut altered = form.clone();
    altered.insert("totalMoney".to_owned(), "1".to_owned());
    assert!(!sign::is_signed(&key, &altered, &form["rsaSign"]));
}

#[tokio::test]
async fn an_open_order_is_cancelled() {
    let bed = Bed::start().await;
    bed.control
        .present_baidu(&order_info(&bed, "T1", "100"))
        .unwrap();
    let found = call(&bed, "findByTpOrderId", &[("tpOrderId", "T1")]).await;
    let order_id = found["data"]["orderId"].to_string();
    let cancelled = call(&bed, "cancelOrder", &[("orderId", &order_id)]).await;
    assert_eq!(cancelled["data"], true);
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Closed);
    assert!(bed.control.pay("T1").is_err());
}

#[tokio::test]
async fn refunds_are_bound_to_their_numbers_and_told_without_an_amount() {
    let bed = Bed::start().await;
    bed.control
        .present_baidu(&order_info(&bed, "T1", "100"))
        .unwrap();
    bed.control.pay("T1").unwrap();
    let found = call(&bed, "findByTpOrderId", &[("tpOrderId", "T1")]).await;
    let (order_id, user_id) = (
        found["data"]["orderId"].to_string(),
        found["data"]["userId"].to_string(),
    );
    let refund = async |number: &str, fen: &str, user: &str| {
        let own = [
            ("applyRefundMoney", fen),
            ("bizRefundBatchId", number),
            ("isSkipAudit", "1"),
            ("orderId", &order_id),
            ("refundReason", "测试"),
            ("refundType", "2"),
            ("tpOrderId", "T1"),
            ("userId", user),
            ("refundNotifyUrl", &bed.notify_url),
        ];
        call(&bed, "applyOrderRefund", &own).await["errno"].clone()
    };
    assert_eq!(refund("R1", "30", "1").await, 10_001, "another payer");
    assert_eq!(refund("R1", "30", &user_id).await, 0);
    assert_eq!(refund("R1", "30", &user_id).await, 0);
    assert_eq!(refund("R1", "31", &user_id).await, 10_001);
    assert_eq!(refund("R2", "71", &user_id).await, 10_001);
    let own = [("tpOrderId", "T1"), ("userId", user_id.as_str())];
    let list = || call(&bed, "findOrderRefund", &own);
    let before = list().await;
    assert_eq!(before["data"].as_array().unwrap().len(), 1);
    assert_eq!(before["data"][0]["refundStatus"], 1);
    bed.control
        .settle_refund("R1", RefundOutcome::Success)
        .unwrap();
    let after = list().await;
    assert_eq!(after["data"][0]["refundStatus"], 2);
    assert_eq!(after["data"][0]["bizRefundBatchId"], "R1");
    bed.control.deliver_due().await;
    let received = bed.received();
    let told = received.last().unwrap().form();
    assert_eq!(told["refundStatus"], "1");
    assert_eq!(
        json!(told["refundBatchId"]),
        after["data"][0]["refundBatchId"]
    );
    assert!(!told.contains_key("applyRefundMoney"));
}

#[tokio::test]
async fn missing_long_and_malformed_fields_of_a_refund_are_refused_by_baidus_own_codes() {
    let bed = Bed::start().await;
    bed.control
        .present_baidu(&order_info(&bed, "T1", "100"))
        .unwrap();
    bed.control.pay("T1").unwrap();
    let found = call(&bed, "findByTpOrderId", &[("tpOrderId", "T1")]).await;
    let (order_id, user_id) = (
        found["data"]["orderId"].to_string(),
        found["data"]["userId"].to_string(),
    );
    let whole = params(&[
        ("applyRefundMoney", "30"),
        ("bizRefundBatchId", "R1"),
        ("isSkipAudit", "1"),
        ("orderId", &order_id),
        ("refundReason", "测试"),
        ("refundType", "2"),
        ("tpOrderId", "T1"),
        ("userId", &user_id),
        ("pmAppKey", &merchant(&bed).app_key),
    ]);
    let token = token(&bed, &merchant(&bed).client_secret).await.unwrap();
    let ask = async |given: Params| {
        let told = call_with(&bed, "applyOrderRefund", &token, &given).await;
        told["errno"].clone()
    };
    for (name, expected) in [
        ("bizRefundBatchId", 10_001),
        ("isSkipAudit", 10_001),
        ("orderId", 10_001),
        ("refundReason", 10_001),
        ("refundType", 10_001),
        ("tpOrderId", 10_001),
        ("userId", 10_001),
        ("pmAppKey", 10_002),
    ] {
        let mut missing = whole.clone();
        missing.remove(name);
        assert_eq!(ask(missing).await, expected, "{name}");
        let mut empty = whole.clone();
        empty.insert(name.to_owned(), String::new());
        assert_eq!(ask(empty).await, expected, "{name}");
    }
    let long = "9".repeat(33);
    for (name, value, expected) in [
        ("bizRefundBatchId", long.as_str(), 10_001),
        ("tpOrderId", &long, 10_001),
        ("tpOrderId", "T2", 10_002),
        ("orderId", &long, 10_001),
        ("userId", &long, 10_001),
        ("refundType", "4", 10_001),
        ("isSkipAudit", "2", 10_001),
        ("applyRefundMoney", "", 10_001),
        ("applyRefundMoney", "0", 10_001),
        ("applyRefundMoney", "-30", 10_001),
        ("applyRefundMoney", "0.30", 10_001),
        ("applyRefundMoney", &long, 10_001),
        ("applyRefundMoney", "101", 10_001),
    ] {
        let mut bad = whole.clone();
        bad.insert(name.to_owned(), value.to_owned());
        assert_eq!(ask(bad).await, expected, "{name}={value}");
    }
    assert!(bed.control.refunds().is_empty());
    assert_eq!(ask(whole).await, 0);
    assert_eq!(bed.control.refunds()[0].amount_minor, 30);
}

const APPROVED: &str =
    r#"{"errno":0,"data":{"auditStatus":1,"calculateRes":{"refundPayMoney":20}}}"#;
const REJECTED: &str =
    r#"{"errno":0,"data":{"auditStatus":2,"calculateRes":{"refundPayMoney":30}}}"#;

/// Answers that decide nothing: undecided, beyond what was asked for, and what cannot be read.
const UNDECIDED: [(u16, &str); 9] = [
    (
        200,
        r#"{"errno":0,"data":{"auditStatus":3,"calculateRes":{"refundPayMoney":30}}}"#,
    ),
    (
        200,
        r#"{"errno":0,"data":{"auditStatus":0,"calculateRes":{"refundPayMoney":30}}}"#,
    ),
    (
        200,
        r#"{"errno":0,"data":{"auditStatus":1,"calculateRes":{"refundPayMoney":31}}}"#,
    ),
    (
        200,
        r#"{"errno":0,"data":{"auditStatus":1,"calculateRes":{"refundPayMoney":-1}}}"#,
    ),
    (
        200,
        r#"{"errno":0,"data":{"auditStatus":1,"calculateRes":{"refundPayMoney":"30"}}}"#,
    ),
    (
        500,
        r#"{"errno":0,"data":{"auditStatus":1,"calculateRes":{"refundPayMoney":30}}}"#,
    ),
    (200, r#"{"errno":0,"data":{"auditStatus":1}}"#),
    (200, r#"{"errno":100,"msg":"fail"}"#),
    (200, "no json"),
];

/// Whether a posting of the question with this answer settled it.
async fn answered(bed: &Bed, answer: (u16, &'static str)) -> bool {
    bed.answer_with(&[answer]);
    let reports = bed.control.deliver_due().await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].kind, "REFUND.AUDIT");
    reports[0].acknowledged
}

/// A paid order of a merchant who can be asked about refunds.
async fn paid_of_one_who_can_be_asked(bed: &Bed) {
    let info = order_info(bed, "T1", "100");
    bed.control.present_baidu(&info).unwrap();
    assert!(bed.control.ask_refund("T1", 30).is_err(), "not paid");
    bed.control.pay("T1").unwrap();
    bed.answer_with(&[(200, r#"{"errno":0,"data":{"isConsumed":2}}"#)]);
    assert!(bed.control.deliver_due().await[0].acknowledged);
    assert!(bed.control.ask_refund("T1", 30).is_err(), "nowhere to ask");
    let deal_id = &merchant(bed).deal_id;
    bed.control.set_endpoint(deal_id, &bed.notify_url);
    for fen in [0, -1, 101] {
        assert!(bed.control.ask_refund("T1", fen).is_err(), "{fen}");
    }
    assert_eq!(bed.control.pending_callbacks(), 0);
}

#[tokio::test]
async fn a_question_about_a_refund_is_asked_until_it_is_approved_and_then_paid_back() {
    let bed = Bed::start().await;
    paid_of_one_who_can_be_asked(&bed).await;
    let batch = bed.control.ask_refund("T1", 30).unwrap();
    for answer in UNDECIDED {
        assert!(!answered(&bed, answer).await, "{answer:?}");
        assert!(bed.control.refunds().is_empty(), "{answer:?}");
    }
    assert!(answered(&bed, (200, APPROVED)).await);
    let asked = bed.received().pop().unwrap().form();
    let key = public_key(&merchant(&bed).platform_public_key_pem);
    assert!(sign::is_signed(&key, &asked, &asked["rsaSign"]));
    assert_eq!(
        (&asked["applyRefundMoney"], &asked["refundBatchId"]),
        (&"30".to_owned(), &batch)
    );
    assert!(!asked.contains_key("status") && !asked.contains_key("refundStatus"));
    let [made] = &bed.control.refunds()[..] else {
        panic!("one refund")
    };
    assert_eq!((made.amount_minor, &made.refund_id), (20, &batch));

    let own = [("tpOrderId", "T1"), ("userId", asked["userId"].as_str())];
    let list = call(&bed, "findOrderRefund", &own).await;
    assert_eq!(list["data"][0]["refundBatchId"], json!(batch));
    assert_eq!(list["data"][0]["bizRefundBatchId"], Value::Null);
    bed.control
        .settle_refund(&batch, RefundOutcome::Success)
        .unwrap();
    bed.answer_with(&[(200, r#"{"errno":0,"data":{}}"#)]);
    assert!(bed.control.deliver_due().await[0].acknowledged);
    let told = bed.received().pop().unwrap().form();
    assert_eq!(
        (&told["refundStatus"], &told["refundBatchId"]),
        (&"1".to_owned(), &batch)
    );
}

#[tokio::test]
async fn a_refund_that_the_merchant_refused_is_not_made_whatever_is_answered_later() {
    let bed = Bed::start().await;
    paid_of_one_who_can_be_asked(&bed).await;
    bed.control.ask_refund("T1", 30).unwrap();
    assert!(answered(&bed, (200, REJECTED)).await);
    assert_eq!(bed.control.pending_callbacks(), 0);
    let question = bed.control.recorded_callbacks().pop().unwrap();
    bed.answer_with(&[(200, APPROVED)]);
    assert!(
        bed.control
            .replay(question.index)
            .await
            .unwrap()
            .acknowledged
    );
    assert!(bed.control.refunds().is_empty());
}
