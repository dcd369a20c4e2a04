//! Removes old backups, and the objects that no index names any more.
//!
//! Backups share objects, so one that is being made may rely on an object that no index names any
//! more. Hence marks (`underway/<id>`): whoever begins writes its own first and looks for others
//! afterwards, so of a prune and a backup at the same time at least one sees the other and gives way.
//! A mark that nobody took away, because its process was killed, counts for a day. A backup that
//! takes longer finds its mark gone at the end, and writes no index.

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashSet;

use super::index::{Entry, Index, new_id};
use super::{JOBS, Progress, Vault};
use crate::Handles;
use crate::object::{CreateError, is_not_found};
use crate::paths;

/// How long a mark counts.
const MARK_MS: i64 = 24 * 3_600_000;
/// When to try again what met a mark.
const RETRY: std::time::Duration = std::time::Duration::from_secs(300);

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids of the backups.
    pub backups: Vec<String>,
    /// Objects that nothing named any more.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Backups that are left.
    pub kept: usize,
}

/// Removes all but the newest `keep` backups of each store.
///
/// # Errors
/// `Invalid` where none would be left; `Unavailable` where a backup is being made or the place
/// fails; `Corrupt` or `Invalid` where an index cannot be read: what it needs is not known, so nothing
/// is removed.
pub async fn prune(
    vault: &Vault,
    keep: usize,
    handles: &Handles,
    progress: &dyn Progress,
) -> Result<Pruned> {
    if keep == 0 {
        return Err(Error::invalid("--keep is 0, must be at least 1"));
    }
    let now_ms = handles.clock.now().as_millis();
    let id = new_id(now_ms, &*handles.rng);
    let mark = Mark::prune(vault, &id, now_ms).await?;
    let done = remove(vault, keep, progress).await;
    mark.end(vault).await;
    done
}

async fn remove(vault: &Vault, keep: usize, progress: &dyn Progress) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    let mut named = HashSet::default();
    let mut kept: Vec<String> = Vec::new();
    let newest_first = super::ids(vault).await?.into_iter().rev();
    let choose = |id: String, index: Result<Index>| {
        let index = index?;
        if kept.iter().filter(|store| **store == index.store).count() < keep {
            named.extend(index.objects.iter().chain(&index.alerts).map(Entry::place));
            kept.push(index.store);
        } else {
            pruned.backups.push(id);
        }
        Ok(())
    };
    super::each(vault, newest_first, choose).await?;
    pruned.kept = kept.len();
    // First the indexes: a backup that is there has all of its objects.
    for id in &pruned.backups {
        vault.objects().delete(&paths::backup_key(id)).await?;
        progress.say(&format!("backup {id} is removed"));
    }
    let listed = vault.objects().list(paths::BACKUP_OBJECT_PREFIX).await?;
    let left: Vec<_> = listed.into_iter().filter(|head| !named.contains(&head.key)).collect();
    progress.total(left.iter().map(|head| head.bytes).sum());
    let mut deletions = stream::iter(left)
        .map(|head| async move {
            vault.objects().delete(&head.key).await?;
            Ok::<_, Error>(head.bytes)
        })
        .buffer_unordered(JOBS);
    while let Some(bytes) = deletions.try_next().await? {
        (pruned.objects, pruned.bytes) = (pruned.objects + 1, pruned.bytes + bytes);
        progress.advance(bytes);
    }
    Ok(pruned)
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    id: String,
    /// `backup` or `prune`.
    what: String,
    since_ms: i64,
}

impl Mark {
    /// Begins a backup; gives way to a prune.
    pub(super) async fn backup(vault: &Vault, id: &str, now_ms: i64) -> Result<Self> {
        Self::begin(vault, "backup", id, now_ms, |other| other.what == "prune").await
    }

    /// Begins a prune; gives way to everything.
    async fn prune(vault: &Vault, id: &str, now_ms: i64) -> Result<Self> {
        Self::begin(vault, "prune", id, now_ms, |_| true).await
    }

    async fn begin(
        vault: &Vault,
        what: &str,
        id: &str,
        now_ms: i64,
        yields: impl Fn(&Self) -> bool + Send,
    ) -> Result<Self> {
        let mark = Self { id: id.to_owned(), what: what.to_owned(), since_ms: now_ms };
        let body = serde_json::to_vec(&mark)
            .map_err(|e| Error::internal("encode the mark of a backup").with_source(e))?;
        match vault.objects().create(&mark.key(), &Bytes::from(body)).await {
            Ok(_) => {}
            Err(CreateError::Unknown(error)) => return Err(error),
            Err(CreateError::Conflict(_)) => {
                return Err(Error::internal(format!("{} exists already", mark.key())));
            }
        }
        match mark.others(vault, now_ms).await {
            Ok(others) => match others.iter().find(|other| yields(other)) {
                None => Ok(mark),
                Some(other) => {
                    mark.end(vault).await;
                    let minutes = now_ms.saturating_sub(other.since_ms).max(0) / 60_000;
                    let message = format!(
                        "a {} is being made there since {minutes} minutes; if it was killed, its \
                         mark {} counts for a day or until you remove it",
                        other.what,
                        other.key()
                    );
                    Err(Error::unavailable(message, RETRY))
                }
            },
            Err(error) => {
                mark.end(vault).await;
                Err(error)
            }
        }
    }

    /// Returns what else is under way, and takes marks away that are too old.
    async fn others(&self, vault: &Vault, now_ms: i64) -> Result<Vec<Self>> {
        let mut others = Vec::new();
        for head in vault.objects().list(paths::BACKUP_MARK_PREFIX).await? {
            if head.key == self.key() {
                continue;
            }
            let body = match vault.objects().get(&head.key).await {
                Ok(object) => object.bytes,
                Err(error) if is_not_found(&error) => continue,
                Err(error) => return Err(error),
            };
            match serde_json::from_slice::<Self>(&body) {
                Ok(other) if now_ms.saturating_sub(other.since_ms) < MARK_MS => others.push(other),
                // Nobody comes back for it, or nobody of ours wrote it.
                _ if self.what == "prune" => vault.objects().delete(&head.key).await?,
                _ => {}
            }
        }
        Ok(others)
    }

    /// Fails where a prune took the mark for one of the dead.
    pub(super) async fn check(&self, vault: &Vault) -> Result<()> {
        if vault.objects().head(&self.key()).await?.is_some() {
            return Ok(());
        }
        let message = "a prune took this backup for one that was killed: run it again";
        Err(Error::unavailable(message, RETRY))
    }

    /// Takes the mark away. One that stays costs a prune a day.
    pub(super) async fn end(&self, vault: &Vault) {
        if let Err(error) = vault.objects().delete(&self.key()).await {
            tracing::warn!(%error, key = self.key(), "mark of a backup stays");
        }
    }

    fn key(&self) -> String {
        paths::backup_mark_key(&self.id)
    }
}
