//! Balance, points and one gateway together: all of it is paid or none, and the books say so.

use chrono::TimeDelta;
use proto::v1::{
    self, PaymentChannel, PaymentLegStatus, PaymentMethod, PaymentStatus, RefundSource,
    RefundStatus,
};
use sandbox::{CallFault, FaultRule, FaultScope, Operation, RefundOutcome};
use serde_json::json;
use tests::business::refund_request;
use tests::event::kinds;
use tests::wallet::{balance_leg, gateway_leg, points, points_leg};
use tests::{Created, TestApp, Wish, money, reason};

use super::order::second_attempt;

/// Seed 2's example: 30.00 = 10.00 of balance + 100 points + 10.00 through WeChat Pay.
fn example(order: &str) -> Wish {
    let wechat = gateway_leg(PaymentChannel::WechatPay, PaymentMethod::Jsapi, "10.00");
    Wish::legs(
        order,
        "30.00",
        vec![balance_leg("10.00"), points_leg("100.00"), wechat],
    )
}

/// 5.00 of balance and 7.00 by a code of Alipay's, which exists there once it is opened.
fn by_code(order: &str) -> Wish {
    let alipay = gateway_leg(PaymentChannel::Alipay, PaymentMethod::Qr, "7.00");
    Wish::legs(order, "12.00", vec![balance_leg("5.00"), alipay])
}

/// A shop whose user has 20.00 CNY and 1000 points.
async fn shop() -> TestApp {
    let app = TestApp::start().await;
    app.configure_payments(json!({ "allow_refund_to_balance": true }))
        .await;
    app.fill_balance("user-1", "20.00").await;
    app.fill_points("user-1", "1000.00").await;
    app
}

/// The purse that [`shop`] starts with.
const FULL: [&str; 2] = ["20.00 CNY", "1000.00 POINTS"];

fn statuses(payment: &v1::PaymentTransaction) -> Vec<PaymentLegStatus> {
    payment.legs.iter().map(v1::PaymentLeg::status).collect()
}

fn refunded(payment: &v1::PaymentTransaction) -> Vec<String> {
    let amount = |leg: &v1::PaymentLeg| leg.amount_refunded.clone().unwrap().amount;
    payment.legs.iter().map(amount).collect()
}

const PAID: [&str; 3] = [
    "BALANCE_PAYMENT: APP_PAYABLE -10.00 CNY, WALLET +10.00 CNY",
    "PAYMENT: APP_PAYABLE -10.00 CNY, GATEWAY_RECEIVABLE +10.00 CNY",
    "POINTS_PAYMENT: APP_PAYABLE -10.00 CNY, POINTS_EXPENSE +10.00 CNY, \
     POINTS_POOL -100.00 POINTS, POINTS_WALLET +100.00 POINTS",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_yuan_by_balance_points_and_wechat_are_paid_and_given_back_in_two_halves() {
    let app = shop().await;
    let request = example("tea").0;
    let answer = app.shop.payments().create_payment(request).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.remaining_balance, Some(money("10.00")));
    assert_eq!(answer.remaining_points, Some(points("900.00")));
    let created = Created::from(answer);
    assert!(created.prepay.is_some());
    let pending = &created.transaction;
    assert_eq!(pending.payment_channel(), PaymentChannel::WechatPay);
    assert_eq!(pending.status(), PaymentStatus::PendingPayment);
    assert_eq!(statuses(pending), [PaymentLegStatus::Pending; 3]);
    assert_eq!(pending.legs[1].points, Some(points("100.00")));
    assert_eq!(pending.legs[1].amount, Some(money("10.00")));
    assert_eq!(
        app.purse("user-1").await,
        [
            "10.00 CNY, held 10.00 CNY",
            "900.00 POINTS, held 100.00 POINTS"
        ]
    );
    assert_eq!(app.order(&created.id).await.total_minor, 1_000);
    assert_eq!(app.books_of(&created.id).await, [""; 0]);

    app.pay(&created).await;
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(paid.amount_paid, Some(money("30.00")));
    assert_eq!(statuses(&paid), [PaymentLegStatus::Paid; 3]);
    assert_eq!(app.books_of(&created.id).await, PAID);
    assert_eq!(app.purse("user-1").await, ["10.00 CNY", "900.00 POINTS"]);

    half_and_half(&app, &created.id).await;
    assert_eq!(app.purse("user-1").await, FULL);
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told[..2], ["payment.pending", "payment.succeeded"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

/// 15.00 back, and then the rest.
async fn half_and_half(app: &TestApp, id: &str) {
    let first = app.refund(id, "half", "15.00").await.unwrap();
    assert_eq!(first.status(), RefundStatus::Pending);
    app.run_until_idle().await;
    let open = app.payment(id).await;
    assert_eq!(refunded(&open), ["0.00", "0.00", "0.00"]);
    assert_eq!(open.legs[1].amount_refundable, Some(money("5.00")));
    assert_eq!(app.purse("user-1").await, ["10.00 CNY", "900.00 POINTS"]);
    app.control
        .settle_refund(&first.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let first = app.refund_of(&first.refund_id).await;
    assert_eq!(first.status(), RefundStatus::Success);
    assert_eq!(first.legs.len(), 2);
    assert_eq!(first.legs[0].points, Some(points("50.00")));
    let half = app.payment(id).await;
    assert_eq!(half.status(), PaymentStatus::RefundPartial);
    assert_eq!(refunded(&half), ["0.00", "5.00", "10.00"]);
    assert_eq!(app.purse("user-1").await, ["10.00 CNY", "950.00 POINTS"]);
    assert_eq!(app.control.refunds().len(), 1);
    assert_eq!(app.control.refunds()[0].amount_minor, 1_000);

    let rest = app.refund(id, "rest", "15.00").await.unwrap();
    assert_eq!(
        rest.status(),
        RefundStatus::Success,
        "only wallets take part"
    );
    app.settle().await;
    let full = app.payment(id).await;
    assert_eq!(full.status(), PaymentStatus::RefundFull);
    assert_eq!(refunded(&full), ["10.00", "10.00", "10.00"]);
    let mut books: Vec<String> = PAID.map(ToOwned::to_owned).to_vec();
    books.extend([
        "BALANCE_REFUND: APP_PAYABLE +10.00 CNY, WALLET -10.00 CNY".to_owned(),
        POINTS_BACK.to_owned(),
        POINTS_BACK.to_owned(),
        "REFUND: APP_PAYABLE +10.00 CNY, GATEWAY_RECEIVABLE -10.00 CNY".to_owned(),
    ]);
    books.sort_unstable();
    assert_eq!(app.books_of(id).await, books);
}

const POINTS_BACK: &str = "POINTS_REFUND: APP_PAYABLE +5.00 CNY, POINTS_EXPENSE -5.00 CNY, \
     POINTS_POOL +50.00 POINTS, POINTS_WALLET -50.00 POINTS";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balance_payment_is_paid_when_it_is_answered_and_a_repeat_pays_nothing() {
    let app = shop().await;
    let request = Wish::balance("tea", "12.50").0;
    for _ in 0..2 {
        let mut payments = app.shop.payments();
        let answer = payments
            .create_payment(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.remaining_balance, Some(money("7.50")));
        assert_eq!(answer.remaining_points, None);
        assert_eq!(answer.prepay_info, None);
        let paid = answer.transaction.unwrap();
        assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
        assert_eq!(statuses(&paid), [PaymentLegStatus::Paid]);
        assert_eq!(
            app.books_of(&paid.transaction_id).await,
            ["BALANCE_PAYMENT: APP_PAYABLE -12.50 CNY, WALLET +12.50 CNY"]
        );
        // What has no order at a gateway is answered as it is.
        let id = paid.transaction_id;
        assert_eq!(
            app.sync(&id).await.unwrap().status(),
            PaymentStatus::PaidSuccess
        );
        assert_eq!(
            app.close(&id).await.unwrap().status(),
            PaymentStatus::PaidSuccess
        );
        app.run_until_idle().await;
        assert_eq!(kinds(&app.events_of(&id).await), ["payment.succeeded"]);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_priority_points_and_balance_pay_what_they_can_and_the_gateway_the_rest() {
    let app = shop().await;
    let channels = [
        PaymentChannel::Points,
        PaymentChannel::Balance,
        PaymentChannel::WechatPay,
    ];
    let wish = Wish::by_priority("tea", "150.00", &channels);
    let created = app.created(&wish).await;
    let amounts: Vec<_> = created
        .transaction
        .legs
        .iter()
        .map(|leg| leg.amount.clone().unwrap().amount)
        .collect();
    assert_eq!(amounts, ["100.00", "20.00", "30.00"]);
    assert_eq!(app.order(&created.id).await.total_minor, 3_000);
    app.close(&created.id).await.unwrap();
    app.settle().await;
    assert_eq!(app.purse("user-1").await, FULL);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_gateway_refuses_nothing_is_taken_and_nothing_is_booked() {
    let app = shop().await;
    let refuse = CallFault::Refuse {
        code: "PARAM_ERROR".to_owned(),
    };
    let rule = FaultRule::call_once("", Operation::Create, refuse);
    app.control
        .add_fault(rule.in_scope(FaultScope::NextOrder))
        .unwrap();
    let refused = app.create(&example("tea")).await.unwrap_err();
    assert_eq!(reason(&refused), "GATEWAY_REFUSED");
    app.settle().await;
    let mut payments = app.shop.payments();
    let all = payments
        .list_payments(v1::ListPaymentsRequest::default())
        .await;
    let failed = all.unwrap().into_inner().transactions.remove(0);
    assert_eq!(failed.status(), PaymentStatus::PaidFailed);
    assert_eq!(statuses(&failed), [PaymentLegStatus::Ended; 3]);
    assert_eq!(app.books_of(&failed.transaction_id).await, [""; 0]);
    assert_eq!(app.purse("user-1").await, FULL);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_pays_in_time_what_was_held_is_free_again() {
    let app = shop().await;
    let created = app.created(&example("tea")).await;
    app.clock.advance(TimeDelta::minutes(29));
    app.settle().await;
    assert_eq!(
        app.purse("user-1").await,
        [
            "10.00 CNY, held 10.00 CNY",
            "900.00 POINTS, held 100.00 POINTS"
        ]
    );
    app.clock.advance(TimeDelta::minutes(2));
    app.settle().await;
    let closed = app.payment(&created.id).await;
    assert_eq!(closed.status(), PaymentStatus::Closed);
    assert_eq!(statuses(&closed), [PaymentLegStatus::Ended; 3]);
    assert_eq!(app.books_of(&created.id).await, [""; 0]);
    assert_eq!(app.purse("user-1").await, FULL);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_part_that_comes_late_pays_nothing_and_goes_back() {
    let app = shop().await;
    let created = app.created(&by_code("tea")).await;
    app.close(&created.id).await.unwrap();
    assert_eq!(app.purse("user-1").await, FULL);
    // The payer spends what was free again: it cannot be taken a second time.
    app.create(&Wish::balance("cake", "20.00")).await.unwrap();
    app.pay(&created).await;
    app.settle().await;
    let late = app.payment(&created.id).await;
    assert_eq!(late.status(), PaymentStatus::Closed);
    assert_eq!(late.amount_paid, Some(money("0.00")));
    assert_eq!(statuses(&late), [PaymentLegStatus::Ended; 2]);
    let found = app.anomalies_shown(&created.id).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind(), v1::AnomalyKind::LatePayment);
    assert_eq!(found[0].evidence["amount_found"], "7.00 CNY");
    assert_eq!(found[0].evidence["amount_by_gateway"], "7.00 CNY");
    assert_eq!(found[0].evidence["amount_requested"], "12.00 CNY");
    let came = "UNEXPECTED_PAYMENT: GATEWAY_RECEIVABLE +7.00 CNY, SUSPENSE -7.00 CNY";
    assert_eq!(app.books_of(&created.id).await, [came]);

    app.clock.advance(TimeDelta::minutes(10));
    app.settle().await;
    let back = "REFUND: GATEWAY_RECEIVABLE -7.00 CNY, SUSPENSE +7.00 CNY";
    assert_eq!(app.books_of(&created.id).await, [back, came]);
    let refund = app.refunds_of(&created.id).await.remove(0);
    assert_eq!(refund.status(), RefundStatus::Success);
    assert_eq!(refund.source(), RefundSource::Duplicate);
    assert_eq!(refund.anomaly_id, found[0].anomaly_id);
    let resolved = app.anomalies_shown(&created.id).await;
    assert_eq!(resolved[0].status(), v1::AnomalyStatus::Resolved);
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::Closed
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_twice_the_second_money_goes_to_suspense_and_back_and_the_wallet_pays_once() {
    let app = shop().await;
    let created = app.created(&example("tea")).await;
    let second = second_attempt(&app, &created.id).await;
    app.pay(&created).await;
    app.control.pay(&second).unwrap();
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.amount_paid,
        Some(money("30.00"))
    );
    assert_eq!(app.purse("user-1").await, ["10.00 CNY", "900.00 POINTS"]);
    let mut books: Vec<String> = PAID.map(ToOwned::to_owned).to_vec();
    let came = "UNEXPECTED_PAYMENT: GATEWAY_RECEIVABLE +10.00 CNY, SUSPENSE -10.00 CNY";
    books.push(came.to_owned());
    assert_eq!(app.books_of(&created.id).await, books);

    app.clock.advance(TimeDelta::minutes(10));
    app.run_until_idle().await;
    let refund = app.refunds_of(&created.id).await.remove(0);
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    books.push("REFUND: GATEWAY_RECEIVABLE -10.00 CNY, SUSPENSE +10.00 CNY".to_owned());
    books.sort_unstable();
    assert_eq!(app.books_of(&created.id).await, books);
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_through_another_channel_keeps_what_is_held() {
    let app = shop().await;
    let created = app.created(&example("tea")).await;
    let again = app
        .retry(v1::RetryPaymentRequest {
            transaction_id: created.id.clone(),
            request_id: "again".to_owned(),
            payment_channel: PaymentChannel::Alipay.into(),
            payment_method: PaymentMethod::Qr.into(),
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(
        app.purse("user-1").await,
        [
            "10.00 CNY, held 10.00 CNY",
            "900.00 POINTS, held 100.00 POINTS"
        ]
    );
    let leg = &again.transaction.legs[2];
    assert_eq!(leg.payment_channel(), PaymentChannel::Alipay);
    assert_eq!(leg.payment_method(), PaymentMethod::Qr);
    app.pay(&again).await;
    app.settle().await;
    assert_eq!(app.books_of(&created.id).await, PAID);
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.legs[2].payment_channel(), PaymentChannel::Alipay);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_by_leg_that_fails_at_the_gateway_releases_every_leg() {
    let app = shop().await;
    let created = app.paid(&example("tea")).await;
    let mut request = refund_request(&created.id, "both", "12.00");
    let share = |leg_no, amount| v1::RefundLegRequest {
        leg_no,
        amount: Some(money(amount)),
    };
    request.legs = vec![share(1, "2.00"), share(3, "10.00")];
    let answer = app.shop.refunds().create_refund(request).await.unwrap();
    let refund = answer.into_inner().refund.unwrap();
    app.run_until_idle().await;
    let open = app.payment(&created.id).await;
    assert_eq!(open.legs[0].amount_refundable, Some(money("8.00")));
    assert_eq!(open.legs[2].amount_refundable, Some(money("0.00")));
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Closed)
        .unwrap();
    app.settle().await;
    let refund = app.refund_of(&refund.refund_id).await;
    assert_eq!(refund.status(), RefundStatus::Failed, "{refund:?}");
    let after = app.payment(&created.id).await;
    assert_eq!(refunded(&after), ["0.00", "0.00", "0.00"]);
    assert_eq!(after.amount_refundable, Some(money("30.00")));
    assert_eq!(app.books_of(&created.id).await, PAID);
    assert_eq!(app.purse("user-1").await, ["10.00 CNY", "900.00 POINTS"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_to_the_balance_asks_no_gateway() {
    let app = shop().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "8.00")).await;
    let mut request = refund_request(&created.id, "credit", "3.00");
    request.to_balance = true;
    let answer = app.shop.refunds().create_refund(request).await.unwrap();
    let refund = answer.into_inner().refund.unwrap();
    assert_eq!(refund.status(), RefundStatus::Success);
    assert_eq!(refund.legs[0].destination(), v1::RefundDestination::Balance);
    assert_eq!(app.purse("user-1").await[0], "23.00 CNY");
    assert_eq!(app.control.refunds().len(), 0);
    assert_eq!(
        app.books_of(&created.id).await,
        [
            "BALANCE_REFUND: APP_PAYABLE +3.00 CNY, WALLET -3.00 CNY",
            "PAYMENT: APP_PAYABLE -8.00 CNY, GATEWAY_RECEIVABLE +8.00 CNY",
        ]
    );
    app.finish().await;
}
