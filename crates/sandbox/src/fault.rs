//! Scripted faults: what can go wrong between a merchant and a gateway, on demand.
//!
//! A rule has a scope (one order, the next order, everything), a number of uses, and what it does.
//! The first rule that fits is used.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::{shared::Shared, state::Order};

/// At most this many rules at once.
pub(crate) const FAULT_RULES_MAX: usize = 1_000;

/// Which calls or callbacks a rule concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultScope {
    /// Those of the order with this `out_trade_no`.
    Order(String),
    /// Those of the next order number that the gateway has not seen yet.
    NextOrder,
    /// All.
    Global,
}

/// An API operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Placing an order, whatever the product.
    Create,
    /// Asking for an order.
    Query,
    /// Closing an order.
    Close,
    /// Collecting the money of an order that its payer approved (PayPal).
    Capture,
    /// Asking for a refund to be made.
    Refund,
    /// Asking for a refund's state.
    RefundQuery,
    /// Sending a refund that hangs to the merchant.
    AbnormalRefund,
    /// Fetching platform certificates.
    Certificates,
    /// A call that could not be understood.
    Unknown,
}

/// What happens to an API call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFault {
    /// The answer is this 5xx status; with `accepted` the operation is done all the same.
    ServerError {
        /// 500 to 599; anything else counts as 500.
        status: u16,
        /// Whether the operation is done.
        accepted: bool,
    },
    /// The answer is held back for `for_ms`, or without it until `release_hangs`. With `accepted` the
    /// operation is done before the wait, otherwise after it.
    Hang {
        /// How long.
        for_ms: Option<u64>,
        /// Whether the operation is done first.
        accepted: bool,
    },
    /// The connection is cut without an answer; with `accepted` the operation is done.
    Cut {
        /// Whether the operation is done.
        accepted: bool,
    },
    /// The operation is done and the answer carries a wrong signature.
    BadSignature,
    /// The gateway refuses with this code of its own (`ACQ.…` or WeChat Pay's), nothing is done.
    Refuse {
        /// The code.
        code: String,
    },
}

/// What happens to a callback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackFault {
    /// First posted this much later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Posted this many more times, all at once.
    Duplicate {
        /// Number of copies, at most [`DUPLICATES_MAX`](crate::DUPLICATES_MAX).
        copies: u32,
    },
    /// Posted after those that arose later.
    Reorder,
    /// Never posted.
    Drop,
    /// One posting carries a wrong signature.
    CorruptSignature,
    /// One posting of WeChat Pay's API v3 is a test of whether the merchant verifies: its signature is wrong and
    /// says so. The genuine one follows, whatever the merchant answers. Other gateways have no such test.
    SignatureProbe,
    /// One posting says, properly signed, that one fen more was paid or refunded.
    OtherAmount,
    /// One posting says, properly signed, that another merchant was paid.
    OtherAccount,
    /// One posting names, properly signed, another order; without a number an unknown one.
    OtherOrder {
        /// The number to name.
        out_trade_no: Option<String>,
    },
}

/// A fault of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Of an API call; with an operation only of that one.
    Call {
        /// Which operation, or any.
        operation: Option<Operation>,
        /// What happens.
        fault: CallFault,
    },
    /// Of a callback.
    Callback(CallbackFault),
}

/// One scripted fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Whom it concerns.
    pub scope: FaultScope,
    /// How many times it is used; `None` until the faults are cleared.
    pub times: Option<u32>,
    /// What it does.
    pub fault: Fault,
}

impl FaultRule {
    /// A call fault for one order, used once.
    pub fn call_once(out_trade_no: &str, operation: Operation, fault: CallFault) -> Self {
        Self {
            scope: FaultScope::Order(out_trade_no.to_owned()),
            times: Some(1),
            fault: Fault::Call {
                operation: Some(operation),
                fault,
            },
        }
    }

    /// A callback fault for one order, used once.
    pub fn callback_once(out_trade_no: &str, fault: CallbackFault) -> Self {
        Self {
            scope: FaultScope::Order(out_trade_no.to_owned()),
            times: Some(1),
            fault: Fault::Callback(fault),
        }
    }

    /// The same rule for another scope.
    #[must_use]
    pub fn in_scope(mut self, scope: FaultScope) -> Self {
        self.scope = scope;
        self
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct FaultRules {
    rules: Vec<FaultRule>,
}

impl FaultRules {
    /// `false` when the list is full.
    pub(crate) fn add(&mut self, rule: FaultRule) -> bool {
        let has_room = self.rules.len() < FAULT_RULES_MAX;
        if has_room {
            self.rules.push(rule);
        }
        has_room
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn list(&self) -> Vec<FaultRule> {
        self.rules.clone()
    }

    /// Ties the rules for "the next order" to this new number.
    pub(crate) fn bind_next_order(&mut self, out_trade_no: &str) {
        for rule in &mut self.rules {
            if rule.scope == FaultScope::NextOrder {
                rule.scope = FaultScope::Order(out_trade_no.to_owned());
            }
        }
    }

    /// Uses up the first call rule that fits.
    pub(crate) fn take_call(
        &mut self,
        operation: Operation,
        out_trade_no: &str,
    ) -> Option<CallFault> {
        self.take(out_trade_no, |fault| match fault {
            Fault::Call {
                operation: only,
                fault,
            } => only
                .is_none_or(|only| only == operation)
                .then(|| fault.clone()),
            Fault::Callback(_) => None,
        })
    }

    /// Uses up the callback rules that fit and that `wanted` picks: at most one of each kind.
    pub(crate) fn take_callbacks(
        &mut self,
        order: &Order,
        wanted: fn(&CallbackFault) -> bool,
    ) -> Vec<CallbackFault> {
        let mut taken: Vec<CallbackFault> = Vec::new();
        while let Some(fault) = self.take(&order.out_trade_no, |fault| match fault {
            Fault::Callback(fault) if wanted(fault) && !taken.contains(fault) => {
                Some(fault.clone())
            }
            Fault::Callback(_) | Fault::Call { .. } => None,
        }) {
            taken.push(fault);
        }
        taken
    }

    fn take<T>(&mut self, out_trade_no: &str, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let fits = |scope: &FaultScope| match scope {
            FaultScope::Global => true,
            FaultScope::Order(number) => number == out_trade_no,
            FaultScope::NextOrder => false,
        };
        let (index, picked, rule) =
            self.rules
                .iter_mut()
                .enumerate()
                .find_map(|(index, rule)| {
                    let picked = fits(&rule.scope).then(|| pick(&rule.fault)).flatten()?;
                    Some((index, picked, rule))
                })?;
        if let Some(times) = rule.times {
            rule.times = Some(times.saturating_sub(1));
            if times <= 1 {
                self.rules.remove(index);
            }
        }
        Some(picked)
    }
}

/// Whether a callback fault concerns the notice as a whole, not one posting of it.
pub(crate) fn is_about_notice(fault: &CallbackFault) -> bool {
    match fault {
        CallbackFault::Delay { .. }
        | CallbackFault::Duplicate { .. }
        | CallbackFault::Reorder
        | CallbackFault::Drop => true,
        CallbackFault::CorruptSignature
        | CallbackFault::SignatureProbe
        | CallbackFault::OtherAmount
        | CallbackFault::OtherAccount
        | CallbackFault::OtherOrder { .. } => false,
    }
}

/// Marks a response that must not be sent: the connection is cut instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutConnection;

/// Whether the operation is done under this fault.
pub(crate) fn is_operation_done(fault: Option<&CallFault>) -> bool {
    match fault {
        Some(CallFault::ServerError { accepted, .. } | CallFault::Cut { accepted }) => *accepted,
        Some(CallFault::Refuse { .. }) => false,
        Some(CallFault::Hang { .. } | CallFault::BadSignature) | None => true,
    }
}

/// Waits when the fault says that the operation comes after the wait.
pub(crate) async fn before_operation(shared: &Arc<Shared>, fault: Option<&CallFault>) {
    if let Some(CallFault::Hang {
        for_ms,
        accepted: false,
    }) = fault
    {
        hang(shared, *for_ms).await;
    }
}

/// Waits when the fault says so, and returns what is sent instead of the answer, if anything.
pub(crate) async fn after_operation(
    shared: &Arc<Shared>,
    fault: Option<&CallFault>,
) -> Option<Response> {
    match fault {
        Some(CallFault::Hang {
            for_ms,
            accepted: true,
        }) => {
            hang(shared, *for_ms).await;
            None
        }
        Some(CallFault::Cut { .. }) => {
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(CutConnection);
            Some(response)
        }
        Some(CallFault::ServerError { status, .. }) => {
            let status = StatusCode::from_u16(*status)
                .ok()
                .filter(StatusCode::is_server_error)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = Response::new(Body::from("<html>server error</html>"));
            *response.status_mut() = status;
            Some(response)
        }
        Some(
            CallFault::Hang {
                accepted: false, ..
            }
            | CallFault::BadSignature
            | CallFault::Refuse { .. },
        )
        | None => None,
    }
}

async fn hang(shared: &Arc<Shared>, for_ms: Option<u64>) {
    let mut release = shared.hang_release.subscribe();
    let wait = async {
        match for_ms {
            Some(ms) => sleep(Duration::from_millis(ms)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait => {}
        _ = release.changed() => {}
        () = shared.stop.cancelled() => {}
    }
}
