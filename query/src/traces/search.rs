//! The newest traces with a span that is wanted.
//!
//! Two steps, over one view. First the spans that are wanted are scanned, newest first, until the
//! traces are certain; of each the newest such span is remembered. Then all spans of those traces
//! are read, for what the list says about them, and the wanted ones among them are counted.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowScan};

use super::assemble::{Summary, distinct, summary};
use super::read::scan_of;
use super::span::{Detail, Rows, Shared, Span, columns};
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner, row_scan};

/// How far before and after its wanted spans the rest of a trace is looked for. Longer traces are
/// whole where they are opened by id.
const AROUND_US: i64 = 3_600_000_000;

/// A trace of the list.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) trace_id: [u8; 16],
    pub(crate) summary: Summary,
    /// How many of its spans are wanted.
    pub(crate) matched: u64,
}

/// Finds the newest traces: those whose newest wanted span starts last.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the list needs too much memory.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    plan: &Plan,
    range: Range,
    limit: usize,
) -> Result<(Vec<Found>, End)> {
    let (newest, end) = newest_traces(scanner, plan, range, limit).await?;
    if newest.is_empty() {
        return Ok((Vec::new(), end));
    }
    let ids: Vec<[u8; 16]> = newest.iter().map(|(id, _)| *id).collect();
    let starts = newest.iter().map(|(_, start_ns)| start_ns.div_euclid(1000));
    let around = Range {
        start_us: starts.clone().min().unwrap_or(0).saturating_sub(AROUND_US),
        end_us: starts.max().unwrap_or(0).saturating_add(AROUND_US),
    };
    let (mut traces, second) = all_spans(scanner, &ids, around).await?;
    scanner.keep();
    let (matched, third) = count(scanner, plan, &ids, range).await?;
    let found = newest.iter().filter_map(|(trace_id, _)| {
        let summary = summary(&distinct(traces.remove(trace_id)?))?;
        let matched = matched.get(trace_id).copied().unwrap_or(0);
        Some(Found { trace_id: *trace_id, summary, matched })
    });
    let is_whole = [end, second, third].iter().all(|end| *end == End::Whole);
    Ok((found.collect(), if is_whole { End::Whole } else { End::OutOfTime }))
}

/// Returns traces with the start of their newest wanted span, newest first.
async fn newest_traces(
    scanner: &mut Scanner<'_>,
    plan: &Plan,
    range: Range,
    limit: usize,
) -> Result<(Vec<([u8; 16], i64)>, End)> {
    let names = [column::TRACE_ID, column::START, column::START_NS];
    let columns = names.iter().map(|name| RowColumn::Stored((*name).into())).collect();
    let scan = row_scan(Table::Spans, columns, plan, range)?;
    let floor_us = Arc::clone(&scan.floor_us);
    let mut traces: HashMap<[u8; 16], i64> = HashMap::default();
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch)?;
            for row in 0..batch.num_rows() {
                let start_ns = rows.start_ns(row);
                let newest = traces.entry(rows.trace_id(row)).or_insert(start_ns);
                *newest = start_ns.max(*newest);
            }
            if traces.len() >= limit.saturating_mul(2).max(1024) {
                keep_newest(&mut traces, limit);
            }
            if traces.len() >= limit
                && let Some(oldest_ns) = nth_newest(&traces, limit)
            {
                floor_us.fetch_max(oldest_ns.div_euclid(1000), Ordering::Relaxed);
            }
            Ok((traces.capacity() * size_of::<([u8; 16], i64)>()) as u64)
        })
        .await?;
    keep_newest(&mut traces, limit);
    let mut list: Vec<([u8; 16], i64)> = traces.into_iter().collect();
    list.sort_by_key(|(id, start_ns)| Reverse((*start_ns, *id)));
    Ok((list, end))
}

/// Returns the start of the `n`th newest trace.
fn nth_newest(traces: &HashMap<[u8; 16], i64>, n: usize) -> Option<i64> {
    let mut starts: Vec<i64> = traces.values().copied().collect();
    let at = starts.len().checked_sub(n)?;
    (at < starts.len()).then(|| *starts.select_nth_unstable(at).1)
}

/// Forgets all but the newest traces; of those that are equally old, the larger ids stay.
fn keep_newest(traces: &mut HashMap<[u8; 16], i64>, limit: usize) {
    if traces.len() <= limit {
        return;
    }
    let mut list: Vec<(i64, [u8; 16])> = traces.drain().map(|(id, start)| (start, id)).collect();
    list.sort_unstable_by(|a, b| b.cmp(a));
    traces.extend(list.into_iter().take(limit).map(|(start, id)| (id, start)));
}

async fn all_spans(
    scanner: &mut Scanner<'_>,
    ids: &[[u8; 16]],
    range: Range,
) -> Result<(HashMap<[u8; 16], Vec<Span>>, End)> {
    let scan = scan_of(ids, columns(Detail::Light), range);
    let mut shared = Shared::default();
    let mut traces: HashMap<[u8; 16], Vec<Span>> = HashMap::default();
    let mut bytes = 0;
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch)?;
            for row in 0..batch.num_rows() {
                let span = rows.span(row, &mut shared);
                bytes += span.bytes();
                traces.entry(rows.trace_id(row)).or_default().push(span);
            }
            Ok(bytes + shared.bytes())
        })
        .await?;
    Ok((traces, end))
}

/// Counts the wanted spans of some traces; those that were stored twice count once.
async fn count(
    scanner: &mut Scanner<'_>,
    plan: &Plan,
    ids: &[[u8; 16]],
    range: Range,
) -> Result<(HashMap<[u8; 16], u64>, End)> {
    let mut scan: RowScan = row_scan(Table::Spans, columns(Detail::Light), plan, range)?;
    let of = scan_of(ids, Vec::new(), range);
    scan.prune.trace_ids = of.prune.trace_ids;
    scan.filters.splice(0..0, of.filters);
    let mut shared = Shared::default();
    let mut seen: HashMap<[u8; 16], Vec<Span>> = HashMap::default();
    let mut bytes = 0;
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch)?;
            for row in 0..batch.num_rows() {
                let span = rows.span(row, &mut shared);
                bytes += span.bytes();
                seen.entry(rows.trace_id(row)).or_default().push(span);
            }
            Ok(bytes + shared.bytes())
        })
        .await?;
    let counts = seen.into_iter().map(|(id, spans)| (id, distinct(spans).len() as u64));
    Ok((counts.collect(), end))
}
