//! Create: write the payment down, place the order, answer how to pay it.

use std::time::Duration;

use kassa_core::anomaly::AnomalyKind;
use kassa_core::app::App;
use kassa_core::channel::{Channel, ChannelAccount, Method};
use kassa_core::id::ChannelAccountId;
use kassa_core::payment::{PaymentStatus, PaymentTransaction, Share};
use kassa_core::text::AccountCode;
use kassa_core::{ErrorKind, Money};
use runtime::checkpoint::Checkpoint;
use runtime::store::StoreError;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::bar_code::Shown;
use super::means::Means;
use super::new::NewPayment;
use super::{CreatePayment, LegsWanted, PaymentView, close, place, remaining, reversal, shares};
use crate::audit::Action;
use crate::{Error, Kassa, limits, password};

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
/// [`Error::AmountOutsideLimits`], [`Error::GatewayRefused`]; where a wallet pays also
/// [`Error::InsufficientFunds`], [`Error::WalletFrozen`], [`Error::Legs`], and
/// those of the password and the limits; [`Error::OutcomeUnknown`] where the
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
    // What a refusal leaves is what was there before: an open payment of the same order is closed only
    // for one that nothing known now is against. After that only what others do at the same time, and
    // the gateway, can refuse it.
    let replaced = replaced(kassa, app, &request).await?;
    let (shares, account) = match Box::pin(plan(kassa, app, &request, &replaced)).await {
        Ok(plan) => plan,
        Err(refusal) => {
            // The same request may have taken a moment ago what is missing now.
            return made_before(kassa, app, &request, (&fingerprint, ends_at), refusal).await;
        }
    };
    timeout_at(ends_at, supersede(kassa, app, &request, replaced))
        .await
        .unwrap_or(Err(Error::RequestInFlight))?;
    let plan = (shares.as_slice(), account.as_ref());
    let new = NewPayment::try_new(kassa, app, &request, fingerprint.clone(), plan)?;
    let id = new.payment.id;
    let shown = request
        .auth_code
        .clone()
        .zip(new.payment.current_attempt_id);
    let shown = shown.map(|(code, attempt)| Shown { attempt, code });
    match new.write(kassa, app).await {
        Ok(()) => kassa.checkpoints.reach(Checkpoint::CreateWrittenDown).await,
        Err(Error::Store(StoreError::UniqueViolation { .. })) => {
            // Somebody else wrote first: the same request, or another one for the same order.
            let other = Error::RequestInFlight;
            return made_before(kassa, app, &request, (&fingerprint, ends_at), other).await;
        }
        Err(error) => return Err(error),
    }
    let view = Box::pin(place::place(kassa, id, shown.as_ref(), ends_at)).await?;
    with_remaining(kassa, view).await
}

/// Which channels pay how much, and through which account the gateway's does: what the payer has left
/// once the payments `replaced` have ended bears it.
async fn plan(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    replaced: &[PaymentTransaction],
) -> Result<(Vec<Share>, Option<ChannelAccount>), Error> {
    let means = Means::new(kassa, app, request, replaced);
    let shares = shares(kassa, app, request, &means).await?;
    let gateway = shares.iter().find(|share| !share.channel.is_internal());
    let account = match gateway {
        Some(share) => {
            let wanted = (share.channel, request.method, share.amount);
            let code = request.channel_account.as_ref();
            Some(choose_account(kassa, app, wanted, code, None)?)
        }
        None => None,
    };
    means.check(&shares).await?;
    Ok((shares, account))
}

/// Which channels pay how much: allowed by the app's limits for one payment, and with the payer's
/// password where the balance pays.
async fn shares(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    means: &Means<'_>,
) -> Result<Vec<Share>, Error> {
    let named = shares::named(app, request)?;
    let config = &app.policies.payment_config;
    let check = |shares: &[Share]| {
        let spendings: Vec<_> = shares.iter().map(shares::spending).collect();
        limits::check(config, &spendings)
    };
    if let Some(shares) = &named {
        check(shares)?;
    }
    if let Some(user) = &request.user_id
        && shares::pays_by(request, |channel| channel == Channel::Balance)
    {
        let given = request.payment_password.as_ref();
        Box::pin(password::check(kassa, app, user, given)).await?;
    }
    match (named, &request.legs) {
        (None, LegsWanted::ByPriority(channels)) => {
            let found = shares::by_priority(means, config, request.amount, channels).await?;
            check(&found)?;
            Ok(found)
        }
        (named, _) => named.ok_or_else(|| Error::internal("a payment without legs")),
    }
}

/// What the payer's wallet has left, where it pays.
async fn with_remaining(kassa: &Kassa, view: PaymentView) -> Result<PaymentView, Error> {
    let remaining = remaining::of(kassa, &view.transaction).await?;
    Ok(PaymentView { remaining, ..view })
}

pub(super) fn action(payment: &PaymentTransaction) -> Action<'_> {
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
    let view = Box::pin(place::place(kassa, existing.id, None, ends_at)).await?;
    with_remaining(kassa, view).await
}

/// The answer of the same request that came a moment before this one, or else `refusal`.
async fn made_before(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    (fingerprint, ends_at): (&str, Instant),
    refusal: Error,
) -> Result<PaymentView, Error> {
    match kassa
        .store
        .find_payment_by_request(&app.id, &request.request_id)
        .await?
    {
        Some(existing) => resume(kassa, existing, fingerprint, ends_at).await,
        None => Err(refusal),
    }
}

/// The open payments of the same order, which the new one takes the place of. A paid payment is a
/// refusal, also one that was paid late, until its money has gone back; one whose gateway took it back
/// when it was cancelled paid nothing.
async fn replaced(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
) -> Result<Vec<PaymentTransaction>, Error> {
    let mut others = kassa
        .store
        .list_payments_of_order(&app.id, &request.business_order_id)
        .await?;
    others.retain(|other| other.request_id != request.request_id);
    for paid in others.iter().filter(|other| other.status.is_paid()) {
        if !was_undone(kassa, paid).await? {
            return Err(already_paid(paid));
        }
    }
    others.retain(|other| other.status.is_pending());
    Ok(others)
}

/// Closes the open payments of the same order; one that turns out to be paid is a refusal.
async fn supersede(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    mut open: Vec<PaymentTransaction>,
) -> Result<(), Error> {
    for _ in 0..SUPERSEDE_TRIES {
        let Some(other) = open.pop() else {
            return Ok(());
        };
        let ended = Box::pin(close::close_payment(kassa, other)).await?;
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
        open = replaced(kassa, app, request).await?;
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(Error::RequestInFlight)
    }
}

/// Money that came too late, or while its order was cancelled, and went back whole has paid nothing.
async fn was_undone(kassa: &Kassa, payment: &PaymentTransaction) -> Result<bool, Error> {
    if payment.status != PaymentStatus::RefundFull {
        return Ok(false);
    }
    let anomalies = kassa.store.list_anomalies_of(payment.id).await?;
    Ok(anomalies.iter().any(|anomaly| {
        anomaly.kind == AnomalyKind::LatePayment || reversal::tells_of_reversal(payment, anomaly)
    }))
}

pub(super) fn already_paid(payment: &PaymentTransaction) -> Error {
    Error::OrderAlreadyPaid {
        business_order_id: payment.business_order_id.to_string(),
        transaction_id: payment.id.to_string(),
    }
}

/// The account of the app to pay through: the one with `code`, or else `preferred` if it fits, or else
/// the first that fits. Accounts of one channel may sit at gateways of which only some take the method,
/// and a method may need settings that an account lacks.
pub(super) fn choose_account(
    kassa: &Kassa,
    app: &App,
    (channel, method, amount): (Channel, Method, Money),
    code: Option<&AccountCode>,
    preferred: Option<ChannelAccountId>,
) -> Result<ChannelAccount, Error> {
    let usable: Vec<_> = app
        .channel_accounts
        .iter()
        .filter_map(|id| kassa.accounts.find(*id))
        .filter(|open| open.gateway.capabilities().method(method).is_some())
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

/// Whether a failed step may simply be done again by somebody else.
pub(super) fn is_conflict(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict
}
