//! Wishes: the requests of business systems, always the same for the same thing.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flows::payment::{CreatePayment, LegWanted, LegsWanted, RetryPayment};
use flows::refund::{CreateRefund, RefundShare};
use kassa_core::channel::{Channel, Method};
use kassa_core::id::TransactionId;
use kassa_core::payment_config::RefundPart;
use kassa_core::text::{AccountCode, BusinessOrderId, BusinessRefundId, RequestId, Subject};

use super::bank::Account;
use super::bank::order::yuan;
use super::purse;
use super::script::{Script, Way};

fn text<T>(made: Result<T, kassa_core::text::InvalidText>) -> T {
    made.expect("a text within the limits")
}

/// The request that begins a payment.
pub(super) fn create(number: usize, script: &Script, accounts: &[Account]) -> CreatePayment {
    let order = script.order_of.unwrap_or(number);
    let account = &accounts[script.account];
    let legs: Vec<_> = script.parts.legs().into_iter().collect();
    let legs: Vec<_> = legs.iter().map(|leg| leg_of(*leg, account)).collect();
    let (channel, method) = match legs.as_slice() {
        [only] => (only.channel, only.method),
        _ => (account.gateway.channel(), Method::Qr),
    };
    CreatePayment {
        request_id: text(RequestId::try_new(format!("p{number}"))),
        business_order_id: text(BusinessOrderId::try_new(format!("o{order}"))),
        business_order_type: None,
        user_id: Some(purse::user(script.user)),
        channel,
        method,
        amount: yuan(script.amount),
        subject: text(Subject::try_new(format!("payment {number}"))),
        payer: None,
        auth_code: None,
        client_ip: None,
        return_url: None,
        time_to_expiry: script.time_to_expiry,
        metadata: BTreeMap::new(),
        channel_account: Some(text(AccountCode::try_new(account.code))),
        legs: if legs.len() == 1 {
            LegsWanted::One
        } else {
            LegsWanted::Given(legs)
        },
        payment_password: None,
    }
}

fn leg_of((part, amount): (RefundPart, i64), account: &Account) -> LegWanted {
    let (channel, method) = match part {
        RefundPart::Balance => (Channel::Balance, Method::Wallet),
        RefundPart::Points => (Channel::Points, Method::Wallet),
        RefundPart::External => (account.gateway.channel(), Method::Qr),
    };
    let in_points = part == RefundPart::Points;
    LegWanted {
        channel,
        method,
        amount: (!in_points).then(|| yuan(amount)),
        points: in_points.then(|| purse::points(purse::price(amount))),
    }
}

/// The request for another way to pay.
pub(super) fn retry(
    payment: usize,
    number: u64,
    id: TransactionId,
    account: &Account,
) -> RetryPayment {
    RetryPayment {
        transaction_id: id,
        request_id: text(RequestId::try_new(format!("p{payment}-{number}"))),
        channel: Some(account.gateway.channel()),
        method: Some(Method::Qr),
        channel_account: Some(text(AccountCode::try_new(account.code))),
        payer: None,
        auth_code: None,
        client_ip: None,
        time_to_expiry: Some(TimeDelta::minutes(10)),
    }
}

/// The key of a refund.
pub(super) fn refund_id(payment: usize, number: u64) -> BusinessRefundId {
    text(BusinessRefundId::try_new(format!("r{payment}-{number}")))
}

/// The request to give something back.
pub(super) fn refund(
    (payment, script): (usize, &Script),
    (number, share, way): (u64, i64, Way),
    id: TransactionId,
) -> CreateRefund {
    let amount = yuan(script.refund_amount(share, way));
    let legs = match way {
        Way::Leg(leg_no) => vec![RefundShare { leg_no, amount }],
        Way::Policy | Way::ToBalance => Vec::new(),
    };
    CreateRefund {
        transaction_id: id,
        business_refund_id: refund_id(payment, number),
        amount,
        reason: None,
        legs,
        to_balance: way == Way::ToBalance,
    }
}
