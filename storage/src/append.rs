//! 1. A batch arrives: [`Writer`] and [`Appender`].
//!
//! An appender collects the rows of one request, decides per row what is taken, and commits the
//! rest as one record: stored whole or not at all. What is too old or too new is decided here,
//! before the log, because replies count what is rejected; insert and replay take everything. The
//! rows are encoded in the request's own task, and with them the labels of series that the log does
//! not know yet; the commit thread only checks that none is missing, and writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::limits::{Limit, Limits};
use tarn_model::sample::{Exemplar, Histogram, Metadata};
use tarn_model::tenant::TenantId;

pub use crate::append::rejection::Rejection;
use crate::append::rows::TableRows;
use crate::head::columns::{FloatRun, HistogramRow, Rows};
use crate::head::series::{Place, PlaceList, place};
use crate::head::tables::TableBatch;
use crate::head::{Head, TenantHead};
use crate::wal::{Lsn, Payload, ReplyCounts};

pub(crate) mod encode;
pub(crate) mod message;
mod rejection;
pub(crate) mod requests;
pub mod rows;
pub(crate) mod tables;

/// When a sender should try again while the head is full: a flush takes about as long.
const RETRY_FULL: Duration = Duration::from_secs(5);

/// 0001-01-01: older times are nonsense, and times are multiplied by 1000 on disk.
const TIME_MIN_MS: i64 = -62_135_596_800_000;
/// 9999-12-31, likewise.
const TIME_MAX_MS: i64 = 253_402_300_799_999;

/// Where batches become durable: the log with the head behind it.
pub trait Log: fmt::Debug + Send + Sync {
    /// Returns whether appends are taken now.
    ///
    /// # Errors
    /// `Unavailable` while the log replays, the disk is full, or the log cannot be written.
    fn ready(&self) -> Result<()>;

    /// Makes a batch durable and visible.
    ///
    /// # Errors
    /// `Unavailable` where the log could not be written or synced: nothing is stored then.
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<Lsn>>;
}

/// The rows of one request, encoded and ready for the log.
#[derive(Debug)]
pub struct Batch {
    pub(crate) tenant: Arc<TenantHead>,
    pub(crate) rows: Rows,
    /// Log records or spans.
    pub(crate) table: Option<TableBatch>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) definitions: Option<Definitions>,
    pub(crate) mark: RequestMark,
    /// Who follows the log, and how far the rows take it.
    pub(crate) acknowledged: Vec<(Arc<str>, Lsn)>,
}

/// Labels of series that the log did not know when the batch was made.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// The period in which they count.
    pub(crate) period: u32,
    /// Places of the series.
    pub(crate) series: Vec<u32>,
    pub(crate) payload: Payload,
}

impl Definitions {
    /// Encodes what the log lacks; `None` where it has everything.
    fn of(tenant: &TenantHead, rows: &Rows) -> Option<Self> {
        let period = tenant.period.load(Ordering::Acquire);
        let places = tenant.table.places();
        let mut series = Vec::new();
        rows.each_series(|index| {
            if place(&places, index).is_some_and(|place| !place.is_defined(period)) {
                series.push(index);
            }
        });
        series.sort_unstable();
        series.dedup();
        let entries: Vec<_> = series.iter().filter_map(|i| tenant.table.entry(*i)).collect();
        let payload = encode::definitions(&entries)?;
        Some(Self { period, series, payload })
    }
}

impl Batch {
    /// Returns the bytes that the batch holds, for the log's queue.
    pub fn bytes(&self) -> usize {
        let definitions = self.definitions.as_ref().map(|d| &d.payload);
        let encoded: usize = self.payloads.iter().chain(definitions).map(|p| p.bytes.len()).sum();
        let histograms: usize = self.rows.histograms.iter().map(|h| h.value.bytes()).sum();
        let table = self.table.as_ref().map_or(0, |batch| batch.bytes);
        encoded + table + histograms + self.rows.times.len() * 16 + self.rows.runs.len() * 8
    }
}

/// Makes appenders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    head: Arc<Head>,
    log: Arc<dyn Log>,
}

impl Writer {
    /// Makes a writer that decides by the state of `head` and appends to `log`.
    pub fn new(head: Arc<Head>, log: Arc<dyn Log>) -> Self {
        Self { head, log }
    }

    /// Begins a request of a tenant.
    ///
    /// # Errors
    /// `Unavailable` while the log replays, the disk is full, the log cannot be written, or the
    /// head is at its memory bound.
    pub fn appender(&self, tenant: &TenantId) -> Result<Appender> {
        self.ready()?;
        let limits = self.head.limits.for_tenant(tenant);
        let tenant = self.head.tenant(tenant);
        let now_ms = self.head.clock.now().as_millis();
        let newest_ms = now_ms.saturating_add(limits.future_max.as_millis() as i64);
        Ok(Appender {
            places: tenant.table.places(),
            tenant,
            log: Arc::clone(&self.log),
            now_ms,
            newest_ms: newest_ms.min(TIME_MAX_MS),
            window_ms: limits.out_of_order_window.as_millis() as i64,
            head: Arc::clone(&self.head),
            limits,
            rows: Rows::default(),
            mark: RequestMark::default(),
            acknowledged: Vec::new(),
        })
    }
}

impl Writer {
    /// Returns whether appends are taken now: for requests that are decoded before they append.
    ///
    /// # Errors
    /// As [`Writer::appender`].
    pub fn ready(&self) -> Result<()> {
        self.log.ready()?;
        let limits = &self.head.limits;
        let (held, bound) = (self.head.bytes(), limits.memory_share(limits.head_memory_percent).0);
        if held >= bound {
            limits.hit(Limit::HeadMemory);
            let message =
                format!("head holds {held} bytes, limit is {bound} (memory.head_percent)");
            return Err(Error::unavailable(message, RETRY_FULL));
        }
        Ok(())
    }

    /// Returns what the client of a request was told, where one with this hash was stored within the
    /// last hour, in an earlier life of the process too (IDM-1). Known as soon as the append of its
    /// rows has returned; never after one that failed.
    pub fn stored(&self, hash: u128) -> Option<ReplyCounts> {
        self.head.requests.stored(hash)
    }

    /// Makes log records or spans of one request durable and visible, as one record of the log.
    /// Without rows nothing is written. Rows are laid out and encoded when this is called, in the
    /// caller's task; the future only waits for the log.
    ///
    /// # Errors
    /// As [`Writer::appender`]; `Unavailable` where the log could not be written or synced: nothing
    /// is stored then.
    pub fn append_rows(
        &self,
        tenant: &TenantId,
        rows: TableRows,
        mark: RequestMark,
    ) -> BoxFuture<'static, Result<Lsn>> {
        match self.encode_rows(tenant, rows, mark) {
            Ok(rows) => rows.commit(),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// Does the part of [`Writer::append_rows`] that works: many rows are laid out and encoded on a
    /// thread for it, and committed in a task that waits.
    ///
    /// # Errors
    /// As [`Writer::appender`].
    pub fn encode_rows(
        &self,
        tenant: &TenantId,
        rows: TableRows,
        mark: RequestMark,
    ) -> Result<EncodedRows> {
        self.ready()?;
        let log = Arc::clone(&self.log);
        if rows.is_empty() {
            return Ok(EncodedRows { log, batch: None });
        }
        let batch = TableBatch::new(rows.table(), rows.into_batch()?)?;
        let payloads = vec![tables::encode(&batch)?];
        let (tenant, rows) = (self.head.tenant(tenant), Rows::default());
        let (table, acknowledged) = (Some(batch), Vec::new());
        let batch = Batch { tenant, rows, table, payloads, definitions: None, mark, acknowledged };
        Ok(EncodedRows { log, batch: Some(Box::new(batch)) })
    }
}

/// Log records or spans of one request, encoded and not committed yet.
#[derive(Debug)]
#[must_use = "nothing is stored without a commit"]
pub struct EncodedRows {
    log: Arc<dyn Log>,
    batch: Option<Box<Batch>>,
}

impl EncodedRows {
    /// Makes them durable and visible, as one record of the log.
    ///
    /// # Errors
    /// `Unavailable` where the log could not be written or synced: nothing is stored then.
    pub fn commit(self) -> BoxFuture<'static, Result<Lsn>> {
        match self.batch {
            Some(batch) => self.log.append(*batch),
            None => Box::pin(std::future::ready(Ok(Lsn::default()))),
        }
    }
}

/// By which a resent request is recognised (IDM-1): kept in the log beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestMark {
    /// Hash of tenant, route and body; 0: the request is not to be recognised.
    pub hash: u128,
    /// What the client is told, so that it can be told the same again.
    pub counts: ReplyCounts,
}

/// A reference to a series of the head, for one tenant. May go stale when the series has been idle
/// for long: then appending answers [`Rejection::StaleReference`] and the caller asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeriesRef {
    /// Place in the series table of the tenant.
    pub index: u32,
    /// How often the place has been given away before.
    pub epoch: u32,
}

/// Collects the rows of one request.
#[derive(Debug)]
pub struct Appender {
    tenant: Arc<TenantHead>,
    log: Arc<dyn Log>,
    places: PlaceList,
    now_ms: i64,
    newest_ms: i64,
    window_ms: i64,
    head: Arc<Head>,
    /// Those of the tenant.
    limits: Arc<Limits>,
    rows: Rows,
    mark: RequestMark,
    acknowledged: Vec<(Arc<str>, Lsn)>,
}

impl Appender {
    /// Returns the reference of the series with these labels, and creates it on first sight.
    ///
    /// # Errors
    /// [`Rejection::SeriesLimit`] where there are too many active series,
    /// [`Rejection::SeriesRate`] where too many are new.
    pub fn series(&mut self, labels: &LabelSet) -> Result<SeriesRef, Rejection> {
        let (table, limits) = (&self.tenant.table, &self.limits);
        if let Some(found) = table.find(labels, self.now_ms) {
            return Ok(found);
        }
        let now = self.head.clock.monotonic();
        self.tenant.growth.note(labels, now);
        let (held, room) = (self.head.series_bytes(), limits.series_memory());
        if held >= room.0 {
            limits.hit(Limit::SeriesMemory);
            let held = format!("series of all tenants hold {held} bytes, limit is {room}");
            return Err(self.over(&format!("{held} (memory.series_percent)"), now));
        }
        let limit = limits.series_max();
        if table.active() < limit
            && let Some(per_minute) = limits.new_series_max
        {
            self.tenant.growth.take(per_minute, now).map_err(|retry_after| {
                limits.hit(Limit::NewSeriesMax);
                Rejection::SeriesRate { per_minute, retry_after }
            })?;
        }
        if let Some(made) = table.find_or_create(labels, self.now_ms, limit) {
            return Ok(made);
        }
        limits.hit(Limit::SeriesMax);
        let (tenant, active) = (self.tenant.id.as_str(), table.active());
        let held = format!("tenant {tenant:?} has {active} active series, limit is {limit}");
        Err(self.over(&format!("{held} (metrics.series_max)"), now))
    }

    fn over(&self, held: &str, now: Duration) -> Rejection {
        let told = self.tenant.growth.told(now);
        Rejection::SeriesLimit { told: format!("{held}{told}").into() }
    }

    /// Takes a float sample, a staleness marker included. `start_ms` 0 means unknown.
    ///
    /// # Errors
    /// The rejection of this one sample; the appender stays usable.
    pub fn float(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: f64,
        start_ms: i64,
    ) -> Result<(), Rejection> {
        self.admit(series, time_ms)?;
        match self.rows.runs.last_mut() {
            Some(run) if run.index == series.index => run.n += 1,
            _ => self.rows.runs.push(FloatRun { index: series.index, n: 1 }),
        }
        let start_ms = known_start(start_ms);
        if start_ms != 0 || !self.rows.starts.is_empty() {
            self.rows.starts.resize(self.rows.times.len(), 0);
            self.rows.starts.push(start_ms);
        }
        self.rows.times.push(time_ms);
        self.rows.bits.push(value.to_bits());
        Ok(())
    }

    /// Takes a native histogram sample, which the caller has validated.
    ///
    /// # Errors
    /// As [`Appender::float`].
    pub fn histogram(
        &mut self,
        series: SeriesRef,
        time_ms: i64,
        value: Arc<Histogram>,
        start_ms: i64,
    ) -> Result<(), Rejection> {
        self.admit(series, time_ms)?;
        let start_ms = known_start(start_ms);
        self.rows.histograms.push(HistogramRow { index: series.index, time_ms, start_ms, value });
        Ok(())
    }

    /// Takes an exemplar of a series.
    ///
    /// # Errors
    /// As [`Appender::float`]; [`Rejection::OutOfOrder`] where it is older than the newest one of
    /// its series.
    pub fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) -> Result<(), Rejection> {
        self.check(series, exemplar.time_ms)?;
        let mut newest = self.tenant.exemplars.lock();
        let newest_ms = newest.entry(series.index).or_insert(i64::MIN);
        if exemplar.time_ms < *newest_ms {
            let (time_ms, oldest_ms) = (exemplar.time_ms, *newest_ms);
            return Err(Rejection::OutOfOrder { time_ms, oldest_ms });
        }
        *newest_ms = exemplar.time_ms;
        drop(newest);
        self.rows.exemplars.push((series.index, exemplar));
        Ok(())
    }

    /// Takes the metadata of a metric family; only what is new or changed is stored.
    pub fn metadata(&mut self, family: &str, metadata: &Metadata) {
        let taken = self.rows.families.iter().any(|(name, m)| &**name == family && m == metadata);
        if !taken && self.tenant.is_news(family, metadata) {
            self.rows.families.push((family.into(), metadata.clone()));
        }
    }

    /// Sets the mark by which the request is recognised when it is sent again.
    pub fn mark(&mut self, mark: RequestMark) {
        self.mark = mark;
    }

    /// Says with these rows that who follows the log by this name has taken in everything up to
    /// `lsn`: both become durable together, or neither. Names that go on with a slash belong to the
    /// follower before it: by `NAME/TENANT` it can tell for each tenant how far its rows go.
    pub fn acknowledge(&mut self, name: &str, lsn: Lsn) {
        self.acknowledged.push((name.into(), lsn));
    }

    /// Makes all taken rows durable and visible, as one record. An appender without rows commits
    /// nothing and succeeds.
    ///
    /// # Errors
    /// `Unavailable` where the log could not be written or synced: nothing is stored then.
    pub async fn commit(self) -> Result<Lsn> {
        let Self { tenant, log, rows, mark, acknowledged, .. } = self;
        if rows.is_empty() && acknowledged.is_empty() {
            return Ok(Lsn::default());
        }
        let mut payloads = encode::rows(&rows);
        payloads.extend(encode::acknowledged(&acknowledged));
        let definitions = Definitions::of(&tenant, &rows);
        let batch = Batch { tenant, rows, table: None, payloads, definitions, mark, acknowledged };
        log.append(batch).await
    }

    /// Checks the time of a sample and notes it as admitted.
    fn admit(&mut self, series: SeriesRef, time_ms: i64) -> Result<(), Rejection> {
        let window_ms = self.window_ms;
        let place = self.check(series, time_ms)?;
        let oldest_ms = place.newest_ms().saturating_sub(window_ms);
        if time_ms < oldest_ms {
            return Err(Rejection::OutOfOrder { time_ms, oldest_ms });
        }
        place.admit(time_ms);
        Ok(())
    }

    fn check(&mut self, series: SeriesRef, time_ms: i64) -> Result<&Place, Rejection> {
        if time_ms > self.newest_ms {
            return Err(Rejection::TooFarAhead { time_ms, newest_ms: self.newest_ms });
        }
        if time_ms < TIME_MIN_MS {
            return Err(Rejection::OutOfOrder { time_ms, oldest_ms: TIME_MIN_MS });
        }
        if place(&self.places, series.index).is_none() {
            self.places = self.tenant.table.places();
        }
        place(&self.places, series.index)
            .filter(|place| place.touch(series.epoch, self.now_ms))
            .ok_or(Rejection::StaleReference)
    }
}

/// A start timestamp that is no time is taken for unknown; the sample itself is fine.
fn known_start(start_ms: i64) -> i64 {
    if (TIME_MIN_MS..=TIME_MAX_MS).contains(&start_ms) { start_ms } else { 0 }
}

#[cfg(test)]
mod tests;
