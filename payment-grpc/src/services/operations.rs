//! `payment.v1.OperationsService`.

use flows::{anomaly, notification, operations, resource};
use proto::v1;
use proto::v1::operations_service_server::OperationsService;
use tonic::Request;

use super::{Answer, Services};
use crate::call::Call;
use crate::convert::{anomaly as convert_anomaly, explain, operations as convert};
use crate::error::Error;

#[tonic::async_trait]
impl OperationsService for Services {
    async fn list_notifications(
        &self,
        request: Request<v1::ListNotificationsRequest>,
    ) -> Answer<v1::ListNotificationsResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let paging = self.paging(&call);
            let wanted = convert::list_notifications(&request, paging)?;
            let page = notification::list(&self.shared.kassa, &wanted).await?;
            convert::list_notifications_response(&request, paging, &page)
        };
        call.answer(done.await)
    }

    async fn list_parked(
        &self,
        request: Request<v1::ListParkedRequest>,
    ) -> Answer<v1::ListParkedResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::list_parked(request)?;
            let parked =
                operations::list_parked(&self.shared.kassa, wanted.queue, wanted.limit).await?;
            Ok(convert::list_parked_response(&parked))
        };
        call.answer(done.await)
    }

    async fn redrive_parked(
        &self,
        request: Request<v1::RedriveParkedRequest>,
    ) -> Answer<v1::RedriveParkedResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::redrive_parked(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move {
                let (queue, ids) = (wanted.queue, &wanted.ids);
                operations::redrive_parked(&kassa, &caller.app.id, queue, ids, wanted.limit).await
            };
            let put_back = self.shared.to_its_end(flow).await?;
            let message_ids = put_back.iter().map(ToString::to_string).collect();
            Ok(v1::RedriveParkedResponse { message_ids })
        };
        call.answer(done.await)
    }

    async fn list_anomalies(
        &self,
        request: Request<v1::ListAnomaliesRequest>,
    ) -> Answer<v1::ListAnomaliesResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let paging = self.paging(&call);
            let wanted = convert_anomaly::list(&request, paging)?;
            let page = anomaly::list(&self.shared.kassa, &wanted).await?;
            convert_anomaly::list_response(&request, paging, &page)
        };
        call.answer(done.await)
    }

    async fn get_anomaly(
        &self,
        request: Request<v1::GetAnomalyRequest>,
    ) -> Answer<v1::GetAnomalyResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let id = convert_anomaly::id(&request)?;
            let found = anomaly::find(&self.shared.kassa, id).await?;
            Ok(v1::GetAnomalyResponse {
                anomaly: Some(resource::anomaly(&found)),
            })
        };
        call.answer(done.await)
    }

    async fn resolve_anomaly(
        &self,
        request: Request<v1::ResolveAnomalyRequest>,
    ) -> Answer<v1::ResolveAnomalyResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert_anomaly::resolve(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { anomaly::resolve(&kassa, &caller.app.id, wanted).await };
            let resolved = self.shared.to_its_end(flow).await?;
            Ok(convert_anomaly::resolve_response(&resolved))
        };
        call.answer(done.await)
    }

    async fn explain_payment(
        &self,
        request: Request<v1::ExplainPaymentRequest>,
    ) -> Answer<v1::ExplainPaymentResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let kassa = &self.shared.kassa;
            let name = explain::explain_payment(&request)?;
            let found = operations::find_payments(kassa, &name).await?;
            let Some((newest, others)) = found.split_first() else {
                return Err(Error::Broken("a payment was found, and is not there"));
            };
            let story = operations::explain(kassa, newest.id).await?;
            explain::explain_payment_response(&story, others)
        };
        call.answer(done.await)
    }
}
