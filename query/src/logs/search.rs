//! The scan for a page of log records.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tarn_model::error::Result;
use tarn_storage::schema::tables::Table;
use tarn_storage::view::rows::{RowColumn, RowFilter, RowOrder};

use super::fields::{Fields, Rows};
use super::page::{Cursor, Direction, Page, Pager};
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner, row_scan};

/// Which page of what.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) plan: Plan,
    /// What rows must be besides.
    pub(crate) filters: Vec<RowFilter>,
    pub(crate) range: Range,
    pub(crate) direction: Direction,
    /// Rows of a page.
    pub(crate) limit: usize,
    pub(crate) after: Option<Cursor>,
    pub(crate) fields: Fields,
    pub(crate) columns: Vec<RowColumn>,
}

/// Finds the records that come first. Parts of the store come in their order of time; once the page
/// is full, the time of its last row tells the scan what it need not read any more.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the page needs too much memory.
pub(crate) async fn run(scanner: &mut Scanner<'_>, request: &Request) -> Result<(Page, End)> {
    let Request { plan, direction, limit, after, fields, .. } = request;
    let mut range = request.range;
    if let Some(after) = after {
        let us = after.time_ns.div_euclid(1000);
        match direction {
            Direction::Backward => range.end_us = range.end_us.min(us),
            Direction::Forward => range.start_us = range.start_us.max(us),
        }
    }
    let mut scan = row_scan(Table::Logs, request.columns.clone(), plan, range)?;
    scan.filters.extend_from_slice(&request.filters);
    if *direction == Direction::Forward {
        scan.order = RowOrder::OldestFirst;
    }
    let (floor, ceiling) = (Arc::clone(&scan.floor_us), Arc::clone(&scan.ceiling_us));
    let mut pager = Pager::new(*direction, *limit, *after);
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch, fields)?;
            let mut offer = |row| pager.offer(rows.time_ns(row), |out| rows.write(out, row));
            // Batches go forward in time; what comes first should come first.
            match direction {
                Direction::Backward => (0..batch.num_rows()).rev().for_each(&mut offer),
                Direction::Forward => (0..batch.num_rows()).for_each(&mut offer),
            }
            if let Some(bound_ns) = pager.bound_ns() {
                let us = bound_ns.div_euclid(1000);
                match direction {
                    Direction::Backward => floor.fetch_max(us, Ordering::Relaxed),
                    Direction::Forward => ceiling.fetch_min(us, Ordering::Relaxed),
                };
            }
            Ok(pager.bytes())
        })
        .await?;
    Ok((pager.finish(), end))
}
