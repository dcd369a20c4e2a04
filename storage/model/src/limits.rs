//! Every limit, its default and its reason, in one place.
//!
//! Limits on rows and requests hold per tenant and can be overridden for each
//! ([`Limits::for_tenant`]); those on memory and connections hold for the process, the former as
//! shares of [`Limits::memory_budget`]. Who enforces a limit counts what it turned away
//! ([`Limits::hit`]), so that an operator sees which one to raise.

use std::sync::Arc;
use std::time::Duration;

use crate::tenant::TenantId;
use crate::units::ByteSize;

mod hits;
mod overrides;

pub use hits::{Hits, Limit};
pub use overrides::Overrides;

/// The limits in force. The defaults below are those of an installation that configures nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// What the process may use. Default: 80 % of the cgroup's limit, without one 50 % of the
    /// machine's memory; the binary finds it out.
    pub memory_budget: ByteSize,
    /// Remote-write body, compressed and decompressed. VictoriaMetrics has the same.
    pub remote_write_bytes_max: ByteSize,
    /// OTLP body, compressed and decompressed, as OTLP recommends.
    pub otlp_bytes_max: ByteSize,
    /// Body of a log record; longer ones are cut and marked. Loki rejects at the same length.
    pub log_body_bytes_max: ByteSize,
    /// Attributes of one record, span, event, link, resource or scope; the rest is dropped and
    /// counted.
    pub attributes_max: usize,
    /// Bytes of one attribute value; longer ones are cut and marked.
    pub attribute_value_bytes_max: ByteSize,
    /// Bytes of one attribute key; attributes with longer keys are dropped and counted.
    pub attribute_key_bytes_max: usize,
    /// Nesting of an attribute value or a body; what lies deeper is cut and marked.
    pub any_value_depth_max: usize,
    /// Events of one span; the rest is dropped and counted.
    pub span_events_max: usize,
    /// Links of one span; the rest is dropped and counted.
    pub span_links_max: usize,
    /// Decompressed : compressed beyond the first MiB; real telemetry stays below 60.
    pub decompress_ratio_max: u32,
    /// Labels of one series, `__name__` included. VictoriaMetrics: 40; Loki: 15.
    pub labels_max: usize,
    /// Bytes of one label name.
    pub label_name_bytes_max: usize,
    /// Bytes of one label value.
    pub label_value_bytes_max: usize,
    /// Buckets of one native histogram sample.
    pub histogram_buckets_max: usize,
    /// Total bytes of the labels of one exemplar (OpenMetrics allows 128 characters; trace ids and
    /// URLs in practice need more room).
    pub exemplar_bytes_max: usize,
    /// Active series per tenant; `None`: what 15 % of the memory budget holds, and with many tenants
    /// no more than a million.
    pub series_max: Option<u64>,
    /// New series per minute and tenant; `None`: off. A sender's first minute is all new series, so
    /// what is over it is delayed (429), never lost.
    pub new_series_max: Option<u64>,
    /// All series of all tenants, labels included, may use this share of the budget, in percent.
    pub series_memory_percent: u8,
    /// Samples further ahead of the clock are rejected: a wrong clock must not poison a series.
    pub future_max: Duration,
    /// Samples further behind the newest admitted of their series are rejected.
    pub out_of_order_window: Duration,
    /// Whether requests must name a tenant: some defaults are meant for an installation with one
    /// owner, and are stricter here.
    pub many_tenants: bool,
    /// Ingest bytes per second and tenant, decompressed.
    pub ingest_rate: Rate,
    /// Burst above the rate. Loki: 6 MB above 4 MB/s.
    pub ingest_burst: ByteSize,
    /// Text of one PromQL query. VictoriaMetrics: 16 KiB; generated dashboards go beyond.
    pub promql_bytes_max: ByteSize,
    /// Nesting of one PromQL query.
    pub promql_depth_max: usize,
    /// Regular expressions of one query that need a compiled program (plain lists and prefixes do
    /// not): each may hold 1 MiB.
    pub promql_regexes_max: usize,
    /// Text of one SQL query.
    pub sql_bytes_max: ByteSize,
    /// Nodes of one SQL query's syntax tree.
    pub sql_nodes_max: usize,
    /// Nesting of one SQL query.
    pub sql_depth_max: usize,
    /// Joins of one SQL query.
    pub sql_joins_max: usize,
    /// Rows of one answer to SQL.
    pub sql_rows_max: u64,
    /// Bytes of one answer to SQL.
    pub sql_result_bytes_max: ByteSize,
    /// How long a SQL query or a search runs.
    pub sql_timeout: Duration,
    /// Text of one search.
    pub search_bytes_max: ByteSize,
    /// Nesting of one search.
    pub search_depth_max: usize,
    /// Form body of a query.
    pub form_bytes_max: ByteSize,
    /// Queries that run at once; `None`: twice the cores.
    pub query_concurrency: Option<usize>,
    /// Queries that wait.
    pub query_queue_max: usize,
    /// How long a query waits before 503.
    pub query_wait: Duration,
    /// How long a PromQL query runs, as upstream; `timeout=` shortens it.
    pub query_timeout: Duration,
    /// Series that one query touches.
    pub query_series_max: u64,
    /// Samples that one query holds, as upstream's `query.max-samples`; memory binds first.
    pub query_samples_max: u64,
    /// Steps of a range query, as upstream.
    pub query_points_max: u64,
    /// Size of an answer to a range or instant query is bounded by query memory: one query may use
    /// this share of the budget, in percent.
    pub query_memory_percent: u8,
    /// All queries together may use this share of the budget, in percent.
    pub queries_memory_percent: u8,
    /// Request bodies in flight may use this share of the budget, in percent.
    pub inflight_memory_percent: u8,
    /// Head memory beyond this share of the budget answers 503, in percent.
    pub head_memory_percent: u8,
    /// Rows that wait for those who follow the log may use this share of the budget, in percent;
    /// mostly they are shared with the head. Who falls further behind is told so.
    pub follow_memory_percent: u8,
    /// Header block of a request.
    pub header_bytes_max: ByteSize,
    /// Path and query of a request.
    pub uri_bytes_max: ByteSize,
    /// Connections per listener.
    pub connections_max: usize,
    /// Requests at once on one HTTP/2 connection.
    pub http2_streams_max: u32,
    /// Limits of single tenants, over these.
    pub overrides: Overrides,
    /// How often each limit turned something away.
    pub hits: Hits,
}

/// Bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// 16 MiB with many tenants, else unlimited.
    Auto,
    /// Unlimited.
    Off,
    /// At most so many.
    PerSecond(ByteSize),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_budget: ByteSize::gib(1),
            remote_write_bytes_max: ByteSize::mib(32),
            otlp_bytes_max: ByteSize::mib(64),
            log_body_bytes_max: ByteSize::kib(256),
            attributes_max: 256,
            attribute_value_bytes_max: ByteSize::kib(64),
            attribute_key_bytes_max: 256,
            any_value_depth_max: 32,
            span_events_max: 1024,
            span_links_max: 1024,
            decompress_ratio_max: 200,
            labels_max: 64,
            label_name_bytes_max: 1024,
            label_value_bytes_max: 4096,
            histogram_buckets_max: 1024,
            exemplar_bytes_max: 1024,
            series_max: None,
            new_series_max: None,
            series_memory_percent: 15,
            future_max: Duration::from_secs(600),
            out_of_order_window: Duration::from_secs(7200),
            many_tenants: false,
            ingest_rate: Rate::Auto,
            ingest_burst: ByteSize::mib(32),
            promql_bytes_max: ByteSize::kib(256),
            promql_depth_max: 500,
            promql_regexes_max: 100,
            sql_bytes_max: ByteSize::kib(64),
            sql_nodes_max: 2000,
            sql_depth_max: 100,
            sql_joins_max: 8,
            sql_rows_max: 1_000_000,
            sql_result_bytes_max: ByteSize::mib(256),
            sql_timeout: Duration::from_secs(30),
            search_bytes_max: ByteSize::kib(256),
            search_depth_max: 100,
            form_bytes_max: ByteSize::mib(1),
            query_concurrency: None,
            query_queue_max: 100,
            query_wait: Duration::from_secs(10),
            query_timeout: Duration::from_secs(120),
            query_series_max: 2_000_000,
            query_samples_max: 1_000_000_000,
            query_points_max: 11_000,
            query_memory_percent: 25,
            queries_memory_percent: 50,
            inflight_memory_percent: 25,
            head_memory_percent: 30,
            follow_memory_percent: 2,
            header_bytes_max: ByteSize::kib(32),
            uri_bytes_max: ByteSize::kib(8),
            connections_max: 10_000,
            http2_streams_max: 256,
            overrides: Overrides::default(),
            hits: Hits::default(),
        }
    }
}

/// What one active series costs in memory, for turning a share of memory into a number of series.
pub const SERIES_BYTES: u64 = 700;

/// Active series of one tenant among many.
const SERIES_OF_MANY: u64 = 1_000_000;

/// Ingest rate of one tenant among many. Loki: 4 MB/s.
const RATE_OF_MANY: ByteSize = ByteSize::mib(16);

impl Limits {
    /// Returns the limits that hold for a tenant: its own, where it has some.
    #[must_use]
    pub fn for_tenant(self: &Arc<Self>, tenant: &TenantId) -> Arc<Self> {
        self.overrides.get(tenant).unwrap_or_else(|| Arc::clone(self))
    }

    /// Counts that a limit turned something away.
    pub fn hit(&self, limit: Limit) {
        self.hits.count(limit, 1);
    }

    /// Returns how many active series a tenant may have.
    pub fn series_max(&self) -> u64 {
        self.series_max.unwrap_or_else(|| {
            let held = self.series_memory().0 / SERIES_BYTES;
            if self.many_tenants { held.min(SERIES_OF_MANY) } else { held }
        })
    }

    /// Returns how many bytes all series of all tenants may use.
    pub fn series_memory(&self) -> ByteSize {
        self.memory_share(self.series_memory_percent)
    }

    /// Returns how many bytes a second a tenant may send; `None`: as many as it likes.
    pub fn ingest_rate(&self) -> Option<ByteSize> {
        match self.ingest_rate {
            Rate::Auto => self.many_tenants.then_some(RATE_OF_MANY),
            Rate::Off => None,
            Rate::PerSecond(rate) => Some(rate),
        }
    }

    /// Returns `percent` of the memory budget.
    pub fn memory_share(&self, percent: u8) -> ByteSize {
        ByteSize(self.memory_budget.0 / 100 * u64::from(percent))
    }
}

#[cfg(test)]
mod tests;
