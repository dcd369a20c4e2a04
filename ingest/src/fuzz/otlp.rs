//! The OTLP decoders as plain functions of bytes.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_model::time::UnixNanos;
use tarn_model::units::ByteSize;
use tarn_storage::append::rows::TableRows;

use super::HandClock;
use crate::admit::{Admission, Permit};
use crate::decode::otlp::{self, Context, Report};

/// Decodes a body as JSON, and what becomes of it as protobuf.
///
/// # Panics
/// As [`protobuf`], and where JSON becomes protobuf that cannot be decoded.
pub fn json(signal: Signal, bytes: &[u8]) {
    let limits = Limits { memory_budget: ByteSize::mib(64), ..Limits::default() };
    let decoder = Decoder { limits, now: UnixNanos(1_790_000_000_000_000_000) };
    if let Ok((wire, _)) = decoder.transcode(signal, bytes)
        && let Err(error) = decoder.protobuf(signal, &wire)
    {
        assert_ne!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

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
    /// Rows that got the time of arrival because they have none.
    pub untimed: u64,
    /// Bytes of memory that decoding asked for.
    pub charged: u64,
}

impl Decoder {
    /// Rewrites a body in JSON as protobuf. Returns also the names that the protocol does not have.
    ///
    /// # Errors
    /// As [`Decoder::protobuf`].
    pub fn transcode(&self, signal: Signal, body: &[u8]) -> Result<(Vec<u8>, Vec<String>)> {
        let transcoded = otlp::json::to_wire(signal, body, &mut self.permit())?;
        Ok((transcoded.wire, transcoded.unknown))
    }

    fn permit(&self) -> Permit {
        let inflight = self.limits.memory_share(self.limits.inflight_memory_percent);
        Admission::new(inflight, Arc::new(HandClock::default()), Gauge::default()).permit()
    }

    /// Decodes a body of logs or traces.
    ///
    /// # Errors
    /// `Invalid` where it is undecodable; as [`crate::admit::Permit::grow`] where it would take more
    /// memory than there is.
    pub fn protobuf(&self, signal: Signal, body: &[u8]) -> Result<Decoded> {
        let mut permit = self.permit();
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
        untimed: report.untimed,
        charged,
    }
}
