//! The payment password where it is demanded: with `CreatePayment`, and what its own RPCs refuse and write
//! down.

use chrono::TimeDelta;
use proto::v1::{self, PaymentChannel, PaymentStatus};
use runtime::store::Page;
use tests::wallet::{balance_leg, points, points_leg};
use tests::{Created, TestApp, Wish, codes, money, reason};
use tonic::Status;
use tonic_types::StatusExt;

use super::password::{RIGHT, USER, figure, request_code, reset, set, verify, with_password};

const WRONG: &str = "246801";
/// More audit records than a test makes.
const RECORDS_MAX: u64 = 100;

/// A user with a password and 20.00 CNY.
async fn shop() -> TestApp {
    let (app, _shop) = with_password().await;
    app.fill_balance(USER, "20.00").await;
    app
}

fn with(wish: Wish, password: &str) -> Wish {
    let mut wish = wish.user(USER);
    password.clone_into(&mut wish.0.payment_password);
    wish
}

async fn pay(app: &TestApp, order: &str, password: &str) -> Result<Created, Status> {
    app.create(&with(Wish::balance(order, "5.00"), password))
        .await
}

async fn tries_left(app: &TestApp) -> i32 {
    let request = v1::GetPaymentPasswordStatusRequest {
        user_id: USER.to_owned(),
    };
    let mut passwords = app.shop.passwords();
    let answer = passwords.get_payment_password_status(request).await;
    answer.unwrap().into_inner().status.unwrap().tries_left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_pay_nothing_and_lock_and_after_the_lock_the_right_one_pays() {
    let app = shop().await;
    let full = app.purse(USER).await;
    for left in ["4", "3", "2", "1", "0"] {
        let refused = pay(&app, "tea", WRONG).await.unwrap_err();
        assert_eq!(reason(&refused), "PASSWORD_WRONG");
        assert_eq!(figure(&refused, "tries_left"), left);
    }
    let refused = pay(&app, "tea", RIGHT).await.unwrap_err();
    assert_eq!(reason(&refused), "PASSWORD_LOCKED");
    assert_eq!(figure(&refused, "unlock_time"), "2026-01-01T00:30:00Z");
    assert_eq!(app.purse(USER).await, full);
    let mut payments = app.shop.payments();
    let all = payments
        .list_payments(v1::ListPaymentsRequest::default())
        .await;
    assert_eq!(all.unwrap().into_inner().transactions, []);

    app.clock.advance(TimeDelta::minutes(30));
    let paid = pay(&app, "tea", RIGHT).await.unwrap();
    assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
    assert_eq!(app.purse(USER).await[0], "15.00 CNY");
    app.finish().await;
}

/// A password is no part of what is asked for: the repeat is answered with what was done, costs no try
/// and pays nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_with_another_password_is_answered_as_the_first_request_was() {
    let app = shop().await;
    let first = pay(&app, "tea", RIGHT).await.unwrap();
    for password in [WRONG, "", RIGHT] {
        let again = pay(&app, "tea", password).await.unwrap();
        assert_eq!(again, first);
    }
    assert_eq!(tries_left(&app).await, 5);
    assert_eq!(app.purse(USER).await[0], "15.00 CNY");
    // Another request is judged, also where the order is the same.
    let other = with(Wish::balance("cake", "5.00"), WRONG);
    let refused = app.create(&other).await.unwrap_err();
    assert_eq!(reason(&refused), "PASSWORD_WRONG");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_demanded_wherever_the_balance_may_pay_and_nowhere_else() {
    let app = shop().await;
    app.fill_points(USER, "1000.00").await;
    let legs = || {
        Wish::legs(
            "tea",
            "10.00",
            vec![balance_leg("5.00"), points_leg("50.00")],
        )
    };
    let channels = [PaymentChannel::Balance, PaymentChannel::WechatPay];
    let by_priority = || Wish::by_priority("tea", "10.00", &channels);
    for wish in [legs(), by_priority()] {
        let refused = app.create(&wish.user(USER)).await.unwrap_err();
        assert_eq!(reason(&refused), "PASSWORD_REQUIRED");
    }
    let points = Wish::points("cake", "10.00").user(USER);
    assert_eq!(
        app.create(&points).await.unwrap().transaction.status(),
        PaymentStatus::PaidSuccess
    );
    app.create(&with(legs(), RIGHT)).await.unwrap();
    assert_eq!(app.purse(USER).await, ["15.00 CNY", "850.00 POINTS"]);
    app.finish().await;
}

fn fields(refused: &Status) -> Vec<String> {
    let bad = refused.get_details_bad_request();
    let bad = bad.unwrap_or_else(|| panic!("no bad fields: {refused:?}"));
    let violations = bad.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_name_every_field_and_repeat_no_secret() {
    let app = TestApp::start().await;
    codes::allow(&app, |_config| {}).await;
    let mut passwords = app.shop.passwords();
    let long = || "9".repeat(65);
    let too_long_user = "u".repeat(65);

    let request = v1::RequestPasswordCodeRequest::default();
    let refused = passwords.request_password_code(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["user_id", "purpose"]);
    let request = v1::RequestPasswordCodeRequest {
        user_id: too_long_user.clone(),
        purpose: 77,
    };
    let refused = passwords.request_password_code(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["user_id", "purpose"]);

    let request = v1::SetPaymentPasswordRequest::default();
    let refused = passwords.set_payment_password(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["user_id", "password", "code"]);
    let request = v1::ResetPaymentPasswordRequest {
        user_id: too_long_user.clone(),
        password: long(),
        code: long(),
    };
    let refused = passwords.reset_payment_password(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["user_id", "password", "code"]);
    assert!(!format!("{refused:?}").contains("999"), "{refused:?}");

    let request = v1::ChangePaymentPasswordRequest {
        old_password: long(),
        ..Default::default()
    };
    let refused = passwords
        .change_payment_password(request)
        .await
        .unwrap_err();
    assert_eq!(
        fields(&refused),
        ["user_id", "old_password", "new_password"]
    );
    let request = v1::VerifyPaymentPasswordRequest::default();
    let refused = passwords
        .verify_payment_password(request)
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["user_id", "password"]);
    let request = v1::GetPaymentPasswordStatusRequest::default();
    let refused = passwords.get_payment_password_status(request).await;
    assert_eq!(fields(&refused.unwrap_err()), ["user_id"]);

    // What may not be set as a password is said of the field, before any code is looked at.
    for weak in ["12345", "1234567", "12345a", "111111", "987654"] {
        let request = v1::SetPaymentPasswordRequest {
            user_id: USER.to_owned(),
            password: weak.to_owned(),
            code: "000000".to_owned(),
        };
        let refused = passwords.set_payment_password(request).await.unwrap_err();
        assert_eq!(fields(&refused), ["password"], "{weak}");
        assert!(!format!("{refused:?}").contains(weak), "{refused:?}");
    }
    let wish = with(Wish::balance("tea", "1.00"), &long());
    let refused = app.create(&wish).await.unwrap_err();
    assert_eq!(fields(&refused), ["payment_password"]);
    assert!(!format!("{refused:?}").contains("999"), "{refused:?}");
    app.finish().await;
}

/// What the shop did to what, by what was done: the clock stands still.
async fn audit(app: &TestApp) -> Vec<(String, String, serde_json::Value)> {
    let store = &app.kassa().store;
    let mut records = store.list_audit(&Page::first(RECORDS_MAX)).await.unwrap();
    records.retain(|record| record.actor == "shop");
    let of = |record: runtime::store::AuditRecord| (record.action, record.subject, record.detail);
    let mut records: Vec<_> = records.into_iter().map(of).collect();
    records.sort_by(|left, right| left.0.cmp(&right.0));
    records
}

fn actions(records: &[(String, String, serde_json::Value)]) -> Vec<&str> {
    records.iter().map(|(action, ..)| action.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_with_passwords_is_in_the_audit_log_without_them() {
    let (app, _shop) = with_password().await;
    for _ in 0..5 {
        verify(&app, WRONG).await.unwrap_err();
    }
    app.clock.advance(TimeDelta::minutes(30));
    let change = v1::ChangePaymentPasswordRequest {
        user_id: USER.to_owned(),
        old_password: RIGHT.to_owned(),
        new_password: "864209".to_owned(),
    };
    let mut passwords = app.shop.passwords();
    passwords.change_payment_password(change).await.unwrap();
    let code = request_code(&app, v1::PasswordCodePurpose::Reset).await;
    let code = code.unwrap();
    reset(&app, "975310", &code).await.unwrap();
    let refused = set(&app, "975310", &code).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_EXISTS");
    let records = audit(&app).await;
    assert_eq!(
        actions(&records),
        [
            "password.change",
            "password.lock",
            "password.request_code",
            "password.request_code",
            "password.reset",
            "password.set",
        ]
    );
    let subject = &records[0].1;
    assert!(subject.starts_with("payment-passwords/"), "{subject}");
    for (action, about, detail) in &records {
        assert_eq!(about, subject);
        assert_eq!(detail["user_id"], USER, "{action}");
        let text = detail.to_string();
        for secret in [RIGHT, WRONG, "864209", "975310", &code] {
            assert!(!text.contains(secret), "{action}: {text}");
        }
    }
    assert_eq!(records[1].2["until"], "2026-01-01T00:30:00Z");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_with_wallets_is_in_the_audit_log_once() {
    let app = TestApp::start().await;
    let mut wallets = app.shop.wallets();
    let operation = |request_id: &str, amount: &str| v1::CreditWalletRequest {
        request_id: request_id.to_owned(),
        user_id: USER.to_owned(),
        amount: Some(v1::credit_wallet_request::Amount::Money(money(amount))),
        reason: "a present".to_owned(),
    };
    for _ in 0..2 {
        wallets.credit_wallet(operation("c", "9.00")).await.unwrap();
    }
    app.debit(USER, "2.00").await;
    app.fill_points(USER, "50.00").await;
    let transfer = v1::TransferBetweenWalletsRequest {
        request_id: "t".to_owned(),
        from_user_id: USER.to_owned(),
        to_user_id: "u-2".to_owned(),
        amount: Some(v1::transfer_between_wallets_request::Amount::Points(
            points("20.00"),
        )),
        reason: "a debt".to_owned(),
    };
    wallets.transfer_between_wallets(transfer).await.unwrap();
    app.freeze(USER).await;
    app.freeze(USER).await;
    let unfreeze = v1::UnfreezeWalletRequest {
        user_id: USER.to_owned(),
        reason: "it was found".to_owned(),
    };
    wallets.unfreeze_wallet(unfreeze).await.unwrap();
    let records = audit(&app).await;
    assert_eq!(
        actions(&records),
        [
            "wallet.credit",
            "wallet.debit",
            "wallet.freeze",
            "wallet.transfer",
            "wallet.unfreeze",
        ],
        "what changed nothing is not done again"
    );
    for (action, subject, _) in &records {
        assert_eq!(subject, &format!("wallets/{USER}"), "{action}");
    }
    let detail = |index: usize, name: &str| records[index].2[name].clone();
    assert_eq!(detail(0, "amount"), "9.00 CNY");
    assert_eq!(detail(0, "reason"), "a present");
    assert_eq!(detail(3, "amount"), "20.00 POINTS");
    assert_eq!(detail(3, "counterpart_user_id"), "u-2");
    assert_eq!(detail(4, "reason"), "it was found");
    app.settle().await;
    app.finish().await;
}
