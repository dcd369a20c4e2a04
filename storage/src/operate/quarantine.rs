//! `tarn wal quarantine`: sets a damaged log segment aside, so that a start can go on without it.
//!
//! The damaged file goes to `quarantine/`, whole, for whoever wants to try more. In its place comes
//! a segment with the same number that holds what was readable in front of the damage, and ends
//! with a witness that says where the log goes on. Later segments of the same start go aside as
//! well: their records may lean on series definitions in what is damaged, and a row under the wrong
//! series would be worse than none. All that is lost is reported: it was acknowledged. So the
//! command is run by a person, never by a start.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tarn_model::error::{Error, Result};

use crate::file::{Disk, OpenHow};
use crate::paths::{self, DataDir};
use crate::wal::{Lsn, Mended, mend};

/// When to try again at a folder that a process has; the process must be stopped by somebody.
const IN_USE_RETRY: Duration = Duration::from_secs(5);

/// What was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where the files are now, the damaged one first.
    pub moved_to: Vec<PathBuf>,
    /// First LSN that is lost.
    pub first_lost: Lsn,
    /// Last LSN that is lost; below `first_lost` where nothing durable is.
    pub last_lost: Lsn,
}

/// Sets aside the first damaged segment of the log in a data folder, or of its alert log; `None`
/// where there is none.
///
/// # Errors
/// `Unavailable` where a process has the folder; `Internal` where files cannot be read or moved, and
/// then the command can be given again.
pub fn quarantine(disk: &dyn Disk, folder: &DataDir) -> Result<Option<Quarantined>> {
    let root = folder.root().display();
    let _lock = disk.lock(folder.root()).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => {
            let message = format!("{root} is in use by another process");
            Error::unavailable(message, IN_USE_RETRY)
        }
        _ => Error::internal(format!("lock {root}")).with_source(e),
    })?;
    if let Some(done) = set_aside(disk, &folder.wal(), &folder.quarantine())? {
        return Ok(Some(done));
    }
    set_aside(disk, &folder.alerts(), &folder.alerts_quarantine())
}

fn set_aside(disk: &dyn Disk, dir: &Path, quarantine_dir: &Path) -> Result<Option<Quarantined>> {
    let failed = |e: io::Error| {
        Error::internal(format!("set aside a segment of the log in {}", dir.display()))
            .with_source(e)
    };
    let mut segments = Vec::new();
    for entry in disk.list(dir).map_err(failed)? {
        let name = entry.path.file_name().and_then(|name| name.to_str());
        if let Some(number) = name.and_then(paths::parse_segment_name) {
            segments.push((number, entry.path));
        }
    }
    let Some(mended) = mend(disk, &segments)? else { return Ok(None) };
    let Mended { number, path, bytes, first_lost, last_lost, later } = mended;
    let replace = || {
        disk.create_dir_all(quarantine_dir)?;
        let damaged = quarantine_dir.join(paths::segment_name(number));
        // From an attempt that was cut short.
        remove_if_there(disk, &damaged)?;
        disk.hard_link(&path, &damaged)?;
        disk.sync_dir(quarantine_dir)?;
        let prepared = dir.join(paths::zeroing_name(number));
        remove_if_there(disk, &prepared)?;
        let file = disk.open(&prepared, OpenHow::CreateNew)?;
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        disk.rename(&prepared, &path)?;
        disk.sync_dir(dir)?;
        // From here on the log starts. What follows keeps the bytes that nobody reads any more.
        let mut moved_to = vec![damaged];
        for (number, path) in &later {
            let aside = quarantine_dir.join(paths::segment_name(*number));
            disk.rename(path, &aside)?;
            moved_to.push(aside);
        }
        disk.sync_dir(quarantine_dir)?;
        disk.sync_dir(dir)?;
        Ok(moved_to)
    };
    let moved_to = replace().map_err(failed)?;
    Ok(Some(Quarantined { moved_to, first_lost, last_lost }))
}

fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
