//! What every flow works with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateways::registry::{self, Deps};
use gateways::{AccountConfig, Gateway};
use kassa_core::channel::{Channel, ChannelAccount};
use kassa_core::id::ChannelAccountId;
use kassa_core::notification::CallbackRoute;
use kassa_core::{Clock, IdSource, Secret};
use runtime::accounts::{AccountDirectory, OpenAccount};
use runtime::checkpoint::Checkpoints;
use runtime::config::SynchroniseConfig;
use runtime::keyring::Keyring;
use runtime::queue::Queue;
use runtime::store::Store;
use url::Url;

use crate::Error;
use crate::password::PasswordHasher;
use crate::synchronise::Breakers;

/// The channel accounts, opened for calling.
pub type Accounts = AccountDirectory<Arc<dyn Gateway>>;

/// Settings of the flows.
#[derive(Debug, Clone)]
pub struct FlowSettings {
    /// Where gateways and payers reach the callback ingress, for example `https://pay.example.com`.
    pub public_base_url: Url,
    /// How long a gateway may take to answer one call.
    pub call_timeout: Duration,
    /// The `source` of our CloudEvents.
    pub event_source: String,
    /// When gateways are asked, and how long unexpected money is kept.
    pub synchronise: SynchroniseConfig,
}

/// What every flow works with: the store, the queue, the accounts, the clock. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Kassa {
    /// Rows.
    pub store: Store,
    /// Work queues and the event exchange.
    pub queue: Arc<dyn Queue>,
    /// Channel accounts.
    pub accounts: Accounts,
    /// Seals secrets.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: IdSource,
    /// What rooms are opened with; for checking settings before they are stored.
    pub gateway_deps: Deps,
    /// Settings.
    pub settings: FlowSettings,
    /// Gateways that don't answer are left in peace.
    pub breakers: Breakers,
    /// Hashes payment passwords.
    pub passwords: PasswordHasher,
    /// Where tests stop and kill processes; nothing in production.
    pub checkpoints: Checkpoints,
}

/// Opens a channel account's room: what an [`Accounts`] directory is made with.
pub fn gateway_opener(
    deps: Deps,
) -> impl Fn(&ChannelAccount, BTreeMap<String, Secret>) -> Result<Arc<dyn Gateway>, String>
+ Send
+ Sync
+ 'static {
    move |account, secrets| {
        let config = AccountConfig {
            gateway: account.gateway,
            settings: account.settings.clone(),
            secrets,
        };
        registry::open(&config, &deps).map_err(|error| error.to_string())
    }
}

impl Kassa {
    /// The account with this id, read again from the store if it is not known yet.
    ///
    /// # Errors
    /// [`Error::AccountUnusable`] if there is none or it does not open.
    pub(crate) async fn account(
        &self,
        id: ChannelAccountId,
    ) -> Result<OpenAccount<Arc<dyn Gateway>>, Error> {
        if let Some(open) = self.accounts.find(id) {
            return Ok(open);
        }
        self.accounts.refresh().await?;
        self.accounts.find(id).ok_or(Error::AccountUnusable {
            account: id.to_string(),
        })
    }

    /// The account's channel, for metrics and logs.
    pub(crate) fn channel_of(&self, id: ChannelAccountId) -> &'static str {
        let open = self.accounts.find(id);
        open.map_or("UNKNOWN", |open| open.account.channel().as_str())
    }

    /// Where a gateway posts its callbacks for an account.
    ///
    /// # Errors
    /// [`Error::Internal`] if the configured base URL cannot carry a path.
    pub fn callback_url(
        &self,
        account: &ChannelAccount,
        route: CallbackRoute,
    ) -> Result<Url, Error> {
        let route = match route {
            CallbackRoute::Payment => "payment",
            CallbackRoute::Refund => "refund",
        };
        self.public_url(&[
            "callbacks",
            account.channel().slug(),
            account.code.as_str(),
            route,
        ])
    }

    /// Where the payer's browser comes back to.
    ///
    /// # Errors
    /// As [`Kassa::callback_url`].
    pub(crate) fn return_url(&self, channel: Channel, code: &str) -> Result<Url, Error> {
        self.public_url(&["return", channel.slug(), code])
    }

    fn public_url(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut url = self.settings.public_base_url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::internal("the public base URL cannot carry a path"))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }
}
