//! Decoding of one request, on whatever thread: from its body to rows that are encoded for the log
//! and wait for the commit.

use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::append::rows::TableRows;
use tarn_storage::append::{Appender, EncodedRows, RequestMark};
use tarn_storage::wal::ReplyCounts;

use super::{Format, Request};
use crate::Inner;
use crate::admit::Permit;
use crate::batch::{Batch, BatchContext, Learned, Protocol};
use crate::decode::key_cache::KeySpace;
use crate::decode::otlp::{self, Context, Report, json, metrics};

/// Rows of a request.
#[derive(Debug)]
pub(super) enum Rows {
    /// Log records or spans.
    Encoded(EncodedRows),
    /// Samples, and what the key cache learns once they are stored.
    Samples(Box<Appender>, Learned),
}

/// A request whose rows wait for the commit.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) rows: Rows,
    pub(super) report: Report,
    /// Who sent it.
    pub(super) tenant: TenantId,
    /// Names in JSON that the protocol does not have.
    pub(super) unknown: Vec<String>,
    /// Held until the rows have gone.
    _permit: Permit,
}

/// Decodes a body, which is decompressed. `hash` is that of the request.
pub(super) fn decode(inner: &Inner, request: Request, hash: u128) -> Result<Decoded> {
    let Request { signal, format, ref tenant, ref limits, body, mut permit, .. } = request;
    let (body, unknown) = match format {
        Format::Protobuf => (body, Vec::new()),
        Format::Json => {
            let json = body;
            let transcoded = json::to_wire(signal, &json, &mut permit)?;
            permit.shrink(json.len());
            (transcoded.wire.into(), transcoded.unknown)
        }
    };
    let now = inner.clock.now();
    let mut context = Context::new(limits, now, &mut permit);
    let (rows, report) = match signal {
        Signal::Logs => {
            let (rows, report) = otlp::logs(&body, &mut context)?;
            (TableRows::Logs(rows), report)
        }
        Signal::Traces => {
            let (rows, report) = otlp::traces(&body, &mut context)?;
            (TableRows::Spans(rows), report)
        }
        Signal::Metrics => {
            let (rows, report) = samples(inner, (tenant, limits), &body, hash, &mut permit)?;
            let tenant = tenant.clone();
            return Ok(Decoded { rows, report, tenant, unknown, _permit: permit });
        }
    };
    drop(body);
    let rows = inner.writer.encode_rows(tenant, rows, mark(hash, &report))?;
    let (rows, tenant) = (Rows::Encoded(rows), tenant.clone());
    Ok(Decoded { rows, report, tenant, unknown, _permit: permit })
}

fn samples(
    inner: &Inner,
    (tenant, limits): (&TenantId, &Limits),
    body: &[u8],
    hash: u128,
    permit: &mut Permit,
) -> Result<(Rows, Report)> {
    let protocol = Protocol::Otlp;
    let context = BatchContext {
        limits,
        memory: &inner.memory,
        permit,
        space: KeySpace::new(inner.memory.seed, tenant, protocol.as_str()),
        protocol,
        now: inner.clock.monotonic(),
    };
    let mut batch = Batch::new(inner.writer.appender(tenant)?, context);
    let report = metrics::decode(body, &inner.otlp, &mut batch)?;
    let Batch { sink: mut appender, learned, misses, .. } = batch;
    inner.metrics.misses(misses);
    appender.mark(mark(hash, &report));
    Ok((Rows::Samples(Box::new(appender), learned), report))
}

/// Returns by what a resend is recognised, and what it is told. A request with a row that does not
/// say when it happened has no mark: an equal one may well be another.
fn mark(hash: u128, report: &Report) -> RequestMark {
    let hash = if report.untimed == 0 { hash } else { 0 };
    let rejected = u32::try_from(report.rejected).unwrap_or(u32::MAX);
    RequestMark { hash, counts: ReplyCounts { rejected, ..ReplyCounts::default() } }
}
