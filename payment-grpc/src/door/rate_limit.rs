//! Rate limits by key, bounded in memory.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use kassa_core::text::AppId;

use crate::error::{Error, Limit};

/// How many keys a limiter remembers. Beyond, all keys share one quota until there is room again:
/// a flood of addresses costs the flood, not the memory.
const KEYS_MAX: usize = 65_536;
/// After how many calls the keys that have been quiet are forgotten.
const SWEEP_CALLS: u32 = 4_096;
/// An address may stand for several apps behind one proxy: so many times one app's quota.
const ADDRESS_FACTOR: u32 = 4;

/// Calls per second and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl RateLimit {
    fn quota(self, factor: u32) -> Quota {
        let count = |n: u32| NonZeroU32::new(n.saturating_mul(factor)).unwrap_or(NonZeroU32::MIN);
        Quota::per_second(count(self.per_second)).allow_burst(count(self.burst))
    }
}

/// The two limits of the door.
#[derive(Debug)]
pub(super) struct RateLimits {
    apps: Limiter<AppId>,
    addresses: Limiter<IpAddr>,
}

impl RateLimits {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            apps: Limiter::new(limit.quota(1), Limit::CallsOfApp),
            addresses: Limiter::new(limit.quota(ADDRESS_FACTOR), Limit::CallsOfAddress),
        }
    }

    /// Counts a call of an app.
    pub(super) fn check_app(&self, app: &AppId) -> Result<(), Error> {
        self.apps.check(app)
    }

    /// Counts a call from an address. An IPv6 network of 64 bits is one caller.
    pub(super) fn check_address(&self, address: IpAddr) -> Result<(), Error> {
        self.addresses.check(&network(address))
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::MAX << 64;
            IpAddr::V6((u128::from(address) & prefix).into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[derive(Debug)]
struct Limiter<K: Hash + Eq + Clone> {
    limit: Limit,
    keyed: DefaultKeyedRateLimiter<K>,
    overflow: DefaultDirectRateLimiter,
    calls: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(quota: Quota, limit: Limit) -> Self {
        Self {
            limit,
            keyed: RateLimiter::keyed(quota),
            overflow: RateLimiter::direct(quota),
            calls: AtomicU32::new(0),
        }
    }

    fn check(&self, key: &K) -> Result<(), Error> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % SWEEP_CALLS == SWEEP_CALLS - 1 {
            self.keyed.retain_recent();
        }
        let checked = if self.keyed.len() < KEYS_MAX {
            self.keyed.check_key(key)
        } else {
            self.overflow.check()
        };
        checked.map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Error::RateLimited {
                limit: self.limit,
                retry_after: round_up(wait),
            }
        })
    }
}

/// Whole milliseconds, at least one.
fn round_up(wait: Duration) -> Duration {
    Duration::from_millis(
        u64::try_from(wait.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_used_its_burst_up_is_told_when_to_come_again_and_others_are_not_disturbed() {
        let limits = RateLimits::new(RateLimit {
            per_second: 1,
            burst: 2,
        });
        let (greedy, modest) = (
            AppId::try_new("greedy").unwrap(),
            AppId::try_new("modest").unwrap(),
        );
        assert!(limits.check_app(&greedy).is_ok());
        assert!(limits.check_app(&greedy).is_ok());
        match limits.check_app(&greedy) {
            Err(Error::RateLimited {
                limit: Limit::CallsOfApp,
                retry_after,
            }) => {
                assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(1001));
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
        assert!(limits.check_app(&modest).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_caller_and_a_mapped_ipv4_address_is_itself() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
        assert_ne!(parse("192.0.2.1"), parse("192.0.2.2"));
    }
}
