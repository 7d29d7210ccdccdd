//! An account goes over from WeChat Pay's platform certificates to its public key while payments are under way.

use kassa::node::seed::code;
use proto::v1::PaymentStatus;
use sandbox::{Operation, RefundOutcome, WechatMode};
use serde_json::json;
use tests::{Created, TestApp, Wish, reason};

/// How the names of public keys begin; those of certificates are hexadecimal.
const PUBLIC_KEY_START: &str = "PUB_KEY_ID_";

fn wish(order: &str) -> Wish {
    Wish::wechat_jsapi(order, "88.80").account(code::WECHAT)
}

/// WeChat Pay changes what it signs with for the account.
fn switch(app: &TestApp, mode: WechatMode) {
    let credentials = app.node().sandbox().unwrap().credentials();
    let mchid = &credentials.wechat.mchid;
    app.control.set_wechat_mode(mchid, mode).unwrap();
}

/// The operator adds the public key to the certificates that the account has.
async fn add_public_key(app: &TestApp) {
    let credentials = app.node().sandbox().unwrap().credentials();
    let key = credentials.wechat_public_key_mode.public_key.clone();
    let key = key.unwrap();
    let entry = json!([{ "id": key.public_key_id, "pem": key.public_key_pem }]);
    app.set(code::WECHAT, "public_keys", entry).await;
}

/// The payer pays and gets everything back; each callback is taken.
async fn pay_and_give_back(app: &TestApp, created: &Created) {
    app.pay(created).await;
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    let refund = app.refund(&created.id, &created.id, "88.80").await.unwrap();
    app.run_until_idle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let given_back = app.payment(&created.id).await;
    assert_eq!(given_back.status(), PaymentStatus::RefundFull);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
}

/// Whether each callback that was posted so far names a public key.
fn are_by_public_key(app: &TestApp) -> Vec<bool> {
    let posted = app.control.recorded_callbacks();
    posted
        .iter()
        .map(|callback| {
            let mut headers = callback.headers.iter();
            let serial = headers.find(|(name, _)| name == "Wechatpay-Serial");
            serial.unwrap().1.starts_with(PUBLIC_KEY_START)
        })
        .collect()
}

fn downloads(app: &TestApp) -> usize {
    let calls = app.control.calls();
    let downloads = calls
        .iter()
        .filter(|call| call.operation == Operation::Certificates);
    downloads.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_both_kinds_of_keys_takes_either_while_wechat_changes_over() {
    let app = TestApp::start().await;
    let before = app.created(&wish("before")).await;
    add_public_key(&app).await;
    switch(&app, WechatMode::Switching);
    let between = app.created(&wish("between")).await;
    pay_and_give_back(&app, &between).await;
    assert_eq!(are_by_public_key(&app), [false, true], "one by each");
    switch(&app, WechatMode::PublicKey);
    // Placed when only certificates signed.
    pay_and_give_back(&app, &before).await;
    let after = app.created(&wish("after")).await;
    pay_and_give_back(&app, &after).await;
    assert_eq!(are_by_public_key(&app).split_off(2), [true; 4]);
    for created in [&before, &between, &after] {
        let asked = app.sync(&created.id).await.unwrap();
        assert_eq!(asked.status(), PaymentStatus::RefundFull);
    }
    assert_eq!(app.anomalies().await, []);
    assert_eq!(downloads(&app), 0, "who has a public key needs no download");
    app.finish().await;
}

/// In certificate mode WeChat has no public key for the merchant, and refuses calls that ask for its signature:
/// the key is added when the change begins, not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_that_wechat_does_not_use_yet_is_refused_and_nothing_is_lost() {
    let app = TestApp::start().await;
    add_public_key(&app).await;
    let refused = app.create(&wish("early")).await.unwrap_err();
    assert_eq!(app.control.orders().len(), 0, "{refused:?}");
    switch(&app, WechatMode::Switching);
    let created = app.created(&wish("in-time")).await;
    pay_and_give_back(&app, &created).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_signs_that_the_account_lacks_is_not_believed_until_it_is_added() {
    let app = TestApp::start().await;
    let placed = app.created(&wish("placed")).await;
    switch(&app, WechatMode::PublicKey);
    let lost = app.create(&wish("lost")).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    app.pay(&placed).await;
    let refused = app.deliver().await;
    assert_eq!(refused[0].http_status, Some(401), "{refused:?}");
    app.run_until_idle().await;
    assert_eq!(app.bookings(&placed.id).await, Vec::<String>::new());
    // Without a public key it looked for a new certificate; with one it does so no more.
    let before = downloads(&app);

    add_public_key(&app).await;
    app.settle().await;
    let paid = app.payment(&placed.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    // The same order, since its body is the same to the byte.
    let found = app.created(&wish("lost")).await;
    pay_and_give_back(&app, &found).await;
    assert_eq!(app.control.orders().len(), 2);
    assert_eq!(downloads(&app), before);
    app.finish().await;
}
