//! The system's clock and chance, as the handles that everything below is given.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tarn_model::rng::Rng;
use tarn_model::time::{Clock, Sleep, UnixNanos};

/// Wall time and monotonic time of the machine.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts the monotonic axis now.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixNanos {
        // Before 1970 and after 2262 the clock is wrong anyway: 0 and the end stand for them.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Random bits: SipHash in counter mode under a key from the operating system. Not for secrets.
#[derive(Debug)]
pub(crate) struct SystemRng {
    key: RandomState,
    counter: AtomicU64,
}

impl SystemRng {
    /// Draws a key.
    pub(crate) fn new() -> Self {
        Self { key: RandomState::new(), counter: AtomicU64::new(0) }
    }
}

impl Rng for SystemRng {
    fn next_u64(&self) -> u64 {
        self.key.hash_one(self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_do_not_repeat_each_other() {
        let (a, b) = (SystemRng::new(), SystemRng::new());
        let mut drawn: Vec<u128> = (0..100).flat_map(|_| [a.next_u128(), b.next_u128()]).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 200);
    }
}
