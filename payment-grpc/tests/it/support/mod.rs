//! A server of a test's own, callers with tokens, and rows to look at.

mod rows;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flows::{FlowSettings, Kassa, gateway_opener};
use gateways::http::HttpClient;
use kassa_core::app::{App, Scope};
use kassa_core::{Clock, IdSource, Secret};
use payment_grpc::{Deps, Server, ServerOptions};
use runtime::accounts::AccountDirectory;
use runtime::config::{AuthConfig, GrpcConfig};
use runtime::keyring::{KeyId, Keyring};
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::store::testing::TestDatabase;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetail, StatusExt};

pub(crate) use rows::{closed, payment};
pub(crate) use token::{Claims, Signer};

/// The app that most tests call as; it may do everything.
pub(crate) const SHOP: &str = "shop";
/// Another app with every scope.
pub(crate) const OTHER: &str = "other";

/// A running server.
pub(crate) struct TestServer {
    pub(crate) kassa: Kassa,
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    pub(crate) shop: Signer,
    pub(crate) other: Signer,
    stopping: CancellationToken,
    serving: JoinHandle<()>,
    database: TestDatabase,
}

/// The time at which tests begin.
pub(crate) fn start_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn options() -> ServerOptions {
    ServerOptions::from_config(&GrpcConfig::for_testing(), &AuthConfig::for_testing()).unwrap()
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub(crate) async fn start_with(options: ServerOptions) -> Self {
        let database = TestDatabase::create().await;
        let clock = Clock::settable(start_time());
        let (kassa, queue) = kassa(&database, &clock);
        let events = Some(queue.events_published());
        let deps = Deps {
            kassa: kassa.clone(),
            events,
        };
        let server = Server::bind(options, deps).await.unwrap();
        let address = server.local_addr();
        let stopping = CancellationToken::new();
        let token = stopping.clone();
        let serving = tokio::spawn(async move { server.serve(token).await.unwrap() });
        let (shop, other) = (Signer::ed25519(SHOP, "k1"), Signer::ed25519(OTHER, "k1"));
        let started = Self {
            kassa,
            clock,
            address,
            shop,
            other,
            stopping,
            serving,
            database,
        };
        started.put_app(&started.app(&started.shop)).await;
        started.put_app(&started.app(&started.other)).await;
        started
    }

    /// An app with every scope and the signer's key.
    pub(crate) fn app(&self, signer: &Signer) -> App {
        App {
            policies: kassa_core::app::Policies::default(),
            id: signer.app.clone(),
            display_name: signer.app.to_string(),
            scopes: Scope::ALL.iter().copied().collect(),
            keys: vec![signer.key()],
            channel_accounts: Vec::new(),
            is_active: true,
            version: 1,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        }
    }

    pub(crate) async fn put_app(&self, app: &App) {
        let tx = self.kassa.store.begin().await.unwrap();
        tx.upsert_app_in_tx(app).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A good token of `signer` with every scope.
    pub(crate) fn token(&self, signer: &Signer) -> String {
        signer.sign(&Claims::good(&self.clock, signer))
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// A client that calls as the shop.
    pub(crate) async fn client(&self) -> Caller {
        Caller {
            channel: self.channel().await,
            token: Some(self.token(&self.shop)),
        }
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits for the drain to end. The database lives as long as what is given back.
    pub(crate) async fn stopped(self) -> TestDatabase {
        self.stopping.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.serving)
            .await
            .unwrap()
            .unwrap();
        self.database
    }
}

fn kassa(database: &TestDatabase, clock: &Clock) -> (Kassa, EmbeddedQueue) {
    let ids = IdSource::seeded(1, clock.clone());
    let store = database.store.clone();
    let id = KeyId::try_new("k1").unwrap();
    let keys = BTreeMap::from([(id.clone(), Secret::new(vec![7; 32]))]);
    let keyring = Arc::new(Keyring::try_new(id, keys).unwrap());
    let queue = EmbeddedQueue::new(
        store.clone(),
        clock.clone(),
        ids.clone(),
        EmbeddedOptions::default(),
    );
    let gateway_deps = gateways::registry::Deps {
        clock: clock.clone(),
        ids: ids.clone(),
        http: HttpClient::try_new().unwrap(),
    };
    let opener = gateway_opener(gateway_deps.clone());
    let accounts = AccountDirectory::new(store.clone(), Arc::clone(&keyring), opener);
    let settings = FlowSettings {
        public_base_url: "https://pay.example.com".parse().unwrap(),
        call_timeout: Duration::from_secs(2),
        event_source: "/kassa".to_owned(),
        synchronise: runtime::config::SynchroniseConfig::for_testing(),
    };
    let kassa = Kassa {
        store,
        queue: Arc::new(queue.clone()),
        accounts,
        keyring,
        clock: clock.clone(),
        ids,
        gateway_deps,
        settings,
        breakers: flows::synchronise::Breakers::default(),
        passwords: flows::password::PasswordHasher::try_new(
            &runtime::config::PasswordConfig::for_testing(),
        )
        .unwrap(),
        checkpoints: runtime::checkpoint::Checkpoints::none(),
    };
    (kassa, queue)
}

/// A client with a token.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    pub(crate) token: Option<String>,
}

impl Caller {
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    pub(crate) fn without_token(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Calls any method with any message.
    pub(crate) async fn call<M, R>(&self, path: &str, message: M) -> Result<R, Status>
    where
        M: prost::Message + Default + 'static,
        R: prost::Message + Default + 'static,
    {
        self.send(path, self.request(message))
            .await
            .map(Response::into_inner)
    }

    pub(crate) async fn send<M, R>(
        &self,
        path: &str,
        request: Request<M>,
    ) -> Result<Response<R>, Status>
    where
        M: prost::Message + Default + 'static,
        R: prost::Message + Default + 'static,
    {
        let mut client = Grpc::new(self.channel.clone());
        client
            .ready()
            .await
            .map_err(|error| Status::unknown(error.to_string()))?;
        client
            .unary(request, path.parse().unwrap(), ProstCodec::default())
            .await
    }

    /// Calls a method with an empty message; what it answers does not matter.
    pub(crate) async fn poke(&self, path: &str) -> Result<(), Status> {
        self.call::<(), ()>(path, ()).await
    }
}

/// The reason of a refusal. Insists on exactly one `ErrorInfo`, of our domain.
#[track_caller]
pub(crate) fn reason(status: &Status) -> String {
    let details = status.check_error_details_vec().unwrap();
    let infos: Vec<_> = details
        .iter()
        .filter_map(|detail| match detail {
            ErrorDetail::ErrorInfo(info) => Some(info),
            _ => None,
        })
        .collect();
    assert_eq!(infos.len(), 1, "one ErrorInfo expected: {status:?}");
    assert_eq!(infos[0].domain, "kassa");
    infos[0].reason.clone()
}

/// A value of the refusal's metadata.
#[track_caller]
pub(crate) fn metadata(status: &Status, key: &str) -> String {
    let info = status.get_details_error_info().unwrap();
    info.metadata.get(key).cloned().unwrap_or_default()
}

/// Code and reason of a refusal.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("a refusal");
    (status.code(), reason(&status))
}
