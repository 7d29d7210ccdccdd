//! How often something may happen per key, in bounded memory.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use kassa_core::id::TransactionId;

/// Keys that are told apart; beyond that, new ones share one allowance.
const KEYS_MAX: usize = 65_536;
/// Keys whose allowance is whole again are forgotten after so many checks.
const CHECKS_PER_PURGE: u32 = 4_096;
/// How often one payment's return page may ask for a query.
const QUERY_INTERVAL: Duration = Duration::from_secs(30);
/// An IPv6 user has a whole /64.
const IPV6_USER_BITS: u32 = 64;

/// An allowance per key.
pub(crate) struct KeyedLimiter<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    keyed: RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    overflow: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    keys_max: usize,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> KeyedLimiter<K, C> {
    fn new(quota: Quota, keys_max: usize, clock: &C) -> Self {
        Self {
            keyed: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            overflow: RateLimiter::direct_with_clock(quota, clock.clone()),
            keys_max,
            checks: AtomicU32::new(0),
        }
    }

    /// Whether it may happen now; counts it if so.
    pub(crate) fn allows(&self, key: &K) -> bool {
        if self
            .checks
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(CHECKS_PER_PURGE)
        {
            self.keyed.retain_recent();
            self.keyed.shrink_to_fit();
        }
        if self.keyed.len() >= self.keys_max {
            return self.overflow.check().is_ok();
        }
        self.keyed.check_key(key).is_ok()
    }
}

/// Requests per address.
pub(crate) struct AddressLimiter(KeyedLimiter<IpAddr>);

impl AddressLimiter {
    pub(crate) fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self(KeyedLimiter::new(quota, KEYS_MAX, &DefaultClock::default()))
    }

    /// Whether `address` may send a request now.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.0.allows(&user(address))
    }
}

/// Query commands per payment.
pub(crate) struct QueryLimiter(Option<KeyedLimiter<TransactionId>>);

impl QueryLimiter {
    pub(crate) fn new() -> Self {
        let limiter = |quota| KeyedLimiter::new(quota, KEYS_MAX, &DefaultClock::default());
        Self(Quota::with_period(QUERY_INTERVAL).map(limiter))
    }

    /// Whether a query for the payment may be asked for now.
    pub(crate) fn allows(&self, payment: TransactionId) -> bool {
        self.0
            .as_ref()
            .is_some_and(|limiter| limiter.allows(&payment))
    }
}

/// The address, or its network where one user has many.
fn user(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << IPV6_USER_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn quota(per_second: u32, burst: u32) -> Quota {
        Quota::per_second(NonZeroU32::new(per_second).unwrap())
            .allow_burst(NonZeroU32::new(burst).unwrap())
    }

    #[test]
    fn a_key_is_refused_beyond_its_burst_until_time_has_passed() {
        let clock = FakeRelativeClock::default();
        let limiter = KeyedLimiter::new(quota(1, 3), 10, &clock);
        let allowed = || (0..5).filter(|_| limiter.allows(&"a")).count();
        assert_eq!(allowed(), 3);
        assert!(limiter.allows(&"b"), "another key has its own allowance");
        clock.advance(Duration::from_secs(2));
        assert_eq!(allowed(), 2);
    }

    #[test]
    fn beyond_the_number_of_keys_the_rest_share_one_allowance() {
        let clock = FakeRelativeClock::default();
        let limiter = KeyedLimiter::new(quota(1, 1), 2, &clock);
        assert!(limiter.allows(&1) && limiter.allows(&2));
        assert!(limiter.allows(&3), "the shared allowance");
        assert!(!limiter.allows(&4), "is used up");
        assert_eq!(limiter.keyed.len(), 2);
    }

    #[test]
    fn keys_whose_allowance_is_whole_again_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limiter = KeyedLimiter::new(quota(1, 1), 10, &clock);
        for key in 0..10 {
            limiter.allows(&key);
        }
        clock.advance(Duration::from_secs(5));
        for _ in 0..CHECKS_PER_PURGE {
            limiter.allows(&0);
        }
        assert_eq!(limiter.keyed.len(), 1);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_user() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            user(address("2001:db8::1")),
            user(address("2001:db8::2:0:0:1"))
        );
        assert_ne!(
            user(address("2001:db8::1")),
            user(address("2001:db8:0:1::1"))
        );
        assert_eq!(user(address("192.0.2.1")), address("192.0.2.1"));
    }
}
