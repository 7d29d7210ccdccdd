//! What a business system does with an app, and sees of it through the API.

use proto::v1;
use tonic::Status;

use crate::app::TestApp;
use crate::caller::Caller;
use crate::wish::{Created, Wish, money};

impl TestApp {
    /// `CreatePayment`.
    pub async fn create(&self, wish: &Wish) -> Result<Created, Status> {
        let answer = self.shop.payments().create_payment(wish.0.clone()).await?;
        Ok(answer.into_inner().into())
    }

    /// `CreatePayment` in a task of its own.
    pub fn spawn_create(&self, wish: &Wish) -> tokio::task::JoinHandle<Result<Created, Status>> {
        let (caller, wish) = (self.shop.clone(), wish.clone());
        tokio::spawn(async move {
            let answer = caller.payments().create_payment(wish.0).await?;
            Ok(answer.into_inner().into())
        })
    }

    /// A payment that can be paid now.
    pub async fn created(&self, wish: &Wish) -> Created {
        let created = self.create(wish).await.expect("the payment is created");
        assert_eq!(
            created.transaction.status(),
            v1::PaymentStatus::PendingPayment
        );
        created
    }

    /// A payment that is paid, with everything about it settled.
    pub async fn paid(&self, wish: &Wish) -> Created {
        let created = self.created(wish).await;
        self.pay(&created).await;
        self.settle().await;
        let paid = self.payment(&created.id).await;
        assert_eq!(paid.status(), v1::PaymentStatus::PaidSuccess);
        created
    }

    /// `GetPayment`.
    pub async fn payment(&self, id: &str) -> v1::PaymentTransaction {
        let key = Some(v1::get_payment_request::Key::TransactionId(id.to_owned()));
        let answer = self
            .shop
            .payments()
            .get_payment(v1::GetPaymentRequest { key })
            .await;
        answer
            .expect("the payment")
            .into_inner()
            .transaction
            .expect("a transaction")
    }

    /// `RetryPayment`.
    pub async fn retry(&self, request: v1::RetryPaymentRequest) -> Result<Created, Status> {
        let answer = self.shop.payments().retry_payment(request).await?;
        Ok(Created::from(answer.into_inner()))
    }

    /// `ClosePayment`.
    pub async fn close(&self, id: &str) -> Result<v1::PaymentTransaction, Status> {
        let request = v1::ClosePaymentRequest {
            transaction_id: id.to_owned(),
        };
        let answer = self
            .shop
            .payments()
            .close_payment(request)
            .await?
            .into_inner();
        Ok(answer.transaction.expect("a transaction"))
    }

    /// `SyncPayment`.
    pub async fn sync(&self, id: &str) -> Result<v1::PaymentTransaction, Status> {
        let request = v1::SyncPaymentRequest {
            transaction_id: id.to_owned(),
        };
        let answer = self
            .shop
            .payments()
            .sync_payment(request)
            .await?
            .into_inner();
        Ok(answer.transaction.expect("a transaction"))
    }

    /// `CreateRefund`.
    pub async fn refund(
        &self,
        id: &str,
        business_refund_id: &str,
        amount: &str,
    ) -> Result<v1::RefundTransaction, Status> {
        let request = refund_request(id, business_refund_id, amount);
        let answer = self
            .shop
            .refunds()
            .create_refund(request)
            .await?
            .into_inner();
        Ok(answer.refund.expect("a refund"))
    }

    /// `GetRefund`.
    pub async fn refund_of(&self, refund_id: &str) -> v1::RefundTransaction {
        let key = Some(v1::get_refund_request::Key::RefundId(refund_id.to_owned()));
        let answer = self
            .shop
            .refunds()
            .get_refund(v1::GetRefundRequest { key })
            .await;
        answer
            .expect("the refund")
            .into_inner()
            .refund
            .expect("a refund")
    }

    /// Every event of the app, by `ListEvents`, page by page.
    pub async fn events(&self) -> Vec<v1::Event> {
        events_of(&self.shop).await
    }

    /// The events of one payment.
    pub async fn events_of(&self, id: &str) -> Vec<v1::Event> {
        let mut events = self.events().await;
        events.retain(|event| event.transaction_id == id);
        events
    }

    /// The anomalies of one payment, oldest first, by `ListAnomalies`.
    pub async fn anomalies_shown(&self, id: &str) -> Vec<v1::Anomaly> {
        let request = v1::ListAnomaliesRequest {
            transaction_id: id.to_owned(),
            ..Default::default()
        };
        let answer = self.shop.operations().list_anomalies(request).await;
        let mut anomalies = answer.expect("the anomalies").into_inner().anomalies;
        anomalies.reverse();
        anomalies
    }

    /// `ResolveAnomaly`, with a reason.
    pub async fn resolve(
        &self,
        anomaly_id: &str,
        action: v1::ResolutionAction,
    ) -> Result<v1::ResolveAnomalyResponse, Status> {
        let request = v1::ResolveAnomalyRequest {
            anomaly_id: anomaly_id.to_owned(),
            action: action.into(),
            reason: "the payer called".to_owned(),
        };
        let answer = self.shop.operations().resolve_anomaly(request).await?;
        Ok(answer.into_inner())
    }

    /// The refunds of one payment, oldest first, by `ListRefunds`.
    pub async fn refunds_of(&self, id: &str) -> Vec<v1::RefundTransaction> {
        let request = v1::ListRefundsRequest {
            transaction_id: id.to_owned(),
            ..Default::default()
        };
        let answer = self.shop.refunds().list_refunds(request).await;
        let mut refunds = answer.expect("the refunds").into_inner().refunds;
        refunds.reverse();
        refunds
    }

    /// Every notification in the inbox, by `ListNotifications`.
    pub async fn notifications(&self) -> Vec<v1::Notification> {
        let request = v1::ListNotificationsRequest {
            page_size: 200,
            ..Default::default()
        };
        let answer = self.shop.operations().list_notifications(request).await;
        answer.expect("the inbox").into_inner().notifications
    }
}

/// A request to refund.
pub fn refund_request(id: &str, business_refund_id: &str, amount: &str) -> v1::CreateRefundRequest {
    v1::CreateRefundRequest {
        transaction_id: id.to_owned(),
        business_refund_id: business_refund_id.to_owned(),
        amount: Some(money(amount)),
        reason: "not to my taste".to_owned(),
        ..Default::default()
    }
}

/// Every event of a caller, page by page.
pub async fn events_of(caller: &Caller) -> Vec<v1::Event> {
    let mut events = Vec::new();
    let mut after_cursor = 0;
    loop {
        let request = v1::ListEventsRequest {
            after_cursor,
            page_size: 50,
            types: Vec::new(),
        };
        let page = caller
            .events()
            .list_events(request)
            .await
            .expect("the events")
            .into_inner();
        if page.events.is_empty() {
            return events;
        }
        after_cursor = page.next_cursor;
        events.extend(page.events);
    }
}
