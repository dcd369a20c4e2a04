//! Who writes, and in which epoch.
//!
//! A data folder is born with a random writer id: a new disk is another writer, whatever the host
//! is called. Each start raises the epoch, in the folder first and then in the catalog. Of two
//! copies of a folder the later start has the higher epoch; the earlier finds it at its next commit
//! and stops (FEN-1). A folder whose epoch is behind the catalog's is an old copy and never starts.
//!
//! The identity file is a few lines of text with a checksum:
//!
//! ```text
//! tarn writer 1
//! id 5f0c…
//! epoch 7
//! crc 1a2b3c4d
//! ```

use std::io;

use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;

use crate::catalog::commit::{Catalog, CommitError, Draft};
use crate::catalog::format::{WriterRecord, WriterState, WriterUpdate};
use crate::catalog::state::State;
use crate::file::{Disk, OpenHow};
use crate::paths::DataDir;

const FIRST_LINE: &str = "tarn writer 1";
/// An identity file is below 100 bytes; anything longer is something else.
const FILE_BYTES_MAX: u64 = 4096;

/// A writer in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 32 hex digits, drawn when the folder was made.
    pub id: String,
    /// How often it has been started.
    pub epoch: u64,
}

impl Identity {
    /// Reads the identity of a folder; `None` where it has none yet.
    ///
    /// # Errors
    /// `Corrupt` where the file is not what was written.
    pub fn read(dir: &DataDir, disk: &dyn Disk) -> Result<Option<Self>> {
        let path = dir.writer();
        let name = path.display().to_string();
        let failed = |e: io::Error| Error::internal(format!("read {name}")).with_source(e);
        let file = match disk.open(&path, OpenHow::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let bytes = file.len().map_err(failed)?.min(FILE_BYTES_MAX);
        let mut content = vec![0; usize::try_from(bytes).unwrap_or_default()];
        file.read_at(&mut content, 0).map_err(failed)?;
        Self::parse(&content)
            .map(Some)
            .ok_or_else(|| Error::corrupt(format!("{name} is damaged: not a writer's identity")))
    }

    /// Draws a new identity, of epoch 0: it has not been started yet.
    pub fn new(rng: &dyn Rng) -> Self {
        Self { id: format!("{:032x}", rng.next_u128()), epoch: 0 }
    }

    /// Makes the identity durable in its folder.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, dir: &DataDir, disk: &dyn Disk) -> io::Result<()> {
        let (temp, content) = (dir.writer_temp(), self.print());
        match disk.remove(&temp) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = disk.open(&temp, OpenHow::CreateNew)?;
        file.write_at(content.as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(&temp, &dir.writer())?;
        disk.sync_dir(dir.root())
    }

    pub(crate) fn print(&self) -> String {
        let body = format!("{FIRST_LINE}\nid {}\nepoch {}\n", self.id, self.epoch);
        format!("{body}crc {:08x}\n", crc32c::crc32c(body.as_bytes()))
    }

    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let text = str::from_utf8(content).ok()?;
        let mut lines = text.lines();
        let first = lines.next()?;
        let id = lines.next()?.strip_prefix("id ")?.to_owned();
        let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
        let identity = Self { id, epoch };
        // Printing it again checks the checksum and every byte that parsing would let pass.
        let hex = identity.id.len() == 32 && identity.id.bytes().all(|b| b.is_ascii_hexdigit());
        (first == FIRST_LINE && hex && identity.print() == text).then_some(identity)
    }
}

/// Raises the epoch of a folder, in the folder and in the catalog, and marks the writer live.
///
/// # Errors
/// `Invalid` (fenced) where the catalog has an epoch that this folder does not know of.
pub async fn start(
    dir: &DataDir,
    disk: &dyn Disk,
    rng: &dyn Rng,
    catalog: &Catalog,
    label: &str,
) -> Result<Identity> {
    let known = match Identity::read(dir, disk)? {
        Some(identity) => identity,
        None => Identity::new(rng),
    };
    let committed = catalog.state().writer(&known.id).map_or(0, |record| record.writer.epoch);
    if committed > known.epoch {
        let (writer, ours) = (known.id, known.epoch);
        return Err(CommitError::Fenced { writer, ours, theirs: committed }.into());
    }
    let identity = Identity { epoch: known.epoch + 1, ..known };
    identity
        .write(dir, disk)
        .map_err(|e| Error::internal(format!("write {}", dir.writer().display())).with_source(e))?;
    set_state(catalog, &identity, WriterState::Live, label, |_| true).await?;
    Ok(identity)
}

/// Returns why rows may be missing where other writers are live: their newest rows are in logs that
/// this process cannot read (PAR-1).
pub fn silent(state: &State, own: &str) -> Option<String> {
    let live = |record: &&WriterRecord| {
        record.writer.id != own && record.writer.state == WriterState::Live
    };
    let record = state.writers().find(live)?;
    let WriterUpdate { id, label, .. } = &record.writer;
    Some(format!("the newest rows of writer {id} ({label:?}) are not here"))
}

/// Commits a new state of the own writer, where `still` holds for what is committed of its log.
///
/// # Errors
/// [`CommitError::Fenced`] where another process has taken the identity.
pub async fn set_state(
    catalog: &Catalog,
    who: &Identity,
    state: WriterState,
    label: &str,
    still: impl Fn(u64) -> bool + Send + Sync,
) -> Result<(), CommitError> {
    let wanted =
        WriterUpdate { id: who.id.clone(), state, epoch: who.epoch, label: label.to_owned() };
    catalog
        .commit(who, |base| {
            let record = base.writer(&who.id);
            let theirs = record.map_or(0, |record| record.writer.epoch);
            // At a start our epoch is new: if it stands there already, a copy of this folder was
            // faster by a moment.
            let starting = state == WriterState::Live;
            if theirs > who.epoch || (starting && theirs == who.epoch) {
                let writer = who.id.clone();
                return Err(CommitError::Fenced { writer, ours: who.epoch, theirs });
            }
            let done = record.is_some_and(|record| record.writer == wanted);
            let allowed = still(base.committed(&who.id));
            let writers = vec![wanted.clone()];
            Ok((!done && allowed).then(|| Draft { writers, ..Draft::default() }))
        })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cor_1_an_identity_with_any_flipped_bit_is_refused() {
        let identity = Identity { id: "0123456789abcdef".repeat(2), epoch: 7 };
        let content = identity.print().into_bytes();
        assert_eq!(Identity::parse(&content), Some(identity));
        for bit in 0..content.len() * 8 {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Identity::parse(&damaged), None, "bit {bit}");
        }
    }
}
