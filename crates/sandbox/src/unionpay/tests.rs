//! UnionPay's protocol through the sandbox's own door.

use chrono::DateTime;
use rsa::pkcs8::DecodePublicKey;

use super::{Fields, sign};
use crate::{
    CallFault, FaultRule, Operation, OrderState, Product, RefundOutcome, RefundStatus,
    UnionpayCredentials,
    crypto::{corrupt, is_signed_by, sign_sha256},
    keys::serial_decimal,
    state::china,
    testing::{Bed, START, private_key},
};

const ORDER: &str = "ORDER00000000001";
const REFUND: &str = "REFUND0000000001";

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn now() -> String {
    let now = DateTime::from_timestamp(START, 0).unwrap();
    china(now).format("%Y%m%d%H%M%S").to_string()
}

/// A message of the merchant's, signed after `changes`; an empty value takes a field out.
fn message(merchant: &UnionpayCredentials, base: &Fields, changes: &[(&str, &str)]) -> Fields {
    let mut all = fields(&[
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("accessType", "0"),
        ("merId", &merchant.mer_id),
        ("certId", &serial_decimal(&merchant.sign_cert_pem).unwrap()),
        ("txnTime", &now()),
    ]);
    all.extend(base.clone());
    all.extend(fields(changes));
    all.retain(|_, value| !value.is_empty());
    let key = private_key(&merchant.sign_private_key_pem);
    let signature = sign_sha256(&key, sign::digest(&all).as_bytes()).unwrap();
    all.insert("signature".to_owned(), signature);
    all
}

fn order(bed: &Bed, sub_type: &str, biz_type: &str) -> Fields {
    fields(&[
        ("txnType", "01"),
        ("txnSubType", sub_type),
        ("bizType", biz_type),
        ("channelType", "08"),
        ("orderId", ORDER),
        ("txnAmt", "1099"),
        ("currencyCode", "156"),
        ("backUrl", &bed.notify_url),
    ])
}

fn qr(bed: &Bed) -> Fields {
    order(bed, "07", "000000")
}

fn query(number: &str) -> Fields {
    fields(&[
        ("txnType", "00"),
        ("txnSubType", "00"),
        ("bizType", "000000"),
        ("orderId", number),
    ])
}

fn refund(bed: &Bed, query_id: &str, fen: &str) -> Fields {
    fields(&[
        ("txnType", "04"),
        ("txnSubType", "00"),
        ("bizType", "000000"),
        ("channelType", "08"),
        ("orderId", REFUND),
        ("txnAmt", fen),
        ("currencyCode", "156"),
        ("backUrl", &bed.notify_url),
        ("origQryId", query_id),
        ("reqReserved", ORDER),
    ])
}

/// Whether the sandbox's own certificate, which came along, signed this.
fn is_signed(bed: &Bed, told: &Fields) -> bool {
    let (_, pem) = x509_parser::pem::parse_x509_pem(told["signPubKeyCert"].as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let key = rsa::RsaPublicKey::from_public_key_der(certificate.public_key().raw).unwrap();
    let middle = &bed.sandbox.credentials().unionpay.middle_cert_pem;
    let (_, middle) = x509_parser::pem::parse_x509_pem(middle.as_bytes()).unwrap();
    let middle = middle.parse_x509().unwrap();
    certificate.issuer() == middle.subject()
        && is_signed_by(&key, sign::digest(told).as_bytes(), &told["signature"])
}

async fn post(http: &reqwest::Client, url: &str, message: &Fields) -> reqwest::Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(message)
        .finish();
    let content_type = "application/x-www-form-urlencoded;charset=UTF-8";
    let request = http.post(url).header("content-type", content_type);
    request.body(body).send().await.unwrap()
}

/// Sends a message as it is and reads the raw answer.
async fn send(bed: &Bed, endpoint: &str, message: &Fields) -> Fields {
    let base = &bed.sandbox.credentials().unionpay.gateway_url;
    let answer = post(&bed.http, &format!("{base}{endpoint}"), message).await;
    let raw = answer.text().await.unwrap();
    raw.split('&')
        .map(|pair| pair.split_once('=').expect("a pair"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Sends a message signed after `changes`; the answer is UnionPay's.
async fn call(bed: &Bed, endpoint: &str, base: &Fields, changes: &[(&str, &str)]) -> Fields {
    let merchant = &bed.sandbox.credentials().unionpay;
    let answer = send(bed, endpoint, &message(merchant, base, changes)).await;
    assert!(is_signed(bed, &answer), "{answer:?}");
    answer
}

const BACK: &str = "backTransReq.do";
const QUERY: &str = "queryTrans.do";

/// A paid code order; its `queryId`.
async fn paid(bed: &Bed) -> String {
    assert_eq!(call(bed, BACK, &qr(bed), &[]).await["respCode"], "00");
    bed.control.pay(ORDER).unwrap();
    call(bed, QUERY, &query(ORDER), &[]).await["queryId"].clone()
}

#[tokio::test]
async fn a_code_and_an_app_order_are_answered_with_what_the_payer_needs() {
    let bed = Bed::start().await;
    let answer = call(&bed, BACK, &qr(&bed), &[]).await;
    assert!(answer["qrCode"].ends_with(&format!("/payer/unionpay/{ORDER}")));
    let app = order(&bed, "01", "000201");
    let answer = call(&bed, "appTransReq.do", &app, &[("orderId", "APPORDER1")]).await;
    assert_eq!(answer["tn"].len(), 21);
    let placed = bed.control.order(&answer["tn"]).unwrap();
    assert_eq!(
        (placed.product, placed.total_minor),
        (Product::UnionpayApp, 1099)
    );
}

#[tokio::test]
async fn a_page_order_leads_the_browser_to_the_payer_page_also_again() {
    let bed = Bed::start().await;
    let page = order(&bed, "01", "000201");
    let merchant = &bed.sandbox.credentials().unionpay;
    let front = [("channelType", "07"), ("frontUrl", bed.notify_url.as_str())];
    let signed = message(merchant, &page, &front);
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = format!("{}frontTransReq.do", merchant.gateway_url);
    for _ in 0..2 {
        let answer = post(&browser, &url, &signed).await;
        assert_eq!(answer.status(), 302);
        let to = answer.headers()["location"].to_str().unwrap();
        assert!(to.ends_with(&format!("/payer/unionpay/{ORDER}")));
    }
    assert_eq!(
        bed.control.order(ORDER).unwrap().product,
        Product::UnionpayPage
    );
    let dearer = message(merchant, &page, &[front[0], front[1], ("txnAmt", "1")]);
    let answer = post(&browser, &url, &dearer).await;
    assert!(answer.text().await.unwrap().contains("重复交易"));
}

#[tokio::test]
async fn what_is_not_signed_by_the_merchant_is_refused_and_does_nothing() {
    let bed = Bed::start().await;
    let credentials = bed.sandbox.credentials();
    let mut altered = message(&credentials.unionpay, &qr(&bed), &[]);
    altered.insert("txnAmt".to_owned(), "1".to_owned());
    let mut broken = message(&credentials.unionpay, &qr(&bed), &[]);
    broken.insert("signature".to_owned(), corrupt(&broken["signature"]));
    let mer_id = credentials.unionpay.mer_id.as_str();
    let foreign = message(
        &credentials.unionpay_foreign,
        &qr(&bed),
        &[("merId", mer_id)],
    );
    let other_id = message(&credentials.unionpay, &qr(&bed), &[("certId", "1")]);
    for bad in [altered, broken, foreign, other_id] {
        assert_eq!(send(&bed, BACK, &bad).await["respCode"], "11");
    }
    let unknown = message(
        &credentials.unionpay,
        &qr(&bed),
        &[("merId", "777290058110000")],
    );
    assert_eq!(send(&bed, BACK, &unknown).await["respCode"], "31");
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn missing_long_and_malformed_fields_are_refused_by_unionpays_own_codes() {
    let bed = Bed::start().await;
    for name in [
        "version",
        "merId",
        "certId",
        "txnTime",
        "orderId",
        "txnAmt",
        "currencyCode",
        "backUrl",
        "bizType",
        "channelType",
    ] {
        let answer = call(&bed, BACK, &qr(&bed), &[(name, "")]).await;
        assert_eq!(answer["respCode"], "13", "{name}");
    }
    let long = "A".repeat(41);
    let long_url = format!("https://a.example/{}", "x".repeat(256));
    for (name, value) in [
        ("orderId", long.as_str()),
        ("orderId", "SHORT"),
        ("orderId", "WITH-DASHES-1"),
        ("txnAmt", "10.99"),
        ("txnAmt", "0"),
        ("txnAmt", "1234567890123"),
        ("currencyCode", "840"),
        ("txnTime", "2025-10-09 12:00"),
        ("txnTime", "20200101000000"),
        ("backUrl", "https://a.example/?x=1"),
        ("backUrl", &long_url),
        ("bizType", "000201"),
        ("txnSubType", "99"),
        ("reqReserved", "a&b"),
        ("payTimeout", "20200101000000"),
    ] {
        let answer = call(&bed, BACK, &qr(&bed), &[(name, value)]).await;
        assert_eq!(answer["respCode"], "10", "{name}={value}");
    }
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn a_number_is_used_once_whatever_the_amount() {
    let bed = Bed::start().await;
    assert_eq!(call(&bed, BACK, &qr(&bed), &[]).await["respCode"], "00");
    for change in [&[][..], &[("txnAmt", "1")]] {
        let answer = call(&bed, BACK, &qr(&bed), change).await;
        assert_eq!(answer["respCode"], "12");
    }
    assert_eq!(bed.control.order(ORDER).unwrap().total_minor, 1099);
}

#[tokio::test]
async fn an_order_is_found_by_number_time_and_kind_and_only_so() {
    let bed = Bed::start().await;
    assert_eq!(
        call(&bed, QUERY, &query(ORDER), &[]).await["respCode"],
        "34"
    );
    call(&bed, BACK, &qr(&bed), &[]).await;
    let open = call(&bed, QUERY, &query(ORDER), &[]).await;
    assert_eq!((&*open["respCode"], &*open["origRespCode"]), ("00", "05"));
    bed.control.refuse(ORDER).unwrap();
    let refused = call(&bed, QUERY, &query(ORDER), &[]).await;
    assert_eq!(refused["origRespCode"], "64");
    bed.control.pay(ORDER).unwrap();
    let paid = call(&bed, QUERY, &query(ORDER), &[]).await;
    assert_eq!((&*paid["origRespCode"], &*paid["txnAmt"]), ("00", "1099"));
    assert_eq!(paid["queryId"].len(), 21);
    for other in [("txnTime", "20260101080001"), ("bizType", "000201")] {
        let absent = call(&bed, QUERY, &query(ORDER), &[other]).await;
        assert_eq!(absent["respCode"], "34", "{other:?}");
    }
}

#[tokio::test]
async fn an_order_nobody_paid_is_gone_after_its_time() {
    let bed = Bed::start().await;
    call(&bed, BACK, &qr(&bed), &[("payTimeout", "20260101081000")]).await;
    bed.advance(600);
    assert!(bed.control.pay(ORDER).is_err());
    assert_eq!(
        call(&bed, QUERY, &query(ORDER), &[]).await["respCode"],
        "34"
    );
    assert_eq!(bed.control.order(ORDER).unwrap().state, OrderState::Closed);
}

#[tokio::test]
async fn a_payment_is_told_by_a_signed_form_until_it_is_acknowledged() {
    let bed = Bed::start().await;
    bed.answer_with(&[(500, "no")]);
    paid(&bed).await;
    let reports = bed.control.deliver_due().await;
    assert!(!reports[0].acknowledged);
    let reports = bed.control.deliver_due().await;
    assert!(reports[0].acknowledged && reports[0].kind == "01 00");
    let told = bed.received().pop().unwrap().form();
    assert!(is_signed(&bed, &told));
    for (name, value) in [
        ("orderId", ORDER),
        ("txnType", "01"),
        ("respCode", "00"),
        ("txnAmt", "1099"),
        ("currencyCode", "156"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
}

#[tokio::test]
async fn refunds_are_transactions_of_their_own_within_what_was_paid() {
    let bed = Bed::start().await;
    let query_id = paid(&bed).await;
    bed.control.deliver_due().await;
    for (query_id, fen, code) in [
        ("000000000000000000000", "99", "35"),
        (&*query_id, "1100", "36"),
        (&*query_id, "99", "00"),
        (&*query_id, "99", "12"),
    ] {
        let answer = call(&bed, BACK, &refund(&bed, query_id, fen), &[]).await;
        assert_eq!(answer["respCode"], code, "{fen}");
    }
    let other = [("orderId", "REFUND0000000002"), ("bizType", "000201")];
    let answer = call(&bed, BACK, &refund(&bed, &query_id, "1"), &other).await;
    assert_eq!(answer["respCode"], "36", "of another kind than the order");
    let running = call(&bed, QUERY, &query(REFUND), &[]).await;
    assert_eq!(running["origRespCode"], "05");
    bed.control
        .settle_refund(REFUND, RefundOutcome::Success)
        .unwrap();
    let done = call(&bed, QUERY, &query(REFUND), &[]).await;
    assert_eq!((&*done["origRespCode"], &*done["txnAmt"]), ("00", "99"));
    bed.control.deliver_due().await;
    let told = bed.received().pop().unwrap().form();
    assert!(is_signed(&bed, &told));
    assert_eq!(
        (&*told["txnType"], &*told["orderId"], &*told["reqReserved"]),
        ("04", REFUND, ORDER)
    );
    assert_eq!(bed.control.refunds()[0].status, RefundStatus::Success);
}

#[tokio::test]
async fn faults_meet_calls_as_they_do_elsewhere() {
    let bed = Bed::start().await;
    let refuse = CallFault::Refuse {
        code: "06".to_owned(),
    };
    for (fault, expected) in [(refuse, "06"), (CallFault::BadSignature, "00")] {
        let is_bad = fault == CallFault::BadSignature;
        let rule = FaultRule::call_once(ORDER, Operation::Create, fault);
        bed.control.add_fault(rule).unwrap();
        let merchant = &bed.sandbox.credentials().unionpay;
        let answer = send(&bed, BACK, &message(merchant, &qr(&bed), &[])).await;
        assert_eq!(answer["respCode"], expected);
        assert_eq!(is_signed(&bed, &answer), !is_bad);
    }
    assert_eq!(
        bed.control.orders().len(),
        1,
        "a bad signature hides what was done"
    );
}
