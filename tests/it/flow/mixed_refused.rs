//! What cannot be paid out of a wallet: each refusal has its own reason and its figures, and nothing is
//! booked, held or written down.

use std::collections::HashMap;

use proto::v1::{self, PaymentChannel, PaymentMethod};
use serde_json::json;
use tests::business::refund_request;
use tests::wallet::{balance_leg, gateway_leg, points, points_leg};
use tests::{TestApp, Wish, money, reason};
use tonic::Status;
use tonic_types::StatusExt;

const FULL: [&str; 2] = ["20.00 CNY", "1000.00 POINTS"];

async fn shop() -> TestApp {
    let app = TestApp::start().await;
    app.configure_payments(json!({
        "balance": { "amount_min": "1.00", "amount_max": "15.00", "daily_max": "25.00" },
    }))
    .await;
    app.fill_balance("user-1", "20.00").await;
    app.fill_points("user-1", "1000.00").await;
    app
}

fn figures(status: &Status) -> HashMap<String, String> {
    status.get_details_error_info().unwrap().metadata
}

fn wechat(amount: &str) -> v1::PaymentLegRequest {
    gateway_leg(PaymentChannel::WechatPay, PaymentMethod::Jsapi, amount)
}

/// The request is refused for this reason, and everything is as it was.
async fn refused(app: &TestApp, wish: &Wish, expected: &str) -> HashMap<String, String> {
    let refusal = app.create(wish).await.unwrap_err();
    assert_eq!(reason(&refusal), expected, "{refusal:?}");
    assert_eq!(app.purse("user-1").await, FULL);
    let mut payments = app.shop.payments();
    let all = payments
        .list_payments(v1::ListPaymentsRequest::default())
        .await;
    assert_eq!(all.unwrap().into_inner().transactions, []);
    assert_eq!(app.control.orders().len(), 0);
    figures(&refusal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_is_there_is_refused_with_what_is_available() {
    let app = shop().await;
    let wish = Wish::legs("tea", "24.00", vec![balance_leg("14.00"), wechat("10.00")]);
    app.fill_balance("poor", "3.00").await;
    let found = refused(&app, &wish.user("poor"), "INSUFFICIENT_FUNDS").await;
    assert_eq!((&*found["available"], &*found["unit"]), ("3.00", "CNY"));
    assert_eq!(app.purse("poor").await[0], "3.00 CNY");
    let found = refused(
        &app,
        &Wish::points("tea", "1.00").user("poor"),
        "INSUFFICIENT_FUNDS",
    )
    .await;
    assert_eq!(found["available"], "0.00");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legs_that_do_not_fit_together_are_refused() {
    let app = shop().await;
    let wish = Wish::legs("tea", "30.00", vec![balance_leg("10.00"), wechat("10.00")]);
    let found = refused(&app, &wish, "LEGS_DONT_ADD_UP").await;
    assert_eq!(
        (&*found["sum"], &*found["amount"]),
        ("20.00 CNY", "30.00 CNY")
    );
    let alipay = gateway_leg(PaymentChannel::Alipay, PaymentMethod::Qr, "10.00");
    let by_code = gateway_leg(PaymentChannel::WechatPay, PaymentMethod::Qr, "10.00");
    let wish = Wish::legs("tea", "20.00", vec![alipay, by_code]);
    let found = refused(&app, &wish, "TWO_GATEWAY_LEGS").await;
    assert_eq!(
        (&*found["first"], &*found["second"]),
        ("ALIPAY", "WECHAT_PAY")
    );
    let twice = Wish::legs(
        "tea",
        "10.00",
        vec![balance_leg("5.00"), balance_leg("5.00")],
    );
    refused(&app, &twice, "INVALID_ARGUMENT").await;
    let nobody = Wish::balance("tea", "5.00").user("");
    refused(&app, &nobody, "INVALID_ARGUMENT").await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_must_agree_with_the_money_and_be_enough() {
    let app = shop().await;
    let mut leg = points_leg("100.00");
    leg.amount = Some(money("9.99"));
    let wish = Wish::legs("tea", "19.99", vec![leg, wechat("10.00")]);
    let found = refused(&app, &wish, "POINTS_MISMATCH").await;
    assert_eq!(found["points_value"], "10.00 CNY");
    assert_eq!(found["amount_in_points"], "99.90");
    let few = Wish::legs("tea", "10.50", vec![points_leg("5.00"), wechat("10.00")]);
    refused(&app, &few, "POINTS_BELOW_MINIMUM").await;
    let mut dollars = balance_leg("5.00");
    dollars.amount = Some(v1::Money {
        amount: "5.00".to_owned(),
        currency_code: "USD".to_owned(),
    });
    let wish = Wish::legs("tea", "15.00", vec![dollars, wechat("10.00")]);
    let found = refused(&app, &wish, "UNIT_MISMATCH").await;
    assert_eq!(
        (&*found["expected_unit"], &*found["found_unit"]),
        ("CNY", "USD")
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_a_frozen_wallet_refuse() {
    let app = shop().await;
    refused(&app, &Wish::balance("tea", "0.99"), "AMOUNT_OUTSIDE_LIMITS").await;
    refused(
        &app,
        &Wish::balance("tea", "15.01"),
        "AMOUNT_OUTSIDE_LIMITS",
    )
    .await;
    app.fill_balance("rich", "40.00").await;
    for order in ["one", "two"] {
        let wish = Wish::balance(order, "12.50").user("rich");
        app.create(&wish).await.unwrap();
    }
    let above = app
        .create(&Wish::balance("three", "1.00").user("rich"))
        .await;
    let above = above.unwrap_err();
    assert_eq!(reason(&above), "LIMIT_EXCEEDED");
    assert_eq!(figures(&above)["remaining"], "0.00");
    assert_eq!(app.purse("rich").await[0], "15.00 CNY");
    app.freeze("rich").await;
    let frozen = app.create(&Wish::points("four", "1.00").user("rich")).await;
    assert_eq!(reason(&frozen.unwrap_err()), "WALLET_FROZEN");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_password_the_balance_pays_nothing() {
    let app = shop().await;
    app.configure_payments(json!({ "balance": { "require_password": true } }))
        .await;
    refused(&app, &Wish::balance("tea", "5.00"), "PASSWORD_REQUIRED").await;
    let mut wish = Wish::balance("tea", "5.00");
    wish.0.payment_password = "493817".to_owned();
    refused(&app, &wish, "PASSWORD_NOT_SET").await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_cannot_take_more_of_a_leg_than_it_paid() {
    let app = shop().await;
    let legs = vec![balance_leg("5.00"), points_leg("50.00")];
    let created = app.create(&Wish::legs("tea", "10.00", legs)).await.unwrap();
    let share = |leg_no, amount| v1::RefundLegRequest {
        leg_no,
        amount: Some(money(amount)),
    };
    let refuse = async |amount: &str, legs: Vec<_>, expected: &str| {
        let mut request = refund_request(&created.id, "back", amount);
        request.legs = legs;
        let answer = app.shop.refunds().create_refund(request).await;
        let refusal = answer.unwrap_err();
        assert_eq!(reason(&refusal), expected, "{refusal:?}");
        figures(&refusal)
    };
    let found = refuse("6.00", vec![share(1, "6.00")], "REFUND_EXCEEDS_LEG").await;
    assert_eq!(found["refundable_amount"], "5.00");
    refuse("6.00", vec![share(1, "5.00")], "LEGS_DONT_ADD_UP").await;
    refuse("5.00", vec![share(3, "5.00")], "INVALID_ARGUMENT").await;
    refuse("10.01", Vec::new(), "REFUND_EXCEEDS_REFUNDABLE").await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.amount_refundable, Some(money("10.00")));
    assert_eq!(payment.legs[1].points, Some(points("50.00")));

    let paid = app.paid(&Wish::wechat_jsapi("cake", "8.00")).await;
    let mut request = refund_request(&paid.id, "credit", "3.00");
    request.to_balance = true;
    let answer = app.shop.refunds().create_refund(request).await;
    assert_eq!(reason(&answer.unwrap_err()), "REFUND_TO_BALANCE");
    app.finish().await;
}
