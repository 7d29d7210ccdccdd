//! Payers at a counter: the codes that their apps show. Each is known to the gateway that made it, is good for a
//! short while, and is charged once.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    crypto::random_digits,
    error::ControlError,
    operations::{self, RefundRequest},
    shared::Shared,
    state::{Gateway, Order, OrderKey, RefundKey, RefundStatus, State},
};

/// Codes held at once; then some are forgotten.
const CODES_MAX: usize = 10_000;
/// How long a code is good.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(1);
/// Digits of a code after its first two.
const TAIL_DIGITS: usize = 16;
/// Where an order of WeChat Pay remembers that it was reversed.
pub(crate) const REVERSED: &str = "reversed";

/// What a payer does when the code is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conduct {
    /// Pays at once: the amount needs no password.
    Pays,
    /// Is asked for a password, and has not entered it yet.
    IsAsked,
    /// Has too little.
    LacksMoney,
}

/// A code that was shown.
#[derive(Debug, Clone)]
struct Shown {
    gateway: Gateway,
    conduct: Conduct,
    good_until: DateTime<Utc>,
    is_used: bool,
}

/// The codes by their digits.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    shown: BTreeMap<String, Shown>,
}

/// Why a code was not charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadCode {
    /// The gateway made no such code.
    Unknown,
    /// It was charged before.
    Used,
    /// It was shown too long ago.
    Expired,
}

impl Codes {
    /// Charges a code.
    pub(crate) fn charge(
        &mut self,
        gateway: Gateway,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<Conduct, BadCode> {
        let shown = self.shown.get_mut(code).ok_or(BadCode::Unknown)?;
        if shown.gateway != gateway {
            return Err(BadCode::Unknown);
        }
        if shown.is_used {
            return Err(BadCode::Used);
        }
        if now >= shown.good_until {
            return Err(BadCode::Expired);
        }
        shown.is_used = true;
        Ok(shown.conduct)
    }
}

/// Gives a paid order back, at once and without a notice.
pub(crate) fn give_back(
    shared: &Arc<Shared>,
    state: &mut State,
    order: &Order,
) -> Result<(), ControlError> {
    let key = order.key();
    let left = order.total_minor.saturating_sub(state.refunded_minor(&key));
    if left == 0 {
        return Ok(());
    }
    let number = format!("REVERSE{}", order.out_trade_no);
    let request = RefundRequest {
        out_refund_no: number.clone(),
        amount_minor: left,
        notify_url: None,
        is_from_console: false,
        content: Value::Null,
    };
    operations::refund(shared, state, &key, request)?;
    if let Some(refund) = state.refund_mut(&RefundKey::new(&key, &number)) {
        refund.status = RefundStatus::Success;
        refund.settled_at = Some(shared.now());
    }
    Ok(())
}

/// Lets an order remember that it was reversed.
pub(crate) fn mark_reversed(state: &mut State, key: &OrderKey) {
    let content = state.order_mut(key).map(|order| &mut order.content);
    if let Some(content) = content.and_then(Value::as_object_mut) {
        content.insert(REVERSED.to_owned(), Value::Bool(true));
    }
}

/// Lets a payer's app show a code.
pub(crate) fn show(
    state: &mut State,
    gateway: Gateway,
    conduct: Conduct,
    now: DateTime<Utc>,
) -> Result<String, ControlError> {
    let head = match gateway {
        Gateway::Alipay => "28",
        Gateway::WechatV3 | Gateway::WechatV2 => "13",
        Gateway::Baidu | Gateway::Unionpay | Gateway::Stripe | Gateway::Paypal => {
            let word = "no codes are shown for this gateway";
            return Err(ControlError::Refused(word.to_owned()));
        }
    };
    let codes = &mut state.codes.shown;
    codes.retain(|_, shown| now.signed_duration_since(shown.good_until) < TimeDelta::days(1));
    while codes.len() >= CODES_MAX {
        codes.pop_first();
    }
    let code = format!("{head}{}", random_digits(TAIL_DIGITS));
    let shown = Shown {
        gateway,
        conduct,
        good_until: now + GOOD_FOR,
        is_used: false,
    };
    codes.insert(code.clone(), shown);
    Ok(code)
}
