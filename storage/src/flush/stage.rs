//! Cuts on the local disk: between the head and a bucket that may be slow, or away.
//!
//! A cut is *staged* when its blocks lie in files below `staged/`, synced, and a list of them has
//! been renamed into place. From then on its rows are those of the files: the view shows them
//! instead of the generation, whose memory is free, and a start replays the log above them only. So
//! memory stays level however long the bucket is away, and the log may let go of their records when
//! it grows long. When the bucket has taken the blocks and a manifest names them, the files are a
//! cache of our newest blocks, bounded in age and bytes.
//!
//! A file keeps its own name; the object's name stands in the list and can change until the commit,
//! where a name may not be used any more (a sweep, a suspension beyond the history).

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::metrics;
use tarn_model::rng::Rng;
use tarn_model::time::Clock;

use super::aside::Aside;
use super::build::BuildContext;
use crate::append::requests;
use crate::block::seal::NewBlock;
use crate::block::{BlockMeta, LsnRange};
use crate::catalog::Identity;
use crate::file::{self, Disk, OpenHow};
use crate::head::{Head, HeadGeneration};
use crate::object::cache::Parts;
use crate::options;
use crate::paths::{self, DataDir};
use crate::view::ViewCell;
use crate::wal::Lsn;

mod found;
pub mod list;

use list::{StagedBlock, StagedList};

/// The place of staged blocks in the order of commits, while they have none: above all that are
/// committed, below the head.
const SEQ: u64 = u64::MAX - 1;
/// Objects that no manifest names are swept when they are an hour old; names are used for half of
/// that.
const NAMES_LAST: Duration = Duration::from_secs(1800);

/// A cut on the local disk that no manifest names yet.
#[derive(Debug)]
pub(crate) struct StagedCut {
    list: StagedList,
    /// Its blocks as the view shows them.
    shown: Vec<Arc<BlockMeta>>,
    /// All its objects are in the bucket.
    uploaded: AtomicBool,
    /// When the names of its objects are too old to be used, on the monotonic axis; `None` before
    /// they are used for the first time.
    overdue: Mutex<Option<Duration>>,
}

impl StagedCut {
    fn new(list: StagedList, overdue: Option<Duration>) -> Arc<Self> {
        let show = |block: &StagedBlock| Arc::new(BlockMeta { seq: SEQ, ..(*block.meta).clone() });
        let shown = list.blocks.iter().map(show).collect();
        let (uploaded, overdue) = (AtomicBool::new(false), Mutex::new(overdue));
        Arc::new(Self { list, shown, uploaded, overdue })
    }

    /// Takes over a cut of an earlier life, which may have used its names since it was staged.
    fn found(list: StagedList, clock: &dyn Clock) -> Arc<Self> {
        let age_ms = clock.now().as_millis().saturating_sub(list.time_ms);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        let overdue = clock.monotonic() + NAMES_LAST.saturating_sub(age);
        Self::new(list, Some(overdue))
    }

    /// Returns whether objects under its names may be about to be swept as orphans.
    pub(crate) fn is_overdue(&self, now: Duration) -> bool {
        self.overdue.lock().is_some_and(|at| now >= at)
    }

    pub(crate) fn begin_upload(&self, now: Duration) {
        self.overdue.lock().get_or_insert(now + NAMES_LAST);
    }

    pub(crate) fn blocks(&self) -> usize {
        self.list.blocks.len()
    }

    pub(crate) fn lsn(&self) -> &LsnRange {
        &self.list.cut
    }

    pub(crate) fn metas(&self) -> Vec<Arc<BlockMeta>> {
        self.list.blocks.iter().map(|block| Arc::clone(&block.meta)).collect()
    }

    pub(crate) fn is_uploaded(&self) -> bool {
        self.uploaded.load(Ordering::Acquire)
    }

    pub(crate) fn set_uploaded(&self) {
        self.uploaded.store(true, Ordering::Release);
    }
}

/// What the stage is given.
#[derive(Debug, Clone)]
pub(crate) struct StageParts {
    pub(crate) aside: Arc<Aside>,
    pub(crate) dir: DataDir,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) identity: Identity,
    pub(crate) bytes: Parts,
    pub(crate) options: options::Cache,
}

/// The staged cuts of one folder.
#[derive(Debug)]
pub(crate) struct Stage {
    parts: StageParts,
    /// One cut is staged at a time. Held by the thread that does it, so that a request that is
    /// dropped halfway does not let a second one in.
    turn: Mutex<()>,
    held: Mutex<Held>,
    waiting_gauge: Gauge,
    kept_gauge: Gauge,
}

/// In the order of the log.
#[derive(Debug, Default)]
struct Held {
    waiting: VecDeque<Arc<StagedCut>>,
    /// Committed: cache.
    kept: VecDeque<StagedList>,
}

impl Stage {
    /// Takes over what an earlier life has staged above `committed`, and removes what was never
    /// finished. Blocks on the disk.
    ///
    /// # Errors
    /// `Corrupt` where a file of a cut that is not committed is damaged or missing, or where a cut
    /// is missing between two.
    pub(crate) fn open(parts: StageParts, committed: Lsn, registry: &mut Registry) -> Result<Self> {
        let (waiting_gauge, kept_gauge) = (Gauge::default(), Gauge::default());
        let name = metrics::STAGED_BYTES;
        registry.register(name.name, name.help, waiting_gauge.clone());
        let name = metrics::STAGED_KEPT_BYTES;
        registry.register(name.name, name.help, kept_gauge.clone());
        let found::Found { waiting, kept } = found::find(&parts.dir, &*parts.disk, committed)?;
        for list in waiting.iter().chain(&kept) {
            add_files(&parts, list);
        }
        let found = |list| StagedCut::found(list, &*parts.clock);
        let waiting = waiting.into_iter().map(found).collect();
        let held = Mutex::new(Held { waiting, kept: kept.into() });
        let stage = Self { parts, turn: Mutex::new(()), held, waiting_gauge, kept_gauge };
        stage.measure();
        Ok(stage)
    }

    /// Returns the last log position that is staged, if any waits.
    pub(crate) fn last(&self) -> Option<Lsn> {
        self.held.lock().waiting.back().map(|cut| Lsn(cut.list.cut.hi))
    }

    /// Returns the cuts that wait for their commit, in the order of the log.
    pub(crate) fn waiting(&self) -> Vec<Arc<StagedCut>> {
        self.held.lock().waiting.iter().cloned().collect()
    }

    /// Returns the blocks above a log position as the view shows them.
    pub(crate) fn shown_above(&self, committed: u64) -> Arc<[Arc<BlockMeta>]> {
        let held = self.held.lock();
        let above = held.waiting.iter().filter(|cut| cut.list.cut.hi > committed);
        above.flat_map(|cut| cut.shown.iter().cloned()).collect()
    }

    /// Stages a generation that was cut and moves it, in the view, from the head to the files.
    /// `None` where it is in the head no longer. Blocks on the disk.
    ///
    /// # Errors
    /// What the disk said; nothing is staged then.
    pub(crate) fn put(
        &self,
        generation: &Arc<HeadGeneration>,
        head: &Head,
        view: &ViewCell,
    ) -> Result<Option<Arc<StagedCut>>> {
        let _turn = self.turn.lock();
        let now = view.load();
        let there = now.heads().iter().any(|g| Arc::ptr_eq(g, generation));
        let Some(last) = generation.last().filter(|_| there) else { return Ok(None) };
        let StageParts { dir, disk, clock, rng, identity: Identity { id, epoch }, .. } =
            &self.parts;
        let now_ms = clock.now().as_millis();
        let (epoch, rng, usage) = (*epoch, &**rng, &**now.usage());
        let context = BuildContext { writer: id, epoch, rng, now_ms, usage };
        let built =
            self.parts.aside.build(generation, &context).map_err(|e| e.context("build blocks"))?;
        let (lo, hi) = (generation.first().0, last.0);
        let cut = LsnRange { writer: id.clone(), epoch, lo, hi };
        let list = StagedList { cut, time_ms: now_ms, blocks: self.write_files(lo, &built)? };
        // A start above this cut meets none of its records, so their requests must be written down.
        let saved = requests::file::save(&head.requests, dir, &**disk)
            .map_err(|e| Error::internal("write down which requests are stored").with_source(e))
            .and_then(|()| list.write(dir, &**disk));
        if let Err(error) = saved {
            self.remove(&list);
            return Err(error);
        }
        add_files(&self.parts, &list);
        let cut = StagedCut::new(list, None);
        self.held.lock().waiting.push_back(Arc::clone(&cut));
        view.update(|view| {
            let staged = self.shown_above(view.catalog().committed(id));
            view.without_generation(generation).with_staged(staged)
        });
        self.measure();
        Ok(Some(cut))
    }

    /// Writes and syncs one file per block.
    fn write_files(&self, lo: u64, built: &[NewBlock]) -> Result<Vec<StagedBlock>> {
        let StageParts { dir, disk, rng, .. } = &self.parts;
        let mut written: Vec<PathBuf> = Vec::with_capacity(built.len());
        let all = (|| {
            disk.create_dir_all(&dir.staged())?;
            for (number, block) in built.iter().enumerate() {
                let path = dir.staged_block(lo, number, rng.next_u64());
                let file = disk.open(&path, OpenHow::CreateNew)?;
                written.push(path);
                file.write_at(&block.bytes, 0)?;
                file.sync_data()?;
            }
            disk.sync_dir(&dir.staged())
        })();
        if let Err(error) = all {
            written.iter().for_each(|path| self.remove_file(path));
            let message = format!("stage a cut in {}", dir.staged().display());
            return Err(Error::internal(message).with_source(error));
        }
        let block = |(path, new): (PathBuf, &NewBlock)| StagedBlock {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            meta: Arc::new(new.meta.clone()),
        };
        Ok(written.into_iter().zip(built).map(block).collect())
    }

    /// Reads the content of one block of a cut, with its entry for the catalog.
    ///
    /// # Errors
    /// `Corrupt` where the file is not what was written.
    pub(crate) fn read(&self, cut: &StagedCut, number: usize) -> Result<(Arc<BlockMeta>, Bytes)> {
        let block = cut.list.blocks.get(number);
        let block =
            block.ok_or_else(|| Error::internal(format!("staged cut has no block {number}")))?;
        let StageParts { dir, disk, .. } = &self.parts;
        let path = dir.staged().join(&block.file);
        let read = file::read_whole(&**disk, &path, block.meta.bytes)
            .map_err(|e| Error::internal(format!("read {}", path.display())).with_source(e))?;
        if crc32c::crc32c(&read) != block.meta.block_crc {
            let shown = path.display();
            return Err(Error::corrupt(format!("staged block {shown} fails its checksum")));
        }
        Ok((Arc::clone(&block.meta), read.into()))
    }

    /// Gives the objects of all cuts that wait other names: those they have may not be used any
    /// more. Blocks on the disk.
    ///
    /// # Errors
    /// What the disk said; some cuts have their old names then.
    pub(crate) fn rename(&self, view: &ViewCell) -> Result<()> {
        let _turn = self.turn.lock();
        let StageParts { dir, disk, rng, identity, .. } = &self.parts;
        for old in self.waiting() {
            let mut list = old.list.clone();
            for block in &mut list.blocks {
                let mut meta = (*block.meta).clone();
                let renamed = paths::renamed_block(&meta.object, rng.next_u64());
                meta.object = renamed.ok_or_else(|| {
                    Error::internal(format!("block {} cannot be renamed", meta.object))
                })?;
                block.meta = Arc::new(meta);
            }
            list.write(dir, &**disk)?;
            // Queries that began before know the old names; so both lead to the file.
            add_files(&self.parts, &list);
            let new = StagedCut::new(list, None);
            let mut held = self.held.lock();
            held.waiting
                .iter_mut()
                .filter(|c| Arc::ptr_eq(c, &old))
                .for_each(|c| *c = Arc::clone(&new));
        }
        view.update(|view| {
            let staged = self.shown_above(view.catalog().committed(&identity.id));
            view.with_staged(staged)
        });
        Ok(())
    }

    /// Says that everything up to a log position is committed: those files are cache from now on.
    pub(crate) fn committed(&self, through: u64) {
        let mut held = self.held.lock();
        let Held { waiting, kept } = &mut *held;
        while let Some(cut) = waiting.pop_front_if(|cut| cut.list.cut.hi <= through) {
            kept.push_back(cut.list.clone());
        }
        drop(held);
        self.measure();
    }

    /// Removes what is kept beyond its age or the bound of bytes; everything where room is `short`.
    /// Blocks on the disk.
    pub(crate) fn evict(&self, short: bool) {
        let options::Cache { keep_uploaded, disk_bytes, .. } = &self.parts.options;
        let age_ms = i64::try_from(keep_uploaded.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = self.parts.clock.now().as_millis().saturating_sub(age_ms);
        loop {
            let mut held = self.held.lock();
            let bytes: u64 = held.kept.iter().map(StagedList::bytes).sum();
            let too_many = short || bytes > disk_bytes.0;
            let gone = held.kept.pop_front_if(|list| too_many || list.time_ms <= oldest_ms);
            drop(held);
            let Some(list) = gone else { break };
            for block in &list.blocks {
                self.parts.bytes.remove_file(&block.meta.object);
            }
            self.remove(&list);
        }
        self.measure();
    }

    /// Removes the list first: files without one are nothing. What stays behind is found at the
    /// next start.
    fn remove(&self, list: &StagedList) {
        let StageParts { dir, disk, .. } = &self.parts;
        self.remove_file(&dir.staged_list(list.cut.lo));
        // A list that came back after a power loss without its files would be damage.
        if disk.sync_dir(&dir.staged()).is_err() {
            return;
        }
        for block in &list.blocks {
            self.remove_file(&dir.staged().join(&block.file));
        }
    }

    fn remove_file(&self, path: &std::path::Path) {
        match self.parts.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(%error, path = %path.display(), "staged file could not be removed");
            }
            _ => {}
        }
    }

    fn measure(&self) {
        let held = self.held.lock();
        let waiting: u64 = held.waiting.iter().map(|cut| cut.list.bytes()).sum();
        let kept: u64 = held.kept.iter().map(StagedList::bytes).sum();
        self.waiting_gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.kept_gauge.set(i64::try_from(kept).unwrap_or(i64::MAX));
    }
}

/// Lets readers find the files of a cut.
fn add_files(parts: &StageParts, list: &StagedList) {
    for block in &list.blocks {
        parts.bytes.add_file(&block.meta.object, parts.dir.staged().join(&block.file));
    }
}
