//! At the counter: a payer's code in, every answer that WeChat has for it, and reversals.

use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::ReportedPayment;
use kassa_core::payment::AuthCode;
use serde_json::{Value, json};

use super::outbound::{NUMBER, answer, answering, assert_sent, order, paid, placed_order, refusal};
use super::{open, settings};
use crate::testing::{Loopback, http_response};
use crate::{CallError, Closed, Gateway, PlaceOrder, Placed, PlacedOrder};

const CODE: &str = "134567890123456789";

fn shown() -> PlaceOrder {
    PlaceOrder {
        auth_code: Some(AuthCode::try_new(CODE).unwrap()),
        ..order(Method::BarCode)
    }
}

fn placed() -> PlacedOrder {
    PlacedOrder {
        method: Method::BarCode,
        is_given_out: false,
        ..placed_order()
    }
}

fn charged() -> Value {
    json!({"out_trade_no": NUMBER, "transaction_id": "G1", "trade_type": "MICROPAY",
        "openid": "o1", "bank_type": "OTHERS", "total_fee": "100", "cash_fee": "60",
        "time_end": "20260101080138"})
}

/// An answer to calls of one path.
type At = (&'static str, fn() -> Vec<u8>);

fn at(path: &'static str, answer: fn() -> Vec<u8>) -> At {
    (path, answer)
}

/// A gateway that answers each path in its own way.
async fn by_path(answers: Vec<At>) -> (super::super::WechatV2, Loopback) {
    let server = Loopback::start(move |request| {
        let found = answers.iter().find(|(path, _)| request.target == *path);
        found.map(|(_, answer)| answer())
    })
    .await;
    (open(settings(&server.url(""))), server)
}

#[tokio::test]
async fn a_code_is_sent_as_documented_and_a_success_is_the_payment() {
    let (gateway, server) = answering(Some(answer(&charged()))).await;
    let outcome = gateway.place(&shown()).await.unwrap();
    let expected = json!({
        "body": "测试商品-Rust", "out_trade_no": NUMBER, "fee_type": "CNY", "total_fee": "100",
        "spbill_create_ip": "203.0.113.7", "auth_code": CODE,
    });
    assert_sent(&server.requests()[0], "/pay/micropay", &expected);
    assert_eq!((outcome.prepay, outcome.is_to_be_asked), (None, false));
    let report = outcome.report.unwrap();
    assert_eq!(report.request_number, NUMBER);
    assert_eq!(report.gateway_transaction_id.as_deref(), Some("G1"));
    let ReportedPayment::Paid { amount, paid_at } = report.state else {
        panic!("{report:?}");
    };
    assert_eq!(amount, shown().amount, "not what the payer's coupon left");
    assert_eq!(paid_at.unwrap().timestamp(), super::NOW + 98);
}

#[tokio::test]
async fn a_payer_who_enters_a_password_is_waited_for() {
    let (gateway, _server) = answering(Some(refusal("USERPAYING"))).await;
    assert_eq!(gateway.place(&shown()).await, Ok(Placed::waiting(None)));
}

#[tokio::test]
async fn what_is_not_signed_or_not_about_the_order_is_unknown() {
    let mut other = charged();
    other["out_trade_no"] = json!("T2");
    let mut nothing = charged();
    nothing["total_fee"] = json!("");
    let signed = answer(&charged());
    let altered = String::from_utf8(signed).unwrap().replace("100", "101");
    let (_, altered) = altered.split_once("\r\n\r\n").unwrap();
    let failed = "<xml><return_code>FAIL</return_code><return_msg>x</return_msg></xml>";
    for response in [
        Some(answer(&other)),
        Some(answer(&nothing)),
        Some(http_response(200, &[], altered.as_bytes())),
        Some(http_response(200, &[], failed.as_bytes())),
        Some(http_response(502, &[], b"")),
        Some(refusal("SYSTEMERROR")),
        Some(refusal("BANKERROR")),
        None,
    ] {
        let (gateway, server) = answering(response).await;
        let outcome = gateway.place(&shown()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 1, "a code is sent once");
    }
}

#[tokio::test]
async fn a_refused_code_is_refused_and_no_error_says_it() {
    let (gateway, _server) = answering(Some(refusal("AUTHCODEEXPIRE"))).await;
    let refused = gateway.place(&shown()).await;
    assert!(matches!(&refused, Err(CallError::Refused(it)) if it.code == "AUTHCODEEXPIRE"));
    let closed = open(settings(&Loopback::closed_url().await));
    let unsent = closed.place(&shown()).await;
    assert!(matches!(unsent, Err(CallError::NotSent(_))));
    let texts = format!("{refused:?} {unsent:?} {:?}", shown());
    assert!(!texts.contains(CODE), "{texts}");
    let (gateway, server) = answering(None).await;
    let codeless = gateway.place(&order(Method::BarCode)).await;
    assert!(matches!(codeless, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    assert!(server.requests().is_empty());
}

async fn state(fields: Value) -> ReportedPayment {
    let (gateway, _server) = answering(Some(answer(&fields))).await;
    gateway.query(&placed()).await.unwrap().state
}

#[tokio::test]
async fn the_states_of_a_counter_mean_what_the_sheet_says() {
    let bare = |word: &str| json!({"out_trade_no": NUMBER, "trade_state": word});
    for word in ["NOTPAY", "USERPAYING", "ACCEPT", "PAYERROR"] {
        assert_eq!(state(bare(word)).await, ReportedPayment::Unpaid, "{word}");
    }
    for word in ["REVOKED", "CLOSED"] {
        assert_eq!(state(bare(word)).await, ReportedPayment::Closed, "{word}");
    }
    let mut reversed = paid();
    reversed["trade_state"] = json!("REVOKED");
    let reversed = state(reversed).await;
    assert!(
        matches!(reversed, ReportedPayment::Reversed { amount, .. } if amount == shown().amount)
    );
    assert!(matches!(state(paid()).await, ReportedPayment::Paid { .. }));
}

fn refunded() -> Vec<u8> {
    let mut fields = paid();
    fields["trade_state"] = json!("REFUND");
    answer(&fields)
}

fn refunds(second: &str, status: &str) -> Vec<u8> {
    answer(&json!({"out_trade_no": NUMBER, "refund_count": "2",
        "refund_fee_0": "40", "refund_status_0": "SUCCESS",
        "refund_fee_1": second, "refund_status_1": status}))
}

#[tokio::test]
async fn an_order_with_refunds_is_reversed_only_if_all_of_it_went_back() {
    let amount = Money::try_new(100, Currency::CNY).unwrap();
    for (told, is_reversed) in [
        (at("/pay/refundquery", || refunds("60", "SUCCESS")), true),
        (at("/pay/refundquery", || refunds("59", "SUCCESS")), false),
        (
            at("/pay/refundquery", || refunds("60", "REFUNDCLOSE")),
            false,
        ),
        (at("/pay/refundquery", || refusal("REFUNDNOTEXIST")), true),
    ] {
        let (gateway, _server) = by_path(vec![at("/pay/orderquery", refunded), told]).await;
        let found = gateway.query(&placed()).await.unwrap().state;
        match found {
            ReportedPayment::Reversed { amount: found, .. } => {
                assert!(is_reversed);
                assert_eq!(found, amount);
            }
            ReportedPayment::Paid { .. } => assert!(!is_reversed),
            ReportedPayment::Unpaid
            | ReportedPayment::Closed
            | ReportedPayment::Failed(_)
            | ReportedPayment::NotFound => panic!("{found:?}"),
        }
    }
}

fn done() -> Vec<u8> {
    answer(&json!({ "recall": "N" }))
}

fn stands(word: &str) -> Vec<u8> {
    answer(&json!({"out_trade_no": NUMBER, "trade_state": word}))
}

#[tokio::test]
async fn a_reversal_is_believed_when_a_query_says_so() {
    let reverse = |answer: fn() -> Vec<u8>| at("/secapi/pay/reverse", answer);
    for (answers, expected) in [
        (
            vec![reverse(done), at("/pay/orderquery", || stands("REVOKED"))],
            Closed::Closed,
        ),
        (
            vec![
                reverse(done),
                at("/pay/orderquery", || refusal("ORDERNOTEXIST")),
            ],
            Closed::Closed,
        ),
        (
            vec![
                reverse(done),
                at("/pay/orderquery", || stands("USERPAYING")),
            ],
            Closed::NotClosable,
        ),
        (vec![reverse(|| refusal("ORDERNOTEXIST"))], Closed::Closed),
        (
            vec![reverse(|| refusal("TRADE_ERROR"))],
            Closed::NotClosable,
        ),
    ] {
        let (gateway, server) = by_path(answers).await;
        assert_eq!(gateway.close(&placed()).await, Ok(expected));
        let named = json!({ "out_trade_no": NUMBER });
        assert_sent(&server.requests()[0], "/secapi/pay/reverse", &named);
    }
}

#[tokio::test]
async fn a_reversal_that_wechat_wants_again_is_sent_again_and_not_for_ever() {
    let again = at("/secapi/pay/reverse", || answer(&json!({ "recall": "Y" })));
    let (gateway, server) = by_path(vec![again]).await;
    let outcome = gateway.close(&placed()).await;
    assert!(matches!(outcome, Err(CallError::Later(_))), "{outcome:?}");
    assert_eq!(server.requests().len(), 3);
    let paying = at("/secapi/pay/reverse", || refusal("USERPAYING"));
    let (gateway, _server) = by_path(vec![paying]).await;
    let outcome = gateway.close(&placed()).await;
    assert!(matches!(outcome, Err(CallError::Later(_))), "{outcome:?}");
}
