//! The roll of queries: which run now, and which of the last ones took long.
//!
//! A query is entered when it gets its slot and says then whose it is and what it asks; who has not
//! said so is nobody's and is not listed. Somebody who sees a query that should not run can stop it: it
//! ends as if its client had gone away. Of those that are over the slow ones are remembered, a
//! number of them, for the question what was going on a minute ago.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::tenant::TenantId;
use tarn_model::time::UnixNanos;
use tarn_promql::query::Interrupt;

use super::metrics::{Language, Outcome};
use super::watch::Held;
use super::{Cancel, Report};

/// Longer texts are cut: a page of them is read, not run.
const TEXT_MAX: usize = 4096;

/// Slow queries that are remembered.
const REMEMBERED: usize = 200;

/// A query that took this long is worth being remembered: somebody sat and waited for it.
const SLOW: Duration = Duration::from_millis(500);

/// What runs, and what ran for long.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, Arc<Entry>>>,
    slow: Mutex<VecDeque<Ended>>,
}

/// A query that runs.
#[derive(Debug)]
pub(crate) struct Entry {
    id: u64,
    language: Language,
    began: UnixNanos,
    arrived: Duration,
    cancel: Cancel,
    asked: Mutex<Option<(TenantId, String)>>,
    held: Mutex<Weak<Held>>,
}

/// What is told of a query that runs.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) language: Language,
    pub(crate) began: UnixNanos,
    pub(crate) text: String,
    pub(crate) elapsed: Duration,
    pub(crate) bytes: u64,
}

/// A query that is over.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    tenant: TenantId,
    pub(crate) listed: Listed,
    pub(crate) rows: u64,
    pub(crate) outcome: Outcome,
}

impl Entry {
    pub(super) fn describe(&self, tenant: &TenantId, text: &str) {
        let end = text.floor_char_boundary(TEXT_MAX);
        let text = text.get(..end).unwrap_or(text).to_owned();
        *self.asked.lock() = Some((tenant.clone(), text));
    }

    pub(super) fn holds(&self, held: Weak<Held>) {
        *self.held.lock() = held;
    }

    fn bytes(&self) -> u64 {
        self.held.lock().upgrade().map_or(0, |held| held.bytes.load(Ordering::Acquire))
    }

    fn listed(&self, text: &str, elapsed: Duration, bytes: u64) -> Listed {
        let Self { id, language, began, .. } = *self;
        Listed { id, language, began, text: text.to_owned(), elapsed, bytes }
    }
}

impl Roll {
    pub(super) fn enter(
        &self,
        language: Language,
        began: UnixNanos,
        arrived: Duration,
        cancel: Cancel,
    ) -> Arc<Entry> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (asked, held) = (Mutex::new(None), Mutex::new(Weak::new()));
        let entry = Arc::new(Entry { id, language, began, arrived, cancel, asked, held });
        self.running.lock().insert(id, Arc::clone(&entry));
        entry
    }

    pub(super) fn leave(&self, entry: &Entry) {
        self.running.lock().remove(&entry.id);
    }

    /// Remembers a query that took long.
    pub(super) fn remember(
        &self,
        entry: &Entry,
        total: Duration,
        outcome: Outcome,
        report: &Report<'_>,
    ) {
        if total < SLOW {
            return;
        }
        let listed = entry.listed(report.text, total, report.bytes_peak);
        let text = listed.text.floor_char_boundary(TEXT_MAX);
        let text = listed.text.get(..text).unwrap_or_default().to_owned();
        let ended = Ended {
            tenant: report.tenant.clone(),
            listed: Listed { text, ..listed },
            rows: report.samples,
            outcome,
        };
        let mut slow = self.slow.lock();
        slow.truncate(REMEMBERED - 1);
        slow.push_front(ended);
    }

    /// Returns a tenant's queries that run, the oldest first.
    pub(crate) fn running(&self, tenant: &TenantId, now: Duration) -> Vec<Listed> {
        let running: Vec<Arc<Entry>> = self.running.lock().values().cloned().collect();
        let list = running.iter().filter_map(|entry| {
            let asked = entry.asked.lock();
            let (_, text) = asked.as_ref().filter(|(whose, _)| whose == tenant)?;
            Some(entry.listed(text, now.saturating_sub(entry.arrived), entry.bytes()))
        });
        list.collect()
    }

    /// Returns a tenant's slow queries that are over, the newest first.
    pub(crate) fn slow(&self, tenant: &TenantId) -> Vec<Ended> {
        self.slow.lock().iter().filter(|ended| ended.tenant == *tenant).cloned().collect()
    }

    /// Stops a tenant's query; returns whether there is one of that number.
    pub(crate) fn cancel(&self, tenant: &TenantId, id: u64) -> bool {
        let entry = self.running.lock().get(&id).cloned();
        let is_own = |entry: &Arc<Entry>| {
            entry.asked.lock().as_ref().is_some_and(|(whose, _)| whose == tenant)
        };
        let own = entry.filter(is_own);
        own.map(|entry| entry.cancel.interrupt(Interrupt::Canceled)).is_some()
    }
}
