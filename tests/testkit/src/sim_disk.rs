//! A disk in memory that keeps exactly what the rules of a file system oblige it to keep.
//!
//! Written bytes live in the page cache until the file is synced, names until their folder is. A
//! [`SimDisk::power_loss`] forgets the rest, but not neatly: each unsynced sector of 512 bytes may
//! or may not have reached the disk, and of the names of a folder some prefix of the changes. A
//! failed sync leaves some sectors written, marks all of them clean, and lets the next sync succeed
//! without writing anything, as Linux does. Further faults: failing writes, a capacity, flipped
//! bits, and a power loss after any number of operations. One seed decides everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tarn_storage::file::{Disk, DiskFile, Entry, OpenHow, Space};

use crate::sim::SimRng;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// A simulated disk. Cheap to clone; all clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone)]
struct State {
    rng: SimRng,
    files: BTreeMap<u64, File>,
    next_file: u64,
    folders: BTreeSet<PathBuf>,
    /// Names as a running process sees them.
    names: BTreeMap<PathBuf, u64>,
    /// Names as a power loss would leave them, but for `pending`.
    durable: BTreeMap<PathBuf, u64>,
    /// Changes of names since their folder was synced, in order.
    pending: BTreeMap<PathBuf, Vec<Change>>,
    locks: BTreeSet<PathBuf>,
    /// Counts processes: handles and locks of an earlier one are worthless.
    life: u64,
    capacity: u64,
    failing_syncs: u32,
    failing_writes: u32,
    /// The power goes after so many operations.
    fuse: Option<u64>,
    operations: u64,
}

#[derive(Clone, Default)]
struct File {
    data: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum Change {
    Set(PathBuf, u64),
    Unset(PathBuf),
    Move(PathBuf, PathBuf, u64),
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("names", &self.0.lock().names).finish_non_exhaustive()
    }
}

impl SimDisk {
    /// Makes an empty disk whose faults follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: SimRng::new(seed),
            files: BTreeMap::new(),
            next_file: 1,
            folders: BTreeSet::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: BTreeMap::new(),
            locks: BTreeSet::new(),
            life: 0,
            capacity: u64::MAX,
            failing_syncs: 0,
            failing_writes: 0,
            fuse: None,
            operations: 0,
        })))
    }

    /// Returns another disk that is as this one is now.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.0.lock().clone();
        Self(Arc::new(Mutex::new(state)))
    }

    /// Ends the process: its handles and locks are gone, the page cache stays.
    pub fn kill(&self) {
        self.0.lock().end_process();
    }

    /// Ends the process and forgets what was not synced, or part of it.
    pub fn power_loss(&self) {
        let mut state = self.0.lock();
        state.end_process();
        state.lose_names();
        state.lose_bytes();
    }

    /// Lets the next `count` syncs of files fail.
    pub fn fail_syncs(&self, count: u32) {
        self.0.lock().failing_syncs = count;
    }

    /// Lets the next `count` writes fail, each somewhere in its middle.
    pub fn fail_writes(&self, count: u32) {
        self.0.lock().failing_writes = count;
    }

    /// Lets the power go after `operations` more writes, syncs and changes of names: all fail from
    /// then on, until [`SimDisk::power_loss`] or [`SimDisk::kill`].
    pub fn cut_power_after(&self, operations: u64) {
        self.0.lock().fuse = Some(operations);
    }

    /// Returns how many operations there have been.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Bounds the bytes of all files together; more is answered with `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity = bytes;
    }

    /// Flips one bit of a file, on the disk and in the cache.
    ///
    /// # Errors
    /// `NotFound` where there is no such file, or it has no such bit.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let file = state.file_named(path)?;
        let at = usize::try_from(bit / 8).unwrap_or(usize::MAX);
        for bytes in [&mut file.data, &mut file.durable] {
            *bytes.get_mut(at).ok_or(ErrorKind::NotFound)? ^= 1 << (bit % 8);
        }
        Ok(())
    }

    /// Returns the bytes of a file as a process would read them.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().file_named(path)?.data.clone())
    }
}

impl State {
    fn end_process(&mut self) {
        self.life += 1;
        self.locks.clear();
        (self.failing_syncs, self.failing_writes, self.fuse) = (0, 0, None);
    }

    fn lose_names(&mut self) {
        for changes in std::mem::take(&mut self.pending).into_values() {
            let kept = self.rng.below(changes.len() as u64 + 1) as usize;
            for change in &changes[..kept] {
                apply(&mut self.durable, change);
            }
        }
        self.names = self.durable.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|id, _| named.contains(id));
    }

    fn lose_bytes(&mut self) {
        for file in self.files.values_mut() {
            // Sometimes all or nothing, so that whole unsynced groups are seen as well.
            let permille = [0, 500, 500, 900, 1000][self.rng.below(5) as usize];
            if self.rng.chance(permille) {
                file.durable.resize(file.data.len(), 0);
            }
            let dirty = std::mem::take(&mut file.dirty);
            file.write_back(&dirty, || self.rng.chance(permille));
            file.data = file.durable.clone();
        }
    }

    /// Counts an operation; fails where the power is gone.
    fn tick(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.fuse {
            Some(0) => Err(io::Error::other("power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn file_named(&mut self, path: &Path) -> io::Result<&mut File> {
        let id = *self.names.get(path).ok_or(ErrorKind::NotFound)?;
        self.files.get_mut(&id).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn used(&self) -> u64 {
        self.files.values().map(|file| file.data.len() as u64).sum()
    }

    /// Fails where a file cannot grow to `len`.
    fn grow(&self, id: u64, len: usize) -> io::Result<()> {
        let now = self.files.get(&id).map_or(0, |file| file.data.len());
        let more = len.saturating_sub(now) as u64;
        if more > 0 && self.used() + more > self.capacity {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn change(&mut self, folder: &Path, change: Change) {
        apply(&mut self.names, &change);
        self.pending.entry(folder.to_owned()).or_default().push(change);
        let State { files, names, durable, pending, .. } = self;
        let waiting: BTreeSet<u64> = pending.values().flatten().filter_map(Change::file).collect();
        let named = |id: &u64| names.values().chain(durable.values()).any(|other| other == id);
        files.retain(|id, _| waiting.contains(id) || named(id));
    }
}

impl Change {
    fn file(&self) -> Option<u64> {
        match self {
            Self::Set(_, id) | Self::Move(_, _, id) => Some(*id),
            Self::Unset(_) => None,
        }
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &Change) {
    match change {
        Change::Set(path, id) => {
            names.insert(path.clone(), *id);
        }
        Change::Unset(path) => {
            names.remove(path);
        }
        Change::Move(from, to, id) => {
            names.remove(from);
            names.insert(to.clone(), *id);
        }
    }
}

impl File {
    /// Copies those of the sectors to the disk that `keep` says.
    fn write_back(&mut self, sectors: &BTreeSet<usize>, mut keep: impl FnMut() -> bool) {
        for sector in sectors {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.data.len()).min(self.durable.len());
            if start < end && keep() {
                self.durable[start..end].copy_from_slice(&self.data[start..end]);
            }
        }
    }

    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if end > self.data.len() {
            self.data.resize(end, 0);
        }
        self.data[at..end].copy_from_slice(bytes);
        if at < end {
            self.dirty.extend(at / SECTOR..=(end - 1) / SECTOR);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        let id = match (state.names.get(path).copied(), how) {
            (Some(_), OpenHow::CreateNew) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(id), _) => id,
            (None, OpenHow::CreateNew) => {
                state.tick()?;
                if !state.folders.contains(folder_of(path)) {
                    return Err(ErrorKind::NotFound.into());
                }
                let id = state.next_file;
                state.next_file += 1;
                state.files.insert(id, File::default());
                state.change(folder_of(path), Change::Set(path.to_owned(), id));
                id
            }
            (None, _) => return Err(ErrorKind::NotFound.into()),
        };
        let writes = how != OpenHow::Read;
        Ok(Arc::new(SimFile { disk: self.clone(), id, life: state.life, writes }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tick()?;
        let id = *state.names.get(from).ok_or(ErrorKind::NotFound)?;
        state.change(folder_of(to), Change::Move(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tick()?;
        let id = *state.names.get(from).ok_or(ErrorKind::NotFound)?;
        if state.names.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.change(folder_of(to), Change::Set(to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tick()?;
        if !state.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change(folder_of(path), Change::Unset(path.to_owned()));
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tick()?;
        state.folders.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tick()?;
        if !state.folders.contains(path) {
            return Err(ErrorKind::NotFound.into());
        }
        for change in state.pending.remove(path).unwrap_or_default() {
            apply(&mut state.durable, &change);
        }
        // A move out of this folder is one change of the journal: it is durable on both sides.
        let State { pending, durable, .. } = &mut *state;
        for changes in pending.values_mut() {
            changes.retain(|change| {
                let leaves = matches!(change, Change::Move(from, ..) if folder_of(from) == path);
                if leaves {
                    apply(durable, change);
                }
                !leaves
            });
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = self.0.lock();
        let inside = |other: &Path| other != path && folder_of(other) == path;
        let folders = state.folders.iter().filter(|folder| inside(folder));
        let folders = folders.map(|folder| Entry { path: folder.clone(), is_dir: true, bytes: 0 });
        let files = state.names.iter().filter(|(name, _)| inside(name)).map(|(name, id)| {
            let bytes = state.files.get(id).map_or(0, |file| file.data.len() as u64);
            Entry { path: name.clone(), is_dir: false, bytes }
        });
        let mut entries: Vec<Entry> = folders.chain(files).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.0.lock();
        if !state.locks.insert(path.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), life: state.life }))
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = self.0.lock();
        let (total, used) = (state.capacity, state.used());
        Ok(Space { total, available: total.saturating_sub(used) })
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    id: u64,
    life: u64,
    writes: bool,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SimFile {
    fn with<R>(&self, work: impl FnOnce(&mut State) -> io::Result<R>) -> io::Result<R> {
        let mut state = self.disk.0.lock();
        if state.life != self.life {
            return Err(io::Error::other("handle of a process that is gone"));
        }
        work(&mut state)
    }

    fn changing<R>(&self, work: impl FnOnce(&mut State) -> io::Result<R>) -> io::Result<R> {
        self.with(|state| {
            if !self.writes {
                return Err(ErrorKind::PermissionDenied.into());
            }
            state.tick()?;
            work(state)
        })
    }

    fn file<'a>(&self, state: &'a mut State) -> io::Result<&'a mut File> {
        state.files.get_mut(&self.id).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|state| {
            let at = usize::try_from(offset).map_err(io::Error::other)?;
            let bytes = self.file(state)?.data.get(at..at.saturating_add(into.len()));
            into.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.changing(|state| {
            let at = usize::try_from(offset).map_err(io::Error::other)?;
            state.grow(self.id, at + bytes.len())?;
            if state.failing_writes > 0 {
                state.failing_writes -= 1;
                let written = state.rng.below(bytes.len() as u64 + 1) as usize;
                self.file(state)?.write(&bytes[..written], at);
                return Err(io::Error::other("write failed"));
            }
            self.file(state)?.write(bytes, at);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.changing(|state| {
            let fails = state.failing_syncs > 0;
            state.failing_syncs -= u32::from(fails);
            let rng = state.rng.clone();
            let file = self.file(state)?;
            file.durable.resize(file.data.len(), 0);
            let dirty = std::mem::take(&mut file.dirty);
            file.write_back(&dirty, || !fails || rng.chance(500));
            if fails { Err(io::Error::other("sync failed")) } else { Ok(()) }
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|state| Ok(self.file(state)?.data.len() as u64))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.changing(|state| {
            let len = usize::try_from(bytes).map_err(io::Error::other)?;
            state.grow(self.id, len)?;
            let file = self.file(state)?;
            file.data.resize(len, 0);
            Ok(())
        })
    }
}
