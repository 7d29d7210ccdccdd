//! What happens to orders and refunds, whoever causes it: the payer, the merchant's API call, the
//! gateway's console or time. Each changes the state in one step and puts the notice on the list.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    alipay, baidu,
    config::Delivery,
    crypto::{random_digits, random_text},
    delivery::{Notice, enqueue},
    error::ControlError,
    paypal,
    shared::Shared,
    state::{
        Gateway, Order, OrderKey, OrderState, Product, Refund, RefundKey, RefundOutcome,
        RefundStatus, State, china,
    },
    stripe, unionpay, wechat_v2, wechat_v3,
};

/// Letters of Stripe's numbers.
const STRIPE_ID_LENGTH: usize = 24;
/// How soon a WeChat Pay refund settles by itself under automatic delivery.
const SETTLE_AFTER: std::time::Duration = std::time::Duration::from_millis(300);

/// A refund to be made, already checked for form.
pub(crate) struct RefundRequest {
    pub(crate) out_refund_no: String,
    pub(crate) amount_minor: i64,
    pub(crate) notify_url: Option<String>,
    pub(crate) is_from_console: bool,
    /// What the gateway must remember of the request.
    pub(crate) content: serde_json::Value,
}

/// 28 digits in the manner of the gateways' numbers, unlike any other.
pub(crate) fn gateway_number(prefix: &str, now: DateTime<Utc>) -> String {
    const LENGTH: usize = 28;
    let head = format!("{prefix}{}", china(now).format("%Y%m%d"));
    let tail = random_digits(LENGTH.saturating_sub(head.len()));
    format!("{head}{tail}")
}

/// Closes an order whose time is over and tells whether it is still open.
pub(crate) fn expire(shared: &Shared, state: &mut State, key: &OrderKey) {
    let now = shared.now();
    let is_over = state
        .order(key)
        .is_some_and(|order| order.state == OrderState::Open && order.expires_at <= now);
    if is_over {
        close_open(shared, state, key);
    }
}

/// Closes an open order. Alipay tells of it for app and wap orders (alipay sheet §8).
pub(crate) fn close_open(shared: &Shared, state: &mut State, key: &OrderKey) {
    let now = shared.now();
    let Some(order) = state.order_mut(key) else {
        return;
    };
    order.state = OrderState::Closed;
    order.closed_at = Some(now);
    let order = order.clone();
    let is_told = matches!(order.product, Product::AlipayApp | Product::AlipayWap);
    if is_told && let Some(notice) = alipay::notify::closed(&shared.accounts, &order, now) {
        enqueue(shared, state, &order, notice);
    }
    if order.gateway == Gateway::Stripe {
        let notice = stripe::notify::closed(state, &order, &shared.base_url, now);
        enqueue(shared, state, &order, notice);
    }
}

/// The payer pays; at PayPal, agrees to.
pub(crate) fn pay(shared: &Shared, key: &OrderKey) -> Result<Order, ControlError> {
    let mut state = shared.state();
    expire(shared, &mut state, key);
    pay_in(shared, &mut state, key)
}

/// As [`pay`], with the state at hand.
pub(crate) fn pay_in(
    shared: &Shared,
    state: &mut State,
    key: &OrderKey,
) -> Result<Order, ControlError> {
    let now = shared.now();
    let order = open_order(state, key)?;
    order.is_opened = true;
    if order.gateway == Gateway::Paypal {
        return approve(shared, state, key);
    }
    order.state = OrderState::Paid;
    order.paid_at = Some(now);
    let order = order.clone();
    let notices = match order.gateway {
        Gateway::Alipay => {
            let notice = alipay::notify::paid(&shared.accounts, &order, now);
            notice.into_iter().collect()
        }
        Gateway::WechatV3 => vec![wechat_v3::notify::paid(&order, now)],
        Gateway::WechatV2 => vec![wechat_v2::notify::paid(&order)],
        Gateway::Baidu => vec![baidu::notify::paid(&order, now)],
        Gateway::Unionpay => vec![unionpay::notify::paid(&order)],
        Gateway::Stripe => stripe::notify::paid(state, &order, &shared.base_url, now),
        // Paid by the merchant's own call.
        Gateway::Paypal => Vec::new(),
    };
    for notice in notices {
        enqueue(shared, state, &order, notice);
    }
    Ok(order)
}

fn approve(shared: &Shared, state: &mut State, key: &OrderKey) -> Result<Order, ControlError> {
    let now = shared.now();
    let order = open_order(state, key)?;
    if !paypal::approve(order, now) {
        return Err(ControlError::WrongState("approved".to_owned()));
    }
    let order = order.clone();
    let notice = paypal::notify::approved(state, &order, &shared.base_url, now);
    enqueue(shared, state, &order, notice);
    Ok(order)
}

/// The payer refuses or the payer's bank does: the order stays open.
pub(crate) fn refuse(shared: &Shared, key: &OrderKey) -> Result<Order, ControlError> {
    let mut state = shared.state();
    expire(shared, &mut state, key);
    let order = open_order(&mut state, key)?;
    order.is_opened = true;
    order.refused_count = order.refused_count.saturating_add(1);
    if order.gateway == Gateway::Paypal {
        paypal::decline(order);
    }
    let order = order.clone();
    if order.gateway == Gateway::Stripe {
        let notice = stripe::notify::refused(&state, &order, shared.now());
        enqueue(shared, &mut state, &order, notice);
    }
    Ok(order)
}

/// The payer disputes a paid order. Only Stripe and PayPal tell of it.
pub(crate) fn dispute(shared: &Shared, key: &OrderKey) -> Result<Order, ControlError> {
    let mut state = shared.state();
    let order = find(&state, key)?.clone();
    let now = shared.now();
    let is_paid = order.state == OrderState::Paid;
    let notice = match order.gateway {
        Gateway::Stripe if is_paid => stripe::notify::disputed(&state, &order, now),
        Gateway::Paypal if is_paid => paypal::notify::disputed(&state, &order, now),
        Gateway::Alipay
        | Gateway::WechatV3
        | Gateway::WechatV2
        | Gateway::Baidu
        | Gateway::Unionpay
        | Gateway::Stripe
        | Gateway::Paypal => {
            return Err(ControlError::WrongState(
                "not a paid order of stripe or paypal".to_owned(),
            ));
        }
    };
    enqueue(shared, &mut state, &order, notice);
    Ok(order)
}

/// Somebody closes the order at the gateway's console.
pub(crate) fn close(shared: &Shared, key: &OrderKey) -> Result<Order, ControlError> {
    let mut state = shared.state();
    expire(shared, &mut state, key);
    open_order(&mut state, key)?;
    close_open(shared, &mut state, key);
    find(&state, key).cloned()
}

fn find<'a>(state: &'a State, key: &OrderKey) -> Result<&'a Order, ControlError> {
    state
        .order(key)
        .ok_or_else(|| ControlError::OrderNotFound(key.out_trade_no.clone()))
}

fn open_order<'a>(state: &'a mut State, key: &OrderKey) -> Result<&'a mut Order, ControlError> {
    let order = state
        .order_mut(key)
        .ok_or_else(|| ControlError::OrderNotFound(key.out_trade_no.clone()))?;
    match order.state {
        OrderState::Open => Ok(order),
        OrderState::Paid => Err(ControlError::WrongState("paid".to_owned())),
        OrderState::Closed => Err(ControlError::WrongState("closed".to_owned())),
    }
}

/// Makes a refund of a paid order. Alipay's succeed at once, WeChat Pay's are being processed.
pub(crate) fn refund(
    shared: &Arc<Shared>,
    state: &mut State,
    key: &OrderKey,
    request: RefundRequest,
) -> Result<Refund, ControlError> {
    let now = shared.now();
    let order = find(state, key)?.clone();
    if order.state != OrderState::Paid {
        return Err(ControlError::WrongState("not paid".to_owned()));
    }
    let left = order.total_minor.saturating_sub(state.refunded_minor(key));
    if request.amount_minor <= 0 || request.amount_minor > left {
        return Err(ControlError::NotRefundable(request.amount_minor));
    }
    let (is_immediate, refund_id) = match order.gateway {
        Gateway::Alipay => (true, gateway_number("5030", now)),
        Gateway::WechatV3 | Gateway::WechatV2 | Gateway::Baidu | Gateway::Unionpay => {
            (false, gateway_number("5030", now))
        }
        Gateway::Stripe => (true, format!("re_{}", random_text(STRIPE_ID_LENGTH))),
        Gateway::Paypal => (true, paypal::new_id()),
    };
    let made = Refund {
        gateway: order.gateway,
        account: order.account.clone(),
        out_trade_no: order.out_trade_no.clone(),
        out_refund_no: request.out_refund_no,
        refund_id,
        content: request.content,
        amount_minor: request.amount_minor,
        status: if is_immediate {
            RefundStatus::Success
        } else {
            RefundStatus::Processing
        },
        notify_url: request.notify_url,
        is_from_console: request.is_from_console,
        created_at: now,
        settled_at: is_immediate.then_some(now),
    };
    state.insert_refund(key, made.clone());
    if is_immediate {
        let refunded = state.refunded_minor(key);
        let notice = match order.gateway {
            Gateway::Stripe => Some(stripe::notify::refunded(state, &order, &made, now)),
            Gateway::Paypal => Some(paypal::notify::refunded(state, &order, &made, now)),
            Gateway::Alipay
            | Gateway::WechatV3
            | Gateway::WechatV2
            | Gateway::Baidu
            | Gateway::Unionpay => {
                alipay::notify::refunded(&shared.accounts, &order, &made, refunded)
            }
        };
        if let Some(notice) = notice {
            enqueue(shared, state, &order, notice);
        }
    } else if shared.delivery == Delivery::Automatic {
        settle_later(shared, RefundKey::new(key, &made.out_refund_no));
    }
    Ok(made)
}

fn settle_later(shared: &Arc<Shared>, key: RefundKey) {
    let later = Arc::clone(shared);
    shared.tasks.spawn(async move {
        tokio::select! {
            () = later.stop.cancelled() => return,
            () = tokio::time::sleep(SETTLE_AFTER) => {}
        }
        match settle(&later, &key, RefundOutcome::Success) {
            // A test or a person was faster.
            Ok(_) | Err(ControlError::WrongState(_)) => {}
            Err(error) => tracing::warn!(%error, "cannot settle a sandbox refund"),
        }
    });
}

/// Ends a refund and puts its notice on the list.
pub(crate) fn settle(
    shared: &Shared,
    key: &RefundKey,
    outcome: RefundOutcome,
) -> Result<Refund, ControlError> {
    let now = shared.now();
    let mut state = shared.state();
    let refund = state
        .refund_mut(key)
        .ok_or_else(|| ControlError::RefundNotFound(key.out_refund_no.clone()))?;
    let is_open = match refund.status {
        RefundStatus::Processing => true,
        // Somebody acts at the console on a refund that the card refused.
        RefundStatus::Abnormal => outcome != RefundOutcome::Abnormal,
        // The payer's bank sends the money back (stripe sheet §7).
        RefundStatus::Success => key.gateway == Gateway::Stripe && outcome == RefundOutcome::Closed,
        RefundStatus::Closed => false,
    };
    if !is_open {
        return Err(ControlError::WrongState(
            format!("{:?}", refund.status).to_lowercase(),
        ));
    }
    refund.status = outcome.into();
    refund.settled_at = Some(now);
    let refund = refund.clone();
    let order_key = OrderKey {
        gateway: refund.gateway,
        account: refund.account.clone(),
        out_trade_no: refund.out_trade_no.clone(),
    };
    let order = find(&state, &order_key)?.clone();
    let notice: Option<(String, Option<String>, Notice)> = match order.gateway {
        // Ended when it was made.
        Gateway::Alipay | Gateway::Paypal => None,
        Gateway::WechatV3 => Some(wechat_v3::notify::settled(&order, &refund, outcome, now)),
        Gateway::WechatV2 => Some(wechat_v2::notify::settled(&order, &refund)),
        Gateway::Baidu => Some(baidu::notify::settled(&order, &refund)),
        Gateway::Unionpay => unionpay::notify::settled(&order, &refund, outcome),
        Gateway::Stripe => Some(stripe::notify::settled(&state, &order, &refund, now)),
    };
    if let Some(notice) = notice {
        enqueue(shared, &mut state, &order, notice);
    }
    Ok(refund)
}
