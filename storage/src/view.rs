//! 5. What a query sees: [`View`], swapped as one pointer; [`Reader`] hands it out.
//!
//! A view is a catalog version, the staged blocks and the head generations above it. A row is in exactly one of them:
//! one swap moves the boundary and what lies at it together, so every acknowledged row is seen
//! exactly once (VIS-1). A query pins one view, and takes the lengths of all series that it reads
//! at once, so nothing appears or disappears while it runs (VIS-2).
//!
//! - [`select`]: matchers → series, over blocks and generations
//! - [`cursor`]: their samples, merged per series
//! - [`rows`]: rows of logs and spans
//! - [`cardinality`]: what the active series are made of
//! - [`names`]: label names, values, series and metadata, without reading samples

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;
use tarn_model::sample::{Exemplar, Metadata, MetricType};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::block::reader::Blocks;
use crate::catalog::State;
use crate::head::follow::RowBatch;
use crate::head::follow::{FollowOptions, Follower};
use crate::head::tables::{TableBatch, TableSnapshot};
use crate::head::{Head, HeadGeneration};
use crate::schema::kind;
use crate::schema::tables::Table;
use crate::usage::Usage;
use crate::wal::Lsn;

mod cardinality;
mod cursor;
mod exemplars;
mod names;
pub mod rows;
mod select;

pub use cardinality::Cardinality;
pub use cursor::SeriesCursor;

/// The current view, which changes as one pointer.
pub struct ViewCell {
    current: ArcSwap<View>,
    /// Changes follow one another; readers never wait.
    change: Mutex<()>,
}

impl fmt::Debug for ViewCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.load().fmt(f)
    }
}

impl ViewCell {
    /// Begins with a catalog version and no head generation.
    pub fn new(head: Arc<Head>, blocks: Arc<Blocks>, catalog: Arc<State>) -> Arc<Self> {
        let view = View {
            head,
            blocks,
            catalog,
            staged: Arc::from([]),
            heads: Vec::new(),
            replaying: None,
            usage: Arc::default(),
            lacks: Arc::default(),
            pinned: None,
        };
        Arc::new(Self { current: ArcSwap::from_pointee(view), change: Mutex::new(()) })
    }

    /// Returns the current view.
    pub fn load(&self) -> Arc<View> {
        self.current.load_full()
    }

    /// Swaps in what `change` makes of the current view.
    pub fn update(&self, change: impl FnOnce(&View) -> View) {
        let _turn = self.change.lock();
        let next = change(&self.current.load());
        self.current.store(Arc::new(next));
    }
}

/// Hands out views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    cell: Arc<ViewCell>,
}

impl Reader {
    /// Makes a reader of a cell.
    pub fn new(cell: Arc<ViewCell>) -> Self {
        Self { cell }
    }

    /// Follows the rows that become durable and visible from now on.
    pub fn follow(&self, options: FollowOptions) -> Follower {
        Follower::new(Arc::clone(&self.cell.load().head), options)
    }

    /// Returns what was acknowledged under names that begin like this; whole once the log has been
    /// replayed.
    pub fn acknowledged(&self, prefix: &str) -> Vec<(String, Lsn)> {
        self.cell.load().head.followers.named().positions(prefix)
    }

    /// Pins the current view, for one query: what its answer lacks is noted in it.
    pub fn view(&self) -> Arc<View> {
        Arc::new(View { lacks: Arc::default(), ..(*self.cell.load()).clone() })
    }
}

/// A moment of the store: a catalog version and the head generations above it.
#[derive(Clone)]
pub struct View {
    pub(crate) head: Arc<Head>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) catalog: Arc<State>,
    /// Blocks of cuts that lie on the local disk and wait for their commit, in the order of the log.
    pub(crate) staged: Arc<[Arc<BlockMeta>]>,
    /// In the order of the log.
    pub(crate) heads: Vec<Arc<HeadGeneration>>,
    /// Why rows may be missing.
    pub(crate) replaying: Option<Arc<str>>,
    /// What queries ask for; the same in all views of a store.
    usage: Arc<Usage>,
    /// Why bytes that the query needed could not be read.
    lacks: Arc<OnceLock<Arc<str>>>,
    /// Rows of the head as one query sees them; never in the cell.
    pinned: Option<Arc<Pinned>>,
}

/// What one query sees of a tenant's log records and spans in the head.
struct Pinned {
    tenant: TenantId,
    /// One per generation, in the order of the log.
    heads: Vec<TableSnapshot>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("catalog", &self.catalog.version())
            .field("heads", &self.heads)
            .field("replaying", &self.replaying)
            .finish_non_exhaustive()
    }
}

/// Which series and which time.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Samples outside need not be delivered.
    pub range: TimeRange,
}

/// What a scan may cost.
#[derive(Debug, Clone, Copy)]
pub struct ScanLimits {
    /// Series over all selectors.
    pub series_max: u64,
    /// Bytes held at any time, labels included.
    pub bytes_max: u64,
}

/// The series of one selector, sorted by labels.
#[derive(Debug)]
pub struct Selection {
    /// Labels and types.
    pub series: Vec<SelectedSeries>,
    /// Yields their samples in the same order.
    pub cursor: SeriesCursor,
}

/// One series of a selection.
#[derive(Debug, Clone)]
pub struct SelectedSeries {
    /// All labels.
    pub labels: LabelSet,
    /// Type as told by the sender.
    pub metric_type: MetricType,
}

impl View {
    /// Returns the catalog version.
    pub fn catalog(&self) -> &Arc<State> {
        &self.catalog
    }

    /// Returns where queries note what they ask for.
    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Returns the blocks of one tenant and signal, committed and staged.
    pub fn blocks(
        &self,
        tenant: &TenantId,
        signal: Signal,
    ) -> impl Iterator<Item = &Arc<BlockMeta>> {
        let own = tenant.clone();
        let staged = self.staged.iter();
        let staged =
            staged.filter(move |b| b.tenant == own.as_str() && b.signal == signal.as_str());
        self.catalog.blocks(tenant, signal).chain(staged)
    }

    /// Returns the head generations, in the order of the log.
    pub fn heads(&self) -> &[Arc<HeadGeneration>] {
        &self.heads
    }

    /// Returns the view with another catalog version.
    #[must_use]
    pub fn with_catalog(&self, catalog: Arc<State>) -> Self {
        Self { catalog, ..self.clone() }
    }

    /// Returns the view with other staged blocks.
    #[must_use]
    pub fn with_staged(&self, staged: Arc<[Arc<BlockMeta>]>) -> Self {
        Self { staged, ..self.clone() }
    }

    /// Returns the blocks that wait for their commit, in the order of the log.
    pub fn staged(&self) -> &[Arc<BlockMeta>] {
        &self.staged
    }

    /// Returns the view with one more generation.
    #[must_use]
    pub fn with_generation(&self, generation: Arc<HeadGeneration>) -> Self {
        let mut next = self.clone();
        next.heads.push(generation);
        next
    }

    /// Returns the view without a generation, whose rows the catalog has now.
    #[must_use]
    pub fn without_generation(&self, generation: &Arc<HeadGeneration>) -> Self {
        let mut next = self.clone();
        next.heads.retain(|g| !Arc::ptr_eq(g, generation));
        next
    }

    /// Returns the view with a reason why rows may be missing, or without one.
    #[must_use]
    pub fn with_replaying(&self, reason: Option<&str>) -> Self {
        Self { replaying: reason.map(Arc::from), ..self.clone() }
    }

    /// Returns the view as one query sees it: all its scans of a tenant's log records and spans meet
    /// the same rows of the head, however much later they begin (VIS-2).
    #[must_use]
    pub fn pinned(&self, tenant: &TenantId) -> Arc<Self> {
        let snapshot = |generation: &Arc<HeadGeneration>| {
            generation.tenant(tenant).map(|part| part.tables.snapshot()).unwrap_or_default()
        };
        let heads = self.heads.iter().map(snapshot).collect();
        let pinned = Pinned { tenant: tenant.clone(), heads };
        Arc::new(Self { pinned: Some(Arc::new(pinned)), ..self.clone() })
    }

    /// Returns a view of nothing but these rows of a tenant: what a follower was told can be asked in
    /// any language, as if it were all there is.
    pub fn of_rows(&self, tenant: &TenantId, rows: &[Arc<RowBatch>]) -> Arc<Self> {
        let heads = vec![TableSnapshot::of_rows(rows)];
        Arc::new(Self {
            catalog: Arc::default(),
            staged: Arc::from([]),
            heads: Vec::new(),
            replaying: None,
            lacks: Arc::default(),
            // Asked of every batch, it says nothing of what is worth a column in blocks.
            usage: Arc::default(),
            pinned: Some(Arc::new(Pinned { tenant: tenant.clone(), heads })),
            ..self.clone()
        })
    }

    /// Returns the batches of the head, generation by generation in the order of the log: those of
    /// the moment at which the view was pinned, or of now.
    pub(crate) fn head_batches(
        &self,
        tenant: &TenantId,
        table: Table,
    ) -> Vec<Vec<Arc<TableBatch>>> {
        let take = |heads: &[TableSnapshot]| heads.iter().map(|h| h.of(table).to_vec()).collect();
        match self.pinned.as_deref().filter(|pinned| pinned.tenant == *tenant) {
            Some(pinned) => take(&pinned.heads),
            None => {
                let now = self.pinned(tenant);
                now.pinned.as_deref().map(|pinned| take(&pinned.heads)).unwrap_or_default()
            }
        }
    }

    /// Returns why the answer may lack rows, or `None` where it is whole (PAR-1). To be asked when
    /// the answer is complete: what could not be read turns up on the way.
    pub fn partial(&self) -> Option<String> {
        let why = self.replaying.as_ref().or_else(|| self.lacks.get());
        why.map(|why| why.as_ref().to_owned())
    }

    /// Returns whether a block that a query needs can be read; where it is known that it cannot,
    /// the answer goes without it and says so (PAR-1).
    pub(crate) fn reaches(&self, meta: &BlockMeta) -> bool {
        match self.blocks.out_of_reach(meta) {
            None => true,
            Some(reason) => {
                self.lacks.get_or_init(|| reason);
                false
            }
        }
    }

    /// Returns whether a block is of a kind. Rows of the signal that were set aside in this time are
    /// in no block of any kind: the answer goes without them and says so (PAR-1).
    pub(crate) fn is_kind(&self, meta: &BlockMeta, kind: &str, range: TimeRange) -> bool {
        let own = TimeRange { start_ms: meta.time_min_ms, end_ms: meta.time_max_ms };
        if meta.kind == kind::RAW && own.overlaps(range) {
            let BlockMeta { tenant, signal, day, .. } = meta;
            self.lacks.get_or_init(|| {
                let what = format!("{signal} of tenant {tenant}, day {day}, could not be written");
                format!("{what}: they are set aside until `tarn block repair`").into()
            });
        }
        meta.kind == kind
    }

    /// Resolves selectors together: all of them see the same rows (VIS-2).
    ///
    /// # Errors
    /// `LimitExceeded` with the number and the limit; `Corrupt`, `Unavailable` as the cursor.
    pub async fn select(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        limits: ScanLimits,
    ) -> Result<Vec<Selection>> {
        let resolved = select::resolve(self, tenant, selectors, limits).await?;
        Ok(resolved.into_iter().map(|found| cursor::selection(self, found, limits)).collect())
    }

    /// Returns the label sets that match any of `selectors` (all matchers of one selector must
    /// match) and may have samples in its range, sorted, without duplicates. Reads no samples.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn series(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        limits: ScanLimits,
    ) -> Result<Vec<LabelSet>> {
        names::series(self, tenant, selectors, limits).await
    }

    /// Returns the label names in use, sorted. Without selectors answered from catalog and head
    /// tables alone.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn label_names(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        range: TimeRange,
        limits: ScanLimits,
    ) -> Result<Vec<String>> {
        let query = names::Query { tenant, selectors, range, limits };
        names::label_names(self, query).await
    }

    /// Returns the values of a label, sorted.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn label_values(
        self: &Arc<Self>,
        tenant: &TenantId,
        name: &str,
        selectors: &[Selector],
        range: TimeRange,
        limits: ScanLimits,
    ) -> Result<Vec<String>> {
        let query = names::Query { tenant, selectors, range, limits };
        names::label_values(self, name, query).await
    }

    /// Returns the exemplars of the series that match any of `selectors`, in its range: by series,
    /// sorted by labels, each in the order of time. Once there are `max` the search ends, with the
    /// newest blocks read first.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn exemplars(
        self: &Arc<Self>,
        tenant: &TenantId,
        selectors: &[Selector],
        max: usize,
    ) -> Result<Vec<(LabelSet, Vec<Exemplar>)>> {
        exemplars::find(self, tenant, selectors, max).await
    }

    /// Returns the metadata of the tenant's metric families, sorted by family.
    ///
    /// # Errors
    /// As [`View::select`].
    pub async fn families(self: &Arc<Self>, tenant: &TenantId) -> Result<Vec<(String, Metadata)>> {
        names::families(self, tenant).await
    }
}

#[cfg(test)]
mod tests;
