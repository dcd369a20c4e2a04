//! Writes blocks of logs and spans.
//!
//! The batches of a flush are united into one table ([`source`]), its rows sorted ([`order`]), the
//! attributes that most rows have promoted to columns
//! ([`promote`](crate::block::promote), [`split`]), and chunk after chunk of sorted rows handed to
//! the stock writer ([`gather`], [`layout`]). Nothing but numbers is made per row.

use arrow_array::{Array, BinaryArray};
use tarn_model::error::Result;

use crate::block::index::{PAGE_ROWS, traces};
use crate::block::promote::{self, KeyUse, PromotedKey};
use crate::block::seal::{Content, IndexPart, NewBlock, Origin, refused, seal};
use crate::block::summary::Values;
use crate::block::{AttributeColumn, ValueSummary};
use crate::schema::tables::{Table, column};

mod content;
mod gather;
mod layout;
mod order;
mod source;
mod split;

use gather::Gather;
use layout::Layout;
use order::Order;
pub(crate) use source::{RowRef, Source};
use split::Splitter;

/// Rows of a row group of logs; pages, not row groups, are what is read.
const LOG_GROUP_ROWS_MAX: usize = 131_072;
/// Rows of a row group of spans: one read fetches those of a trace.
const SPAN_GROUP_ROWS_MAX: usize = 65_536;
/// Bytes of a row group before encoding.
const GROUP_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a chunk: bounds the copy that is made of it.
const CHUNK_BYTES_MAX: u64 = 16 << 20;

/// What `tarn.sort` says of the order, for outsiders.
fn sort_name(table: Table) -> &'static str {
    match table {
        Table::Logs => "service,time/1",
        Table::Spans => "trace,depth/1",
    }
}

/// Writes the block of some rows, which are given in the order of their arrival.
///
/// # Errors
/// `Internal` where the batches have another schema, or the writer refuses them: a bug.
pub(crate) fn write(
    source: &Source<'_>,
    rows: Vec<RowRef>,
    origin: &Origin<'_>,
) -> Result<NewBlock> {
    let order = Order::of(source, rows)?;
    let promoted = promoted(source, &order)?;
    let layout =
        Layout::new(source.table, &promoted, |index, name| is_present(source, &order, index, name));
    let mut splitter = Splitter::new(&promoted, source.keys.texts().len());
    let mut gather = Gather::new(source, &order, &layout)?;
    let mut writer = layout.open()?;
    let (mut at, mut group_rows, mut group_bytes) = (0, 0, 0);
    while at < order.rows.len() {
        let (end, bytes) = chunk_end(source, &order, at);
        let rows = end - at;
        if group_rows > 0
            && (group_rows + rows > group_rows_max(source.table)
                || group_bytes + bytes > GROUP_BYTES_MAX)
        {
            writer.flush().map_err(refused)?;
            (group_rows, group_bytes) = (0, 0);
        }
        writer.write(&gather.batch(at..end, &mut splitter)?).map_err(refused)?;
        (at, group_rows, group_bytes) = (end, group_rows + rows, group_bytes + bytes);
    }
    let parts = vec![IndexPart {
        name: traces::NAME,
        version: traces::VERSION,
        bytes: trace_pages(source, &order)?,
    }];
    let content = summarize(source, &order, &promoted, &splitter)?;
    seal(writer, parts, content, origin)
}

fn group_rows_max(table: Table) -> usize {
    match table {
        Table::Logs => LOG_GROUP_ROWS_MAX,
        Table::Spans => SPAN_GROUP_ROWS_MAX,
    }
}

/// Returns where the chunk that begins at a row ends, and its bytes. Chunks of ordinary rows are
/// pages, so that the pages of all columns end at the same rows.
fn chunk_end(source: &Source<'_>, order: &Order, from: usize) -> (usize, u64) {
    let page = PAGE_ROWS as usize;
    let most = ((from / page + 1) * page).min(order.rows.len());
    let mut bytes = 0;
    for at in from..most {
        let row = source.row_bytes(order.rows[at]);
        if at > from && bytes + row > CHUNK_BYTES_MAX {
            return (at, bytes);
        }
        bytes += row;
    }
    (most, bytes)
}

/// Counts the keys of all rows and chooses those that get columns.
fn promoted(source: &Source<'_>, order: &Order) -> Result<Vec<PromotedKey>> {
    let texts = source.keys.texts();
    let mut uses: Vec<KeyUse> = vec![KeyUse::default(); texts.len()];
    let (maps, kinds) = (source.maps()?, source.kinds()?);
    for at in &order.rows {
        let (batch, row) = (at.batch as usize, at.row as usize);
        let offsets = maps[batch].value_offsets();
        let own = row_kinds(kinds[batch], row);
        for (i, entry) in (offsets[row]..offsets[row + 1]).enumerate() {
            let key = source.keys.entry(batch, entry as usize);
            let kind = own.get(i).copied().unwrap_or(1);
            let count = uses.get_mut(key as usize).and_then(|u| u.kinds.get_mut(kind as usize));
            if let Some(count) = count {
                *count += 1;
            }
        }
    }
    let keys: Vec<(&str, KeyUse)> = texts.iter().flatten().zip(uses).collect();
    Ok(promote::choose(&keys, order.rows.len() as u64, layout::ids(source.table)))
}

fn row_kinds(kinds: &BinaryArray, row: usize) -> &[u8] {
    if kinds.is_null(row) { &[] } else { kinds.value(row) }
}

/// Returns whether some row has a value in a column of the table.
fn is_present(source: &Source<'_>, order: &Order, index: usize, name: &str) -> bool {
    if name == column::PROBLEMS
        && let Some(tree) = &order.tree
        && tree.problems.iter().any(|bits| *bits != 0)
    {
        return true;
    }
    let some = |batch: u32| {
        let array = source.batches[batch as usize].column(index);
        array.null_count() < array.len()
    };
    // Batches mostly agree, so the first row that has a value comes soon, or there is none in any.
    (0..source.batches.len() as u32).any(some)
        && order
            .rows
            .iter()
            .any(|at| source.batches[at.batch as usize].column(index).is_valid(at.row as usize))
}

fn trace_pages(source: &Source<'_>, order: &Order) -> Result<Vec<u8>> {
    let columns = source.ids(column::TRACE_ID)?;
    let mut pages = traces::TracePages::default();
    for (row, at) in order.rows.iter().enumerate() {
        let ids = columns[at.batch as usize];
        if ids.is_valid(at.row as usize) {
            pages.add(ids.value(at.row as usize), row as u32);
        }
    }
    Ok(pages.encode())
}

fn summarize(
    source: &Source<'_>,
    order: &Order,
    promoted: &[PromotedKey],
    splitter: &Splitter,
) -> Result<Content> {
    let times = source.times(source.table.time_column())?;
    let time = |at: &RowRef| times[at.batch as usize].value(at.row as usize);
    let (min, max) = order
        .rows
        .iter()
        .map(time)
        .fold((i64::MAX, i64::MIN), |(min, max), time| (min.min(time), max.max(time)));
    let names: &[&str] = match source.table {
        Table::Logs => &[column::SERVICE_NAME],
        Table::Spans => &[column::SERVICE_NAME, column::NAME],
    };
    let values: Result<Vec<Option<ValueSummary>>> =
        names.iter().map(|name| values(source, order, name)).collect();
    let attributes = promoted.iter().zip(splitter.left());
    Ok(Content {
        signal: source.table.signal(),
        kind: source.table.as_str(),
        sort: Some(sort_name(source.table)),
        rows: order.rows.len() as u64,
        samples: order.rows.len() as u64,
        time_min_ms: min.div_euclid(1000),
        // The ns below the last µs belong to the row as well.
        time_max_ms: max.div_euclid(1000).saturating_add(1),
        attributes: attributes
            .map(|(key, in_map)| AttributeColumn { name: key.column.clone(), in_map })
            .collect(),
        values: values?.into_iter().flatten().collect(),
        ..Content::default()
    })
}

fn values(source: &Source<'_>, order: &Order, name: &str) -> Result<Option<ValueSummary>> {
    let texts = source.texts(name)?;
    let all = texts.texts();
    let mut used = vec![false; all.len()];
    let mut values = Values::default();
    for at in &order.rows {
        match used.get_mut(texts.number(*at) as usize) {
            Some(used) => *used = true,
            None => values.absent = true,
        }
    }
    let used = all.iter().zip(used).filter(|(_, used)| *used).filter_map(|(text, _)| text);
    used.for_each(|text| values.add(Some(&text.into())));
    Ok(values.summary(name))
}
