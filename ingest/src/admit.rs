//! Who may come in: bytes in flight over the process, bytes per second over a tenant.
//!
//! A request holds a [`Permit`] from before its body is buffered until it is answered. The permit
//! grows with what the request is about to hold: the compressed body, the decompressed one (its
//! length is declared), and the rows decoded from it. Where that does not fit into the share of the
//! memory budget, the request is turned away at once: nobody waits holding memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::limits::{Hits, Limit, Limits};
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;

/// Slower than this nothing drains that still works; keeps the estimate finite.
const DRAIN_RATE_MIN: f64 = (1 << 20) as f64;
/// A longer wait says more about the estimate than about the server.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Buckets kept before full ones are dropped; a full bucket is the same as none.
const BUCKETS_MAX: usize = 10_000;

/// Bytes of all requests in flight, against their share of memory.
pub struct Admission {
    capacity: u64,
    used: AtomicU64,
    released: AtomicU64,
    drain: Mutex<Drain>,
    clock: Arc<dyn Clock>,
    gauge: Gauge,
    hits: Hits,
}

/// How fast requests have been finishing.
#[derive(Debug, Clone, Copy)]
struct Drain {
    at: Duration,
    released: u64,
    rate: f64,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.used.load(Ordering::Relaxed);
        f.debug_struct("Admission").field("capacity", &self.capacity).field("used", &used).finish()
    }
}

impl Admission {
    /// Admits up to `capacity`; `gauge` shows what is in use.
    pub fn new(capacity: ByteSize, clock: Arc<dyn Clock>, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self::empty(capacity, clock, gauge, Hits::default()))
    }

    /// Admits up to the share that limits give to requests in flight.
    pub fn within(limits: &Limits, clock: Arc<dyn Clock>, gauge: Gauge) -> Arc<Self> {
        let capacity = limits.memory_share(limits.inflight_memory_percent);
        Arc::new(Self::empty(capacity, clock, gauge, limits.hits.clone()))
    }

    fn empty(capacity: ByteSize, clock: Arc<dyn Clock>, gauge: Gauge, hits: Hits) -> Self {
        let drain = Drain { at: clock.monotonic(), released: 0, rate: DRAIN_RATE_MIN };
        Self {
            capacity: capacity.0,
            used: AtomicU64::new(0),
            released: AtomicU64::new(0),
            drain: Mutex::new(drain),
            clock,
            gauge,
            hits,
        }
    }

    /// Returns an empty permit.
    pub fn permit(self: &Arc<Self>) -> Permit {
        Permit { admission: Arc::clone(self), bytes: 0 }
    }

    fn take(&self, bytes: u64) -> Result<()> {
        if bytes > self.capacity {
            self.hits.count(Limit::InflightMemory, 1);
            let capacity = ByteSize(self.capacity);
            let message = format!(
                "request needs {bytes} bytes of memory, limit is {capacity} (memory.inflight_percent)"
            );
            return Err(Error::limit(message));
        }
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.capacity {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            self.hits.count(Limit::InflightMemory, 1);
            let message = format!(
                "requests in flight hold {before} bytes, limit is {}, this one needs {bytes} more",
                ByteSize(self.capacity)
            );
            return Err(Error::unavailable(message, self.drain_time(before)));
        }
        self.show(before + bytes);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.released.fetch_add(bytes, Ordering::Relaxed);
        self.show(before.saturating_sub(bytes));
    }

    fn show(&self, used: u64) {
        self.gauge.set(i64::try_from(used).unwrap_or(i64::MAX));
    }

    /// Estimates how long `used` bytes take to drain, from the rate of the last second or more.
    fn drain_time(&self, used: u64) -> Duration {
        let now = self.clock.monotonic();
        let released = self.released.load(Ordering::Relaxed);
        let mut drain = self.drain.lock();
        let seconds = now.saturating_sub(drain.at).as_secs_f64();
        if seconds >= 1.0 {
            let rate = released.saturating_sub(drain.released) as f64 / seconds;
            *drain = Drain { at: now, released, rate: rate.max(DRAIN_RATE_MIN) };
        }
        Duration::from_secs_f64(used as f64 / drain.rate).min(DRAIN_MAX)
    }
}

/// The bytes that one request holds. Given back when dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    bytes: u64,
}

impl Permit {
    /// Asks for more before more is used.
    ///
    /// # Errors
    /// `Unavailable` where too much is in flight, `LimitExceeded` where the request alone is too
    /// big; what was held before stays held.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        let more = bytes as u64;
        if self.bytes.saturating_add(more) > self.admission.capacity {
            // Alone it is over the capacity already: waiting would not help.
            return self.admission.take(self.bytes.saturating_add(more));
        }
        self.admission.take(more)?;
        self.bytes += more;
        Ok(())
    }

    /// Refuses what would not fit if nothing else were in flight; asks for nothing yet.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn could_grow(&self, bytes: usize) -> Result<()> {
        let all = self.bytes.saturating_add(bytes as u64);
        if all > self.admission.capacity { self.admission.take(all) } else { Ok(()) }
    }

    /// Gives back what is no longer used.
    pub fn shrink(&mut self, bytes: usize) {
        let less = (bytes as u64).min(self.bytes);
        self.bytes -= less;
        self.admission.give_back(less);
    }

    /// Returns how much is held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.give_back(self.bytes);
    }
}

/// Decompressed bytes per second and tenant, as a token bucket each.
///
/// A request is admitted while its tenant's bucket is above zero and may take it below, so that a
/// request larger than the burst is delayed and not refused for ever.
#[derive(Debug)]
pub(crate) struct Rates {
    buckets: Mutex<Buckets>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Buckets {
    by_tenant: HashMap<TenantId, Bucket>,
    /// Shared by whoever comes while all others are in use: names are free, memory is not.
    rest: Option<Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Duration,
    /// What it may hold and what it gains in a second, when it was last used.
    burst: f64,
    rate: f64,
}

impl Bucket {
    fn refilled(self, now: Duration) -> Self {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.rate;
        Self { tokens: (self.tokens + gained).min(self.burst), at: now, ..self }
    }

    fn is_full(self, now: Duration) -> bool {
        self.refilled(now).tokens >= self.burst
    }
}

impl Rates {
    /// Makes full buckets.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { buckets: Mutex::default(), clock }
    }

    /// Takes the bytes of a request from its tenant's bucket; `limits` are the tenant's.
    ///
    /// # Errors
    /// `LimitExceeded` with the time after which the bucket is above zero again.
    pub(crate) fn take(&self, tenant: &TenantId, bytes: usize, limits: &Limits) -> Result<()> {
        let Some(rate) = limits.ingest_rate() else { return Ok(()) };
        let now = self.clock.monotonic();
        let (burst, per_second) = (limits.ingest_burst.0 as f64, (rate.0 as f64).max(1.0));
        let full = Bucket { tokens: burst, at: now, burst, rate: per_second };
        let mut buckets = self.buckets.lock();
        let kept = buckets.of(tenant, now, full);
        let bucket = Bucket { burst, rate: per_second, ..*kept }.refilled(now);
        *kept = bucket;
        if bucket.tokens <= 0.0 {
            limits.hit(Limit::IngestRate);
            let retry_after = Some(Duration::from_secs_f64(-bucket.tokens / per_second));
            let tenant = tenant.as_str();
            let message = format!(
                "tenant {tenant:?} sends more than {rate}/s (ingest.rate), this request has {bytes} bytes"
            );
            return Err(Error::new(ErrorKind::LimitExceeded { retry_after }, message));
        }
        kept.tokens -= bytes as f64;
        Ok(())
    }
}

impl Buckets {
    fn of(&mut self, tenant: &TenantId, now: Duration, full: Bucket) -> &mut Bucket {
        if self.by_tenant.len() >= BUCKETS_MAX && !self.by_tenant.contains_key(tenant) {
            // One walk makes room for many: full buckets are the same as none.
            self.by_tenant.retain(|_, bucket| !bucket.is_full(now));
            if self.by_tenant.len() >= BUCKETS_MAX {
                return self.rest.get_or_insert(full);
            }
        }
        self.by_tenant.entry(tenant.clone()).or_insert(full)
    }
}

#[cfg(test)]
mod tests;
