//! Opens what the flows work with, as the configuration says.

use std::sync::Arc;

use gateways::http::{HttpClient, HttpError};
use gateways::registry::Deps;
use kassa_core::{Clock, IdSource};
use runtime::accounts::AccountDirectory;
use runtime::checkpoint::Checkpoints;
use runtime::config::Config;
use runtime::keyring::Keyring;
use runtime::queue::Queue;
use runtime::store::Store;
use url::Url;

use crate::password::{HasherError, PasswordHasher};
use crate::synchronise::Breakers;
use crate::{FlowSettings, Kassa, gateway_opener};

/// Why the flows could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The outbound HTTP client.
    #[error("the outbound HTTP client cannot be made")]
    Http(#[from] HttpError),
    /// A checked configuration does not come here.
    #[error("payment passwords cannot be hashed")]
    Passwords(#[from] HasherError),
    /// A checked configuration does not come here.
    #[error("ingress.public_base_url is not a URL")]
    PublicBaseUrl(#[from] url::ParseError),
}

/// Opens what the flows work with. The accounts are not read yet: [`AccountDirectory::refresh`].
///
/// # Errors
/// [`OpenError`].
pub fn open(
    config: &Config,
    store: Store,
    queue: Arc<dyn Queue>,
    keyring: Arc<Keyring>,
    (clock, ids): (Clock, IdSource),
) -> Result<Kassa, OpenError> {
    let http = HttpClient::try_new()?;
    let gateway_deps = Deps {
        clock: clock.clone(),
        ids: ids.clone(),
        http,
    };
    let opener = gateway_opener(gateway_deps.clone());
    let accounts = AccountDirectory::new(store.clone(), Arc::clone(&keyring), opener);
    let settings = FlowSettings {
        public_base_url: Url::parse(&config.ingress.public_base_url)?,
        call_timeout: config.gateway.call_timeout(),
        event_source: config.events.source.clone(),
        synchronise: config.synchronise.clone(),
    };
    Ok(Kassa {
        store,
        queue,
        accounts,
        keyring,
        clock,
        ids,
        gateway_deps,
        settings,
        breakers: Breakers::default(),
        passwords: PasswordHasher::try_new(&config.password)?,
        checkpoints: Checkpoints::from_env(),
    })
}
