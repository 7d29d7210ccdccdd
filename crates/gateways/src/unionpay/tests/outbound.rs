//! Calls against a loopback gateway: what is sent, and how answers are judged.

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;

use super::super::Unionpay;
use super::requests::order;
use super::{MER_ID, NOW, Pairs, as_answer, number, open_at, settings, signed};
use crate::testing::{Loopback, Received, http_response};
use crate::{CallError, Closed, Gateway, PlaceRefund, PlacedOrder};

const QUERY_ID: &str = "812510091200001234568";

async fn answering_at(now: i64, answer: Vec<u8>) -> (Unionpay, Loopback) {
    let server = Loopback::start(move |_request| Some(answer.clone())).await;
    (open_at(settings(&server.url("/gateway/api/")), now), server)
}

async fn answering(pairs: &Pairs) -> (Unionpay, Loopback) {
    answering_at(NOW, http_response(200, &[], as_answer(pairs).as_bytes())).await
}

/// An answer about our order, with `changes`.
fn answer(changes: &[(&str, &str)]) -> Pairs {
    let number = number();
    let mut fields = vec![
        ("merId", MER_ID),
        ("orderId", number.as_str()),
        ("txnTime", "20251009120010"),
        ("respCode", "00"),
        ("respMsg", "成功[0000000]"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push((name, value));
    }
    signed(&fields)
}

fn placed_order() -> PlacedOrder {
    PlacedOrder {
        request_number: number(),
        method: Method::Qr,
        amount: Money::try_new(1099, Currency::CNY).unwrap(),
        gateway_transaction_id: None,
        is_given_out: true,
        is_wanted: true,
        expires_at: DateTime::from_timestamp(NOW + 900, 0).unwrap(),
    }
}

/// The refund's number here is the same as the order's: one loopback answer serves both.
fn refund() -> PlaceRefund {
    PlaceRefund {
        request_number: "ORDER0001".to_owned(),
        method: Method::Page,
        gateway_transaction_id: Some(QUERY_ID.to_owned()),
        refund_number: number(),
        amount: Money::try_new(99, Currency::CNY).unwrap(),
        paid: Money::try_new(1099, Currency::CNY).unwrap(),
        reason: None,
        notify_url: "https://pay.example.cn/callbacks/unionpay/u/refund"
            .parse()
            .unwrap(),
    }
}

fn sent(request: &Received) -> BTreeMap<String, String> {
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded;charset=UTF-8")
    );
    form_urlencoded::parse(&request.body).into_owned().collect()
}

#[tokio::test]
async fn a_qr_order_and_an_app_order_are_sent_as_documented() {
    let cases = [
        (
            Method::Qr,
            "qrCode",
            "https://qr.95516.com/00010000/1",
            "backTransReq.do",
            "07",
            "000000",
        ),
        (
            Method::App,
            "tn",
            "812510091200001234568",
            "appTransReq.do",
            "01",
            "000201",
        ),
    ];
    for (method, name, value, endpoint, sub_type, biz_type) in cases {
        let (gateway, server) = answering(&answer(&[(name, value)])).await;
        let placed = gateway.place(&order(method)).await.unwrap();
        let content = value.to_owned();
        let expected = if method == Method::Qr {
            PrepayInfo::QrCode { content }
        } else {
            PrepayInfo::AppOrder {
                order_string: content,
            }
        };
        assert_eq!(placed.prepay, Some(expected));
        let request = server.requests().remove(0);
        assert_eq!(request.target, format!("/gateway/api/{endpoint}"));
        let fields = sent(&request);
        assert_eq!(fields["txnSubType"], sub_type);
        assert_eq!(fields["bizType"], biz_type);
        assert_eq!(fields["channelType"], "08");
        assert!(
            !fields.contains_key("frontUrl"),
            "empty values are not sent"
        );
    }
}

#[tokio::test]
async fn a_query_names_the_order_by_number_and_time() {
    let paid = [
        ("origRespCode", "00"),
        ("queryId", QUERY_ID),
        ("txnAmt", "1099"),
        ("currencyCode", "156"),
        ("traceTime", "1009120020"),
    ];
    let (gateway, server) = answering(&answer(&paid)).await;
    let report = gateway.query(&placed_order()).await.unwrap();
    assert_eq!(report.gateway_transaction_id.as_deref(), Some(QUERY_ID));
    assert!(matches!(
        report.state,
        ReportedPayment::Paid { amount, paid_at: Some(_) } if amount.amount_minor() == 1099
    ));
    let fields = sent(&server.requests()[0]);
    assert_eq!(fields["txnType"], "00");
    assert_eq!(fields["bizType"], "000000");
    assert_eq!(fields["orderId"], number());
    assert_eq!(fields["txnTime"], "20251009120010");
    assert!(!fields.contains_key("txnAmt") && !fields.contains_key("channelType"));
}

async fn queried(now: i64, changes: &[(&str, &str)]) -> Result<ReportedPayment, CallError> {
    let body = as_answer(&answer(changes));
    let (gateway, _server) = answering_at(now, http_response(200, &[], body.as_bytes())).await;
    gateway
        .query(&placed_order())
        .await
        .map(|report| report.state)
}

/// Ten minutes after the order's `payTimeout`.
const FINAL: i64 = NOW + 900 + 600;

#[tokio::test]
async fn a_failure_is_final_only_when_the_payer_cannot_try_again() {
    for code in ["64", "79"] {
        let failed = [("origRespCode", code), ("origRespMsg", "余额不足[1000064]")];
        assert_eq!(queried(NOW, &failed).await, Ok(ReportedPayment::Unpaid));
        assert_eq!(
            queried(FINAL - 1, &failed).await,
            Ok(ReportedPayment::Unpaid)
        );
        let last = queried(FINAL, &failed).await.unwrap();
        assert!(matches!(last, ReportedPayment::Failed(reason) if reason.code == code));
    }
}

#[tokio::test]
async fn what_is_in_progress_stays_open_and_what_is_unlisted_says_nothing() {
    for code in ["03", "04", "05"] {
        let pending = queried(FINAL, &[("origRespCode", code)]).await;
        assert_eq!(pending, Ok(ReportedPayment::Unpaid));
    }
    for code in ["99", "ZZ", "34"] {
        let unknown = queried(FINAL, &[("origRespCode", code)]).await;
        assert!(matches!(unknown, Err(CallError::Unknown(_))), "{unknown:?}");
    }
    let bare = queried(NOW, &[]).await;
    assert!(matches!(bare, Err(CallError::Unknown(_))));
}

#[tokio::test]
async fn an_order_that_is_not_there_may_come_until_its_time_is_over() {
    let absent = [("respCode", "34")];
    assert_eq!(queried(NOW, &absent).await, Ok(ReportedPayment::NotFound));
    assert_eq!(queried(FINAL, &absent).await, Ok(ReportedPayment::Closed));
    let often = queried(NOW, &[("respCode", "37")]).await;
    assert!(matches!(often, Err(CallError::Later(_))));
}

#[tokio::test]
async fn a_success_that_lacks_what_money_needs_is_unknown() {
    let paid = [
        ("origRespCode", "00"),
        ("queryId", QUERY_ID),
        ("txnAmt", "1099"),
        ("currencyCode", "156"),
    ];
    for left_out in ["queryId", "txnAmt", "currencyCode"] {
        let fields: Vec<_> = paid
            .iter()
            .copied()
            .filter(|(name, _)| *name != left_out)
            .collect();
        let unknown = queried(NOW, &fields).await;
        assert!(matches!(unknown, Err(CallError::Unknown(_))), "{left_out}");
    }
}

#[tokio::test]
async fn nothing_can_be_closed_but_what_nobody_can_pay() {
    let close = async |now: i64, order: &PlacedOrder| {
        open_at(settings("https://a.example/"), now)
            .close(order)
            .await
            .unwrap()
    };
    let order = placed_order();
    assert_eq!(close(NOW, &order).await, Closed::NotClosable);
    assert_eq!(close(FINAL - 1, &order).await, Closed::NotClosable);
    assert_eq!(close(FINAL, &order).await, Closed::Closed);
    let unseen = PlacedOrder {
        is_given_out: false,
        ..order
    };
    assert_eq!(close(NOW, &unseen).await, Closed::Closed);
}

#[tokio::test]
async fn a_refund_is_a_transaction_of_its_own_that_carries_the_orders_number() {
    let (gateway, server) = answering(&answer(&[("queryId", "R1")])).await;
    let report = gateway.refund(&refund()).await.unwrap();
    assert_eq!(report.state, ReportedRefund::Processing);
    assert_eq!(report.gateway_refund_id.as_deref(), Some("R1"));
    let fields = sent(&server.requests()[0]);
    for (name, value) in [
        ("txnType", "04"),
        ("txnSubType", "00"),
        ("bizType", "000201"),
        ("channelType", "07"),
        ("txnAmt", "99"),
        ("origQryId", QUERY_ID),
        ("reqReserved", "ORDER0001"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    let nameless = PlaceRefund {
        gateway_transaction_id: None,
        ..refund()
    };
    let refused = gateway.refund(&nameless).await;
    assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refunds_query_tells_its_outcome() {
    let of = async |changes: &[(&str, &str)]| {
        let (gateway, _server) = answering(&answer(changes)).await;
        gateway.query_refund(&refund()).await.map(|it| it.state)
    };
    let done = of(&[
        ("origRespCode", "A6"),
        ("txnAmt", "99"),
        ("currencyCode", "156"),
    ])
    .await
    .unwrap();
    assert!(
        matches!(done, ReportedRefund::Succeeded { amount: Some(it), .. } if it.amount_minor() == 99)
    );
    for code in ["02", "05", "06", "39"] {
        assert_eq!(
            of(&[("origRespCode", code)]).await,
            Ok(ReportedRefund::Processing)
        );
    }
    // Only a payment can be late.
    let late = [
        ("origRespCode", "42"),
        ("txnAmt", "99"),
        ("currencyCode", "156"),
    ];
    assert!(matches!(of(&late).await, Err(CallError::Unknown(_))));
    assert!(matches!(
        of(&[("origRespCode", "36")]).await,
        Ok(ReportedRefund::Failed(reason)) if reason.code == "36"
    ));
    assert_eq!(
        of(&[("respCode", "34")]).await,
        Ok(ReportedRefund::NotFound)
    );
    assert!(matches!(
        of(&[("origRespCode", "99")]).await,
        Err(CallError::Unknown(_))
    ));
}

#[tokio::test]
async fn a_repeated_number_and_a_result_that_is_not_there_yet_are_unknown() {
    for code in ["03", "04", "05", "12", "99"] {
        let (gateway, _server) = answering(&answer(&[("respCode", code)])).await;
        let placed = gateway.place(&order(Method::Qr)).await;
        assert!(matches!(placed, Err(CallError::Unknown(_))), "{code}");
        let refunded = gateway.refund(&refund()).await;
        assert!(matches!(refunded, Err(CallError::Unknown(_))), "{code}");
    }
}

#[tokio::test]
async fn what_cannot_be_believed_is_unknown() {
    let genuine = answer(&[("qrCode", "https://qr.95516.com/1")]);
    let unsigned: Pairs = genuine
        .iter()
        .filter(|(name, _)| name != "signature")
        .cloned()
        .collect();
    let altered: Pairs = genuine
        .iter()
        .map(|(name, value)| {
            let value = if name == "qrCode" {
                "https://evil.example"
            } else {
                value
            };
            (name.clone(), value.to_owned())
        })
        .collect();
    let other_order = answer(&[("orderId", "ORDER0002"), ("qrCode", "x")]);
    let other_merchant = answer(&[("merId", "777290058110099"), ("qrCode", "x")]);
    let lacking = answer(&[]);
    for pairs in [unsigned, altered, other_order, other_merchant, lacking] {
        let (gateway, _server) = answering(&pairs).await;
        let placed = gateway.place(&order(Method::Qr)).await;
        assert!(matches!(placed, Err(CallError::Unknown(_))), "{placed:?}");
    }
    for (status, body) in [(500, "busy"), (302, ""), (200, "<html>"), (200, "")] {
        let (gateway, _server) =
            answering_at(NOW, http_response(status, &[], body.as_bytes())).await;
        let placed = gateway.place(&order(Method::Qr)).await;
        assert!(matches!(placed, Err(CallError::Unknown(_))), "{placed:?}");
    }
    let server = Loopback::start(|_request| None).await;
    let cut = open_at(settings(&server.url("/")), NOW);
    let placed = cut.place(&order(Method::Qr)).await;
    assert!(matches!(placed, Err(CallError::Unknown(_))), "{placed:?}");
    let closed = open_at(settings(&Loopback::closed_url().await), NOW);
    let placed = closed.place(&order(Method::Qr)).await;
    assert!(matches!(placed, Err(CallError::NotSent(_))), "{placed:?}");
}
