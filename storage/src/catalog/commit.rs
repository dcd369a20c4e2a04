//! Winning the next number.
//!
//! A commit proposes a change on top of the newest known state N, creates manifest N+1 and, where
//! somebody else has that number, applies what is there and proposes again ("rebase"). The proposal
//! is a function of the state, so nothing that became untrue can slip in: a cut that a lost reply
//! had committed after all is found committed, a newer epoch is found and obeyed.
//!
//! One trap is left: manifests are deleted when the history has passed, so a process that slept for
//! longer than that could create N+1 a second time. Hence **N+1 counts only while N is there**:
//! whoever created N+1, read it or found it absent asks for N afterwards. Where N is gone, or is
//! another object than the one that was loaded, all this may have happened on a dead branch, and the
//! catalog is loaded anew. The own object stays where it is. It may be alive after all, where the
//! sleep fell between the create and the question; and a dead one below the history misleads
//! nobody: who loads begins at the newest, and who builds on it asks for its predecessor.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::time::Clock;

use crate::block::{BlockMeta, LsnRange};
use crate::catalog::checkpoint;
use crate::catalog::format::{self, CheckpointRef, Magic, Manifest, WriterUpdate};
use crate::catalog::metrics::Metrics;
use crate::catalog::state::State;
use crate::catalog::writers::Identity;
use crate::object::{CreateError, Object, Objects, is_not_found};
use crate::paths;
use crate::retain::erase::Tombstone;

/// Numbers that one commit may lose to others before it gives up. Each loss means that somebody
/// else made progress; more than this in a row means that something is wrong.
const REBASES_MAX: usize = 64;
/// Manifests between two checkpoints: a load reads at most about this many of a few KiB each.
const CHECKPOINT_EVERY: u64 = 64;

/// The catalog of one store, as one process knows it.
#[derive(Debug)]
pub struct Catalog {
    objects: Objects,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    current: ArcSwap<State>,
    /// Commits of one process go one after the other; between processes the numbers decide. Holds
    /// the checkpoint that the next manifest will name.
    turn: tokio::sync::Mutex<Option<CheckpointRef>>,
    checkpoint_every: u64,
    /// The paced clock as it was told last: what goes counts from then.
    paced_ms: AtomicI64,
    metrics: Metrics,
}

/// What one commit shall change.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Log positions that enter with the blocks.
    pub cuts: Vec<LsnRange>,
    /// New blocks; their objects exist.
    pub added: Vec<Arc<BlockMeta>>,
    /// Keys of blocks that are live no longer.
    pub removed: Vec<String>,
    /// Keys that will be deleted.
    pub condemned: Vec<String>,
    /// What becomes of writers.
    pub writers: Vec<WriterUpdate>,
    /// Tombstones to set.
    pub erased: Vec<Arc<Tombstone>>,
    /// Ids of tombstones that are done.
    pub erased_done: Vec<String>,
    /// Condemned keys whose objects are deleted.
    pub swept: Vec<String>,
    /// New value of the paced clock.
    pub clock_ms: Option<i64>,
}

/// Why a commit did not happen.
#[derive(Debug)]
pub enum CommitError {
    /// The writer has a newer epoch than ours: another process has its identity, and we must stop.
    Fenced {
        /// Writer id.
        writer: String,
        /// Our epoch.
        ours: u64,
        /// The one in the catalog.
        theirs: u64,
    },
    /// The store could not be asked. The manifest may be there or may still come; the same commit
    /// can be proposed again.
    Unknown(Error),
    /// We slept for longer than the history lasts. The catalog has been loaded anew; objects that
    /// were to be added must be written again under other names.
    DeadBranch,
    /// Objects that were to be added lay about for so long that a sweep took them for orphans: they
    /// must be written again under other names.
    Condemned,
    /// The change breaks a rule of the catalog, or the catalog is damaged.
    Refused(Error),
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { writer, ours, theirs } => write!(
                f,
                "fenced: writer {writer} is in epoch {theirs}, ours is {ours}; \
                 another process runs on a copy of the data folder, or the bucket was restored \
                 from a backup and this folder is older than that"
            ),
            Self::Unknown(error) => write!(f, "outcome of commit unknown: {}", error.message()),
            Self::DeadBranch => f.write_str("suspended for longer than the catalog's history"),
            Self::Condemned => f.write_str("blocks waited for so long that a sweep took them"),
            Self::Refused(error) => write!(f, "commit refused: {}", error.message()),
        }
    }
}

impl std::error::Error for CommitError {}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        let message = error.to_string();
        match error {
            // The process must stop and its operator choose one of the two folders.
            CommitError::Fenced { .. } => Self::invalid(message),
            CommitError::Unknown(_) | CommitError::DeadBranch | CommitError::Condemned => {
                Self::unavailable(message, Duration::from_secs(5))
            }
            CommitError::Refused(error) => error.context("commit manifest"),
        }
    }
}

impl Catalog {
    /// Loads the newest state.
    ///
    /// # Errors
    /// `Corrupt` where a manifest is damaged or missing; `Unavailable` where the store is.
    pub async fn load(
        objects: Objects,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        registry: &mut Registry,
    ) -> Result<Self> {
        let state = checkpoint::load(&objects).await?;
        Ok(Self::resume(state, objects, clock, rng, registry))
    }

    /// Goes on from a state that was the newest once, without asking the store.
    pub fn resume(
        state: State,
        objects: Objects,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        metrics.state(&state);
        let (current, turn) = (ArcSwap::from_pointee(state), tokio::sync::Mutex::new(None));
        let checkpoint_every = CHECKPOINT_EVERY;
        let paced_ms = AtomicI64::default();
        Self { objects, clock, rng, current, turn, checkpoint_every, paced_ms, metrics }
    }

    /// Changes how many manifests lie between two checkpoints; for tests that want many.
    #[must_use]
    pub fn with_checkpoint_every(mut self, manifests: u64) -> Self {
        self.checkpoint_every = manifests;
        self
    }

    /// Tells the paced clock, which goes into every manifest that removes blocks.
    pub(crate) fn set_paced(&self, paced_ms: i64) {
        self.paced_ms.store(paced_ms, Ordering::Relaxed);
    }

    /// Returns the newest state that this process knows.
    pub fn state(&self) -> Arc<State> {
        self.current.load_full()
    }

    /// Commits what `propose` makes of the newest state, and returns the state in which it is done.
    /// `propose` answers `None` where nothing is left to do; it may be asked several times.
    ///
    /// # Errors
    /// Each case of [`CommitError`] asks for something else.
    pub async fn commit(
        &self,
        who: &Identity,
        mut propose: impl FnMut(&State) -> Result<Option<Draft>, CommitError> + Send,
    ) -> Result<Arc<State>, CommitError> {
        let started = self.clock.monotonic();
        let mut turn = self.turn.lock().await;
        for _ in 0..REBASES_MAX {
            let base = self.state();
            let Some(draft) = propose(&base)? else {
                return Ok(base);
            };
            if turn.as_ref().is_some_and(|written| written.number < base.pages_condemned) {
                // It may point to a page that is deleted meanwhile; the next one does not.
                turn.take();
            }
            let manifest = self.manifest(&base, who, draft, turn.as_ref());
            // Our own rules first: a manifest that readers would refuse must not be written.
            let mut next = base.apply(&manifest, None).map_err(CommitError::Refused)?;
            let body = format::seal(Magic::Manifest, &manifest).map_err(CommitError::Refused)?;
            let key = paths::manifest_key(manifest.number);
            match self.objects.create(&key, &body).await {
                Ok(etag) => {
                    if !self.confirm(&base, &manifest).await.map_err(CommitError::Unknown)? {
                        return Err(self.leave_dead_branch().await);
                    }
                    next.etag = etag;
                    turn.take();
                    self.metrics.commit(self.clock.monotonic().saturating_sub(started));
                    return Ok(self.publish(next));
                }
                Err(CreateError::Conflict(found)) => {
                    self.metrics.conflict();
                    if !self.adopt(&base, &found).await? {
                        return Err(self.leave_dead_branch().await);
                    }
                }
                Err(CreateError::Unknown(error)) => return Err(CommitError::Unknown(error)),
            }
        }
        let message = format!("{REBASES_MAX} numbers in a row went to other writers");
        Err(CommitError::Unknown(Error::unavailable(message, Duration::from_secs(10))))
    }

    /// Applies what others have committed since, and returns the newest state.
    ///
    /// # Errors
    /// As [`Catalog::commit`], without the cases that need a change.
    pub async fn refresh(&self) -> Result<Arc<State>, CommitError> {
        let _turn = self.turn.lock().await;
        loop {
            let base = self.state();
            match self.objects.get(&paths::manifest_key(base.version + 1)).await {
                Ok(found) => {
                    if !self.adopt(&base, &found).await? {
                        return Err(self.leave_dead_branch().await);
                    }
                }
                Err(e) if is_not_found(&e) => {
                    return match self.confirm_present(&base).await {
                        Ok(true) => Ok(base),
                        Ok(false) => Err(self.leave_dead_branch().await),
                        Err(e) => Err(CommitError::Unknown(e)),
                    };
                }
                Err(e) => return Err(CommitError::Unknown(e)),
            }
        }
    }

    /// Writes a checkpoint where the last one lies far enough back. The next manifest will name
    /// it; until then it counts for nothing, so a failure costs only a longer load.
    ///
    /// # Errors
    /// What the store says.
    pub async fn checkpoint_if_due(&self) -> Result<bool> {
        let mut turn = self.turn.lock().await;
        let state = self.state();
        let named = state.checkpoint.as_ref().map_or(0, |c| c.number);
        let written = turn.as_ref().map_or(0, |c| c.number);
        if state.version < named.max(written) + self.checkpoint_every {
            return Ok(false);
        }
        let (reference, with_pages) = checkpoint::write(&self.objects, &*self.rng, &state).await?;
        *turn = Some(reference);
        self.publish(with_pages);
        Ok(true)
    }

    fn manifest(
        &self,
        base: &State,
        who: &Identity,
        draft: Draft,
        written: Option<&CheckpointRef>,
    ) -> Manifest {
        // Another node may have named a newer one meanwhile, and manifests below that may be gone.
        let newest = [written, base.checkpoint.as_ref()].into_iter().flatten();
        let checkpoint = newest.max_by_key(|checkpoint| checkpoint.number).cloned();
        let paced_ms = self.paced_ms.load(Ordering::Relaxed);
        let clock_ms = draft.clock_ms.or((!draft.removed.is_empty()).then_some(paced_ms));
        let clock_ms = clock_ms.filter(|clock_ms| *clock_ms > base.clock_ms);
        Manifest {
            number: base.version + 1,
            time_ms: self.clock.now().as_millis(),
            writer: who.id.clone(),
            epoch: who.epoch,
            nonce: format!("{:032x}", self.rng.next_u128()),
            predecessor: base.nonce.clone(),
            cuts: draft.cuts,
            added: draft.added,
            removed: draft.removed,
            condemned: draft.condemned,
            writers: draft.writers,
            erased: draft.erased,
            erased_done: draft.erased_done,
            swept: draft.swept,
            clock_ms,
            checkpoint,
        }
    }

    /// Takes over the manifest that follows `base`; `false` on a dead branch.
    async fn adopt(&self, base: &State, found: &Object) -> Result<bool, CommitError> {
        let number = base.version + 1;
        let manifest = read_manifest(number, found).map_err(CommitError::Refused)?;
        if !self.confirm(base, &manifest).await.map_err(CommitError::Unknown)? {
            return Ok(false);
        }
        let next = base.apply(&manifest, found.etag.clone()).map_err(CommitError::Refused)?;
        self.publish(next);
        Ok(true)
    }

    /// Returns whether `base`, on which `next` stands, is still part of the catalog.
    async fn confirm(&self, base: &State, next: &Manifest) -> Result<bool> {
        if base.version > 0 {
            return self.confirm_present(base).await;
        }
        // The first manifest has no predecessor. It counts if nothing else is there, or if what is
        // there goes on from it; never where there have been manifests that are deleted by now.
        if self.objects.head(paths::COLLECTED_KEY).await?.is_some() {
            return Ok(false);
        }
        let numbers = checkpoint::list(&self.objects).await?;
        if numbers.iter().all(|number| *number <= 1) {
            return Ok(true);
        }
        match self.objects.get(&paths::manifest_key(2)).await {
            Ok(second) => Ok(read_manifest(2, &second)?.predecessor == next.nonce),
            Err(e) if is_not_found(&e) => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn confirm_present(&self, base: &State) -> Result<bool> {
        if base.version == 0 {
            if self.objects.head(paths::COLLECTED_KEY).await?.is_some() {
                return Ok(false);
            }
            return Ok(checkpoint::list(&self.objects).await?.is_empty());
        }
        let head = self.objects.head(&paths::manifest_key(base.version)).await?;
        Ok(head.is_some_and(|head| match (&head.etag, &base.etag) {
            (Some(there), Some(loaded)) => there == loaded,
            // A store without ETags: presence is all that can be asked.
            _ => true,
        }))
    }

    /// Loads the live branch.
    async fn leave_dead_branch(&self) -> CommitError {
        self.metrics.reload();
        match checkpoint::load(&self.objects).await {
            Ok(state) => {
                tracing::warn!(version = state.version, "catalog reloaded after a long suspension");
                self.publish(state);
                CommitError::DeadBranch
            }
            Err(e) => CommitError::Unknown(e),
        }
    }

    fn publish(&self, state: State) -> Arc<State> {
        self.metrics.state(&state);
        let state = Arc::new(state);
        self.current.store(Arc::clone(&state));
        state
    }
}

/// Proposes to commit a cut of the own log with its blocks: the rule that lets each row enter once.
///
/// `None` where the cut is committed already, be it by an earlier attempt whose reply was lost.
///
/// # Errors
/// As [`propose_cuts`].
pub fn propose_cut(
    base: &State,
    cut: &LsnRange,
    blocks: &[Arc<BlockMeta>],
) -> Result<Option<Draft>, CommitError> {
    propose_cuts(base, &[(cut.clone(), blocks)])
}

/// Proposes to commit several cuts of one log, in its order. Those that are committed already are
/// left out; `None` where all are.
///
/// # Errors
/// [`CommitError::Fenced`] where the writer has another epoch in `base`; [`CommitError::Condemned`]
/// where a sweep has taken a block; [`CommitError::Refused`] where a cut does not begin where the
/// one before it ended.
pub fn propose_cuts(
    base: &State,
    wanted: &[(LsnRange, &[Arc<BlockMeta>])],
) -> Result<Option<Draft>, CommitError> {
    let Some((first, _)) = wanted.first() else { return Ok(None) };
    let (theirs, mut committed) =
        base.writer(&first.writer).map_or((0, 0), |r| (r.writer.epoch, r.committed));
    if theirs != first.epoch {
        let writer = first.writer.clone();
        return Err(CommitError::Fenced { writer, ours: first.epoch, theirs });
    }
    let mut draft = Draft::default();
    for (cut, blocks) in wanted {
        if committed >= cut.hi {
            continue;
        }
        if committed + 1 != cut.lo {
            let (lo, hi) = (cut.lo, cut.hi);
            let message = format!("cut {lo}..{hi} does not follow committed {committed}");
            return Err(CommitError::Refused(Error::internal(message)));
        }
        if blocks.iter().any(|block| base.is_condemned(&block.object)) {
            return Err(CommitError::Condemned);
        }
        committed = cut.hi;
        draft.cuts.push(cut.clone());
        draft.added.extend(blocks.iter().cloned());
    }
    Ok((!draft.cuts.is_empty()).then_some(draft))
}

/// Opens the manifest with a number, and checks that it is that one.
///
/// # Errors
/// `Corrupt` naming the object.
pub fn read_manifest(number: u64, object: &Object) -> Result<Manifest> {
    let key = paths::manifest_key(number);
    let manifest: Manifest = format::open(Magic::Manifest, &key, &object.bytes)?;
    if manifest.number != number {
        let inside = manifest.number;
        return Err(Error::corrupt(format!("{key} is damaged: it holds manifest {inside}")));
    }
    Ok(manifest)
}
