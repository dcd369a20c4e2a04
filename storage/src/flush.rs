//! 6. Head → blocks: cut, build, put, commit, swap, truncate.
//!
//! The order is what keeps every row visible exactly once (VIS-1) and never lost (DUR-1):
//!
//! 1. **cut**: on the commit thread, between two groups, the active generation ends at an exact
//!    log position and the next one begins; both are in the view;
//! 2. **build** ([`build`]) its blocks in memory, **put** them under names never used before;
//! 3. **commit** the manifest that adds the blocks and moves the writer's committed position, after
//!    writing down which requests are stored, for their records may now go (IDM-1);
//! 4. **swap** one pointer: the catalog version with the blocks comes in, the generation goes out;
//! 5. **truncate** the log up to the committed position.
//!
//! Where the bucket is behind a network the blocks are written to the local disk first ([`stage`]),
//! which moves them in the view and frees the memory, and are delivered afterwards ([`deliver`]):
//! then 2 to 5 above are stage, swap, upload, commit, swap. Only a cut that finds no room on the
//! disk is put at once.
//!
//! A failure at any step leaves generation and log where they are; the next flush takes the same
//! cut again, before it makes a new one. What waits is read off the view (the generations that were
//! cut), so a flush may also be dropped halfway, as the request of a client who went away is. Blocks
//! that were put and never committed are named by nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::metrics;
use tarn_model::rng::Rng;
use tarn_model::signal::Signal;
use tarn_model::time::Clock;
use tokio::sync::watch;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::append::requests;
use crate::block::{BlockMeta, LsnRange};
use crate::blocking;
use crate::catalog::commit::propose_cut;
use crate::catalog::saved::Saved;
use crate::catalog::{Catalog, CommitError, Identity, State, writers};
use crate::disk::{Level, ReadOnly};
use crate::file::Disk;
use crate::head::follow;
use crate::head::sink::HeadSink;
use crate::head::{Head, HeadGeneration};
use crate::invariants::{Invariants, VIS_1};
use crate::object::cache::Parts;
use crate::object::{CreateError, Objects};
use crate::paths::DataDir;
use crate::view::{View, ViewCell};
use crate::wal::{Lsn, Wal};

pub(crate) mod aside;
pub mod build;
pub(crate) mod cut;
mod deliver;
mod extras;
pub(crate) mod pieces;
pub(crate) mod repair;
pub mod stage;
pub mod tables;
mod timeline;
mod trigger;

pub use pieces::Faults;
pub use repair::RepairReport;
pub(crate) use trigger::{Load, Trigger, run, run_bucket};

use crate::block::seal::NewBlock;
use aside::Aside;
use build::BuildContext;
use stage::Stage;

/// Blocks of one flush that are uploaded at once: hides the latency of a bucket without holding
/// many sockets.
const UPLOADS: usize = 4;
/// What answers say that needed bytes of a bucket that does not answer.
pub(crate) const AWAY: &str = "blocks in the bucket are left out: it cannot be reached";
/// The reason under which writes are refused when another process has our identity.
const FENCED: &str = "fenced";

/// What a flush did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Blocks written.
    pub blocks: usize,
    /// Samples in them.
    pub samples: u64,
    /// Log records and spans in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Manifest number of the commit; of the newest one where there was nothing to flush.
    pub manifest: u64,
}

impl FlushReport {
    fn add(&mut self, blocks: &[Arc<BlockMeta>]) {
        self.blocks += blocks.len();
        self.samples += blocks.iter().map(|block| block.samples).sum::<u64>();
        let tables = blocks.iter().filter(|block| block.signal != Signal::Metrics.as_str());
        self.rows += tables.map(|block| block.rows).sum::<u64>();
        self.bytes += blocks.iter().map(|block| block.bytes).sum::<u64>();
    }
}

/// Takes cuts of one head into the catalog.
#[derive(Debug)]
pub(crate) struct Flusher {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) objects: Objects,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) head: Arc<Head>,
    pub(crate) dir: DataDir,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) identity: Identity,
    /// Name of this writer for humans.
    pub(crate) label: String,
    /// Cuts on the local disk, where the bucket is behind a network.
    pub(crate) stage: Option<Arc<Stage>>,
    /// Where blocks are read from.
    pub(crate) parts: Parts,
    /// Set while this start has not been committed, because the bucket was away.
    pub(crate) alone: Mutex<Option<Arc<Saved>>>,
    /// Version of the catalog that was copied to the folder.
    pub(crate) saved: Mutex<Option<u64>>,
    /// One delivery at a time.
    pub(crate) delivering: tokio::sync::Mutex<()>,
    /// Above half of this the log lets go of what is staged.
    pub(crate) log_bytes_max: u64,
    pub(crate) disk_level: watch::Receiver<Level>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) read_only: ReadOnly,
    /// Told once, when the process must stop.
    pub(crate) fatal: watch::Sender<Option<Arc<Error>>>,
    /// One flush at a time. Holds blocks that are in the store and not committed, by the first log
    /// position of their cut.
    pub(crate) written: tokio::sync::Mutex<Written>,
    pub(crate) fenced: AtomicBool,
    /// Builds blocks, and sets aside what cannot be built.
    pub(crate) aside: Arc<Aside>,
    pub(crate) invariants: Invariants,
    pub(crate) metrics: Metrics,
}

impl Flusher {
    /// Flushes everything that was appended before, and what was staged.
    pub(crate) async fn flush(&self, wal: &Wal<HeadSink>) -> Result<FlushReport> {
        self.observed(async {
            let mut report = FlushReport::default();
            for cut in self.stage.iter().flat_map(|stage| stage.waiting()) {
                report.add(&cut.metas());
            }
            self.cut(wal, &mut report).await?;
            self.deliver(wal).await?;
            report.manifest = self.catalog.state().version();
            Ok(report)
        })
        .await
    }

    /// Moves everything that was appended before out of the head: into staged files, or where there
    /// is no stage or no room, into the bucket.
    pub(crate) async fn stage(&self, wal: &Wal<HeadSink>) -> Result<FlushReport> {
        self.observed(async {
            let mut report = FlushReport::default();
            self.cut(wal, &mut report).await?;
            report.manifest = self.catalog.state().version();
            Ok(report)
        })
        .await
    }

    async fn observed(
        &self,
        work: impl Future<Output = Result<FlushReport>> + Send,
    ) -> Result<FlushReport> {
        let started = self.clock.monotonic();
        let span = tracing::info_span!("flush", blocks = Empty, samples = Empty, error = Empty);
        let done = work.instrument(span.clone()).await;
        match &done {
            Ok(report) if report.blocks > 0 => {
                let taken = self.clock.monotonic().saturating_sub(started);
                self.metrics.seconds.observe(taken.as_secs_f64());
                self.metrics.blocks.inc_by(report.blocks as u64);
                let FlushReport { blocks, samples, rows, bytes, manifest } = report;
                span.record("blocks", blocks).record("samples", samples);
                tracing::info!(blocks, samples, rows, bytes, manifest, ?taken, "flushed");
            }
            Ok(_) => {}
            Err(e) => {
                span.record("error", e.message());
                self.metrics.failures.inc();
            }
        }
        done
    }

    async fn cut(&self, wal: &Wal<HeadSink>, report: &mut FlushReport) -> Result<()> {
        let mut written = self.written.lock().await;
        // What failed before comes first: cuts are committed in the order of the log.
        self.flush_cuts(&mut written, wal, report).await?;
        let cut = wal.run(|sink, last| {
            if sink.active().first() <= last {
                // It is in the view from now on, as one that was cut.
                drop(sink.cut(last));
            }
        });
        cut.await.map_err(|e| e.context("cut the head"))?;
        self.flush_cuts(&mut written, wal, report).await
    }

    async fn flush_cuts(
        &self,
        written: &mut Written,
        wal: &Wal<HeadSink>,
        report: &mut FlushReport,
    ) -> Result<()> {
        let view = self.view.load();
        for generation in view.heads() {
            let Some(last) = generation.last() else { continue };
            if !written.contains_key(&generation.first())
                && self.stage_one(generation, wal, report).await
            {
                continue;
            }
            // Cuts are committed in the order of the log.
            self.deliver(wal).await?;
            self.join().await?;
            let blocks = self.flush_one(written, generation, last).await?;
            let state = Arc::clone(self.view.load().catalog());
            self.let_go(wal, &state).await;
            report.add(&blocks);
        }
        Ok(())
    }

    /// Stages a generation; `false` where it has to go into the bucket at once.
    async fn stage_one(
        &self,
        generation: &Arc<HeadGeneration>,
        wal: &Wal<HeadSink>,
        report: &mut FlushReport,
    ) -> bool {
        let Some(stage) = &self.stage else { return false };
        if *self.disk_level.borrow() == Level::Hard {
            return false;
        }
        let (stage, head) = (Arc::clone(stage), Arc::clone(&self.head));
        let (generation, view) = (Arc::clone(generation), Arc::clone(&self.view));
        let (staged, last) = blocking::run(move || {
            let staged = stage.put(&generation, &head, &view);
            (staged, stage.last())
        })
        .await;
        match staged {
            Ok(cut) => {
                report.add(&cut.map(|cut| cut.metas()).unwrap_or_default());
                if wal.bytes().0 > self.log_bytes_max / 2
                    && let Some(last) = last
                {
                    if let Err(error) = self.save_requests().await {
                        tracing::warn!(%error, "log stays as long as it is");
                        return true;
                    }
                    wal.truncate(last);
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cut could not be staged, it goes to the bucket at once");
                false
            }
        }
    }

    async fn flush_one(
        &self,
        written: &mut Written,
        generation: &Arc<HeadGeneration>,
        last: Lsn,
    ) -> Result<Vec<Arc<BlockMeta>>> {
        let first = generation.first();
        let blocks = match written.get(&first) {
            Some(blocks) => blocks.clone(),
            None => {
                let blocks = self.write_blocks(generation).await?;
                written.insert(first, blocks.clone());
                blocks
            }
        };
        self.save_requests().await?;
        let Identity { id, epoch } = &self.identity;
        let cut = LsnRange { writer: id.clone(), epoch: *epoch, lo: first.0, hi: last.0 };
        let committed =
            self.catalog.commit(&self.identity, |base| propose_cut(base, &cut, &blocks)).await;
        let state = match committed {
            Ok(state) => state,
            Err(error) => {
                match &error {
                    // What we wrote may have been swept as an orphan meanwhile. The view stays as
                    // it is: the reloaded catalog may hold this very cut.
                    CommitError::DeadBranch | CommitError::Condemned => {
                        drop(written.remove(&first));
                    }
                    CommitError::Fenced { .. } => self.fence(&error),
                    // A cut that does not follow, or a catalog that breaks its own rules.
                    CommitError::Refused(reason) => self.invariants.broken(VIS_1, reason),
                    CommitError::Unknown(_) => {}
                }
                return Err(Error::from(error).context("flush"));
            }
        };
        self.view.update(|view| view.with_catalog(state).without_generation(generation));
        // A merge may have committed between our commit and our swap.
        self.follow_newest();
        written.remove(&first);
        Ok(blocks)
    }

    /// FEN-1: from here on nothing is acknowledged; the rows that are not committed stay in the
    /// log of this folder.
    pub(crate) fn fence(&self, error: &CommitError) {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "another process has the identity of this data folder");
            self.read_only.set(FENCED, error.to_string());
            self.fatal.send_replace(Some(Arc::new(Error::invalid(error.to_string()))));
        }
    }

    async fn write_blocks(&self, generation: &Arc<HeadGeneration>) -> Result<Vec<Arc<BlockMeta>>> {
        let (built, identity) = (Arc::clone(generation), self.identity.clone());
        let (rng, now_ms) = (Arc::clone(&self.rng), self.clock.now().as_millis());
        let usage = Arc::clone(self.view.load().usage());
        let aside = Arc::clone(&self.aside);
        let blocks = blocking::run(move || {
            let Identity { id, epoch } = &identity;
            let (writer, rng, usage) = (id, &*rng, &*usage);
            aside.build(&built, &BuildContext { writer, epoch: *epoch, rng, now_ms, usage })
        })
        .await
        .map_err(|e| e.context("build blocks"))?;
        stream::iter(blocks)
            .map(|NewBlock { meta, bytes }| async move {
                self.put(&meta.object, &bytes).await?;
                Ok(Arc::new(meta))
            })
            .buffered(UPLOADS)
            .try_collect()
            .await
    }

    async fn put(&self, object: &str, bytes: &Bytes) -> Result<()> {
        match self.objects.create(object, bytes).await {
            Ok(_) => Ok(()),
            Err(CreateError::Unknown(error)) => Err(error),
            Err(CreateError::Conflict(_)) => {
                Err(Error::internal(format!("block {object} exists with other content")))
            }
        }
    }

    /// Writes down which requests are stored, and how far those are who follow the log, before a
    /// commit lets go of their records: a start takes away at once what is committed (IDM-1).
    async fn save_requests(&self) -> Result<()> {
        let (head, dir, disk) = (Arc::clone(&self.head), self.dir.clone(), Arc::clone(&self.disk));
        let saved = blocking::run(move || {
            requests::file::save(&head.requests, &dir, &*disk)?;
            follow::file::save(&head.followers, &dir, &*disk)
        });
        saved.await.map_err(|e| {
            let what = "write down which requests are stored and who follows the log";
            Error::internal(what).with_source(e)
        })
    }

    /// A checkpoint only shortens the next load, so its failure is reported and forgotten.
    pub(crate) async fn checkpoint(&self) {
        if let Err(error) = self.catalog.checkpoint_if_due().await {
            tracing::warn!(%error, "checkpoint could not be written");
        }
    }

    /// Takes over what others have committed, and stops this process where one of them has taken our
    /// identity.
    pub(crate) async fn poll(&self) {
        let Identity { id, epoch } = &self.identity;
        let refreshed = match self.join().await {
            Ok(()) => match self.catalog.refresh().await {
                Err(CommitError::DeadBranch) => Ok(self.catalog.state()),
                other => other.map_err(Error::from),
            },
            Err(error) => Err(error),
        };
        match refreshed {
            Ok(state) => {
                if self.parts.set_away(None) {
                    tracing::info!("the bucket is reached again");
                }
                self.save_catalog(&state).await;
                let theirs = state.writer(id).map_or(0, |record| record.writer.epoch);
                if theirs > *epoch {
                    self.fence(&CommitError::Fenced { writer: id.clone(), ours: *epoch, theirs });
                }
                self.follow(&state, None);
            }
            Err(error) => {
                if self.parts.set_away(Some(AWAY)) {
                    tracing::warn!(%error, "the bucket cannot be reached, writes go on");
                }
                let state = self.catalog.state();
                // Alone on the bucket, nobody else can have committed anything.
                let others = state.writers().any(|record| record.writer.id != *id);
                let why = "what other writers have committed since is not known";
                self.follow(&state, others.then_some(why));
            }
        }
    }

    /// Moves the view to a newer catalog version, unless that moves our own boundary: a cut of ours
    /// comes into the view only as its generation leaves it. Says what answers may lack (PAR-1).
    fn follow(&self, state: &Arc<State>, unconfirmed: Option<&str>) {
        let own = &self.identity.id;
        self.view.update(|view| {
            let next = self.moved(view, state);
            let silent = writers::silent(next.catalog(), own);
            next.with_replaying(unconfirmed.or(silent.as_deref()))
        });
    }

    /// Moves the view to the newest catalog version that this process knows, by the rule of
    /// [`Flusher::follow`]; what answers lack stays as it was told.
    pub(crate) fn follow_newest(&self) {
        self.view.update(|view| self.moved(view, &self.catalog.state()));
    }

    fn moved(&self, view: &View, state: &Arc<State>) -> View {
        let (own, current) = (&self.identity.id, view.catalog());
        let newer = state.version() > current.version();
        let ours_stays = state.committed(own) == current.committed(own);
        if newer && ours_stays { view.with_catalog(Arc::clone(state)) } else { view.clone() }
    }
}

/// Blocks that are in the store and not committed.
type Written = BTreeMap<Lsn, Vec<Arc<BlockMeta>>>;

/// Counters: `tarn_flush_*`.
#[derive(Debug)]
pub(crate) struct Metrics {
    seconds: Histogram,
    blocks: Counter,
    failures: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        // A small head on a local disk takes tens of ms, a full one into a bucket a minute.
        let seconds = Histogram::new([0.05, 0.2, 1.0, 5.0, 20.0, 60.0]);
        let (blocks, failures) = (Counter::default(), Counter::default());
        let name = metrics::FLUSH_SECONDS;
        registry.register(name.name, name.help, seconds.clone());
        let name = metrics::FLUSH_BLOCKS;
        registry.register(name.name, name.help, blocks.clone());
        let name = metrics::FLUSH_FAILURES;
        registry.register(name.name, name.help, failures.clone());
        Self { seconds, blocks, failures }
    }
}
