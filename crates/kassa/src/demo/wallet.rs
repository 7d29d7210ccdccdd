//! A user's balance: a password by a one-time code, a top-up, a payment with the password, and one that
//! balance and gateway pay together and get back.

use anyhow::{Context, ensure};
use flows::resource;
use kassa_core::channel::{Channel, Method};
use kassa_core::event::EventKind;
use proto::v1::{self, PaymentStatus};

use super::books::Paid;
use super::observe::{amount, quiet, settled};
use super::payer;
use super::stage::Stage;
use super::story::money;
use super::timeline::{Seen, Sight, Step, Timeline};
use crate::spec::account::AccountSpec;

/// The user's payment password: no runs, no repetitions.
const PASSWORD: &str = "135790";
/// The business order type of top-ups.
const TOP_UP: &str = "WALLET_TOPUP";
/// Where events name their user.
const OF_CODE: &str = "/password_code/user_id";
const OF_WALLET: &str = "/wallet/user_id";

/// A user with a wallet, who tops it up through the first account of Alipay.
#[derive(Debug)]
pub(super) struct Purse {
    user_id: String,
    account: String,
}

impl Purse {
    pub(super) fn new(accounts: &[AccountSpec], run: &str) -> anyhow::Result<Self> {
        let mut accounts = accounts.iter();
        let account = accounts.find(|account| account.gateway.channel() == Channel::Alipay);
        Ok(Self {
            user_id: format!("user-{run}"),
            account: account
                .context("the sandbox has no account of Alipay")?
                .code
                .to_string(),
        })
    }

    /// Tells it.
    pub(super) async fn tell(
        &self,
        timeline: &mut Timeline,
        stage: &mut Stage,
    ) -> anyhow::Result<()> {
        let code = self.code(timeline, stage).await?;
        self.set_password(timeline, stage, code).await?;
        self.top_up(timeline, stage).await?;
        self.pay(timeline, stage).await?;
        let mixed = self.pay_mixed(timeline, stage).await?;
        self.refund(timeline, stage, &mixed).await
    }

    fn step(&self, name: &'static str, title: &'static str, expected: &str) -> Step {
        Step {
            name,
            title,
            channel: Some(Channel::Balance.as_str()),
            chapter: format!("{}, {}", Channel::Balance, self.user_id),
            expected: expected.to_owned(),
            timeout: None,
        }
    }

    /// The app is told the code encrypted to its key, and sends it to its user.
    async fn code(&self, timeline: &mut Timeline, stage: &mut Stage) -> anyhow::Result<String> {
        let kind = EventKind::PasswordCodeRequested.event_type();
        let step = self.step("code", "a one-time code arrives, sealed", &kind);
        let sight = Sight::default();
        let work = async {
            stage.client.request_code(&self.user_id).await?;
            let about = (self.user_id.as_str(), OF_CODE);
            let event = stage.events.wait_of_user(about, &kind, &sight).await?;
            let jwe = event.data.pointer("/password_code/code_jwe");
            let jwe = jwe.and_then(|jwe| jwe.as_str()).unwrap_or_default();
            let code = stage.code_key.open(jwe)?;
            let detail = format!("{kind}, opened with the app's key");
            Ok(Seen::new(code.expose().clone(), detail))
        };
        timeline.watch(step, &sight, work).await
    }

    async fn set_password(
        &self,
        timeline: &mut Timeline,
        stage: &Stage,
        code: String,
    ) -> anyhow::Result<()> {
        let step = self.step("password", "SetPaymentPassword", "a password that is set");
        let request = v1::SetPaymentPasswordRequest {
            user_id: self.user_id.clone(),
            password: PASSWORD.to_owned(),
            code,
        };
        let work = async {
            let status = stage.client.set_password(request).await?;
            ensure!(status.is_set, "none is set");
            Ok(Seen::new((), "set with the code"))
        };
        timeline.watch(step, &Sight::default(), work).await
    }

    async fn top_up(&self, timeline: &mut Timeline, stage: &mut Stage) -> anyhow::Result<()> {
        let kind = EventKind::WalletCredited.event_type();
        let expected = format!("{kind}, and 50.00 CNY available");
        let step = self.step("top_up", "the wallet is topped up", &expected);
        let sight = Sight::default();
        let request = v1::CreatePaymentRequest {
            business_order_type: TOP_UP.to_owned(),
            payment_channel: resource::channel(Channel::Alipay).into(),
            payment_method: resource::method(Method::Qr).into(),
            ..self.request("topup", "50.00")
        };
        let work = async {
            self.pay_at_gateway(stage, request, "50.00").await?;
            let about = (self.user_id.as_str(), OF_WALLET);
            stage.events.wait_of_user(about, &kind, &sight).await?;
            let balance = self.expect_balance(stage, "50.00 CNY").await?;
            Ok(Seen::new((), format!("{kind}; {balance}")))
        };
        timeline.watch(step, &sight, work).await
    }

    async fn pay(&self, timeline: &mut Timeline, stage: &Stage) -> anyhow::Result<()> {
        let expected = "PAID_SUCCESS at once, and 30.00 CNY available";
        let step = self.step("balance", "the balance pays, with password", expected);
        let request = v1::CreatePaymentRequest {
            payment_channel: resource::channel(Channel::Balance).into(),
            payment_method: resource::method(Method::Wallet).into(),
            payment_password: PASSWORD.to_owned(),
            ..self.request("tea", "20.00")
        };
        let work = async {
            let (paid, _) = stage.client.create_payment(request).await?;
            let status = paid.status();
            ensure!(status == PaymentStatus::PaidSuccess, "{status:?}");
            let balance = self.expect_balance(stage, "30.00 CNY").await?;
            Ok(Seen::new((), format!("20.00 CNY at once; {balance}")))
        };
        timeline.watch(step, &Sight::default(), work).await
    }

    /// 10.00 out of the balance, which are held until the 15.00 through the gateway are paid. Gives the
    /// payment's id.
    async fn pay_mixed(
        &self,
        timeline: &mut Timeline,
        stage: &mut Stage,
    ) -> anyhow::Result<String> {
        let expected = "PAID_SUCCESS with both legs paid, and 20.00 CNY available";
        let step = self.step("mixed", "balance and Alipay pay together", expected);
        let leg = |channel, method, amount| v1::PaymentLegRequest {
            payment_channel: resource::channel(channel).into(),
            payment_method: resource::method(method).into(),
            amount: Some(money(amount)),
            points: None,
        };
        let request = v1::CreatePaymentRequest {
            legs: vec![
                leg(Channel::Balance, Method::Wallet, "10.00"),
                leg(Channel::Alipay, Method::Qr, "15.00"),
            ],
            payment_password: PASSWORD.to_owned(),
            ..self.request("mixed", "25.00")
        };
        let kind = EventKind::PaymentSucceeded.event_type();
        let sight = Sight::default();
        let work = async {
            let id = self.pay_at_gateway(stage, request, "15.00").await?;
            stage.events.wait(&id, &kind, |_| true, &sight).await?;
            let paid = stage.client.payment(&id).await?;
            let is_paid = |leg: &v1::PaymentLeg| leg.status() == v1::PaymentLegStatus::Paid;
            let all = paid.legs.iter().all(is_paid) && paid.legs.len() == 2;
            ensure!(all, "{:?}", paid.legs);
            let balance = self.expect_balance(stage, "20.00 CNY").await?;
            let detail = format!("10.00 of balance, 15.00 through Alipay; {balance}");
            Ok(Seen::new(id, detail))
        };
        timeline.watch(step, &sight, work).await
    }

    /// Each leg gets its part back.
    async fn refund(
        &self,
        timeline: &mut Timeline,
        stage: &mut Stage,
        id: &str,
    ) -> anyhow::Result<()> {
        let expected = "refund.succeeded, REFUND_FULL, and 30.00 CNY available";
        let step = self.step("mixed_refund", "both get their part back", expected);
        let request = v1::CreateRefundRequest {
            transaction_id: id.to_owned(),
            business_refund_id: format!("{}-mixed", self.user_id),
            amount: Some(money("25.00")),
            reason: "demo".to_owned(),
            ..v1::CreateRefundRequest::default()
        };
        let sight = Sight::default();
        let work = async {
            let refund = stage.client.create_refund(request).await?.refund_id;
            let fully = PaymentStatus::RefundFull;
            let seen = settled(stage, id, &refund, fully, &sight).await?;
            let balance = self.expect_balance(stage, "30.00 CNY").await?;
            quiet(stage, id, &sight).await?;
            Ok(Seen::new((), format!("{}; {balance}", seen.detail)))
        };
        timeline.watch(step, &sight, work).await
    }

    /// What all payments of the user have in common.
    fn request(&self, order: &str, amount: &str) -> v1::CreatePaymentRequest {
        let order = format!("{order}-{}", self.user_id);
        v1::CreatePaymentRequest {
            request_id: order.clone(),
            business_order_id: order,
            business_order_type: "DEMO_ORDER".to_owned(),
            user_id: self.user_id.clone(),
            amount: Some(money(amount)),
            subject: "A pot of tea".to_owned(),
            ..Default::default()
        }
    }

    /// Creates a payment and pays the gateway's part of it; its id.
    async fn pay_at_gateway(
        &self,
        stage: &mut Stage,
        request: v1::CreatePaymentRequest,
        part: &str,
    ) -> anyhow::Result<String> {
        let request = v1::CreatePaymentRequest {
            channel_account: self.account.clone(),
            ..request
        };
        let (transaction, prepay) = stage.client.create_payment(request).await?;
        let page = stage.payer.page(prepay.as_ref()).await?;
        stage.payer.pay(&page, part).await?;
        let order = stage.control.order(payer::name_on(&page))?;
        let id = transaction.transaction_id;
        stage.paid.push(Paid {
            transaction_id: id.parse()?,
            gateway: order.gateway,
            account: order.account,
        });
        Ok(id)
    }

    /// What is available in the wallet, which has to be that.
    async fn expect_balance(&self, stage: &Stage, expected: &str) -> anyhow::Result<String> {
        let wallet = stage.client.wallet(&self.user_id).await?;
        let money = wallet.money.first();
        let available = amount(money.and_then(|money| money.available.as_ref()));
        ensure!(available == expected, "{available} available");
        Ok(format!("{available} available"))
    }
}
