//! How often an address may be wrong.
//!
//! A wrong key is refused at once and costs one hash, so guessing is hopeless and cheap. What is
//! bounded here is what a flood of wrong keys leaves behind: log lines, audit records, answers. Beyond
//! the limit the answer is 429 instead of 401. Keys that are right are never looked up here: behind one
//! address there may be a whole company, and a collector with an old key must not lock out the others.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::map::HashMap;

/// Wrong credentials of one address in a [`WINDOW`]: a collector that tries once a second is answered
/// 401, which it drops its rows for; a flood is not.
const FAILURES_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered, some 64 bytes each. Where there are more, further ones share one count.
const ADDRESSES_MAX: usize = 10_000;

/// What was wrong lately, by address.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// When the window began, monotonic.
    began: Duration,
    counts: HashMap<IpAddr, u32>,
    /// Of addresses beyond the limit.
    others: u32,
}

impl Failures {
    /// Counts wrong credentials. Returns how long to wait where there were too many.
    pub(super) fn count(&self, ip: Option<IpAddr>, now: Duration) -> Option<Duration> {
        let mut inner = self.0.lock();
        let elapsed = now.saturating_sub(inner.began);
        let left = WINDOW.checked_sub(elapsed).filter(|left| !left.is_zero());
        let left = left.unwrap_or_else(|| {
            *inner = Inner { began: now, ..Inner::default() };
            WINDOW
        });
        let Inner { counts, others, .. } = &mut *inner;
        let known =
            ip.map(network).filter(|ip| counts.len() < ADDRESSES_MAX || counts.contains_key(ip));
        let count = match known {
            Some(ip) => counts.entry(ip).or_default(),
            None => others,
        };
        *count = count.saturating_add(1);
        (*count > FAILURES_MAX).then_some(left)
    }
}

/// One customer has a whole /64 of IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_may_be_wrong_so_often_a_minute() {
        let failures = Failures::default();
        let times = |ip, now, n: u32| (0..n).filter(|_| failures.count(ip, now).is_some()).count();
        assert_eq!(times(ip("10.0.0.1"), SECOND, 70), 10);
        assert_eq!(times(ip("10.0.0.2"), SECOND, 60), 0, "others are not concerned");
        assert_eq!(failures.count(ip("10.0.0.1"), 11 * SECOND), Some(49 * SECOND));
        assert_eq!(failures.count(ip("10.0.0.1"), 61 * SECOND), None, "the next minute");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_memory_is_bounded() {
        let failures = Failures::default();
        for host in 0..60 {
            assert_eq!(failures.count(ip(&format!("2001:db8::{host:x}")), SECOND), None);
        }
        assert!(failures.count(ip("2001:db8::ffff"), SECOND).is_some());
        assert_eq!(failures.count(ip("2001:db8:0:1::1"), SECOND), None);
        for n in 0..2 * u32::try_from(ADDRESSES_MAX).unwrap() {
            failures.count(Some(IpAddr::V4(n.into())), SECOND);
        }
        assert!(failures.0.lock().counts.len() <= ADDRESSES_MAX);
        assert!(failures.count(ip("250.0.0.1"), SECOND).is_some(), "the rest shares one count");
    }
}
