//! `payment.v1.ChannelService`.

use flows::channel;
use kassa_core::channel::ChannelAccount;
use proto::v1;
use proto::v1::channel_service_server::ChannelService;
use tonic::Request;

use super::{Answer, Services};
use crate::call::Call;
use crate::convert::channel as convert;
use crate::error::Error;

impl Services {
    /// An account as the API shows it.
    fn channel_account(
        &self,
        account: &ChannelAccount,
    ) -> Result<Option<v1::ChannelAccount>, Error> {
        convert::account(&self.shared.kassa, account).map(Some)
    }

    /// Enables or disables an account on behalf of the caller.
    async fn switch_channel_account(
        &self,
        call: &Call,
        code: &str,
        is_active: bool,
    ) -> Result<Option<v1::ChannelAccount>, Error> {
        let code = convert::code(code)?;
        let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
        let flow =
            async move { channel::switch(&kassa, caller.app.id.as_str(), &code, is_active).await };
        let account = self.shared.to_its_end(flow).await?;
        self.channel_account(&account)
    }
}

#[tonic::async_trait]
impl ChannelService for Services {
    async fn create_channel_account(
        &self,
        request: Request<v1::CreateChannelAccountRequest>,
    ) -> Answer<v1::CreateChannelAccountResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let new = convert::create(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { channel::create(&kassa, caller.app.id.as_str(), new).await };
            let account = self.shared.to_its_end(flow).await?;
            let channel_account = self.channel_account(&account)?;
            Ok(v1::CreateChannelAccountResponse { channel_account })
        };
        call.answer(done.await)
    }

    async fn update_channel_account(
        &self,
        request: Request<v1::UpdateChannelAccountRequest>,
    ) -> Answer<v1::UpdateChannelAccountResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let change = convert::update(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { channel::update(&kassa, caller.app.id.as_str(), change).await };
            let account = self.shared.to_its_end(flow).await?;
            let channel_account = self.channel_account(&account)?;
            Ok(v1::UpdateChannelAccountResponse { channel_account })
        };
        call.answer(done.await)
    }

    async fn get_channel_account(
        &self,
        request: Request<v1::GetChannelAccountRequest>,
    ) -> Answer<v1::GetChannelAccountResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let code = convert::code(&request.code)?;
            let account = channel::find(&self.shared.kassa, &code).await?;
            let channel_account = self.channel_account(&account)?;
            Ok(v1::GetChannelAccountResponse { channel_account })
        };
        call.answer(done.await)
    }

    async fn list_channel_accounts(
        &self,
        request: Request<v1::ListChannelAccountsRequest>,
    ) -> Answer<v1::ListChannelAccountsResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let paging = self.paging(&call);
            let wanted = convert::list(&request, paging)?;
            let kassa = &self.shared.kassa;
            let page = channel::list(kassa, wanted.after.as_ref(), wanted.limit).await?;
            convert::list_response(kassa, paging, &page)
        };
        call.answer(done.await)
    }

    async fn enable_channel_account(
        &self,
        request: Request<v1::EnableChannelAccountRequest>,
    ) -> Answer<v1::EnableChannelAccountResponse> {
        let (call, request) = Call::split(request)?;
        let switched = self
            .switch_channel_account(&call, &request.code, true)
            .await;
        call.answer(
            switched.map(|channel_account| v1::EnableChannelAccountResponse { channel_account }),
        )
    }

    async fn disable_channel_account(
        &self,
        request: Request<v1::DisableChannelAccountRequest>,
    ) -> Answer<v1::DisableChannelAccountResponse> {
        let (call, request) = Call::split(request)?;
        let switched = self
            .switch_channel_account(&call, &request.code, false)
            .await;
        call.answer(
            switched.map(|channel_account| v1::DisableChannelAccountResponse { channel_account }),
        )
    }
}
