//! The files of a log: zeroed ahead of need, written once, recycled.
//!
//! An fdatasync over blocks that are already allocated and written carries data only, no journal
//! commit of the file system; `fallocate` does not help, because its extents must still be
//! converted. So a segment is filled with zeros and synced before its use (a *spare*), and when all
//! it holds is committed it becomes a spare again, by renaming. That is also where a full disk is
//! met: while a spare is made, never in the middle of an append.
//!
//! A name means something: `.segment` has a durable header, `.spare` is allocated and written
//! through, `.zeroing` is worthless. A folder is synced after a rename and before the file is
//! written under its new name; otherwise a power loss could leave new bytes under the old one.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::keep::Keep;
use super::metrics::Metrics;
use super::replay::ReplaySegment;
use super::segment::{ActiveSegment, SECTOR, SegmentHeader, round_up};
use super::{Lsn, Options};
use crate::disk::ReadOnly;
use crate::file::{Disk, DiskFile, OpenHow};
use crate::paths;

/// Spares that are made ahead of need. One covers the time in which a segment fills.
const SPARES_AHEAD: usize = 1;
/// Recycled segments that are kept beyond that: a flush frees several at once, and the next flush
/// needs as many again. 16 × 64 MiB = 1 GiB, a tenth of the default size limit of the log.
const SPARES_MAX: usize = 16;
/// Header, a small group and the zeros behind it: less is a mistake.
const SEGMENT_BYTES_MIN: u64 = 2048;
/// Zeros written at a time.
const ZEROS: usize = 1 << 20;

/// A segment that is complete, or was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedSegment {
    pub(crate) header: SegmentHeader,
    pub(crate) path: PathBuf,
    /// Nothing above it counts.
    pub(crate) last: Lsn,
    /// Bytes that a replay reads.
    pub(crate) bytes: u64,
    /// Has the length of a segment, and its disk blocks have never failed.
    pub(crate) recyclable: bool,
}

/// The files of one log folder, but for the bytes of the active segment.
#[derive(Debug)]
pub(crate) struct Pool {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    read_only: ReadOnly,
    metrics: Metrics,
    keep: Arc<Keep>,
    /// What [`Pool::bytes`] returns: every append asks for it.
    bytes: AtomicU64,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Zeroed or recycled; their names are durable.
    spares: Vec<PathBuf>,
    /// Renamed to spares; the folder is not synced yet.
    renamed: Vec<PathBuf>,
    /// Complete segments, oldest first.
    sealed: VecDeque<SealedSegment>,
    /// Bytes in the active segment.
    active_bytes: u64,
    /// The active segment, if there is one.
    active: Option<(SegmentHeader, PathBuf)>,
    /// Was active, and is not sealed yet.
    retiring: Vec<(SegmentHeader, PathBuf)>,
    /// What is committed elsewhere.
    through: Lsn,
    /// Number of the next spare.
    next_spare: u64,
    /// Number of the next segment.
    next_segment: u64,
    /// There may be work for the upkeep.
    work: bool,
    closed: bool,
}

impl Pool {
    /// Takes over a folder: removes half-made spares and keeps whole ones. The names found are
    /// those of `entries`; `next_segment` is above every number ever used.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        options: &Options,
        next_segment: u64,
    ) -> io::Result<Self> {
        let dir = options.dir.clone();
        let segment_bytes = round_up(options.segment_bytes.0.max(SEGMENT_BYTES_MIN));
        let mut state = State { next_segment, next_spare: 1, ..State::default() };
        for entry in disk.list(&dir)? {
            let Some(name) = entry.path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if let Some(number) = paths::parse_spare_name(name) {
                state.next_spare = state.next_spare.max(number.saturating_add(1));
                if entry.bytes == segment_bytes && state.spares.len() < SPARES_MAX {
                    state.spares.push(entry.path);
                } else {
                    disk.remove(&entry.path)?;
                }
            } else if paths::is_zeroing_name(name) {
                disk.remove(&entry.path)?;
            }
        }
        Ok(Self {
            disk,
            dir,
            segment_bytes,
            read_only: options.read_only.clone(),
            metrics: options.metrics.clone(),
            keep: Arc::clone(&options.keep),
            bytes: AtomicU64::new(0),
            state: Mutex::new(state),
            wake: Condvar::new(),
        })
    }

    /// Returns the folder, for messages.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the length of an ordinary segment.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Returns the bytes that a start would replay, truncated segments apart.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Notes how far the active segment is written.
    pub(crate) fn note_active(&self, active: Option<&ActiveSegment>) {
        let mut state = self.state.lock();
        state.active_bytes = active.map_or(0, |active| active.end);
        let known = state.active.as_ref().map(|(header, _)| *header);
        if known != active.map(|active| active.header) {
            let next = active.map(|active| (active.header, active.path.clone()));
            let before = std::mem::replace(&mut state.active, next);
            let sealed = |number| state.sealed.iter().any(|s| s.header.number == number);
            let retiring = before.filter(|(header, _)| !sealed(header.number));
            state.retiring.extend(retiring);
        }
        self.count(&state);
    }

    /// Takes a segment that will not be written again.
    pub(crate) fn push_sealed(&self, segment: SealedSegment) {
        let mut state = self.state.lock();
        state.retiring.retain(|(header, _)| header.number != segment.header.number);
        let at = state.sealed.partition_point(|other| other.header.number < segment.header.number);
        state.sealed.insert(at, segment);
        self.count(&state);
        self.notify(&mut state);
    }

    /// Lets go of what is committed, in the background.
    pub(crate) fn truncate(&self, through: Lsn) {
        let mut state = self.state.lock();
        state.through = state.through.max(through);
        self.count(&state);
        self.notify(&mut state);
    }

    /// Deletes the spares.
    pub(crate) fn release_spares(&self) {
        let spares = std::mem::take(&mut self.state.lock().spares);
        for spare in spares {
            if let Err(error) = self.disk.remove(&spare) {
                let path = spare.display();
                tracing::warn!(%path, %error, "spare log segment could not be removed");
            }
        }
    }

    /// Sleeps until there may be work, `limit` at most. Returns `false` when the log has ended.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closed && !state.work && limit > Duration::ZERO {
            self.wake.wait_for(&mut state, limit);
        }
        state.work = false;
        !state.closed
    }

    /// Ends the upkeep thread.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.notify(&mut state);
    }

    /// Begins a segment with room for a group of `group_bytes`: `fill` may put bytes in that become
    /// durable before the segment has its name. A group larger than a segment gets a file of its
    /// own, which is not recycled.
    pub(crate) fn begin_segment(
        &self,
        group_bytes: u64,
        header: impl FnOnce(u64) -> SegmentHeader,
        fill: impl FnOnce(&mut ActiveSegment) -> io::Result<()>,
    ) -> io::Result<ActiveSegment> {
        let number = {
            let mut state = self.state.lock();
            let number = state.next_segment;
            state.next_segment = number.saturating_add(1);
            number
        };
        let needed = group_bytes.saturating_add(SECTOR as u64);
        let (spare, file, len) = if needed <= self.segment_bytes {
            let spare = self.take_spare()?;
            let file = self.disk.open(&spare, OpenHow::Write)?;
            (spare, file, self.segment_bytes)
        } else {
            // Numbered as spares are: the upkeep may be making one at this moment.
            let path = self.dir.join(paths::zeroing_name(self.spare_number()));
            let file = self.disk.open(&path, OpenHow::CreateNew)?;
            file.set_len(needed)?;
            (path, file, needed)
        };
        let header = header(number);
        let path = self.dir.join(paths::segment_name(number));
        let mut active = ActiveSegment { header, path, file, len, end: SECTOR as u64 };
        let named = self.name_segment(&spare, &mut active, fill);
        if let Err(error) = named {
            self.abandon(&spare, &active);
            return Err(error);
        }
        self.note_active(Some(&active));
        self.notify(&mut self.state.lock());
        Ok(active)
    }

    fn name_segment(
        &self,
        spare: &Path,
        active: &mut ActiveSegment,
        fill: impl FnOnce(&mut ActiveSegment) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut head = active.header.encode().to_vec();
        if active.room() > 0 {
            head.resize(head.len().saturating_add(SECTOR), 0);
        }
        active.file.write_at(&head, 0)?;
        fill(active)?;
        active.file.sync_data()?;
        self.disk.rename(spare, &active.path)?;
        self.disk.sync_dir(&self.dir)
    }

    /// Cleans up after a segment that could not be begun. Its blocks are not trusted any more.
    fn abandon(&self, spare: &Path, active: &ActiveSegment) {
        match self.disk.remove(spare) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It has its new name, though perhaps not durably: as good as an empty segment,
                // unless it was filled, and then nothing above `durable` counts in it.
                if self.disk.remove(&active.path).is_err() {
                    self.push_sealed(SealedSegment {
                        header: active.header,
                        path: active.path.clone(),
                        last: active.header.durable,
                        bytes: active.end,
                        recyclable: false,
                    });
                }
            }
            Err(error) => {
                let path = spare.display();
                tracing::warn!(%path, %error, "failed log segment could not be removed");
            }
        }
    }

    /// Returns a spare, made on the spot if the upkeep is behind.
    fn take_spare(&self) -> io::Result<PathBuf> {
        if let Some(spare) = self.state.lock().spares.pop() {
            return Ok(spare);
        }
        self.make_spare()
    }

    fn spare_number(&self) -> u64 {
        let mut state = self.state.lock();
        let number = state.next_spare;
        state.next_spare = number.saturating_add(1);
        number
    }

    /// Writes zeros into a new file, makes it durable and names it a spare.
    fn make_spare(&self) -> io::Result<PathBuf> {
        let number = self.spare_number();
        let zeroing = self.dir.join(paths::zeroing_name(number));
        let spare = self.dir.join(paths::spare_name(number));
        let file = self.disk.open(&zeroing, OpenHow::CreateNew)?;
        let made = write_zeros(file.as_ref(), self.segment_bytes)
            .and_then(|()| self.disk.rename(&zeroing, &spare))
            .and_then(|()| self.disk.sync_dir(&self.dir));
        if let Err(error) = made {
            for path in [&zeroing, &spare] {
                match self.disk.remove(path) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        let path = path.display();
                        tracing::warn!(%path, error = %e, "half-made log segment remains");
                    }
                    _ => {}
                }
            }
            return Err(error);
        }
        Ok(spare)
    }

    /// Makes a spare if there are too few. Returns whether it did. Not while writes are refused: on
    /// a full disk the room is for the flush.
    pub(crate) fn prepare(&self) -> io::Result<bool> {
        let enough = self.state.lock().spares.len() >= SPARES_AHEAD;
        if enough || self.read_only.reason().is_some() {
            return Ok(false);
        }
        let spare = self.make_spare()?;
        let mut state = self.state.lock();
        state.spares.push(spare);
        self.count(&state);
        Ok(true)
    }

    /// Recycles all that is not needed. A start does so before it makes its first segment, because
    /// the disk may have no room for another.
    pub(crate) fn recycle_all(&self) -> io::Result<()> {
        while self.recycle()? {}
        self.settle_renamed()?;
        Ok(())
    }

    /// Recycles or removes the oldest segment that is no longer needed. Returns whether it did.
    pub(crate) fn recycle(&self) -> io::Result<bool> {
        let (oldest, keep, spare) = {
            let mut state = self.state.lock();
            let through = state.through;
            let committed = state.sealed.front().filter(|s| s.last <= through);
            let Some(oldest) = committed.filter(|s| !self.keeps(&state, s)) else {
                return Ok(false);
            };
            let oldest = oldest.clone();
            let spares = state.spares.len().saturating_add(state.renamed.len());
            let keep = oldest.recyclable && spares < SPARES_MAX;
            let number = state.next_spare;
            state.next_spare = number.saturating_add(1);
            (oldest, keep, self.dir.join(paths::spare_name(number)))
        };
        if keep {
            self.disk.rename(&oldest.path, &spare)?;
        } else {
            match self.disk.remove(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut state = self.state.lock();
        state.sealed.pop_front();
        if keep {
            state.renamed.push(spare);
        }
        self.count(&state);
        Ok(true)
    }

    /// Returns whether a committed segment stays for those who follow the log; not while writes are
    /// refused, because a full disk needs the room.
    fn keeps(&self, state: &State, oldest: &SealedSegment) -> bool {
        let kept = state.sealed.iter().filter(|segment| segment.last <= state.through);
        let bytes = kept.map(|segment| segment.bytes.max(self.segment_bytes));
        let bytes = bytes.fold(0, u64::saturating_add);
        self.keep.keeps(oldest.last, bytes) && self.read_only.reason().is_none()
    }

    /// Returns the segments with records above `above`, up to `through`.
    pub(super) fn segments(&self, above: Lsn, through: Lsn) -> Vec<ReplaySegment> {
        let state = self.state.lock();
        let sealed = state.sealed.iter().filter(|s| s.last > above && s.last >= s.header.first);
        let sealed = sealed.map(|segment| ReplaySegment {
            path: segment.path.clone(),
            header: segment.header,
            above: Lsn(0),
            last: segment.last,
            end: segment.bytes,
            open: false,
        });
        let open = state.retiring.iter().chain(&state.active);
        let open = open.map(|(header, path)| ReplaySegment {
            path: path.clone(),
            header: *header,
            above: Lsn(0),
            last: through,
            end: state.active_bytes,
            open: true,
        });
        let within = |segment: &ReplaySegment| segment.header.first <= through;
        sealed.chain(open).filter(within).collect()
    }

    /// Returns where the files are.
    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    /// Makes the new names of recycled segments durable; only then may they be written again.
    pub(crate) fn settle_renamed(&self) -> io::Result<bool> {
        let count = self.state.lock().renamed.len();
        if count == 0 {
            return Ok(false);
        }
        self.disk.sync_dir(&self.dir)?;
        let mut state = self.state.lock();
        let settled: Vec<_> = state.renamed.drain(..count).collect();
        state.spares.extend(settled);
        Ok(true)
    }

    /// Makes spares until there are `count`.
    pub(crate) fn prepare_to(&self, count: usize) -> io::Result<()> {
        while self.state.lock().spares.len() < count {
            let spare = self.make_spare()?;
            let mut state = self.state.lock();
            state.spares.push(spare);
            self.count(&state);
        }
        Ok(())
    }

    fn notify(&self, state: &mut State) {
        state.work = true;
        self.wake.notify_one();
    }

    fn count(&self, state: &State) {
        let spares = state.spares.len().saturating_add(state.renamed.len());
        let live = state.sealed.len().saturating_add(usize::from(state.active.is_some()));
        let files = i64::try_from(spares.saturating_add(live)).unwrap_or(i64::MAX);
        self.metrics.segments.set(files);
        let needed = state.sealed.iter().filter(|segment| segment.last > state.through);
        let bytes = needed.map(|segment| segment.bytes);
        self.bytes.store(bytes.fold(state.active_bytes, u64::saturating_add), Ordering::Relaxed);
    }
}

/// Fills a file and makes it durable.
fn write_zeros(file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let mut at = 0u64;
    while at < bytes {
        let left = usize::try_from(bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let chunk = zeros.get(..left).unwrap_or(&zeros);
        file.write_at(chunk, at)?;
        at = at.saturating_add(chunk.len() as u64);
    }
    file.sync_data()
}
