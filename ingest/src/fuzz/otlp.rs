//! The OTLP decoders as plain functions of bytes.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_model::time::UnixNanos;
use tarn_model::units::ByteSize;
use tarn_storage::append::rows::TableRows;

use super::HandClock;
use crate::admit::Admission;
use crate::decode::otlp::{self, Context, Report};

/// Decodes a body of logs or traces as protobuf, and makes a batch of what comes out.
///
/// # Panics
/// Where the rows are not as many as the report says, or do not fit into their table.
pub fn protobuf(signal: Signal, bytes: &[u8]) {
    let limits = Limits { memory_budget: ByteSize::mib(64), ..Limits::default() };
    let decoder = Decoder { limits, now: UnixNanos(1_790_000_000_000_000_000) };
    // Any verdict will do, as long as what is taken fits together.
    if let Ok(decoded) = decoder.protobuf(signal, bytes) {
        assert_eq!(decoded.rows.len() as u64, decoded.accepted);
        let batch = decoded.rows.into_batch().expect("rows fit into their table");
        assert_eq!(batch.num_rows() as u64, decoded.accepted);
    }
}

/// Decodes bodies with these limits, at this time.
#[derive(Debug)]
pub struct Decoder {
    /// Limits of the tenant.
    pub limits: Limits,
    /// When bodies arrive.
    pub now: UnixNanos,
}

/// What a body decoded to.
#[derive(Debug)]
pub struct Decoded {
    /// The rows.
    pub rows: TableRows,
    /// How many were taken.
    pub accepted: u64,
    /// How many were not.
    pub rejected: u64,
    /// Rejected rows by reason.
    pub reasons: Vec<(&'static str, u64)>,
    /// Rows, resources and scopes of which something was cut or dropped.
    pub truncated: u64,
    /// Texts that were repaired.
    pub repaired: u64,
    /// Bytes of memory that decoding asked for.
    pub charged: u64,
}

impl Decoder {
    /// Decodes a body of logs or traces.
    ///
    /// # Errors
    /// `Invalid` where it is undecodable; as [`crate::admit::Permit::grow`] where it would take more
    /// memory than there is.
    pub fn protobuf(&self, signal: Signal, body: &[u8]) -> Result<Decoded> {
        let inflight = self.limits.memory_share(self.limits.inflight_memory_percent);
        let clock = Arc::new(HandClock::default());
        let mut permit = Admission::new(inflight, clock, Gauge::default()).permit();
        let mut context = Context::new(&self.limits, self.now, &mut permit);
        let (rows, report) = match signal {
            Signal::Logs => {
                let (rows, report) = otlp::logs(body, &mut context)?;
                (TableRows::Logs(rows), report)
            }
            Signal::Traces => {
                let (rows, report) = otlp::traces(body, &mut context)?;
                (TableRows::Spans(rows), report)
            }
            Signal::Metrics => return Err(Error::invalid("metrics are no table rows")),
        };
        Ok(decoded(rows, &report, permit.bytes()))
    }
}

fn decoded(rows: TableRows, report: &Report, charged: u64) -> Decoded {
    Decoded {
        rows,
        accepted: report.accepted,
        rejected: report.rejected,
        reasons: report.problems.rejected().to_vec(),
        truncated: report.truncated,
        repaired: report.repaired,
        charged,
    }
}
