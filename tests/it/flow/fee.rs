//! What gateways keep as their fee, in the books: of payments, of refunds, of money that was not agreed.

use chrono::TimeDelta;
use kassa::node::seed::code;
use proto::v1::{PaymentChannel, PaymentMethod, RefundStatus};
use sandbox::RefundOutcome;
use serde_json::json;
use tests::wallet::{balance_leg, gateway_leg};
use tests::{TestApp, Wish};

use super::order::second_attempt;

/// What one refund books, without the payment's lines before it.
async fn refunded(app: &TestApp, id: &str, name: &str, amount: &str) -> Vec<String> {
    let before = app.books_of(id).await;
    let refund = app.refund(id, name, amount).await.unwrap();
    app.settle().await;
    let refund = app.refund_of(&refund.refund_id).await;
    assert_eq!(refund.status(), RefundStatus::Success);
    let mut lines = app.books_of(id).await;
    for line in before {
        let place = lines.iter().position(|it| *it == line).unwrap();
        lines.remove(place);
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payments_fee_is_booked_and_comes_back_with_its_refunds_to_the_cent() {
    let app = TestApp::start().await;
    app.charge(code::ALIPAY, "0.006", true).await;
    let id = app.paid(&Wish::alipay_qr("tea", "8.88")).await.id;
    // 0.6 % of 8.88 is 0.05328.
    assert_eq!(
        app.books_of(&id).await,
        [
            "FEE: FEE_EXPENSE +0.05 CNY, GATEWAY_RECEIVABLE -0.05 CNY",
            "PAYMENT: APP_PAYABLE -8.88 CNY, GATEWAY_RECEIVABLE +8.88 CNY",
        ]
    );

    // The gateway keeps 0.6 % of the 5.55 that stay: 0.0333.
    assert_eq!(
        refunded(&app, &id, "first", "3.33").await,
        [
            "FEE_REFUND: FEE_EXPENSE -0.02 CNY, GATEWAY_RECEIVABLE +0.02 CNY",
            "REFUND: APP_PAYABLE +3.33 CNY, GATEWAY_RECEIVABLE -3.33 CNY",
        ]
    );
    // Of 5.50 it is 0.033: nothing comes back.
    assert_eq!(
        refunded(&app, &id, "second", "0.05").await,
        ["REFUND: APP_PAYABLE +0.05 CNY, GATEWAY_RECEIVABLE -0.05 CNY"]
    );
    assert_eq!(
        refunded(&app, &id, "rest", "5.50").await,
        [
            "FEE_REFUND: FEE_EXPENSE -0.03 CNY, GATEWAY_RECEIVABLE +0.03 CNY",
            "REFUND: APP_PAYABLE +5.50 CNY, GATEWAY_RECEIVABLE -5.50 CNY",
        ]
    );
    assert_eq!(app.fees(code::ALIPAY).await, 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_keeps_its_fee_owes_less_after_the_refund_than_before_the_payment() {
    let app = TestApp::start().await;
    app.charge(code::WECHAT, "0.029", false).await;
    let id = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await.id;
    let refund = app.refund(&id, "back", "10.00").await.unwrap();
    app.run_until_idle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    assert_eq!(
        app.books_of(&id).await,
        [
            "FEE: FEE_EXPENSE +0.29 CNY, GATEWAY_RECEIVABLE -0.29 CNY",
            "PAYMENT: APP_PAYABLE -10.00 CNY, GATEWAY_RECEIVABLE +10.00 CNY",
            "REFUND: APP_PAYABLE +10.00 CNY, GATEWAY_RECEIVABLE -10.00 CNY",
        ]
    );
    assert_eq!(app.fees(code::WECHAT).await, 29);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_keeps_the_terms_that_it_began_on() {
    let app = TestApp::start().await;
    app.charge(code::ALIPAY, "0.006", true).await;
    let before = app.created(&Wish::alipay_qr("tea", "10.00")).await;
    app.charge(code::ALIPAY, "0.01", false).await;
    let after = app.created(&Wish::alipay_qr("cake", "10.00")).await;
    for (created, fee) in [(before, "0.06"), (after, "0.10")] {
        app.pay(&created).await;
        app.settle().await;
        assert_eq!(
            app.books_of(&created.id).await[0],
            format!("FEE: FEE_EXPENSE +{fee} CNY, GATEWAY_RECEIVABLE -{fee} CNY")
        );
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_mixed_payment_only_the_gateways_part_costs_a_fee() {
    let app = TestApp::start().await;
    app.configure_payments(json!({})).await;
    app.fill_balance("user-1", "20.00").await;
    app.charge(code::ALIPAY, "0.01", true).await;
    let alipay = gateway_leg(PaymentChannel::Alipay, PaymentMethod::Qr, "7.00");
    let wish = Wish::legs("tea", "12.00", vec![balance_leg("5.00"), alipay]);
    let id = app.paid(&wish).await.id;
    assert_eq!(
        app.books_of(&id).await,
        [
            "BALANCE_PAYMENT: APP_PAYABLE -5.00 CNY, WALLET +5.00 CNY",
            "FEE: FEE_EXPENSE +0.07 CNY, GATEWAY_RECEIVABLE -0.07 CNY",
            "PAYMENT: APP_PAYABLE -7.00 CNY, GATEWAY_RECEIVABLE +7.00 CNY",
        ]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_costs_a_fee_of_its_own_until_it_is_given_back() {
    let app = TestApp::start().await;
    app.charge(code::WECHAT, "0.01", true).await;
    let created = app.created(&Wish::wechat_jsapi("tea", "8.00")).await;
    let second = second_attempt(&app, &created.id).await;
    app.pay(&created).await;
    app.control.pay(&second).unwrap();
    app.settle().await;
    assert_eq!(app.fees(code::WECHAT).await, 16);
    app.clock.advance(TimeDelta::seconds(600));
    app.run_until_idle().await;
    let refund = app.refunds_of(&created.id).await.remove(0);
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    assert_eq!(app.fees(code::WECHAT).await, 8, "the duplicate went back");
    assert_eq!(app.suspense(code::WECHAT).await, 0);
    assert_eq!(
        app.bookings(&created.id).await,
        [
            "FEE",
            "FEE",
            "FEE_REFUND",
            "PAYMENT",
            "REFUND",
            "UNEXPECTED_PAYMENT"
        ]
    );
    app.finish().await;
}
