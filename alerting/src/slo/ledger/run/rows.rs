//! Rows on their way to the totals: those that are being counted, and those that came meanwhile.
//!
//! An objective counts rows in one query, and each objective counts them once. Where a query fails
//! for a reason that may pass, the rows stay, with the objective that is next; what came meanwhile
//! stands behind them. Until nothing waits no total may be stored: with it goes the position up to
//! which everything counts.

use std::time::Duration;

use tarn_model::error::ErrorKind;
use tarn_query::SqlError;

/// Rows that no query counts for so long are given up: until then the totals of all objectives
/// stand still, and with them their pages.
const HELD_MAX: Duration = Duration::from_secs(60);

/// Rows that wait; `R` is a request of them.
#[derive(Debug)]
pub(super) struct Waiting<R> {
    counting: Vec<R>,
    /// Number of the objective that counts them next.
    next: usize,
    /// When the first query over them failed, monotonic.
    failed: Option<Duration>,
    arrived: Vec<R>,
    /// Bytes of those that are being counted, and of those that came meanwhile.
    bytes: (usize, usize),
}

/// What becomes of rows after a query over them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// They wait; whether this is the first failure.
    Kept {
        /// It was not said before.
        first: bool,
    },
    /// The objective does without them.
    GivenUp,
}

impl<R> Default for Waiting<R> {
    fn default() -> Self {
        Self { counting: Vec::new(), next: 0, failed: None, arrived: Vec::new(), bytes: (0, 0) }
    }
}

impl<R> Waiting<R> {
    /// Takes rows.
    pub(super) fn push(&mut self, rows: R, bytes: usize) {
        self.arrived.push(rows);
        self.bytes.1 += bytes;
    }

    /// Returns what waits, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.0 + self.bytes.1
    }

    /// Returns the rows to be counted and the number of the objective that counts them; `None` when
    /// nothing waits.
    pub(super) fn next(&mut self, objectives: usize) -> Option<(&[R], usize)> {
        if self.next >= objectives {
            self.counting.clear();
        }
        if self.counting.is_empty() {
            self.counting = std::mem::take(&mut self.arrived);
            (self.bytes, self.next) = ((self.bytes.1, 0), 0);
            if self.counting.is_empty() || objectives == 0 {
                *self = Self::default();
                return None;
            }
        }
        Some((&self.counting, self.next))
    }

    /// Notes that the objective has counted them.
    pub(super) fn counted(&mut self) {
        (self.next, self.failed) = (self.next + 1, None);
    }

    /// Notes that it could not.
    pub(super) fn failed(&mut self, error: &SqlError, now: Duration) -> After {
        let since = *self.failed.get_or_insert(now);
        if may_pass(error) && now.saturating_sub(since) < HELD_MAX {
            return After::Kept { first: since == now };
        }
        self.counted();
        After::GivenUp
    }
}

/// Whether the same query over the same rows may succeed later.
fn may_pass(error: &SqlError) -> bool {
    match error {
        SqlError::Invalid { .. } => false,
        SqlError::Source(error) => error.kind() != ErrorKind::Invalid,
        SqlError::Limit { .. } | SqlError::Timeout | SqlError::Canceled => true,
    }
}

#[cfg(test)]
mod tests;
