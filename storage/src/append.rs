//! 1. A batch arrives: [`Writer`] and [`Appender`].
//!
//! An appender collects the rows of one request, decides per row what is taken, and commits the
//! rest as one record: stored whole or not at all.

use std::fmt;
use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::sample::{Exemplar, Histogram, Metadata};
use tarn_model::tenant::TenantId;

use crate::wal::Lsn;

/// Makes appenders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {}

impl Writer {
    /// Begins a request of a tenant.
    ///
    /// # Errors
    /// `Unavailable` while the log replays, the disk is full, the log cannot be written, or the
    /// head is at its memory bound.
    pub fn appender(&self, tenant: &TenantId) -> Result<Appender> {
        Err(Error::internal(format!("storage is not built yet (tenant {tenant})")))
    }
}

/// A reference to a series of the head, for one tenant. May go stale when the series has been idle
/// for long: then appending answers [`Rejection::StaleReference`] and the caller asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeriesRef {
    /// Place in the series table of the tenant.
    pub index: u32,
    /// How often the place has been given away before.
    pub epoch: u32,
}

/// Collects the rows of one request.
#[derive(Debug)]
pub struct Appender {}

impl Appender {
    /// Returns the reference of the series with these labels, and creates it on first sight.
    ///
    /// # Errors
    /// [`Rejection::SeriesLimit`] where the tenant has its limit of active series.
    pub fn series(&mut self, labels: &LabelSet) -> Result<SeriesRef, Rejection> {
        let _ = labels;
        Err(Rejection::StaleReference)
    }

    /// Takes a float sample, a staleness marker included. `start_ms` 0 means unknown.
    ///
    /// # Errors
    /// The rejection of this one sample; the appender stays usable.
    pub fn float(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: f64,
        start_ms: i64,
    ) -> Result<(), Rejection> {
        let _ = (series, time_ms, value, start_ms);
        Err(Rejection::StaleReference)
    }

    /// Takes a native histogram sample, which the caller has validated.
    ///
    /// # Errors
    /// As [`Appender::float`].
    pub fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: Arc<Histogram>,
        start_ms: i64,
    ) -> Result<(), Rejection> {
        let _ = (series, time_ms, value, start_ms);
        Err(Rejection::StaleReference)
    }

    /// Takes an exemplar of a series.
    ///
    /// # Errors
    /// As [`Appender::float`]; [`Rejection::OutOfOrder`] where it is older than the newest one of
    /// its series.
    pub fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Rejection> {
        let _ = (series, exemplar);
        Err(Rejection::StaleReference)
    }

    /// Takes the metadata of a metric family; only what is new or changed is stored.
    pub fn metadata(&mut self, family: &str, metadata: &Metadata) {
        let _ = (family, metadata);
    }

    /// Makes all taken rows durable and visible, as one record. An appender without rows commits
    /// nothing and succeeds.
    ///
    /// # Errors
    /// `Unavailable` where the log could not be written or synced: nothing is stored then.
    pub async fn commit(self) -> Result<Lsn> {
        std::future::ready(Err(Error::internal("storage is not built yet"))).await
    }
}

/// Why one row was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// A new series over the limit of active series.
    SeriesLimit {
        /// The limit.
        limit: u64,
    },
    /// The reference is no longer valid: ask for the series again.
    StaleReference,
}

impl Rejection {
    /// Returns the value of the `reason` label of the metric that counts it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "out_of_order",
            Self::TooFarAhead { .. } => "too_far_ahead",
            Self::SeriesLimit { .. } => "series_limit",
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
            Self::SeriesLimit { limit } => write!(f, "active series are at the limit of {limit}"),
            Self::StaleReference => f.write_str("series reference is stale"),
        }
    }
}
