//! All spans of a trace.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashSet;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowFilter, RowPrune, RowScan, RowTest};

use super::assemble::Trace;
use super::span::{Rows, Shared, columns};
use crate::search::scan::{End, Range, Scanner};

/// Reads a trace, wherever its spans are. The index of trace ids tells where that may be.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the trace needs too much memory.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    trace_id: [u8; 16],
    range: Range,
) -> Result<(Trace, End)> {
    let scan = scan_of(&[trace_id], columns(true), range);
    let mut shared = Shared::default();
    let mut spans = Vec::new();
    let mut bytes = 0;
    let end = scanner
        .run(scan, |batch| {
            Rows::new(batch)?.full_spans(&mut shared, |span| {
                bytes += span.bytes();
                spans.push(span);
            })?;
            Ok(bytes + shared.bytes())
        })
        .await?;
    Ok((Trace::assemble(spans), end))
}

/// Makes the scan for all spans of some traces.
pub(super) fn scan_of(
    trace_ids: &[[u8; 16]],
    columns: Vec<RowColumn>,
    Range { start_us, end_us }: Range,
) -> RowScan {
    let mut scan = RowScan::new(Table::Spans, columns);
    let trace_ids = trace_ids.to_vec();
    let wanted = InTraces(trace_ids.iter().copied().collect());
    scan.prune = RowPrune { start_us, end_us, trace_ids: Some(trace_ids), ..RowPrune::default() };
    let columns = vec![RowColumn::Stored(column::TRACE_ID.into())];
    scan.filters.push(RowFilter { columns, test: Arc::new(wanted) });
    scan.newest_first = true;
    scan
}

#[derive(Debug)]
struct InTraces(HashSet<[u8; 16]>);

impl RowTest for InTraces {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let ids = batch.columns().first().and_then(|ids| ids.as_fixed_size_binary_opt());
        let ids = ids.ok_or_else(|| Error::internal("read rows: the trace id is no id"))?;
        let is_wanted = |row: usize| {
            let id = <[u8; 16]>::try_from(ids.value(row));
            ids.is_valid(row) && id.is_ok_and(|id| self.0.contains(&id))
        };
        Ok((0..ids.len()).map(|row| Some(is_wanted(row))).collect())
    }
}
