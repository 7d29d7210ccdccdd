//! Business systems: gRPC clients whose every call carries a fresh token.

use std::collections::BTreeSet;
use std::time::Duration;

use kassa::token::{self, AppSigningKey, TokenRequest};
use kassa_core::app::Scope;
use kassa_core::text::AppId;
use kassa_core::{Clock, Secret};
use proto::v1::channel_service_client::ChannelServiceClient;
use proto::v1::event_service_client::EventServiceClient;
use proto::v1::operations_service_client::OperationsServiceClient;
use proto::v1::payment_password_service_client::PaymentPasswordServiceClient;
use proto::v1::payment_service_client::PaymentServiceClient;
use proto::v1::refund_service_client::RefundServiceClient;
use proto::v1::wallet_service_client::WalletServiceClient;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// How long a token holds; the test's clock may be moved by less than that within one client.
const TOKEN_TTL: Duration = Duration::from_hours(1);

/// A connection that puts a token on every call.
pub type Connection = InterceptedService<Channel, Bearer>;

/// Puts the token on every call, if there is one.
#[derive(Clone)]
pub struct Bearer(Option<AsciiMetadataValue>);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer")
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A business system. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The app that calls.
    pub app: AppId,
    key: AppSigningKey,
    audience: String,
    clock: Clock,
    channel: Channel,
    /// `None` calls without a token.
    scopes: Option<BTreeSet<Scope>>,
}

impl Caller {
    /// An app with all scopes.
    pub(crate) fn new(
        app: AppId,
        key: AppSigningKey,
        audience: String,
        clock: Clock,
        channel: Channel,
    ) -> Self {
        let scopes = Some(token::all_scopes());
        Self {
            app,
            key,
            audience,
            clock,
            channel,
            scopes,
        }
    }

    /// The same app with these scopes only.
    #[must_use]
    pub fn with_scopes(&self, scopes: &[Scope]) -> Self {
        let scopes = Some(scopes.iter().copied().collect());
        Self {
            scopes,
            ..self.clone()
        }
    }

    /// The same app without a token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self {
            scopes: None,
            ..self.clone()
        }
    }

    /// The app's private key.
    pub fn key(&self) -> &AppSigningKey {
        &self.key
    }

    /// A token that holds now.
    pub fn token(&self) -> Option<Secret> {
        let request = TokenRequest {
            app: self.app.clone(),
            audience: self.audience.clone(),
            scopes: self.scopes.clone()?,
            ttl: TOKEN_TTL,
        };
        Some(token::mint(&self.key, &request, self.clock.now()).expect("a token"))
    }

    fn bearer(&self) -> Bearer {
        Bearer(self.token().map(|token| {
            let mut value: AsciiMetadataValue = format!("Bearer {}", token.expose())
                .parse()
                .expect("a token is ASCII");
            value.set_sensitive(true);
            value
        }))
    }

    /// `PaymentService`.
    pub fn payments(&self) -> PaymentServiceClient<Connection> {
        PaymentServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }

    /// `RefundService`.
    pub fn refunds(&self) -> RefundServiceClient<Connection> {
        RefundServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }

    /// `ChannelService`.
    pub fn channels(&self) -> ChannelServiceClient<Connection> {
        ChannelServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }

    /// `EventService`.
    pub fn events(&self) -> EventServiceClient<Connection> {
        EventServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }

    /// `PaymentPasswordService`.
    pub fn passwords(&self) -> PaymentPasswordServiceClient<Connection> {
        PaymentPasswordServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }

    /// `WalletService`.
    pub fn wallets(&self) -> WalletServiceClient<Connection> {
        WalletServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }

    /// `OperationsService`.
    pub fn operations(&self) -> OperationsServiceClient<Connection> {
        OperationsServiceClient::with_interceptor(self.channel.clone(), self.bearer())
    }
}
