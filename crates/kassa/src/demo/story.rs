//! One payment from create to refund.

use anyhow::ensure;
use flows::resource;
use gateways::registry;
use kassa_core::channel::{Channel, Method};
use kassa_core::event::EventKind;
use proto::v1::{self, PaymentStatus, RefundStatus};
use sandbox::{Conduct, Gateway, Order, OrderState};
use v1::create_payment_request::Payer;

use super::books::Paid;
use super::observe::{State, amount, callback, quiet, replayed, settled};
use super::payer;
use super::picture;
use super::stage::Stage;
use super::timeline::{Look, Seen, Sight, Step, Timeline, until};
use crate::node::seed::code;
use crate::spec::account::AccountSpec;

const CURRENCY: &str = "CNY";

/// What everything costs that is bought to try a method, and how it is given back.
const TRIAL: (&str, [&str; 2]) = ("12.34", ["5.00", "7.34"]);

/// What is bought and how it is paid.
#[derive(Debug, Clone)]
pub(super) struct Story {
    title: String,
    channel: Channel,
    method: Method,
    /// The code of the channel account.
    account: String,
    subject: &'static str,
    amount: &'static str,
    /// Given back first, and then.
    refunds: [&'static str; 2],
    order_id: String,
}

/// A payment that was created, and where it is paid.
#[derive(Debug, Clone)]
struct Created {
    id: String,
    page: String,
}

/// Whether the gateway posts a callback about the order: to the address in it, or to the one that the merchant
/// registered.
fn is_called_back(order: &Order) -> bool {
    order.notify_url.is_some() || matches!(order.gateway, Gateway::Stripe | Gateway::Paypal)
}

impl Story {
    /// The two stories of a first day.
    pub(super) fn first(accounts: &[AccountSpec], run: &str) -> Vec<Self> {
        let story = |(channel, method), subject, (amount, refunds), order: &str| {
            let account = accounts
                .iter()
                .find(|account| account.gateway.channel() == channel)?;
            Some(Self {
                title: format!("{channel}, {method}"),
                channel,
                method,
                account: account.code.to_string(),
                subject,
                amount,
                refunds,
                order_id: format!("{order}-{run}"),
            })
        };
        [
            story(
                (Channel::Alipay, Method::Qr),
                "A pot of tea",
                ("88.80", ["30.00", "58.80"]),
                "TEA",
            ),
            story(
                (Channel::WechatPay, Method::Jsapi),
                "Two tickets",
                ("120.50", ["60.25", "60.25"]),
                "TICKETS",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// A story for each method of each account, of one channel or of all: whatever a payer can do
    /// without a phone.
    pub(super) fn every(accounts: &[AccountSpec], only: Option<Channel>, run: &str) -> Vec<Self> {
        let mut stories = Vec::new();
        for account in accounts {
            let channel = account.gateway.channel();
            if only.is_some_and(|only| only != channel) {
                continue;
            }
            let methods = registry::capabilities(account.gateway).methods.iter();
            for method in methods.map(|it| it.method).filter(|it| payer::can_pay(*it)) {
                let (amount, refunds) = TRIAL;
                stories.push(Self {
                    title: format!("{channel}, {method}, {}", account.code),
                    channel,
                    method,
                    account: account.code.to_string(),
                    subject: "A trial",
                    amount,
                    refunds,
                    order_id: format!("TRIAL-{run}-{}", stories.len()),
                });
            }
        }
        stories
    }

    fn step(&self, name: &'static str, title: &'static str, expected: &str) -> Step {
        Step {
            name,
            title,
            channel: Some(self.channel.as_str()),
            chapter: self.title.clone(),
            expected: expected.to_owned(),
            timeout: None,
        }
    }

    /// Tells it.
    pub(super) async fn tell(
        &self,
        timeline: &mut Timeline,
        stage: &mut Stage,
    ) -> anyhow::Result<()> {
        let created = if self.method == Method::BarCode {
            self.charge(timeline, stage).await?
        } else {
            self.create(timeline, stage).await?
        };
        let order = self.pay(timeline, stage, &created).await?;
        self.confirm(timeline, stage, &created, &order).await?;
        let [first, rest] = self.refunds;
        let partly = PaymentStatus::RefundPartial;
        self.refund(timeline, stage, &created.id, (1, first, partly))
            .await?;
        let fully = PaymentStatus::RefundFull;
        self.refund(timeline, stage, &created.id, (2, rest, fully))
            .await?;
        let before = self.settle(timeline, stage, &created.id).await?;
        if is_called_back(&order) {
            self.replay(timeline, stage, &created.id, (&order, before))
                .await?;
        }
        stage.paid.push(Paid {
            transaction_id: created.id.parse()?,
            gateway: order.gateway,
            account: order.account,
        });
        Ok(())
    }

    async fn create(&self, timeline: &mut Timeline, stage: &mut Stage) -> anyhow::Result<Created> {
        let step = self.step(
            "create",
            "CreatePayment",
            "PENDING_PAYMENT and a way to pay",
        );
        let request = self.request(self.known_payer());
        let work = async {
            let (transaction, prepay) = stage.client.create_payment(request).await?;
            let status = transaction.status();
            ensure!(
                status == PaymentStatus::PendingPayment,
                "{}",
                status.as_str_name()
            );
            let page = stage.payer.page(prepay.as_ref()).await?;
            let detail = format!(
                "{} {CURRENCY}, transaction {}",
                self.amount, transaction.transaction_id
            );
            Ok(Seen::new(
                Created {
                    id: transaction.transaction_id,
                    page,
                },
                detail,
            ))
        };
        let created = timeline.watch(step, &Sight::default(), work).await?;
        let output = timeline.output();
        if self.method == Method::Qr
            && output.interactive
            && let Some(picture) = picture::qr(&created.page, output.colour)
        {
            output.line(picture)?;
        }
        Ok(created)
    }

    /// Who pays, where the gateway must be told.
    fn known_payer(&self) -> Option<Payer> {
        let is_inside_the_app = self.method == Method::Jsapi;
        is_inside_the_app.then(|| {
            if self.channel == Channel::Alipay {
                Payer::BuyerId("2088102146225135".to_owned())
            } else {
                Payer::Openid("oDemo-payer-openid".to_owned())
            }
        })
    }

    fn request(&self, payer: Option<Payer>) -> v1::CreatePaymentRequest {
        v1::CreatePaymentRequest {
            request_id: self.order_id.clone(),
            business_order_id: self.order_id.clone(),
            business_order_type: "DEMO_ORDER".to_owned(),
            payment_channel: resource::channel(self.channel).into(),
            payment_method: resource::method(self.method).into(),
            amount: Some(money(self.amount)),
            subject: self.subject.to_owned(),
            payer,
            client_ip: "127.0.0.1".to_owned(),
            channel_account: self.account.clone(),
            ..Default::default()
        }
    }

    /// The payer's app shows a code, and the till charges it: the payer is asked to confirm.
    async fn charge(&self, timeline: &mut Timeline, stage: &Stage) -> anyhow::Result<Created> {
        let expected = "PENDING_PAYMENT: the payer is asked for a password";
        let step = self.step("create", "CreatePayment with the payer's code", expected);
        let gateway = match self.channel {
            Channel::Alipay => Gateway::Alipay,
            // The payer's app does not know through which API the till asks.
            Channel::WechatPay if self.account.starts_with(code::WECHAT_V2) => Gateway::WechatV2,
            Channel::WechatPay => Gateway::WechatV3,
            Channel::Baidu
            | Channel::Unionpay
            | Channel::Stripe
            | Channel::Paypal
            | Channel::Balance
            | Channel::Points => anyhow::bail!("{} has no bar codes", self.channel),
        };
        let work = async {
            let code = stage.control.show_code(gateway, Conduct::IsAsked)?;
            let request = self.request(Some(Payer::AuthCode(code)));
            let (transaction, prepay) = stage.client.create_payment(request).await?;
            let (status, id) = (transaction.status(), transaction.transaction_id);
            ensure!(
                status == PaymentStatus::PendingPayment && prepay.is_none(),
                "{}",
                status.as_str_name()
            );
            let number = stage.number(&id).await?;
            let page = stage.control.payer_page(&number)?;
            let detail = format!("{} {CURRENCY}, transaction {id}", self.amount);
            Ok(Seen::new(Created { id, page }, detail))
        };
        timeline.watch(step, &Sight::default(), work).await
    }

    async fn pay(
        &self,
        timeline: &mut Timeline,
        stage: &Stage,
        created: &Created,
    ) -> anyhow::Result<Order> {
        let step = self.step("pay", "the payer pays", "the gateway's memory says paid");
        let sight = Sight::default();
        let work = async {
            stage.payer.pay(&created.page, self.amount).await?;
            // Where the payer only approves, it is paid when we have collected it.
            let order = until(&sight, async || {
                let order = stage.control.order(payer::name_on(&created.page))?;
                Ok(if order.state == OrderState::Paid {
                    Look::There(order)
                } else {
                    Look::NotYet(format!("{:?}", order.state))
                })
            });
            let detail = format!("at {}", created.page);
            Ok(Seen::new(order.await?, detail))
        };
        timeline.watch(step, &sight, work).await
    }

    /// The callback comes and is applied, the event arrives, the API says paid.
    async fn confirm(
        &self,
        timeline: &mut Timeline,
        stage: &mut Stage,
        created: &Created,
        order: &Order,
    ) -> anyhow::Result<()> {
        let sight = Sight::default();
        if is_called_back(order) {
            let expected = "a signed callback, acknowledged and applied";
            let step = self.step("callback", "the gateway calls back", expected);
            timeline
                .watch(step, &sight, callback(stage, &created.id, order, &sight))
                .await?;
        }

        let kind = EventKind::PaymentSucceeded.event_type();
        let sight = Sight::default();
        let step = self.step("event", "the business event arrives", &kind);
        let work = async {
            let event = stage
                .events
                .wait(&created.id, &kind, |_| true, &sight)
                .await?;
            Ok(Seen::new((), format!("{kind}, number {}", event.sequence)))
        };
        timeline.watch(step, &sight, work).await?;

        let sight = Sight::default();
        let expected = format!("PAID_SUCCESS with {} {CURRENCY} paid", self.amount);
        let step = self.step("paid", "GetPayment", &expected);
        let work = async {
            let payment = stage.client.payment(&created.id).await?;
            let paid = amount(payment.amount_paid.as_ref());
            let seen = format!("{} with {paid} paid", payment.status().as_str_name());
            let is_paid = payment.status() == PaymentStatus::PaidSuccess
                && paid == format!("{} {CURRENCY}", self.amount);
            ensure!(is_paid, "{seen}");
            Ok(Seen::new((), seen))
        };
        timeline.watch(step, &sight, work).await
    }

    async fn refund(
        &self,
        timeline: &mut Timeline,
        stage: &mut Stage,
        id: &str,
        (number, refunded, then): (u8, &'static str, PaymentStatus),
    ) -> anyhow::Result<()> {
        let is_first = number == 1;
        let (create, settle) = if is_first {
            (
                ("refund", "a partial refund"),
                ("refunded", "it is given back"),
            )
        } else {
            (
                ("refund_rest", "the rest is refunded"),
                ("refunded_rest", "all is given back"),
            )
        };
        let step = self.step(create.0, create.1, "an accepted refund");
        let request = v1::CreateRefundRequest {
            transaction_id: id.to_owned(),
            business_refund_id: format!("{}-R{number}", self.order_id),
            amount: Some(money(refunded)),
            reason: "demo".to_owned(),
            ..v1::CreateRefundRequest::default()
        };
        let work = async {
            let refund = stage.client.create_refund(request).await?;
            let status = refund.status();
            ensure!(status != RefundStatus::Failed, "{}", status.as_str_name());
            let detail = format!("{refunded} {CURRENCY}, refund {}", refund.refund_id);
            Ok(Seen::new(refund.refund_id, detail))
        };
        let refund_id = timeline.watch(step, &Sight::default(), work).await?;

        let sight = Sight::default();
        let expected = format!(
            "refund.succeeded, and {} of the payment",
            then.as_str_name()
        );
        let step = self.step(settle.0, settle.1, &expected);
        timeline
            .watch(step, &sight, settled(stage, id, &refund_id, then, &sight))
            .await
    }

    async fn settle(
        &self,
        timeline: &mut Timeline,
        stage: &Stage,
        id: &str,
    ) -> anyhow::Result<State> {
        let sight = Sight::default();
        let expected = "every callback acknowledged and dealt with";
        let step = self.step("quiet", "everything has settled", expected);
        timeline.watch(step, &sight, quiet(stage, id, &sight)).await
    }

    /// A callback that was recorded is posted again, byte for byte.
    async fn replay(
        &self,
        timeline: &mut Timeline,
        stage: &Stage,
        id: &str,
        (order, before): (&Order, State),
    ) -> anyhow::Result<()> {
        let sight = Sight::default();
        let expected = "an acknowledgement, and the same version, events and bookings";
        let step = self.step("replay", "the callback is posted again", expected);
        timeline
            .watch(step, &sight, replayed(stage, id, order, before, &sight))
            .await
    }
}

/// An amount on the wire.
pub(super) fn money(amount: &str) -> v1::Money {
    v1::Money {
        amount: amount.to_owned(),
        currency_code: CURRENCY.to_owned(),
    }
}
