//! Decoding of one request, on whatever thread: from its body to rows that wait for the commit.

use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tarn_storage::append::rows::TableRows;

use super::{Door, Request, Signal};
use crate::Inner;
use crate::admit::Permit;
use crate::decode::otlp::Report;

/// Rows of a request.
#[derive(Debug)]
pub(super) enum Rows {
    /// Log records or spans.
    Table(TableRows),
}

/// A request whose rows wait for the commit.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) door: Door,
    pub(super) signal: Signal,
    pub(super) tenant: TenantId,
    pub(super) rows: Rows,
    pub(super) report: Report,
    /// Whether every row says when it happened: else two equal requests may well be two.
    pub(super) timed: bool,
    /// Names in JSON that the schema does not have.
    pub(super) unknown: Vec<String>,
    /// Held until the rows have gone.
    pub(super) _permit: Permit,
}

/// Decodes a body, which is decompressed.
pub(super) fn decode(_inner: &Inner, request: Request) -> Result<Decoded> {
    drop(request);
    Err(Error::unavailable("OTLP is not taken yet", std::time::Duration::from_secs(5)))
}
