//! Legs of a payment that is to be created.

use flows::payment::{LegWanted, LegsWanted};
use kassa_core::Money;
use kassa_core::channel::{Channel, Method};
use kassa_core::money::Points;
use kassa_core::payment::LEGS_MAX;
use proto::v1;

use super::fields::Fields;
use super::payment::{channel, method};

/// How a payment is to be paid: the gateway's channel, method and part where there is one, and the legs.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) channel: Option<Channel>,
    pub(super) method: Option<Method>,
    pub(super) amount: Option<Money>,
    pub(super) legs: LegsWanted,
}

/// Reads the channel, the legs or the order of channels: one of the three.
pub(super) fn read(
    fields: &mut Fields,
    request: &v1::CreatePaymentRequest,
    amount: Option<Money>,
) -> Way {
    let has_channel = request.payment_channel != 0;
    let (has_legs, has_order) = (
        !request.legs.is_empty(),
        !request.allocation_priority.is_empty(),
    );
    match (has_legs, has_order) {
        (true, true) => {
            fields.wrong("allocation_priority", "cannot be combined with legs");
            Way::default()
        }
        (true, false) if has_channel || request.payment_method != 0 => {
            fields.wrong(
                "payment_channel",
                "is said by the legs: leave it and the method out",
            );
            Way::default()
        }
        (false, true) if has_channel => {
            fields.wrong(
                "payment_channel",
                "is said by allocation_priority: leave it out",
            );
            Way::default()
        }
        (true, false) => given(fields, &request.legs, amount),
        (false, true) => by_priority(fields, request, amount),
        (false, false) => one(fields, request, amount),
    }
}

fn one(fields: &mut Fields, request: &v1::CreatePaymentRequest, amount: Option<Money>) -> Way {
    let channel = fields.choice("payment_channel", request.payment_channel, channel);
    Way {
        channel,
        method: method_of(fields, "payment_method", channel, request.payment_method),
        amount,
        legs: LegsWanted::One,
    }
}

/// A wallet has one method, which need not be named.
fn method_of(
    fields: &mut Fields,
    field: &str,
    channel: Option<Channel>,
    number: i32,
) -> Option<Method> {
    if number == 0 && channel.is_some_and(Channel::is_internal) {
        return Some(Method::Wallet);
    }
    fields.choice(field, number, method)
}

fn given(fields: &mut Fields, legs: &[v1::PaymentLegRequest], amount: Option<Money>) -> Way {
    if legs.len() > LEGS_MAX {
        fields.wrong("legs", format!("must be {LEGS_MAX} at most"));
    }
    let legs: Vec<_> = legs
        .iter()
        .take(LEGS_MAX)
        .filter_map(|leg| wanted(fields, leg))
        .collect();
    let gateway = legs.iter().find(|leg| !leg.channel.is_internal());
    let shown = gateway.or(legs.first());
    Way {
        channel: shown.map(|leg| leg.channel),
        method: shown.map(|leg| leg.method),
        amount: gateway.map_or(amount, |leg| leg.amount),
        legs: LegsWanted::Given(legs),
    }
}

fn wanted(fields: &mut Fields, leg: &v1::PaymentLegRequest) -> Option<LegWanted> {
    let channel = fields.choice("legs.payment_channel", leg.payment_channel, channel);
    let method = method_of(fields, "legs.payment_method", channel, leg.payment_method);
    let amount = fields.optional_money("legs.amount", leg.amount.as_ref());
    let points = leg.points.as_ref();
    let points = points
        .and_then(|points| fields.required("legs.points.amount", &points.amount, Points::parse));
    let (channel, method) = (channel?, method?);
    if channel.is_internal() != (method == Method::Wallet) {
        fields.wrong(
            "legs.payment_method",
            format!("{method} is not a method of {channel}"),
        );
    }
    Some(LegWanted {
        channel,
        method,
        amount,
        points,
    })
}

fn by_priority(
    fields: &mut Fields,
    request: &v1::CreatePaymentRequest,
    amount: Option<Money>,
) -> Way {
    let order = &request.allocation_priority;
    if order.len() > LEGS_MAX {
        fields.wrong("allocation_priority", format!("must be {LEGS_MAX} at most"));
    }
    let channels: Vec<_> = order
        .iter()
        .take(LEGS_MAX)
        .filter_map(|number| fields.choice("allocation_priority", *number, channel))
        .collect();
    let gateway = channels.iter().find(|channel| !channel.is_internal());
    let shown = gateway.or(channels.first()).copied();
    Way {
        channel: shown,
        method: method_of(fields, "payment_method", shown, request.payment_method),
        amount,
        legs: LegsWanted::ByPriority(channels),
    }
}
