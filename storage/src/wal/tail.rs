//! The last group of a log that nobody proves to be durable.
//!
//! It was written; whether it was synced nobody knows, and what is read may come from the page cache
//! only. Shown as it is, it could be seen by a query and lost with the power a moment later. So it
//! is copied into the fresh segment of the start, together with a witness, and becomes durable
//! before the segment gets its name.

use std::path::Path;
use std::time::Duration;

use tarn_model::error::{Error, Result};

use super::pool::Pool;
use super::record::RECORD_BYTES_MAX;
use super::replay::read_segment;
use super::segment::{ActiveSegment, GroupBuffer, GroupKind, SECTOR, SegmentHeader};
use super::walk::{Found, Walk};
use super::{Lsn, Options, WAL_FAILED};
use crate::file::Disk;

/// When to try a start again that found the disk full.
const START_RETRY: Duration = Duration::from_secs(30);

/// The valid records of the last group, if nothing proves that they are durable.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) first: Lsn,
    pub(super) records: Vec<Vec<u8>>,
}

impl Tail {
    /// Reads from the newest segment what lies above `durable`, up to `last`.
    pub(super) fn read(
        disk: &dyn Disk,
        (path, header): (&Path, SegmentHeader),
        durable: Lsn,
        last: Lsn,
    ) -> Result<Self> {
        let mut tail = Self::default();
        if last <= durable {
            return Ok(tail);
        }
        let bytes = read_segment(disk, path)?;
        let mut walk = Walk::new(&bytes, header, durable);
        while let Some(Ok((offset, found))) = walk.step() {
            let Found::Record { lsn, bytes: len } = found else { continue };
            if lsn > durable && lsn <= last {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let record = bytes.get(start..start.saturating_add(len)).unwrap_or_default();
                if tail.records.is_empty() {
                    tail.first = lsn;
                }
                tail.records.push(record.to_vec());
            }
        }
        Ok(tail)
    }

    /// Returns the last LSN of it, if there is any.
    pub(super) fn last(&self) -> Option<Lsn> {
        let count = self.records.len() as u64;
        (count > 0).then(|| Lsn(self.first.0.saturating_add(count)).prev())
    }
}

/// Begins the segment of this start, with the tail in it. `None` where the disk has no room and
/// nothing is lost by that.
pub(super) fn begin(
    options: &Options,
    pool: &Pool,
    tail: &Tail,
    durable: Lsn,
    next_lsn: Lsn,
) -> Result<Option<ActiveSegment>> {
    let first = tail.last().map_or(next_lsn, |_| tail.first);
    let Options { writer_id, epoch, .. } = *options;
    let header = |number| SegmentHeader { writer_id, epoch, number, first, durable };
    let mut group = GroupBuffer::default();
    group.clear();
    for record in &tail.records {
        let copied = group.push(|into| {
            into.extend_from_slice(record);
            if into.len() > RECORD_BYTES_MAX.saturating_mul(2) { Err(into.len()) } else { Ok(()) }
        });
        copied.map_err(|n| Error::internal(format!("last group of the log has {n} bytes")))?;
    }
    let room = group.span().saturating_add(SECTOR as u64);
    let begun = pool.begin_segment(room, header, |segment| {
        let Some(last) = tail.last() else { return Ok(()) };
        let header = segment.header;
        segment.write(group.finish(&header, GroupKind::Rows, first, durable))?;
        group.clear();
        segment.write(group.finish(&header, GroupKind::Witness, next_lsn, last))
    });
    match begun {
        Ok(segment) => Ok(Some(segment)),
        Err(error) if tail.records.is_empty() => {
            tracing::error!(%error, "log has no segment to write, writes are refused");
            options.read_only.set(WAL_FAILED, format!("log has no segment to write: {error}"));
            Ok(None)
        }
        Err(error) => {
            let message = "make the last group of the log durable";
            Err(Error::unavailable(message, START_RETRY).with_source(error))
        }
    }
}
