//! Time: units, ranges, and the clock that everybody is handed.
//!
//! Metric times are whole milliseconds since the Unix epoch (`i64`, fields and parameters end in
//! `_ms`), as Prometheus counts them; logs and spans use [`UnixNanos`].

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// Returns whole milliseconds, rounded towards the past.
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// A closed range of metric times: both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First ms.
    pub start_ms: i64,
    /// Last ms.
    pub end_ms: i64,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start_ms: i64::MIN, end_ms: i64::MAX };

    /// Returns whether the two ranges share a millisecond.
    pub fn overlaps(self, other: Self) -> bool {
        self.start_ms <= other.end_ms && other.start_ms <= self.end_ms
    }

    /// Returns whether `time_ms` lies in the range.
    pub fn contains(self, time_ms: i64) -> bool {
        self.start_ms <= time_ms && time_ms <= self.end_ms
    }
}

/// A boxed sleep.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The only source of time below the binary, so that a simulation can own it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the wall time.
    fn now(&self) -> UnixNanos;
    /// Returns time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// Completes after `duration` on the monotonic axis.
    fn sleep(&self, duration: Duration) -> Sleep;
}
