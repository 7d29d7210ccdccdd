//! What a script stands on: a simulator that it may drive, the calls that our adapter made, and a
//! whole Kassa with open payments that its callbacks may pay.

use std::path::PathBuf;

use kassa::node::seed;
use kassa::spec::account::AccountSpec;
use kassa_core::Clock;
use kassa_core::channel::GatewayName;
use sandbox::{Delivery, Keys, Sandbox, SandboxConfig};
use serde_json::{Map, Value, json};
use tests::fault::binaries;
use tests::{Created, TestApp, Wish};

use crate::adapter::{Adapter, Deed};
use crate::recorder::Recorder;
use crate::script::Settled;

/// The amount of the payments that callbacks pay.
const AMOUNT: &str = "12.34";

/// The ground of one gateway's scripts.
pub(crate) struct Ground {
    gateway: GatewayName,
    /// The one that scripts drive.
    sandbox: Sandbox,
    accounts: Vec<AccountSpec>,
    recorder: Recorder,
    deeds: Vec<Deed>,
    app: TestApp,
    /// By turn: one payment for each account.
    payments: Vec<Vec<Value>>,
}

impl Ground {
    /// Starts everything, with open payments for so many scripts.
    pub(crate) async fn start(gateway: GatewayName, turns: usize) -> Self {
        let mut config = SandboxConfig::new(Keys::for_tests().expect("the committed keys"));
        config.delivery = Delivery::Manual;
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        let recorder = Recorder::start(sandbox.base_url()).await;
        let sink = format!("{}/sink", recorder.base_url());
        let credentials = sandbox.credentials();
        for account in [&credentials.stripe.account, &credentials.paypal.merchant_id] {
            sandbox.control().set_endpoint(account, &sink);
        }
        let mut accounts = seed::accounts(sandbox.credentials(), "").expect("the accounts");
        accounts.retain(|account| account.gateway == gateway);
        let mut deeds = Vec::new();
        for account in &accounts {
            let control = sandbox.control();
            let adapter = Adapter::open(account, sandbox.base_url(), control, &recorder);
            deeds.extend(Box::pin(adapter.do_everything()).await);
        }

        let app = TestApp::start().await;
        // The software signs with the time of the machine.
        app.clock.set(Clock::system().now());
        let mut payments = Vec::new();
        for turn in 0..turns {
            let mut of_turn = Vec::new();
            for account in &accounts {
                of_turn.push(Box::pin(payment(&app, account, turn)).await);
            }
            payments.push(of_turn);
        }
        Self {
            gateway,
            sandbox,
            accounts,
            recorder,
            deeds,
            app,
            payments,
        }
    }

    /// What a script is given.
    pub(crate) fn input(&self, turn: usize) -> Value {
        let accounts: Map<String, Value> = self.accounts.iter().map(shown).collect();
        json!({
            "sandbox": self.sandbox.base_url(),
            "sink": format!("{}/sink", self.recorder.base_url()),
            "keys": binaries::root().join("crates/sandbox/testkeys"),
            "vectors": vectors(self.gateway),
            "accounts": accounts,
            "deeds": self.deeds,
            "kassa_sandbox": self.app.node().sandbox().expect("a sandbox").base_url(),
            "payments": self.payments.get(turn).expect("the payments of the turn"),
        })
    }

    /// What the software signed has come true.
    pub(crate) async fn assert_settled(&self, settled: &[Settled]) {
        self.app.run_until_idle().await;
        for expected in settled {
            let payment = self.app.payment(&expected.transaction_id).await;
            let status = payment.status().as_str_name();
            assert_eq!(status, format!("PAYMENT_STATUS_{}", expected.status));
        }
    }

    pub(crate) async fn finish(self) {
        self.sandbox.stop().await;
        self.app.finish().await;
    }
}

/// The folder of the vectors that the room's own tests run.
fn vectors(gateway: GatewayName) -> PathBuf {
    let rooms = binaries::root().join("crates/gateways/src");
    let room = rooms.join(gateway.as_str().to_lowercase());
    room.join("testdata")
}

/// One open payment of Kassa's over an account, and where its callbacks go.
async fn payment(app: &TestApp, account: &AccountSpec, turn: usize) -> Value {
    let gateway = account.gateway;
    let order = format!("{}-{turn}", account.code);
    let wish = Wish::over(account, &order, AMOUNT);
    let created = Box::pin(app.created(&wish)).await;
    app.open_cashier(&created).await;
    let Created {
        id, transaction, ..
    } = created;
    let ingress = app.node().addresses().ingress;
    let slug = gateway.channel().slug();
    let code = &account.code;
    json!({
        "account": code,
        "transaction_id": id,
        "number": app.number(&id).await,
        "amount": AMOUNT,
        "currency": transaction.amount_requested.map(|amount| amount.currency_code),
        "callback_url": format!("http://{ingress}/callbacks/{slug}/{code}/payment"),
        "refund_callback_url": format!("http://{ingress}/callbacks/{slug}/{code}/refund"),
        "return_url": format!("http://{ingress}/return/{slug}/{code}"),
    })
}

/// An account with its secrets: they are the simulator's throw-away ones.
fn shown(account: &AccountSpec) -> (String, Value) {
    let secrets: Map<String, Value> = account
        .secrets
        .iter()
        .map(|(name, secret)| (name.clone(), Value::from(secret.expose().as_str())))
        .collect();
    let shown = json!({ "settings": account.settings, "secrets": secrets });
    (account.code.to_string(), shown)
}
