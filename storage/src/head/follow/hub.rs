//! Between the commit thread and those who follow: one list of what happened, bounded in bytes.
//!
//! The list holds what the slowest follower has not pulled yet; beyond the bound the oldest goes,
//! and whoever had not pulled it finds its place behind the beginning of the list. Without followers
//! the list is empty.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tokio::sync::watch;

use super::named::Named;
use super::{FollowOptions, Followed, RowBatch, SampleBatch};
use crate::head::TenantHead;
use crate::head::columns::Rows;
use crate::head::tables::TableBatch;
use crate::wal::{Keep, LogFiles, Lsn};

/// The rows of one record, inserted.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) lsn: Lsn,
    pub(crate) tenant: Arc<TenantHead>,
    pub(crate) rows: Rows,
    pub(crate) table: Option<TableBatch>,
}

/// Knows who follows, and what they have not pulled yet.
#[derive(Debug)]
pub(crate) struct Hub {
    list: Mutex<List>,
    changed: watch::Sender<()>,
    bytes_max: usize,
    named: Named,
    /// Once the log takes appends.
    files: OnceLock<LogFiles>,
    /// Held while the positions are written: several flushes may come to it at once.
    pub(super) saving: Mutex<()>,
}

#[derive(Debug, Default)]
struct List {
    events: VecDeque<Event>,
    /// Number of the first event; numbers are never used again.
    first: u64,
    bytes: usize,
    /// Everything at or below was told, or was before the first follower.
    last: Lsn,
    /// The last record that went because of the bound.
    dropped: Lsn,
    /// Follower → number of the event that it pulls next.
    cursors: HashMap<u64, u64>,
    next_follower: u64,
    closed: bool,
}

#[derive(Debug)]
struct Event {
    lsn: Lsn,
    what: Followed,
    bytes: usize,
}

impl Hub {
    /// Makes one that may hold so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            list: Mutex::default(),
            changed: watch::Sender::new(()),
            bytes_max,
            named: Named::default(),
            files: OnceLock::new(),
            saving: Mutex::default(),
        }
    }

    /// Returns who follows by name.
    pub(crate) fn named(&self) -> &Named {
        &self.named
    }

    /// Says for whom `keep` keeps the log.
    pub(crate) fn keep_for(&self, wanted: &[&'static str], keep: &Arc<Keep>) {
        self.named.keep_for(wanted, keep);
    }

    /// Notes a durable acknowledgement.
    pub(crate) fn acknowledge(&self, name: &str, lsn: Lsn) {
        self.named.acknowledge(name, lsn);
    }

    /// Hands over the files of the log, which has been replayed: from now on all positions are known.
    pub(crate) fn attach(&self, files: LogFiles) {
        self.files.get_or_init(|| files);
        self.changed.send_replace(());
    }

    /// Returns the files of the log, once it has been replayed.
    pub(super) fn files(&self) -> Option<&LogFiles> {
        self.files.get()
    }

    /// Returns what wakes a follower.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Says that the log goes on behind `last`, in a new definition period. Of what is refused after
    /// a failed sync nobody is told, so that it is no reason to go on.
    pub(crate) fn begin(&self, last: Lsn) {
        self.named.boundary(last);
        let mut list = self.list.lock();
        if list.last == Lsn::default() {
            list.last = last;
        }
    }

    /// Takes what a group has inserted, up to the record `last`; it is visible by now.
    pub(crate) fn publish(&self, applied: &mut Vec<Applied>, last: Lsn) {
        let mut list = self.list.lock();
        list.last = list.last.max(last);
        if list.cursors.is_empty() {
            drop(list);
            applied.clear();
            return;
        }
        applied.drain(..).for_each(|applied| list.push_record(applied));
        list.trim(self.bytes_max);
        drop(list);
        self.changed.send_replace(());
    }

    /// Says that the head was cut behind `last`.
    pub(crate) fn cut(&self, last: Lsn) {
        self.named.boundary(last);
        let mut list = self.list.lock();
        if !list.cursors.is_empty() {
            list.push(Event { lsn: last, what: Followed::Cut(last), bytes: size_of::<Event>() });
            drop(list);
            self.changed.send_replace(());
        }
    }

    /// Says that nothing will come any more.
    pub(crate) fn close(&self) {
        self.list.lock().closed = true;
        self.changed.send_replace(());
    }

    /// Returns whether nothing will come any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.list.lock().closed
    }

    /// Marks the places of a tenant's series that somebody may still ask for.
    pub(crate) fn mark_used(&self, tenant: &TenantId, used: &mut Vec<bool>) {
        let list = self.list.lock();
        for event in &list.events {
            if let Followed::Samples(batch) = &event.what
                && batch.tenant() == tenant
            {
                batch.rows.each_series(|index| {
                    let at = index as usize;
                    used.resize(used.len().max(at + 1), false);
                    used[at] = true;
                });
            }
        }
    }

    /// Lets a follower in: its number, and what it will not be told.
    pub(super) fn join(&self) -> (u64, Lsn) {
        let mut list = self.list.lock();
        let (id, end) = (list.next_follower, list.end());
        list.next_follower += 1;
        list.cursors.insert(id, end);
        (id, list.last)
    }

    pub(super) fn leave(&self, id: u64) {
        let mut list = self.list.lock();
        list.cursors.remove(&id);
        list.trim(self.bytes_max);
    }

    /// Returns the next event that a follower wants.
    pub(super) fn pull(
        &self,
        id: u64,
        position: &mut Lsn,
        options: &FollowOptions,
    ) -> Option<Followed> {
        let mut list = self.list.lock();
        let cursor = list.cursors.get(&id).copied()?;
        let (next, pulled) = list.next(cursor, position, options);
        list.cursors.insert(id, next);
        // Only who was the slowest frees anything.
        if cursor <= list.first {
            list.trim(self.bytes_max);
        }
        pulled
    }
}

impl List {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn push_record(&mut self, applied: Applied) {
        let Applied { lsn, tenant, rows, table } = applied;
        if rows.samples() > 0 {
            let batch = SampleBatch::new(lsn, Arc::clone(&tenant), rows);
            let bytes = batch.bytes();
            self.push(Event { lsn, what: Followed::Samples(Arc::new(batch)), bytes });
        }
        if let Some(batch) = table {
            let (batch, bytes) = (TableBatch { lsn, ..batch }, batch.bytes);
            let what = Followed::Rows(Arc::new(RowBatch { tenant, batch }));
            self.push(Event { lsn, what, bytes });
        }
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.bytes;
        self.events.push_back(event);
    }

    /// Drops what everybody has pulled, and what is beyond the bound. The newest event stays, however
    /// large it is: the head holds its rows anyway.
    fn trim(&mut self, bytes_max: usize) {
        let slowest = self.cursors.values().copied().min().unwrap_or(u64::MAX);
        while self.first < slowest || (self.bytes > bytes_max && self.events.len() > 1) {
            let Some(event) = self.events.pop_front() else { break };
            if self.first >= slowest {
                self.dropped = event.lsn;
            }
            self.first += 1;
            self.bytes -= event.bytes;
        }
    }

    /// Returns where a follower goes on, and what it is told.
    fn next(
        &self,
        mut cursor: u64,
        position: &mut Lsn,
        options: &FollowOptions,
    ) -> (u64, Option<Followed>) {
        if cursor < self.first {
            let (from, to) = (position.next(), self.dropped);
            cursor = self.first;
            if from <= to {
                *position = to;
                return (cursor, Some(Followed::Lagged { from, to }));
            }
        }
        while let Some(event) = self.events.get((cursor - self.first) as usize) {
            cursor += 1;
            *position = event.lsn.max(*position);
            if event.what.is_for(options) {
                return (cursor, Some(event.what.clone()));
            }
        }
        *position = self.last.max(*position);
        (cursor, None)
    }
}

impl Followed {
    fn is_for(&self, options: &FollowOptions) -> bool {
        match self {
            Self::Samples(batch) => options.wants(batch.tenant(), Signal::Metrics),
            Self::Rows(batch) => options.wants(batch.tenant(), batch.table().signal()),
            Self::Cut(_) | Self::Lagged { .. } => true,
        }
    }
}
