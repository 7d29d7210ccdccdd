//! What must hold at the end of every test, whatever it was about.

use std::collections::BTreeSet;

use kassa::node::seed::code;
use kassa_core::Currency;
use kassa_core::ledger::{LedgerAccountKey, LedgerAccountKind};
use kassa_core::text::AccountCode;
use runtime::queue::QueueName;
use sandbox::Gateway;
use serde_json::Value;

use crate::app::TestApp;
use crate::business::events_of;
use crate::event;

/// Parked messages that one look lists.
const PARKED_MAX: usize = 100;
/// Audit records that one round seals.
const AUDIT_BATCH: u64 = 500;

/// What a test leaves behind on purpose.
#[derive(Debug, Default)]
#[must_use]
pub struct Expected {
    parked: usize,
    /// What we have booked less what the gateways say, in minor units.
    difference_minor: i64,
}

impl Expected {
    /// So many messages are parked.
    pub fn parked(mut self, messages: usize) -> Self {
        self.parked = messages;
        self
    }

    /// We have booked so many minor units more than the gateways say that they hold: a gateway lied,
    /// and people were told.
    pub fn booked_beyond_the_gateways(mut self, minor_units: i64) -> Self {
        self.difference_minor = minor_units;
        self
    }
}

impl TestApp {
    pub(crate) async fn check(&self, expected: &Expected) {
        self.check_queues(expected).await;
        self.check_events().await;
        self.check_books(expected).await;
        self.check_audit().await;
    }

    async fn check_queues(&self, expected: &Expected) {
        assert_eq!(self.depth().await, 0, "messages wait");
        let mut parked = Vec::new();
        for queue in QueueName::ALL {
            let found = self.kassa().queue.list_parked(*queue, PARKED_MAX).await;
            parked.extend(found.expect("the queue answers"));
        }
        assert_eq!(parked.len(), expected.parked, "parked: {parked:?}");
        let backlog = self
            .kassa()
            .store
            .outbox_backlog()
            .await
            .expect("the store answers");
        assert_eq!(backlog.count, 0, "events and commands wait in the outbox");
        if self.bound.is_none() {
            let held = "UPDATE queue_messages SET state = state WHERE state <> 'parked'";
            let held = self
                .database()
                .execute(held)
                .await
                .expect("the table of the queue");
            assert_eq!(held, 0, "deliveries that were never ended");
        }
    }

    async fn check_events(&self) {
        let mut of_api: BTreeSet<(String, String)> = BTreeSet::new();
        for caller in [&self.shop, &self.other] {
            let events = events_of(caller).await;
            event::assert_in_order(&events);
            for event in &events {
                event::assert_valid(event);
                let body = event::cloud_event(event).to_string();
                of_api.insert((event.routing_key.clone(), body));
            }
        }
        let mut opened = 0;
        for row in self.operations_events().await {
            event::assert_for_operations(&row);
            opened += usize::from(row.sequence == 1);
            of_api.insert((row.routing_key, row.payload.to_string()));
        }
        let of_no_payment = self.anomalies_of_no_payment().await;
        assert_eq!(
            opened, of_no_payment,
            "each anomaly of no payment is told once"
        );
        let Some(bound) = &self.bound else { return };
        let taken: Vec<(String, Value)> = bound.take().await;
        let of_broker: BTreeSet<(String, String)> = taken
            .into_iter()
            .map(|(key, body)| (key, body.to_string()))
            .collect();
        assert_eq!(
            of_broker, of_api,
            "the broker's events and the API's are the same"
        );
    }

    /// Our books prove themselves, and agree with the gateways' to the cent.
    async fn check_books(&self, expected: &Expected) {
        let report = self
            .kassa()
            .store
            .verify_books()
            .await
            .expect("the store answers");
        assert!(report.is_clean(), "{report:?}");
        let books = self.control.books();
        let mut difference = 0;
        for (code, gateway, account) in self.accounts() {
            let book = books
                .iter()
                .find(|it| it.gateway == gateway && it.account == account);
            let theirs = book.map_or(0, |book| book.paid_minor - book.refunded_minor);
            // What a gateway keeps as its fee, it owes us no more.
            difference += self.receivable(code).await + self.fees(code).await - theirs;
        }
        assert_eq!(
            difference, expected.difference_minor,
            "our books against {books:?}"
        );
    }

    fn accounts(&self) -> [(&'static str, Gateway, String); 9] {
        let credentials = self.node().sandbox().expect("a sandbox").credentials();
        let alipay = &credentials.alipay;
        let certificate = &credentials.alipay_certificate_mode;
        let (wechat, public_key) = (&credentials.wechat, &credentials.wechat_public_key_mode);
        [
            (code::ALIPAY, Gateway::Alipay, alipay.app_id.clone()),
            (
                code::ALIPAY_CERTIFICATE,
                Gateway::Alipay,
                certificate.app_id.clone(),
            ),
            (code::WECHAT, Gateway::WechatV3, wechat.mchid.clone()),
            (
                code::WECHAT_PUBLIC_KEY,
                Gateway::WechatV3,
                public_key.mchid.clone(),
            ),
            (
                code::WECHAT_V2,
                Gateway::WechatV2,
                credentials.wechat_v2.mch_id.clone(),
            ),
            (
                code::BAIDU,
                Gateway::Baidu,
                credentials.baidu.deal_id.clone(),
            ),
            (
                code::UNIONPAY,
                Gateway::Unionpay,
                credentials.unionpay.mer_id.clone(),
            ),
            (
                code::STRIPE,
                Gateway::Stripe,
                credentials.stripe.account.clone(),
            ),
            (
                code::PAYPAL,
                Gateway::Paypal,
                credentials.paypal.merchant_id.clone(),
            ),
        ]
    }

    /// What we say that a gateway holds for an account, in minor units.
    async fn receivable(&self, code: &str) -> i64 {
        self.balance(code, LedgerAccountKind::GatewayReceivable)
            .await
    }

    /// What the gateway of an account kept as its fee, in minor units.
    pub async fn fees(&self, code: &str) -> i64 {
        self.balance(code, LedgerAccountKind::FeeExpense).await
    }

    /// Money of an account whose owner is not decided, in minor units: negative, since we owe it.
    pub async fn suspense(&self, code: &str) -> i64 {
        self.balance(code, LedgerAccountKind::Suspense).await
    }

    /// Of the one currency that an account of the sandbox is paid in; the other stands at 0.
    async fn balance(&self, code: &str, kind: LedgerAccountKind) -> i64 {
        let store = &self.kassa().store;
        let code = AccountCode::try_new(code.to_owned()).expect("a code");
        let account = store
            .find_channel_account_by_code(&code)
            .await
            .expect("the store answers");
        let owner = account.expect("a planted account").account.id.to_string();
        let mut sum = 0;
        for currency in [Currency::CNY, Currency::USD] {
            let key = LedgerAccountKey {
                kind,
                owner: owner.clone(),
                unit: currency.into(),
            };
            sum += store.balance(&key).await.expect("the store answers");
        }
        sum
    }

    async fn check_audit(&self) {
        let store = &self.kassa().store;
        while store
            .seal_audit_batch(AUDIT_BATCH)
            .await
            .expect("the store answers")
            > 0
        {}
        let report = store.verify_audit().await.expect("the store answers");
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(report.unsealed, 0);
    }
}
