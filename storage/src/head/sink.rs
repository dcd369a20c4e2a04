//! The head as the log's sink: what happens to a request on the commit thread.
//!
//! Framing sees to it that a record brings the labels of all series that the log has not seen in
//! this *definition period*; a new period begins with every cut and after every failed sync, so
//! replay never misses one. Payloads were encoded by the request itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::append::Batch;
use crate::append::encode;
use crate::head::follow::hub::Applied;
use crate::head::series::place;
use crate::head::{Head, HeadGeneration};
use crate::view::ViewCell;
use crate::wal::{Lsn, RecordBuilder, Sink};

/// Inserts what is durable into the active generation, which is always the last one of the view.
#[derive(Debug)]
pub struct HeadSink {
    head: Arc<Head>,
    view: Arc<ViewCell>,
    active: Arc<HeadGeneration>,
    period: u32,
    /// What was inserted and not yet told to those who follow.
    applied: Vec<Applied>,
}

impl HeadSink {
    /// Makes the sink of a head whose active generation is in the view already.
    pub fn new(head: Arc<Head>, active: Arc<HeadGeneration>, view: Arc<ViewCell>) -> Self {
        let period = head.period.load(Ordering::Acquire);
        Self { head, view, active, period, applied: Vec::new() }
    }

    /// Returns the generation that takes rows.
    pub fn active(&self) -> &Arc<HeadGeneration> {
        &self.active
    }

    /// Ends the active generation with the record `last`, begins the next one in the same view
    /// change, and returns the one that ended.
    pub fn cut(&mut self, last: Lsn) -> Arc<HeadGeneration> {
        let next = self.head.generation(last.next());
        self.active.freeze(last);
        self.view.update(|view| view.with_generation(Arc::clone(&next)));
        self.begin_period();
        self.head.followers.cut(last);
        self.head.sweep(self.view.load().heads());
        std::mem::replace(&mut self.active, next)
    }

    /// Adds the labels that the log lacks. The request has encoded them; where another period began
    /// meanwhile, they are encoded here.
    fn definitions(&self, item: &mut Batch, record: &mut RecordBuilder) {
        let table = &item.tenant.table;
        let places = table.places();
        let define = |index| place(&places, index).is_some_and(|place| place.define(self.period));
        if let Some(prepared) = item.definitions.take().filter(|d| d.period == self.period) {
            prepared.series.iter().for_each(|index| {
                define(*index);
            });
            record.payloads.push(prepared.payload);
        }
        let mut entries = Vec::new();
        item.rows.each_series(|index| {
            if define(index) {
                entries.extend(table.entry(index));
            }
        });
        record.payloads.extend(encode::definitions(&entries));
    }

    fn begin_period(&mut self) {
        self.period += 1;
        self.head.period.store(self.period, Ordering::Release);
    }
}

impl Sink for HeadSink {
    type Item = Batch;
    type Reply = Lsn;

    fn bytes(item: &Batch) -> usize {
        item.bytes()
    }

    fn frame(&mut self, _lsn: Lsn, item: &mut Batch, record: &mut RecordBuilder) {
        record.tenant = Some(item.tenant.id.clone());
        (record.request_hash, record.counts) = (item.mark.hash, item.mark.counts);
        self.definitions(item, record);
        record.payloads.append(&mut item.payloads);
    }

    fn apply(&mut self, lsn: Lsn, item: Batch) -> Lsn {
        let Batch { tenant, rows, table, mark, acknowledged, .. } = item;
        // An acknowledgement alone leaves the head empty: nothing of it is to be flushed.
        if !rows.is_empty() {
            self.active.insert(&tenant, &rows);
        }
        if let Some(batch) = &table {
            self.active.insert_table(&tenant, lsn, batch.clone());
        }
        self.head.requests.keep(mark.hash, mark.counts);
        for (name, position) in acknowledged {
            self.head.followers.acknowledge(&name, position);
        }
        self.applied.push(Applied { lsn, tenant, rows, table });
        lsn
    }

    /// Each record is visible as soon as it is inserted: it is durable by then. Those who follow
    /// are told once per group.
    fn group_applied(&mut self, last: Lsn) {
        self.head.followers.publish(&mut self.applied, last);
    }

    fn begin_generation(&mut self, first: Lsn) {
        self.head.followers.begin(first.prev());
        // The rows in memory stay where they are; only the log must be self-contained again.
        self.begin_period();
    }
}

impl Drop for HeadSink {
    fn drop(&mut self) {
        self.head.followers.close();
    }
}

#[cfg(test)]
mod tests;
