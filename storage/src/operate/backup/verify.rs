//! Reads every byte of a backup, and looks whether a store can be made of it.
//!
//! Each object must have the length and digest that its index says. Beyond that: the checkpoint must
//! open and name pages that are here, the pages blocks that are here, every block must have the
//! checksums that its page says and, where it is Parquet, a footer that can be parsed; documents must
//! be revisions. So a backup that was made by a program that went wrong is found, too.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use parquet::file::metadata::ParquetMetaDataReader;
use tarn_model::error::Result;
use tarn_model::map::{HashMap, HashSet};

use super::copy::{Budget, is_damage, read};
use super::index::{Entry, Index};
use super::source::{self, Wanted};
use super::{JOBS, MEMORY_BYTES, Progress, Vault};
use crate::catalog::State;
use crate::catalog::checkpoint;
use crate::documents;
use crate::object::is_not_found;
use crate::operate::stats;
use crate::paths;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Objects that were read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are not as they were written, are gone, or do not fit: place in the backup and
    /// what is wrong.
    pub damaged: Vec<(String, String)>,
    /// Objects in the place that no index names: left by a run that was killed or by a prune that was.
    pub unnamed: u64,
}

/// Verifies one backup; without an id, the newest.
///
/// # Errors
/// `NotFound` where there is no such backup; `Invalid` where its format is another one; `Unavailable`
/// where the place cannot be read. Damage is no error: it is in the answer.
pub async fn verify(
    vault: &Vault,
    id: Option<&str>,
    progress: &dyn Progress,
) -> Result<(Option<Index>, Verified)> {
    let mut found = Verified::default();
    let index = match super::find(vault, id).await {
        Ok(index) => index,
        Err(error) if is_damage(&error) => {
            found.damaged.push(("index".to_owned(), error.message()));
            return Ok((None, found));
        }
        Err(error) => return Err(error),
    };
    let catalog = catalog(vault, &index, &mut found).await?;
    let named = catalog.as_ref().map(source::named).unwrap_or_default();
    let named: HashMap<String, Wanted> =
        named.into_iter().map(|wanted| (wanted.key.clone(), wanted)).collect();
    progress.total(index.bytes());
    let budget = Budget::new(MEMORY_BYTES);
    let reads = index.objects.iter().chain(&index.alerts).map(|entry| {
        let (budget, wanted) = (&budget, named.get(&entry.key));
        async move { (entry, check(vault, entry, wanted, budget).await) }
    });
    let mut reads = stream::iter(reads).buffer_unordered(JOBS);
    while let Some((entry, verdict)) = reads.next().await {
        found.objects += 1;
        found.bytes += entry.bytes;
        if let Some(what) = verdict? {
            found.damaged.push((entry.place(), what));
        }
        progress.advance(entry.bytes);
    }
    drop(reads);
    found.unnamed = unnamed(vault).await?;
    found.damaged.sort();
    Ok((Some(index), found))
}

/// Loads the catalog of a backup, and looks whether everything that it names is in the index.
async fn catalog(vault: &Vault, index: &Index, found: &mut Verified) -> Result<Option<State>> {
    let state = match checkpoint::read(vault.store(), &index.checkpoint).await {
        Ok(state) => state,
        Err(error) if is_damage(&error) || is_not_found(&error) => {
            found.damaged.push((index.checkpoint.object.clone(), error.message()));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let there: HashSet<&str> = index.objects.iter().map(|entry| entry.key.as_str()).collect();
    for wanted in source::named(&state) {
        if !there.contains(wanted.key.as_str()) {
            let what = "the catalog of the backup names it, the index does not".to_owned();
            found.damaged.push((wanted.key, what));
        }
    }
    if stats::of_state(&state).tenants != index.stored || state.version() != index.manifest {
        let what = "its figures are not those of the catalog of the backup".to_owned();
        found.damaged.push((paths::backup_key(&index.id), what));
    }
    Ok(Some(state))
}

/// Returns what is wrong with an object, if anything.
async fn check(
    vault: &Vault,
    entry: &Entry,
    wanted: Option<&Wanted>,
    budget: &Budget,
) -> Result<Option<String>> {
    let _room = budget.take(Some(entry.bytes)).await?;
    let body = match read(vault.objects(), &entry.place()).await {
        Ok(Some(body)) => body,
        Ok(None) => return Ok(Some("it is gone".to_owned())),
        Err(error) if is_damage(&error) => return Ok(Some(error.message())),
        Err(error) => return Err(error),
    };
    if let Some(what) = entry.differs(&body).await {
        return Ok(Some(what));
    }
    if let Some(what) = wanted.and_then(|wanted| wanted.differs(&body)) {
        return Ok(Some(format!("{what}, says the catalog of the backup")));
    }
    Ok(content(entry, wanted, &body))
}

/// Looks into what has the right bytes.
fn content(entry: &Entry, wanted: Option<&Wanted>, body: &Bytes) -> Option<String> {
    if paths::parse_document_key(&entry.key).is_some() {
        let whole = documents::is_revision(body);
        return (!whole).then(|| "it is not a revision of a document".to_owned());
    }
    if !paths::is_block_key(&entry.key) || paths::is_raw_key(&entry.key) {
        return None;
    }
    for part in wanted.map(|wanted| wanted.parts.as_slice()).unwrap_or_default() {
        // Both fit: the checksum of the part was compared before.
        let range =
            usize::try_from(part.range.start).ok()?..usize::try_from(part.range.end).ok()?;
        let mut footer = ParquetMetaDataReader::new();
        if let Err(error) = footer.try_parse(&body.slice(range)) {
            return Some(format!("its Parquet footer cannot be parsed: {error}"));
        }
    }
    None
}

/// Counts the objects that no index names.
async fn unnamed(vault: &Vault) -> Result<u64> {
    let (mut named, mut all) = (HashSet::default(), true);
    let note = |_: String, index: Result<Index>| {
        match index {
            Ok(index) => {
                named.extend(index.objects.iter().chain(&index.alerts).map(Entry::place));
            }
            // What a damaged index names is not known: then nothing is called unnamed.
            Err(_) => all = false,
        }
        Ok(())
    };
    super::each(vault, super::ids(vault).await?, note).await?;
    if !all {
        return Ok(0);
    }
    let listed = vault.objects().list(paths::BACKUP_OBJECT_PREFIX).await?;
    Ok(listed.iter().filter(|head| !named.contains(&head.key)).count() as u64)
}
