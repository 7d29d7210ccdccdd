//! What all parts of a running sandbox share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    accounts::Accounts,
    config::{Delivery, SandboxClock},
    fault::{CallFault, Operation},
    state::{CallRecord, Gateway, State},
};

/// The running sandbox. Its state is locked for moments only, never while signing or waiting.
pub(crate) struct Shared {
    pub(crate) accounts: Accounts,
    pub(crate) clock: SandboxClock,
    /// `http://address:port`, without a slash at its end.
    pub(crate) base_url: String,
    pub(crate) delivery: Delivery,
    /// At least 1.
    pub(crate) retry_time_scale: u32,
    pub(crate) http: reqwest::Client,
    /// Woken when a callback is waiting.
    pub(crate) wake: Notify,
    /// Changed when hanging calls are let go.
    pub(crate) hang_release: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    state: Mutex<State>,
}

/// One API call, as far as it is understood before anything is decided.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) gateway: Gateway,
    pub(crate) account: String,
    pub(crate) operation: Operation,
    pub(crate) out_trade_no: String,
    pub(crate) out_refund_no: String,
}

/// Parts of [`Shared`] that are made at start.
pub(crate) struct Parts {
    pub(crate) accounts: Accounts,
    pub(crate) clock: SandboxClock,
    pub(crate) base_url: String,
    pub(crate) delivery: Delivery,
    pub(crate) retry_time_scale: u32,
    pub(crate) http: reqwest::Client,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            accounts: parts.accounts,
            clock: parts.clock,
            base_url: parts.base_url,
            delivery: parts.delivery,
            retry_time_scale: parts.retry_time_scale.max(1),
            http: parts.http,
            wake: Notify::new(),
            hang_release: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            state: Mutex::new(State::default()),
        }
    }

    /// The state stays usable even if a thread died holding it: each change is complete in itself.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// The scripted fault that meets this call, if any. A create of a new number takes over the
    /// rules for the next order.
    pub(crate) fn take_call_fault(&self, call: &Call) -> Option<CallFault> {
        let mut state = self.state();
        let is_new = call.operation == Operation::Create
            && !call.out_trade_no.is_empty()
            && !state.is_number_known(&call.out_trade_no);
        if is_new {
            state.faults.bind_next_order(&call.out_trade_no);
        }
        state.faults.take_call(call.operation, &call.out_trade_no)
    }

    pub(crate) fn record_call(&self, call: &Call, outcome: &str, fault: Option<CallFault>) {
        let at = self.now();
        tracing::debug!(
            gateway = ?call.gateway,
            operation = ?call.operation,
            outcome,
            "sandbox call"
        );
        self.state().record_call(CallRecord {
            at,
            gateway: call.gateway,
            account: call.account.clone(),
            operation: call.operation,
            out_trade_no: call.out_trade_no.clone(),
            out_refund_no: call.out_refund_no.clone(),
            outcome: outcome.to_owned(),
            fault,
        });
    }
}
