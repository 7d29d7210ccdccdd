//! Fate: which calls to a gateway go wrong, and how. Decided before the call travels.

use super::Bank;
use crate::simulation::Time;

/// Which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Place an order.
    Place,
    /// Ask about an order.
    Query,
    /// Close an order.
    Close,
    /// Submit a refund.
    Refund,
    /// Ask about a refund.
    QueryRefund,
}

impl Call {
    /// For the story.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Query => "query",
            Self::Close => "close",
            Self::Refund => "refund",
            Self::QueryRefund => "query-refund",
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, and so does its answer.
    Fine,
    /// It does not leave.
    NotSent,
    /// It is lost on the way.
    Lost,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// The gateway does not want it now.
    Later,
    /// The gateway does not want it at all.
    Refused,
    /// It arrives long after the caller has given up.
    Straggles,
}

const PLACE: [(u64, Fate); 7] = [
    (790, Fate::Fine),
    (40, Fate::NotSent),
    (40, Fate::Lost),
    (60, Fate::AnswerLost),
    (25, Fate::Later),
    (20, Fate::Refused),
    (25, Fate::Straggles),
];
const QUERY: [(u64, Fate); 4] = [
    (880, Fate::Fine),
    (40, Fate::NotSent),
    (60, Fate::AnswerLost),
    (20, Fate::Later),
];
const CLOSE: [(u64, Fate); 5] = [
    (820, Fate::Fine),
    (40, Fate::NotSent),
    (40, Fate::Lost),
    (70, Fate::AnswerLost),
    (30, Fate::Later),
];
const REFUND: [(u64, Fate); 7] = [
    (750, Fate::Fine),
    (40, Fate::NotSent),
    (50, Fate::Lost),
    (80, Fate::AnswerLost),
    (30, Fate::Later),
    (20, Fate::Refused),
    (30, Fate::Straggles),
];

impl Bank {
    /// What becomes of a call of an account.
    pub fn fate(&mut self, account: usize, call: Call, payment: Option<usize>, now: Time) -> Fate {
        if self.is_calm() {
            return Fate::Fine;
        }
        let down = self.accounts[account].down_until;
        let is_down = down.is_some_and(|until| now < until);
        let chance = self.chance(payment);
        let fate = match call {
            _ if is_down => chance.weighted(&[(1, Fate::NotSent), (1, Fate::Lost)]),
            Call::Place => chance.weighted(&PLACE),
            Call::Query | Call::QueryRefund => chance.weighted(&QUERY),
            Call::Close => chance.weighted(&CLOSE),
            Call::Refund => chance.weighted(&REFUND),
        };
        self.failed_calls += u64::from(fate != Fate::Fine);
        fate
    }
}
