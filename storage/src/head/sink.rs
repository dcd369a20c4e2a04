//! The head as the log's sink: what happens to a request on the commit thread.
//!
//! Framing attaches the labels of series that the log has not seen in this *definition period*;
//! a new period begins with every cut and after every failed sync, so replay never misses one.
//! Everything else of the payload was encoded by the request itself.

use std::sync::Arc;

use tarn_model::signal::Signal;

use crate::append::Batch;
use crate::append::encode;
use crate::head::series::place;
use crate::head::{Head, HeadGeneration};
use crate::schema::payload;
use crate::view::ViewCell;
use crate::wal::{Lsn, Payload, RecordBuilder, Sink};

/// Inserts what is durable into the active generation, which is always the last one of the view.
#[derive(Debug)]
pub struct HeadSink {
    head: Arc<Head>,
    view: Arc<ViewCell>,
    active: Arc<HeadGeneration>,
    period: u32,
}

impl HeadSink {
    /// Makes the sink of a head whose active generation is in the view already.
    pub fn new(head: Arc<Head>, active: Arc<HeadGeneration>, view: Arc<ViewCell>) -> Self {
        Self { head, view, active, period: 1 }
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
        self.period += 1;
        self.head.sweep(self.view.load().heads());
        std::mem::replace(&mut self.active, next)
    }

    fn definitions(&self, item: &Batch) -> Option<Payload> {
        let table = &item.tenant.table;
        let places = table.places();
        let mut entries = Vec::new();
        item.rows.each_series(|index| {
            if place(&places, index).is_some_and(|place| place.define(self.period)) {
                entries.extend(table.entry(index));
            }
        });
        if entries.is_empty() {
            return None;
        }
        let bytes = encode::definitions(&entries);
        Some(Payload { signal: Signal::Metrics, schema: payload::DEFINITIONS, bytes })
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
        record.payloads.extend(self.definitions(item));
        record.payloads.append(&mut item.payloads);
    }

    fn apply(&mut self, lsn: Lsn, item: Batch) -> Lsn {
        self.active.insert(&item.tenant, &item.rows);
        lsn
    }

    fn group_applied(&mut self, _last: Lsn) {
        self.head.count_series();
    }

    fn begin_generation(&mut self, _first: Lsn) {
        // The rows in memory stay where they are; only the log must be self-contained again.
        self.period += 1;
    }
}
