//! How much of the log stays although it is committed, for those who follow it by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tarn_model::units::ByteSize;

use super::pool::Pool;
use super::{Lsn, Records};

/// What a log keeps beyond what a start needs. Without followers: nothing.
#[derive(Debug)]
pub struct Keep {
    above: AtomicU64,
    bytes_max: ByteSize,
}

impl Default for Keep {
    fn default() -> Self {
        Self::new(ByteSize(0))
    }
}

impl Keep {
    /// Keeps nothing yet, and never more than `bytes_max` of segments that are committed.
    pub fn new(bytes_max: ByteSize) -> Self {
        Self { above: AtomicU64::new(u64::MAX), bytes_max }
    }

    /// Says that records above are still to be read.
    pub(crate) fn above(&self, lsn: Lsn) {
        self.above.store(lsn.0, Ordering::Release);
    }

    /// Returns whether a committed segment that ends with `last` stays, where those like it take
    /// `bytes`.
    pub(super) fn keeps(&self, last: Lsn, bytes: u64) -> bool {
        last.0 > self.above.load(Ordering::Acquire) && bytes <= self.bytes_max.0
    }
}

/// The files of a log that is being written, for reading.
#[derive(Debug, Clone)]
pub(crate) struct LogFiles {
    pool: Arc<Pool>,
}

impl LogFiles {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Returns the records above `above`, up to `through`, which is durable; and the first record
    /// that may be among them. Segments may be recycled while they are read: then the read ends
    /// with an error.
    pub(crate) fn read(&self, above: Lsn, through: Lsn) -> (Lsn, Records) {
        let segments = self.pool.segments(above, through);
        let first = segments.iter().map(|segment| segment.header.first).min();
        let records = Records::unobserved(self.pool.disk(), segments, above);
        (first.unwrap_or(through.next()), records)
    }
}
