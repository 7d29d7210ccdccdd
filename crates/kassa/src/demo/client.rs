//! An ordinary caller: a gRPC client with a token.

use std::time::Duration;

use anyhow::Context;
use proto::v1;
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
use tonic::{Request, Status, Streaming};

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Events that are read at a time; far more than the demo makes.
const EVENTS_MAX: i32 = 500;

type Connection = InterceptedService<Channel, Bearer>;

/// Puts the token on every call.
#[derive(Clone)]
struct Bearer(AsciiMetadataValue);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A caller of the API.
#[derive(Clone)]
pub(super) struct Client {
    payments: PaymentServiceClient<Connection>,
    refunds: RefundServiceClient<Connection>,
    events: EventServiceClient<Connection>,
    operations: OperationsServiceClient<Connection>,
    wallets: WalletServiceClient<Connection>,
    passwords: PaymentPasswordServiceClient<Connection>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// What a refused call says, with its code.
fn refused(call: &'static str) -> impl FnOnce(Status) -> anyhow::Error {
    move |status| anyhow::anyhow!("{call} refused: {:?}: {}", status.code(), status.message())
}

impl Client {
    /// Connects to `url` with a token.
    pub(super) async fn connect(url: String, token: &str) -> anyhow::Result<Self> {
        let mut header: AsciiMetadataValue = format!("Bearer {token}").parse()?;
        header.set_sensitive(true);
        let channel = Channel::from_shared(url)?
            .connect_timeout(CALL_TIMEOUT)
            .connect()
            .await;
        let channel = channel.context("connecting to the gRPC server")?;
        let bearer = Bearer(header);
        let connection = || InterceptedService::new(channel.clone(), bearer.clone());
        Ok(Self {
            payments: PaymentServiceClient::new(connection()),
            refunds: RefundServiceClient::new(connection()),
            events: EventServiceClient::new(connection()),
            operations: OperationsServiceClient::new(connection()),
            wallets: WalletServiceClient::new(connection()),
            passwords: PaymentPasswordServiceClient::new(connection()),
        })
    }

    pub(super) async fn create_payment(
        &self,
        message: v1::CreatePaymentRequest,
    ) -> anyhow::Result<(v1::PaymentTransaction, Option<v1::PrepayInfo>)> {
        let answer = self.payments.clone().create_payment(request(message)).await;
        let answer = answer.map_err(refused("CreatePayment"))?.into_inner();
        Ok((
            answer.transaction.context("no transaction in the answer")?,
            answer.prepay_info,
        ))
    }

    pub(super) async fn payment(&self, id: &str) -> anyhow::Result<v1::PaymentTransaction> {
        let key = Some(v1::get_payment_request::Key::TransactionId(id.to_owned()));
        let answer = self
            .payments
            .clone()
            .get_payment(request(v1::GetPaymentRequest { key }))
            .await;
        let answer = answer.map_err(refused("GetPayment"))?.into_inner();
        answer.transaction.context("no transaction in the answer")
    }

    pub(super) async fn create_refund(
        &self,
        message: v1::CreateRefundRequest,
    ) -> anyhow::Result<v1::RefundTransaction> {
        let answer = self.refunds.clone().create_refund(request(message)).await;
        let answer = answer.map_err(refused("CreateRefund"))?.into_inner();
        answer.refund.context("no refund in the answer")
    }

    pub(super) async fn refund(&self, id: &str) -> anyhow::Result<v1::RefundTransaction> {
        let key = Some(v1::get_refund_request::Key::RefundId(id.to_owned()));
        let answer = self
            .refunds
            .clone()
            .get_refund(request(v1::GetRefundRequest { key }))
            .await;
        let answer = answer.map_err(refused("GetRefund"))?.into_inner();
        answer.refund.context("no refund in the answer")
    }

    pub(super) async fn wallet(&self, user_id: &str) -> anyhow::Result<v1::Wallet> {
        let message = v1::GetWalletRequest {
            user_id: user_id.to_owned(),
        };
        let answer = self.wallets.clone().get_wallet(request(message)).await;
        let answer = answer.map_err(refused("GetWallet"))?.into_inner();
        answer.wallet.context("no wallet in the answer")
    }

    /// Has a one-time code made for a first password; it comes as an event.
    pub(super) async fn request_code(&self, user_id: &str) -> anyhow::Result<()> {
        let message = v1::RequestPasswordCodeRequest {
            user_id: user_id.to_owned(),
            purpose: v1::PasswordCodePurpose::Set.into(),
        };
        let mut passwords = self.passwords.clone();
        let answer = passwords.request_password_code(request(message)).await;
        answer.map_err(refused("RequestPasswordCode"))?;
        Ok(())
    }

    pub(super) async fn set_password(
        &self,
        message: v1::SetPaymentPasswordRequest,
    ) -> anyhow::Result<v1::PaymentPasswordStatus> {
        let mut passwords = self.passwords.clone();
        let answer = passwords.set_payment_password(request(message)).await;
        let answer = answer.map_err(refused("SetPaymentPassword"))?.into_inner();
        answer.status.context("no status in the answer")
    }

    /// The events of the app so far.
    pub(super) async fn events(&self) -> anyhow::Result<Vec<v1::Event>> {
        let message = v1::ListEventsRequest {
            after_cursor: 0,
            page_size: EVENTS_MAX,
            types: Vec::new(),
        };
        let answer = self.events.clone().list_events(request(message)).await;
        Ok(answer.map_err(refused("ListEvents"))?.into_inner().events)
    }

    /// The events of the app from the first on; stays open.
    pub(super) async fn stream_events(
        &self,
    ) -> anyhow::Result<Streaming<v1::StreamEventsResponse>> {
        let message = v1::StreamEventsRequest {
            after_cursor: 0,
            types: Vec::new(),
        };
        let answer = self
            .events
            .clone()
            .stream_events(Request::new(message))
            .await;
        Ok(answer.map_err(refused("StreamEvents"))?.into_inner())
    }

    /// The notifications in the inbox about a payment.
    pub(super) async fn notifications(&self, id: &str) -> anyhow::Result<Vec<v1::Notification>> {
        let message = v1::ListNotificationsRequest {
            transaction_id: id.to_owned(),
            ..Default::default()
        };
        let answer = self
            .operations
            .clone()
            .list_notifications(request(message))
            .await;
        Ok(answer
            .map_err(refused("ListNotifications"))?
            .into_inner()
            .notifications)
    }
}
