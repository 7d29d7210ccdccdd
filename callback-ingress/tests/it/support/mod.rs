//! An ingress on a free port, its accounts, and a queue that does as told.

pub(crate) mod accounts;
pub(crate) mod alter;
pub(crate) mod client;
pub(crate) mod payments;
pub(crate) mod queue;
pub(crate) mod rooms;
pub(crate) mod vectors;

use std::net::SocketAddr;
use std::sync::Arc;

use callback_ingress::{Deps, Ingress, IngressOptions};
use gateways::Gateway;
use kassa_core::channel::ChannelAccount;
use kassa_core::{Clock, IdSource};
use runtime::accounts::AccountDirectory;
use runtime::config::IngressConfig;
use runtime::store::testing::TestDatabase;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use client::{Answer, Client};
use queue::FakeQueue;

/// A running ingress.
#[derive(Debug)]
pub(crate) struct TestIngress {
    pub(crate) address: SocketAddr,
    pub(crate) queue: Arc<FakeQueue>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) database: TestDatabase,
    pub(crate) accounts: AccountDirectory<Arc<dyn Gateway>>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

impl Drop for TestIngress {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl TestIngress {
    /// With the accounts `alipay-main`, `alipay-other`, `wechat-main`, and one of each other gateway.
    pub(crate) async fn start() -> Self {
        Self::with(|_options| {}, |_account| {}).await
    }

    /// With other options.
    pub(crate) async fn with_options(change: impl FnOnce(&mut IngressOptions)) -> Self {
        Self::with(change, |_account| {}).await
    }

    /// With other options and accounts.
    pub(crate) async fn with(
        change_options: impl FnOnce(&mut IngressOptions),
        change_account: impl Fn(&mut ChannelAccount),
    ) -> Self {
        let queue = Arc::new(FakeQueue::default());
        Self::on(
            TestDatabase::create().await,
            queue,
            change_options,
            change_account,
        )
        .await
    }

    async fn on(
        database: TestDatabase,
        queue: Arc<FakeQueue>,
        change_options: impl FnOnce(&mut IngressOptions),
        change_account: impl Fn(&mut ChannelAccount),
    ) -> Self {
        let clock = vectors::clock();
        let ids = IdSource::seeded(1, clock.clone());
        let accounts = accounts::directory(&database.store, &clock, &ids, change_account).await;
        let mut options = IngressOptions::from(&IngressConfig::for_testing());
        change_options(&mut options);
        let deps = Deps {
            checkpoints: runtime::checkpoint::Checkpoints::none(),
            accounts: accounts.clone(),
            queue: queue.clone(),
            store: database.store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let ingress = Ingress::bind(options, deps).await.expect("a free port");
        let address = ingress.local_addr();
        let stop = CancellationToken::new();
        let served = tokio::spawn(ingress.serve(stop.clone()));
        Self {
            address,
            queue,
            clock,
            ids,
            database,
            accounts,
            stop,
            served,
        }
    }

    /// Sends one request over a connection of its own.
    pub(crate) async fn send(&self, request: &[u8]) -> Option<Answer> {
        let mut client = Client::connect(self.address).await;
        client.send(request).await;
        client.answer().await
    }

    /// Sends a callback over a connection of its own.
    pub(crate) async fn post(&self, callback: &vectors::Callback) -> Answer {
        self.send(&callback.request()).await.expect("an answer")
    }

    /// Gets a page.
    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(&client::request("GET", target, headers, b""))
            .await
            .expect("an answer")
    }

    /// Stops serving and waits for the drain.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.served).await.expect("serving ended well");
    }
}
