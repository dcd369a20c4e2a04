//! The only opener, syncer and renamer of local files.
//!
//! [`Disk`] is a trait so that tests can put a simulated disk below the whole store: one that
//! forgets what was not synced, tears writes and fails them. One virtual call per file operation
//! costs nothing beside the system call.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod real;

pub use real::RealDisk;

/// A local file system.
///
/// Durability follows POSIX: bytes are durable after [`DiskFile::sync_data`], names after
/// [`Disk::sync_dir`] of their folder.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file; `how` says what must and may exist.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file over whatever has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; fails with `AlreadyExists` where the name is taken.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder and those above it; the new names are durable when this returns.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns the entries of a folder, sorted by name; an absent folder has none.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Takes the lock of a folder for as long as the guard lives; `WouldBlock` where another
    /// process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Returns total and available bytes of the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenHow {
    /// Must exist; reading only.
    Read,
    /// Must exist; reading and writing.
    Write,
    /// Must not exist; reading and writing.
    CreateNew,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Full path.
    pub path: PathBuf,
    /// A folder, not a file.
    pub is_dir: bool,
    /// Bytes of a file.
    pub bytes: u64,
}

/// Room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it, bytes.
    pub total: u64,
    /// What an unprivileged process may still use, bytes.
    pub available: u64,
}

/// Puts `bytes` in the place of the file `path`, so that a crash leaves the old content or the new
/// one, both whole: another file is written and synced, and takes the name.
///
/// # Errors
/// What the disk says; the old file is untouched then, but where the folder could not be synced.
pub fn replace(disk: &dyn Disk, temp: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match disk.remove(temp) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let file = disk.open(temp, OpenHow::CreateNew)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(temp, path)?;
    path.parent().map_or(Ok(()), |folder| disk.sync_dir(folder))
}

/// Reads a whole file of at most `bytes_max`.
///
/// # Errors
/// What the disk says; `FileTooLarge` beyond the bound.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenHow::Read)?;
    let length = file.len()?;
    let bytes = usize::try_from(length).ok().filter(|_| length <= bytes_max).ok_or_else(|| {
        let message = format!("{} is {length} bytes, limit is {bytes_max}", path.display());
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    })?;
    let mut content = vec![0; bytes];
    file.read_at(&mut content, 0)?;
    Ok(content)
}

/// An open file. Positions are explicit, so that threads can share it.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads exactly `into.len()` bytes; `UnexpectedEof` where the file ends before.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all bytes.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the written bytes and the length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Returns the length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Returns whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
