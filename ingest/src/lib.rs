//! Bytes from the wire → validated rows → storage. The only crate that knows wire formats for
//! writing.
//!
//! The way of one request:
//! 1. [`receive::remote_write`]: type and encoding are looked at, nothing is read yet.
//! 2. [`admit`]: bytes are admitted against the share of memory for requests in flight, before they
//!    are buffered; then against the rate of the tenant.
//! 3. [`body`]: the body is read up to its cap, its declared length checked, then decompressed.
//! 4. `decode/prometheus`: the protobuf is walked in place; per series the raw label bytes are
//!    looked up in `decode/key_cache`.
//! 5. `validate`: labels that the cache does not know are parsed and checked.
//! 6. `batch`: rows go into storage's `Appender`, which knows order, time and the number of series;
//!    what is not taken is a problem of the report.
//! 7. `Appender::commit`: the rows become one record of the log, durable and visible.
//! 8. `reply`: written counts, the first problems, or when to come again. The cache learns what it
//!    missed.
//!
//! OTLP has two doors, [`receive::otlp_http`] and [`receive::otlp_grpc`], and one way behind them,
//! [`receive::otlp`]: its metrics go on at step 4; its log records and spans are decoded straight into
//! the columns of their tables, which are stored whole. A request of it that is sent again is
//! recognised before it is decoded (`idempotency`).
//!
//! [`pipeline`] makes series of the spans that are stored.
//!
//! Rows of this process (own telemetry, the host's) enter at step 5, through [`Ingest::accept`], or
//! as rows of a table.
//!
//! What holds here:
//! - Nothing is acknowledged that is not stored. What is valid in a request is stored even where
//!   the rest is not; of a request that cannot be decoded nothing is.
//! - No input makes a decoder panic or take memory that was not admitted: [`fuzz`].
//! - The bits of a value are never touched: NaN payloads are data.
//!
//! What it does not do: know the order of samples, keep rows, or retry. Storage and senders do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::registry::Registry;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::limits::{Limit, Limits};
use tarn_model::rng::Rng;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::append::Writer;

use crate::admit::{Admission, Rates};
use crate::batch::Memory;
use crate::decode::key_cache::KeyCache;
use crate::idempotency::InFlight;
use crate::metrics::Metrics;
use crate::sources::{Source, Sources};

pub mod admit;
mod batch;
pub mod body;
mod decode;
pub mod fuzz;
mod idempotency;
mod metrics;
pub mod own;
pub mod pipeline;
pub mod receive;
mod reply;
pub mod sources;
mod validate;

pub use decode::otlp::metrics::{Options as OtlpMetrics, Promote};
pub use reply::Written;

/// Share of the memory budget that the key cache may use, in percent. At 64 bytes a key this is
/// room for twice as many series as the head has room for, so that only idle ones are forgotten.
const KEY_CACHE_PERCENT: u8 = 4;
/// Share for recognising metadata that has not changed: families are fewer than series.
const FAMILY_CACHE_PERCENT: u8 = 1;

/// Refusals come in floods; one line in this time says enough.
const WARN_EVERY_SECONDS: u64 = 10;

/// What ingest is given: time, chance, and who runs its tasks.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Runs what a request began when its sender does not wait for it.
    pub tasks: Arc<dyn Tasks>,
}

/// The way in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: Arc<Limits>,
    otlp: OtlpMetrics,
    writer: Writer,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    tasks: Arc<dyn Tasks>,
    admission: Arc<Admission>,
    rates: Rates,
    memory: Memory,
    inflight: Arc<InFlight>,
    metrics: Metrics,
    sources: Sources,
    /// Monotonic second from which the next warning may be logged.
    warn_from: AtomicU64,
}

impl Inner {
    /// Returns whether a warning may be logged, and if so takes the turn.
    fn may_warn(&self) -> bool {
        let now = self.clock.monotonic().as_secs();
        let from = self.warn_from.load(Ordering::Relaxed);
        let next = now.saturating_add(WARN_EVERY_SECONDS);
        from <= now
            && self
                .warn_from
                .compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// Logs a refusal: what the sender must change quietly, what is ours to mend loudly, and what comes
/// in floods at most once in a while.
pub(crate) fn log_refusal(inner: &Inner, tenant: &TenantId, error: &Error) {
    let message = error.message();
    match error.kind() {
        ErrorKind::Internal | ErrorKind::Corrupt => {
            tracing::error!(%tenant, error = %message, "write request failed");
        }
        ErrorKind::Unavailable { .. } if inner.may_warn() => {
            tracing::warn!(%tenant, error = %message, "write requests are refused for now");
        }
        ErrorKind::LimitExceeded { retry_after: Some(_) } if inner.may_warn() => {
            tracing::info!(%tenant, error = %message, "write requests of a tenant are slowed down");
        }
        _ => tracing::debug!(%tenant, error = %message, "write request refused"),
    }
}

/// Counts a body that is larger than a limit allows; other errors are not its.
pub(crate) fn limits_hit(limits: &Limits, limit: Limit, error: &Error) {
    if error.kind() == (ErrorKind::LimitExceeded { retry_after: None }) {
        limits.hit(limit);
    }
}

impl Ingest {
    /// Makes the way into a storage. `otlp` says how OTLP metrics become series. Metrics are
    /// registered in `registry`.
    pub fn new(
        limits: Limits,
        otlp: OtlpMetrics,
        writer: Writer,
        handles: Handles,
        registry: &mut Registry,
    ) -> Self {
        let Handles { clock, rng, tasks } = handles;
        let metrics = Metrics::register(registry);
        let memory = Memory {
            seed: rng.next_u64(),
            series: KeyCache::new(limits.memory_share(KEY_CACHE_PERCENT).as_usize()),
            families: KeyCache::new(limits.memory_share(FAMILY_CACHE_PERCENT).as_usize()),
        };
        let inner = Inner {
            admission: Admission::within(&limits, Arc::clone(&clock), metrics.inflight.clone()),
            rates: Rates::new(Arc::clone(&clock)),
            limits: Arc::new(limits),
            otlp,
            writer,
            clock,
            rng,
            tasks,
            memory,
            inflight: Arc::default(),
            metrics,
            sources: Sources::default(),
            warn_from: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns who sent rows of a tenant at or after a time in ms, the newest sender first.
    pub fn sources(&self, tenant: &TenantId, since_ms: i64) -> Vec<Source> {
        self.inner.sources.since(tenant, since_ms)
    }

    /// Returns the admission of bytes in flight, for bodies that other crates' handlers take.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.inner.admission
    }
}
