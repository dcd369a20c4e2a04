//! What a start does with the log it finds.
//!
//! 1. Every segment is read and checked. Each header says what was durable when the segment was
//!    begun: what earlier segments hold above that does not count (it was refused, or stands again
//!    in the later one), and what they lack below it is damage that stops the start.
//! 2. The very last group may have been written and not synced: what of it is valid may sit in the
//!    page cache only. It is copied into a fresh segment, which gets its name when it is durable;
//!    a crash in between repeats the step.
//! 3. The fresh segment is the one that the commit thread goes on with. No byte is ever added to a
//!    segment of an earlier start.

use std::io;
use std::sync::Arc;

use tarn_model::error::{Error, Result};

use super::pool::{Pool, SealedSegment};
use super::replay::{ReplaySegment, read_segment};
use super::segment::{ActiveSegment, SegmentHeader};
use super::tail::{Tail, begin};
use super::walk::{Scan, scan};
use super::{Lsn, Metrics, Options, Records};
use crate::file::{Disk, Entry};
use crate::paths;

/// A log that has been checked, and made ready to be written. Hand it to
/// [`Wal::start`](super::Wal::start) when [`Recovery::records`] have been replayed.
#[derive(Debug)]
pub struct Recovery {
    /// What was found.
    pub report: RecoveryReport,
    /// The next record gets this LSN.
    pub next_lsn: Lsn,
    pub(super) durable: Lsn,
    /// `None` where the disk had no room for it: the log starts without, and goes on trying.
    pub(super) active: Option<ActiveSegment>,
    pub(super) pool: Arc<Pool>,
    disk: Arc<dyn Disk>,
    metrics: Metrics,
    segments: Vec<ReplaySegment>,
}

/// What a start found in a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecoveryReport {
    /// Segments read.
    pub segments: usize,
    /// Records in them that count, committed ones included.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The last run closed the log.
    pub sealed: bool,
    /// Records of the last group that were copied and synced, because nothing proved that they
    /// were durable.
    pub copied: u64,
    /// Records that do not count because their sync failed, and their clients were told so.
    pub refused: u64,
    /// Damaged places that lie in committed records only; they were stepped over.
    pub stepped_over: u32,
    /// The torn tail that was cut off.
    pub truncated: Option<Truncation>,
}

/// A torn tail: written in the last moments before a crash, never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncation {
    /// Number of the segment.
    pub segment: u64,
    /// Where in it.
    pub offset: u64,
    /// First LSN cut off.
    pub lsn: Lsn,
    /// Bytes cut off.
    pub bytes: u64,
}

impl Recovery {
    /// Returns the records above `above`, in order, for the replay. Reads one segment at a time;
    /// blocks on the disk.
    pub fn records(&self, above: Lsn) -> Records {
        let disk = Arc::clone(&self.disk);
        let remaining = self.metrics.replay_remaining_bytes.clone();
        Records::new(disk, remaining, self.segments.clone(), above)
    }

    /// Prepares segments until `spares` wait for their use. Blocks on the disk.
    ///
    /// # Errors
    /// What the file system says; the log goes on with what it has.
    pub(crate) fn prepare(&self, spares: usize) -> io::Result<()> {
        self.pool.prepare_to(spares)
    }
}

/// A segment with what the first pass learnt about it.
struct Checked {
    entry: Entry,
    scan: Scan,
    /// What stands above it does not count.
    last: Lsn,
}

/// Checks the log in `options.dir` and makes it ready to be written. `committed` is the last LSN
/// that is in blocks: what lies at or below it is not needed. Blocks on the disk.
///
/// # Errors
/// `Corrupt` where records above `committed` are damaged or missing, with segment, offset and LSN;
/// `Invalid` where a segment belongs to another folder, another version, or a later start;
/// `Unavailable` where the disk has no room to make the last group durable.
pub fn recover(options: &Options, disk: &Arc<dyn Disk>, committed: Lsn) -> Result<Recovery> {
    recover_keeping(options, disk, committed, committed)
}

/// As [`recover`], but what lies above `keep` stays, though it is not needed up to `committed`.
pub(crate) fn recover_keeping(
    options: &Options,
    disk: &Arc<dyn Disk>,
    committed: Lsn,
    keep: Lsn,
) -> Result<Recovery> {
    let failed = |e: io::Error| {
        Error::internal(format!("open the log in {}", options.dir.display())).with_source(e)
    };
    disk.create_dir_all(&options.dir).map_err(failed)?;
    // Names that a killed process left unsynced are about to be relied on.
    disk.sync_dir(&options.dir).map_err(failed)?;
    let checked = check_all(options, disk.as_ref(), committed)?;

    let durable = checked.iter().map(|s| s.scan.durable).fold(committed, Lsn::max);
    let next = checked.iter().map(|s| s.scan.next.max(s.scan.header.first));
    let next_lsn = next.fold(durable.next(), Lsn::max);
    let newest = checked.last().map_or(0, |s| s.scan.header.number);
    let number = newest.saturating_add(1);
    let pool = Pool::open(Arc::clone(disk), options, number);
    let pool = Arc::new(pool.map_err(failed)?);
    let report = report(&checked, durable);
    announce(&report, options);

    let tail = match checked.last() {
        Some(Checked { entry, scan, last }) => {
            Tail::read(disk.as_ref(), (&entry.path, scan.header), durable, *last)?
        }
        None => Tail::default(),
    };
    // The newest segment may hold the tail alone: it goes nowhere before the tail is copied.
    let newest = checked.split_last();
    for segment in newest.map_or(&[][..], |(_, older)| older) {
        pool.push_sealed(segment.sealed(pool.segment_bytes(), durable));
    }
    pool.truncate(committed.min(keep));
    if let Err(error) = pool.recycle_all() {
        tracing::warn!(%error, "committed log segments could not be recycled");
    }
    let active = begin(options, &pool, &tail, durable, next_lsn)?;
    if let Some((newest, _)) = newest {
        pool.push_sealed(newest.sealed(pool.segment_bytes(), durable));
    }
    let segments = segments(&checked, durable, tail.last(), active.as_ref());
    Ok(Recovery {
        report: RecoveryReport { copied: tail.records.len() as u64, ..report },
        next_lsn,
        durable: tail.last().unwrap_or(durable),
        active,
        pool,
        disk: Arc::clone(disk),
        metrics: options.metrics.clone(),
        segments,
    })
}

/// Lists the records above `committed` as [`recover`] would find them, and changes nothing: for
/// looking at a log that nobody writes. The last group counts as far as it is whole. Blocks on the
/// disk.
///
/// # Errors
/// As [`recover`], `Unavailable` apart.
pub fn inspect(options: &Options, disk: &Arc<dyn Disk>, committed: Lsn) -> Result<Records> {
    let checked = check_all(options, disk.as_ref(), committed)?;
    let whole = checked.iter().map(|s| s.last).fold(committed, Lsn::max);
    let segments = segments(&checked, whole, None, None);
    let remaining = options.metrics.replay_remaining_bytes.clone();
    Ok(Records::new(Arc::clone(disk), remaining, segments, committed))
}

/// Reads all segments and decides what of each counts.
fn check_all(options: &Options, disk: &dyn Disk, committed: Lsn) -> Result<Vec<Checked>> {
    let entries = disk.list(&options.dir).map_err(|e| {
        Error::internal(format!("open the log in {}", options.dir.display())).with_source(e)
    })?;
    let mut checked = Vec::new();
    for entry in entries {
        let name = entry.path.file_name().and_then(|name| name.to_str());
        if let Some(number) = name.and_then(paths::parse_segment_name) {
            checked.push(check(options, disk, entry, number, committed)?);
        }
    }
    cut(&mut checked, committed, options)?;
    Ok(checked)
}

/// Reads one segment and walks through it.
fn check(
    options: &Options,
    disk: &dyn Disk,
    entry: Entry,
    number: u64,
    committed: Lsn,
) -> Result<Checked> {
    let path = entry.path.display();
    let bytes = read_segment(disk, &entry.path)?;
    let header = SegmentHeader::decode(&bytes).map_err(|e| {
        Error::corrupt(format!("log segment {path} {e}: `tarn wal quarantine` sets it aside"))
    })?;
    let SegmentHeader { writer_id, epoch, .. } = header;
    if writer_id != options.writer_id {
        let ours = options.writer_id;
        let message = format!("log segment {path} is of writer {writer_id:032x}, not {ours:032x}");
        return Err(Error::invalid(message));
    }
    if header.number != number {
        let found = header.number;
        return Err(Error::corrupt(format!("log segment {path} says that it is number {found}")));
    }
    if epoch >= options.epoch {
        let ours = options.epoch;
        let message = format!("log segment {path} is of start {epoch}, this is start {ours}");
        return Err(Error::invalid(message));
    }
    let scan = scan(&bytes, header, committed);
    Ok(Checked { last: scan.last, entry, scan })
}

/// Decides what of each segment counts, and refuses a log that lacks what it should have.
fn cut(checked: &mut [Checked], committed: Lsn, options: &Options) -> Result<()> {
    let mut have = committed;
    if let Some(first) = checked.first().filter(|s| s.scan.header.durable > committed) {
        let (number, path) = (first.scan.header.number, options.dir.display());
        let (needed, from) = (first.scan.header.durable.0, committed.next().0);
        options.metrics.corruptions.inc();
        return Err(Error::corrupt(format!(
            "log in {path} begins with segment {number}: LSN {from} to {needed} are missing"
        )));
    }
    for at in 0..checked.len() {
        let claim = checked.get(at.saturating_add(1)).map(|later| later.scan.header.durable);
        let Some(segment) = checked.get_mut(at) else { break };
        if let Some(problem) = segment.scan.problem.filter(|p| p.witness.is_some()) {
            options.metrics.corruptions.inc();
            return Err(damaged(segment, problem.offset, problem.lsn, problem.what));
        }
        let Some(claim) = claim else { break };
        segment.last = segment.last.min(claim);
        have = have.max(segment.scan.accounted.min(claim));
        if have < claim {
            options.metrics.corruptions.inc();
            let (offset, what) = match segment.scan.problem {
                Some(problem) => (problem.offset, problem.what),
                None => (segment.scan.end, "ends, or the segment behind it is missing"),
            };
            return Err(damaged(segment, offset, have.next(), what));
        }
    }
    Ok(())
}

fn damaged(segment: &Checked, offset: u64, lsn: Lsn, what: &str) -> Error {
    let (path, lsn) = (segment.entry.path.display(), lsn.0);
    Error::corrupt(format!(
        "log segment {path} is damaged at offset {offset} (LSN {lsn}): {what}, and it was durable; \
         `tarn wal quarantine` sets it aside"
    ))
}

fn report(checked: &[Checked], durable: Lsn) -> RecoveryReport {
    let mut report = RecoveryReport { segments: checked.len(), ..RecoveryReport::default() };
    for segment in checked {
        let Checked { scan, last, .. } = segment;
        report.records = report.records.saturating_add(scan.records);
        report.refused = report.refused.saturating_add(scan.last.0.saturating_sub(last.0));
        report.bytes = report.bytes.saturating_add(scan.end);
        report.stepped_over = report.stepped_over.saturating_add(scan.skipped);
    }
    report.records = report.records.saturating_sub(report.refused);
    if let Some(Checked { scan, .. }) = checked.last() {
        report.sealed = scan.sealed;
        // Below `durable` everything is committed, or `cut` had refused the log.
        report.truncated = scan.problem.filter(|p| p.lsn > durable).map(|p| Truncation {
            segment: scan.header.number,
            offset: p.offset,
            lsn: p.lsn,
            bytes: p.bytes,
        });
    }
    report
}

fn announce(report: &RecoveryReport, options: &Options) {
    if let Some(Truncation { segment, offset, lsn, bytes }) = report.truncated {
        options.metrics.truncations.inc();
        let lsn = lsn.0;
        tracing::warn!(segment, offset, lsn, bytes, "torn tail of the log was cut off");
    }
    if report.stepped_over > 0 {
        options.metrics.corruptions.inc_by(u64::from(report.stepped_over));
        let places = report.stepped_over;
        tracing::warn!(places, "log is damaged in committed records, which are not needed");
    }
}

impl Checked {
    fn sealed(&self, segment_bytes: u64, durable: Lsn) -> SealedSegment {
        let sound = self.scan.problem.is_none() && self.scan.skipped == 0;
        SealedSegment {
            header: self.scan.header,
            path: self.entry.path.clone(),
            last: self.last.min(durable),
            bytes: self.scan.end,
            recyclable: sound && self.entry.bytes == segment_bytes,
        }
    }
}

/// Lists what the second pass reads.
fn segments(
    checked: &[Checked],
    durable: Lsn,
    copied: Option<Lsn>,
    active: Option<&ActiveSegment>,
) -> Vec<ReplaySegment> {
    let given_up = |segments: &[Checked]| {
        segments.iter().map(|segment| segment.scan.given_up).fold(Lsn(0), Lsn::max)
    };
    let with_records = checked.iter().enumerate().filter(|(_, segment)| segment.scan.records > 0);
    let old = with_records.map(|(at, Checked { entry, scan, last })| ReplaySegment {
        path: entry.path.clone(),
        header: scan.header,
        above: given_up(checked.split_at(at).0),
        last: (*last).min(durable),
        end: scan.end,
        open: false,
    });
    let fresh = active.zip(copied).map(|(active, last)| ReplaySegment {
        path: active.path.clone(),
        header: active.header,
        above: given_up(checked),
        last,
        end: active.end,
        open: false,
    });
    old.chain(fresh).collect()
}
