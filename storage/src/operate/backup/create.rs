//! Makes a backup: copies what the newest version names, then writes the index.
//!
//! What an earlier backup has is not read again: blocks and pages are known by their names, which are
//! never used twice, documents by name, length and ETag. What lies in the place without an index, left
//! by a run that was killed, is read there and compared before it counts.
//!
//! **Against compaction, retention and sweeps.** Nothing is pinned, so that a backup needs no right to
//! write to the store. An object that a version names is deleted when the history has passed since it
//! went; where one is gone when its turn comes, the newest version is loaded and the copy goes on
//! with what that names. A version is taken as a whole or not at all: the index is written from one.
//! An object that is gone although the newest version names it is damage, and no backup is made.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use super::copy::{Budget, is_damage, read};
use super::index::{ALERTS_KEY, Entry, FORMAT, Index, new_id};
use super::prune::Mark;
use super::source::{self, Made, Wanted};
use super::{JOBS, MEMORY_BYTES, Progress, Vault};
use crate::Handles;
use crate::catalog::State;
use crate::catalog::checkpoint;
use crate::catalog::format::{CheckpointRef, WriterRecord, WriterState, WriterUpdate};
use crate::object::{CreateError, Objects, is_not_found};
use crate::operate::stats;
use crate::paths;

/// Versions that are tried; each further one means that objects went while they were copied.
const ROUNDS_MAX: u32 = 10;
/// Damaged objects that an error names.
const NAMED_MAX: usize = 10;
/// Indexes that are looked into for what is there already.
const LOOKED_MAX: usize = 8;

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// Objects under way at once.
    pub jobs: usize,
    /// Bytes under way at once.
    pub memory_bytes: u64,
    /// Whether what earlier backups have is read and compared before it is relied on.
    pub recheck: bool,
    /// Version of Tarn.
    pub tarn: String,
    /// When rows were flushed that are to be in it, Unix ms; now, where nobody was asked.
    pub begun_ms: Option<i64>,
    /// The writer that was asked to flush, and the manifest in which it had.
    pub flushed: Option<(String, u64)>,
    /// What is known not to be in it.
    pub lacks: Vec<String>,
    /// What alerting remembers, where it could be read.
    pub alerts: Option<Bytes>,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            jobs: JOBS,
            memory_bytes: MEMORY_BYTES,
            recheck: false,
            tarn: String::new(),
            begun_ms: None,
            flushed: None,
            lacks: Vec::new(),
            alerts: None,
        }
    }
}

/// A backup that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// Its index.
    pub index: Index,
    /// Objects that were copied, and their bytes.
    pub copied: u64,
    /// Bytes of them.
    pub copied_bytes: u64,
    /// Versions that were begun; more than one where objects went meanwhile.
    pub rounds: u32,
}

/// Makes a backup of what `from` holds.
///
/// # Errors
/// `NotFound` where there is no catalog; `Corrupt` naming the objects that are damaged or gone, and
/// then no backup is made; `Unavailable` where one of the two places fails, and then the next call goes
/// on from what was copied.
pub async fn create(
    from: &Objects,
    vault: &Vault,
    options: &CreateOptions,
    handles: &Handles,
    progress: &dyn Progress,
) -> Result<Created> {
    let now_ms = handles.clock.now().as_millis();
    let id = new_id(now_ms, &*handles.rng);
    let mark = Mark::backup(vault, &id, now_ms).await?;
    let made = rounds(from, vault, options, handles, progress, &id).await;
    let done = match made {
        Ok((mut created, known)) => {
            created.index.begun_ms = options.begun_ms.unwrap_or(now_ms);
            created.index.store = known.store.unwrap_or_else(|| store_of(&created.index));
            finish(vault, options, handles, &mark, created).await
        }
        Err(error) => Err(error),
    };
    mark.end(vault).await;
    done
}

/// A store that nobody has backed up here is called by its first writer.
fn store_of(index: &Index) -> String {
    index.writers.first().cloned().unwrap_or_default()
}

async fn finish(
    vault: &Vault,
    options: &CreateOptions,
    handles: &Handles,
    mark: &Mark,
    mut created: Created,
) -> Result<Created> {
    let index = &mut created.index;
    index.flushed = options.flushed.as_ref().map(|(writer, _)| writer.clone());
    index.lacks.extend(options.lacks.iter().cloned());
    if let Some(alerts) = &options.alerts {
        let entry = Entry::of(ALERTS_KEY.to_owned(), alerts, true).await;
        vault.objects().overwrite(&entry.place(), alerts).await?;
        index.alerts = Some(entry);
    }
    index.created_ms = handles.clock.now().as_millis();
    mark.check(vault).await?;
    let key = paths::backup_key(&index.id);
    match vault.objects().create(&key, &index.seal()?).await {
        Ok(_) => Ok(created),
        Err(CreateError::Unknown(error)) => Err(error.context("write the index of the backup")),
        // The name has a random part.
        Err(CreateError::Conflict(_)) => Err(Error::internal(format!("{key} exists already"))),
    }
}

async fn rounds(
    from: &Objects,
    vault: &Vault,
    options: &CreateOptions,
    handles: &Handles,
    progress: &dyn Progress,
    id: &str,
) -> Result<(Created, Known)> {
    let mut before = None;
    let (mut copied, mut copied_bytes) = (0, 0);
    for rounds in 1..=ROUNDS_MAX {
        let state = checkpoint::load(from).await?;
        if state.version() == 0 {
            return Err(Error::not_found("there is nothing to back up: no catalog of Tarn"));
        }
        check_flushed(&state, options.flushed.as_ref())?;
        let known = Known::load(vault, &state, options.recheck).await?;
        let made = source::make(&state, &*handles.rng)?;
        let mut wanted = source::named(&state);
        wanted.extend(source::documents(from).await?);
        let budget = Budget::new(options.memory_bytes);
        let work = Work { from, vault, known: &known, budget, progress };
        let round = work.round(wanted, options.jobs).await?;
        (copied, copied_bytes) = (copied + round.copied, copied_bytes + round.copied_bytes);
        if let Some(key) = round.gone.first() {
            if before == Some(state.version()) {
                let version = state.version();
                let message = format!("{key} is gone although manifest {version} names it");
                return Err(Error::corrupt(message).context("back up"));
            }
            before = Some(state.version());
            progress.say(&format!(
                "{key} went while it was copied: going on with what the newest version names"
            ));
            continue;
        }
        refuse_damage(&round.damaged)?;
        let checkpoint = made.checkpoint.clone();
        let objects = work.keep(made, round.entries).await?;
        let mut index = index_of(id, &state, checkpoint, objects);
        let flushed = options.flushed.as_ref().map(|(writer, _)| writer.as_str());
        index.lacks = unflushed(&state, flushed);
        return Ok((Created { index, copied, copied_bytes, rounds }, known));
    }
    let message = format!("objects went faster than they could be copied, {ROUNDS_MAX} times");
    Err(Error::unavailable(message, std::time::Duration::from_secs(60)))
}

fn index_of(id: &str, state: &State, checkpoint: CheckpointRef, objects: Vec<Entry>) -> Index {
    Index {
        format: FORMAT,
        id: id.to_owned(),
        writers: state.writers().map(|record| record.writer.id.clone()).collect(),
        manifest: state.version(),
        nonce: state.nonce().unwrap_or_default().to_owned(),
        checkpoint,
        stored: stats::of_state(state).tenants,
        objects,
        ..Index::default()
    }
}

/// The server that was asked to flush must be one of this store: a backup would lack its rows.
fn check_flushed(state: &State, flushed: Option<&(String, u64)>) -> Result<()> {
    let Some((writer, manifest)) = flushed else { return Ok(()) };
    let version = state.version();
    if state.writer(writer).is_some() && version >= *manifest {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the server that flushed is writer {writer} at manifest {manifest}, and the store to back up \
         does not know of that, its newest manifest is {version}: name the server of this store \
         with --url, or --no-flush"
    )))
}

/// Says whose newest rows may not be in blocks.
fn unflushed(state: &State, flushed: Option<&str>) -> Vec<String> {
    let live = state.writers().filter(|record| {
        record.writer.state == WriterState::Live && flushed != Some(record.writer.id.as_str())
    });
    let line = |record: &WriterRecord| {
        let WriterUpdate { id, label, .. } = &record.writer;
        format!("rows of writer {id} ({label:?}) since its last flush")
    };
    live.map(line).collect()
}

/// What is not whole here cannot be whole there: whoever needs a backup all the same repairs first.
fn refuse_damage(damaged: &[(String, String)]) -> Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    let some: Vec<String> =
        damaged.iter().take(NAMED_MAX).map(|(key, what)| format!("{key}: {what}")).collect();
    let (count, some) = (damaged.len(), some.join("; "));
    Err(Error::corrupt(format!(
        "{count} objects of the store are damaged, so no backup was made: {some}"
    )))
}

/// What the place has already.
#[derive(Debug, Default)]
struct Known {
    /// Lengths of all objects there.
    there: HashMap<String, u64>,
    /// What the newest index of the same store says, by key.
    entries: HashMap<String, Entry>,
    store: Option<String>,
}

impl Known {
    async fn load(vault: &Vault, state: &State, recheck: bool) -> Result<Self> {
        let listed = vault.objects().list(paths::BACKUP_OBJECT_PREFIX).await?;
        let there = listed.into_iter().map(|head| (head.key, head.bytes)).collect();
        let mut known = Self { there, ..Self::default() };
        for id in super::ids(vault).await?.iter().rev().take(LOOKED_MAX) {
            let index = match super::read(vault, id).await {
                Ok(index) => index,
                Err(error) => {
                    tracing::warn!(%error, backup = id, "index is passed over");
                    continue;
                }
            };
            if index.writers.iter().any(|writer| state.writer(writer).is_some()) {
                known.store = Some(index.store);
                if !recheck {
                    let by_key = |entry: Entry| (entry.key.clone(), entry);
                    known.entries = index.objects.into_iter().map(by_key).collect();
                }
                break;
            }
        }
        Ok(known)
    }

    /// Returns what an index says of an object that is there and still the same.
    fn entry(&self, wanted: &Wanted) -> Option<&Entry> {
        let entry = self.entries.get(&wanted.key)?;
        let same = wanted.bytes.is_none_or(|bytes| bytes == entry.bytes)
            && (!wanted.document || (wanted.etag.is_some() && wanted.etag == entry.etag));
        let there = self.there.get(&entry.place()) == Some(&entry.bytes);
        (same && there).then_some(entry)
    }
}

/// What one version came to.
#[derive(Debug, Default)]
struct Round {
    entries: Vec<Entry>,
    gone: Vec<String>,
    damaged: Vec<(String, String)>,
    copied: u64,
    copied_bytes: u64,
}

/// What became of one object.
enum Outcome {
    Kept(Entry),
    Copied(Entry),
    Gone(String),
    Damaged(String, String),
}

/// The copying of one version.
struct Work<'a> {
    from: &'a Objects,
    vault: &'a Vault,
    known: &'a Known,
    budget: Budget,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    async fn round(&self, wanted: Vec<Wanted>, jobs: usize) -> Result<Round> {
        let new = wanted.iter().filter(|wanted| self.known.entry(wanted).is_none());
        self.progress.total(new.map(|wanted| wanted.bytes.unwrap_or_default()).sum());
        let mut round = Round::default();
        let copies = wanted.into_iter().map(|wanted| self.copy(wanted));
        let mut copies = stream::iter(copies).buffer_unordered(jobs.max(1));
        while let Some(outcome) = copies.next().await {
            match outcome? {
                Outcome::Kept(entry) => round.entries.push(entry),
                Outcome::Copied(entry) => {
                    round.copied += 1;
                    round.copied_bytes += entry.bytes;
                    round.entries.push(entry);
                }
                Outcome::Damaged(key, what) => round.damaged.push((key, what)),
                Outcome::Gone(key) => {
                    // The newest version may not need the rest of this one.
                    round.gone.push(key);
                    break;
                }
            }
        }
        Ok(round)
    }

    async fn copy(&self, wanted: Wanted) -> Result<Outcome> {
        if let Some(entry) = self.known.entry(&wanted) {
            return Ok(Outcome::Kept(entry.clone()));
        }
        let _room = self.budget.take(wanted.bytes).await?;
        let outcome = match self.left_behind(&wanted).await? {
            Some(entry) => Outcome::Kept(entry),
            None => self.fetch(&wanted).await?,
        };
        self.progress.advance(wanted.bytes.unwrap_or_default());
        Ok(outcome)
    }

    /// Looks whether a run without an index has left the whole object.
    async fn left_behind(&self, wanted: &Wanted) -> Result<Option<Entry>> {
        let place = paths::backup_object_key(&wanted.key, None);
        let there = self.known.there.get(&place);
        // Only what the catalog knows a checksum of can be told from a torn one.
        let told = !wanted.document && !wanted.parts.is_empty() && wanted.bytes.is_some();
        if !told || there != wanted.bytes.as_ref() {
            return Ok(None);
        }
        match read(self.vault.objects(), &place).await? {
            Some(body) if wanted.differs(&body).is_none() => {
                Ok(Some(Entry::of(wanted.key.clone(), &body, false).await))
            }
            _ => Ok(None),
        }
    }

    async fn fetch(&self, wanted: &Wanted) -> Result<Outcome> {
        let object = match self.from.get(&wanted.key).await {
            Ok(object) => object,
            Err(error) if is_not_found(&error) => return Ok(Outcome::Gone(wanted.key.clone())),
            Err(error) if is_damage(&error) => {
                return Ok(Outcome::Damaged(wanted.key.clone(), error.message()));
            }
            Err(error) => return Err(error.context("read from the store")),
        };
        let whole = |body: &Bytes| !wanted.document || crate::documents::is_revision(body);
        let wrong = wanted.differs(&object.bytes).or_else(|| {
            (!whole(&object.bytes)).then(|| "it is not a revision of a document".to_owned())
        });
        if let Some(what) = wrong {
            return Ok(Outcome::Damaged(wanted.key.clone(), what));
        }
        let mut entry = Entry::of(wanted.key.clone(), &object.bytes, wanted.document).await;
        entry.etag = object.etag.filter(|_| wanted.document);
        let written = self.vault.objects().overwrite(&entry.place(), &object.bytes).await;
        written.map_err(|e| e.context("write to the backup"))?;
        Ok(Outcome::Copied(entry))
    }

    /// Stores what was made, and returns all entries in the order of their keys.
    async fn keep(&self, made: Made, mut entries: Vec<Entry>) -> Result<Vec<Entry>> {
        for (key, body) in made.objects {
            let entry = Entry::of(key, &body, false).await;
            self.vault.objects().overwrite(&entry.place(), &body).await?;
            entries.push(entry);
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }
}
