//! Spans by the ids of their traces.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashSet;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowFilter, RowOrder, RowPrune, RowScan, RowTest};

use super::assemble::Trace;
use super::span::{Detail, Rows, Shared, Span, columns};
use crate::search::scan::{End, Range, Scanner};

/// Reads a trace, wherever its spans are. The index of trace ids tells where that may be.
///
/// Of a trace that is too large for that, attributes, events and links of some spans are left out:
/// its shape is worth more than they are, and they can be asked for span by span.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the trace needs too much memory all the same.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    trace_id: [u8; 16],
    range: Range,
    detail: Detail,
) -> Result<(Trace, End)> {
    let scan = scan_of(&[trace_id], columns(detail), range);
    let rest_bytes_max = scanner.memory_bytes_max() / 2;
    let mut shared = Shared::default();
    let mut spans = Vec::new();
    let (mut bytes, mut bare) = (0, 0);
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch)?;
            let take = |mut span: Span| {
                if bytes > rest_bytes_max && detail == Detail::Full {
                    span.rest = Vec::new();
                    bare += 1;
                }
                bytes += span.bytes();
                spans.push(span);
            };
            match detail {
                Detail::Full => rows.full_spans(&mut shared, take)?,
                Detail::Light | Detail::Drawn => rows.drawn_spans(&mut shared, take)?,
            }
            Ok(bytes + shared.bytes())
        })
        .await?;
    let mut trace = Trace::assemble(spans);
    trace.bare = bare;
    Ok((trace, end))
}

/// Reads one span of a trace: those that share the id, where there are several.
///
/// # Errors
/// Those of reading.
pub(crate) async fn span(
    scanner: &mut Scanner<'_>,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    range: Range,
) -> Result<(Vec<Span>, End)> {
    let mut scan = scan_of(&[trace_id], columns(Detail::Full), range);
    let columns = vec![RowColumn::Stored(column::SPAN_ID.into())];
    scan.filters.push(RowFilter { columns, test: Arc::new(Among(HashSet::from_iter([span_id]))) });
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
    Ok((super::assemble::distinct(spans), end))
}

/// Returns which of some traces have a span in the store.
///
/// # Errors
/// Those of reading.
pub(crate) async fn stored(
    scanner: &mut Scanner<'_>,
    trace_ids: &[[u8; 16]],
    range: Range,
) -> Result<(HashSet<[u8; 16]>, End)> {
    let scan = scan_of(trace_ids, vec![RowColumn::Stored(column::TRACE_ID.into())], range);
    let wanted = trace_ids.iter().collect::<HashSet<_>>().len();
    let floor_us = Arc::clone(&scan.floor_us);
    let mut found: HashSet<[u8; 16]> = HashSet::default();
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch)?;
            found.extend((0..batch.num_rows()).map(|row| rows.trace_id(row)));
            if found.len() == wanted {
                // No further row can tell anything new.
                floor_us.store(i64::MAX, Ordering::Relaxed);
            }
            Ok((found.len() * size_of::<[u8; 16]>()) as u64)
        })
        .await?;
    Ok((found, end))
}

/// Makes the scan for all spans of some traces.
pub(super) fn scan_of(
    trace_ids: &[[u8; 16]],
    columns: Vec<RowColumn>,
    Range { start_us, end_us }: Range,
) -> RowScan {
    let mut scan = RowScan::new(Table::Spans, columns);
    let trace_ids = trace_ids.to_vec();
    let wanted = Among(trace_ids.iter().copied().collect());
    scan.prune = RowPrune { start_us, end_us, trace_ids: Some(trace_ids), ..RowPrune::default() };
    let columns = vec![RowColumn::Stored(column::TRACE_ID.into())];
    scan.filters.push(RowFilter { columns, test: Arc::new(wanted) });
    scan.order = RowOrder::NewestFirst;
    scan
}

/// Keeps rows with one of some ids.
#[derive(Debug)]
struct Among<const N: usize>(HashSet<[u8; N]>);

impl<const N: usize> RowTest for Among<N> {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let ids = batch.columns().first().and_then(|ids| ids.as_fixed_size_binary_opt());
        let ids = ids.ok_or_else(|| Error::internal("read rows: the id of a span is no id"))?;
        let is_wanted = |row: usize| {
            let id = <[u8; N]>::try_from(ids.value(row));
            ids.is_valid(row) && id.is_ok_and(|id| self.0.contains(&id))
        };
        Ok((0..ids.len()).map(|row| Some(is_wanted(row))).collect())
    }
}
