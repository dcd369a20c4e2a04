//! Memory of plans: DataFusion's reservations on the query's account.
//!
//! A query may hold its own share, and all queries together theirs; both are asked on every
//! reservation. What DataFusion takes without asking (`grow`) is counted too, so that the next one
//! who asks is refused.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};
use parking_lot::Mutex;
use tarn_model::units::ByteSize;
use tarn_promql::query::Hooks;

use crate::govern::memory::Account;
use crate::sql::error::SqlError;

/// The pool of one query.
#[derive(Debug)]
pub(crate) struct QueryPool {
    account: Arc<Account>,
    bytes_max: u64,
    /// What the query holds.
    used: AtomicU64,
    /// How much of it the account could not be charged with.
    uncharged: AtomicU64,
    peak: AtomicU64,
    /// Why memory was last refused. DataFusion writes around what it is told, about settings that
    /// nobody here can set.
    refusal: Mutex<Option<String>>,
}

impl QueryPool {
    pub(crate) fn new(account: Arc<Account>, bytes_max: u64) -> Self {
        let zero = AtomicU64::default;
        Self {
            account,
            bytes_max,
            used: zero(),
            uncharged: zero(),
            peak: zero(),
            refusal: Mutex::default(),
        }
    }

    /// Returns the most that was ever held at once.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Returns an error of a plan that has this pool; where memory was short, with the limit.
    pub(crate) fn explain(&self, error: DataFusionError) -> SqlError {
        let short = matches!(error.find_root(), DataFusionError::ResourcesExhausted(_));
        match self.refusal.lock().take() {
            Some(refusal) if short => SqlError::limit(refusal),
            _ => error.into(),
        }
    }

    fn refuse(&self, message: String) -> Result<()> {
        *self.refusal.lock() = Some(message.clone());
        Err(DataFusionError::ResourcesExhausted(message))
    }

    fn took(&self, bytes: u64) {
        let used = self.used.fetch_add(bytes, Ordering::AcqRel) + bytes;
        self.peak.fetch_max(used, Ordering::Relaxed);
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryPool({} of {} bytes)", self.reserved(), self.bytes_max)
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        let bytes = additional as u64;
        if !self.account.reserve(bytes) {
            self.uncharged.fetch_add(bytes, Ordering::AcqRel);
        }
        self.took(bytes);
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        let bytes = shrink as u64;
        self.used.fetch_sub(bytes, Ordering::AcqRel);
        let settle = |uncharged: u64| Some(uncharged.saturating_sub(bytes));
        let before = self.uncharged.try_update(Ordering::AcqRel, Ordering::Acquire, settle);
        let settled = before.unwrap_or(0).min(bytes);
        self.account.release(bytes - settled);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let bytes = additional as u64;
        let used = self.used.load(Ordering::Acquire);
        let who = reservation.consumer().name();
        if used.saturating_add(bytes) > self.bytes_max {
            let max = ByteSize(self.bytes_max);
            return self.refuse(format!(
                "query needs too much memory: {who} asks for {bytes} bytes beside {used}, one query \
                 may take {max}, a share of memory.budget"
            ));
        }
        if !self.account.reserve(bytes) {
            return self.refuse(format!(
                "memory of all queries is used up, a share of memory.budget: {who} asks for {bytes} bytes \
                 beside {used}"
            ));
        }
        self.took(bytes);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Acquire) as usize
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_max as usize)
    }
}
