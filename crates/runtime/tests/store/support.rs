//! A database with one app and one channel account, and payments to put into it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::app::{App, AppKey, KeyAlgorithm, Scope};
use kassa_core::channel::{
    AccountLimits, Channel, ChannelAccount, FeeRate, FeeTerms, GatewayName, Method,
};
use kassa_core::id::{AttemptId, ChannelAccountId, LegId, RefundId, TransactionId};
use kassa_core::payment::{
    Attempt, AttemptStatus, Leg, LegStatus, PaymentStatus, PaymentTransaction,
};
use kassa_core::refund::{RefundRoute, RefundStatus, RefundTransaction};
use kassa_core::text::{
    AccountCode, AppId, BusinessOrderId, BusinessOrderType, BusinessRefundId, PayerId,
    RefundReason, RequestId, Subject, UserId,
};
use kassa_core::{Clock, Currency, IdSource, Money};
use runtime::store::testing::TestDatabase;
use runtime::store::{SealedAccount, Store};

pub(crate) struct World {
    pub(crate) db: TestDatabase,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) app: AppId,
    pub(crate) account: ChannelAccountId,
}

pub(crate) type Bundle = (PaymentTransaction, Leg, Attempt);

pub(crate) fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

pub(crate) fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::microseconds(123_456)
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Clock::settable(start());
        let ids = IdSource::seeded(1, clock.clone());
        let app = AppId::try_new("shop").unwrap();
        let account = ChannelAccountId::new(&ids);
        let world = Self {
            db: TestDatabase::create().await,
            clock,
            ids,
            app,
            account,
        };
        let tx = world.store().begin().await.unwrap();
        tx.upsert_app_in_tx(&world.make_app("shop")).await.unwrap();
        let sealed = world.make_account(account, "alipay-main");
        tx.insert_channel_account_in_tx(&sealed).await.unwrap();
        tx.commit().await.unwrap();
        world
    }

    pub(crate) fn store(&self) -> &Store {
        &self.db.store
    }

    pub(crate) fn make_app(&self, name: &str) -> App {
        App {
            policies: kassa_core::app::Policies::default(),
            id: AppId::try_new(name).unwrap(),
            display_name: "商店".to_owned(),
            scopes: BTreeSet::from([Scope::PaymentsRead, Scope::PaymentsWrite]),
            keys: vec![AppKey {
                kid: "k1".to_owned(),
                algorithm: KeyAlgorithm::EdDsa,
                public_key_pem: "pem".to_owned(),
            }],
            channel_accounts: vec![self.account],
            is_active: true,
            version: 1,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        }
    }

    pub(crate) fn make_account(&self, id: ChannelAccountId, code: &str) -> SealedAccount {
        SealedAccount {
            account: ChannelAccount {
                id,
                code: AccountCode::try_new(code).unwrap(),
                display_name: "Alipay".to_owned(),
                gateway: GatewayName::Alipay,
                settings: serde_json::json!({ "app_id": "2021" }),
                fingerprints: BTreeMap::from([("private_key".to_owned(), "ab12".to_owned())]),
                limits: AccountLimits {
                    amount_min: Some(cny(1)),
                    amount_max: None,
                },
                fee: FeeTerms {
                    rate: FeeRate::try_new(6_000).unwrap(),
                    is_returned: true,
                },
                callback_cidrs: vec!["127.0.0.0/8".to_owned()],
                is_active: true,
                version: 1,
                created_at: self.clock.now(),
                updated_at: self.clock.now(),
            },
            credentials_sealed: vec![1, 2, 3],
        }
    }

    /// A payment of 100.00 CNY that is not stored yet.
    pub(crate) fn make_payment(&self, order: &str) -> Bundle {
        let (id, leg_id) = (TransactionId::new(&self.ids), LegId::new(&self.ids));
        let attempt_id = AttemptId::new(&self.ids);
        let now = self.clock.now();
        let attempt = Attempt {
            next_query_at: None,
            query_count: 0,
            retry: None,
            id: attempt_id,
            transaction_id: id,
            leg_id,
            attempt_no: 1,
            channel_account_id: self.account,
            method: Method::Qr,
            amount: cny(10_000),
            fee: FeeTerms {
                rate: FeeRate::try_new(38_000).unwrap(),
                is_returned: false,
            },
            payer: Some(PayerId::try_new("buyer").unwrap()),
            status: AttemptStatus::Prepared,
            prepay: None,
            gateway_transaction_id: None,
            failure: None,
            expires_at: now + TimeDelta::minutes(15),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let leg = Leg {
            id: leg_id,
            transaction_id: id,
            leg_no: 1,
            channel: Channel::Alipay,
            method: Method::Qr,
            amount: cny(10_000),
            status: LegStatus::Pending,
            points: None,
            hold_id: None,
            amount_refunded: cny(0),
            amount_refund_reserved: cny(0),
        };
        (self.transaction(id, attempt_id, order), leg, attempt)
    }

    fn transaction(
        &self,
        id: TransactionId,
        attempt: AttemptId,
        order: &str,
    ) -> PaymentTransaction {
        let now = self.clock.now();
        PaymentTransaction {
            id,
            app_id: self.app.clone(),
            request_id: RequestId::try_new(format!("r-{id}")).unwrap(),
            request_fingerprint: "f".repeat(64),
            business_order_id: BusinessOrderId::try_new(order).unwrap(),
            business_order_type: Some(BusinessOrderType::try_new("GOODS_ORDER").unwrap()),
            user_id: Some(UserId::try_new("user-1").unwrap()),
            channel: Channel::Alipay,
            method: Method::Qr,
            legs: Vec::new(),
            amount_requested: cny(10_000),
            amount_paid: cny(0),
            amount_refunded: cny(0),
            amount_refund_reserved: cny(0),
            status: PaymentStatus::PendingCreate,
            current_attempt_id: Some(attempt),
            gateway_transaction_id: None,
            failure: None,
            subject: Subject::try_new("一杯咖啡").unwrap(),
            client_ip: Some("2001:db8::1".parse().unwrap()),
            return_url: Some("https://shop.example/done".to_owned()),
            metadata: BTreeMap::from([("table".to_owned(), "七".to_owned())]),
            expires_at: now + TimeDelta::minutes(15),
            created_at: now,
            updated_at: now,
            paid_at: None,
            closed_at: None,
            version: 1,
            event_sequence: 0,
        }
    }

    pub(crate) async fn insert(&self, (payment, leg, attempt): &Bundle) {
        let tx = self.store().begin().await.unwrap();
        tx.insert_payment_in_tx(payment, std::slice::from_ref(leg), Some(attempt))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// A stored, paid payment of 100.00 CNY.
    pub(crate) async fn insert_paid(&self, order: &str) -> Bundle {
        let (mut payment, leg, attempt) = self.make_payment(order);
        payment.status = PaymentStatus::PaidSuccess;
        payment.amount_paid = payment.amount_requested;
        payment.paid_at = Some(self.clock.now());
        let bundle = (payment, leg, attempt);
        self.insert(&bundle).await;
        bundle
    }

    /// A refund that is not stored yet.
    pub(crate) fn make_refund(
        &self,
        of: &Bundle,
        business_id: &str,
        minor: i64,
    ) -> RefundTransaction {
        let (payment, leg, attempt) = of;
        let id = RefundId::new(&self.ids);
        RefundTransaction {
            next_query_at: None,
            query_count: 0,
            source: kassa_core::refund::RefundSource::Payment,
            anomaly_id: None,
            id,
            app_id: self.app.clone(),
            original_transaction_id: payment.id,
            leg_id: leg.id,
            route: Some(RefundRoute {
                attempt_id: attempt.id,
                channel_account_id: self.account,
                amount: cny(minor),
            }),
            legs: Vec::new(),
            business_refund_id: Some(BusinessRefundId::try_new(business_id).unwrap()),
            request_fingerprint: "f".repeat(64),
            refund_number: id.to_string(),
            amount_requested: cny(minor),
            amount_refunded: cny(0),
            status: RefundStatus::Pending,
            reason: Some(RefundReason::try_new("cold").unwrap()),
            gateway_refund_id: None,
            failure: None,
            submitted_at: None,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            refunded_at: None,
            version: 1,
        }
    }
}
