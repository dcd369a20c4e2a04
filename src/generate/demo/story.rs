//! What happens in the shop, and when.
//!
//! Payment 2.14.1 is rolled out pod by pod. It has a smaller pool of connections to its gateways, too
//! small for one of them: payments over `eu-2` wait three seconds and fail, checkout fails with them.
//! After a while somebody rolls back, and later tries again. Meanwhile, and unrelated, a query of the
//! catalog over the table of orders, which has no index for it, is slow.

use std::f64::consts::TAU;

use super::services::Service;

/// Nanoseconds of a second and of a minute.
pub(crate) const SECOND_NS: i64 = 1_000_000_000;
pub(crate) const MINUTE_NS: i64 = 60 * SECOND_NS;

/// How long the bad release stays, and then the good one: the whole comes again and again.
const BAD_NS: i64 = 40 * MINUTE_NS;
const GOOD_NS: i64 = 20 * MINUTE_NS;
/// A rollout changes the next pod after this long.
const NEXT_POD_NS: i64 = 20 * SECOND_NS;

/// The payment service before and after.
const GOOD_VERSION: &str = "2.14.0";
const BAD_VERSION: &str = "2.14.1";

/// Of all payments, those that fail under the bad release, and how many of those go over `eu-2`.
const BAD_SHARE: f64 = 0.04;
const OF_GATEWAY: f64 = 0.96;
/// Of all payments, those that fail always: cards are declined, networks hiccup.
const USUAL_SHARE: f64 = 0.001;

/// Gateways with their share of the payments; the last one is the one that suffers.
pub(crate) const GATEWAYS: [(&str, f64); 3] = [("us-1", 0.2), ("eu-1", 0.46), ("eu-2", 0.34)];

/// When things happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    /// When payment 2.14.1 is deployed for the first time.
    pub(crate) deploy_ns: i64,
}

/// What runs of a service at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    pub(crate) version: &'static str,
    /// How many rollouts there were.
    pub(crate) number: u64,
    pub(crate) is_bad: bool,
    /// When this pod was started; `None` before the first rollout.
    pub(crate) since_ns: Option<i64>,
}

impl Story {
    /// Returns what runs in a pod.
    pub(crate) fn release(&self, service: Service, replica: u64, at_ns: i64) -> Release {
        let version = service.about().version;
        let first = Release { version, number: 0, is_bad: false, since_ns: None };
        let begun_ns = self.deploy_ns + replica as i64 * NEXT_POD_NS;
        if service != Service::Payment || at_ns < begun_ns {
            return first;
        }
        let passed = at_ns - begun_ns;
        let (round, into) = (passed / (BAD_NS + GOOD_NS), passed % (BAD_NS + GOOD_NS));
        let since_ns = |into: i64| Some(at_ns - into);
        let number = round as u64 * 2;
        if into < BAD_NS {
            let since_ns = since_ns(into);
            Release { version: BAD_VERSION, number: number + 1, is_bad: true, since_ns }
        } else {
            let since_ns = since_ns(into - BAD_NS);
            Release { version: GOOD_VERSION, number: number + 2, is_bad: false, since_ns }
        }
    }

    /// Returns how likely a payment over a gateway fails.
    pub(crate) fn payment_fails(release: Release, gateway: &str) -> f64 {
        if !release.is_bad {
            return USUAL_SHARE;
        }
        let suffering = GATEWAYS[GATEWAYS.len() - 1];
        if gateway == suffering.0 {
            BAD_SHARE * OF_GATEWAY / suffering.1
        } else {
            BAD_SHARE * (1.0 - OF_GATEWAY) / (1.0 - suffering.1)
        }
    }

    /// Returns how long the query without an index takes, in ms: the table grows by the hour.
    pub(crate) fn slow_query_ms(&self, at_ns: i64) -> f64 {
        let hours = (at_ns - self.deploy_ns) as f64 / (60 * MINUTE_NS) as f64;
        (900.0 + 60.0 * hours).clamp(500.0, 2_000.0)
    }

    /// Returns how much goes on, about 1: shoppers come in waves.
    pub(crate) fn traffic(at_ns: i64) -> f64 {
        let wave = |minutes: i64| {
            let period = minutes * MINUTE_NS;
            (TAU * (at_ns % period) as f64 / period as f64).sin()
        };
        1.0 + 0.18 * wave(47) + 0.09 * wave(11)
    }
}
