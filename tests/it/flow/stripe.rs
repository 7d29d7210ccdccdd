//! What only Stripe does: declined tries that end nothing, sessions that are expired, refunds that the payer's
//! bank sends back, and disputes, which name Stripe's payment and nothing of ours.

use kassa_core::anomaly::AnomalyKind as Kind;
use proto::v1::{
    AnomalyKind, Money, PaymentChannel, PaymentMethod, PaymentStatus, RefundStatus,
    ResolutionAction,
};
use sandbox::{CallFault, FaultRule, Operation, OrderState, RefundOutcome};
use tests::business::refund_request;
use tests::checks::Expected;
use tests::event::kinds;
use tests::{TestApp, Wish, money};

fn page(order: &str) -> Wish {
    Wish::new(PaymentChannel::Stripe, PaymentMethod::Page, order, "10.00")
}

fn card(order: &str) -> Wish {
    Wish::new(PaymentChannel::Stripe, PaymentMethod::Card, order, "10.00")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_given_back_in_two_parts() {
    for wish in [page("tea"), card("tea")] {
        let app = TestApp::start().await;
        let created = app.paid(&wish).await;
        for (name, amount, status) in [
            ("first", "3.00", PaymentStatus::RefundPartial),
            ("rest", "7.00", PaymentStatus::RefundFull),
        ] {
            let refund = app.refund(&created.id, name, amount).await.unwrap();
            app.settle().await;
            let settled = app.refund_of(&refund.refund_id).await;
            assert_eq!(settled.status(), RefundStatus::Success, "{name}");
            assert_eq!(app.payment(&created.id).await.status(), status);
        }
        assert_eq!(
            app.bookings(&created.id).await,
            ["PAYMENT", "REFUND", "REFUND"]
        );
        assert_eq!(app.anomalies().await, []);
        app.finish().await;
    }
}

/// The payer may try another card: `payment_intent.payment_failed` is not the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_card_leaves_the_payment_open() {
    let app = TestApp::start().await;
    let created = app.created(&card("tea")).await;
    app.control.refuse(&app.number(&created.id).await).unwrap();
    app.settle().await;
    let open = app.payment(&created.id).await.status();
    assert_eq!(open, PaymentStatus::PendingPayment);
    app.pay(&created).await;
    app.settle().await;
    let paid = app.payment(&created.id).await.status();
    assert_eq!(paid, PaymentStatus::PaidSuccess);
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told, ["payment.pending", "payment.succeeded"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_payment_can_be_paid_at_stripe_no_more() {
    for wish in [page("tea"), card("tea")] {
        let app = TestApp::start().await;
        let created = app.created(&wish).await;
        let closed = app.close(&created.id).await.unwrap();
        assert_eq!(closed.status(), PaymentStatus::Closed);
        assert_eq!(app.order(&created.id).await.state, OrderState::Closed);
        app.settle().await;
        assert_eq!(app.anomalies().await, []);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_payers_bank_sends_back_is_an_anomaly() {
    let app = TestApp::start().await;
    let created = app.paid(&page("tea")).await;
    let refund = app.refund(&created.id, "back", "4.00").await.unwrap();
    app.settle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Closed)
        .unwrap();
    app.settle().await;
    assert_eq!(app.anomalies_of(&created.id).await, [Kind::RefundReversed]);
    let settled = app.refund_of(&refund.refund_id).await;
    assert_eq!(settled.status(), RefundStatus::Success, "people decide");
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(-400))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_is_told_to_people_once_and_books_nothing() {
    for wish in [page("tea"), card("tea")] {
        let app = TestApp::start().await;
        let created = app.paid(&wish).await;
        app.control.dispute(&app.number(&created.id).await).unwrap();
        app.settle().await;
        let last = app.control.recorded_callbacks().pop().unwrap();
        assert_eq!(last.kind, "charge.dispute.created");
        assert!(app.control.replay(last.index).await.unwrap().acknowledged);
        app.run_until_idle().await;

        let shown = app.anomalies_shown(&created.id).await;
        let [dispute] = shown.as_slice() else {
            panic!("{shown:?}");
        };
        assert_eq!(dispute.kind(), AnomalyKind::Dispute);
        assert_eq!(dispute.evidence["reason"], "fraudulent");
        assert_eq!(dispute.evidence["amount_found"], "10.00 CNY");
        assert!(dispute.evidence["gateway_dispute_id"].starts_with("du_"));
        let payment = app.payment(&created.id).await;
        assert_eq!(payment.status(), PaymentStatus::PaidSuccess);
        assert_eq!(payment.amount_refundable, Some(money("10.00")));
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        let told = kinds(&app.events_of(&created.id).await);
        assert_eq!(told[2..], ["anomaly.opened"]);
        let accept = ResolutionAction::Accept;
        app.resolve(&dispute.anomaly_id, accept).await.unwrap();
        app.finish().await;
    }
}

/// Which order a dispute is about must be asked for; while Stripe does not answer, the notification waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_waits_until_stripe_says_which_order_it_is_about() {
    let app = TestApp::start().await;
    let created = app.paid(&page("tea")).await;
    let number = app.number(&created.id).await;
    let fault = CallFault::ServerError {
        status: 500,
        accepted: false,
    };
    let rule = FaultRule::call_once(&number, Operation::Query, fault);
    app.control.add_fault(rule).unwrap();
    app.control.dispute(&number).unwrap();
    assert!(app.deliver().await[0].acknowledged);
    app.run_until_idle().await;
    assert_eq!(app.anomalies_of(&created.id).await, []);
    app.settle().await;
    assert_eq!(app.anomalies_of(&created.id).await, [Kind::Dispute]);
    app.finish().await;
}

/// JPY has no decimals and KWD three, of which Stripe takes the last only as 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn currencies_without_decimals_and_with_three_are_paid_and_given_back() {
    for (code, whole, counted, parts) in [
        ("JPY", "1000", 1_000, ["300", "700"]),
        ("KWD", "12.340", 12_340, ["2.340", "10.000"]),
    ] {
        let in_currency = |amount: &str| Money {
            amount: amount.to_owned(),
            currency_code: code.to_owned(),
        };
        for mut wish in [page("tea"), card("tea")] {
            let app = TestApp::start().await;
            wish.0.amount = Some(in_currency(whole));
            let created = app.paid(&wish).await;
            assert_eq!(app.order(&created.id).await.total_minor, counted);
            let payment = app.payment(&created.id).await;
            assert_eq!(payment.amount_refundable, Some(in_currency(whole)));
            for (name, part) in ["first", "rest"].into_iter().zip(parts) {
                let mut request = refund_request(&created.id, name, part);
                request.amount = Some(in_currency(part));
                let answer = app.shop.refunds().create_refund(request).await.unwrap();
                let refund = answer.into_inner().refund.unwrap();
                app.settle().await;
                let settled = app.refund_of(&refund.refund_id).await;
                assert_eq!(settled.status(), RefundStatus::Success, "{code} {name}");
                assert_eq!(settled.amount_requested, Some(in_currency(part)));
            }
            let payment = app.payment(&created.id).await;
            assert_eq!(payment.status(), PaymentStatus::RefundFull, "{code}");
            assert_eq!(app.anomalies().await, []);
            app.finish().await;
        }
    }
}
