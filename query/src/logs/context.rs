//! What the same sender wrote before and after a record.
//!
//! A sender is a service with one resource: a process, mostly. The record is found by its time, to the
//! ns; then two pages go away from it, one back and one forward, in the order in which searches page.

use std::sync::Arc;

use arrow_array::{Array as _, BooleanArray, RecordBatch};
use tarn_model::error::{Error, Result};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowFilter, RowPrune, RowTest};
use xxhash_rust::xxh3::xxh3_64;

use super::fields::{Fields, Rows};
use super::page::{Cursor, Direction};
use super::search::{self, Request};
use crate::records::{self, Texts};
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner, row_scan};

/// Around which record, and how much.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) at_ns: i64,
    /// `None`: of any.
    pub(crate) service: Option<String>,
    /// What the record must be besides, where its time does not tell it from others.
    pub(crate) plan: Plan,
    /// How far away rows may be.
    pub(crate) range: Range,
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) fields: Fields,
}

/// A record and those around it, oldest first.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) before: Vec<Vec<u8>>,
    pub(crate) row: Vec<u8>,
    pub(crate) after: Vec<Vec<u8>>,
}

/// The record that was named.
#[derive(Debug)]
struct Anchor {
    hash: u64,
    json: Vec<u8>,
    service: Option<String>,
    resource: Option<String>,
}

/// Finds a record and what is around it; `None` where there is no such record.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the rows need too much memory.
pub(crate) async fn run(
    scanner: &mut Scanner<'_>,
    asked: &Asked,
) -> Result<(Option<Context>, End)> {
    let (anchor, end) = find(scanner, asked).await?;
    let Some(anchor) = anchor.filter(|_| end == End::Whole) else { return Ok((None, end)) };
    let mut ends = end;
    let mut pages = [Vec::new(), Vec::new()];
    let directions = [(Direction::Backward, asked.before), (Direction::Forward, asked.after)];
    for ((direction, limit), page) in directions.into_iter().zip(&mut pages) {
        if limit == 0 || ends == End::OutOfTime {
            continue;
        }
        let (found, end) = search::run(scanner, &anchor.page(asked, direction, limit)).await?;
        scanner.keep();
        *page = found.rows;
        ends = end;
    }
    let [mut before, after] = pages;
    before.reverse();
    Ok((Some(Context { before, row: anchor.json, after }), ends))
}

/// Finds the record; of several, always the same one.
async fn find(scanner: &mut Scanner<'_>, asked: &Asked) -> Result<(Option<Anchor>, End)> {
    let us = asked.at_ns.div_euclid(1000);
    let range = Range { start_us: us, end_us: us };
    let mut scan = row_scan(Table::Logs, columns(&asked.fields), &asked.plan, range)?;
    if let Some(service) = &asked.service {
        scan.filters.push(Same::filter(column::SERVICE_NAME, Some(service.clone())));
    }
    let mut anchor: Option<Anchor> = None;
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch, &asked.fields)?;
            let services = records::texts(batch, column::SERVICE_NAME)?;
            let resources = records::texts(batch, column::RESOURCE)?;
            for row in (0..batch.num_rows()).filter(|row| rows.time_ns(*row) == asked.at_ns) {
                let mut json = Vec::new();
                rows.write(&mut json, row);
                let hash = xxh3_64(&json);
                if anchor.as_ref().is_none_or(|anchor| hash < anchor.hash) {
                    let owned = |text: Option<&str>| text.map(str::to_owned);
                    let service = owned(services.get(row));
                    let resource = owned(resources.get(row));
                    anchor = Some(Anchor { hash, json, service, resource });
                }
            }
            Ok(anchor.as_ref().map_or(0, |anchor| 2 * anchor.json.len() as u64))
        })
        .await?;
    scanner.keep();
    Ok((anchor, end))
}

/// Returns the columns of rows: those wanted, and by which a sender is known. All scans have the same,
/// so that a row is written in the same way by each.
fn columns(fields: &Fields) -> Vec<RowColumn> {
    let mut columns = fields.columns();
    let own = [column::SERVICE_NAME, column::RESOURCE];
    columns.extend(own.map(|name| RowColumn::Stored(name.into())));
    columns.sort_unstable();
    columns.dedup();
    columns
}

impl Anchor {
    /// Makes the request for a page of what its sender wrote. Records that hold the same as it are
    /// behind it, all of them.
    fn page(&self, asked: &Asked, direction: Direction, limit: usize) -> Request {
        let seen = if direction == Direction::Backward { u64::MAX } else { 1 };
        let services = self.service.clone().filter(|name| !name.is_empty()).map(|name| vec![name]);
        Request {
            plan: Plan {
                conditions: Vec::new(),
                prune: RowPrune { services, ..RowPrune::default() },
            },
            filters: vec![
                Same::filter(column::SERVICE_NAME, self.service.clone()),
                Same::filter(column::RESOURCE, self.resource.clone()),
            ],
            range: asked.range,
            direction,
            limit,
            after: Some(Cursor { time_ns: asked.at_ns, hash: self.hash, seen }),
            fields: asked.fields.clone(),
            columns: columns(&asked.fields),
        }
    }
}

/// Keeps rows whose column has one text, or none.
#[derive(Debug)]
struct Same {
    column: &'static str,
    wanted: Option<String>,
}

impl Same {
    fn filter(column: &'static str, wanted: Option<String>) -> RowFilter {
        let columns = vec![RowColumn::Stored(column.into())];
        RowFilter { columns, test: Arc::new(Self { column, wanted }) }
    }
}

impl RowTest for Same {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let texts = records::texts(batch, self.column)?;
        let wanted = self.wanted.as_deref();
        let Texts::Codes(codes, values) = &texts else {
            return Ok((0..batch.num_rows()).map(|row| Some(texts.get(row) == wanted)).collect());
        };
        // Texts of resources are long: each is compared once.
        let mut known: Vec<Option<bool>> = vec![None; values.len()];
        let mut is_same = |code: i32| -> Result<bool> {
            let known = usize::try_from(code).ok().and_then(|at| Some((at, known.get_mut(at)?)));
            let (at, known) = known.ok_or_else(|| Error::internal("a code has no text"))?;
            let text = || values.is_valid(at).then(|| values.value(at));
            Ok(*known.get_or_insert_with(|| text() == wanted))
        };
        let verdicts = codes.iter().map(|code| match code {
            Some(code) => is_same(code),
            None => Ok(wanted.is_none()),
        });
        Ok(BooleanArray::from(verdicts.collect::<Result<Vec<bool>>>()?))
    }
}
