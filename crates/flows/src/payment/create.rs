//! Create: write the payment down, place the order, answer how to pay it.

use std::time::Duration;

use kassa_core::anomaly::AnomalyKind;
use kassa_core::app::App;
use kassa_core::channel::{Channel, ChannelAccount};
use kassa_core::id::{AttemptId, ChannelAccountId, LegId, TransactionId};
use kassa_core::payment::{
    Attempt, AttemptStatus, Leg, LegStatus, PaymentStatus, PaymentTransaction,
};
use kassa_core::text::AccountCode;
use kassa_core::{ErrorKind, Money};
use runtime::checkpoint::Checkpoint;
use runtime::store::StoreError;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{CreatePayment, PaymentView, close, place};
use crate::audit::{self, Action};
use crate::synchronise::plan_attempt;
use crate::{Error, Kassa};

/// What of the caller's patience is kept for writing down what became of a call.
pub(super) const ANSWER_MARGIN: Duration = Duration::from_millis(250);
/// How often an open payment of the same order is closed before the caller is asked to come again:
/// somebody else may open one in between.
const SUPERSEDE_TRIES: u32 = 3;

/// Creates a payment for `app`. `deadline` is what is left of the caller's patience.
///
/// Repeating the same request resumes the same attempt and never makes a second one.
///
/// # Errors
/// [`Error::IdempotencyMismatch`], [`Error::OrderAlreadyPaid`], [`Error::NoChannelAccount`],
/// [`Error::AmountOutsideLimits`], [`Error::GatewayRefused`]; [`Error::OutcomeUnknown`] where the
/// gateway's answer is not known: the same request may be sent again.
pub async fn create(
    kassa: &Kassa,
    app: &App,
    request: CreatePayment,
    deadline: Duration,
) -> Result<PaymentView, Error> {
    let ends_at = Instant::now() + deadline.saturating_sub(ANSWER_MARGIN);
    let fingerprint = request.fingerprint();
    if let Some(existing) = kassa
        .store
        .find_payment_by_request(&app.id, &request.request_id)
        .await?
    {
        return resume(kassa, existing, &fingerprint, ends_at).await;
    }
    if let Some(missing) = request.top_up_violation() {
        return Err(Error::InvalidInput(vec![missing]));
    }
    let wanted = (request.channel, request.amount);
    let account = choose_account(kassa, app, wanted, request.channel_account.as_ref(), None)?;
    timeout_at(ends_at, supersede(kassa, app, &request))
        .await
        .unwrap_or(Err(Error::RequestInFlight))?;
    let (payment, leg, attempt) = write_down(kassa, app, &request, fingerprint.clone(), &account)?;
    let tx = kassa.store.begin().await?;
    match tx.insert_payment_in_tx(&payment, &leg, &attempt).await {
        Ok(()) => {
            audit::record_in_tx(kassa, &tx, action(&payment)).await?;
            tx.commit().await?;
            kassa.checkpoints.reach(Checkpoint::CreateWrittenDown).await;
        }
        Err(StoreError::UniqueViolation { .. }) => {
            drop(tx);
            return lost_the_race(kassa, app, &request, &fingerprint, ends_at).await;
        }
        Err(error) => return Err(error.into()),
    }
    metrics::counter!("kassa_payments_created_total", "channel" => payment.channel.as_str())
        .increment(1);
    Box::pin(place::place(kassa, payment.id, ends_at)).await
}

fn action(payment: &PaymentTransaction) -> Action<'_> {
    Action {
        actor: payment.app_id.as_str(),
        name: "payment.create",
        subject: format!("payments/{}", payment.id),
        detail: json!({
            "business_order_id": payment.business_order_id,
            "amount": payment.amount_requested.to_string(),
            "channel": payment.channel,
        }),
    }
}

/// The same request came before: give its answer, or go on where it stopped.
async fn resume(
    kassa: &Kassa,
    existing: PaymentTransaction,
    fingerprint: &str,
    ends_at: Instant,
) -> Result<PaymentView, Error> {
    if existing.request_fingerprint != fingerprint {
        return Err(Error::IdempotencyMismatch {
            field: "request_id",
            key: existing.request_id.to_string(),
        });
    }
    Box::pin(place::place(kassa, existing.id, ends_at)).await
}

/// Somebody else wrote first: the same request, or another one for the same order.
async fn lost_the_race(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    fingerprint: &str,
    ends_at: Instant,
) -> Result<PaymentView, Error> {
    match kassa
        .store
        .find_payment_by_request(&app.id, &request.request_id)
        .await?
    {
        Some(existing) => resume(kassa, existing, fingerprint, ends_at).await,
        None => Err(Error::RequestInFlight),
    }
}

/// A paid payment for the same order is a refusal, also one that was paid late, until its money has gone
/// back; an open one is closed first, and is a refusal if it turns out to be paid.
async fn supersede(kassa: &Kassa, app: &App, request: &CreatePayment) -> Result<(), Error> {
    for _ in 0..SUPERSEDE_TRIES {
        let others: Vec<_> = kassa
            .store
            .list_payments_of_order(&app.id, &request.business_order_id)
            .await?
            .into_iter()
            .filter(|other| other.request_id != request.request_id)
            .collect();
        for paid in others.iter().filter(|other| other.status.is_paid()) {
            if !was_late_and_given_back(kassa, paid).await? {
                return Err(already_paid(paid));
            }
        }
        let Some(open) = others.into_iter().find(|other| other.status.is_pending()) else {
            return Ok(());
        };
        let ended = Box::pin(close::close_payment(kassa, open)).await?;
        if ended.status.is_paid() {
            return Err(already_paid(&ended));
        }
        if ended.status.is_pending() {
            return Err(Error::PaymentState {
                transaction_id: ended.id.to_string(),
                status: ended.status,
                wanted: "an open payment of this order cannot be closed; see its anomalies",
            });
        }
    }
    Err(Error::RequestInFlight)
}

/// Money that came too late and went back whole has paid nothing.
async fn was_late_and_given_back(
    kassa: &Kassa,
    payment: &PaymentTransaction,
) -> Result<bool, Error> {
    if payment.status != PaymentStatus::RefundFull {
        return Ok(false);
    }
    let anomalies = kassa.store.list_anomalies_of(payment.id).await?;
    let mut kinds = anomalies.iter().map(|anomaly| anomaly.kind);
    Ok(kinds.any(|kind| kind == AnomalyKind::LatePayment))
}

pub(super) fn already_paid(payment: &PaymentTransaction) -> Error {
    Error::OrderAlreadyPaid {
        business_order_id: payment.business_order_id.to_string(),
        transaction_id: payment.id.to_string(),
    }
}

/// The account of the app to pay through: the one with `code`, or else `preferred` if it fits, or else
/// the first that fits.
pub(super) fn choose_account(
    kassa: &Kassa,
    app: &App,
    (channel, amount): (Channel, Money),
    code: Option<&AccountCode>,
    preferred: Option<ChannelAccountId>,
) -> Result<ChannelAccount, Error> {
    let usable: Vec<_> = app
        .channel_accounts
        .iter()
        .filter_map(|id| kassa.accounts.find(*id))
        .map(|open| open.account)
        .filter(|account| account.is_active && account.channel() == channel)
        .filter(|account| code.is_none_or(|code| account.code == *code))
        .collect();
    let mut fitting = usable.iter().filter(|account| account.limits.allow(amount));
    let first = fitting.clone().next();
    if let Some(account) = fitting
        .find(|account| Some(account.id) == preferred)
        .or(first)
    {
        return Ok(account.as_ref().clone());
    }
    match usable.first() {
        Some(account) => Err(Error::AmountOutsideLimits {
            min: account.limits.amount_min,
            max: account.limits.amount_max,
        }),
        None => Err(Error::NoChannelAccount { channel }),
    }
}

fn write_down(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    fingerprint: String,
    account: &ChannelAccount,
) -> Result<(PaymentTransaction, Leg, Attempt), Error> {
    let now = kassa.clock.now();
    let expires_at = now
        .checked_add_signed(request.time_to_expiry)
        .ok_or_else(|| Error::field("time_to_expiry", "is too long"))?;
    let zero = Money::zero(request.amount.currency());
    let transaction_id = TransactionId::new(&kassa.ids);
    let leg = Leg {
        id: LegId::new(&kassa.ids),
        transaction_id,
        leg_no: 1,
        channel: request.channel,
        method: request.method,
        amount: request.amount,
        status: LegStatus::Pending,
    };
    let mut attempt = Attempt {
        id: AttemptId::new(&kassa.ids),
        transaction_id,
        leg_id: leg.id,
        attempt_no: 1,
        channel_account_id: account.id,
        method: request.method,
        amount: request.amount,
        payer: request.payer.clone(),
        status: AttemptStatus::Prepared,
        prepay: None,
        gateway_transaction_id: None,
        failure: None,
        expires_at,
        created_at: now,
        updated_at: now,
        next_query_at: None,
        query_count: 0,
        retry: None,
        version: 1,
    };
    plan_attempt(kassa, None, &mut attempt);
    let payment = PaymentTransaction {
        id: transaction_id,
        app_id: app.id.clone(),
        request_id: request.request_id.clone(),
        request_fingerprint: fingerprint,
        business_order_id: request.business_order_id.clone(),
        business_order_type: request.business_order_type.clone(),
        user_id: request.user_id.clone(),
        channel: request.channel,
        method: request.method,
        amount_requested: request.amount,
        amount_paid: zero,
        amount_refunded: zero,
        amount_refund_reserved: zero,
        status: PaymentStatus::PendingCreate,
        current_attempt_id: attempt.id,
        gateway_transaction_id: None,
        failure: None,
        subject: request.subject.clone(),
        client_ip: request.client_ip,
        return_url: request.return_url.clone(),
        metadata: request.metadata.clone(),
        expires_at,
        created_at: now,
        updated_at: now,
        paid_at: None,
        closed_at: None,
        version: 1,
        event_sequence: 0,
    };
    Ok((payment, leg, attempt))
}

/// Whether a failed step may simply be done again by somebody else.
pub(super) fn is_conflict(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict
}
