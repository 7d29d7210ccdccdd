//! Never more goes back than came in (P4).
//!
//! The race: fifty refunds of 1.00 of a payment of 10.00 arrive at the same moment. The guard is the
//! conditional update that reserves the amount: it counts the reservation in the same statement that
//! checks it, so that no two refunds can see the same remainder. Without its condition more than ten
//! get through.

use futures_util::future::join_all;
use proto::v1::{self, PaymentChannel, PaymentMethod, PaymentStatus, RefundStatus};
use serde_json::json;
use tests::business::refund_request;
use tests::wallet::{balance_leg, gateway_leg};
use tests::{TestApp, Wish, money, reason};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_refunds_at_once_exactly_the_ten_that_the_payment_bears_succeed() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::alipay_qr("tea", "10.00")).await;
    let asked = (0..50).map(|number| {
        let (caller, id) = (app.shop.clone(), created.id.clone());
        tokio::spawn(async move {
            let request = refund_request(&id, &format!("refund-{number}"), "1.00");
            caller.refunds().create_refund(request).await
        })
    });
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .map(Result::unwrap)
        .partition(Result::is_ok);
    assert_eq!(accepted.len(), 10);
    for refusal in refused {
        assert_eq!(reason(&refusal.unwrap_err()), "REFUND_EXCEEDS_REFUNDABLE");
    }
    assert_eq!(
        app.payment(&created.id).await.amount_refundable,
        Some(money("0.00"))
    );
    app.run_workers(4).await;
    app.settle().await;
    for answer in accepted {
        let refund = answer.unwrap().into_inner().refund.unwrap();
        assert_eq!(
            app.refund_of(&refund.refund_id).await.status(),
            RefundStatus::Success
        );
    }
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::RefundFull);
    assert_eq!(payment.amount_refunded, Some(money("10.00")));
    assert_eq!(app.control.refunds().len(), 10);
    assert_eq!(app.bookings(&created.id).await.len(), 11);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_identical_refund_requests_at_once_make_one_refund_and_equal_answers() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::alipay_qr("tea", "10.00")).await;
    let asked = (0..20).map(|_| {
        let (caller, id) = (app.shop.clone(), created.id.clone());
        tokio::spawn(async move {
            caller
                .refunds()
                .create_refund(refund_request(&id, "once", "10.00"))
                .await
        })
    });
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let ids: Vec<_> = answers
        .into_iter()
        .map(|answer| {
            answer
                .unwrap()
                .unwrap()
                .into_inner()
                .refund
                .unwrap()
                .refund_id
        })
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    app.settle().await;
    assert_eq!(app.control.refunds().len(), 1);
    app.finish().await;
}

/// What is reserved is reserved of a leg too, in the same transaction: the payment alone would bear twelve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_refunds_of_one_leg_at_once_exactly_the_seven_that_the_leg_bears_succeed() {
    let app = TestApp::start().await;
    app.configure_payments(json!({})).await;
    app.fill_balance("user-1", "5.00").await;
    let alipay = gateway_leg(PaymentChannel::Alipay, PaymentMethod::Qr, "7.00");
    let legs = vec![balance_leg("5.00"), alipay];
    let created = app.paid(&Wish::legs("tea", "12.00", legs)).await;
    let asked = (0..20).map(|number| {
        let (caller, id) = (app.shop.clone(), created.id.clone());
        tokio::spawn(async move {
            let mut request = refund_request(&id, &format!("refund-{number}"), "1.00");
            request.legs = vec![v1::RefundLegRequest {
                leg_no: 2,
                amount: Some(money("1.00")),
            }];
            caller.refunds().create_refund(request).await
        })
    });
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .map(Result::unwrap)
        .partition(Result::is_ok);
    assert_eq!(accepted.len(), 7);
    for refusal in refused {
        assert_eq!(reason(&refusal.unwrap_err()), "REFUND_EXCEEDS_LEG");
    }
    app.run_workers(4).await;
    app.settle().await;
    let payment = app.payment(&created.id).await;
    let refunded = payment.legs.iter().map(|leg| leg.amount_refunded.clone());
    assert_eq!(
        refunded.collect::<Vec<_>>(),
        [Some(money("0.00")), Some(money("7.00"))]
    );
    assert_eq!(payment.amount_refundable, Some(money("5.00")));
    assert_eq!(app.control.refunds().len(), 7);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}
