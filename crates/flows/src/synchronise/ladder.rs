//! When a gateway is asked: the one table of pauses between two questions about the same thing.
//!
//! Pauses widen, because what was not settled soon is seldom settled a second later; each is jittered by
//! up to a fifth, so that what began together does not stay together. The jitter is a hash of what is
//! asked about: the same question always has the same time.

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::channel::Channel;
use sha2::{Digest, Sha256};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An order that can still be paid, or whose outcome is unknown.
    Order,
    /// An order that was placed with a payer's code: somebody stands at a counter.
    CounterOrder,
    /// One of those that was paid: it may have been cancelled at the same moment, and given back, by one of
    /// us that could not write it down.
    PaidCounterOrder,
    /// An order that was closed unpaid: money may still come, and its callback may be lost.
    ClosedOrder,
    /// A refund.
    Refund,
}

/// The pauses before each question, and the pause that repeats after the last of them.
#[derive(Debug, Clone, Copy)]
struct Ladder {
    pauses: &'static [TimeDelta],
    /// `None`: the last question was the last.
    tail: Option<TimeDelta>,
}

const fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

const fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

const fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

/// Alipay names no interval for orders; its callbacks are repeated for 25 hours (alipay.md).
const ALIPAY_ORDER: Ladder = Ladder {
    pauses: &[
        seconds(20),
        seconds(40),
        minutes(2),
        minutes(5),
        minutes(10),
        minutes(30),
    ],
    tail: Some(hours(1)),
};
/// A refund may be asked about 10 s after it was submitted (alipay.md §7).
const ALIPAY_REFUND: Ladder = Ladder {
    pauses: &[
        seconds(20),
        minutes(1),
        minutes(5),
        minutes(30),
        hours(2),
        hours(6),
    ],
    tail: Some(hours(24)),
};
/// 5 s, 30 s, 1, 3, 5, 10, 30 min are what WeChat Pay suggests (`wechat_v3.md` §6); the first is left out,
/// because no payer is that quick.
const WECHAT_ORDER: Ladder = Ladder {
    pauses: &[
        seconds(20),
        seconds(30),
        minutes(1),
        minutes(3),
        minutes(5),
        minutes(10),
        minutes(30),
    ],
    tail: Some(hours(1)),
};
/// Each minute, slower after five (`wechat_v3.md` §7); a bank may take days.
const WECHAT_REFUND: Ladder = Ladder {
    pauses: &[
        seconds(25),
        minutes(1),
        minutes(1),
        minutes(3),
        minutes(10),
        minutes(30),
        hours(2),
        hours(6),
    ],
    tail: Some(hours(24)),
};
/// Baidu names no intervals; its callbacks come every 2 min, 200 times (baidu.md §4).
const BAIDU_ORDER: Ladder = ALIPAY_ORDER;
/// Baidu's refund callbacks are repeated after 2, 4, 10, 30 min and each hour (baidu.md §5); money may take
/// days.
const BAIDU_REFUND: Ladder = WECHAT_REFUND;
/// Stripe and PayPal repeat their events for three days and ask to be queried slowly (stripe.md §11 and §13,
/// paypal.md §10.4 and §13).
const WEB_ORDER: Ladder = Ladder {
    pauses: &[
        seconds(20),
        minutes(1),
        minutes(3),
        minutes(10),
        minutes(30),
    ],
    tail: Some(hours(1)),
};
/// Most refunds succeed at once; some take a bank days (stripe.md §7, paypal.md §7).
const WEB_REFUND: Ladder = UNIONPAY_REFUND;
/// 5, 10, 30, 60 and 120 min are what UnionPay recommends (unionpay.md §6); the first is early, because the
/// callback may be lost. An order's ladder begins anew at its expiry: the third look there comes when
/// the gateway's word is final, ten minutes later.
const UNIONPAY_ORDER: Ladder = Ladder {
    pauses: &[
        seconds(25),
        minutes(5),
        minutes(8),
        minutes(15),
        minutes(30),
        hours(1),
    ],
    tail: Some(hours(2)),
};
/// UnionPay recommends 1 to 32 s while a refund is in progress (unionpay.md §6); its notification is quicker
/// than that, and what it loses can wait.
const UNIONPAY_REFUND: Ladder = Ladder {
    pauses: &[
        seconds(20),
        minutes(1),
        minutes(5),
        minutes(30),
        hours(2),
        hours(6),
    ],
    tail: Some(hours(24)),
};
/// Alipay wants a waiting order to be asked about every 3 to 5 s (alipay.md §6), WeChat Pay after 5 s and then
/// every 10 s (`wechat_v2.md` §5). Most end within a minute, which is their expiry; what is left then is
/// cancelled, and asked about ever more slowly while the gateway does not answer.
const COUNTER_ORDER: Ladder = Ladder {
    pauses: &[
        seconds(5),
        seconds(10),
        seconds(10),
        seconds(10),
        seconds(10),
        seconds(10),
        seconds(30),
        minutes(2),
        minutes(10),
        minutes(30),
    ],
    tail: Some(hours(1)),
};
/// One look, when everything that was on its way has arrived.
const PAID_COUNTER_ORDER: Ladder = Ladder {
    pauses: &[minutes(2)],
    tail: None,
};
/// Late looks at what was closed unpaid. The first comes soon: a code that nobody had scanned cannot be
/// closed at Alipay (alipay.md), and is closed as soon as it is seen open.
const CLOSED_ORDER: Ladder = Ladder {
    pauses: &[minutes(2), minutes(15), hours(24)],
    tail: None,
};

const NEVER: Ladder = Ladder {
    pauses: &[],
    tail: None,
};

/// The table: what is asked how often where.
fn ladder(subject: Subject, channel: Channel) -> Ladder {
    match (subject, channel) {
        (Subject::Order, Channel::Alipay) => ALIPAY_ORDER,
        (Subject::Refund, Channel::Alipay) => ALIPAY_REFUND,
        (Subject::Order, Channel::WechatPay) => WECHAT_ORDER,
        (Subject::Refund, Channel::WechatPay) => WECHAT_REFUND,
        (Subject::Order, Channel::Baidu) => BAIDU_ORDER,
        (Subject::Refund, Channel::Baidu) => BAIDU_REFUND,
        (Subject::Order, Channel::Unionpay) => UNIONPAY_ORDER,
        (Subject::Refund, Channel::Unionpay) => UNIONPAY_REFUND,
        (Subject::Order, Channel::Stripe | Channel::Paypal) => WEB_ORDER,
        (Subject::Refund, Channel::Stripe | Channel::Paypal) => WEB_REFUND,
        (
            Subject::CounterOrder,
            Channel::Alipay
            | Channel::WechatPay
            | Channel::Baidu
            | Channel::Unionpay
            | Channel::Stripe
            | Channel::Paypal,
        ) => COUNTER_ORDER,
        (
            Subject::PaidCounterOrder,
            Channel::Alipay
            | Channel::WechatPay
            | Channel::Baidu
            | Channel::Unionpay
            | Channel::Stripe
            | Channel::Paypal,
        ) => PAID_COUNTER_ORDER,
        (
            Subject::ClosedOrder,
            Channel::Alipay
            | Channel::WechatPay
            | Channel::Baidu
            | Channel::Unionpay
            | Channel::Stripe
            | Channel::Paypal,
        ) => CLOSED_ORDER,
        // Nobody is asked about a wallet.
        (
            Subject::Order
            | Subject::Refund
            | Subject::CounterOrder
            | Subject::PaidCounterOrder
            | Subject::ClosedOrder,
            Channel::Balance | Channel::Points,
        ) => NEVER,
    }
}

/// The jitter, in percent of the pause, both ways.
const JITTER_PERCENT: i32 = 20;

/// When `id` is asked about after `count` questions; `None` if that was the last. Pauses are divided by
/// `divisor`.
pub(crate) fn next(
    subject: Subject,
    channel: Channel,
    id: &str,
    count: i32,
    (now, divisor): (DateTime<Utc>, u32),
) -> Option<DateTime<Utc>> {
    let ladder = ladder(subject, channel);
    let step = usize::try_from(count).unwrap_or_default();
    let pause = ladder.pauses.get(step).copied().or(ladder.tail)?;
    let percent = 100_i32.saturating_add(jitter(id, count));
    let divisor = i32::try_from(divisor).unwrap_or(i32::MAX).max(1);
    let pause = pause
        .checked_mul(percent)?
        .checked_div(100)?
        .checked_div(divisor)?;
    now.checked_add_signed(pause)
}

/// From `-JITTER_PERCENT` to `JITTER_PERCENT`.
fn jitter(id: &str, count: i32) -> i32 {
    let digest = Sha256::digest(format!("{id}:{count}"));
    let byte = digest.first().copied().unwrap_or_default();
    let span = JITTER_PERCENT.saturating_mul(2).saturating_add(1);
    i32::from(byte)
        .checked_rem(span)
        .unwrap_or_default()
        .saturating_sub(JITTER_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(subject: Subject, channel: Channel, id: &str, count: i32) -> Option<TimeDelta> {
        let now = DateTime::UNIX_EPOCH;
        next(subject, channel, id, count, (now, 1)).map(|at| at.signed_duration_since(now))
    }

    fn gateways() -> impl Iterator<Item = Channel> {
        let all = Channel::ALL.iter().copied();
        all.filter(|channel| !channel.is_internal())
    }

    #[test]
    fn wallets_are_never_asked() {
        for channel in [Channel::Balance, Channel::Points] {
            assert_eq!(pause(Subject::Order, channel, "x", 0), None);
            assert_eq!(pause(Subject::Refund, channel, "x", 0), None);
        }
    }

    #[test]
    fn the_first_question_about_anything_open_comes_within_30_seconds() {
        for channel in gateways() {
            for subject in [Subject::Order, Subject::Refund] {
                for id in 0..500 {
                    let first = pause(subject, channel, &id.to_string(), 0).unwrap();
                    assert!(first <= TimeDelta::seconds(30), "{subject:?} {first}");
                    assert!(first >= TimeDelta::seconds(12), "{subject:?} {first}");
                }
            }
        }
    }

    #[test]
    fn at_a_counter_the_gateway_is_asked_after_5_s_and_then_every_10() {
        for channel in gateways() {
            for id in 0..100 {
                let pauses: Vec<_> = (0..6)
                    .filter_map(|count| {
                        pause(Subject::CounterOrder, channel, &id.to_string(), count)
                    })
                    .collect();
                assert!(pauses[0] <= TimeDelta::seconds(6), "{pauses:?}");
                assert!(pauses[1..].iter().all(|it| *it <= TimeDelta::seconds(12)));
                assert!(pauses.iter().all(|it| *it >= TimeDelta::seconds(4)));
            }
            let late = pause(Subject::CounterOrder, channel, "x", 40).unwrap();
            assert!(late > TimeDelta::minutes(30), "{late}");
            let looks =
                (0..5).filter_map(|count| pause(Subject::PaidCounterOrder, channel, "x", count));
            assert_eq!(looks.count(), 1);
        }
    }

    #[test]
    fn pauses_widen_and_do_not_end_before_a_month_for_what_is_open() {
        for channel in gateways() {
            for subject in [Subject::Order, Subject::Refund] {
                let first = pause(subject, channel, "x", 0).unwrap();
                let late = pause(subject, channel, "x", 40).unwrap();
                assert!(late > first * 100, "{subject:?}");
            }
        }
    }

    #[test]
    fn a_closed_order_is_looked_at_three_times() {
        let looks = (0..10)
            .filter_map(|count| pause(Subject::ClosedOrder, Channel::Alipay, "x", count))
            .count();
        assert_eq!(looks, 3);
    }

    #[test]
    fn what_began_together_does_not_stay_together() {
        let pauses: std::collections::BTreeSet<_> = (0..100)
            .filter_map(|id| pause(Subject::Order, Channel::WechatPay, &id.to_string(), 3))
            .collect();
        assert!(pauses.len() > 10, "{}", pauses.len());
        let again = pause(Subject::Order, Channel::WechatPay, "7", 3);
        assert_eq!(again, pause(Subject::Order, Channel::WechatPay, "7", 3));
    }
}
