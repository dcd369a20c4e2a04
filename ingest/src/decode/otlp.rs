//! OTLP: requests of logs, traces and metrics → rows.
//!
//! The protobuf is walked where it lies, as everywhere in [`decode`](super): a request becomes rows
//! without message objects between, so nothing is amplified, text that is not UTF-8 is repaired on
//! the spot, and nesting is cut before it is followed. The three signals have one frame, resources
//! that hold scopes that hold rows ([`frame`]); a resource and a scope are written once and referred
//! to by their rows. JSON is first rewritten as protobuf ([`json`]).
//!
//! Bytes that are no such message make the whole request undecodable. Rows that cannot be taken are
//! counted in the [`Report`]; what is beyond a cap is cut or dropped and marked, which rejects
//! nothing.

use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_model::time::UnixNanos;

use crate::admit::Permit;
use crate::reply::Problems;
use value::Changes;

pub(crate) mod attributes;
mod fields;
pub(crate) mod frame;
pub(crate) mod json;
mod logs;
pub(crate) mod metrics;
mod row;
mod traces;
pub(crate) mod value;

pub(crate) use logs::logs;
pub(crate) use traces::traces;

/// Steps in which more memory is asked for, so that the counter is not touched per row.
const CHARGE_STEP: usize = 64 << 10;

/// What decoding of a request needs beside its body.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    /// Limits of the tenant.
    pub(crate) limits: &'c Limits,
    /// When the request arrived: the time of rows that have none or a wrong one.
    pub(crate) now: UnixNanos,
    permit: &'c mut Permit,
    /// Bytes asked of the permit and not used yet.
    charged: usize,
}

impl<'c> Context<'c> {
    /// Makes a context. Memory of rows is taken from `permit`.
    pub(crate) fn new(limits: &'c Limits, now: UnixNanos, permit: &'c mut Permit) -> Self {
        Self { limits, now, permit, charged: 0 }
    }

    /// Accounts for memory that decoding is about to take beyond the body.
    ///
    /// # Errors
    /// As [`Permit::grow`].
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        match self.charged.checked_sub(bytes) {
            Some(left) => {
                self.charged = left;
                Ok(())
            }
            None => self.charge_more(bytes),
        }
    }

    /// Takes back what was accounted for and is not held.
    pub(crate) fn refund(&mut self, bytes: usize) {
        self.charged += bytes;
    }

    fn charge_more(&mut self, bytes: usize) -> Result<()> {
        let more = bytes.max(CHARGE_STEP);
        self.permit.grow(more)?;
        self.charged += more - bytes;
        Ok(())
    }
}

/// What became of a request, for the sender and for Tarn's own metrics.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows taken: log records, spans or data points.
    pub(crate) accepted: u64,
    /// Rows not taken.
    pub(crate) rejected: u64,
    /// Why not, by reason, and the first of them in words.
    pub(crate) problems: Problems,
    /// Rows, resources and scopes of which something was cut or dropped by our caps.
    pub(crate) truncated: u64,
    /// Texts in which bytes that are not UTF-8 were replaced.
    pub(crate) repaired: u64,
    /// Rows taken that do not say when they were: they got the time of arrival. Two equal requests
    /// with such rows are two, and not one sent again.
    pub(crate) untimed: u64,
    /// Name of the service of each resource, with the rows taken before its own.
    sources: Vec<(String, u64)>,
}

impl Report {
    /// Notes that the rows from here on come from a service.
    fn source(&mut self, service: String) {
        self.sources.push((service, self.accepted));
    }

    /// Takes the services, each with the number of its rows.
    pub(crate) fn take_sources(&mut self) -> Vec<(String, u64)> {
        let mut sources = std::mem::take(&mut self.sources);
        let mut end = self.accepted;
        for (_, rows) in sources.iter_mut().rev() {
            let begin = *rows;
            *rows = end.saturating_sub(begin);
            end = begin;
        }
        sources
    }

    /// Counts a row that is not taken.
    pub(crate) fn reject(&mut self, reason: &'static str, detail: impl FnOnce() -> String) {
        self.rejected += 1;
        self.problems.add(reason, 1, detail);
    }

    /// Counts a row that is taken, and what had to be changed of it. Returns whether something was
    /// cut or dropped.
    fn taken(&mut self, changes: Changes, dropped: bool) -> bool {
        self.accepted += 1;
        self.changed(changes, dropped)
    }

    /// Counts what had to be changed of a row, a resource or a scope.
    fn changed(&mut self, changes: Changes, dropped: bool) -> bool {
        let truncated = dropped || changes.dropped || changes.cut_bytes > 0;
        self.truncated += u64::from(truncated);
        self.repaired += changes.repaired;
        truncated
    }
}
