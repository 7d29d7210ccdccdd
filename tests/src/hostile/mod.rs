//! Hostile callbacks: what the simulators really posted, altered at random, and bodies made to exhaust
//! a parser, fed to every room's `verify`, `translate` and `verify_return`.
//!
//! | what must hold | |
//! | --- | --- |
//! | nothing panics | whatever the bytes, also where a signature would be good |
//! | nothing takes long | [`CHECK_TIME_MAX`] each |
//! | what is altered is refused | or it means exactly what was signed, under the same key; where nothing is signed, it is a reason to ask |
//!
//! Cases come from `proptest`, with which the tests run a fixed seed (`tests/it/hostile.rs`) and
//! `cargo run --release -p tests --bin fuzz` runs as many as fit into a time, from a seed of its own.

pub mod bomb;
mod bytes;
mod case;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use gateways::registry::{self, Deps};
use gateways::{AccountConfig, Gateway, RawCallback, Translated, Verified};
use http::{HeaderMap, HeaderName, HeaderValue};
use kassa::node::seed;
use kassa::spec::account::AccountSpec;
use kassa_core::channel::GatewayName;
use kassa_core::id::{ChannelAccountId, NotificationId};
use kassa_core::notification::{CallbackRoute, Notification};
use kassa_core::{Clock, IdSource};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sandbox::{RecordedCallback, RefundOutcome, RefundStatus};

use crate::app::TestApp;
use crate::business::refund_request;
use crate::wish::Wish;

pub use case::Case;

/// How long one callback may take, in an unoptimised build on a busy machine.
pub const CHECK_TIME_MAX: Duration = Duration::from_secs(5);
/// Steps towards the smallest case that still fails.
const SHRINK_STEPS_MAX: u32 = 10_000;

/// One account whose callbacks are altered.
#[derive(Debug)]
pub struct Target {
    /// The account's code.
    pub code: String,
    room: Arc<dyn Gateway>,
    clock: Clock,
    ids: IdSource,
    genuine: Vec<Genuine>,
}

/// A callback as it was posted, and what it means.
#[derive(Debug)]
struct Genuine {
    posted: Posted,
    at: DateTime<Utc>,
    verified: Verified,
    meaning: Translated,
}

/// What comes to the door.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Posted {
    route: CallbackRoute,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Target {
    /// Every account of the sandbox, each with the callbacks of a payment and a refund.
    pub async fn all() -> Vec<Self> {
        let app = TestApp::start().await;
        let sandbox = app.node().sandbox().expect("a sandbox");
        let accounts = seed::accounts(sandbox.credentials(), "").expect("the accounts");
        let mut targets = Vec::new();
        for account in &accounts {
            let posted = Box::pin(callbacks_of(&app, account)).await;
            targets.push(Self::open(account, posted));
        }
        Box::pin(app.finish()).await;
        targets
    }

    fn open(account: &AccountSpec, posted: Vec<(DateTime<Utc>, Posted)>) -> Self {
        let clock = Clock::settable(DateTime::UNIX_EPOCH);
        let ids = IdSource::seeded(1, clock.clone());
        let config = AccountConfig {
            gateway: account.gateway,
            settings: account.settings.clone(),
            secrets: account.secrets.clone(),
        };
        let deps = Deps::verifying(clock.clone(), ids.clone());
        let mut target = Self {
            code: account.code.to_string(),
            room: registry::open(&config, &deps).expect("the account opens"),
            clock,
            ids,
            genuine: Vec::new(),
        };
        for (at, posted) in posted {
            target.clock.set(at);
            let verified = target.verify(&posted).expect("a genuine callback");
            let meaning = target.translate(&posted, &verified);
            let meaning = meaning.expect("it can be read");
            target.genuine.push(Genuine {
                posted,
                at,
                verified,
                meaning,
            });
        }
        target.assert_complete();
        target
    }

    /// A callback of a payment is there, and of a refund where the gateway has a route for them.
    fn assert_complete(&self) {
        let has = |route: CallbackRoute, is_told: fn(&Translated) -> bool| {
            let mut genuine = self.genuine.iter();
            genuine.any(|it| it.posted.route == route && is_told(&it.meaning))
        };
        assert!(
            has(CallbackRoute::Payment, |told| told.payment.is_some()),
            "{}: no callback of a payment",
            self.code
        );
        assert!(
            !self.room.capabilities().refund_callbacks
                || has(CallbackRoute::Refund, |told| told.refund.is_some()),
            "{}: no callback of a refund",
            self.code
        );
    }

    /// Checks so many random cases of this seed.
    ///
    /// # Errors
    /// The smallest case that was found to break a promise, and how.
    pub fn run(&self, cases: u32, seed: &[u8; 32]) -> Result<(), String> {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: SHRINK_STEPS_MAX,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, seed);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let checked = runner.run(&case::cases(self.genuine.len()), |case| {
            self.check(&case)
                .map_err(proptest::test_runner::TestCaseError::fail)
        });
        checked.map_err(|error| format!("{}: {error}", self.code))
    }

    /// Feeds every bomb to the room, with the headers of every genuine callback.
    ///
    /// # Errors
    /// The name of the bomb that broke a promise, and how.
    pub fn run_bombs(&self) -> Result<(), String> {
        for (name, body) in bomb::all() {
            for genuine in &self.genuine {
                self.clock.set(genuine.at);
                let posted = Posted {
                    body: body.clone(),
                    ..genuine.posted.clone()
                };
                self.withstands(&posted, genuine)
                    .map_err(|error| format!("{}: {name}: {error}", self.code))?;
            }
        }
        Ok(())
    }

    fn check(&self, case: &Case) -> Result<(), String> {
        let genuine = self.genuine.get(case.of);
        let genuine = genuine.expect("cases are made for so many callbacks");
        self.clock.set(genuine.at);
        self.withstands(&case.applied(&genuine.posted), genuine)
    }

    /// Refused, or what was signed; in time; and nothing panics behind the door either.
    fn withstands(&self, posted: &Posted, genuine: &Genuine) -> Result<(), String> {
        let began = Instant::now();
        if let Some(verified) = self.verify(posted)
            && !self.is_harmless(posted, &verified, genuine)
        {
            return Err(format!("taken for {verified:?}"));
        }
        // Behind the door only what was signed is read, but a gateway may sign nonsense.
        drop(self.translate(posted, &genuine.verified));
        if let Ok(query) = std::str::from_utf8(&posted.body) {
            drop(self.room.verify_return(query));
        }
        let took = began.elapsed();
        if took > CHECK_TIME_MAX {
            return Err(format!("took {took:?}"));
        }
        Ok(())
    }

    /// What was let in means what was signed; or the gateway signs no such notices, and it only makes us ask.
    fn is_harmless(&self, posted: &Posted, verified: &Verified, genuine: &Genuine) -> bool {
        let told = self.translate(posted, verified);
        if verified.key == genuine.verified.key && told.as_ref() == Some(&genuine.meaning) {
            return true;
        }
        let is_believed = |told: &Translated| {
            told.payment.is_some() || (told.refund.is_some() && !told.refund_is_hint)
        };
        self.is_unsigned(&genuine.posted) && !told.as_ref().is_some_and(is_believed)
    }

    /// Refund notices of WeChat Pay's API v2 are encrypted, block by block, and not signed.
    fn is_unsigned(&self, genuine: &Posted) -> bool {
        self.room.name() == GatewayName::WechatV2 && genuine.route == CallbackRoute::Refund
    }

    fn verify(&self, posted: &Posted) -> Option<Verified> {
        let headers = posted.header_map();
        let verified = self.room.verify(&RawCallback {
            route: posted.route,
            headers: &headers,
            body: &posted.body,
        });
        verified.ok()
    }

    fn translate(&self, posted: &Posted, verified: &Verified) -> Option<Translated> {
        let notification = Notification {
            id: NotificationId::new(&self.ids),
            channel_account_id: ChannelAccountId::new(&self.ids),
            gateway: self.room.name(),
            route: posted.route,
            key: verified.key.clone(),
            headers: verified.headers.clone(),
            body: posted.body.clone(),
            received_at: self.clock.now(),
        };
        self.room.translate(&notification).ok()
    }
}

impl Posted {
    /// What HTTP would let through.
    fn header_map(&self) -> HeaderMap {
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        map
    }
}

impl From<&RecordedCallback> for Posted {
    fn from(recorded: &RecordedCallback) -> Self {
        let route = if recorded.url.ends_with("/refund") {
            CallbackRoute::Refund
        } else {
            CallbackRoute::Payment
        };
        let headers = recorded.headers.iter();
        Self {
            route,
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            body: recorded.body.clone().into_bytes(),
        }
    }
}

/// What the gateway posts about a payment over this account and a refund of it, and when.
async fn callbacks_of(app: &TestApp, account: &AccountSpec) -> Vec<(DateTime<Utc>, Posted)> {
    let seen = app.control.recorded_callbacks().len();
    let wish = Wish::over(account, account.code.as_str(), "12.34");
    let created = app.created(&wish).await;
    app.pay(&created).await;
    let mut found = delivered(app, seen).await;
    app.settle().await;

    let seen = app.control.recorded_callbacks().len();
    let mut request = refund_request(&created.id, account.code.as_str(), "1.00");
    if let (Some(part), Some(whole)) = (&mut request.amount, &created.transaction.amount_requested)
    {
        part.currency_code.clone_from(&whole.currency_code);
    }
    let refund = app.shop.refunds().create_refund(request).await;
    refund.expect("the refund is created");
    app.run_until_idle().await;
    for refund in app.control.refunds() {
        if refund.status == RefundStatus::Processing {
            let settled = app
                .control
                .settle_refund(&refund.out_refund_no, RefundOutcome::Success);
            settled.expect("the refund ends");
        }
    }
    found.extend(delivered(app, seen).await);
    app.settle().await;
    found
}

/// Posts what waits, and gives what is recorded beyond `seen`.
async fn delivered(app: &TestApp, seen: usize) -> Vec<(DateTime<Utc>, Posted)> {
    app.deliver().await;
    let recorded = app.control.recorded_callbacks();
    recorded
        .iter()
        .skip(seen)
        .map(|callback| (app.clock.now(), Posted::from(callback)))
        .collect()
}
