//! Legs: what a refund gives back of which leg of its payment, and which way.

use kassa_core::channel::Channel;
use kassa_core::id::{LegId, RefundLegId};
use kassa_core::ledger::Transfer;
use kassa_core::money::Points;
use kassa_core::payment::{Attempt, Leg, PaymentTransaction};
use kassa_core::payment_config::PaymentConfig;
use kassa_core::points::returned;
use kassa_core::refund::{RefundDestination, RefundLeg, RefundRoute, RefundTransaction, allocate};
use kassa_core::{IdSource, Money};

use super::{CreateRefund, RefundShare};
use crate::payment::LegError;
use crate::payment::legs::wallet_of;
use crate::{Error, payment};

/// The ways of a refund.
#[derive(Debug)]
pub(crate) struct Ways {
    pub(crate) leg_id: LegId,
    pub(crate) route: Option<RefundRoute>,
    pub(crate) legs: Vec<RefundLeg>,
}

impl Ways {
    /// All of `amount` goes back through the order that was paid.
    pub(crate) fn through(attempt: &Attempt, amount: Money) -> Self {
        Self {
            leg_id: attempt.leg_id,
            route: Some(route(attempt, amount)),
            legs: Vec::new(),
        }
    }

    /// As [`Self::through`], of what pays a payment: beside internal legs it names the gateway's.
    pub(crate) fn through_leg(
        ids: &IdSource,
        payment: &PaymentTransaction,
        attempt: &Attempt,
        amount: Money,
    ) -> Self {
        let mut ways = Self::through(attempt, amount);
        if let Some(leg) = payment.gateway_leg() {
            ways.legs = vec![refund_leg(ids, leg, amount, RefundDestination::Original)];
        }
        ways
    }

    /// What a caller asks for. `attempt` is the paid one, if a gateway takes part.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], [`Error::Legs`].
    pub(crate) fn asked_for(
        ids: &IdSource,
        payment: &PaymentTransaction,
        attempt: Option<&Attempt>,
        request: &CreateRefund,
        config: &PaymentConfig,
    ) -> Result<Self, Error> {
        let whole = [whole_of(payment, attempt)];
        let legs = match whole.as_slice() {
            [Some(leg)] => std::slice::from_ref(leg),
            _ => payment.legs.as_slice(),
        };
        let shares = if request.legs.is_empty() {
            let order = config.refund_order.parts();
            let found = allocate(legs, &order, request.amount).map_err(Error::internal)?;
            found.ok_or_else(|| Error::internal("a refund that the legs do not bear"))?
        } else {
            given(legs, &request.legs, request.amount)?
        };
        let goes_outside = shares.iter().any(|(leg, _)| !leg.channel.is_internal());
        if request.to_balance && goes_outside {
            check_to_balance(payment, config)?;
        }
        let to_gateway = shares.iter().find(|(leg, _)| !leg.channel.is_internal());
        let to_gateway = to_gateway.filter(|_| !request.to_balance);
        let missing = || Error::internal("a refund of a gateway's leg without its order");
        let route = match to_gateway {
            Some((_, amount)) => Some(route(attempt.ok_or_else(missing)?, *amount)),
            None => None,
        };
        let first = to_gateway.or(shares.first()).map(|(leg, _)| leg.id);
        let is_ordinary = payment.legs.is_empty() && route.is_some();
        let legs = shares.iter().filter(|_| !is_ordinary).map(|(leg, amount)| {
            let to_balance = request.to_balance && !leg.channel.is_internal();
            let destination = if to_balance {
                RefundDestination::Balance
            } else {
                RefundDestination::Original
            };
            refund_leg(ids, leg, *amount, destination)
        });
        Ok(Self {
            leg_id: first.ok_or_else(|| Error::internal("a refund of no leg"))?,
            route,
            legs: legs.collect(),
        })
    }
}

/// The only leg of a payment that carries none: a gateway's, which is all of it.
fn whole_of(payment: &PaymentTransaction, attempt: Option<&Attempt>) -> Option<Leg> {
    let attempt = attempt.filter(|_| payment.legs.is_empty())?;
    let reserved = payment.amount_refund_reserved;
    Some(Leg {
        id: attempt.leg_id,
        transaction_id: payment.id,
        leg_no: 1,
        channel: payment.channel,
        method: payment.method,
        amount: payment.amount_paid,
        points: None,
        hold_id: None,
        status: kassa_core::payment::LegStatus::of(payment.status),
        amount_refunded: payment.amount_refunded,
        amount_refund_reserved: reserved,
    })
}

fn route(attempt: &Attempt, amount: Money) -> RefundRoute {
    RefundRoute {
        attempt_id: attempt.id,
        channel_account_id: attempt.channel_account_id,
        amount,
    }
}

fn refund_leg(
    ids: &IdSource,
    leg: &Leg,
    amount: Money,
    destination: RefundDestination,
) -> RefundLeg {
    RefundLeg {
        id: RefundLegId::new(ids),
        leg_id: leg.id,
        leg_no: leg.leg_no,
        channel: leg.channel,
        amount,
        points: None,
        destination,
    }
}

fn given<'a>(
    legs: &'a [Leg],
    shares: &[RefundShare],
    amount: Money,
) -> Result<Vec<(&'a Leg, Money)>, Error> {
    let mut sum = Money::zero(amount.currency());
    let mut found: Vec<(&Leg, Money)> = Vec::with_capacity(shares.len());
    for share in shares {
        let leg = legs.iter().find(|leg| leg.leg_no == share.leg_no);
        let leg = leg.ok_or_else(|| Error::field("legs.leg_no", "is no leg of the payment"))?;
        if found.iter().any(|(other, _)| other.id == leg.id) {
            return Err(Error::field("legs.leg_no", "names a leg twice"));
        }
        let wrong_currency = |error| Error::field("legs.amount.currency_code", error);
        sum = sum.checked_add(share.amount).map_err(wrong_currency)?;
        let refundable = leg.amount_refundable().map_err(Error::internal)?;
        if share.amount.is_zero() {
            return Err(Error::field("legs.amount", "must be more than zero"));
        }
        if refundable.checked_sub(share.amount).is_err() {
            return Err(exceeds(leg, refundable));
        }
        found.push((leg, share.amount));
    }
    if sum != amount {
        return Err(LegError::DontAddUp { sum, amount }.into());
    }
    found.sort_by_key(|(leg, _)| leg.leg_no);
    Ok(found)
}

fn exceeds(leg: &Leg, refundable: Money) -> Error {
    let leg_no = leg.leg_no;
    LegError::RefundExceeds { leg_no, refundable }.into()
}

fn check_to_balance(payment: &PaymentTransaction, config: &PaymentConfig) -> Result<(), Error> {
    let why = if !config.allow_refund_to_balance {
        "the app's policy does not allow it"
    } else if payment.user_id.is_none() {
        "the payment has no user_id"
    } else if payment::is_top_up(payment) {
        "a top-up goes back where it came from"
    } else if config.balance.currency != payment.amount_requested.currency() {
        "the balance is kept in another currency"
    } else {
        return Ok(());
    };
    Err(LegError::RefundToBalance { why }.into())
}

/// What the refund had reserved of the payment's legs is free again.
pub(super) fn release(
    payment: &mut PaymentTransaction,
    refund: &RefundTransaction,
) -> Result<(), Error> {
    for share in &refund.legs {
        let leg = payment.legs.iter_mut().find(|leg| leg.id == share.leg_id);
        if let Some(leg) = leg {
            leg.release(share.amount).map_err(Error::internal)?;
        }
    }
    Ok(())
}

/// Takes a settled refund from the payment's legs, tells how many points come back, and answers what
/// to book beside the gateway's part. `None` if a leg does not bear it; nothing is changed then.
pub(super) fn take(
    payment: &mut PaymentTransaction,
    refund: &mut RefundTransaction,
    is_reserved: bool,
) -> Result<Option<Vec<Transfer>>, Error> {
    let mut legs = payment.legs.clone();
    let mut shares = refund.legs.clone();
    let mut transfers = Vec::new();
    for share in &mut shares {
        let leg = legs.iter_mut().find(|leg| leg.id == share.leg_id);
        if let Some(leg) = leg {
            let reserved = if is_reserved {
                share.amount
            } else {
                Money::zero(share.amount.currency())
            };
            let before = leg.amount_refunded;
            if leg.give_back(share.amount, reserved).is_err() {
                return Ok(None);
            }
            if let Some(paid) = leg.points {
                let back = returned(paid.points, leg.amount, before, share.amount);
                share.points = Some(back.map_err(Error::internal)?);
            }
        }
        transfers.extend(transfer(payment, share)?);
    }
    payment.legs = legs;
    refund.legs = shares;
    Ok(Some(transfers))
}

fn transfer(payment: &PaymentTransaction, share: &RefundLeg) -> Result<Option<Transfer>, Error> {
    let is_to_wallet =
        share.channel.is_internal() || share.destination == RefundDestination::Balance;
    if !is_to_wallet {
        return Ok(None);
    }
    let (wallet, id) = (wallet_of(payment)?, share.id.to_string());
    let transfer = if share.channel == Channel::Points {
        let points = share.points.unwrap_or_else(Points::zero);
        wallet.points_refund(id, points, share.amount)
    } else {
        wallet.balance_refund(id, share.amount)
    };
    transfer.map(Some).map_err(Error::internal)
}
