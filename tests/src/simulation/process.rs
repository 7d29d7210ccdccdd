//! The installation under test: one database, several processes over it. Each process is the real
//! thing (flows, worker, embedded queue) with a clock of its own that may be wrong by seconds, and
//! loses everything that it holds in memory when it dies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use flows::password::PasswordHasher;
use flows::{FlowSettings, Kassa};
use gateways::Gateway;
use gateways::http::HttpClient;
use gateways::registry::Deps;
use kassa_core::app::{App, Policies};
use kassa_core::channel::{ChannelAccount, FeeRate, FeeTerms, GatewayName};
use kassa_core::id::ChannelAccountId;
use kassa_core::text::{AccountCode, AppId};
use kassa_core::{Clock, IdSource, Secret};
use runtime::accounts::{AccountDirectory, seal_credentials};
use runtime::checkpoint::{Checkpoint, Checkpoints};
use runtime::config::{PasswordConfig, SynchroniseConfig, WorkerConfig};
use runtime::keyring::{KeyId, Keyring};
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::store::testing::TestDatabase;
use runtime::store::{SealedAccount, Seam, Seams};
use worker::Worker;

use super::Time;
use super::bank::{Account, SharedBank};
use super::gateway::SimulatedGateway;
use super::purse;
use super::turns::{Pace, Turns};

/// How long a gateway may take to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a waiting chain rests at least.
const REST: Duration = Duration::from_millis(500);

/// One database and everything that all processes share.
#[derive(Debug)]
pub struct Installation {
    /// The database.
    pub database: TestDatabase,
    /// The business systems.
    pub apps: Vec<App>,
    keyring: Arc<Keyring>,
    turns: Turns,
    bank: SharedBank,
    seed: u64,
}

/// One process.
#[derive(Debug)]
pub struct Process {
    /// What its flows work with.
    pub kassa: Kassa,
    /// Its worker.
    pub worker: Worker,
    /// How wrong its clock is.
    pub skew: TimeDelta,
}

/// The accounts at the simulated gateways.
pub fn accounts(seed: u64, now: Time) -> Vec<Account> {
    let ids = IdSource::seeded(seed, Clock::settable(now));
    let account = |code, gateway, (fee_ppm, is_fee_returned)| Account {
        id: ChannelAccountId::new(&ids),
        code,
        gateway,
        fee_ppm,
        is_fee_returned,
        down_until: None,
    };
    let free = (0, false);
    vec![
        account("alipay-a", GatewayName::Alipay, (6_000, true)),
        account("wechat-a", GatewayName::WechatV3, (38_000, false)),
        account("alipay-b", GatewayName::Alipay, free),
        account("wechat-b", GatewayName::WechatV3, free),
    ]
}

impl Installation {
    /// A migrated database with the accounts and two apps.
    pub async fn open(seed: u64, turns: Turns, bank: SharedBank, folder: &Path) -> Self {
        let database = TestDatabase::create_fast(folder).await;
        let keyring = Arc::new(keyring());
        let now = turns.now();
        let accounts = bank.lock().accounts.clone();
        let tx = database.store.begin().await.expect("the store");
        for account in &accounts {
            let row = row(account, &keyring, now);
            tx.insert_channel_account_in_tx(&row)
                .await
                .expect("a new account");
        }
        let ids: Vec<ChannelAccountId> = accounts.iter().map(|account| account.id).collect();
        let app = |(place, name): (usize, &str)| App {
            id: AppId::try_new(name).expect("an app id"),
            display_name: name.to_owned(),
            scopes: BTreeSet::new(),
            keys: Vec::new(),
            channel_accounts: ids.clone(),
            is_active: true,
            policies: Policies {
                payment_config: purse::config(place),
                ..Policies::default()
            },
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let apps: Vec<App> = ["shop", "other"].into_iter().enumerate().map(app).collect();
        for app in &apps {
            tx.upsert_app_in_tx(app).await.expect("a new app");
        }
        tx.commit().await.expect("the store");
        Self {
            database,
            apps,
            keyring,
            turns,
            bank,
            seed,
        }
    }

    /// Starts a process: the `life`-th that this installation has seen.
    pub async fn start(&self, life: u64, skew: TimeDelta) -> Process {
        let clock = Clock::settable(self.turns.now() + skew);
        let ids = IdSource::seeded(self.seed ^ life.wrapping_mul(0x9e37_79b9), clock.clone());
        let plain = self.database.store.clone();
        let queue = EmbeddedQueue::new(
            plain.clone(),
            clock.clone(),
            ids.clone(),
            EmbeddedOptions::default(),
        );
        let store = plain.with_seams(seams(&self.turns));
        let accounts = AccountDirectory::new(plain, Arc::clone(&self.keyring), self.opener());
        accounts.refresh().await.expect("the accounts open");
        let kassa = Kassa {
            store,
            queue: Arc::new(queue),
            accounts,
            keyring: Arc::clone(&self.keyring),
            clock: clock.clone(),
            ids: ids.clone(),
            gateway_deps: Deps {
                clock,
                ids,
                http: HttpClient::offline(),
            },
            settings: FlowSettings {
                public_base_url: "https://pay.example.com".parse().expect("a URL"),
                call_timeout: CALL_TIMEOUT,
                event_source: "simulation".to_owned(),
                synchronise: SynchroniseConfig {
                    // One question at a time: a chain has one thread of thought.
                    concurrency: 1,
                    ..SynchroniseConfig::default()
                },
            },
            checkpoints: checkpoints(&self.turns),
            breakers: flows::synchronise::Breakers::default(),
            passwords: PasswordHasher::try_new(&PasswordConfig::default()).expect("a hasher"),
        };
        let worker = Worker::new(kassa.clone(), WorkerConfig::default());
        Process {
            kassa,
            worker,
            skew,
        }
    }

    /// Opens the room of an account: the bank's account with the same id.
    fn opener(
        &self,
    ) -> impl Fn(&ChannelAccount, BTreeMap<String, Secret>) -> Result<Arc<dyn Gateway>, String>
    + Send
    + Sync
    + 'static {
        let (bank, turns) = (self.bank.clone(), self.turns.clone());
        move |account, _secrets| {
            let place = bank
                .lock()
                .accounts
                .iter()
                .position(|known| known.id == account.id);
            let place = place.ok_or("no such account")?;
            let room: Arc<dyn Gateway> =
                Arc::new(SimulatedGateway::new(place, bank.clone(), turns.clone()));
            Ok(room)
        }
    }
}

fn seams(turns: &Turns) -> Seams {
    let turns = turns.clone();
    Seams::hooked(Arc::new(move |seam| {
        let turns = turns.clone();
        Box::pin(async move {
            let at = match seam {
                Seam::Begin => "before a transaction",
                Seam::Committed => "after a commit",
            };
            turns.pass(at, Pace::Step).await;
        })
    }))
}

fn checkpoints(turns: &Turns) -> Checkpoints {
    let turns = turns.clone();
    Checkpoints::hooked(Arc::new(move |checkpoint: Checkpoint| {
        let turns = turns.clone();
        Box::pin(async move {
            let pace = if checkpoint == Checkpoint::Resting {
                Pace::Rest(REST)
            } else {
                Pace::Step
            };
            if !checkpoint.is_in_transaction() {
                turns.pass(checkpoint.as_str(), pace).await;
            }
        })
    }))
}

fn keyring() -> Keyring {
    let id = KeyId::try_new("simulation").expect("a key id");
    let keys = BTreeMap::from([(id.clone(), Secret::new(vec![7; 32]))]);
    Keyring::try_new(id, keys).expect("a keyring")
}

fn row(account: &Account, keyring: &Keyring, now: Time) -> SealedAccount {
    let credentials_sealed =
        seal_credentials(keyring, account.id, &BTreeMap::new()).expect("nothing to seal");
    let account = ChannelAccount {
        id: account.id,
        code: AccountCode::try_new(account.code).expect("a code"),
        display_name: account.code.to_owned(),
        gateway: account.gateway,
        settings: serde_json::json!({}),
        fingerprints: BTreeMap::new(),
        limits: kassa_core::channel::AccountLimits::default(),
        fee: FeeTerms {
            rate: FeeRate::try_new(account.fee_ppm).expect("a rate"),
            is_returned: account.is_fee_returned,
        },
        callback_cidrs: Vec::new(),
        is_active: true,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    SealedAccount {
        account,
        credentials_sealed,
    }
}
