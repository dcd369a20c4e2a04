//! Who writes, and in which epoch.
//!
//! A data folder is born with a random writer id: a new disk is another writer, whatever the host
//! is called. Each start raises the epoch, in the folder first and then in the catalog. Of two
//! copies of a folder the later start has the higher epoch; the earlier finds it at its next commit
//! and stops (FEN-1). While the bucket is away the epoch is raised in the folder alone and committed
//! when the bucket is back ([`start_alone`], [`join`]). A folder whose epoch is behind the catalog's is an old copy and never starts.
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
use std::time::Duration;

use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;

use crate::catalog::commit::{Catalog, CommitError, Draft};
use crate::catalog::format::{WriterRecord, WriterState, WriterUpdate};
use crate::catalog::saved::Saved;
use crate::catalog::state::State;
use crate::file::{Disk, OpenHow};
use crate::paths::DataDir;

const FIRST_LINE: &str = "tarn writer 1";
/// An identity file is below 100 bytes; anything longer is something else.
const FILE_BYTES_MAX: u64 = 4096;
/// Epochs drawn without the bucket go up by at most this: two copies of a folder meet in one of a
/// million outages.
const EPOCH_STEP_MAX: u64 = 1 << 20;

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

/// Where the identity of a starting folder is, and what of it is known.
#[derive(Debug, Clone, Copy)]
pub struct Folder<'a> {
    /// The folder.
    pub dir: &'a DataDir,
    /// Its disk.
    pub disk: &'a dyn Disk,
    /// Chance.
    pub rng: &'a dyn Rng,
    /// The copy of the catalog in it.
    pub saved: Option<&'a Saved>,
}

impl Folder<'_> {
    fn known(&self) -> Result<Identity> {
        let known = Identity::read(self.dir, self.disk)?;
        Ok(known.unwrap_or_else(|| Identity::new(self.rng)))
    }

    fn write(&self, identity: &Identity) -> Result<()> {
        let path = self.dir.writer();
        let failed = |e| Error::internal(format!("write {}", path.display())).with_source(e);
        identity.write(self.dir, self.disk).map_err(failed)
    }
}

/// Raises the epoch of a folder, in the folder and in the catalog, and marks the writer live.
///
/// # Errors
/// `Invalid` (fenced) where the catalog has an epoch that this folder does not know of.
pub async fn start(folder: Folder<'_>, catalog: &Catalog, label: &str) -> Result<Identity> {
    let known = folder.known()?;
    let committed = catalog.state().writer(&known.id).map_or(0, |record| record.writer.epoch);
    let ours = folder.saved.is_none_or(|s| s.is_ours(&known.id, committed, known.epoch));
    if committed > known.epoch || !ours {
        let (writer, ours) = (known.id, known.epoch);
        return Err(CommitError::Fenced { writer, ours, theirs: committed }.into());
    }
    let identity = Identity { epoch: known.epoch + 1, ..known };
    folder.write(&identity)?;
    set_state(catalog, &identity, WriterState::Live, label, |_| true).await?;
    Ok(identity)
}

/// Raises the epoch of a folder while the bucket is away, in the folder alone: by a random step, so
/// that copies of the folder do not draw the same one. Returns the identity and the copy of the
/// catalog, in which the epochs that may be ours are noted.
///
/// # Errors
/// `Unavailable` where the copy does not tell enough to go on.
pub fn start_alone(folder: Folder<'_>) -> Result<(Identity, Saved)> {
    let known = folder.known()?;
    let Some(saved) = folder.saved.filter(|saved| saved.names_live(&known.id)) else {
        let message = "the bucket cannot be reached, and this folder has no copy of its catalog in \
                       which its writer is live";
        return Err(Error::unavailable(message, Duration::from_secs(5)));
    };
    let mut saved = saved.clone();
    let epoch = known.epoch + 1 + folder.rng.next_u64() % EPOCH_STEP_MAX;
    saved.drawn.extend([known.epoch, epoch]);
    saved.drawn.dedup();
    // First what tells it as ours, then the epoch itself.
    saved.write(folder.dir, folder.disk)?;
    let identity = Identity { epoch, ..known };
    folder.write(&identity)?;
    Ok((identity, saved))
}

/// Commits the epoch of a start without the bucket; may be repeated. `saved` is the copy of the
/// catalog from which that start went on.
///
/// # Errors
/// [`CommitError::Fenced`] where another process has taken the identity meanwhile.
pub async fn join(
    catalog: &Catalog,
    who: &Identity,
    label: &str,
    saved: &Saved,
) -> Result<(), CommitError> {
    let (id, ours, state) = (who.id.clone(), who.epoch, WriterState::Live);
    let wanted = WriterUpdate { id, state, epoch: ours, label: label.to_owned() };
    let propose = |base: &State| {
        let theirs = base.writer(&who.id).map_or(0, |record| record.writer.epoch);
        if theirs > ours || !saved.is_ours(&who.id, theirs, ours) {
            return Err(CommitError::Fenced { writer: who.id.clone(), ours, theirs });
        }
        let writers = vec![wanted.clone()];
        Ok((theirs < ours).then(|| Draft { writers, ..Draft::default() }))
    };
    catalog.commit(who, propose).await?;
    Ok(())
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

/// Commits that a writer is lost.
///
/// # Errors
/// `NotFound` where there is no such writer; otherwise as [`Catalog::commit`].
pub async fn forget(catalog: &Catalog, who: &Identity, writer: &str) -> Result<()> {
    let state = catalog.refresh().await?;
    if state.writer(writer).is_none() {
        return Err(Error::not_found(format!("the catalog knows no writer {writer:?}")));
    }
    let propose = |base: &State| {
        let live = base.writer(writer).filter(|record| record.writer.state == WriterState::Live);
        Ok(live.map(|record| {
            let lost = WriterUpdate { state: WriterState::Lost, ..record.writer.clone() };
            Draft { writers: vec![lost], ..Draft::default() }
        }))
    };
    catalog.commit(who, propose).await?;
    Ok(())
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
