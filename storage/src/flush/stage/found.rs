//! What an earlier life has left below `staged/`.

use tarn_model::error::{Error, Result};

use super::list::StagedList;
use crate::file::{self, Disk, Entry};
use crate::paths::{self, DataDir};
use crate::wal::Lsn;

/// The cuts of a folder, in the order of the log.
pub(super) struct Found {
    /// Above the committed position.
    pub(super) waiting: Vec<StagedList>,
    /// Committed.
    pub(super) kept: Vec<StagedList>,
}

/// Reads all lists and removes files that none names. A cut that is not committed must be whole: its
/// rows may be nowhere else.
///
/// # Errors
/// `Corrupt`, naming the file and what can be done.
pub(super) fn find(dir: &DataDir, disk: &dyn Disk, committed: Lsn) -> Result<Found> {
    let folder = dir.staged();
    let failed =
        |what: &str, e| Error::internal(format!("{what} {}", folder.display())).with_source(e);
    let entries = disk.list(&folder).map_err(|e| failed("list", e))?;
    if entries.is_empty() {
        return Ok(Found { waiting: Vec::new(), kept: Vec::new() });
    }
    // Names that a killed process left unsynced are about to be relied on.
    disk.sync_dir(&folder).map_err(|e| failed("sync", e))?;
    let mut found = Found { waiting: Vec::new(), kept: Vec::new() };
    let mut have = committed;
    for entry in entries.iter().filter(|entry| is_list(entry)) {
        match read(dir, disk, entry, &entries, have) {
            Ok(list) if list.cut.hi <= committed.0 => found.kept.push(list),
            Ok(list) => {
                have = Lsn(list.cut.hi);
                found.waiting.push(list);
            }
            // The name begins with the first position: what lies wholly below is cache only.
            Err(error) if is_committed(dir, disk, entry, committed) => {
                tracing::warn!(%error, "a kept cut is left out");
            }
            Err(error) => return Err(error),
        }
    }
    sweep(disk, &entries, &found);
    Ok(found)
}

fn is_list(entry: &Entry) -> bool {
    let name = entry.path.file_name().and_then(|name| name.to_str());
    !entry.is_dir && name.is_some_and(paths::is_staged_list_name)
}

fn is_committed(dir: &DataDir, disk: &dyn Disk, entry: &Entry, committed: Lsn) -> bool {
    match StagedList::read(&entry.path, disk) {
        Ok(list) => list.cut.hi <= committed.0,
        // Cuts are committed wholly: where the first position is, the last one is.
        Err(_) => entry.path <= dir.staged_list(committed.0),
    }
}

fn read(
    dir: &DataDir,
    disk: &dyn Disk,
    entry: &Entry,
    entries: &[Entry],
    have: Lsn,
) -> Result<StagedList> {
    let list = StagedList::read(&entry.path, disk)?;
    let shown = entry.path.display();
    let waits = list.cut.hi > have.0;
    if waits && list.cut.lo != have.next().0 {
        let (lo, hi, have) = (list.cut.lo, list.cut.hi, have.0);
        return Err(Error::corrupt(format!(
            "staged cut {shown} holds LSN {lo} to {hi}, but what is committed and staged ends at \
             {have}: a cut between them is missing"
        )));
    }
    for block in &list.blocks {
        let path = dir.staged().join(&block.file);
        let there = entries.iter().find(|e| e.path == path).map_or(0, |e| e.bytes);
        // Kept files are verified as they are read.
        let sound = there == block.meta.bytes
            && (!waits || {
                let read = file::read_whole(disk, &path, block.meta.bytes);
                read.is_ok_and(|bytes| crc32c::crc32c(&bytes) == block.meta.block_crc)
            });
        if !sound {
            return Err(Error::corrupt(format!(
                "staged block {} is damaged or missing; if {shown} is removed, its rows are taken \
                 from the log where they are still there",
                path.display()
            )));
        }
    }
    Ok(list)
}

/// Removes files that no list names. A failure leaves them for the next start.
fn sweep(disk: &dyn Disk, entries: &[Entry], found: &Found) {
    let lists = found.waiting.iter().chain(&found.kept);
    let named: std::collections::BTreeSet<&str> =
        lists.flat_map(|list| &list.blocks).map(|block| block.file.as_str()).collect();
    let kept: std::collections::BTreeSet<u64> =
        found.waiting.iter().chain(&found.kept).map(|list| list.cut.lo).collect();
    for entry in entries.iter().filter(|entry| !entry.is_dir) {
        let name = entry.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let lo = name.get(..20).and_then(|digits| digits.parse().ok());
        let list = is_list(entry) && lo.is_some_and(|lo| kept.contains(&lo));
        if !list
            && !named.contains(name)
            && let Err(error) = disk.remove(&entry.path)
        {
            tracing::warn!(%error, path = %entry.path.display(), "cannot be removed");
        }
    }
}
