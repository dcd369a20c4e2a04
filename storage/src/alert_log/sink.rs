//! What the commit thread does with an append: frames it, and answers with its position.
//!
//! The state that entries add up to is kept by whoever appends; so nothing is inserted here, and an
//! answer means durable, not visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::Item;
use crate::wal::{Lsn, RecordBuilder, Sink};

/// Frames entries.
#[derive(Debug)]
pub struct EntrySink {
    /// Newest position that is durable.
    pub(super) last: Arc<AtomicU64>,
}

impl Sink for EntrySink {
    type Item = Item;
    type Reply = Lsn;

    fn bytes(item: &Item) -> usize {
        item.bytes.len()
    }

    fn frame(&mut self, _lsn: Lsn, item: &mut Item, record: &mut RecordBuilder) {
        record.tenant = Some(item.tenant.clone());
        // Kept in the item as well: it is shared, not copied.
        record.entries = item.bytes.clone();
    }

    fn apply(&mut self, lsn: Lsn, _item: Item) -> Lsn {
        lsn
    }

    fn group_applied(&mut self, last: Lsn) {
        self.last.store(last.0, Ordering::Release);
    }

    fn begin_generation(&mut self, _first: Lsn) {}
}
