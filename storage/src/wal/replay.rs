//! The records of a log, for the head.
//!
//! [`Records`] streams what the recovery found to count, one segment in memory at a time, and
//! checks every byte again: disks decay between two passes, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::{Error, Result};

use super::Lsn;
use super::record::{self, Record};
use super::segment::SegmentHeader;
use super::walk::{Found, Walk};
use crate::file::{Disk, OpenHow};

/// A segment as the second pass needs it.
#[derive(Debug, Clone)]
pub(crate) struct ReplaySegment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    /// What stands at or below it was given up.
    pub(crate) above: Lsn,
    /// What stands above it does not count.
    pub(crate) last: Lsn,
    pub(crate) end: u64,
    /// It is being written: what is durable may end below `last`.
    pub(crate) open: bool,
}

/// The records of a log above an LSN, in order.
#[derive(Debug)]
pub struct Records {
    disk: Arc<dyn Disk>,
    remaining_gauge: Gauge,
    /// Segments not yet read, the next one last.
    segments: Vec<ReplaySegment>,
    above: Lsn,
    remaining: u64,
    current: Option<Current>,
}

/// The segment at work.
#[derive(Debug)]
struct Current {
    segment: ReplaySegment,
    bytes: Bytes,
    /// Where its records stand: offset, LSN, length.
    places: std::vec::IntoIter<(u64, Lsn, usize)>,
}

impl Records {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        remaining_gauge: Gauge,
        mut segments: Vec<ReplaySegment>,
        above: Lsn,
    ) -> Self {
        segments.retain(|segment| segment.last > above);
        segments.reverse();
        let remaining = segments.iter().map(|s| s.end).fold(0, u64::saturating_add);
        let records = Self { disk, remaining_gauge, segments, above, remaining, current: None };
        records.report();
        records
    }

    /// As [`Records::new`], but nobody is told how far it is.
    pub(super) fn unobserved(
        disk: Arc<dyn Disk>,
        segments: Vec<ReplaySegment>,
        above: Lsn,
    ) -> Self {
        Self::new(disk, Gauge::default(), segments, above)
    }

    /// Returns the bytes still to be read.
    pub fn remaining_bytes(&self) -> u64 {
        self.remaining
    }

    fn report(&self) {
        let remaining = i64::try_from(self.remaining).unwrap_or(i64::MAX);
        self.remaining_gauge.set(remaining);
    }

    /// Reads a segment and lists the records of it that count. The list is 24 bytes per record,
    /// beside the segment itself.
    fn load(&self, segment: ReplaySegment) -> Result<Current> {
        let bytes = read_segment(self.disk.as_ref(), &segment.path)?;
        let header = SegmentHeader::decode(&bytes).ok().filter(|h| *h == segment.header);
        let changed = |offset: u64, lsn: Lsn| {
            let path = segment.path.display();
            let message = format!(
                "log segment {path} fails its checksum at offset {offset} (LSN {}), though it \
                 passed at the start",
                lsn.0
            );
            Error::corrupt(message)
        };
        let header = header.ok_or_else(|| changed(0, segment.header.first))?;
        let mut walk = Walk::new(&bytes, header, self.above);
        let (mut places, mut reached) = (Vec::new(), Lsn::default());
        while reached < segment.last {
            match walk.step() {
                Some(Ok((offset, Found::Record { lsn, bytes }))) => {
                    reached = lsn;
                    if lsn > self.above.max(segment.above) && lsn <= segment.last {
                        places.push((offset, lsn, bytes));
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(problem)) => return Err(changed(problem.offset, problem.lsn)),
                None if segment.open => break,
                None => return Err(changed(segment.end, reached.next())),
            }
        }
        Ok(Current { segment, bytes, places: places.into_iter() })
    }

    fn advance(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some((offset, lsn, len)) = current.places.next() {
                    let start = usize::try_from(offset).unwrap_or(usize::MAX);
                    let bytes = current.bytes.slice(start..start.saturating_add(len));
                    return record::decode(&bytes).map(Some).ok_or_else(|| {
                        let path = current.segment.path.display();
                        let message = format!(
                            "record {} at offset {offset} of log segment {path} is of a kind that \
                             this program does not know",
                            lsn.0
                        );
                        Error::corrupt(message)
                    });
                }
                self.remaining = self.remaining.saturating_sub(current.segment.end);
                self.current = None;
                self.report();
            }
            let Some(segment) = self.segments.pop() else { return Ok(None) };
            self.current = Some(self.load(segment)?);
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    /// Returns the next record, or the error that ends the replay.
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            (self.current, self.segments) = (None, Vec::new());
        }
        next
    }
}

/// Reads a segment as a whole: 64 MiB, or the one oversized record that it holds.
pub(crate) fn read_segment(disk: &dyn Disk, path: &Path) -> Result<Bytes> {
    let read = || {
        let file = disk.open(path, OpenHow::Read)?;
        let len = usize::try_from(file.len()?).map_err(std::io::Error::other)?;
        let mut bytes = vec![0; len];
        file.read_at(&mut bytes, 0)?;
        Ok(Bytes::from(bytes))
    };
    read().map_err(|e: std::io::Error| {
        Error::internal(format!("read log segment {}", path.display())).with_source(e)
    })
}
