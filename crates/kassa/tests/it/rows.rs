//! An installation with rows in it, written as the services would.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use kassa_core::app::{App, Policies};
use kassa_core::channel::{AccountLimits, Channel, ChannelAccount, FeeTerms, GatewayName, Method};
use kassa_core::event::EventKind;
use kassa_core::id::{AttemptId, ChannelAccountId, EnvelopeId, EventId, LegId, TransactionId};
use kassa_core::payment::{
    Attempt, AttemptStatus, Leg, LegStatus, PaymentStatus, PaymentTransaction,
};
use kassa_core::text::{AccountCode, AppId, BusinessOrderId, RequestId, Subject};
use kassa_core::{Clock, Currency, IdSource, Money};
use runtime::config::SQLITE_FILE;
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::queue::{Envelope, Queue, QueueName, TraceContext};
use runtime::store::{NewEvent, SealedAccount, Store};
use serde_json::json;

use crate::support::Place;

/// An installation, open beside the binary that is tested.
pub struct Installed {
    pub place: Place,
    pub store: Store,
    pub queue: EmbeddedQueue,
    clock: Clock,
    ids: IdSource,
    account: ChannelAccountId,
}

impl Installed {
    pub async fn new() -> Self {
        let place = Place::new();
        assert_eq!(place.run(&["migrate", "up"]).code, 0);
        let file = place.data().join(SQLITE_FILE);
        let store = Store::connect(&format!("sqlite://{}", file.display()), 2).await;
        let store = store.unwrap();
        let clock = Clock::system();
        let ids = IdSource::system(clock.clone());
        let options = EmbeddedOptions::default();
        let queue = EmbeddedQueue::new(store.clone(), clock.clone(), ids.clone(), options);
        let account = ChannelAccountId::new(&ids);
        let installed = Self {
            place,
            store,
            queue,
            clock,
            ids,
            account,
        };
        installed.plant().await;
        installed
    }

    /// The apps `shop` and `other`, and an account that does not open.
    async fn plant(&self) {
        let now = self.clock.now();
        let tx = self.store.begin().await.unwrap();
        for app in ["shop", "other"] {
            let app = App {
                id: AppId::try_new(app).unwrap(),
                display_name: app.to_owned(),
                scopes: BTreeSet::new(),
                keys: Vec::new(),
                channel_accounts: Vec::new(),
                policies: Policies::default(),
                is_active: true,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            tx.upsert_app_in_tx(&app).await.unwrap();
        }
        let account = ChannelAccount {
            id: self.account,
            code: AccountCode::try_new("alipay-main").unwrap(),
            display_name: "Alipay".to_owned(),
            gateway: GatewayName::Alipay,
            settings: json!({}),
            fingerprints: BTreeMap::new(),
            limits: AccountLimits::default(),
            fee: FeeTerms::default(),
            callback_cidrs: Vec::new(),
            is_active: false,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let row = SealedAccount {
            account,
            credentials_sealed: vec![0],
        };
        tx.insert_channel_account_in_tx(&row).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A payment of `app` that ended unpaid, and the event that it began with, not published.
    pub async fn payment(&self, app: &str, order: &str) -> TransactionId {
        let now = self.clock.now();
        let amount = Money::try_new(1000, Currency::CNY).unwrap();
        let zero = Money::zero(Currency::CNY);
        let id = TransactionId::new(&self.ids);
        let leg = self.leg(id, amount);
        let attempt = Attempt {
            id: AttemptId::new(&self.ids),
            transaction_id: id,
            leg_id: leg.id,
            attempt_no: 1,
            channel_account_id: self.account,
            method: Method::Qr,
            amount,
            fee: FeeTerms::default(),
            payer: None,
            status: AttemptStatus::Closed,
            prepay: None,
            gateway_transaction_id: None,
            failure: None,
            expires_at: now + TimeDelta::minutes(30),
            created_at: now,
            updated_at: now,
            next_query_at: None,
            query_count: 0,
            retry: None,
            version: 1,
        };
        let payment = PaymentTransaction {
            id,
            app_id: AppId::try_new(app).unwrap(),
            request_id: RequestId::try_new(id.to_string()).unwrap(),
            request_fingerprint: "0".repeat(64),
            business_order_id: BusinessOrderId::try_new(order).unwrap(),
            business_order_type: None,
            user_id: None,
            channel: Channel::Alipay,
            method: Method::Qr,
            legs: Vec::new(),
            amount_requested: amount,
            amount_paid: zero,
            amount_refunded: zero,
            amount_refund_reserved: zero,
            status: PaymentStatus::Closed,
            current_attempt_id: Some(attempt.id),
            gateway_transaction_id: None,
            failure: None,
            subject: Subject::try_new("coffee").unwrap(),
            client_ip: None,
            return_url: None,
            metadata: BTreeMap::new(),
            expires_at: now + TimeDelta::minutes(30),
            created_at: now,
            updated_at: now,
            paid_at: None,
            closed_at: Some(now),
            version: 1,
            event_sequence: 1,
        };
        let tx = self.store.begin().await.unwrap();
        tx.insert_payment_in_tx(&payment, &[leg], Some(&attempt))
            .await
            .unwrap();
        tx.append_event_in_tx(&self.event(&payment)).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    fn leg(&self, transaction_id: TransactionId, amount: Money) -> Leg {
        Leg {
            id: LegId::new(&self.ids),
            transaction_id,
            leg_no: 1,
            channel: Channel::Alipay,
            method: Method::Qr,
            amount,
            status: LegStatus::Ended,
            points: None,
            hold_id: None,
            amount_refunded: Money::zero(Currency::CNY),
            amount_refund_reserved: Money::zero(Currency::CNY),
        }
    }

    fn event(&self, payment: &PaymentTransaction) -> NewEvent {
        let kind = EventKind::PaymentClosed;
        let transaction = flows::resource::payment(payment).unwrap();
        NewEvent {
            id: EventId::new(&self.ids),
            app_id: payment.app_id.clone(),
            aggregate: payment.id,
            sequence: 1,
            kind,
            routing_key: kind.routing_key(payment.app_id.as_str(), None),
            payload: json!({ "specversion": "1.0", "data": { "transaction": transaction } }),
            trace: BTreeMap::new(),
            created_at: payment.updated_at,
        }
    }

    /// A message that was set aside.
    pub async fn parked(&self, queue: QueueName, reason: &str) -> EnvelopeId {
        let envelope = Envelope {
            id: EnvelopeId::new(&self.ids),
            kind: "from.the.future.v9".to_owned(),
            created_at: self.clock.now(),
            trace: TraceContext::default(),
            payload: json!({}),
        };
        self.queue.publish(queue, &envelope).await.unwrap();
        let mut consumer = self.queue.consume(queue, 1).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        delivery.park(reason).await.unwrap();
        envelope.id
    }

    /// What the operator's command line did, as the audit log has it.
    pub async fn audited(&self) -> Vec<(String, String)> {
        let page = runtime::store::Page::default();
        let records = self.store.list_audit(&page).await.unwrap();
        let records = records.into_iter().rev();
        records.map(|it| (it.actor, it.action)).collect()
    }
}
