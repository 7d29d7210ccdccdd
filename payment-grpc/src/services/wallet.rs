//! `payment.v1.WalletService`.

use flows::wallet;
use proto::v1;
use proto::v1::wallet_service_server::WalletService;
use tonic::Request;

use super::{Answer, Services};
use crate::call::Call;
use crate::convert::wallet as convert;

#[tonic::async_trait]
impl WalletService for Services {
    async fn get_wallet(
        &self,
        request: Request<v1::GetWalletRequest>,
    ) -> Answer<v1::GetWalletResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let user = convert::user_id(&request.user_id)?;
            let wallet = wallet::find(&self.shared.kassa, &call.caller.app.id, user).await?;
            Ok(v1::GetWalletResponse {
                wallet: Some(wallet),
            })
        };
        call.answer(done.await)
    }

    async fn list_wallet_entries(
        &self,
        request: Request<v1::ListWalletEntriesRequest>,
    ) -> Answer<v1::ListWalletEntriesResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let paging = self.paging(&call);
            let wanted = convert::list(&request, paging)?;
            let page = wallet::list_entries(&self.shared.kassa, paging.app, &wanted).await?;
            convert::list_response(&request, paging, page)
        };
        call.answer(done.await)
    }

    async fn credit_wallet(
        &self,
        request: Request<v1::CreditWalletRequest>,
    ) -> Answer<v1::CreditWalletResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::credit(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { wallet::credit(&kassa, &caller.app.id, wanted).await };
            let done = self.shared.to_its_end(flow).await?;
            Ok(v1::CreditWalletResponse {
                operation: Some(wallet::operation(&done)),
            })
        };
        call.answer(done.await)
    }

    async fn debit_wallet(
        &self,
        request: Request<v1::DebitWalletRequest>,
    ) -> Answer<v1::DebitWalletResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::debit(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { wallet::debit(&kassa, &caller.app.id, wanted).await };
            let done = self.shared.to_its_end(flow).await?;
            Ok(v1::DebitWalletResponse {
                operation: Some(wallet::operation(&done)),
            })
        };
        call.answer(done.await)
    }

    async fn transfer_between_wallets(
        &self,
        request: Request<v1::TransferBetweenWalletsRequest>,
    ) -> Answer<v1::TransferBetweenWalletsResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let (wanted, taker) = convert::transfer(&request)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { wallet::transfer(&kassa, &caller.app.id, wanted, taker).await };
            let done = self.shared.to_its_end(flow).await?;
            Ok(v1::TransferBetweenWalletsResponse {
                operation: Some(wallet::operation(&done)),
            })
        };
        call.answer(done.await)
    }

    async fn freeze_wallet(
        &self,
        request: Request<v1::FreezeWalletRequest>,
    ) -> Answer<v1::FreezeWalletResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let (user, reason) = convert::switch(&request.user_id, &request.reason)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { wallet::freeze(&kassa, &caller.app.id, user, &reason).await };
            Ok(v1::FreezeWalletResponse {
                wallet: Some(self.shared.to_its_end(flow).await?),
            })
        };
        call.answer(done.await)
    }

    async fn unfreeze_wallet(
        &self,
        request: Request<v1::UnfreezeWalletRequest>,
    ) -> Answer<v1::UnfreezeWalletResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let (user, reason) = convert::switch(&request.user_id, &request.reason)?;
            let (kassa, caller) = (self.shared.kassa.clone(), call.caller.clone());
            let flow = async move { wallet::unfreeze(&kassa, &caller.app.id, user, &reason).await };
            Ok(v1::UnfreezeWalletResponse {
                wallet: Some(self.shared.to_its_end(flow).await?),
            })
        };
        call.answer(done.await)
    }
}
