//! Objects that nothing names: condemned by a commit, deleted after it.
//!
//! What goes, and when:
//!
//! - blocks that a merge or a retention removed: when the history has passed since;
//! - orphans, that is blocks and catalog pages that no version named while two listings an hour
//!   apart were made: what a crash left between a PUT and its commit;
//! - old manifests, oldest first and one by one ([`manifests`]), and the checkpoints and pages that
//!   only they named ([`pages`]).
//!
//! **Sweep against a late commit of key K**: both want the next number. Where the commit is first,
//! the rebased sweep finds K named and spares it. Where the sweep is first, K is condemned, and no
//! commit may name it any more: its content is written again under another name. However late the
//! delete comes, nothing names K. A condemned key is remembered until the manifest that condemned it
//! is collected itself: by then whoever still means to commit K stands on a dead branch.
//!
//! Ages are those of the paced clock *and* of this process's uptime: what went while a clock catches
//! up stays for an hour nevertheless, which is more than any query runs. Only keys that look exactly
//! like ours are touched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, Result};

use crate::catalog::State;
use crate::object::Objects;
use crate::paths;

mod manifests;
mod pages;

use manifests::Manifests;
use pages::Pages;

/// Whatever nothing names must have been so for this long: a query runs for at most as long, and a
/// flush that takes longer writes its blocks again.
const UNNAMED_MIN: Duration = Duration::from_secs(3600);
/// How often the bucket is listed for orphans: a listing of 10,000 blocks is ten requests.
const LIST_EVERY: Duration = Duration::from_secs(1800);
/// Keys that one commit condemns; more wait for the next.
const CONDEMNED_MAX: usize = 10_000;
/// Objects deleted at once.
const PARALLEL: usize = 8;
/// Deleted objects between two lines of the log.
const TOLD_EVERY: u64 = 1000;

/// The moment of a look on both clocks, and what ages count.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Monotonic.
    pub now: Duration,
    /// The paced clock, ms.
    pub paced_ms: i64,
    /// How long the past is kept.
    pub history: Duration,
    /// What nothing names must have been so for this long.
    pub unnamed: Duration,
    /// How often the bucket is listed.
    pub list_every: Duration,
}

impl Times {
    /// Makes the moment of a look of an ordinary process.
    pub fn new(now: Duration, paced_ms: i64, history: Duration) -> Self {
        Self { now, paced_ms, history, unnamed: UNNAMED_MIN, list_every: LIST_EVERY }
    }

    fn is_old(&self, seen: Duration) -> bool {
        self.now.saturating_sub(seen) >= self.unnamed
    }

    /// Returns whether a paced time lies beyond the history.
    fn is_past(&self, paced_ms: i64) -> bool {
        let history_ms = i64::try_from(self.history.as_millis()).unwrap_or(i64::MAX);
        paced_ms.saturating_add(history_ms) <= self.paced_ms
    }
}

/// What a look means to condemn and to forget.
#[derive(Debug, Default)]
pub struct Plan {
    /// Blocks and orphans.
    blocks: Vec<String>,
    /// Checkpoints and pages, and the checkpoint that counted when they were chosen.
    pages: Vec<String>,
    checkpoint: Option<String>,
    /// Condemned keys that are deleted and need not be remembered.
    swept: Vec<String>,
}

impl Plan {
    /// Returns the keys to condemn on top of a state: those that it does not name.
    pub fn condemned(&self, base: &State) -> Vec<String> {
        let live: BTreeSet<&str> = base.all_blocks().map(|block| block.object.as_str()).collect();
        let spared = |key: &&String| live.contains(key.as_str()) || base.is_condemned(key);
        let blocks = self.blocks.iter().filter(|key| !spared(key));
        let named = base.checkpoint.as_ref().map(|checkpoint| &checkpoint.object);
        // A checkpoint that was named meanwhile may point to any page.
        let pages = if named == self.checkpoint.as_ref() { &*self.pages } else { &[] };
        let pages = pages.iter().filter(|key| !base.is_condemned(key));
        blocks.chain(pages).take(CONDEMNED_MAX).cloned().collect()
    }

    /// Returns the condemned keys of a state that may be forgotten.
    pub fn swept(&self, base: &State) -> Vec<String> {
        self.swept.iter().filter(|key| base.is_condemned(key)).cloned().collect()
    }
}

/// What the sweeps of one process remember.
#[derive(Debug, Default)]
pub struct Sweeper {
    /// Keys of blocks that went, with the uptime at which that was first seen.
    gone: BTreeMap<String, Duration>,
    /// Keys that nothing named in a listing, with the uptime of the first such.
    unnamed: BTreeMap<String, Duration>,
    listed: Option<Duration>,
    manifests: Manifests,
    pages: Pages,
    /// Condemned keys, with the version in which this process first saw them so.
    condemned: BTreeMap<String, u64>,
    /// Those whose objects are gone.
    deleted: BTreeSet<String>,
    objects: u64,
    bytes: u64,
}

impl Sweeper {
    /// Deletes old manifests, and chooses what to condemn.
    ///
    /// # Errors
    /// `Unavailable` where the store fails.
    pub async fn plan(&mut self, objects: &Objects, state: &State, times: &Times) -> Result<Plan> {
        self.notice(state, times);
        let (count, bytes) = self.manifests.collect(objects, state, times).await?;
        self.objects += count;
        self.bytes += bytes;
        let mut blocks: Vec<String> = self.lapsed(state, times);
        let due = self.listed.is_none_or(|at| times.now.saturating_sub(at) >= times.list_every);
        let mut pages = Vec::new();
        if due {
            self.list(objects, state, times).await?;
            let oldest = self.manifests.oldest();
            pages = self.pages.unnamed(objects, state, oldest, times).await?;
            self.listed = Some(times.now);
            blocks.extend(self.orphans(times));
        }
        let checkpoint = state.checkpoint.as_ref().map(|checkpoint| checkpoint.object.clone());
        Ok(Plan { blocks, pages, checkpoint, swept: self.forgettable() })
    }

    fn notice(&mut self, state: &State, times: &Times) {
        self.gone.retain(|key, _| state.gone.contains_key(key));
        for key in state.gone.keys() {
            self.gone.entry(key.clone()).or_insert(times.now);
        }
        self.condemned.retain(|key, _| state.is_condemned(key));
        for key in state.condemned.iter() {
            self.condemned.entry(key.clone()).or_insert(state.version());
        }
        self.deleted.retain(|key| state.is_condemned(key));
    }

    /// Returns the blocks that went before the history began.
    fn lapsed(&self, state: &State, times: &Times) -> Vec<String> {
        let past = state.gone.iter().filter(|(_, at)| times.is_past(**at));
        let seen = |key: &String| self.gone.get(key).is_some_and(|at| times.is_old(*at));
        past.map(|(key, _)| key).filter(|key| seen(key)).cloned().collect()
    }

    /// Notes which blocks of the bucket nothing names.
    async fn list(&mut self, objects: &Objects, state: &State, times: &Times) -> Result<()> {
        let named: BTreeSet<&str> = state.all_blocks().map(|block| block.object.as_str()).collect();
        let is_named = |key: &str| {
            named.contains(key) || state.gone.contains_key(key) || state.is_condemned(key)
        };
        let listed = objects.list(paths::BLOCK_PREFIX).await?;
        let unnamed = listed.into_iter().map(|head| head.key);
        let unnamed = unnamed.filter(|key| paths::is_block_key(key) && !is_named(key));
        let first = |key: String| {
            let at = self.unnamed.get(&key).copied().unwrap_or(times.now);
            (key, at)
        };
        self.unnamed = unnamed.map(first).collect();
        Ok(())
    }

    fn orphans(&self, times: &Times) -> Vec<String> {
        self.unnamed
            .iter()
            .filter(|(_, at)| times.is_old(**at))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Returns the condemned keys that are deleted, and were condemned by a manifest that is
    /// collected: nobody can commit them any more.
    fn forgettable(&self) -> Vec<String> {
        let oldest = self.manifests.oldest().unwrap_or(0);
        let past = |key: &&String| self.condemned.get(*key).is_some_and(|seen| *seen < oldest);
        self.deleted.iter().filter(past).cloned().collect()
    }

    /// Deletes what a state condemns.
    ///
    /// # Errors
    /// `Unavailable` where the store fails; what is left is deleted by the next look.
    pub async fn delete(&mut self, objects: &Objects, state: &State, times: &Times) -> Result<()> {
        self.notice(state, times);
        let left: Vec<String> =
            state.condemned.iter().filter(|key| !self.deleted.contains(*key)).cloned().collect();
        let total = left.len();
        let mut deletions = stream::iter(left)
            .map(|key| async move {
                let head = objects.head(&key).await?;
                if head.is_some() {
                    objects.delete(&key).await?;
                }
                Ok::<_, Error>((key, head.map(|head| head.bytes)))
            })
            .buffered(PARALLEL);
        while let Some((key, bytes)) = deletions.try_next().await? {
            self.unnamed.remove(&key);
            self.deleted.insert(key);
            if let Some(bytes) = bytes {
                self.objects += 1;
                self.bytes += bytes;
                if self.objects.is_multiple_of(TOLD_EVERY) {
                    tracing::info!(
                        deleted = self.objects,
                        of = total,
                        "deleting what nothing names"
                    );
                }
            }
        }
        Ok(())
    }

    /// Returns how many objects and bytes were deleted since this was asked last.
    pub fn take_deleted(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.objects), std::mem::take(&mut self.bytes))
    }
}
