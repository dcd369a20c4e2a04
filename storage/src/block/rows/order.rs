//! The order of rows in a block, and what spans learn from it.
//!
//! Log records: by service, then time, then arrival. Spans: by the start of their trace, then trace,
//! then depth first ([`trace_order`](crate::block::trace_order)).

use arrow_array::Array;
use tarn_model::error::Result;
use tarn_model::map::HashMap;

use super::content;
use super::source::{RowRef, Source};
use crate::block::trace_order::{SpanKey, TraceOrder};
use crate::schema::tables::{Table, column};

/// Rows in the order of a block.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) rows: Vec<RowRef>,
    /// Of spans: places in their trees, row by row.
    pub(crate) tree: Option<Tree>,
}

/// Places of spans in their trees.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Rows back to the parent; `None` = root.
    pub(crate) parent_back: Vec<Option<u32>>,
    /// Descendants that follow.
    pub(crate) subtree: Vec<u32>,
    /// Bits of [`problem`](crate::schema::tables::problem) found by ordering.
    pub(crate) problems: Vec<i32>,
}

impl Order {
    /// Orders rows that are given in the order of their arrival.
    ///
    /// # Errors
    /// `Internal` where a batch has another schema.
    pub(crate) fn of(source: &Source<'_>, rows: Vec<RowRef>) -> Result<Self> {
        match source.table {
            Table::Logs => Ok(Self { rows: logs(source, rows)?, tree: None }),
            Table::Spans => spans(source, &rows),
        }
    }
}

fn logs(source: &Source<'_>, rows: Vec<RowRef>) -> Result<Vec<RowRef>> {
    let services = source.texts(column::SERVICE_NAME)?;
    let ranks = services.ranks();
    let times = source.times(column::TIMESTAMP)?;
    let nanos = source.ints(column::TIMESTAMP_NS)?;
    let key = |at: RowRef| {
        let (batch, row) = (at.batch as usize, at.row as usize);
        let rank = ranks.get(services.number(at) as usize).copied().unwrap_or(0);
        let nanos = if nanos[batch].is_null(row) { 0 } else { nanos[batch].value(row) };
        (rank, times[batch].value(row), nanos, at)
    };
    // A row's address is its arrival.
    let mut keyed: Vec<(u32, i64, i32, RowRef)> = rows.into_iter().map(key).collect();
    keyed.sort_unstable();
    Ok(keyed.into_iter().map(|(_, _, _, at)| at).collect())
}

/// Rows of spans, trace by trace.
struct Traces {
    /// Rows of one trace are neighbours.
    rows: Vec<RowRef>,
    /// Where each trace begins in them, and the end.
    bounds: Vec<usize>,
    ids: Vec<[u8; 16]>,
}

fn spans(source: &Source<'_>, rows: &[RowRef]) -> Result<Order> {
    let traces = group(source, rows)?;
    let starts = source.times(column::START)?;
    let nanos = source.ints(column::START_NS)?;
    let (ids, parents) = (source.ids(column::SPAN_ID)?, source.ids(column::PARENT_SPAN_ID)?);
    let key = |at: &RowRef| {
        let (batch, row) = (at.batch as usize, at.row as usize);
        let parent = &parents[batch];
        SpanKey {
            id: number(ids[batch].value(row)),
            parent: parent.is_valid(row).then(|| number(parent.value(row))),
            start: (
                starts[batch].value(row),
                if nanos[batch].is_null(row) { 0 } else { nanos[batch].value(row) },
            ),
        }
    };
    let keys: Vec<SpanKey> = traces.rows.iter().map(key).collect();
    let mut by_start: Vec<((i64, i32), u32)> = traces
        .bounds
        .windows(2)
        .enumerate()
        .map(|(i, w)| {
            let start = keys[w[0]..w[1]].iter().map(|key| key.start).min();
            (start.unwrap_or_default(), i as u32)
        })
        .collect();
    by_start.sort_unstable_by_key(|(start, trace)| (*start, traces.ids[*trace as usize]));
    let (mut order, mut placed) = (TraceOrder::default(), Vec::new());
    let mut tree = Tree::default();
    let mut sorted = Vec::with_capacity(rows.len());
    for (_, trace) in by_start {
        let range = traces.bounds[trace as usize]..traces.bounds[trace as usize + 1];
        let rows = &traces.rows[range.clone()];
        let content = |span: usize| {
            content::hash(&source.batches[rows[span].batch as usize], rows[span].row as usize)
        };
        placed.clear();
        order.order(&keys[range], content, &mut placed);
        for span in &placed {
            sorted.push(rows[span.span as usize]);
            tree.parent_back.push(span.parent_back);
            tree.subtree.push(span.subtree);
            tree.problems.push(span.problems);
        }
    }
    Ok(Order { rows: sorted, tree: Some(tree) })
}

/// Puts the rows of each trace together, keeping their order.
fn group(source: &Source<'_>, rows: &[RowRef]) -> Result<Traces> {
    let columns = source.ids(column::TRACE_ID)?;
    let mut known: HashMap<[u8; 16], u32> = HashMap::default();
    let (mut ids, mut counts) = (Vec::new(), Vec::new());
    let mut numbers = Vec::with_capacity(rows.len());
    for at in rows {
        let mut id = [0; 16];
        id.copy_from_slice(columns[at.batch as usize].value(at.row as usize));
        let number = *known.entry(id).or_insert_with(|| {
            ids.push(id);
            counts.push(0);
            ids.len() as u32 - 1
        });
        counts[number as usize] += 1;
        numbers.push(number);
    }
    let mut bounds = Vec::with_capacity(counts.len() + 1);
    let mut end = 0;
    for count in counts {
        bounds.push(end);
        end += count;
    }
    let mut next = bounds.clone();
    bounds.push(end);
    let mut grouped = vec![RowRef { batch: 0, row: 0 }; rows.len()];
    for (at, number) in rows.iter().zip(numbers) {
        let place = &mut next[number as usize];
        grouped[*place] = *at;
        *place += 1;
    }
    Ok(Traces { rows: grouped, bounds, ids })
}

/// Returns an id of eight bytes as number, in the order of bytes.
fn number(id: &[u8]) -> u64 {
    id.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
