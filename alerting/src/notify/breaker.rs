//! After some failures in a row an endpoint is probed with one message at a time.

/// Failures in a row that open it.
const FAILURES: u32 = 5;

/// Whether an endpoint seems to work.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
    /// While open: when it may be probed next.
    probe_ms: i64,
}

impl Breaker {
    /// Returns whether only single probes go out.
    pub fn is_open(&self) -> bool {
        self.failures >= FAILURES
    }

    /// Returns how many attempts failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns when it may be used.
    pub fn ready_ms(&self) -> i64 {
        if self.is_open() { self.probe_ms } else { i64::MIN }
    }

    /// An attempt failed; `next_ms` is when to try again.
    pub fn failed(&mut self, next_ms: i64) {
        self.failures = self.failures.saturating_add(1);
        self.probe_ms = next_ms;
    }

    /// An attempt reached somebody. Returns whether that closed it.
    pub fn reached(&mut self) -> bool {
        let was_open = self.is_open();
        self.failures = 0;
        was_open
    }

    /// Something pressing has come: it does not wait longer than until `latest_ms`.
    pub fn hurry(&mut self, latest_ms: i64) {
        self.probe_ms = self.probe_ms.min(latest_ms);
    }
}
