//! Makes a store of a backup, or of an earlier version of a store that still has it.
//!
//! 1. The place must be empty. A mark (`catalog/restoring`) says from now on what fills it: a server
//!    that is started there refuses to begin a store of its own.
//! 2. Every object is read, compared with its digest and created under the key that it had. What an
//!    earlier run of the same restore has left is read there and compared instead.
//! 3. One manifest is created, the next after the version that was copied. Before, there is no store;
//!    with it, all of it is there. It names the checkpoint and gives all writers up: their logs are
//!    elsewhere, so no answer waits for them, and their epochs are out of reach, so that a data folder
//!    from before cannot commit on top of a past that is not its own.
//! 4. The catalog is loaded as a server would, and its figures are compared.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use super::copy::{Budget, is_damage, put, read};
use super::index::{Entry, Index};
use super::place::Target;
use super::source::{self, Wanted};
use super::{JOBS, MEMORY_BYTES, Progress, Vault};
use crate::Handles;
use crate::catalog::checkpoint;
use crate::catalog::format::{
    self, CheckpointRef, Magic, Manifest, WriterRecord, WriterState, WriterUpdate,
};
use crate::catalog::{Identity, State};
use crate::object::{CreateError, Objects};
use crate::operate::stats::{self, SignalStats};
use crate::paths;

/// What is added to the epochs of writers from before: far beyond what a folder can have drawn.
const EPOCHS_OUT_OF_REACH: u64 = 1 << 40;
/// Damaged objects that an error names.
const NAMED_MAX: usize = 10;

/// What a store is made of.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A backup.
    Backup(&'a Vault, &'a Index),
    /// A store as it is, or as it was when a manifest was its newest: what history it has is there
    /// for a day by default. Documents come as they are now.
    Store(&'a Objects, Option<u64>),
}

/// A store that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// The catalog version that was copied.
    pub manifest: u64,
    /// Objects of the store.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that an earlier run had copied.
    pub found: u64,
    /// Writers that were live, and are given up.
    pub lost: Vec<String>,
    /// What is stored, by tenant and signal.
    pub stored: Vec<SignalStats>,
}

/// Makes a store.
///
/// # Errors
/// `Invalid` where the place is not empty; `Corrupt` naming the objects that are not as they were
/// written, and then there is no store; `NotFound` where the history has no such version;
/// `Unavailable` where a place fails, and then the next call goes on from what was copied.
pub async fn restore(
    origin: Origin<'_>,
    target: &Target,
    handles: &Handles,
    progress: &dyn Progress,
) -> Result<Restored> {
    let state = match origin {
        Origin::Store(objects, Some(number)) => Some(checkpoint::load_at(objects, number).await?),
        Origin::Store(objects, None) => Some(checkpoint::load(objects).await?),
        Origin::Backup(..) => None,
    };
    if state.as_ref().is_some_and(|state| state.version() == 0) {
        return Err(Error::not_found("there is nothing to restore: no catalog of Tarn"));
    }
    let what = match (origin, &state) {
        (Origin::Backup(_, index), _) => format!("backup {}", index.id),
        (_, Some(state)) => {
            format!("manifest {} {}", state.version(), state.nonce().unwrap_or_default())
        }
        (_, None) => String::new(),
    };
    let there = begin(target, &what).await?;
    let work =
        Work { target: target.objects(), there, budget: Budget::new(MEMORY_BYTES), progress };
    let (mut restored, checkpoint) = match (origin, state) {
        (Origin::Backup(vault, index), _) => {
            let done = work.of_backup(vault, index).await?;
            (done, index.checkpoint.clone())
        }
        (Origin::Store(objects, _), Some(state)) => work.of_store(objects, &state, handles).await?,
        (Origin::Store(..), None) => return Err(Error::internal("no version was loaded")),
    };
    (restored.manifest, restored.lost) = commit(target, checkpoint, handles).await?;
    let state = checkpoint::load(target.objects()).await?;
    restored.stored = stats::of_state(&state).tenants;
    if let Origin::Backup(_, index) = origin
        && restored.stored != index.stored
    {
        let id = &index.id;
        let message = format!("the restored catalog does not hold what backup {id} says");
        return Err(Error::corrupt(message));
    }
    Ok(restored)
}

/// Refuses a place that is not empty, and marks it. Returns what an earlier run has left there, with
/// lengths.
async fn begin(target: &Target, what: &str) -> Result<HashMap<String, u64>> {
    let objects = target.objects();
    refuse_catalog(target).await?;
    let mark = Bytes::from(format!("{what}\n"));
    let marked = read(objects, paths::RESTORING_KEY).await?;
    if let Some(other) = marked.as_ref().filter(|found| **found != mark) {
        let (name, other) = (target.name(), String::from_utf8_lossy(other).trim().to_owned());
        return Err(Error::invalid(format!(
            "{name} holds a part of {other}, whose restore has not ended: run that again, or empty \
             the place"
        )));
    }
    let mut there = HashMap::default();
    for prefix in [paths::BLOCK_PREFIX, paths::CHECKPOINT_PREFIX, paths::DOCUMENT_PREFIX] {
        for head in objects.list(prefix).await? {
            there.insert(head.key, head.bytes);
        }
    }
    if marked.is_some() {
        return Ok(there);
    }
    if let Some(key) = there.keys().min() {
        let (name, count) = (target.name(), there.len());
        return Err(Error::invalid(format!(
            "{name} is not empty, it holds {count} objects such as {key}: a restore overwrites \
             nothing; name an empty place"
        )));
    }
    put(objects, paths::RESTORING_KEY, &mark).await?;
    Ok(there)
}

async fn refuse_catalog(target: &Target) -> Result<()> {
    let numbers = checkpoint::list(target.objects()).await?;
    let Some(newest) = numbers.last() else { return Ok(()) };
    let name = target.name();
    Err(Error::invalid(format!(
        "{name} holds a store already, its newest manifest is {newest}: a restore overwrites nothing; \
         name an empty place"
    )))
}

/// Commits the manifest with which the store is there. Returns its predecessor's number, and the
/// writers that were live.
async fn commit(
    target: &Target,
    reference: CheckpointRef,
    handles: &Handles,
) -> Result<(u64, Vec<String>)> {
    let objects = target.objects();
    let base = checkpoint::read(objects, &reference).await?;
    let live = |record: &&WriterRecord| record.writer.state == WriterState::Live;
    let lost: Vec<String> =
        base.writers().filter(live).map(|record| record.writer.id.clone()).collect();
    let writers = base.writers().map(given_up).collect();
    let manifest = Manifest {
        number: base.version() + 1,
        time_ms: handles.clock.now().as_millis(),
        writer: Identity::new(&*handles.rng).id,
        nonce: format!("{:032x}", handles.rng.next_u128()),
        predecessor: base.nonce().unwrap_or_default().to_owned(),
        writers,
        checkpoint: Some(reference),
        ..Manifest::default()
    };
    base.apply(&manifest, None)?;
    // A server may have begun a store here before the mark was made.
    refuse_catalog(target).await?;
    put(objects, paths::COLLECTED_KEY, &Bytes::from_static(paths::COLLECTED_MARK)).await?;
    let body = format::seal(Magic::Manifest, &manifest)?;
    match objects.create(&paths::manifest_key(manifest.number), &body).await {
        Ok(_) => {}
        Err(CreateError::Unknown(error)) => return Err(error.context("commit the restored store")),
        Err(CreateError::Conflict(_)) => {
            return Err(Error::invalid(format!("{} was filled by another", target.name())));
        }
    }
    if let Err(error) = objects.delete(paths::RESTORING_KEY).await {
        tracing::warn!(%error, "mark of the restore stays; it means nothing beside a manifest");
    }
    Ok((base.version(), lost))
}

/// A writer from before can neither be waited for nor come back.
fn given_up(record: &WriterRecord) -> WriterUpdate {
    let WriterUpdate { id, state, epoch, label } = record.writer.clone();
    let state = if state == WriterState::Live { WriterState::Lost } else { state };
    WriterUpdate { id, state, epoch: epoch.saturating_add(EPOCHS_OUT_OF_REACH), label }
}

/// What became of one object.
enum Outcome {
    Done { bytes: u64, found: bool },
    Damaged(String, String),
}

/// The filling of one place.
struct Work<'a> {
    target: &'a Objects,
    /// What an earlier run has left.
    there: HashMap<String, u64>,
    budget: Budget,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    async fn of_backup(&self, vault: &Vault, index: &Index) -> Result<Restored> {
        self.progress.total(index.objects.iter().map(|entry| entry.bytes).sum());
        self.all(index.objects.iter().map(|entry| self.entry(vault, entry))).await
    }

    async fn entry(&self, vault: &Vault, entry: &Entry) -> Result<Outcome> {
        let _room = self.budget.take(Some(entry.bytes)).await?;
        let (key, bytes) = (&entry.key, entry.bytes);
        if self.there.get(key) == Some(&bytes)
            && let Some(body) = read(self.target, key).await?
            && entry.differs(&body).await.is_none()
        {
            self.progress.advance(bytes);
            return Ok(Outcome::Done { bytes, found: true });
        }
        let place = entry.place();
        let wrong = match read(vault.objects(), &place).await {
            Ok(Some(body)) => match entry.differs(&body).await {
                None => {
                    self.write(key, &body).await?;
                    self.progress.advance(bytes);
                    return Ok(Outcome::Done { bytes, found: false });
                }
                Some(what) => what,
            },
            Ok(None) => "it is gone".to_owned(),
            Err(error) if is_damage(&error) => error.message(),
            Err(error) => return Err(error.context("read the backup")),
        };
        Ok(Outcome::Damaged(place, wrong))
    }

    async fn of_store(
        &self,
        from: &Objects,
        state: &State,
        handles: &Handles,
    ) -> Result<(Restored, CheckpointRef)> {
        let made = source::make(state, &*handles.rng)?;
        let mut wanted = source::named(state);
        wanted.extend(source::documents(from).await?);
        self.progress.total(wanted.iter().filter_map(|wanted| wanted.bytes).sum());
        let copies = wanted.iter().map(|wanted| self.wanted(from, wanted));
        let mut restored = self.all(copies).await?;
        for (key, body) in &made.objects {
            put(self.target, key, body).await?;
            restored.objects += 1;
            restored.bytes += body.len() as u64;
        }
        Ok((restored, made.checkpoint))
    }

    async fn wanted(&self, from: &Objects, wanted: &Wanted) -> Result<Outcome> {
        let _room = self.budget.take(wanted.bytes).await?;
        let what = match read(from, &wanted.key).await {
            Ok(Some(body)) => match wanted.differs(&body) {
                None => {
                    self.write(&wanted.key, &body).await?;
                    let bytes = body.len() as u64;
                    self.progress.advance(bytes);
                    return Ok(Outcome::Done { bytes, found: false });
                }
                Some(what) => what,
            },
            Ok(None) => "it is gone: the history has passed it".to_owned(),
            Err(error) if is_damage(&error) => error.message(),
            Err(error) => return Err(error.context("read the store")),
        };
        Ok(Outcome::Damaged(wanted.key.clone(), what))
    }

    /// Writes an object. What an earlier run of this restore left half written is not kept.
    async fn write(&self, key: &str, body: &Bytes) -> Result<()> {
        let written = if self.there.contains_key(key) {
            self.target.overwrite(key, body).await
        } else {
            put(self.target, key, body).await
        };
        written.map_err(|e| e.context("write the restored store"))
    }

    async fn all<F>(&self, copies: impl Iterator<Item = F> + Send) -> Result<Restored>
    where
        F: Future<Output = Result<Outcome>> + Send,
    {
        let (mut restored, mut damaged) = (Restored::default(), Vec::new());
        let mut copies = stream::iter(copies).buffer_unordered(JOBS);
        while let Some(outcome) = copies.next().await {
            match outcome? {
                Outcome::Done { bytes, found } => {
                    restored.objects += 1;
                    restored.bytes += bytes;
                    restored.found += u64::from(found);
                }
                Outcome::Damaged(key, what) => damaged.push((key, what)),
            }
        }
        if damaged.is_empty() {
            return Ok(restored);
        }
        damaged.sort();
        let some: Vec<String> =
            damaged.iter().take(NAMED_MAX).map(|(key, what)| format!("{key}: {what}")).collect();
        let (count, some) = (damaged.len(), some.join("; "));
        Err(Error::corrupt(format!(
            "{count} objects are damaged, so nothing was restored: {some}; what else there is was \
             copied, and another run goes on from there"
        )))
    }
}
