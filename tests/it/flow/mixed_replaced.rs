//! A payment in the place of an older open one of the same order: what the older one holds and counts
//! pays the newer one, and a newer one that is refused leaves the older one as it is.

use proto::v1::{self, PaymentChannel, PaymentMethod, PaymentStatus};
use serde_json::{Value, json};
use tests::wallet::{balance_leg, gateway_leg, points_leg};
use tests::{Created, TestApp, Wish, reason};
use tonic_types::StatusExt;

use PaymentChannel::{Balance, Points, WechatPay};

/// A shop whose user has 20.00 CNY and 1000 points.
async fn shop(config: Value) -> TestApp {
    let app = TestApp::start().await;
    app.configure_payments(config).await;
    app.fill_balance("user-1", "20.00").await;
    app.fill_points("user-1", "1000.00").await;
    app
}

fn amounts(created: &Created) -> Vec<String> {
    let amount = |leg: &v1::PaymentLeg| leg.amount.clone().unwrap().amount;
    created.transaction.legs.iter().map(amount).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_priority_what_the_older_payment_holds_is_there_for_the_newer_one() {
    let app = shop(json!({})).await;
    let wish = Wish::by_priority("tea", "130.00", &[Points, Balance, WechatPay]);
    let first = app.created(&wish).await;
    assert_eq!(amounts(&first), ["100.00", "20.00", "10.00"]);
    let second = app.created(&wish.clone().request_id("second")).await;
    assert_eq!(amounts(&second), ["100.00", "20.00", "10.00"]);
    assert_eq!(app.payment(&first.id).await.status(), PaymentStatus::Closed);
    assert_eq!(
        app.purse("user-1").await,
        [
            "0.00 CNY, held 20.00 CNY",
            "0.00 POINTS, held 1000.00 POINTS"
        ]
    );
    let wish = Wish::by_priority("tea", "120.00", &[Points, Balance]);
    let third = app.create(&wish.request_id("third")).await.unwrap();
    assert_eq!(third.transaction.status(), PaymentStatus::PaidSuccess);
    assert_eq!(amounts(&third), ["100.00", "20.00"]);
    assert_eq!(app.purse("user-1").await, ["0.00 CNY", "0.00 POINTS"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_priority_a_wallet_pays_no_more_than_is_left_of_the_day() {
    let config = json!({ "balance": { "daily_max": "15.00" }, "points": { "daily_max": "50.00" } });
    let app = shop(config).await;
    app.create(&Wish::balance("cake", "8.00")).await.unwrap();
    let channels = [Balance, Points, WechatPay];
    let wish = Wish::by_priority("tea", "20.00", &channels);
    let first = app.created(&wish).await;
    assert_eq!(amounts(&first), ["7.00", "5.00", "8.00"]);
    // What the older one counts is free for the newer one, and for no other.
    let second = app.created(&wish.request_id("second")).await;
    assert_eq!(amounts(&second), ["7.00", "5.00", "8.00"]);
    let other = Wish::by_priority("bread", "20.00", &channels);
    assert_eq!(amounts(&app.created(&other).await), ["20.00"]);
    let wish = Wish::by_priority("bun", "1.00", &[Points, Balance]);
    let refused = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&refused), "LIMIT_EXCEEDED");
    let figures = refused.get_details_error_info().unwrap().metadata;
    assert_eq!(figures["limit"], "POINTS_DAILY");
    assert_eq!(figures["remaining"], "0.00");
    app.finish().await;
}

/// The newer one is refused, and the older one can be paid as before.
async fn refused(app: &TestApp, older: &Created, newer: Wish, expected: &str) {
    let (purse, calls) = (app.purse("user-1").await, app.control.calls().len());
    let refusal = app.create(&newer.request_id(expected)).await.unwrap_err();
    assert_eq!(reason(&refusal), expected, "{refusal:?}");
    assert_eq!(app.payment(&older.id).await, older.transaction);
    assert_eq!(app.purse("user-1").await, purse);
    assert_eq!(app.control.calls().len(), calls, "no gateway was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_payment_that_is_refused_leaves_the_older_one_open() {
    let limits = json!({
        "balance": { "daily_max": "18.00" },
        "points": { "daily_max": "200.00" },
        "channels": { "WECHAT_PAY": { "daily_max": "30.00" } },
    });
    let app = shop(limits).await;
    let wechat = |amount| gateway_leg(WechatPay, PaymentMethod::Jsapi, amount);
    let legs = vec![balance_leg("5.00"), points_leg("100.00"), wechat("10.00")];
    let older = app.created(&Wish::legs("tea", "25.00", legs)).await;
    // 5.00 of balance are spent by another order: 10.00 are there, 5.00 are held.
    app.create(&Wish::balance("cake", "5.00")).await.unwrap();
    let too_much = || Wish::balance("tea", "13.01");
    refused(&app, &older, too_much(), "LIMIT_EXCEEDED").await;
    let beyond = Wish::legs("tea", "35.00", vec![balance_leg("4.00"), wechat("31.00")]);
    refused(&app, &older, beyond, "LIMIT_EXCEEDED").await;
    let points = Wish::points("tea", "20.01");
    refused(&app, &older, points, "LIMIT_EXCEEDED").await;
    app.debit("user-1", "8.00").await;
    let missing = Wish::balance("tea", "7.01");
    refused(&app, &older, missing, "INSUFFICIENT_FUNDS").await;
    let missing = Wish::by_priority("tea", "27.01", &[Balance, Points]);
    refused(&app, &older, missing, "LIMIT_EXCEEDED").await;
    app.freeze("user-1").await;
    refused(&app, &older, Wish::balance("tea", "1.00"), "WALLET_FROZEN").await;
    let unknown = Wish::wechat_jsapi("tea", "25.00").account("nowhere");
    refused(&app, &older, unknown, "NO_CHANNEL_ACCOUNT").await;

    app.pay(&older).await;
    app.settle().await;
    let paid = app.payment(&older.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    app.finish().await;
}
