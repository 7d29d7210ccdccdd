//! No secret reaches a log, an event, the API or the disk in plain text (P8).

use std::io::Write;
use std::sync::{Arc, Mutex};

use kassa::node::seed::code;
use proto::v1::prepay_info::Info;
use proto::v1::{
    ChangePaymentPasswordRequest, ListChannelAccountsRequest, PasswordCodePurpose, PaymentChannel,
    PaymentMethod, RequestPasswordCodeRequest, ResetPaymentPasswordRequest,
    SetPaymentPasswordRequest, VerifyPaymentPasswordRequest,
};
use sandbox::{CallFault, Conduct, FaultRule, FaultScope, Gateway, Operation, RecordedCallback};
use tests::{TestApp, Wish, codes};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// What must be found nowhere: name and a line of it that is its own.
fn secrets(app: &TestApp) -> Vec<(&'static str, String)> {
    let credentials = app.node().sandbox().unwrap().credentials();
    // The second line of a PEM: the first is the same for all keys of a kind.
    let line = |pem: &str| pem.lines().nth(2).unwrap().to_owned();
    let keyring = std::fs::read_to_string(app.node().config().data_dir.join("keyring.key"));
    let mut secrets = vec![(
        "the shop's token",
        app.shop.token().unwrap().expose().clone(),
    )];
    secrets.push(("the keyring's key", keyring.unwrap().trim().to_owned()));
    let app_key = app
        .shop
        .key()
        .private_pem()
        .expose()
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    secrets.push(("the shop's private key", app_key));
    for alipay in [&credentials.alipay, &credentials.alipay_certificate_mode] {
        secrets.push((
            "an Alipay app's private key",
            line(&alipay.app_private_key_pem),
        ));
    }
    for wechat in [&credentials.wechat, &credentials.wechat_public_key_mode] {
        secrets.push((
            "a WeChat merchant's private key",
            line(&wechat.merchant_private_key_pem),
        ));
        secrets.push(("an APIv3 key", wechat.apiv3_key.clone()));
    }
    let unionpay = &credentials.unionpay.sign_private_key_pem;
    secrets.push(("a UnionPay merchant's private key", line(unionpay)));
    let stripe = &credentials.stripe;
    secrets.push(("a Stripe account's key", stripe.secret_key.clone()));
    secrets.push(("an endpoint's secret", stripe.webhook_secret.clone()));
    let paypal = &credentials.paypal;
    secrets.push(("a PayPal app's secret", paypal.client_secret.clone()));
    let wechat_v2 = &credentials.wechat_v2;
    secrets.push(("a key of API v2", wechat_v2.api_key.clone()));
    let baidu = &credentials.baidu;
    secrets.push(("a smart program's secret", baidu.client_secret.clone()));
    assert!(
        secrets.iter().all(|(_, secret)| secret.len() >= 32),
        "{}",
        secrets.len()
    );
    secrets
}

/// A story with faults, so that warnings and errors are logged too.
async fn story(app: &TestApp) {
    let fault = CallFault::BadSignature;
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let wish = Wish::wechat_jsapi("tickets", "12.00");
    app.create(&wish).await.unwrap_err();
    let (paypal, page) = (PaymentChannel::Paypal, PaymentMethod::Page);
    let coat = Wish::new(paypal, page, "coat", "12.00");
    for wish in [wish, Wish::alipay_qr("tea", "12.00"), coat] {
        let created = app.paid(&wish).await;
        let refund = app.refund(&created.id, &created.id, "6.00").await.unwrap();
        app.run_until_idle().await;
        drop(
            app.control
                .settle_refund(&refund.refund_id, sandbox::RefundOutcome::Success),
        );
        app.settle().await;
    }
    let posted = app.control.recorded_callbacks();
    for recorded in &posted {
        let altered = tests::callback::Post::from(recorded).with_altered_body(20);
        assert!(!altered.send(&app.http).await.is_acknowledgement());
    }
    app.shop
        .without_token()
        .payments()
        .list_payments(proto::v1::ListPaymentsRequest::default())
        .await
        .unwrap_err();
}

/// A card order that is declined and stays open: its event carries the secret with which it can be paid.
async fn card_story(app: &TestApp) -> (&'static str, String) {
    let (stripe, card) = (PaymentChannel::Stripe, PaymentMethod::Card);
    let wish = Wish::new(stripe, card, "card", "12.00");
    let created = app.created(&wish).await;
    app.control.refuse(&app.number(&created.id).await).unwrap();
    app.settle().await;
    let again = app.created(&wish).await;
    assert_eq!(again.prepay, created.prepay, "it is told again");
    let Some(Info::ClientSecret(prepay)) = created.prepay else {
        panic!("{:?}", created.prepay);
    };
    let posted = app.control.recorded_callbacks();
    let is_told = |it: &RecordedCallback| it.body.contains(&prepay.client_secret);
    assert!(posted.iter().any(is_told), "the gateway posted it");
    ("a client secret", prepay.client_secret)
}

/// Payers at a counter: one pays, one is asked for a password and never enters it, one has too little, and one
/// comes when the gateway's answers get lost.
async fn counter_story(app: &TestApp) -> Vec<(&'static str, String)> {
    let mut codes = Vec::new();
    for (channel, gateway, account) in [
        (PaymentChannel::Alipay, Gateway::Alipay, code::ALIPAY),
        (PaymentChannel::WechatPay, Gateway::WechatV3, code::WECHAT),
        (
            PaymentChannel::WechatPay,
            Gateway::WechatV2,
            code::WECHAT_V2,
        ),
    ] {
        let conducts = [
            Conduct::Pays,
            Conduct::IsAsked,
            Conduct::LacksMoney,
            Conduct::Pays,
        ];
        for (n, conduct) in conducts.into_iter().enumerate() {
            if n == 3 {
                let fault = CallFault::Cut { accepted: false };
                let rule = FaultRule::call_once("", Operation::Create, fault);
                let rule = rule.in_scope(FaultScope::NextOrder);
                app.control.add_fault(rule).unwrap();
            }
            let code = app.control.show_code(gateway, conduct).unwrap();
            let order = format!("counter-{gateway:?}-{n}");
            let wish = Wish::bar_code(channel, &order, "12.00", &code).account(account);
            for _ in 0..2 {
                drop(app.create(&wish).await);
            }
            codes.push(("a payer's code", code));
        }
    }
    let mut short = Wish::bar_code(PaymentChannel::Alipay, "short", "12.00", "2800000000001");
    app.create(&short).await.unwrap_err();
    short.0.payer = None;
    app.create(&short).await.unwrap_err();
    for _ in 0..70 {
        app.clock.advance(chrono::TimeDelta::seconds(1));
        app.run_until_idle().await;
    }
    app.settle().await;
    codes.push(("a malformed code", "2800000000001".to_owned()));
    codes
}

/// Sets, mistakes, changes and resets a payment password; what was used and must be found nowhere. Twelve
/// digits for a code: six are found somewhere by chance.
async fn password_story(app: &TestApp) -> Vec<(&'static str, String)> {
    const USER: &str = "u-1";
    const OLD: &str = "Korrekt-Pferd-7";
    const NEW: &str = "Batterie-Klammer";
    const WRONG: &str = "Fast-Korrekt-77";
    let user_id = || USER.to_owned();
    let mut passwords = app.shop.passwords();
    let request = |purpose: PasswordCodePurpose| RequestPasswordCodeRequest {
        user_id: USER.to_owned(),
        purpose: purpose.into(),
    };
    passwords
        .request_password_code(request(PasswordCodePurpose::Set))
        .await
        .unwrap();
    let first = codes::last(app, USER).await;
    let wrong_code = SetPaymentPasswordRequest {
        user_id: user_id(),
        password: OLD.to_owned(),
        code: "918273645546".to_owned(),
    };
    let set = SetPaymentPasswordRequest {
        code: first.clone(),
        ..wrong_code.clone()
    };
    passwords
        .set_payment_password(wrong_code)
        .await
        .unwrap_err();
    passwords.set_payment_password(set).await.unwrap();
    let verify = |password: &str| VerifyPaymentPasswordRequest {
        user_id: USER.to_owned(),
        password: password.to_owned(),
    };
    for _ in 0..5 {
        let wrong = passwords.verify_payment_password(verify(WRONG)).await;
        wrong.unwrap_err();
    }
    app.clock.advance(chrono::TimeDelta::minutes(30));
    let change = ChangePaymentPasswordRequest {
        user_id: user_id(),
        old_password: OLD.to_owned(),
        new_password: NEW.to_owned(),
    };
    passwords.change_payment_password(change).await.unwrap();
    passwords
        .request_password_code(request(PasswordCodePurpose::Reset))
        .await
        .unwrap();
    let second = codes::last(app, USER).await;
    let reset = ResetPaymentPasswordRequest {
        user_id: user_id(),
        password: OLD.to_owned(),
        code: second.clone(),
    };
    passwords.reset_payment_password(reset).await.unwrap();
    let used = [
        ("a payment password", OLD),
        ("a new payment password", NEW),
        ("a wrong payment password", WRONG),
        ("a wrong one-time code", "918273645546"),
        ("the first one-time code", &first),
        ("the second one-time code", &second),
    ];
    used.map(|(name, secret)| (name, secret.to_owned()))
        .to_vec()
}

/// One thread, so that the log of every task is captured.
#[tokio::test]
async fn no_secret_is_in_the_logs_the_events_the_api_or_the_database() {
    let captured = Captured::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(captured.clone());
    let subscriber = tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with(layer);
    let logging = tracing::subscriber::set_default(subscriber);
    // While there is only one subscriber, what the other tests' threads, which have none, log first
    // counts as switched off for all. A second one keeps it switched on.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let app = TestApp::start().await;
    codes::allow(&app, |config| {
        let rules = &mut config.password.rules;
        (rules.length_max, rules.digits_only) = (20, false);
        rules.code_digits = 12;
    })
    .await;
    let mut secrets = secrets(&app);
    story(&app).await;
    secrets.extend(counter_story(&app).await);
    secrets.extend(password_story(&app).await);
    secrets.push(card_story(&app).await);
    drop(logging);

    let logs = captured.text();
    assert!(logs.contains("payment changed"), "the log was captured");
    let events = app
        .events()
        .await
        .into_iter()
        .map(|event| event.cloud_event_json);
    let events: String = events.collect();
    let notifications = format!("{:?}", app.notifications().await);
    let mut channels = app.shop.channels();
    let accounts = channels
        .list_channel_accounts(ListChannelAccountsRequest::default())
        .await;
    let accounts = format!("{:?}", accounts.unwrap().into_inner());
    assert!(
        accounts.contains("apiv3_key"),
        "fingerprints are shown by name"
    );
    for (name, secret) in &secrets {
        for (place, text) in [
            ("the logs", &logs),
            ("the events", &events),
            ("the inbox", &notifications),
            ("the accounts", &accounts),
        ] {
            assert!(!text.contains(secret.as_str()), "{name} is in {place}");
        }
        assert!(
            !is_in_database(&app, secret).await,
            "{name} is in the database"
        );
    }
    let bodies = ["apiv3", "Bearer ey", "-----BEGIN PRIVATE KEY"];
    for word in bodies {
        assert!(!logs.contains(word), "{word} is in the logs");
    }
    assert!(
        is_in_database(&app, "tickets").await,
        "what is no secret is found there"
    );
    app.finish().await;
}

/// Whether a text is anywhere in the database: in the bytes of SQLite's files, or in any column of
/// any table of PostgreSQL, as text or as bytes.
async fn is_in_database(app: &TestApp, text: &str) -> bool {
    let url = app.database().url();
    if let Some(file) = url.strip_prefix("sqlite://") {
        let file = file.split('?').next().unwrap();
        return ["", "-wal"].iter().any(|suffix| {
            let bytes = std::fs::read(format!("{file}{suffix}")).unwrap_or_default();
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        });
    }
    let hex = hex::encode(text);
    let search = format!(
        "DO $$ DECLARE t text; n bigint; BEGIN \
         FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
         EXECUTE format('SELECT count(*) FROM %I x \
         WHERE strpos(x::text, %L) > 0 OR strpos(x::text, %L) > 0', t, '{text}', '{hex}') INTO n; \
         IF n > 0 THEN RAISE EXCEPTION 'found in %', t; END IF; END LOOP; END $$"
    );
    match app.database().execute(&search).await {
        Ok(_) => false,
        Err(error) => {
            assert!(error.contains("found in"), "{error}");
            true
        }
    }
}
