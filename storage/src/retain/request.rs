//! Asking for rows to be erased.
//!
//! The head is flushed first, so that everything acknowledged before lies in blocks; then tombstones
//! are committed, with the committed position of every writer. Another writer that is live may hold
//! such rows in a log that nobody can read from here: then nothing is erased and the reason is told.
//! When the call returns, no query that begins sees the rows. They are rewritten by compaction, and
//! gone from the bucket when the history has passed.

use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::{Error, Result};
use tarn_model::matcher::Matcher;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::Storage;
use crate::block::BlockMeta;
use crate::catalog::{CommitError, Draft, State, writers};
use crate::compact::plan::Which;
use crate::retain::RetainReport;
use crate::retain::erase::Tombstone;

/// Tombstones in force at once: every reader asks all of them about every block.
const TOMBSTONES_MAX: usize = 1000;
/// For how long a flush may hold the view back that shows the tombstone; it takes milliseconds.
const SWAP_MAX: Duration = Duration::from_secs(10);
/// Pause between two looks at the view.
const SWAP_PAUSE: Duration = Duration::from_millis(20);

/// Rows to be erased.
#[derive(Debug, Clone)]
pub struct EraseRequest {
    /// Whose rows.
    pub tenant: TenantId,
    /// Which signal.
    pub signal: Signal,
    /// Rows that satisfy all matchers of one of these are meant.
    pub selectors: Vec<Vec<Matcher>>,
    /// Earliest time, ms, inclusive.
    pub start_ms: i64,
    /// Latest time, ms, inclusive.
    pub end_ms: i64,
}

/// A tombstone in force, and what is left to be rewritten for it.
#[derive(Debug, Clone)]
pub struct Erasing {
    /// The tombstone.
    pub tombstone: Arc<Tombstone>,
    /// Blocks that may still hold its rows.
    pub blocks: usize,
    /// Bytes of them.
    pub bytes: u64,
}

impl EraseRequest {
    fn check(&self) -> Result<()> {
        if self.selectors.is_empty() {
            return Err(Error::invalid("nothing says which rows are to be erased"));
        }
        if self.start_ms > self.end_ms {
            let (start, end) = (self.start_ms, self.end_ms);
            return Err(Error::invalid(format!(
                "the time range ends ({end}) before it begins ({start})"
            )));
        }
        // As in PromQL: what every row satisfies is more often a slip than meant.
        let all = |selector: &Vec<Matcher>| selector.iter().all(Matcher::matches_empty);
        if self.selectors.iter().any(all) {
            return Err(Error::invalid(
                "a selector must have a matcher that needs a value; to erase everything, say so: \
                 {__name__=~\".+\"}, or {service_name=~\".+\"} of logs and traces",
            ));
        }
        Ok(())
    }

    fn tombstones(&self, base: &State, time_ms: i64, ids: &[String]) -> Vec<Arc<Tombstone>> {
        let records = base.writers().filter(|record| record.committed > 0);
        let positions: Vec<_> =
            records.map(|record| (record.writer.id.clone(), record.committed)).collect();
        let tombstone = |(selector, id): (&Vec<Matcher>, &String)| {
            Arc::new(Tombstone {
                id: id.clone(),
                tenant: self.tenant.to_string(),
                signal: self.signal.as_str().to_owned(),
                matchers: selector.iter().map(Matcher::to_string).collect(),
                start_ms: self.start_ms,
                end_ms: self.end_ms,
                positions: positions.clone(),
                time_ms,
            })
        };
        self.selectors.iter().zip(ids).map(tombstone).collect()
    }
}

impl Storage {
    /// Erases rows: when this returns, no query that begins sees them. Rows sent later stay. Returns
    /// the ids of the tombstones, one per selector; fewer where no block can hold such rows.
    ///
    /// # Errors
    /// `Invalid` where the request means nothing or everything; `Unavailable` where another writer
    /// may hold such rows in its log, or the store fails; `LimitExceeded` where too many tombstones
    /// are in force.
    pub async fn erase(&self, request: &EraseRequest) -> Result<Vec<String>> {
        request.check()?;
        let shared = &self.shared;
        let flusher = &shared.flusher;
        shared.flush().await.map_err(|e| e.context("flush before erasing"))?;
        // Who else writes is decided by what is true now.
        flusher.catalog.refresh().await?;
        let id = || format!("{:032x}", shared.handles.rng.next_u128());
        let ids: Vec<String> = request.selectors.iter().map(|_| id()).collect();
        let time_ms = shared.handles.clock.now().as_millis();
        let mut set = Vec::new();
        let committed = flusher
            .catalog
            .commit(&flusher.identity, |base| {
                let tombstones = propose(base, request, &flusher.identity.id, time_ms, &ids)?;
                // An attempt whose reply was lost may have set them already.
                let before = ids.iter().filter(|id| base.erased.contains_key(*id)).cloned();
                let now = tombstones.iter().map(|tombstone| tombstone.id.clone());
                set = before.chain(now).collect::<Vec<_>>();
                let erased = tombstones;
                Ok((!erased.is_empty()).then(|| Draft { erased, ..Draft::default() }))
            })
            .await
            .map_err(|error| match error {
                CommitError::Refused(error) => error,
                other => other.into(),
            })?;
        self.shown(committed.version()).await?;
        let EraseRequest { tenant, signal, start_ms, end_ms, .. } = request;
        tracing::info!(%tenant, signal = signal.as_str(), start_ms, end_ms, ids = ?set, "rows erased");
        Ok(set)
    }

    /// Waits until the view has a catalog version.
    async fn shown(&self, version: u64) -> Result<()> {
        let clock = &self.shared.handles.clock;
        let begin = clock.monotonic();
        loop {
            self.shared.flusher.follow_newest();
            if self.shared.view.load().catalog().version() >= version {
                return Ok(());
            }
            if clock.monotonic().saturating_sub(begin) > SWAP_MAX {
                let message = "the rows are erased, but a flush holds back the view that shows it";
                return Err(Error::unavailable(message, SWAP_MAX));
            }
            clock.sleep(SWAP_PAUSE).await;
        }
    }

    /// Returns the tombstones in force, with what is left to be rewritten, oldest first.
    pub fn erasing(&self) -> Vec<Erasing> {
        let state = self.catalog();
        let mut all: Vec<Erasing> = state
            .erased()
            .map(|tombstone| {
                let blocks = covered(&state, tombstone);
                let (blocks, bytes) =
                    blocks.fold((0, 0), |(n, sum), block| (n + 1, sum + block.bytes));
                Erasing { tombstone: Arc::clone(tombstone), blocks, bytes }
            })
            .collect();
        all.sort_by(|a, b| {
            let key = |erasing: &Erasing| erasing.tombstone.time_ms;
            key(a).cmp(&key(b)).then_with(|| a.tombstone.id.cmp(&b.tombstone.id))
        });
        all
    }

    /// Rewrites what tombstones cover, at once, and takes note of those that are done.
    ///
    /// # Errors
    /// `Unavailable` where the store or a merge fails; what was rewritten before stays so.
    pub async fn clean_tombstones(&self) -> Result<()> {
        let state = self.catalog();
        let of = |tombstone: &Arc<Tombstone>| {
            TenantId::parse(&tombstone.tenant).ok().zip(Signal::parse(&tombstone.signal))
        };
        let mut holders: Vec<(TenantId, Signal)> = state.erased().filter_map(of).collect();
        holders.sort_unstable();
        holders.dedup();
        let mut failed = 0;
        for (tenant, signal) in holders {
            let which = Which { tenant: Some(tenant), signal: Some(signal) };
            failed += self.compact(&which).await?.failed;
        }
        if failed > 0 {
            let message = format!("{failed} merges that leave out erased rows failed");
            return Err(Error::unavailable(message, SWAP_MAX));
        }
        self.retain().await.map(drop)
    }

    /// Forgets what is due now: rows beyond their retention, tombstones that are done, objects that
    /// nothing names. A task does the same once a minute.
    ///
    /// # Errors
    /// `Unavailable` where the store fails; what was done before stays done.
    pub async fn retain(&self) -> Result<RetainReport> {
        self.shared.retainer.look(&self.shared).await
    }
}

fn propose(
    base: &State,
    request: &EraseRequest,
    own: &str,
    time_ms: i64,
    ids: &[String],
) -> Result<Vec<Arc<Tombstone>>, CommitError> {
    if let Some(reason) = writers::silent(base, own) {
        let message = format!(
            "{reason}, and rows to be erased may be among them: stop that writer cleanly first, or \
             tell that it is lost"
        );
        return Err(CommitError::Refused(Error::unavailable(message, SWAP_MAX)));
    }
    let mut tombstones = request.tombstones(base, time_ms, ids);
    tombstones.retain(|tombstone| {
        !base.erased.contains_key(&tombstone.id) && covered(base, tombstone).next().is_some()
    });
    let in_force = base.erased.len() + tombstones.len();
    if in_force > TOMBSTONES_MAX {
        let message = format!(
            "{in_force} erasures would wait for their rewriting, limit is {TOMBSTONES_MAX}: \
             compaction does it, `tarn compact` at once"
        );
        return Err(CommitError::Refused(Error::limit(message)));
    }
    Ok(tombstones)
}

/// Returns the live blocks that a tombstone covers.
pub(crate) fn covered<'a>(
    state: &'a State,
    tombstone: &'a Tombstone,
) -> impl Iterator<Item = &'a Arc<BlockMeta>> {
    let of = TenantId::parse(&tombstone.tenant).ok().zip(Signal::parse(&tombstone.signal));
    of.into_iter()
        .flat_map(|(tenant, signal)| state.blocks(&tenant, signal).collect::<Vec<_>>())
        .filter(|block| tombstone.covers(block))
}

/// Returns the ids of the tombstones that cover no block but those that are being removed.
pub(crate) fn done(state: &State, removed: &[String]) -> Vec<String> {
    let lives = |tombstone: &Arc<Tombstone>| {
        covered(state, tombstone).any(|block| !removed.contains(&block.object))
    };
    let done = state.erased().filter(|tombstone| !lives(tombstone));
    done.map(|tombstone| tombstone.id.clone()).collect()
}
