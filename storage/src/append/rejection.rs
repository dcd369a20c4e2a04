//! Why a row was not taken, in words for whoever sent it and in one for the metric.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why one row was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Further behind the newest sample of its series than the out-of-order window.
    OutOfOrder {
        /// Time of the row.
        time_ms: i64,
        /// Oldest time that would have been taken.
        oldest_ms: i64,
    },
    /// Further ahead of the clock than allowed.
    TooFarAhead {
        /// Time of the row.
        time_ms: i64,
        /// Newest time that would have been taken.
        newest_ms: i64,
    },
    /// A new series over the limit of active series; those that are known go on.
    SeriesLimit {
        /// Whose limit it is, and which labels make so many series.
        told: Arc<str>,
    },
    /// More new series than a tenant may begin in a minute. The whole request should come again:
    /// what it has begun until now is known then.
    SeriesRate {
        /// The limit.
        per_minute: u64,
        /// When to try again.
        retry_after: Duration,
    },
    /// The reference is no longer valid: ask for the series again.
    StaleReference,
}

impl Rejection {
    /// Returns the value of the `reason` label of the metric that counts it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "out_of_order",
            Self::TooFarAhead { .. } => "too_far_ahead",
            Self::SeriesLimit { .. } => "series_limit",
            Self::SeriesRate { .. } => "series_rate",
            Self::StaleReference => "stale_reference",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { time_ms, oldest_ms } => {
                write!(f, "sample time {time_ms} is out of order, oldest accepted is {oldest_ms}")
            }
            Self::TooFarAhead { time_ms, newest_ms } => {
                write!(f, "sample time {time_ms} is in the future, newest accepted is {newest_ms}")
            }
            Self::SeriesLimit { told } => f.write_str(told),
            Self::SeriesRate { per_minute, .. } => {
                write!(f, "more new series in a minute than {per_minute} (metrics.new_series_max)")
            }
            Self::StaleReference => f.write_str("series reference is stale"),
        }
    }
}
