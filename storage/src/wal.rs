//! 2. Durable: the write-ahead log.

use tarn_model::signal::Signal;

/// Position in the log of one writer: record `n` has LSN `n`; the first is 1, so 0 means none.
/// LSNs order everything, wall time nothing; they are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Lsn(pub u64);

/// What becomes of the records of a log: the head implements it.
///
/// All methods run on the one commit thread, in LSN order.
pub trait Sink: Send + 'static {
    /// One request's rows, ready to be framed.
    type Item: Send;
    /// What the waiting request is told.
    type Reply: Send;

    /// Returns the bytes an item holds while it waits, for the queue's bound.
    fn bytes(item: &Self::Item) -> usize;
    /// Writes the item's payloads. The series definitions that the current head generation lacks
    /// are attached here, because only the commit thread knows where a generation begins.
    fn frame(&mut self, lsn: Lsn, item: &mut Self::Item, record: &mut RecordBuilder);
    /// Inserts a durable item and makes it visible; the reply is sent afterwards.
    fn apply(&mut self, lsn: Lsn, item: Self::Item) -> Self::Reply;
    /// A group is over: everything applied so far may become visible together.
    fn group_applied(&mut self, last: Lsn);
    /// A sync failed and its records are dropped: begin a new head generation at `first`, so that
    /// no definition is lost with them.
    fn begin_generation(&mut self, first: Lsn);
}

/// Collects the parts of one record.
#[derive(Debug, Default)]
pub struct RecordBuilder {
    /// Whose rows.
    pub tenant: Option<tarn_model::tenant::TenantId>,
    /// Encoded batches.
    pub payloads: Vec<Payload>,
}

/// One encoded batch of a record.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Which signal's rows.
    pub signal: Signal,
    /// Which schema: see `schema.rs`.
    pub schema: u16,
    /// Arrow IPC with lz4.
    pub bytes: bytes::Bytes,
}
