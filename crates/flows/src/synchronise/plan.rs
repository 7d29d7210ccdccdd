//! When an attempt or a refund is asked about next: set with every change, so that nothing that is open
//! is ever without a next question.

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::channel::{Channel, Method};
use kassa_core::id::ChannelAccountId;
use kassa_core::payment::{Attempt, AttemptStatus};
use kassa_core::refund::RefundTransaction;
use runtime::store::NextQuery;

use super::ladder::{self, Subject};
use crate::Kassa;

/// Plans an attempt that has changed from `before`; `None` for a new one.
pub(crate) fn plan_attempt(kassa: &Kassa, before: Option<AttemptStatus>, attempt: &mut Attempt) {
    if before == Some(attempt.status) && attempt.next_query_at.is_some() {
        return;
    }
    let next = match attempt.status {
        // Nothing was sent: only its end must not be missed.
        AttemptStatus::Prepared => NextQuery {
            at: Some(attempt.expires_at),
            count: 0,
        },
        AttemptStatus::Sent | AttemptStatus::Open | AttemptStatus::Unknown => {
            let is_planned = attempt.next_query_at.is_some();
            if is_planned && before != Some(AttemptStatus::Prepared) {
                return;
            }
            after_question(kassa, attempt, 0)
        }
        // What was never sent cannot be paid late.
        AttemptStatus::Closed if before == Some(AttemptStatus::Prepared) => NEVER,
        AttemptStatus::Closed if before != Some(AttemptStatus::Closed) => {
            after_question(kassa, attempt, 0)
        }
        AttemptStatus::Paid if is_at_counter(attempt) && before != Some(AttemptStatus::Paid) => {
            after_question(kassa, attempt, 0)
        }
        AttemptStatus::Closed | AttemptStatus::Paid | AttemptStatus::Failed => NEVER,
    };
    attempt.next_query_at = next.at;
    attempt.query_count = next.count;
}

fn is_at_counter(attempt: &Attempt) -> bool {
    attempt.method == Method::BarCode
}

const NEVER: NextQuery = NextQuery { at: None, count: 0 };

/// How long after its expiry a closed order is looked at once more.
const AFTER_EXPIRY: TimeDelta = TimeDelta::minutes(15);

/// The question that follows `count` questions about an attempt as it is. One that can still be paid
/// is looked at when it expires at the latest; from there its ladder begins anew.
pub(super) fn after_question(kassa: &Kassa, attempt: &Attempt, count: i32) -> NextQuery {
    let now = kassa.clock.now();
    let subject = match attempt.status {
        AttemptStatus::Prepared
        | AttemptStatus::Sent
        | AttemptStatus::Open
        | AttemptStatus::Unknown => {
            if is_at_counter(attempt) {
                Subject::CounterOrder
            } else {
                Subject::Order
            }
        }
        AttemptStatus::Closed => Subject::ClosedOrder,
        AttemptStatus::Paid if is_at_counter(attempt) => Subject::PaidCounterOrder,
        AttemptStatus::Paid | AttemptStatus::Failed => return NEVER,
    };
    let id = attempt.id.to_string();
    let at = next(
        kassa,
        subject,
        attempt.channel_account_id,
        (&id, count),
        now,
    );
    let expires_first = at.is_none_or(|at| at > attempt.expires_at);
    let is_open = matches!(subject, Subject::Order | Subject::CounterOrder);
    if is_open && now < attempt.expires_at && expires_first {
        return NextQuery {
            at: Some(attempt.expires_at),
            count: 0,
        };
    }
    // A gateway may take money for what it told us to be closed until the order expires there.
    if subject == Subject::ClosedOrder && at.is_none() && now < attempt.expires_at {
        let at = attempt.expires_at.checked_add_signed(AFTER_EXPIRY);
        return NextQuery { at, count };
    }
    NextQuery { at, count }
}

/// Plans a refund that has changed; one that is final is not asked about any more.
pub(crate) fn plan_refund(kassa: &Kassa, refund: &mut RefundTransaction) {
    let next = if refund.status.is_final() {
        NEVER
    } else {
        after_refund_question(kassa, refund, 0)
    };
    refund.next_query_at = next.at;
    refund.query_count = next.count;
}

/// Plans a first question about a refund, also about one that is final: it was sent on once more.
pub(crate) fn plan_refund_anew(kassa: &Kassa, refund: &mut RefundTransaction) {
    let next = after_refund_question(kassa, refund, 0);
    refund.next_query_at = next.at;
    refund.query_count = next.count;
}

/// The question that follows `count` questions about a refund.
pub(super) fn after_refund_question(
    kassa: &Kassa,
    refund: &RefundTransaction,
    count: i32,
) -> NextQuery {
    // No gateway is asked about what only wallets take part in.
    let Some(route) = refund.route else {
        return NEVER;
    };
    let (id, now) = (refund.id.to_string(), kassa.clock.now());
    let account = route.channel_account_id;
    let at = next(kassa, Subject::Refund, account, (&id, count), now);
    NextQuery { at, count }
}

fn next(
    kassa: &Kassa,
    subject: Subject,
    account: ChannelAccountId,
    (id, count): (&str, i32),
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    // An account that is not read yet has the pauses of any channel.
    let channel = kassa
        .accounts
        .find(account)
        .map_or(Channel::Alipay, |open| open.account.channel());
    let divisor = kassa.settings.synchronise.time_divisor;
    ladder::next(subject, channel, id, count, (now, divisor))
}
