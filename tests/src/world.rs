//! What payers, gateways and workers do, and what can be seen behind the API.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kassa_core::anomaly::AnomalyKind;
use kassa_core::app::OPERATIONS_APP;
use kassa_core::id::TransactionId;
use kassa_core::payment::Attempt;
use kassa_core::text::AppId;
use proto::v1;
use proto::v1::prepay_info::Info;
use runtime::queue::{QueueName, RETRY_LADDER};
use runtime::store::{AnomalyFilter, EventRow, Page, RefundFilter};
use sandbox::{DeliveryReport, Order};

use crate::app::TestApp;
use crate::until;
use crate::wish::Created;

/// Rows that one look behind the API reads.
const ROWS_MAX: u64 = 1_000;
/// How often in a row the broker's queues must be found empty. A delayed message on its way from one
/// queue to the next is on neither of them for a moment.
const QUIET_LOOKS: u32 = 5;
/// How far the clock is moved for the next question about an open refund, and how often.
const REFUND_LOOK: TimeDelta = TimeDelta::seconds(45);
const REFUND_LOOKS_MAX: u32 = 4;

impl TestApp {
    /// The request number of a payment's current attempt.
    pub async fn number(&self, id: &str) -> String {
        let id = transaction_id(id);
        let payment = self
            .kassa()
            .store
            .find_payment(id)
            .await
            .expect("the store answers");
        let payment = payment.expect("the payment");
        payment.current_attempt_id.expect("an attempt").to_string()
    }

    /// All attempts of a payment.
    pub async fn attempts(&self, id: &str) -> Vec<Attempt> {
        let id = transaction_id(id);
        self.kassa()
            .store
            .list_attempts(id)
            .await
            .expect("the store answers")
    }

    /// The order at the gateway.
    pub async fn order(&self, id: &str) -> Order {
        self.control
            .order(&self.number(id).await)
            .expect("the gateway knows the order")
    }

    /// The payer goes to the cashier, if the method asks for that, and pays.
    pub async fn pay(&self, created: &Created) -> Order {
        self.open_cashier(created).await;
        let number = self.number(&created.id).await;
        self.control.pay(&number).expect("the payer can pay")
    }

    /// The payer goes to the cashier, if the method asks for that, and does not pay yet.
    pub async fn open_cashier(&self, created: &Created) {
        let prepay = created.prepay.as_ref();
        if let Some(Info::BaiduOrder(order)) = prepay {
            let presented = self.control.present_baidu(&order_info(order));
            let number = self.number(&created.id).await;
            assert_eq!(presented.expect("the cashier opens"), number);
        }
        if let Some(Info::Form(form)) = prepay
            && form.action.ends_with("/frontTransReq.do")
        {
            return post_form(form).await;
        }
        if let Some(request) = prepay.and_then(cashier_request) {
            let presented = self.control.present_alipay(&request).await;
            let number = self.number(&created.id).await;
            assert_eq!(presented.expect("the cashier opens"), number);
        }
    }

    /// The gateways post every callback that waits.
    pub async fn deliver(&self) -> Vec<DeliveryReport> {
        self.control.deliver_due().await
    }

    /// The worker works until nothing is left to do now.
    pub async fn run_until_idle(&self) {
        let worked = Box::pin(self.node().worker().run_until_idle()).await;
        worked.expect("the worker gets idle");
    }

    /// Several workers work at the same time until nothing is left to do now.
    pub async fn run_workers(&self, workers: usize) {
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let worker = self.node().worker().clone();
                tokio::spawn(async move { Box::pin(worker.run_until_idle()).await })
            })
            .collect();
        for task in tasks {
            task.await
                .expect("a worker ends")
                .expect("a worker gets idle");
        }
        self.run_until_idle().await;
    }

    /// Callbacks are posted and worked on until there are none; each has to be acknowledged.
    pub async fn settle(&self) {
        self.run_until_idle().await;
        while self.control.pending_callbacks() > 0 {
            for report in self.deliver().await {
                assert!(report.acknowledged, "{report:?}");
            }
            self.run_until_idle().await;
        }
        self.let_delays_pass().await;
    }

    /// Messages and questions that wait for their time come to their turn.
    pub async fn let_delays_pass(&self) {
        self.let_messages_return().await;
        for _ in 0..REFUND_LOOKS_MAX {
            if !self.has_open_refunds().await {
                return;
            }
            self.clock.advance(REFUND_LOOK);
            self.run_until_idle().await;
        }
    }

    /// The clock is moved, step by step of the ladder; at the broker, which has its own clock, the
    /// return of messages is waited for.
    async fn let_messages_return(&self) {
        if self.bound.is_some() {
            let mut quiet_looks = 0;
            until("the delayed messages are dealt with", async || {
                self.run_until_idle().await;
                let is_quiet = self.depth().await == 0;
                quiet_looks = if is_quiet { quiet_looks + 1 } else { 0 };
                (quiet_looks >= QUIET_LOOKS).then_some(())
            })
            .await;
            return;
        }
        for step in RETRY_LADDER {
            if self.depth().await == 0 {
                return;
            }
            self.clock
                .advance(TimeDelta::from_std(step).expect("a step of the ladder"));
            self.run_until_idle().await;
        }
        assert_eq!(
            self.depth().await,
            0,
            "messages wait that nothing will deal with"
        );
    }

    async fn has_open_refunds(&self) -> bool {
        let mut has_any = false;
        for caller in [&self.shop, &self.other] {
            let (filter, page) = (RefundFilter::default(), Page::first(ROWS_MAX));
            let refunds = self
                .kassa()
                .store
                .list_refunds(&caller.app, &filter, &page)
                .await;
            let mut refunds = refunds.expect("the store answers").into_iter();
            has_any |= refunds.any(|refund| !refund.status.is_final());
        }
        has_any
    }

    /// How many messages wait on the work queues, delayed ones included.
    pub async fn depth(&self) -> u64 {
        let mut depth = 0;
        for queue in QueueName::ALL {
            depth += self
                .kassa()
                .queue
                .depth(*queue)
                .await
                .expect("the queue answers");
        }
        depth
    }

    /// Waits until a delivery that was dropped without an end is on its queue again. The embedded
    /// queue gives it back when it is next asked for work.
    pub async fn until_returned(&self) {
        if self.bound.is_some() {
            until("the message is there again", async || {
                (self.depth().await > 0).then_some(())
            })
            .await;
        }
    }

    /// What did not come as agreed, oldest first.
    pub async fn anomalies(&self) -> Vec<AnomalyKind> {
        let found = self
            .kassa()
            .store
            .list_anomalies(&AnomalyFilter::default(), &Page::first(ROWS_MAX))
            .await;
        let found = found.expect("the store answers");
        found
            .into_iter()
            .rev()
            .map(|anomaly| anomaly.kind)
            .collect()
    }

    /// What operators are told of what belongs to no app, oldest first.
    pub async fn operations_events(&self) -> Vec<EventRow> {
        let app = AppId::try_new(OPERATIONS_APP).expect("an app id");
        let told = self.kassa().store.list_events(&app, 0, &[], ROWS_MAX).await;
        told.expect("the store answers")
    }

    /// How many anomalies are about no payment.
    pub(crate) async fn anomalies_of_no_payment(&self) -> usize {
        let filter = AnomalyFilter {
            app_id: Some(AppId::try_new(OPERATIONS_APP).expect("an app id")),
            ..AnomalyFilter::default()
        };
        let page = Page::first(ROWS_MAX);
        let found = self.kassa().store.list_anomalies(&filter, &page).await;
        found.expect("the store answers").len()
    }

    /// The anomalies that are about this payment.
    pub async fn anomalies_of(&self, id: &str) -> Vec<AnomalyKind> {
        let found = self
            .kassa()
            .store
            .list_anomalies_of(transaction_id(id))
            .await;
        found
            .expect("the store answers")
            .into_iter()
            .rev()
            .map(|anomaly| anomaly.kind)
            .collect()
    }

    /// What was booked for a payment: the causes, sorted, since the clock stands still.
    pub async fn bookings(&self, id: &str) -> Vec<String> {
        let found = self
            .kassa()
            .store
            .list_transfers_of(transaction_id(id))
            .await;
        let found = found.expect("the store answers");
        let mut causes: Vec<_> = found
            .into_iter()
            .map(|transfer| transfer.cause.kind.to_string())
            .collect();
        causes.sort_unstable();
        causes
    }

    /// Everything that a repeat must leave as it is.
    pub async fn state(&self, id: &str) -> (v1::PaymentTransaction, Vec<v1::Event>, Vec<String>) {
        (
            self.payment(id).await,
            self.events_of(id).await,
            self.bookings(id).await,
        )
    }
}

/// What the payer's browser or phone brings to Alipay's cashier, where the order only comes into
/// being there.
fn cashier_request(prepay: &Info) -> Option<String> {
    match prepay {
        Info::Redirect(redirect) if redirect.url.contains("/gateway.do") => {
            Some(redirect.url.clone())
        }
        // A `tn` of UnionPay's is no request.
        Info::AppParameters(app) if !app.order_string.contains('=') => None,
        Info::AppParameters(app) => Some(app.order_string.clone()),
        Info::Form(form) => {
            let mut fields = form_urlencoded::Serializer::new(String::new());
            for field in &form.fields {
                fields.append_pair(&field.name, &field.value);
            }
            Some(format!("{}&{}", form.action, fields.finish()))
        }
        Info::Redirect(_)
        | Info::QrCode(_)
        | Info::AlipayTrade(_)
        | Info::JsapiParameters(_)
        | Info::WechatAppParameters(_)
        | Info::BaiduOrder(_)
        | Info::ClientSecret(_) => None,
    }
}

/// What a smart program hands to Baidu's cashier.
fn order_info(order: &v1::BaiduOrder) -> BTreeMap<String, String> {
    let order = order.clone();
    [
        ("dealId", order.deal_id),
        ("appKey", order.app_key),
        ("totalAmount", order.total_amount),
        ("tpOrderId", order.tp_order_id),
        ("dealTitle", order.deal_title),
        ("signFieldsRange", order.sign_fields_range),
        ("rsaSign", order.rsa_sign),
        ("bizInfo", order.biz_info),
        ("notifyUrl", order.notify_url),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The payer's browser posts a form to UnionPay, which sends it on to the payer page.
async fn post_form(form: &v1::Form) {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form.fields.iter().map(|field| (&field.name, &field.value)))
        .finish();
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a browser");
    let post = browser.post(&form.action).body(body);
    let post = post.header("content-type", "application/x-www-form-urlencoded");
    let answer = post.send().await.expect("the gateway answers");
    assert_eq!(answer.status(), 302, "the cashier opens");
}

fn transaction_id(id: &str) -> TransactionId {
    id.parse().expect("a transaction id")
}
