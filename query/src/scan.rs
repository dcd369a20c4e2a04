//! A view of the store, read.
//!
//! - `slices`: for PromQL, series by series as slices of samples
//! - `rows`: logs and spans, for plans of DataFusion
//! - `events`: events and links of spans, as views
//! - `samples`: metrics, for plans of DataFusion: one row per sample, or per slice

pub(crate) mod events;
pub(crate) mod rows;
pub(crate) mod samples;
pub(crate) mod slices;

use std::sync::Arc;

use datafusion::common::Result;
use parking_lot::Mutex;
use tarn_promql::query::Hooks;
use tarn_storage::view::rows::ScanStats;

use crate::govern::memory::Account;
use crate::sql::error::interrupted;

/// What all scans of one query share.
#[derive(Debug)]
pub(crate) struct Context {
    account: Arc<Account>,
    /// Streams that a scan is read by.
    pub(crate) partitions: usize,
    /// Whether conditions are given to storage; tests switch it off to compare.
    pub(crate) pushdown: bool,
    /// What each scan has cost.
    scans: Mutex<Vec<Arc<ScanStats>>>,
}

impl Context {
    pub(crate) fn new(account: Arc<Account>, partitions: usize, pushdown: bool) -> Self {
        Self { account, partitions, pushdown, scans: Mutex::default() }
    }

    /// Fails where the query must stop.
    ///
    /// # Errors
    /// Why it must.
    pub(crate) fn check(&self) -> Result<()> {
        self.account.interrupted().map_or(Ok(()), |why| Err(interrupted(why)))
    }

    /// Takes memory until the query ends.
    ///
    /// # Errors
    /// `Limit` where there is none.
    pub(crate) fn reserve(&self, bytes: u64, what: &str) -> Result<()> {
        if self.account.reserve(bytes) {
            return Ok(());
        }
        let message = format!(
            "memory of all queries is used up, a share of memory.budget: {what} need {bytes} bytes"
        );
        Err(crate::sql::error::limit(message))
    }

    /// Remembers a scan that was begun.
    pub(crate) fn began(&self, stats: &Arc<ScanStats>) {
        self.scans.lock().push(Arc::clone(stats));
    }

    /// Returns what each scan has cost so far.
    pub(crate) fn scans(&self) -> Vec<Arc<ScanStats>> {
        self.scans.lock().clone()
    }
}
