//! What a named follower has not taken in yet, read from the files of the log.
//!
//! That is what it had not acknowledged when the last life ended, and what the list of the
//! [`hub`](super::hub) had no room for. Series are found as a replay finds them, by the labels that the
//! log has since the last boundary; a follower of spans or log records skips samples undecoded.

use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use super::{FollowOptions, Followed, RowBatch, SampleBatch};
use crate::head::Head;
use crate::head::replay::{References, decode};
use crate::head::tables::TableBatch;
use crate::wal::{LogFiles, Lsn, Record, Records};

/// Bytes of payloads that are decoded at once: what waits for the follower is a few times as much.
const STEP_BYTES: usize = 2 << 20;

/// A way through the files of a log.
#[derive(Debug)]
pub(super) struct CatchUp {
    head: Arc<Head>,
    options: FollowOptions,
    /// What is at or below was told.
    position: Lsn,
    /// What is above comes from the list.
    until: Lsn,
    records: Records,
    tenants: HashMap<TenantId, References>,
}

/// What a step has found.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// With the record of each.
    pub(super) told: Vec<(Lsn, Followed)>,
    /// Everything up to here is in it.
    pub(super) reached: Lsn,
    /// There is no more.
    pub(super) done: bool,
}

impl CatchUp {
    /// Begins behind `position`; also returns the first record that the log still has.
    pub(super) fn new(
        head: &Arc<Head>,
        files: &LogFiles,
        options: &FollowOptions,
        (position, until): (Lsn, Lsn),
    ) -> (Lsn, Self) {
        let samples = options.signals.is_empty() || options.signals.contains(&Signal::Metrics);
        let above = if samples { head.followers.named().boundary_at(position) } else { position };
        let (first, records) = files.read(above, until);
        let (head, options) = (Arc::clone(head), options.clone());
        let tenants = HashMap::default();
        (first, Self { head, options, position, until, records, tenants })
    }

    /// Reads on for a while. Blocks on the disk.
    pub(super) fn step(&mut self) -> Result<Stretch> {
        let mut stretch = Stretch { reached: self.position, ..Stretch::default() };
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            let Some(record) = self.records.next() else {
                stretch.done = true;
                break;
            };
            let record = record?;
            if record.lsn > self.until {
                stretch.done = true;
                break;
            }
            bytes += record.payloads.iter().map(|payload| payload.bytes.len()).sum::<usize>();
            stretch.reached = record.lsn.max(self.position);
            self.take(record, &mut stretch)?;
        }
        self.position = stretch.reached;
        Ok(stretch)
    }

    fn take(&mut self, mut record: Record, stretch: &mut Stretch) -> Result<()> {
        let (lsn, tenant) = (record.lsn, &record.tenant);
        record.payloads.retain(|payload| self.options.wants(tenant, payload.signal));
        if record.payloads.is_empty() {
            return Ok(());
        }
        let head = &self.head;
        let references = self
            .tenants
            .entry(tenant.clone())
            .or_insert_with(|| References::new(head.tenant(tenant)));
        let decoded = decode(&record.payloads)
            .map_err(|e| e.context(format_args!("follow record {}", lsn.0)))?;
        let now_ms = head.clock.now().as_millis();
        let (rows, tables) = references.resolve(lsn, decoded, now_ms)?;
        if lsn <= self.position {
            return Ok(());
        }
        let tenant = references.tenant();
        if rows.samples() > 0 {
            let batch = SampleBatch::new(lsn, Arc::clone(tenant), rows);
            stretch.told.push((lsn, Followed::Samples(Arc::new(batch))));
        }
        for batch in tables {
            let batch = RowBatch { tenant: Arc::clone(tenant), batch: TableBatch { lsn, ..batch } };
            stretch.told.push((lsn, Followed::Rows(Arc::new(batch))));
        }
        Ok(())
    }
}
