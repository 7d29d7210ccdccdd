//! New: a payment as it is first written down, with its legs and, if a gateway takes part, its first
//! attempt. What only wallets pay is paid in that very transaction.

use kassa_core::Money;
use kassa_core::app::App;
use kassa_core::channel::{ChannelAccount, Method};
use kassa_core::event::EventKind;
use kassa_core::id::{AttemptId, HoldId, LegId, TransactionId};
use kassa_core::limits::Spending;
use kassa_core::payment::{
    Attempt, AttemptStatus, Decision, Leg, LegStatus, PaymentFact, PaymentStatus,
    PaymentTransaction, Share, decide,
};
use runtime::store::{Movement, Tx};

use super::{CreatePayment, create, legs, shares};
use crate::event::record_payment_event_in_tx;
use crate::synchronise::plan_attempt;
use crate::{Error, Kassa, audit, limits, wallet};

/// A payment to be written down.
pub(super) struct NewPayment {
    pub(super) payment: PaymentTransaction,
    legs: Vec<Leg>,
    attempt: Option<Attempt>,
    /// What each leg counts for in limits.
    spendings: Vec<(LegId, Spending)>,
}

impl NewPayment {
    /// The payment that `request` asks for, paid by `shares`, the gateway's through `account`.
    pub(super) fn try_new(
        kassa: &Kassa,
        app: &App,
        request: &CreatePayment,
        fingerprint: String,
        (shares, account): (&[Share], Option<&ChannelAccount>),
    ) -> Result<Self, Error> {
        let mut payment = payment(kassa, app, request, fingerprint)?;
        let is_mixed = account.is_some() && shares.len() > 1;
        let legs: Vec<Leg> = (1..)
            .zip(shares)
            .map(|(leg_no, share)| leg(kassa, &payment, (leg_no, share), is_mixed))
            .collect();
        let gateway = legs.iter().find(|leg| !leg.channel.is_internal());
        if let Some(first) = gateway.or(legs.first()) {
            payment.channel = first.channel;
            payment.method = first.method;
        }
        let attempt = gateway
            .zip(account)
            .map(|(leg, account)| attempt(kassa, request, &payment, (leg, account)));
        payment.current_attempt_id = attempt.as_ref().map(|attempt| attempt.id);
        if legs.iter().any(|leg| leg.channel.is_internal()) {
            payment.legs.clone_from(&legs);
        }
        let spendings = shares.iter().map(shares::spending);
        Ok(Self {
            spendings: legs.iter().map(|leg| leg.id).zip(spendings).collect(),
            payment,
            legs,
            attempt,
        })
    }

    /// Writes it down, takes what wallets pay, and counts it in limits: all or nothing.
    ///
    /// # Errors
    /// A unique violation if the request was seen before or the order is occupied;
    /// [`Error::InsufficientFunds`], [`Error::WalletFrozen`], [`Error::Limit`].
    pub(super) async fn write(mut self, kassa: &Kassa, app: &App) -> Result<(), Error> {
        let tx = kassa.store.begin().await?;
        if self.attempt.is_none() {
            self.pay(kassa)?;
            let event = EventKind::PaymentSucceeded;
            record_payment_event_in_tx(kassa, &tx, &mut self.payment, event).await?;
        }
        tx.insert_payment_in_tx(&self.payment, &self.legs, self.attempt.as_ref())
            .await?;
        self.take_in_tx(kassa, &tx, app).await?;
        audit::record_in_tx(kassa, &tx, create::action(&self.payment)).await?;
        tx.commit().await?;
        let channel = self.payment.channel.as_str();
        metrics::counter!("kassa_payments_created_total", "channel" => channel).increment(1);
        if self.attempt.is_none() {
            let status = self.payment.status.as_str();
            metrics::counter!(
                "kassa_payment_transitions_total",
                "channel" => channel,
                "status" => status
            )
            .increment(1);
            tracing::info!(payment.id = %self.payment.id, channel, status, "payment changed");
        }
        Ok(())
    }

    /// Nobody outside has to be asked: it is paid.
    fn pay(&mut self, kassa: &Kassa) -> Result<(), Error> {
        let now = kassa.clock.now();
        let fact = PaymentFact::Paid {
            amount: self.payment.amount_by_gateway(),
            paid_at: Some(now),
            known: false,
        };
        let Decision::Applied(applied) = decide(self.payment.state(), &fact) else {
            return Err(Error::internal("a new payment that cannot be paid"));
        };
        self.payment.status = applied.state.status;
        self.payment.amount_paid = applied.state.paid;
        self.payment.paid_at = Some(now);
        legs::follow(&mut self.payment);
        self.legs.clone_from(&self.payment.legs);
        Ok(())
    }

    async fn take_in_tx(&self, kassa: &Kassa, tx: &Tx, app: &App) -> Result<(), Error> {
        let payment = &self.payment;
        if !payment.legs.is_empty() {
            let wallet = legs::wallet_of(payment)?;
            let _locked = wallet::lock_for_spending_in_tx(kassa, tx, &wallet).await?;
        }
        limits::spend_in_tx(kassa, tx, app, payment.user_id.as_ref(), &self.spendings).await?;
        let take = |leg: &Leg| match self.attempt {
            Some(_) => legs::hold(payment, leg),
            None => legs::transfer(payment, leg).map(Movement::Transfer),
        };
        let movements: Vec<_> = payment
            .internal_legs()
            .map(take)
            .collect::<Result<_, _>>()?;
        if !movements.is_empty() {
            wallet::book_in_tx(kassa, tx, &movements, Some(payment.id)).await?;
        }
        Ok(())
    }
}

fn leg(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    (leg_no, share): (i32, &Share),
    is_mixed: bool,
) -> Leg {
    let zero = Money::zero(share.amount.currency());
    let is_internal = share.channel.is_internal();
    Leg {
        id: LegId::new(&kassa.ids),
        transaction_id: payment.id,
        leg_no,
        channel: share.channel,
        method: if is_internal {
            Method::Wallet
        } else {
            payment.method
        },
        amount: share.amount,
        points: share.points,
        hold_id: (is_internal && is_mixed).then(|| HoldId::new(&kassa.ids)),
        status: LegStatus::Pending,
        amount_refunded: zero,
        amount_refund_reserved: zero,
    }
}

fn attempt(
    kassa: &Kassa,
    request: &CreatePayment,
    payment: &PaymentTransaction,
    (leg, account): (&Leg, &ChannelAccount),
) -> Attempt {
    let mut attempt = Attempt {
        id: AttemptId::new(&kassa.ids),
        transaction_id: payment.id,
        leg_id: leg.id,
        attempt_no: 1,
        channel_account_id: account.id,
        method: leg.method,
        amount: leg.amount,
        fee: account.fee,
        payer: request.payer.clone(),
        status: AttemptStatus::Prepared,
        prepay: None,
        gateway_transaction_id: None,
        failure: None,
        expires_at: payment.expires_at,
        created_at: payment.created_at,
        updated_at: payment.created_at,
        next_query_at: None,
        query_count: 0,
        retry: None,
        version: 1,
    };
    plan_attempt(kassa, None, &mut attempt);
    attempt
}

fn payment(
    kassa: &Kassa,
    app: &App,
    request: &CreatePayment,
    fingerprint: String,
) -> Result<PaymentTransaction, Error> {
    let now = kassa.clock.now();
    let expires_at = now
        .checked_add_signed(request.time_to_expiry)
        .ok_or_else(|| Error::field("time_to_expiry", "is too long"))?;
    let zero = Money::zero(request.amount.currency());
    Ok(PaymentTransaction {
        id: TransactionId::new(&kassa.ids),
        app_id: app.id.clone(),
        request_id: request.request_id.clone(),
        request_fingerprint: fingerprint,
        business_order_id: request.business_order_id.clone(),
        business_order_type: request.business_order_type.clone(),
        user_id: request.user_id.clone(),
        channel: request.channel,
        method: request.method,
        legs: Vec::new(),
        amount_requested: request.amount,
        amount_paid: zero,
        amount_refunded: zero,
        amount_refund_reserved: zero,
        status: PaymentStatus::PendingCreate,
        current_attempt_id: None,
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
    })
}
