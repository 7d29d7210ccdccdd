//! Alipay's protocol through the sandbox's own door.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::sign;
use crate::{
    OrderState, Product,
    crypto::is_signed_by,
    testing::{AlipayAnswer, Bed, alipay_biz, public_key, sign_alipay},
};

fn form(raw: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(raw.as_bytes())
        .into_owned()
        .collect()
}

/// Signs the parameters after a change and sends them.
async fn send_changed(
    bed: &Bed,
    biz: &Value,
    change: impl Fn(&mut BTreeMap<String, String>),
) -> AlipayAnswer {
    let mut params = bed.alipay_params("alipay.trade.precreate", biz);
    change(&mut params);
    sign_alipay(&mut params, bed.alipay());
    bed.alipay_send(&params).await
}

#[tokio::test]
async fn a_request_with_an_altered_signature_is_refused() {
    let bed = Bed::start().await;
    let mut params = bed.alipay_params("alipay.trade.precreate", &alipay_biz("T1", "1.00"));
    sign_alipay(&mut params, bed.alipay());
    let wrong = crate::crypto::corrupt(&params["sign"]);
    params.insert("sign".to_owned(), wrong);
    let answer = bed.alipay_send(&params).await;
    assert_eq!(answer.outcome(), "40002 isv.invalid-signature");
    assert!(!answer.is_signed);
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn a_request_with_an_altered_amount_is_refused() {
    let bed = Bed::start().await;
    let mut params = bed.alipay_params("alipay.trade.precreate", &alipay_biz("T1", "1.00"));
    sign_alipay(&mut params, bed.alipay());
    params.insert(
        "biz_content".to_owned(),
        alipay_biz("T1", "0.01").to_string(),
    );
    assert_eq!(
        bed.alipay_send(&params).await.outcome(),
        "40002 isv.invalid-signature"
    );
    for bad in ["0", "0.00", "0.001", "1e2", "-1", "1,00", "100000000.01"] {
        let answer = bed
            .alipay_call("alipay.trade.precreate", alipay_biz("T1", bad))
            .await;
        assert!(
            answer.outcome().starts_with("40004 ACQ."),
            "{bad}: {}",
            answer.outcome()
        );
        assert!(answer.is_signed);
    }
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn a_request_without_a_required_field_is_refused() {
    let bed = Bed::start().await;
    for name in ["out_trade_no", "total_amount", "subject", "product_code"] {
        let mut biz = alipay_biz("T1", "1.00");
        biz.as_object_mut().unwrap().remove(name);
        let answer = bed.alipay_call("alipay.trade.precreate", biz).await;
        assert_eq!(answer.outcome(), "40004 ACQ.INVALID_PARAMETER", "{name}");
    }
    for (name, code) in [
        ("app_id", "isv.missing-app-id"),
        ("method", "isv.missing-method"),
        ("timestamp", "isv.missing-timestamp"),
        ("version", "isv.missing-version"),
        ("charset", "isv.missing-charset"),
        ("sign_type", "isv.missing-signature-type"),
    ] {
        let answer = send_changed(&bed, &alipay_biz("T1", "1.00"), |params| {
            params.remove(name);
        })
        .await;
        assert_eq!(answer.outcome(), format!("40001 {code}"));
    }
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn unknown_and_malformed_parameters_get_the_gateways_own_error() {
    let bed = Bed::start().await;
    for (name, value, code) in [
        ("app_id", "2021999999999999", "isv.invalid-app-id"),
        ("method", "alipay.trade.unheard.of", "isv.invalid-method"),
        ("timestamp", "2026-01-01 07:00:00", "isv.invalid-timestamp"),
        ("timestamp", "2026-01-01T08:00:00", "isv.invalid-timestamp"),
        ("sign_type", "RSA", "isv.invalid-signature-type"),
        ("notify_url", "ftp://x", "isv.invalid-parameter"),
        ("surprise", "1", "isv.invalid-parameter"),
        ("biz_content", "[]", "isv.invalid-parameter"),
        (
            "app_cert_sn",
            "41026a94844c1b5b8a004f868d9173ce",
            "isv.invalid-app-cert-sn",
        ),
    ] {
        let answer = send_changed(&bed, &alipay_biz("T1", "1.00"), |params| {
            params.insert(name.to_owned(), value.to_owned());
        })
        .await;
        assert_eq!(answer.outcome(), format!("40002 {code}"), "{name}");
        assert!(!answer.is_signed);
    }
    for (name, value) in [
        ("surprise", json!("1")),
        ("out_trade_no", json!("has-a-dash")),
        ("out_trade_no", json!("T".repeat(65))),
        ("subject", json!("a&b")),
        ("subject", json!(1)),
        ("total_amount", json!(1.0)),
        ("body", json!("b".repeat(129))),
        ("passback_params", json!("a=b&c")),
        ("timeout_express", json!("1.5h")),
        ("product_code", json!("FAST_INSTANT_TRADE_PAY")),
    ] {
        let mut biz = alipay_biz("T1", "1.00");
        biz[name] = value;
        let answer = bed.alipay_call("alipay.trade.precreate", biz).await;
        assert_eq!(answer.outcome(), "40004 ACQ.INVALID_PARAMETER", "{name}");
    }
}

#[tokio::test]
async fn a_number_is_not_given_a_second_code() {
    let bed = Bed::start().await;
    let create = |yuan| bed.alipay_call("alipay.trade.precreate", alipay_biz("T1", yuan));
    let first = create("1.00").await;
    assert_eq!(first.outcome(), "10000");
    assert!(first.is_signed);
    assert_eq!(
        create("1.00").await.outcome(),
        "40004 ACQ.APPLY_PC_MERCHANT_CODE_ERROR"
    );
    assert_eq!(
        create("2.00").await.outcome(),
        "40004 ACQ.CONTEXT_INCONSISTENT"
    );
    bed.control.pay("T1").unwrap();
    assert_eq!(
        create("1.00").await.outcome(),
        "40004 ACQ.TRADE_HAS_SUCCESS"
    );
    assert_eq!(bed.control.orders().len(), 1);
}

#[tokio::test]
async fn a_code_that_nobody_scanned_is_no_trade_yet() {
    let bed = Bed::start().await;
    bed.alipay_call("alipay.trade.precreate", alipay_biz("T1", "1.00"))
        .await;
    let query = || bed.alipay_call("alipay.trade.query", json!({"out_trade_no": "T1"}));
    assert_eq!(query().await.outcome(), "40004 ACQ.TRADE_NOT_EXIST");
    bed.http
        .get(format!("{}/payer/alipay/T1", bed.sandbox.base_url()))
        .send()
        .await
        .unwrap();
    assert_eq!(query().await.node["trade_status"], "WAIT_BUYER_PAY");
    bed.control.pay("T1").unwrap();
    let paid = query().await;
    assert_eq!(paid.node["trade_status"], "TRADE_SUCCESS");
    assert_eq!(paid.node["total_amount"], "1.00");
    assert!(paid.is_signed);
}

#[tokio::test]
async fn close_is_for_waiting_trades_only() {
    let bed = Bed::start().await;
    let close =
        |number: &str| bed.alipay_call("alipay.trade.close", json!({"out_trade_no": number}));
    assert_eq!(close("T9").await.outcome(), "40004 ACQ.TRADE_NOT_EXIST");
    bed.alipay_order("T1", "1.00").await;
    bed.alipay_order("T2", "1.00").await;
    bed.control.pay("T2").unwrap();
    assert_eq!(close("T1").await.outcome(), "10000");
    assert_eq!(close("T1").await.outcome(), "40004 ACQ.TRADE_STATUS_ERROR");
    assert_eq!(close("T2").await.outcome(), "40004 ACQ.TRADE_STATUS_ERROR");
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Closed);
    assert!(bed.control.pay("T1").is_err());
}

async fn refund(bed: &Bed, order: &str, number: &str, yuan: &str) -> AlipayAnswer {
    let biz = json!({"out_trade_no": order, "out_request_no": number, "refund_amount": yuan});
    bed.alipay_call("alipay.trade.refund", biz).await
}

#[tokio::test]
async fn refund_numbers_are_idempotent_and_bound_to_their_amount() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "10.00").await;
    assert_eq!(
        refund(&bed, "T1", "R1", "3.00").await.outcome(),
        "40004 ACQ.TRADE_STATUS_ERROR"
    );
    bed.control.pay("T1").unwrap();
    let first = refund(&bed, "T1", "R1", "3.00").await;
    assert_eq!(first.node["fund_change"], "Y");
    assert_eq!(first.node["refund_fee"], "3.00");
    assert_eq!(
        refund(&bed, "T1", "R1", "3.00").await.node["fund_change"],
        "N"
    );
    let other = refund(&bed, "T1", "R1", "4.00").await;
    assert_eq!(other.outcome(), "40004 ACQ.DISCORDANT_REPEAT_REQUEST");
    // The same amount under another number is another refund; refund_fee is the sum so far.
    assert_eq!(
        refund(&bed, "T1", "R2", "3.00").await.node["refund_fee"],
        "6.00"
    );
    let above = refund(&bed, "T1", "R3", "4.01").await;
    assert_eq!(above.outcome(), "40004 ACQ.REFUND_AMT_NOT_EQUAL_TOTAL");
    assert_eq!(refund(&bed, "T1", "R4", "4.00").await.outcome(), "10000");
    let books = bed.control.books();
    assert_eq!(
        (books[0].paid_minor, books[0].refunded_minor),
        (1_000, 1_000)
    );
    let query = bed
        .alipay_call("alipay.trade.query", json!({"out_trade_no": "T1"}))
        .await;
    assert_eq!(query.node["trade_status"], "TRADE_CLOSED");
}

#[tokio::test]
async fn a_refund_query_says_success_or_nothing() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "10.00").await;
    bed.control.pay("T1").unwrap();
    refund(&bed, "T1", "R1", "3.00").await;
    let query = |number: &str| {
        let biz = json!({"out_trade_no": "T1", "out_request_no": number});
        bed.alipay_call("alipay.trade.fastpay.refund.query", biz)
    };
    let found = query("R1").await;
    assert_eq!(found.node["refund_status"], "REFUND_SUCCESS");
    assert_eq!(found.node["refund_amount"], "3.00");
    let missing = query("R2").await;
    assert_eq!(missing.outcome(), "10000");
    assert!(missing.node.get("refund_status").is_none());
}

#[tokio::test]
async fn notices_tell_of_payment_partial_and_full_refund() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "10.00").await;
    bed.control.pay("T1").unwrap();
    refund(&bed, "T1", "R1", "3.00").await;
    refund(&bed, "T1", "R2", "7.00").await;
    let reports = bed.control.deliver_due().await;
    assert!(reports.iter().all(|report| report.acknowledged));
    let received = bed.received();
    let told: Vec<(String, Option<String>, Option<String>)> = received
        .iter()
        .map(|received| {
            assert!(bed.is_alipay_signed(received));
            let form = received.form();
            let field = |name: &str| form.get(name).cloned();
            (
                form["trade_status"].clone(),
                field("refund_fee"),
                field("out_biz_no"),
            )
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            ("TRADE_SUCCESS".to_owned(), None, None),
            ("TRADE_SUCCESS".to_owned(), some("3.00"), some("R1")),
            ("TRADE_CLOSED".to_owned(), some("10.00"), some("R2")),
        ]
    );
    let form = received[0].form();
    assert_eq!(form["total_amount"], "10.00");
    assert_eq!(form["seller_id"], bed.alipay().seller_id);
    assert_eq!(form["app_id"], bed.alipay().app_id);
}

#[tokio::test]
async fn page_pay_leads_the_browser_to_the_payer_page() {
    let bed = Bed::start().await;
    let mut biz = alipay_biz("T1", "1.00");
    biz["product_code"] = json!("FAST_INSTANT_TRADE_PAY");
    let mut params = bed.alipay_params("alipay.trade.page.pay", &biz);
    params.insert(
        "return_url".to_owned(),
        "http://127.0.0.1:1/return?o=1".to_owned(),
    );
    sign_alipay(&mut params, bed.alipay());
    let url = format!("{}?{}", bed.alipay().gateway_url, sign::encode(&params));
    let answer = bed.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let page = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(page, format!("{}/payer/alipay/T1", bed.sandbox.base_url()));
    assert_eq!(
        bed.control.order("T1").unwrap().product,
        Product::AlipayPage
    );
    // The same request opens the same order again.
    assert_eq!(bed.http.get(&url).send().await.unwrap().status(), 302);
    assert_eq!(bed.control.orders().len(), 1);

    let paid = bed.http.post(format!("{page}/pay")).send().await.unwrap();
    assert_eq!(paid.status(), 303);
    let location = paid.headers()["location"].to_str().unwrap().to_owned();
    let query = location
        .strip_prefix("http://127.0.0.1:1/return?o=1&")
        .unwrap();
    let returned = form(query);
    assert_eq!(returned["method"], "alipay.trade.page.pay.return");
    assert!(!returned.contains_key("trade_status"));
    let key = public_key(&bed.alipay().alipay_public_key_pem);
    assert!(is_signed_by(
        &key,
        sign::notice_string(&returned).as_bytes(),
        &returned["sign"]
    ));
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Paid);
}

#[tokio::test]
async fn a_bad_page_request_is_told_to_the_payer_in_gbk_html() {
    let bed = Bed::start().await;
    let url = format!("{}?method=alipay.trade.page.pay", bed.alipay().gateway_url);
    let answer = bed.http.get(url).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html;charset=GBK");
    let page = answer.text().await.unwrap();
    assert!(page.is_ascii() && page.contains("isv.missing-app-id"));
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn an_order_string_is_taken_to_the_cashier() {
    let bed = Bed::start().await;
    let mut biz = alipay_biz("T1", "1.00");
    biz["product_code"] = json!("QUICK_MSECURITY_PAY");
    let mut params = bed.alipay_params("alipay.trade.app.pay", &biz);
    sign_alipay(&mut params, bed.alipay());
    let order_string = sign::encode(&params);
    assert_eq!(
        bed.control.present_alipay(&order_string).await.unwrap(),
        "T1"
    );
    let url = format!("{}/payer/alipay/app?{order_string}", bed.sandbox.base_url());
    assert_eq!(bed.http.get(url).send().await.unwrap().status(), 302);
    let altered = order_string.replace("1.00", "0.01");
    assert!(bed.control.present_alipay(&altered).await.is_err());
    // Closed app orders are told of (alipay sheet §8).
    bed.advance(15 * 24 * 3600);
    assert!(bed.control.pay("T1").is_err());
    let reports = bed.control.deliver_due().await;
    assert_eq!(reports[0].kind, "TRADE_CLOSED");
    assert!(!bed.received()[0].form().contains_key("gmt_payment"));
}

#[tokio::test]
async fn a_certificate_mode_app_names_its_certificates() {
    let bed = Bed::start().await;
    let app = bed.sandbox.credentials().alipay_certificate_mode.clone();
    let certificates = app.certificates.clone().unwrap();
    let sn = |pem: &str| crate::keys::serial_number_sn(pem).unwrap();
    let mut params = bed.alipay_params("alipay.trade.precreate", &alipay_biz("T1", "1.00"));
    params.insert("app_id".to_owned(), app.app_id.clone());
    sign_alipay(&mut params, &app);
    let without = bed.alipay_send(&params).await;
    assert_eq!(without.outcome(), "40001 isv.missing-app-cert-sn");
    params.insert("app_cert_sn".to_owned(), sn(&certificates.app_cert_pem));
    params.insert(
        "alipay_root_cert_sn".to_owned(),
        sn(&certificates.alipay_root_cert_pem),
    );
    sign_alipay(&mut params, &app);
    let answer = bed.alipay_send(&params).await;
    assert_eq!(answer.outcome(), "10000");
    let whole: Value = serde_json::from_str(&answer.raw).unwrap();
    assert_eq!(whole["alipay_cert_sn"], sn(&certificates.alipay_cert_pem));
    // Another merchant cannot see the order.
    let foreign = bed
        .alipay_call("alipay.trade.query", json!({"out_trade_no": "T1"}))
        .await;
    assert_eq!(foreign.outcome(), "40004 ACQ.TRADE_NOT_EXIST");
}

#[tokio::test]
async fn a_page_form_is_taken_like_a_page_link() {
    let bed = Bed::start().await;
    let mut biz = alipay_biz("T1", "1.00");
    biz["product_code"] = json!("QUICK_WAP_WAY");
    let mut params = bed.alipay_params("alipay.trade.wap.pay", &biz);
    sign_alipay(&mut params, bed.alipay());
    // The form's action holds all but one parameter, its one hidden input the rest.
    let biz = params.remove("biz_content").unwrap();
    let url = format!("{}?{}", bed.alipay().gateway_url, sign::encode(&params));
    let body = sign::encode(&[("biz_content".to_owned(), biz)].into());
    let request = bed.http.post(url).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.unwrap().status(), 302);
    assert_eq!(bed.control.order("T1").unwrap().product, Product::AlipayWap);
    assert_eq!(
        bed.control.payer_page("T1").unwrap(),
        format!("{}/payer/alipay/T1", bed.sandbox.base_url())
    );
}
