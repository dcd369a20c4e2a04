//! Staged cuts → bucket → manifest.
//!
//! Uploads under the names that the lists give, then commits all cuts that are ready in one
//! manifest, then moves the view. Whatever goes wrong leaves the cuts staged; the next try goes on
//! with what is missing. Names that were used too long ago are not used again: somebody's sweep may
//! be about to delete objects that no manifest names.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, Result};

use super::stage::{Stage, StagedCut};
use super::{Flusher, UPLOADS};
use crate::block::{BlockMeta, LsnRange};
use crate::blocking;
use crate::catalog::commit::propose_cuts;
use crate::catalog::saved::Saved;
use crate::catalog::{CommitError, Identity, State, writers};
use crate::head::sink::HeadSink;
use crate::invariants::VIS_1;
use crate::wal::{Lsn, Wal};

/// Cuts of one manifest at most: after an outage of a day some hundred wait, of some KiB per block.
const CUTS_MAX: usize = 64;

impl Flusher {
    /// Brings everything that is staged into the bucket and the catalog.
    pub(crate) async fn deliver(&self, wal: &Wal<HeadSink>) -> Result<()> {
        let Some(stage) = &self.stage else { return Ok(()) };
        let _turn = self.delivering.lock().await;
        self.join().await?;
        loop {
            let mut cuts = stage.waiting();
            cuts.truncate(CUTS_MAX);
            if cuts.is_empty() {
                return Ok(());
            }
            let now = self.clock.monotonic();
            if cuts.iter().any(|cut| cut.is_overdue(now)) {
                self.rename(stage).await?;
                continue;
            }
            for cut in &cuts {
                self.upload(stage, cut).await.map_err(|e| e.context("upload a staged cut"))?;
            }
            self.commit_cuts(stage, &cuts, wal).await?;
        }
    }

    async fn upload(&self, stage: &Arc<Stage>, cut: &Arc<StagedCut>) -> Result<()> {
        if cut.is_uploaded() {
            return Ok(());
        }
        cut.begin_upload(self.clock.monotonic());
        let uploads = (0..cut.blocks()).map(|number| self.upload_block(stage, cut, number));
        stream::iter(uploads).buffered(UPLOADS).try_collect::<Vec<()>>().await?;
        cut.set_uploaded();
        Ok(())
    }

    async fn upload_block(
        &self,
        stage: &Arc<Stage>,
        cut: &Arc<StagedCut>,
        number: usize,
    ) -> Result<()> {
        let (stage, cut) = (Arc::clone(stage), Arc::clone(cut));
        let (meta, bytes) = blocking::run(move || stage.read(&cut, number)).await?;
        self.put(&meta.object, &bytes).await
    }

    async fn commit_cuts(
        &self,
        stage: &Arc<Stage>,
        cuts: &[Arc<StagedCut>],
        wal: &Wal<HeadSink>,
    ) -> Result<()> {
        // A cut of an earlier life enters in this one: its blocks are the same.
        let epoch = self.identity.epoch;
        let metas: Vec<Vec<Arc<BlockMeta>>> = cuts.iter().map(|cut| cut.metas()).collect();
        let wanted = cuts.iter().zip(&metas);
        let wanted: Vec<(LsnRange, &[Arc<BlockMeta>])> = wanted
            .map(|(cut, metas)| (LsnRange { epoch, ..cut.lsn().clone() }, &metas[..]))
            .collect();
        self.save_requests().await?;
        let state =
            match self.catalog.commit(&self.identity, |base| propose_cuts(base, &wanted)).await {
                Ok(state) => state,
                Err(error) => {
                    match &error {
                        CommitError::DeadBranch | CommitError::Condemned => {
                            self.rename(stage).await?
                        }
                        CommitError::Fenced { .. } => self.fence(&error),
                        CommitError::Refused(reason) => self.invariants.broken(VIS_1, reason),
                        CommitError::Unknown(_) => {}
                    }
                    return Err(Error::from(error).context("commit staged cuts"));
                }
            };
        self.parts.set_away(None);
        let committed = state.committed(&self.identity.id);
        self.view.update(|view| {
            view.with_catalog(Arc::clone(&state)).with_staged(stage.shown_above(committed))
        });
        // A merge may have committed between our commit and our swap.
        self.follow_newest();
        self.let_go(wal, &state).await;
        Ok(())
    }

    /// What is committed need not be in the log or wait on the disk any more.
    pub(super) async fn let_go(&self, wal: &Wal<HeadSink>, state: &Arc<State>) {
        let committed = state.committed(&self.identity.id);
        if let Some(stage) = &self.stage {
            self.save_catalog(state).await;
            stage.committed(committed);
            self.evict(false).await;
        }
        wal.truncate(Lsn(committed));
        self.checkpoint().await;
    }

    /// Removes kept files that are beyond their bounds; all of them where room is `short`.
    pub(crate) async fn evict(&self, short: bool) {
        if let Some(stage) = &self.stage {
            let stage = Arc::clone(stage);
            blocking::run(move || stage.evict(short)).await;
        }
    }

    async fn rename(&self, stage: &Arc<Stage>) -> Result<()> {
        let (stage, view) = (Arc::clone(stage), Arc::clone(&self.view));
        blocking::run(move || stage.rename(&view)).await
    }

    /// Replaces the copy of the catalog from which a start goes on while the bucket is away. Where
    /// that fails there is none: an old one would lack what the log has let go of since.
    pub(crate) async fn save_catalog(&self, state: &Arc<State>) {
        let staging = self.stage.is_some();
        if !staging
            || self.alone.lock().is_some()
            || self.saved.lock().as_ref() == Some(&state.version())
        {
            return;
        }
        let (dir, disk) = (self.dir.clone(), Arc::clone(&self.disk));
        let copied = Arc::clone(state);
        let done = blocking::run(move || {
            Saved::of(&copied).write(&dir, &*disk).inspect_err(|_| {
                if let Err(error) = disk.remove(&dir.saved_catalog()) {
                    tracing::debug!(%error, "no copy of the catalog could be removed");
                }
            })
        });
        match done.await {
            Ok(()) => *self.saved.lock() = Some(state.version()),
            Err(error) => tracing::warn!(%error, "no copy of the catalog could be saved"),
        }
    }

    /// Removes the copy of the catalog. A failure is like a crash a moment earlier.
    pub(crate) async fn drop_saved_catalog(&self) {
        if self.stage.is_none() {
            return;
        }
        let (dir, disk) = (self.dir.clone(), Arc::clone(&self.disk));
        let removed = blocking::run(move || {
            disk.remove(&dir.saved_catalog()).and_then(|()| disk.sync_dir(dir.root()))
        });
        if let Err(error) = removed.await {
            tracing::debug!(%error, "no copy of the catalog was removed");
        }
        *self.saved.lock() = None;
    }

    /// Commits the epoch of a start that went on without the bucket, once it is back.
    pub(crate) async fn join(&self) -> Result<()> {
        let Some(saved) = self.alone.lock().clone() else { return Ok(()) };
        match self.catalog.refresh().await {
            // The history passed meanwhile: the newest state is loaded.
            Ok(_) | Err(CommitError::DeadBranch) => {}
            Err(error) => return Err(Error::from(error).context("find the bucket's catalog")),
        }
        let Identity { id, epoch } = &self.identity;
        if let Err(error) = writers::join(&self.catalog, &self.identity, &self.label, &saved).await
        {
            if matches!(error, CommitError::Fenced { .. }) {
                self.fence(&error);
            }
            return Err(Error::from(error).context("commit the epoch of this start"));
        }
        *self.alone.lock() = None;
        let state = self.catalog.state();
        tracing::info!(writer = id, epoch, manifest = state.version(), "the bucket is back");
        self.save_catalog(&state).await;
        Ok(())
    }
}
