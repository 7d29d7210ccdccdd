//! Daily limits. The race: payments of one user at once; the guard is the conditional update of the
//! day's total in each payment's transaction.

use chrono::{DateTime, Utc};
use flows::Kassa;
use flows::limits;
use kassa_core::app::App;
use kassa_core::id::LegId;
use kassa_core::limits::Spending;
use kassa_core::text::UserId;
use kassa_core::{Currency, Money};
use proto::v1::{self, PaymentChannel, PaymentMethod, PaymentStatus};
use serde_json::json;
use tests::{TestApp, Wish, reason};
use tonic::Status;
use tonic_types::StatusExt;

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

async fn shop(app: &TestApp, time_zone: &str, daily_max: i64) -> App {
    let store = &app.kassa().store;
    let mut shop = store.find_app(&app.shop.app).await.unwrap().unwrap();
    let config = &mut shop.policies.payment_config;
    config.time_zone = time_zone.parse().unwrap();
    config.balance.daily_max = Some(cny(daily_max));
    shop
}

async fn spend(kassa: &Kassa, shop: &App, leg: LegId, minor: i64) -> Result<(), flows::Error> {
    let user = UserId::try_new("u-1").unwrap();
    let spendings = [(leg, Spending::Balance(cny(minor)))];
    let tx = kassa.store.begin().await.unwrap();
    limits::spend_in_tx(kassa, &tx, shop, Some(&user), &spendings).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn release(kassa: &Kassa, leg: LegId) {
    let tx = kassa.store.begin().await.unwrap();
    limits::release_in_tx(kassa, &tx, &[leg]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_spendings_of_1_at_once_the_ten_that_the_limit_of_10_bears_succeed() {
    let app = TestApp::start().await;
    let shop = shop(&app, "Asia/Shanghai", 1_000).await;
    let spendings = (0..50).map(|_| {
        let (kassa, shop) = (app.kassa().clone(), shop.clone());
        let leg = LegId::new(&kassa.ids);
        tokio::spawn(async move { spend(&kassa, &shop, leg, 100).await })
    });
    let (mut spent, mut figures) = (0, Vec::new());
    for spending in spendings.collect::<Vec<_>>() {
        match spending.await.unwrap() {
            Ok(()) => spent += 1,
            Err(refused) => figures.push((refused.reason().as_str(), refused.metadata())),
        }
    }
    assert_eq!((spent, figures.len()), (10, 40));
    for (reason, metadata) in figures {
        assert_eq!(reason, "LIMIT_EXCEEDED");
        let shown = ["limit", "max", "used", "remaining", "unit", "resets_at"];
        let shown = shown.map(|name| metadata.get(name).map(String::as_str).unwrap());
        let expected = [
            "BALANCE_DAILY",
            "10.00",
            "10.00",
            "0.00",
            "CNY",
            "2026-01-01T16:00:00Z",
        ];
        assert_eq!(shown, expected);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_counts_once_and_is_released_once() {
    let app = TestApp::start().await;
    let (kassa, shop) = (app.kassa(), shop(&app, "Asia/Shanghai", 1_000).await);
    let [first, second, third] = [(); 3].map(|()| LegId::new(&kassa.ids));
    for _ in 0..3 {
        spend(kassa, &shop, first, 600).await.unwrap();
    }
    spend(kassa, &shop, second, 500).await.unwrap_err();
    spend(kassa, &shop, second, 400).await.unwrap();
    for _ in 0..3 {
        release(kassa, first).await;
    }
    release(kassa, third).await;
    spend(kassa, &shop, third, 601).await.unwrap_err();
    spend(kassa, &shop, third, 600).await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_begins_at_midnight_of_the_apps_time_zone_also_when_clocks_change() {
    let app = TestApp::start().await;
    let (kassa, at) = (app.kassa(), |text: &str| {
        text.parse::<DateTime<Utc>>().unwrap()
    });
    for (zone, last, next) in [
        (
            "Asia/Shanghai",
            "2026-03-01T15:59:59Z",
            "2026-03-01T16:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-03-29T21:59:59Z",
            "2026-03-29T22:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-10-25T22:59:59Z",
            "2026-10-25T23:00:00Z",
        ),
    ] {
        let shop = shop(&app, zone, 1_000).await;
        app.clock.set(at(last));
        spend(kassa, &shop, LegId::new(&kassa.ids), 1_000)
            .await
            .unwrap();
        spend(kassa, &shop, LegId::new(&kassa.ids), 1)
            .await
            .unwrap_err();
        app.clock.set(at(next));
        spend(kassa, &shop, LegId::new(&kassa.ids), 1)
            .await
            .unwrap();
    }
    app.finish().await;
}

/// A shop that takes 10.00 a day from each user through each of two channels.
async fn two_channels() -> TestApp {
    let app = TestApp::start().await;
    let limit = json!({ "daily_max": "10.00" });
    app.configure_payments(json!({ "channels": { "WECHAT_PAY": limit, "ALIPAY": limit } }))
        .await;
    app
}

fn retry_over(id: &str, request_id: &str, channel: PaymentChannel) -> v1::RetryPaymentRequest {
    v1::RetryPaymentRequest {
        transaction_id: id.to_owned(),
        request_id: request_id.to_owned(),
        payment_channel: channel.into(),
        payment_method: PaymentMethod::Qr.into(),
        ..Default::default()
    }
}

fn wechat(order: &str, amount: &str) -> Wish {
    Wish::new(PaymentChannel::WechatPay, PaymentMethod::Qr, order, amount)
}

/// The day's limit of the channel has this much left.
fn assert_above(refused: &Status, remaining: &str) {
    assert_eq!(reason(refused), "LIMIT_EXCEEDED", "{refused:?}");
    let figures = refused.get_details_error_info().unwrap().metadata;
    assert_eq!(figures["limit"], "CHANNEL_DAILY");
    assert_eq!(figures["remaining"], remaining);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_through_another_channel_counts_for_that_one_and_no_longer_for_the_first() {
    let app = two_channels().await;
    let created = app.created(&wechat("tea", "8.00")).await;
    let over_alipay = retry_over(&created.id, "again", PaymentChannel::Alipay);
    for _ in 0..2 {
        app.retry(over_alipay.clone()).await.unwrap();
    }
    let above = app.create(&Wish::alipay_qr("bun", "2.01")).await;
    assert_above(&above.unwrap_err(), "2.00");
    app.created(&wechat("cake", "10.00")).await;

    let back = retry_over(&created.id, "back", PaymentChannel::WechatPay);
    assert_above(&app.retry(back).await.unwrap_err(), "0.00");
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.payment_channel(), PaymentChannel::Alipay);
    assert_eq!(payment.status(), PaymentStatus::PendingPayment);
    assert_eq!(app.attempts(&created.id).await.len(), 2);
    // What ends unpaid is free again where it was counted last.
    app.close(&created.id).await.unwrap();
    app.created(&Wish::alipay_qr("bread", "10.00")).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paid_by_the_order_before_the_retry_counts_for_that_orders_channel() {
    let app = two_channels().await;
    let created = app.created(&wechat("tea", "8.00")).await;
    // The payer pays, and nobody has told us when the retry is asked for.
    app.pay(&created).await;
    let over_alipay = retry_over(&created.id, "again", PaymentChannel::Alipay);
    let refused = app.retry(over_alipay).await.unwrap_err();
    assert_eq!(reason(&refused), "ORDER_ALREADY_PAID");
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.payment_channel(), PaymentChannel::WechatPay);
    assert_above(
        &app.create(&wechat("cake", "2.01")).await.unwrap_err(),
        "2.00",
    );
    app.created(&Wish::alipay_qr("bread", "10.00")).await;
    app.finish().await;
}
