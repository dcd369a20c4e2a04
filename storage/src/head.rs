//! 3. Queryable: the rows of the log that are in no block yet, in memory.
//!
//! A [`HeadGeneration`] holds the rows between two cuts of the log; a flush turns it into blocks
//! and drops it. The series tables outlive generations, because senders keep references into them.
//!
//! - [`series`], [`pairs`]: who a series is; references, interned labels
//! - [`growth`]: which labels make new series
//! - [`column`], [`columns`]: its samples, and the postings by which queries find it
//! - [`tables`]: log records and spans, in batches
//! - [`follow`]: rows as they become durable, for whoever follows them
//! - [`sink`]: the commit thread's end: frames requests, inserts what is durable, cuts
//! - [`replay`]: the same insert after a start, from the log's payloads

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::limits::Limits;
use tarn_model::map::HashMap;
use tarn_model::metrics;
use tarn_model::sample::{Metadata, MetricType};
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;

use crate::append::requests::Requests;
use crate::head::columns::{Rows, TenantColumns};
use crate::head::follow::hub::Hub;
use crate::head::growth::Growth;
use crate::head::series::SeriesTable;
use crate::head::tables::{TableBatch, TenantTables};
use crate::wal::Lsn;

pub(crate) mod column;
pub(crate) mod columns;
pub mod follow;
pub(crate) mod growth;
pub(crate) mod pairs;
pub mod replay;
pub(crate) mod series;
pub mod sink;
pub(crate) mod tables;

/// A series that nobody wrote for this long may be forgotten: longer than any scrape interval in
/// practice, so that references live as long as their series.
const IDLE: Duration = Duration::from_secs(3600);

/// Share of the memory budget for recognising resends, in percent: of 2 GiB enough for 400,000.
const REQUESTS_PERCENT: u8 = 2;

/// Everything in memory: the series tables of all tenants, and how much the generations hold.
pub struct Head {
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Arc<dyn Clock>,
    tenants: RwLock<HashMap<TenantId, Arc<TenantHead>>>,
    held: Arc<Held>,
    /// Which requests are stored.
    pub(crate) requests: Requests,
    /// Number of the definition period of the log: see [`sink`].
    pub(crate) period: Arc<AtomicU32>,
    /// Who follows the log.
    pub(crate) followers: Arc<Hub>,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenants = self.tenants.read().len();
        f.debug_struct("Head").field("tenants", &tenants).field("held", &self.held).finish()
    }
}

/// What all generations hold together; the gauges are registered once.
#[derive(Debug, Default)]
struct Held {
    bytes: AtomicU64,
    bytes_gauge: Gauge,
    rows_gauge: Gauge,
    series_gauge: Gauge,
    /// What the series tables of all tenants hold, labels included.
    series_bytes: Arc<AtomicU64>,
}

/// What a tenant has outside generations.
#[derive(Debug)]
pub(crate) struct TenantHead {
    pub(crate) id: TenantId,
    pub(crate) table: Arc<SeriesTable>,
    pub(crate) growth: Growth,
    pub(crate) families: RwLock<HashMap<Arc<str>, Metadata>>,
    /// Time of the newest exemplar by place of its series.
    pub(crate) exemplars: Mutex<HashMap<u32, i64>>,
    /// That of the head.
    pub(crate) period: Arc<AtomicU32>,
}

impl TenantHead {
    /// Returns what is known of the family that a metric belongs to.
    pub(crate) fn family_of(&self, metric: &str) -> Option<Metadata> {
        let families = self.families.read();
        family_of(metric, |name| families.get(name).cloned())
    }

    /// Returns whether the metadata says something new.
    pub(crate) fn is_news(&self, family: &str, metadata: &Metadata) -> bool {
        self.families.read().get(family) != Some(metadata)
    }
}

/// Finds the metadata of a metric: under its own name, or under that of the family whose parts have
/// suffixes. A counter may be told with or without `_total`.
pub(crate) fn family_of(metric: &str, get: impl Fn(&str) -> Option<Metadata>) -> Option<Metadata> {
    if let Some(own) = get(metric) {
        return Some(own);
    }
    let parts: [(&str, &[MetricType]); 5] = [
        ("_total", &[MetricType::Counter]),
        ("_bucket", &[MetricType::Histogram, MetricType::GaugeHistogram]),
        ("_count", &[MetricType::Histogram, MetricType::GaugeHistogram, MetricType::Summary]),
        ("_sum", &[MetricType::Histogram, MetricType::GaugeHistogram, MetricType::Summary]),
        ("_info", &[MetricType::Info]),
    ];
    parts.into_iter().find_map(|(suffix, types)| {
        let family = get(metric.strip_suffix(suffix)?)?;
        types.contains(&family.metric_type).then_some(family)
    })
}

impl Head {
    /// Makes an empty head.
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (tenants, held) = (RwLock::default(), Arc::default());
        let period = Arc::new(AtomicU32::new(1));
        let share = limits.memory_share(REQUESTS_PERCENT).as_usize();
        let requests = Requests::new(Arc::clone(&clock), share);
        let followed = limits.memory_share(limits.follow_memory_percent).as_usize();
        let (limits, followers) = (Arc::new(limits), Arc::new(Hub::new(followed)));
        Arc::new(Self { limits, clock, tenants, held, requests, period, followers })
    }

    /// Shows the head in a registry.
    pub fn register(&self, registry: &mut Registry) {
        let name = metrics::HEAD_BYTES;
        registry.register(name.name, name.help, self.held.bytes_gauge.clone());
        let name = metrics::HEAD_ROWS;
        registry.register(name.name, name.help, self.held.rows_gauge.clone());
        let name = metrics::HEAD_SERIES;
        registry.register(name.name, name.help, self.held.series_gauge.clone());
        let name = metrics::INGEST_IDEMPOTENCY_WINDOW_SECONDS;
        registry.register(name.name, name.help, self.requests.window_gauge.clone());
    }

    /// Returns the estimated bytes of all rows in memory.
    pub fn bytes(&self) -> u64 {
        self.held.bytes.load(Ordering::Relaxed)
    }

    /// Returns the estimated bytes of all series of all tenants.
    pub(crate) fn series_bytes(&self) -> u64 {
        self.held.series_bytes.load(Ordering::Relaxed)
    }

    /// Begins a generation whose first record is `first`.
    pub fn generation(&self, first: Lsn) -> Arc<HeadGeneration> {
        Arc::new(HeadGeneration {
            first,
            last: OnceLock::new(),
            tenants: RwLock::default(),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            born: self.clock.monotonic(),
            held: Arc::clone(&self.held),
        })
    }

    /// Forgets series that were idle for an hour and that none of the generations holds. Called at
    /// a cut, so that a place is never given away inside a generation.
    pub fn sweep(&self, generations: &[Arc<HeadGeneration>]) {
        let idle = IDLE.as_millis() as i64;
        let before_ms = self.clock.now().as_millis() - idle;
        let tenants: Vec<_> = self.tenants.read().values().cloned().collect();
        for tenant in tenants {
            let mut used = Vec::new();
            for part in generations.iter().filter_map(|g| g.tenant(&tenant.id)) {
                part.columns.mark_used(&mut used);
            }
            self.followers.mark_used(&tenant.id, &mut used);
            let in_use = |index: u32| used.get(index as usize).is_some_and(|used| *used);
            if tenant.table.sweep(before_ms, in_use) > 0 {
                let known = |index: &u32| tenant.table.entry(*index).is_some();
                tenant.exemplars.lock().retain(|index, _| known(index));
            }
        }
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Arc<TenantHead> {
        if let Some(tenant) = self.tenants.read().get(id) {
            return Arc::clone(tenant);
        }
        let mut tenants = self.tenants.write();
        let tenant = tenants.entry(id.clone()).or_insert_with(|| {
            Arc::new(TenantHead {
                id: id.clone(),
                table: Arc::new(SeriesTable::new(
                    self.held.series_gauge.clone(),
                    Arc::clone(&self.held.series_bytes),
                )),
                growth: Growth::default(),
                families: RwLock::default(),
                exemplars: Mutex::default(),
                period: Arc::clone(&self.period),
            })
        });
        Arc::clone(tenant)
    }

    pub(crate) fn known_tenant(&self, id: &TenantId) -> Option<Arc<TenantHead>> {
        self.tenants.read().get(id).cloned()
    }
}

/// The rows between two cuts of the log.
pub struct HeadGeneration {
    first: Lsn,
    last: OnceLock<Lsn>,
    tenants: RwLock<HashMap<TenantId, Arc<TenantPart>>>,
    bytes: AtomicU64,
    rows: AtomicU64,
    born: Duration,
    held: Arc<Held>,
}

/// One tenant in one generation.
#[derive(Debug)]
pub(crate) struct TenantPart {
    pub(crate) head: Arc<TenantHead>,
    pub(crate) columns: TenantColumns,
    pub(crate) tables: TenantTables,
}

impl fmt::Debug for HeadGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadGeneration")
            .field("first", &self.first)
            .field("last", &self.last.get())
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}

impl HeadGeneration {
    /// Returns the first log position whose rows it may hold.
    pub fn first(&self) -> Lsn {
        self.first
    }

    /// Returns the last log position, once it was cut.
    pub fn last(&self) -> Option<Lsn> {
        self.last.get().copied()
    }

    /// Returns the samples, log records and spans inserted.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Returns the estimated bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns when it began, on the monotonic axis.
    pub fn born(&self) -> Duration {
        self.born
    }

    /// Returns whether it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.tenants.read().is_empty()
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Option<Arc<TenantPart>> {
        self.tenants.read().get(id).cloned()
    }

    /// Returns the tenants that have rows, sorted.
    pub(crate) fn tenants(&self) -> Vec<Arc<TenantPart>> {
        let mut parts: Vec<_> = self.tenants.read().values().cloned().collect();
        parts.sort_by(|a, b| a.head.id.cmp(&b.head.id));
        parts
    }

    pub(crate) fn freeze(&self, last: Lsn) {
        self.last.get_or_init(|| last);
    }

    /// Inserts the rows of one request.
    pub(crate) fn insert(&self, tenant: &Arc<TenantHead>, rows: &Rows) {
        let part = self.part(tenant);
        let (bytes, lost) = part.columns.insert(rows);
        if lost > 0 {
            tracing::error!(tenant = %tenant.id, lost, "rows of unknown series dropped, a bug");
        }
        if !rows.families.is_empty() {
            tenant.families.write().extend(rows.families.iter().cloned());
        }
        self.grow(bytes as i64, rows.samples());
    }

    /// Inserts the log records or spans of one request, whose record is `lsn`.
    pub(crate) fn insert_table(&self, tenant: &Arc<TenantHead>, lsn: Lsn, batch: TableBatch) {
        let rows = batch.rows.num_rows() as u64;
        let bytes = self.part(tenant).tables.insert(TableBatch { lsn, ..batch });
        self.grow(bytes, rows);
    }

    /// Counts what came, or the bytes that were saved.
    fn grow(&self, bytes: i64, rows: u64) {
        // A negative number wraps around, and so does its sum.
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.held.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.held.bytes_gauge.inc_by(bytes);
        self.held.rows_gauge.inc_by(rows as i64);
    }

    fn part(&self, tenant: &Arc<TenantHead>) -> Arc<TenantPart> {
        if let Some(part) = self.tenants.read().get(&tenant.id) {
            return Arc::clone(part);
        }
        let mut tenants = self.tenants.write();
        let part = tenants.entry(tenant.id.clone()).or_insert_with(|| {
            let columns = TenantColumns::new(Arc::clone(&tenant.table));
            let tables = TenantTables::default();
            Arc::new(TenantPart { head: Arc::clone(tenant), columns, tables })
        });
        Arc::clone(part)
    }
}

impl Drop for HeadGeneration {
    fn drop(&mut self) {
        let (bytes, rows) = (self.bytes(), self.rows());
        self.held.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.held.bytes_gauge.dec_by(bytes as i64);
        self.held.rows_gauge.dec_by(rows as i64);
    }
}

#[cfg(test)]
mod tests;
