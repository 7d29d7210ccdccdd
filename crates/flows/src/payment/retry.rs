//! Retry: new pay parameters for an open payment, by an order that takes the place of the one before.
//!
//! The new attempt is written down first and is the current one from then on: no other can be sent any
//! more. Then every earlier order is ended at its gateway, and only then the new one is placed
//! ([`place`]), so that at any moment the payer can pay one order at most. Whatever stops in between,
//! the same request (or a repeat of the payment's creation) goes on from there. An order number is
//! never used for a second order: each attempt has its own.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use gateways::registry;
use kassa_core::app::App;
use kassa_core::channel::{Channel, ChannelAccount, Method};
use kassa_core::id::AttemptId;
use kassa_core::limits::Spending;
use kassa_core::payment::{
    ATTEMPTS_MAX, Applied, Attempt, AttemptStatus, Decision, PaymentFact, PaymentTransaction,
    RetryRequest, decide,
};
use kassa_core::text::PayerId;
use runtime::checkpoint::Checkpoint;
use runtime::store::{Locked, Tx};
use serde_json::json;
use tokio::time::Instant;

use super::bar_code::Shown;
use super::create::{ANSWER_MARGIN, already_paid, choose_account};
use super::{
    BAR_CODE_EXPIRY_DEFAULT, Draft, EXPIRY_MIN, GivenPayer, PaymentView, Remaining, RetryPayment,
    apply, close, legs, place, prepay, violations,
};
use crate::audit::{self, Action};
use crate::event::record_payment_event_in_tx;
use crate::limits::Beyond;
use crate::synchronise::plan_attempt;
use crate::{Error, Kassa, limits};

/// How much time the payer must have left for what was given out before to be given out again, and for
/// an order that is placed without a time of its own.
const LEFT_MIN: TimeDelta = EXPIRY_MIN;

/// Gives the payer of an open payment of `app` new pay parameters. `deadline` is what is left of the
/// caller's patience.
///
/// Repeating a request that placed an order resumes that order, and answers how the payment stands
/// now. Parameters that are still good are given back without writing anything: a repeat then has no
/// effect to repeat. It gets the same parameters, or, when they are not good any more, the one new
/// order that its key stands for from then on.
///
/// # Errors
/// [`Error::NotFound`], [`Error::InvalidInput`], [`Error::IdempotencyMismatch`],
/// [`Error::OrderAlreadyPaid`], [`Error::PaymentState`], [`Error::NoChannelAccount`],
/// [`Error::AmountOutsideLimits`], [`Error::Limit`], [`Error::GatewayRefused`], which ends the payment;
/// [`Error::RequestInFlight`] while another order of the payment is on its way;
/// [`Error::OutcomeUnknown`] where a gateway's word cannot be had now: the same request may be sent
/// again.
pub async fn retry(
    kassa: &Kassa,
    app: &App,
    request: RetryPayment,
    deadline: Duration,
) -> Result<PaymentView, Error> {
    let ends_at = Instant::now() + deadline.saturating_sub(ANSWER_MARGIN);
    let id = request.transaction_id;
    let payment = kassa.store.find_payment_of_app(&app.id, id).await?;
    if payment.is_none() {
        return Err(Error::NotFound {
            resource: "payment",
            name: id.to_string(),
        });
    }
    let (attempt, shown) = match Box::pin(write_down(kassa, app, &request)).await? {
        Begun::StillGood(view) => return Ok(*view),
        Begun::Known(attempt) => (attempt, None),
        Begun::Written(attempt) => {
            kassa.checkpoints.reach(Checkpoint::RetryWrittenDown).await;
            let shown = |code| Shown { attempt, code };
            (attempt, request.auth_code.map(shown))
        }
    };
    let shown = shown.as_ref();
    let view = Box::pin(place::place(kassa, id, shown, ends_at)).await?;
    let payment = &view.transaction;
    if payment.status.is_paid() && payment.current_attempt_id != Some(attempt) {
        // What was meant to be paid instead must not be payable any more.
        close::end_rest(kassa, payment).await;
        return Err(already_paid(payment));
    }
    Ok(view)
}

/// What a request came to before any gateway was asked.
enum Begun {
    /// What was given out before can be paid as well.
    StillGood(Box<PaymentView>),
    /// The same request made this attempt before.
    Known(AttemptId),
    /// This attempt is the current one now.
    Written(AttemptId),
}

/// One transaction: the payment's lock makes one of two retries at once the first, and keeps every
/// fact about the payment before or after.
async fn write_down(kassa: &Kassa, app: &App, request: &RetryPayment) -> Result<Begun, Error> {
    let fingerprint = request.fingerprint();
    let tx = kassa.store.begin().await?;
    let payment = tx
        .load_payment_for_update_in_tx(request.transaction_id)
        .await?;
    let made = tx.find_attempt_of_retry_in_tx(request.transaction_id, &request.request_id);
    if let Some(made) = made.await? {
        let is_same = made.retry.is_some_and(|it| it.fingerprint == fingerprint);
        return if is_same {
            Ok(Begun::Known(made.id))
        } else {
            Err(key_is_used(request))
        };
    }
    if payment.get().request_id == request.request_id {
        return Err(key_is_used(request));
    }
    check_is_pending(payment.get())?;
    let current = payment.get().current_attempt_id;
    let current = current.ok_or_else(|| Error::internal("a pending payment without an attempt"))?;
    let current = tx.load_attempt_for_update_in_tx(current).await?;
    let plan = Plan::try_new(kassa, app, request, payment.get(), current.get())?;
    if plan.is_served_by(kassa, payment.get(), current.get()) {
        return Ok(Begun::StillGood(Box::new(PaymentView {
            prepay: prepay::told(kassa, current.get())?,
            transaction: payment.get().clone(),
            remaining: Remaining::default(),
        })));
    }
    // Whether it arrives cannot be told yet, so it could not be ended either.
    if place::is_being_sent(kassa, current.get()) {
        return Err(Error::RequestInFlight);
    }
    if current.get().attempt_no >= ATTEMPTS_MAX {
        let wanted = "it was retried too often: close it and create a new payment";
        return Err(refusal(payment.get(), wanted));
    }
    let expires_at = expires_at(kassa, request, plan.method, payment.get())?;
    let retry = RetryRequest {
        id: request.request_id.clone(),
        fingerprint,
    };
    let attempt = plan.attempt(kassa, current.get(), retry, expires_at);
    let channel = plan.account.channel();
    tx.insert_attempt_in_tx(&attempt).await?;
    save_in_tx(kassa, &tx, app, payment, (&plan, &attempt)).await?;
    audit::record_in_tx(kassa, &tx, action(app, request, &plan, &attempt)).await?;
    tx.commit().await?;
    metrics::counter!("kassa_payments_retried_total", "channel" => channel.as_str()).increment(1);
    Ok(Begun::Written(attempt.id))
}

fn key_is_used(request: &RetryPayment) -> Error {
    Error::IdempotencyMismatch {
        field: "request_id",
        key: request.request_id.to_string(),
    }
}

fn check_is_pending(payment: &PaymentTransaction) -> Result<(), Error> {
    if payment.status.is_paid() {
        return Err(already_paid(payment));
    }
    if payment.status.is_pending() {
        return Ok(());
    }
    Err(refusal(payment, "it has ended: create a new payment"))
}

fn refusal(payment: &PaymentTransaction, wanted: &'static str) -> Error {
    Error::PaymentState {
        transaction_id: payment.id.to_string(),
        status: payment.status,
        wanted,
    }
}

/// The payment as the retry leaves it: back at the beginning, by the new attempt.
async fn save_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    app: &App,
    locked: Locked<PaymentTransaction>,
    (plan, attempt): (&Plan, &Attempt),
) -> Result<(), Error> {
    let before = locked.get().clone();
    let Decision::Applied(Applied { state, event, .. }) =
        decide(before.state(), &PaymentFact::Retried)
    else {
        return Err(Error::internal("a pending payment that cannot be retried"));
    };
    let (version, channel) = (before.version, before.channel);
    let mut payment = PaymentTransaction {
        status: state.status,
        client_ip: plan.client_ip,
        current_attempt_id: Some(attempt.id),
        expires_at: attempt.expires_at,
        updated_at: attempt.created_at,
        // The event shows the payment with the version that this very update gives it.
        version: apply::next_version(version)?,
        ..before
    };
    legs::set_method(&mut payment, plan.account.channel(), attempt.method);
    legs::update_method_in_tx(tx, &payment, attempt.leg_id).await?;
    if payment.channel != channel {
        let config = &app.policies.payment_config;
        let leg = (attempt.leg_id, Beyond::Refused);
        limits::recount_in_tx(kassa, tx, config, &payment, leg).await?;
    }
    legs::extend_in_tx(tx, &payment).await?;
    record_payment_event_in_tx(kassa, tx, &mut payment, event).await?;
    payment.version = version;
    tx.update_payment_in_tx(locked, payment).await?;
    Ok(())
}

fn action<'a>(app: &'a App, request: &RetryPayment, plan: &Plan, attempt: &Attempt) -> Action<'a> {
    Action {
        actor: app.id.as_str(),
        name: "payment.retry",
        subject: format!("payments/{}", request.transaction_id),
        detail: json!({
            "request_id": request.request_id,
            "attempt_no": attempt.attempt_no,
            "channel": plan.account.channel(),
            "method": attempt.method,
        }),
    }
}

/// What the payer is to pay through: the request, and where it says nothing what was before.
struct Plan {
    account: ChannelAccount,
    method: Method,
    payer: Option<PayerId>,
    client_ip: Option<IpAddr>,
}

impl Plan {
    fn try_new(
        kassa: &Kassa,
        app: &App,
        request: &RetryPayment,
        payment: &PaymentTransaction,
        current: &Attempt,
    ) -> Result<Self, Error> {
        let channel = request.channel.unwrap_or(payment.channel);
        if channel.is_internal() {
            let wanted = "must be a gateway's: close the payment and create one that a wallet pays";
            return Err(Error::field("payment_channel", wanted));
        }
        let is_same_channel = channel == payment.channel;
        let method = request.method.unwrap_or(current.method);
        let client_ip = request.client_ip.or(payment.client_ip);
        let payer = request.payer.clone().or_else(|| {
            // A payer of one channel is nobody on another.
            let payer = current.payer.clone().filter(|_| is_same_channel)?;
            match channel {
                Channel::Alipay => Some(GivenPayer::BuyerId(payer)),
                Channel::WechatPay => Some(GivenPayer::Openid(payer)),
                Channel::Baidu
                | Channel::Unionpay
                | Channel::Stripe
                | Channel::Paypal
                | Channel::Balance
                | Channel::Points => None,
            }
        });
        let (openid, buyer_id, payer) = match payer {
            None => (None, None, None),
            Some(GivenPayer::Openid(id)) => (Some(id.clone()), None, Some(id)),
            Some(GivenPayer::BuyerId(id)) => (None, Some(id.clone()), Some(id)),
        };
        let found = violations(&Draft {
            channel: Some(channel),
            method: Some(method),
            amount: Some(current.amount),
            openid: openid.as_ref().map(PayerId::as_str),
            buyer_id: buyer_id.as_ref().map(PayerId::as_str),
            has_auth_code: request.auth_code.is_some(),
            auth_code: request.auth_code.as_ref(),
            has_client_ip: client_ip.is_some(),
            time_to_expiry: request.time_to_expiry,
        });
        if !found.is_empty() {
            return Err(Error::InvalidInput(found));
        }
        let config = &app.policies.payment_config;
        limits::check(config, &[Spending::External(channel, current.amount)])?;
        let code = request.channel_account.as_ref();
        let before = Some(current.channel_account_id).filter(|_| is_same_channel && code.is_none());
        Ok(Self {
            account: choose_account(kassa, app, (channel, method, current.amount), code, before)?,
            method,
            payer,
            client_ip,
        })
    }

    /// Whether what was given out before is what is wanted now, and good for a while yet.
    fn is_served_by(&self, kassa: &Kassa, payment: &PaymentTransaction, current: &Attempt) -> bool {
        let capabilities = registry::capabilities(self.account.gateway);
        let Some(capability) = capabilities.method(self.method) else {
            return false;
        };
        let is_the_same = current.status == AttemptStatus::Open
            && current.prepay.is_some()
            && current.channel_account_id == self.account.id
            && current.method == self.method
            && current.payer == self.payer
            && (payment.client_ip == self.client_ip || !capability.needs_client_ip);
        // What the gateway gave out is never older than the attempt.
        let good_until = capability
            .prepay_valid_secs
            .and_then(TimeDelta::try_seconds)
            .and_then(|valid| current.created_at.checked_add_signed(valid))
            .map_or(current.expires_at, |end| end.min(current.expires_at));
        let left = good_until.signed_duration_since(kassa.clock.now());
        is_the_same && left >= LEFT_MIN
    }

    fn attempt(
        &self,
        kassa: &Kassa,
        current: &Attempt,
        retry: RetryRequest,
        expires_at: DateTime<Utc>,
    ) -> Attempt {
        let now = kassa.clock.now();
        let mut attempt = Attempt {
            id: AttemptId::new(&kassa.ids),
            transaction_id: current.transaction_id,
            leg_id: current.leg_id,
            attempt_no: current.attempt_no.saturating_add(1),
            channel_account_id: self.account.id,
            method: self.method,
            amount: current.amount,
            fee: self.account.fee,
            payer: self.payer.clone(),
            status: AttemptStatus::Prepared,
            prepay: None,
            gateway_transaction_id: None,
            failure: None,
            expires_at,
            created_at: now,
            updated_at: now,
            next_query_at: None,
            query_count: 0,
            retry: Some(retry),
            version: 1,
        };
        plan_attempt(kassa, None, &mut attempt);
        attempt
    }
}

/// Until when the payer may pay a new order.
fn expires_at(
    kassa: &Kassa,
    request: &RetryPayment,
    method: Method,
    payment: &PaymentTransaction,
) -> Result<DateTime<Utc>, Error> {
    let now = kassa.clock.now();
    // Whoever stands at the counter has a time of their own.
    let at_counter = (method == Method::BarCode).then_some(BAR_CODE_EXPIRY_DEFAULT);
    if let Some(time) = request.time_to_expiry.or(at_counter) {
        return now
            .checked_add_signed(time)
            .ok_or_else(|| Error::field("time_to_expiry", "is too long"));
    }
    if payment.expires_at.signed_duration_since(now) < LEFT_MIN {
        let wanted = "it expires within a minute: give a time_to_expiry";
        return Err(refusal(payment, wanted));
    }
    Ok(payment.expires_at)
}
