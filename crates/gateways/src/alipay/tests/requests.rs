//! What we send, against the vectors: canonical strings, signatures, forms, order strings.

use std::collections::BTreeMap;

use chrono::DateTime;
use form_urlencoded::parse;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::Subject;
use url::Url;

use super::super::Alipay;
use super::super::sign::{Request, Signed, sign, string_to_sign};
use super::{NOW, alipay, certificate_settings, open, vectors};
use crate::crypto::RsaPrivateKey;
use crate::testing::{list, named, text};
use crate::{CallError, Gateway, PlaceOrder};

fn params(case: &serde_json::Value) -> BTreeMap<&str, &str> {
    let params = case["params"].as_object().unwrap();
    params
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect()
}

#[test]
fn every_request_vector_gives_its_canonical_string_and_signature() {
    let vectors = vectors();
    let key = RsaPrivateKey::try_parse(text(&vectors, "/keys/app_private_key_pkcs8_pem")).unwrap();
    let cases = list(&vectors, "/request_signing");
    assert_eq!(cases.len(), 14);
    for case in cases {
        let params = params(case);
        let pairs = || params.iter().map(|(name, value)| (*name, *value));
        assert_eq!(
            string_to_sign(pairs()),
            case["string_to_sign"],
            "{}",
            case["name"]
        );
        assert_eq!(
            sign(pairs(), &key).unwrap(),
            case["expected_sign"],
            "{}",
            case["name"]
        );
    }
}

#[test]
fn a_signed_request_is_encoded_as_the_vectors_are() {
    let vectors = vectors();
    for (name, gateway) in [
        ("trade_query", alipay()),
        (
            "cert_mode",
            open(certificate_settings("https://a.example/")),
        ),
    ] {
        let case = named(&vectors, "/request_signing", name);
        let request = Request {
            method: "alipay.trade.query",
            biz_content: case["params"]["biz_content"].as_str().unwrap().to_owned(),
            notify_url: None,
            return_url: None,
        };
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        let signed = Signed::try_new(&gateway.settings, request, now).unwrap();
        assert_eq!(signed.all(), case["form_encoded"], "{name}");
    }
}

#[test]
fn a_request_in_one_address_is_the_vectors_to_the_byte() {
    let vectors = vectors();
    let case = named(&vectors, "/request_signing", "page_pay");
    let url = |name: &str| Url::parse(case["params"][name].as_str().unwrap()).unwrap();
    let (notify_url, return_url) = (url("notify_url"), url("return_url"));
    let request = Request {
        method: "alipay.trade.page.pay",
        biz_content: case["params"]["biz_content"].as_str().unwrap().to_owned(),
        notify_url: Some(&notify_url),
        return_url: Some(&return_url),
    };
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let signed = Signed::try_new(&alipay().settings, request, now).unwrap();
    let address = format!("https://openapi.alipay.com/gateway.do?{}", signed.all());
    assert_eq!(address, text(&vectors, "/page_pay_form/get_url"));
}

pub(super) fn order(method: Method, number: &str, amount_minor: i64, subject: &str) -> PlaceOrder {
    PlaceOrder {
        request_number: number.to_owned(),
        method,
        amount: Money::try_new(amount_minor, Currency::CNY).unwrap(),
        subject: Subject::try_new(subject).unwrap(),
        payer: None,
        auth_code: None,
        client_ip: None,
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        notify_url: Url::parse("https://pay.example.com/notify/alipay").unwrap(),
        return_url: Some(Url::parse("https://shop.example.com/return?o=1&p=2").unwrap()),
    }
}

fn decoded(query: &str) -> BTreeMap<String, String> {
    parse(query.as_bytes()).into_owned().collect()
}

/// What a form, redirect or order string carries is judged by the peer's rule: sorted, joined,
/// verified with the app's public key.
fn assert_signed(params: &BTreeMap<String, String>) {
    let vectors = vectors();
    let public =
        crate::crypto::RsaPublicKey::try_parse(text(&vectors, "/keys/app_public_key_pem")).unwrap();
    let pairs: Vec<String> = params
        .iter()
        .filter(|(k, _)| *k != "sign")
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert!(public.verify_sha256(pairs.join("&").as_bytes(), &params["sign"]));
}

async fn place(gateway: &Alipay, method: Method) -> PrepayInfo {
    let order = order(method, "T20260101000000000001", 8888, "测试商品-Rust");
    gateway.place(&order).await.unwrap().prepay.unwrap()
}

#[tokio::test]
async fn a_page_order_is_a_form_with_the_business_fields_in_its_one_hidden_input() {
    let vectors = vectors();
    let PrepayInfo::Form {
        action,
        fields,
        html,
    } = place(&alipay(), Method::Page).await
    else {
        panic!("a form was expected")
    };
    let action = Url::parse(&action).unwrap();
    let mut params = decoded(action.query().unwrap());
    let expected: Vec<&str> = list(&vectors, "/page_pay_form/action_query_params")
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(params.keys().collect::<Vec<_>>(), expected);
    let inputs: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        serde_json::json!(inputs),
        vectors["page_pay_form"]["hidden_inputs"]
    );
    assert_eq!(
        fields[0].1,
        concat!(
            r#"{"out_trade_no":"T20260101000000000001","total_amount":"88.88","#,
            r#""subject":"测试商品-Rust","product_code":"FAST_INSTANT_TRADE_PAY","#,
            r#""time_expire":"2026-01-01 08:30:00"}"#
        )
    );
    params.extend(fields);
    assert_signed(&params);
    assert!(
        html.contains("&quot;out_trade_no&quot;") && html.contains("&amp;sign="),
        "{html}"
    );
    assert!(
        !html.contains(r#"value="{""#),
        "unescaped quotes would end the attribute"
    );
}

#[tokio::test]
async fn a_wap_order_is_one_signed_address_and_an_app_order_one_signed_string() {
    let PrepayInfo::Redirect { url } = place(&alipay(), Method::Wap).await else {
        panic!("a redirect was expected")
    };
    let url = Url::parse(&url).unwrap();
    let params = decoded(url.query().unwrap());
    assert_eq!(params["method"], "alipay.trade.wap.pay");
    assert_eq!(
        params["return_url"],
        "https://shop.example.com/return?o=1&p=2"
    );
    assert!(params["biz_content"].contains("QUICK_WAP_WAY"));
    assert_signed(&params);

    let PrepayInfo::AppOrder { order_string } = place(&alipay(), Method::App).await else {
        panic!("an order string was expected")
    };
    let params = decoded(&order_string);
    assert!(params["biz_content"].contains("QUICK_MSECURITY_PAY"));
    assert!(
        !params.contains_key("return_url"),
        "the app product knows none"
    );
    assert_signed(&params);
}

#[test]
fn the_order_string_of_the_vectors_is_ours() {
    let vectors = vectors();
    let case = named(&vectors, "/request_signing", "app_pay");
    let request = Request {
        method: "alipay.trade.app.pay",
        biz_content: case["params"]["biz_content"].as_str().unwrap().to_owned(),
        notify_url: Some(&Url::parse("https://pay.example.com/notify/alipay").unwrap()),
        return_url: None,
    };
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let signed = Signed::try_new(&alipay().settings, request, now).unwrap();
    let expected = text(
        &vectors,
        "/app_order_string/order_string_percent_encoded_sorted",
    );
    assert_eq!(decoded(&signed.all()), decoded(expected));
}

#[tokio::test]
async fn characters_that_alipay_refuses_in_subjects_are_replaced() {
    let order = order(Method::App, "T1", 1, "a/b=c&d");
    let prepay = alipay().place(&order).await.unwrap().prepay;
    let Some(PrepayInfo::AppOrder { order_string }) = prepay else {
        panic!("an order string was expected")
    };
    assert!(decoded(&order_string)["biz_content"].contains(r#""subject":"a_b_c_d""#));
}

#[tokio::test]
async fn a_method_or_currency_that_alipay_does_not_take_is_refused_before_anything_is_sent() {
    let nobodys = order(Method::Jsapi, "T1", 1, "s");
    let mini_program = order(Method::MiniProgram, "T1", 1, "s");
    let mut dollars = order(Method::Qr, "T1", 1, "s");
    dollars.amount = Money::try_new(1, Currency::USD).unwrap();
    for order in [nobodys, mini_program, dollars] {
        let refused = alipay().place(&order).await;
        assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    }
}
