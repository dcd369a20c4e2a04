//! The scan for a page of log records.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tarn_model::error::Result;
use tarn_storage::schema::tables::Table;

use super::fields::{Fields, Rows};
use super::newest::{Cursor, Newest, Page};
use crate::search::plan::Plan;
use crate::search::scan::{End, Range, Scanner, row_scan};

/// Which page of what.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) plan: Plan,
    pub(crate) range: Range,
    /// Rows of a page.
    pub(crate) limit: usize,
    pub(crate) after: Option<Cursor>,
    pub(crate) fields: Fields,
}

/// Finds the newest records. Parts of the store come newest first; once the page is full, the time
/// of its oldest row tells the scan what it need not read any more.
///
/// # Errors
/// Those of reading; `LimitExceeded` where the page needs too much memory.
pub(crate) async fn run(scanner: &mut Scanner<'_>, request: &Request) -> Result<(Page, End)> {
    let Request { plan, range, limit, after, fields } = request;
    let mut range = *range;
    if let Some(after) = after {
        range.end_us = range.end_us.min(after.time_ns.div_euclid(1000));
    }
    let scan = row_scan(Table::Logs, fields.columns(), plan, range)?;
    let floor_us = Arc::clone(&scan.floor_us);
    let mut newest = Newest::new(*limit, *after);
    let end = scanner
        .run(scan, |batch| {
            let rows = Rows::new(batch, fields)?;
            // Batches go forward in time; what comes last pushes out what came first.
            for row in (0..batch.num_rows()).rev() {
                newest.offer(rows.time_ns(row), |out| rows.write(out, row));
            }
            if let Some(floor_ns) = newest.floor_ns() {
                floor_us.fetch_max(floor_ns.div_euclid(1000), Ordering::Relaxed);
            }
            Ok(newest.bytes())
        })
        .await?;
    Ok((newest.finish(), end))
}
