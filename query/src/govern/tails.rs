//! Who watches rows as they come. Such a tail has no end of its own: it holds no slot of queries, and
//! there are a bounded number of them, each with a bounded share of the memory of queries.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::memory::Account;
use super::{Cancel, Governor};

/// Tails at once. Each compares every record that is stored with what it wants; this many of them
/// cost about as much as storing the records does.
const TAILS_MAX: usize = 32;

/// Whoever is refused may come again then.
const RETRY: Duration = Duration::from_secs(10);

/// Tails that run, and how all of them end.
#[derive(Debug)]
pub(crate) struct Tails {
    slots: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    running: Gauge,
}

/// One that was admitted.
#[derive(Debug)]
pub(crate) struct Tail {
    stop: watch::Receiver<bool>,
    running: Gauge,
    _slot: OwnedSemaphorePermit,
    account: Account,
}

impl Tails {
    pub(super) fn new(running: Gauge) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(TAILS_MAX)),
            stop: watch::Sender::new(false),
            running,
        }
    }

    /// Ends all tails, and refuses new ones.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Governor {
    /// Admits a tail that may hold `bytes`.
    ///
    /// # Errors
    /// `Unavailable` where there are too many, or the server stops; `LimitExceeded` where there is no
    /// memory.
    pub(crate) fn tail(&self, bytes: u64, cancel: Cancel) -> Result<Tail> {
        let tails = &self.tails;
        let stop = tails.stop.subscribe();
        if *stop.borrow() {
            return Err(Error::unavailable("the server is stopping", RETRY));
        }
        let slot = Arc::clone(&tails.slots).try_acquire_owned().map_err(|_| {
            let message = format!("too many live tails, limit is {TAILS_MAX} at once");
            Error::unavailable(message, RETRY)
        })?;
        let account =
            Account::new(Arc::clone(&self.pool), Arc::clone(&self.clock), Duration::MAX, cancel);
        if !tarn_promql::query::Hooks::reserve(&account, bytes) {
            let message = format!("memory of all queries is used up: a tail needs {bytes} bytes");
            return Err(Error::over(Limit::QueriesMemory, message));
        }
        tails.running.inc();
        Ok(Tail { stop, running: tails.running.clone(), _slot: slot, account })
    }
}

impl Tail {
    /// Completes when the server stops.
    pub(crate) async fn stopped(&mut self) {
        // The sender lives as long as the governor; without it there is nothing to tail either.
        self.stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default();
    }

    /// Returns whether it was stopped because memory ran out, or because its client has gone.
    pub(crate) fn is_over(&self) -> bool {
        tarn_promql::query::Hooks::interrupted(&self.account).is_some()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.running.dec();
    }
}
