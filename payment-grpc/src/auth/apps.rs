//! Apps and their parsed keys, kept for a moment: a call must not cost a query and a PEM parse.
//!
//! What is known is believed for [`TTL`], so a disabled app or a removed key counts after that at
//! the latest. Unknown apps are not remembered: strangers could fill the memory with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use kassa_core::Clock;
use kassa_core::app::{App, AppKey, KeyAlgorithm};
use kassa_core::text::AppId;
use runtime::store::{Store, StoreError};

/// How long an app is believed to be as it was read.
pub(super) const TTL: TimeDelta = TimeDelta::seconds(5);
/// How soon an app may be read again because a token names a key that it did not have.
const REREAD_AFTER: TimeDelta = TimeDelta::seconds(1);
/// How many apps are kept; an installation has dozens.
const APPS_MAX: usize = 1024;

/// An app with its keys parsed.
#[derive(Debug)]
pub(super) struct KnownApp {
    pub(super) app: App,
    keys: Vec<(String, KeyAlgorithm, DecodingKey)>,
}

impl KnownApp {
    fn new(app: App) -> Self {
        let keys = app.keys.iter().filter_map(|key| {
            let parsed = parse(key);
            if parsed.is_none() {
                tracing::error!(app.id = %app.id, key.id = key.kid, "an app's key is not readable");
            }
            Some((key.kid.clone(), key.algorithm, parsed?))
        });
        Self {
            keys: keys.collect(),
            app,
        }
    }

    /// The key of this name, if it is for this algorithm.
    pub(super) fn key(&self, kid: &str, algorithm: KeyAlgorithm) -> Option<&DecodingKey> {
        self.keys
            .iter()
            .find(|key| key.0 == kid && key.1 == algorithm)
            .map(|key| &key.2)
    }

    fn has_key(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.0 == kid)
    }
}

fn parse(key: &AppKey) -> Option<DecodingKey> {
    let pem = key.public_key_pem.as_bytes();
    match key.algorithm {
        KeyAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem).ok(),
        KeyAlgorithm::Rs256 => DecodingKey::from_rsa_pem(pem).ok(),
    }
}

#[derive(Debug)]
struct Entry {
    known: Arc<KnownApp>,
    read_at: DateTime<Utc>,
}

/// The apps that were read lately.
#[derive(Debug)]
pub(super) struct Apps {
    store: Store,
    clock: Clock,
    entries: Mutex<HashMap<AppId, Entry>>,
}

impl Apps {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            entries: Mutex::default(),
        }
    }

    /// The app, read anew if what is known is old, or lacks a key that it may have by now.
    pub(super) async fn find(
        &self,
        id: &AppId,
        kid: &str,
    ) -> Result<Option<Arc<KnownApp>>, StoreError> {
        if let Some(known) = self.fresh(id, kid) {
            return Ok(Some(known));
        }
        let Some(app) = self.store.find_app(id).await? else {
            self.lock().remove(id);
            return Ok(None);
        };
        let known = Arc::new(KnownApp::new(app));
        self.keep(id.clone(), Arc::clone(&known));
        Ok(Some(known))
    }

    fn fresh(&self, id: &AppId, kid: &str) -> Option<Arc<KnownApp>> {
        let entries = self.lock();
        let entry = entries.get(id)?;
        let age = self.clock.now().signed_duration_since(entry.read_at);
        let ttl = if entry.known.has_key(kid) {
            TTL
        } else {
            REREAD_AFTER
        };
        (age < ttl && age >= TimeDelta::zero()).then(|| Arc::clone(&entry.known))
    }

    fn keep(&self, id: AppId, known: Arc<KnownApp>) {
        let read_at = self.clock.now();
        let mut entries = self.lock();
        if entries.len() >= APPS_MAX && !entries.contains_key(&id) {
            entries.retain(|_, entry| read_at.signed_duration_since(entry.read_at) < TTL);
        }
        if entries.len() < APPS_MAX || entries.contains_key(&id) {
            entries.insert(id, Entry { known, read_at });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AppId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
