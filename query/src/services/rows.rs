//! What stored rows tell about services: resources, and who logs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use serde_json::{Map, Value};
use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::RowColumn;

use crate::records::{self, Texts};
use crate::search::parse::{ParseLimits, parse};
use crate::search::plan::{Plan, plan};
use crate::search::scan::{End, Range, Scanner, row_scan};

/// Distinct resources that are remembered: a resource names one process, and more of them than this
/// are told by number, not one by one.
const RESOURCES_MAX: usize = 10_000;

/// What is known of one resource.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: Arc<str>,
    /// Its first and last row in the range, µs.
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    pub(crate) rows: u64,
}

/// Resources with what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    pub(crate) seen: Vec<(Arc<str>, Seen)>,
    numbers: HashMap<Arc<str>, usize>,
    bytes: u64,
    /// Not all rows were looked at.
    pub(crate) is_cut: bool,
}

/// Says which rows are looked at, and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) table: Table,
    pub(crate) range: Range,
    /// No more rows are begun once so many were seen, newest first.
    pub(crate) rows: u64,
}

/// Reads which resources sent rows.
///
/// # Errors
/// Those of reading.
pub(crate) async fn resources(
    scanner: &mut Scanner<'_>,
    wanted: &Plan,
    budget: Budget,
) -> Result<(Resources, End)> {
    let time = budget.table.time_column();
    let names = [column::SERVICE_NAME, column::RESOURCE, time];
    let columns = names.iter().map(|name| RowColumn::Stored((*name).into())).collect();
    let scan = row_scan(budget.table, columns, wanted, budget.range)?;
    let floor = Arc::clone(&scan.floor_us);
    let mut found = Resources::default();
    let mut rows = 0;
    let end = scanner
        .run(scan, |batch| {
            found.add(batch, time)?;
            rows += batch.num_rows() as u64;
            if rows >= budget.rows {
                found.is_cut = true;
                floor.store(i64::MAX, Ordering::Relaxed);
            }
            Ok(found.bytes)
        })
        .await?;
    Ok((found, end))
}

impl Resources {
    fn add(&mut self, batch: &RecordBatch, time: &str) -> Result<()> {
        let services = records::texts(batch, column::SERVICE_NAME)?;
        let resources = records::texts(batch, column::RESOURCE)?;
        let times: records::Times<'_> = records::numbers(batch, time)?;
        // A resource stands once in the buffers of a batch, however many rows have it.
        let mut known: HashMap<(usize, usize), usize> = HashMap::default();
        let mut last = ((0, 0), usize::MAX);
        for row in 0..batch.num_rows() {
            let text = resources.get(row).unwrap_or_default();
            let place = (text.as_ptr() as usize, text.len());
            if last.0 != place || last.1 == usize::MAX {
                let number = known
                    .get(&place)
                    .copied()
                    .or_else(|| self.number(text, services.get(row).unwrap_or_default()));
                let Some(number) = number else {
                    self.is_cut = true;
                    continue;
                };
                known.insert(place, number);
                last = (place, number);
            }
            let at_us = times.get(row).unwrap_or(0);
            let seen = &mut self.seen[last.1].1;
            seen.first_us = seen.first_us.min(at_us);
            seen.last_us = seen.last_us.max(at_us);
            seen.rows += 1;
        }
        Ok(())
    }

    fn number(&mut self, text: &str, service: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        if self.seen.len() >= RESOURCES_MAX {
            return None;
        }
        let shared: Arc<str> = Arc::from(text);
        let new = Seen { service: service.into(), first_us: i64::MAX, last_us: i64::MIN, rows: 0 };
        self.bytes += (text.len() + service.len() + size_of::<Seen>() + 64) as u64;
        self.numbers.insert(Arc::clone(&shared), self.seen.len());
        self.seen.push((shared, new));
        Some(self.seen.len() - 1)
    }
}

/// Returns the attributes of a resource.
pub(crate) fn attributes(resource: &str) -> Map<String, Value> {
    let parsed = serde_json::from_str::<Value>(resource).ok();
    match parsed.and_then(|mut resource| Some(resource.get_mut("attributes")?.take())) {
        Some(Value::Object(attributes)) => attributes,
        _ => Map::new(),
    }
}

/// Counts rows by service, as far as the budget goes; the flag says that it went too far.
///
/// # Errors
/// Those of reading.
pub(crate) async fn count_by_service(
    scanner: &mut Scanner<'_>,
    wanted: &Plan,
    budget: Budget,
) -> Result<(HashMap<String, u64>, bool, End)> {
    let columns = vec![RowColumn::Stored(column::SERVICE_NAME.into())];
    let scan = row_scan(budget.table, columns, wanted, budget.range)?;
    let floor = Arc::clone(&scan.floor_us);
    let mut counts: HashMap<String, u64> = HashMap::default();
    let (mut rows, mut bytes) = (0, 0);
    let end = scanner
        .run(scan, |batch| {
            rows += batch.num_rows() as u64;
            bytes += count(batch, &mut counts)?;
            if rows >= budget.rows {
                floor.store(i64::MAX, Ordering::Relaxed);
            }
            Ok(bytes)
        })
        .await?;
    Ok((counts, rows >= budget.rows, end))
}

/// Adds the services of a batch; returns the bytes of names that are new.
fn count(batch: &RecordBatch, counts: &mut HashMap<String, u64>) -> Result<u64> {
    let services: Texts<'_> = records::texts(batch, column::SERVICE_NAME)?;
    let mut bytes = 0;
    let mut row = 0;
    while row < batch.num_rows() {
        let service = services.get(row).unwrap_or_default();
        let from = row;
        while row < batch.num_rows() && services.get(row).unwrap_or_default() == service {
            row += 1;
        }
        match counts.get_mut(service) {
            Some(count) => *count += (row - from) as u64,
            None => {
                bytes += (service.len() + size_of::<(String, u64)>()) as u64;
                counts.insert(service.to_owned(), (row - from) as u64);
            }
        }
    }
    Ok(bytes)
}

/// Plans a search of ours; `text` is a constant, or quotes what comes from outside.
///
/// # Errors
/// `Internal` where the text is none.
pub(crate) fn planned(text: &str, table: Table) -> Result<Plan> {
    parse(text, ParseLimits::default()).and_then(|query| plan(&query, table)).map_err(|error| {
        tarn_model::error::Error::internal(format!("own search: {}", error.describe(text)))
    })
}
