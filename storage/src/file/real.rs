//! The real file system: the one place of this crate that calls `std::fs`.
//!
//! Every call maps to one or two system calls, so that what a simulated disk forgets is what this
//! one may forget. Folders are locked with `flock` on the folder itself: the kernel drops the lock
//! with the process, however that ends, and no lock file is left behind.
#![expect(clippy::disallowed_methods, reason = "this file is what the ban points to")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock, statvfs};

use super::{Disk, DiskFile, Entry, OpenHow, Space};

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// An open file of it.
#[derive(Debug)]
struct RealFile(File);

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            OpenHow::Read => {}
            OpenHow::Write => {
                options.write(true);
            }
            OpenHow::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = parent(path).ok_or(error)?;
                self.create_dir_all(parent)?;
                match fs::create_dir(path) {
                    // Another thread was faster; its parent is synced below all the same.
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            Err(error) => return Err(error),
        }
        self.sync_dir(parent(path).unwrap_or(Path::new(".")))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let names = match fs::read_dir(path) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for name in names {
            let name = name?;
            let meta = match name.metadata() {
                Ok(meta) => meta,
                // Removed since the folder was read.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_dir = meta.is_dir();
            let bytes = if is_dir { 0 } else { meta.len() };
            entries.push(Entry { path: name.path(), is_dir, bytes });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let folder = File::open(path)?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(folder))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = statvfs(path)?;
        Ok(Space {
            total: stat.f_frsize.saturating_mul(stat.f_blocks),
            available: stat.f_frsize.saturating_mul(stat.f_bavail),
        })
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

/// Returns the folder above, `None` at the top of a relative or absolute path.
fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

#[cfg(test)]
mod tests;
