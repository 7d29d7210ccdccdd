//! Payment passwords through the real door. The race: tries, and uses of one code, made at once by
//! several processes; the guard is the row that each takes its try from before it is judged.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flows::Kassa;
use flows::password::{self, PasswordError, PasswordHasher, SetPassword};
use kassa_core::Secret;
use kassa_core::app::App;
use kassa_core::text::UserId;
use proto::v1;
use runtime::config::PasswordConfig;
use tests::event::{cloud_event, kinds};
use tests::{TestApp, codes};
use tonic::Status;
use tonic_types::StatusExt;

pub(super) const USER: &str = "u-1";
pub(super) const RIGHT: &str = "135790";

fn user() -> UserId {
    UserId::try_new(USER).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

pub(super) fn figure(status: &Status, name: &str) -> String {
    let metadata = status.get_details_error_info().unwrap().metadata;
    metadata.get(name).cloned().unwrap_or_default()
}

pub(super) async fn request_code(
    app: &TestApp,
    purpose: v1::PasswordCodePurpose,
) -> Result<String, Status> {
    let request = v1::RequestPasswordCodeRequest {
        user_id: USER.to_owned(),
        purpose: purpose.into(),
    };
    let mut passwords = app.shop.passwords();
    passwords.request_password_code(request).await?;
    Ok(codes::last(app, USER).await)
}

pub(super) async fn set(app: &TestApp, password: &str, code: &str) -> Result<(), Status> {
    let request = v1::SetPaymentPasswordRequest {
        user_id: USER.to_owned(),
        password: password.to_owned(),
        code: code.to_owned(),
    };
    let answer = app.shop.passwords().set_payment_password(request).await?;
    assert!(answer.into_inner().status.unwrap().is_set);
    Ok(())
}

pub(super) async fn reset(app: &TestApp, password: &str, code: &str) -> Result<(), Status> {
    let request = v1::ResetPaymentPasswordRequest {
        user_id: USER.to_owned(),
        password: password.to_owned(),
        code: code.to_owned(),
    };
    let answer = app.shop.passwords().reset_payment_password(request).await;
    answer.map(|_status| ())
}

pub(super) async fn verify(app: &TestApp, password: &str) -> Result<(), Status> {
    let request = v1::VerifyPaymentPasswordRequest {
        user_id: USER.to_owned(),
        password: password.to_owned(),
    };
    let answer = app.shop.passwords().verify_payment_password(request).await;
    answer.map(|_right| ())
}

pub(super) async fn with_password() -> (TestApp, App) {
    let app = TestApp::start().await;
    let shop = codes::allow(&app, |_config| {}).await;
    let code = request_code(&app, v1::PasswordCodePurpose::Set).await;
    set(&app, RIGHT, &code.unwrap()).await.unwrap();
    (app, shop)
}

/// The same installation as other processes see it: each hashes by itself.
fn processes(kassa: &Kassa, count: usize) -> Vec<Kassa> {
    let hasher = || PasswordHasher::try_new(&PasswordConfig::for_testing()).unwrap();
    let process = || Kassa {
        passwords: hasher(),
        ..kassa.clone()
    };
    std::iter::repeat_with(process).take(count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_wrong_tries_at_once_five_are_judged_and_the_right_one_waits_for_the_lock() {
    let (app, shop) = with_password().await;
    let tries = processes(app.kassa(), 50).into_iter().map(|kassa| {
        let shop = shop.clone();
        tokio::spawn(async move {
            let given = secret("246801");
            password::verify(&kassa, &shop, &user(), &given).await
        })
    });
    let mut outcomes = BTreeMap::new();
    for tried in tries.collect::<Vec<_>>() {
        let refused = tried.await.unwrap().unwrap_err();
        *outcomes.entry(refused.reason().as_str()).or_insert(0) += 1;
    }
    let expected = BTreeMap::from([("PASSWORD_LOCKED", 45), ("PASSWORD_WRONG", 5)]);
    assert_eq!(outcomes, expected);

    let refused = verify(&app, RIGHT).await.unwrap_err();
    assert_eq!(reason(&refused), "PASSWORD_LOCKED");
    assert_eq!(figure(&refused, "unlock_time"), "2026-01-01T00:30:00Z");
    app.run_until_idle().await;
    let told = app.events().await;
    assert_eq!(
        kinds(&told),
        ["password.code_requested", "password.set", "password.locked"]
    );
    let status = cloud_event(&told[2])["data"]["payment_password"].clone();
    assert_eq!(status["user_id"], USER);
    assert_eq!(status["tries_left"], 0);
    assert_eq!(status["unlock_time"], "2026-01-01T00:30:00+00:00");
    app.clock.advance(TimeDelta::minutes(30));
    verify(&app, RIGHT).await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_last_try_is_no_lock_and_nobody_is_told_of_one() {
    let (app, _shop) = with_password().await;
    for _ in 0..4 {
        verify(&app, "246801").await.unwrap_err();
    }
    verify(&app, RIGHT).await.unwrap();
    app.run_until_idle().await;
    let told = kinds(&app.events().await);
    assert_eq!(told, ["password.code_requested", "password.set"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_tries_at_once_are_all_right() {
    let (app, shop) = with_password().await;
    let kassa = app.kassa().clone();
    let tries = (0..20).map(|_| {
        let (kassa, shop) = (kassa.clone(), shop.clone());
        tokio::spawn(async move { password::verify(&kassa, &shop, &user(), &secret(RIGHT)).await })
    });
    for tried in tries.collect::<Vec<_>>() {
        tried.await.unwrap().unwrap();
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_says_how_many_tries_are_left_and_a_right_one_gives_them_back() {
    let (app, _shop) = with_password().await;
    for left in ["4", "3"] {
        let refused = verify(&app, "246801").await.unwrap_err();
        assert_eq!(reason(&refused), "PASSWORD_WRONG");
        assert_eq!(figure(&refused, "tries_left"), left);
    }
    verify(&app, RIGHT).await.unwrap();
    let request = v1::GetPaymentPasswordStatusRequest {
        user_id: USER.to_owned(),
    };
    let mut passwords = app.shop.passwords();
    let answer = passwords.get_payment_password_status(request).await;
    let status = answer.unwrap().into_inner().status.unwrap();
    assert_eq!((status.is_set, status.tries_left), (true, 5));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_the_old_password_is_wrong() {
    let (app, _shop) = with_password().await;
    let change = |old: &str, new: &str| v1::ChangePaymentPasswordRequest {
        user_id: USER.to_owned(),
        old_password: old.to_owned(),
        new_password: new.to_owned(),
    };
    let mut passwords = app.shop.passwords();
    for weak in ["111111", "123456", "13579", RIGHT] {
        let refused = passwords.change_payment_password(change(RIGHT, weak)).await;
        assert_eq!(reason(&refused.unwrap_err()), "INVALID_ARGUMENT", "{weak}");
    }
    let changed = passwords.change_payment_password(change(RIGHT, "864209"));
    changed.await.unwrap();
    let refused = verify(&app, RIGHT).await.unwrap_err();
    assert_eq!(reason(&refused), "PASSWORD_WRONG");
    verify(&app, "864209").await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_lifts_the_lock_and_its_code_works_once() {
    let (app, _shop) = with_password().await;
    for _ in 0..5 {
        verify(&app, "246801").await.unwrap_err();
    }
    assert_eq!(
        reason(&verify(&app, RIGHT).await.unwrap_err()),
        "PASSWORD_LOCKED"
    );
    app.clock.advance(TimeDelta::minutes(1));
    let code = request_code(&app, v1::PasswordCodePurpose::Reset).await;
    let code = code.unwrap();
    reset(&app, "864209", &code).await.unwrap();
    verify(&app, "864209").await.unwrap();
    let again = reset(&app, "975318", &code).await.unwrap_err();
    assert_eq!(reason(&again), "CODE_EXPIRED");
    verify(&app, "864209").await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_expires_wears_out_and_is_not_had_too_often() {
    let app = TestApp::start().await;
    codes::allow(&app, |_config| {}).await;
    let purpose = v1::PasswordCodePurpose::Set;
    let first = request_code(&app, purpose).await.unwrap();
    let refused = request_code(&app, purpose).await.unwrap_err();
    assert_eq!(reason(&refused), "TOO_MANY_CODES");
    assert_eq!(figure(&refused, "retry_after_seconds"), "60");
    app.clock.advance(TimeDelta::minutes(5));
    let late = set(&app, RIGHT, &first).await.unwrap_err();
    assert_eq!(reason(&late), "CODE_EXPIRED");

    let second = request_code(&app, purpose).await.unwrap();
    let wrong = if second == "000000" {
        "000001"
    } else {
        "000000"
    };
    for left in ["4", "3", "2", "1", "0"] {
        let refused = set(&app, RIGHT, wrong).await.unwrap_err();
        assert_eq!(reason(&refused), "CODE_WRONG");
        assert_eq!(figure(&refused, "tries_left"), left);
    }
    let worn_out = set(&app, RIGHT, &second).await.unwrap_err();
    assert_eq!(reason(&worn_out), "CODE_EXPIRED");
    let refused = verify(&app, RIGHT).await.unwrap_err();
    assert_eq!(reason(&refused), "PASSWORD_NOT_SET");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_used_ten_times_at_once_sets_one_password() {
    let app = TestApp::start().await;
    let shop = codes::allow(&app, |_config| {}).await;
    let code = request_code(&app, v1::PasswordCodePurpose::Set).await;
    let code = code.unwrap();
    let uses = processes(app.kassa(), 10).into_iter().enumerate();
    let uses = uses.map(|(number, kassa)| {
        let (shop, code) = (shop.clone(), secret(&code));
        tokio::spawn(async move {
            let password = secret(&format!("13579{number}"));
            let request = SetPassword {
                user_id: user(),
                password: password.clone(),
                code,
            };
            let done = password::set(&kassa, &shop, &request).await;
            done.map(|_status| password)
        })
    });
    let mut kept = Vec::new();
    for used in uses.collect::<Vec<_>>() {
        kept.extend(used.await.unwrap().ok());
    }
    let [kept] = kept.as_slice() else {
        panic!("{} passwords were set", kept.len());
    };
    verify(&app, kept.expose()).await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_there_are_no_codes() {
    let app = TestApp::start().await;
    let request = v1::RequestPasswordCodeRequest {
        user_id: USER.to_owned(),
        purpose: v1::PasswordCodePurpose::Set.into(),
    };
    let refused = app.shop.passwords().request_password_code(request).await;
    assert_eq!(reason(&refused.unwrap_err()), "CODE_KEY_MISSING");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_from_the_balance_needs_the_password_unless_the_app_says_otherwise() {
    let (app, mut shop) = with_password().await;
    let check = async |shop: &App, given: Option<&Secret>| {
        let checked = password::check(app.kassa(), shop, &user(), given).await;
        checked.map_err(|error| error.reason().as_str())
    };
    assert_eq!(check(&shop, None).await, Err("PASSWORD_REQUIRED"));
    assert_eq!(check(&shop, Some(&secret(RIGHT))).await, Ok(()));
    let wrong = PasswordError::Wrong {
        tries_left: 4,
        unlock_time: None,
    };
    assert_eq!(
        check(&shop, Some(&secret("246801"))).await,
        Err(wrong.reason().as_str())
    );
    shop.policies.payment_config.balance.require_password = false;
    assert_eq!(check(&shop, None).await, Ok(()));
    app.finish().await;
}
