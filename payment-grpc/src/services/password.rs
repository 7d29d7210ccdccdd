//! `payment.v1.PaymentPasswordService`.

use flows::{password, resource};
use proto::v1;
use proto::v1::payment_password_service_server::PaymentPasswordService;
use tonic::Request;

use super::{Answer, Services};
use crate::call::Call;
use crate::convert::password as convert;

#[tonic::async_trait]
impl PaymentPasswordService for Services {
    async fn request_password_code(
        &self,
        request: Request<v1::RequestPasswordCodeRequest>,
    ) -> Answer<v1::RequestPasswordCodeResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::request_code(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { password::request_code(&kassa, &caller.app, &wanted).await };
            let sent = self.shared.to_its_end(flow).await?;
            Ok(convert::code_sent(&sent))
        };
        call.answer(done.await)
    }

    async fn set_payment_password(
        &self,
        request: Request<v1::SetPaymentPasswordRequest>,
    ) -> Answer<v1::SetPaymentPasswordResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::set(&request.user_id, &request.password, &request.code)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { password::set(&kassa, &caller.app, &wanted).await };
            let status = resource::payment_password(&self.shared.to_its_end(flow).await?);
            let status = Some(status);
            Ok(v1::SetPaymentPasswordResponse { status })
        };
        call.answer(done.await)
    }

    async fn change_payment_password(
        &self,
        request: Request<v1::ChangePaymentPasswordRequest>,
    ) -> Answer<v1::ChangePaymentPasswordResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::change(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { password::change(&kassa, &caller.app, &wanted).await };
            let status = resource::payment_password(&self.shared.to_its_end(flow).await?);
            let status = Some(status);
            Ok(v1::ChangePaymentPasswordResponse { status })
        };
        call.answer(done.await)
    }

    async fn reset_payment_password(
        &self,
        request: Request<v1::ResetPaymentPasswordRequest>,
    ) -> Answer<v1::ResetPaymentPasswordResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::set(&request.user_id, &request.password, &request.code)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { password::reset(&kassa, &caller.app, &wanted).await };
            let status = resource::payment_password(&self.shared.to_its_end(flow).await?);
            let status = Some(status);
            Ok(v1::ResetPaymentPasswordResponse { status })
        };
        call.answer(done.await)
    }

    async fn verify_payment_password(
        &self,
        request: Request<v1::VerifyPaymentPasswordRequest>,
    ) -> Answer<v1::VerifyPaymentPasswordResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let (user, given) = convert::verify(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { password::verify(&kassa, &caller.app, &user, &given).await };
            self.shared.to_its_end(flow).await?;
            Ok(v1::VerifyPaymentPasswordResponse {})
        };
        call.answer(done.await)
    }

    async fn get_payment_password_status(
        &self,
        request: Request<v1::GetPaymentPasswordStatusRequest>,
    ) -> Answer<v1::GetPaymentPasswordStatusResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let user = convert::status_key(&request)?;
            let status = password::status(&self.shared.kassa, &call.caller.app, &user).await?;
            Ok(v1::GetPaymentPasswordStatusResponse {
                status: Some(resource::payment_password(&status)),
            })
        };
        call.answer(done.await)
    }
}
