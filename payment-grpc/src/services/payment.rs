//! `payment.v1.PaymentService`.

use flows::payment::{self, PaymentKey};
use flows::resource;
use futures_util::stream;
use kassa_core::id::TransactionId;
use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use proto::v1;
use proto::v1::payment_service_server::PaymentService;
use tonic::{Request, Response};

use super::{Answer, Answers, Services};
use crate::call::Call;
use crate::convert::payment as convert;
use crate::error::Error;
use crate::follow::Pulse;
use crate::shared::Shared;

#[tonic::async_trait]
impl PaymentService for Services {
    async fn create_payment(
        &self,
        request: Request<v1::CreatePaymentRequest>,
    ) -> Answer<v1::CreatePaymentResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::create(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let budget = call.budget();
            let flow =
                async move { Box::pin(payment::create(&kassa, &caller.app, wanted, budget)).await };
            let view = self.shared.to_its_end(flow).await?;
            let (transaction, prepay_info) = convert::view(&view)?;
            Ok(v1::CreatePaymentResponse {
                transaction,
                prepay_info,
                remaining_balance: view.remaining.balance.map(resource::money),
                remaining_points: view.remaining.points.map(resource::points),
            })
        };
        call.answer(done.await)
    }

    async fn get_payment(
        &self,
        request: Request<v1::GetPaymentRequest>,
    ) -> Answer<v1::GetPaymentResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let key = convert::key(&request)?;
            let view = payment::find(&self.shared.kassa, &call.caller.app.id, &key).await?;
            let (transaction, prepay_info) = convert::view(&view)?;
            Ok(v1::GetPaymentResponse {
                transaction,
                prepay_info,
            })
        };
        call.answer(done.await)
    }

    async fn list_payments(
        &self,
        request: Request<v1::ListPaymentsRequest>,
    ) -> Answer<v1::ListPaymentsResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let paging = self.paging(&call);
            let wanted = convert::list(&request, paging)?;
            let page = payment::list(&self.shared.kassa, paging.app, &wanted).await?;
            convert::list_response(&request, paging, &page)
        };
        call.answer(done.await)
    }

    async fn close_payment(
        &self,
        request: Request<v1::ClosePaymentRequest>,
    ) -> Answer<v1::ClosePaymentResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let id = convert::transaction_id(&request.transaction_id)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { Box::pin(payment::close(&kassa, &caller.app.id, id)).await };
            let (transaction, _prepay) = convert::view(&self.shared.to_its_end(flow).await?)?;
            Ok(v1::ClosePaymentResponse { transaction })
        };
        call.answer(done.await)
    }

    async fn sync_payment(
        &self,
        request: Request<v1::SyncPaymentRequest>,
    ) -> Answer<v1::SyncPaymentResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let id = convert::transaction_id(&request.transaction_id)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { Box::pin(payment::sync(&kassa, &caller.app.id, id)).await };
            let (transaction, _prepay) = convert::view(&self.shared.to_its_end(flow).await?)?;
            Ok(v1::SyncPaymentResponse { transaction })
        };
        call.answer(done.await)
    }

    async fn retry_payment(
        &self,
        request: Request<v1::RetryPaymentRequest>,
    ) -> Answer<v1::RetryPaymentResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::retry(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let budget = call.budget();
            let flow =
                async move { Box::pin(payment::retry(&kassa, &caller.app, wanted, budget)).await };
            let view = self.shared.to_its_end(flow).await?;
            let (transaction, prepay_info) = convert::view(&view)?;
            Ok(v1::RetryPaymentResponse {
                transaction,
                prepay_info,
            })
        };
        call.answer(done.await)
    }

    type WatchPaymentStream = Answers<v1::WatchPaymentResponse>;

    async fn watch_payment(
        &self,
        request: Request<v1::WatchPaymentRequest>,
    ) -> Answer<Self::WatchPaymentStream> {
        let (call, request) = Call::split(request)?;
        let begun = async {
            let id = convert::transaction_id(&request.transaction_id)?;
            let pulse = Pulse::new(&self.shared, &call, "WatchPayment")?;
            let key = PaymentKey::Transaction(id);
            let view = payment::find(&self.shared.kassa, &call.caller.app.id, &key).await?;
            Ok((id, pulse, view.transaction))
        };
        let (id, pulse, first) = begun.await.map_err(|error| call.refuse(&error))?;
        let watch = Watch {
            shared: self.shared.clone(),
            call,
            id,
            version: first.version,
            pulse,
            first: Some(first),
            ended: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(watch, Watch::next))))
    }
}

/// A watched payment.
struct Watch {
    shared: Shared,
    call: Call,
    id: TransactionId,
    version: i64,
    pulse: Pulse,
    first: Option<PaymentTransaction>,
    ended: bool,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<v1::WatchPaymentResponse, tonic::Status>, Self)> {
        if self.ended {
            return None;
        }
        let answer = match self.change().await {
            Ok(payment) => {
                self.version = payment.version;
                self.ended = is_final(payment.status);
                convert::transaction(&payment)
            }
            Err(error) => Err(error),
        };
        self.ended |= answer.is_err();
        let answer = answer
            .map(|payment| v1::WatchPaymentResponse {
                transaction: Some(payment),
            })
            .map_err(|error| self.call.refuse(&error));
        Some((answer, self))
    }

    /// The next state; states that followed each other faster than we look are passed over.
    async fn change(&mut self) -> Result<PaymentTransaction, Error> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        loop {
            self.pulse.wait().await?;
            let (kassa, app) = (&self.shared.kassa, &self.call.caller.app.id);
            let changed = payment::find_version_after(kassa, app, self.id, self.version).await?;
            if let Some(payment) = changed {
                return Ok(payment);
            }
        }
    }
}

/// Whether nothing more is expected of a payment.
fn is_final(status: PaymentStatus) -> bool {
    match status {
        PaymentStatus::PaidFailed | PaymentStatus::Closed | PaymentStatus::RefundFull => true,
        PaymentStatus::PendingCreate
        | PaymentStatus::PendingPayment
        | PaymentStatus::PaidSuccess
        | PaymentStatus::RefundPartial => false,
    }
}
