//! What fails: messages of failed spans, counted, each with a trace to look at.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ListArray, RecordBatch};
use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowColumn;

use super::rows::Budget;
use crate::records::{self, Attributes, Texts};
use crate::search::plan::Plan;
use crate::search::scan::{End, Scanner, row_scan};

/// Messages that are told apart; those beyond are counted with no message.
const MESSAGES_MAX: usize = 10_000;

/// Bytes of a message that are told: the first line of nearly all.
const MESSAGE_BYTES: usize = 300;

/// Failed spans with one message.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) message: String,
    pub(crate) count: u64,
    /// The newest such span, which is stored.
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) last_us: i64,
}

/// Counts the messages of the spans that `wanted` finds, the most frequent first; the flag says that
/// there are more spans than the budget has room for.
///
/// # Errors
/// Those of reading.
pub(crate) async fn top(
    scanner: &mut Scanner<'_>,
    wanted: &Plan,
    budget: Budget,
    limit: usize,
) -> Result<(Vec<Failing>, bool, End)> {
    let names = [
        column::STATUS_MESSAGE,
        column::NAME,
        column::TRACE_ID,
        column::SPAN_ID,
        column::START,
        column::EVENTS,
    ];
    let columns = names.iter().map(|name| RowColumn::Stored((*name).into())).collect();
    let scan = row_scan(Table::Spans, columns, wanted, budget.range)?;
    let floor = Arc::clone(&scan.floor_us);
    let mut found: HashMap<String, Failing> = HashMap::default();
    let mut rows = 0;
    let end = scanner
        .run(scan, |batch| {
            rows += batch.num_rows() as u64;
            see(batch, &mut found)?;
            if rows >= budget.rows {
                floor.store(i64::MAX, Ordering::Relaxed);
            }
            Ok((found.len() * (size_of::<Failing>() + 2 * MESSAGE_BYTES)) as u64)
        })
        .await?;
    let mut list: Vec<Failing> = found.into_values().collect();
    list.sort_by(|a, b| b.count.cmp(&a.count).then(a.message.cmp(&b.message)));
    list.truncate(limit);
    Ok((list, rows >= budget.rows, end))
}

fn see(batch: &RecordBatch, found: &mut HashMap<String, Failing>) -> Result<()> {
    let messages = records::texts(batch, column::STATUS_MESSAGE)?;
    let names = records::texts(batch, column::NAME)?;
    let (traces, spans) =
        (records::ids(batch, column::TRACE_ID)?, records::ids(batch, column::SPAN_ID)?);
    let starts: records::Times<'_> = records::numbers(batch, column::START)?;
    let exceptions = Exceptions::new(batch)?;
    for row in 0..batch.num_rows() {
        let said = messages.get(row).filter(|message| !message.is_empty());
        let message = said.map(str::to_owned).or_else(|| exceptions.of(row));
        let message =
            message.unwrap_or_else(|| format!("{} failed", names.get(row).unwrap_or_default()));
        let mut message = cut(&message).to_owned();
        if found.len() >= MESSAGES_MAX && !found.contains_key(&message) {
            message = "other messages".to_owned();
        }
        let last_us = starts.get(row).unwrap_or(0);
        let (trace_id, span_id) = (traces.get(row), spans.get(row));
        let newest = Failing {
            message,
            count: 0,
            trace_id: trace_id.unwrap_or_default(),
            span_id: span_id.unwrap_or_default(),
            last_us,
        };
        match found.get_mut(&newest.message) {
            Some(known) if known.last_us >= last_us => known.count += 1,
            Some(known) => *known = Failing { count: known.count + 1, ..newest },
            None => {
                found.insert(newest.message.clone(), Failing { count: 1, ..newest });
            }
        }
    }
    Ok(())
}

fn cut(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    let end = line.floor_char_boundary(MESSAGE_BYTES);
    line.get(..end).unwrap_or(line)
}

/// Exceptions among the events of spans.
struct Exceptions<'a> {
    list: Option<&'a ListArray>,
    names: Texts<'a>,
    attributes: Option<Attributes<'a>>,
}

impl<'a> Exceptions<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self> {
        let list = records::lists(batch, column::EVENTS)?;
        let elements = list.and_then(|list| list.values().as_struct_opt());
        let Some(elements) = elements else {
            return Ok(Self { list: None, names: Texts::Missing, attributes: None });
        };
        let attributes =
            records::attributes(elements, column::ATTRIBUTES, column::ATTRIBUTE_KINDS)?;
        let names = records::texts(elements, column::NAME)?;
        Ok(Self { list, names, attributes: Some(attributes) })
    }

    /// Returns type and message of the first exception of a row.
    fn of(&self, row: usize) -> Option<String> {
        let list = self.list.filter(|list| list.is_valid(row))?;
        let attributes = self.attributes.as_ref()?;
        let offsets = list.value_offsets();
        let mut events = offsets[row] as usize..offsets[row + 1] as usize;
        let at = events.find(|at| self.names.get(*at) == Some("exception"))?;
        match (attributes.get(at, "exception.type"), attributes.get(at, "exception.message")) {
            (Some(kind), Some(message)) => Some(format!("{kind}: {message}")),
            (one, other) => one.or(other).map(str::to_owned),
        }
    }
}
