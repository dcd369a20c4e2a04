//! The machine's own clock, for tests that run against a real disk or a real process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tarn_model::time::{Clock, Sleep, UnixNanos};

/// Wall time and monotonic time of the machine.
#[derive(Debug, Clone, Copy)]
pub struct RealClock(Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> UnixNanos {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}
