//! The channel accounts in memory: what an account opens to (a gateway's room) is looked up here
//! without a query, read again when something changed, and kept when the database is away.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kassa_core::Secret;
use kassa_core::channel::{Channel, ChannelAccount};
use kassa_core::id::ChannelAccountId;
use kassa_core::text::AccountCode;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::keyring::{Keyring, KeyringError, Place, Sealed};
use crate::store::{Store, StoreError};

/// Where the credentials of a channel account are sealed.
fn credentials_place(row: &str) -> Place<'_> {
    Place {
        table: "channel_accounts",
        column: "credentials_sealed",
        row,
    }
}

/// Why the credentials of an account could not be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The keyring refused.
    #[error("the credentials of channel account {account} cannot be opened")]
    Keyring {
        /// The account's id.
        account: String,
        /// Why.
        #[source]
        source: KeyringError,
    },
    /// What was sealed is not what we seal.
    #[error("the credentials of channel account {account} are not readable")]
    Format {
        /// The account's id.
        account: String,
    },
}

/// Seals the secrets of an account for its row.
///
/// # Errors
/// [`CredentialsError`].
pub fn seal_credentials(
    keyring: &Keyring,
    account: ChannelAccountId,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Vec<u8>, CredentialsError> {
    let row = account.to_string();
    let plain: BTreeMap<&str, &str> = secrets
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose().as_str()))
        .collect();
    let plain = Secret::new(serde_json::to_vec(&plain).map_err(|_unwritable| {
        CredentialsError::Format {
            account: row.clone(),
        }
    })?);
    keyring
        .seal(credentials_place(&row), plain.expose())
        .map(Sealed::into_bytes)
        .map_err(|source| CredentialsError::Keyring {
            account: row.clone(),
            source,
        })
}

/// Opens the secrets of an account's row.
///
/// # Errors
/// [`CredentialsError`].
pub fn open_credentials(
    keyring: &Keyring,
    account: ChannelAccountId,
    sealed: &[u8],
) -> Result<BTreeMap<String, Secret>, CredentialsError> {
    let row = account.to_string();
    let plain = keyring
        .open(credentials_place(&row), sealed)
        .map_err(|source| CredentialsError::Keyring {
            account: row.clone(),
            source,
        })?;
    serde_json::from_slice(plain.expose())
        .map_err(|_unreadable| CredentialsError::Format { account: row })
}

/// An account that is ready to use.
#[derive(Debug, Clone)]
pub struct OpenAccount<G> {
    /// Its settings.
    pub account: Arc<ChannelAccount>,
    /// What it opened to.
    pub gateway: G,
}

type Opener<G> =
    Arc<dyn Fn(&ChannelAccount, BTreeMap<String, Secret>) -> Result<G, String> + Send + Sync>;

/// Every channel account, opened. Cheap to clone.
pub struct AccountDirectory<G> {
    store: Store,
    keyring: Arc<Keyring>,
    open: Opener<G>,
    state: Arc<RwLock<Loaded<G>>>,
}

struct Loaded<G> {
    generation: Option<i64>,
    by_id: HashMap<ChannelAccountId, OpenAccount<G>>,
}

impl<G> Clone for AccountDirectory<G> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            keyring: Arc::clone(&self.keyring),
            open: Arc::clone(&self.open),
            state: Arc::clone(&self.state),
        }
    }
}

impl<G> fmt::Debug for AccountDirectory<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountDirectory").finish_non_exhaustive()
    }
}

impl<G: Clone> AccountDirectory<G> {
    /// An empty directory; [`AccountDirectory::refresh`] fills it. `open` turns an account and its
    /// secrets into what callers use, or says what is wrong with them.
    pub fn new(
        store: Store,
        keyring: Arc<Keyring>,
        open: impl Fn(&ChannelAccount, BTreeMap<String, Secret>) -> Result<G, String>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let state = Loaded {
            generation: None,
            by_id: HashMap::new(),
        };
        Self {
            store,
            keyring,
            open: Arc::new(open),
            state: Arc::new(RwLock::new(state)),
        }
    }

    /// Reads the accounts again if any was changed. An account that does not open is logged and left
    /// out; the others are not disturbed.
    ///
    /// # Errors
    /// [`StoreError`]; what was known stays in use then.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let generation = self.store.channel_accounts_generation().await?;
        if self.read(|state| state.generation == Some(generation)) {
            return Ok(());
        }
        let mut by_id = HashMap::new();
        for sealed in self.store.list_channel_accounts().await? {
            let id = sealed.account.id;
            match self.open_sealed(&sealed.account, &sealed.credentials_sealed) {
                Ok(gateway) => {
                    let account = Arc::new(sealed.account);
                    by_id.insert(id, OpenAccount { account, gateway });
                }
                Err(reason) => tracing::error!(
                    channel_account.id = %id,
                    reason,
                    "channel account left out: its settings or credentials are not usable"
                ),
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = Loaded {
            generation: Some(generation),
            by_id,
        };
        Ok(())
    }

    fn open_sealed(&self, account: &ChannelAccount, sealed: &[u8]) -> Result<G, String> {
        let secrets = open_credentials(&self.keyring, account.id, sealed)
            .map_err(|error| error.to_string())?;
        (self.open)(account, secrets)
    }

    /// Reads the accounts now and then `every` so often, until told to stop. While the database is away
    /// what was known stays in use; that is logged once when it begins and once when it ends.
    pub async fn keep_fresh(self, every: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_away = false;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(result) = stop.run_until_cancelled(self.refresh()).await else {
                return;
            };
            let was_away = is_away;
            is_away = result.is_err();
            match result {
                Ok(()) if was_away => tracing::info!("channel accounts can be read again"),
                Err(error) if !was_away => tracing::warn!(
                    error = %error,
                    accounts.loaded = self.is_loaded(),
                    "channel accounts cannot be read; those in memory stay in use"
                ),
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Whether it was filled at least once.
    pub fn is_loaded(&self) -> bool {
        self.read(|state| state.generation.is_some())
    }

    /// The account with this id.
    pub fn find(&self, id: ChannelAccountId) -> Option<OpenAccount<G>> {
        self.read(|state| state.by_id.get(&id).cloned())
    }

    /// The account of this channel with this code, as callback URLs name it.
    pub fn find_by_code(&self, channel: Channel, code: &str) -> Option<OpenAccount<G>> {
        self.read(|state| {
            state
                .by_id
                .values()
                .find(|open| {
                    open.account.channel() == channel && open.account.code.as_str() == code
                })
                .cloned()
        })
    }

    /// The account with this code, of whatever channel.
    pub fn find_by_account_code(&self, code: &AccountCode) -> Option<OpenAccount<G>> {
        self.read(|state| {
            state
                .by_id
                .values()
                .find(|open| open.account.code == *code)
                .cloned()
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Loaded<G>) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}
