//! `payment.v1.RefundService`.

use flows::{refund, resource};
use proto::v1;
use proto::v1::refund_service_server::RefundService;
use tonic::Request;

use super::{Answer, Services};
use crate::call::Call;
use crate::convert::refund as convert;

#[tonic::async_trait]
impl RefundService for Services {
    async fn create_refund(
        &self,
        request: Request<v1::CreateRefundRequest>,
    ) -> Answer<v1::CreateRefundResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::create(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { refund::create(&kassa, &caller.app.id, wanted).await };
            let refund = self.shared.to_its_end(flow).await?;
            Ok(v1::CreateRefundResponse {
                refund: Some(resource::refund(&refund)),
            })
        };
        call.answer(done.await)
    }

    async fn get_refund(
        &self,
        request: Request<v1::GetRefundRequest>,
    ) -> Answer<v1::GetRefundResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let key = convert::key(&request)?;
            let refund = refund::find(&self.shared.kassa, &call.caller.app.id, &key).await?;
            Ok(v1::GetRefundResponse {
                refund: Some(resource::refund(&refund)),
            })
        };
        call.answer(done.await)
    }

    async fn list_refunds(
        &self,
        request: Request<v1::ListRefundsRequest>,
    ) -> Answer<v1::ListRefundsResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let paging = self.paging(&call);
            let wanted = convert::list(&request, paging)?;
            let page = refund::list(&self.shared.kassa, paging.app, &wanted).await?;
            convert::list_response(&request, paging, &page)
        };
        call.answer(done.await)
    }
}
