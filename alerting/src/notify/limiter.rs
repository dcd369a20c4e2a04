//! How many messages a receiver takes: a bucket of tokens.

/// Messages per minute on the average, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Per minute.
    pub per_minute: u32,
    /// At once.
    pub burst: u32,
}

/// Thousandths of a message; whole numbers, so that the same input gives the same result.
const TOKEN: i64 = 60_000;

/// A bucket of tokens that fills with time.
#[derive(Debug, Clone)]
pub struct Bucket {
    limit: RateLimit,
    tokens: i64,
    at_ms: i64,
}

impl Bucket {
    /// Makes a full one.
    pub fn new(limit: RateLimit, now_ms: i64) -> Self {
        let limit = RateLimit { per_minute: limit.per_minute.max(1), burst: limit.burst.max(1) };
        Self { limit, tokens: i64::from(limit.burst) * TOKEN, at_ms: now_ms }
    }

    /// Returns its limit.
    pub fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now_ms: i64) -> bool {
        self.fill(now_ms);
        let has = self.tokens >= TOKEN;
        if has {
            self.tokens -= TOKEN;
        }
        has
    }

    /// Returns when there will be one.
    pub fn ready_ms(&self) -> i64 {
        let missing = (TOKEN - self.tokens).max(0);
        let per_ms = i64::from(self.limit.per_minute);
        self.at_ms + (missing + per_ms - 1) / per_ms
    }

    fn fill(&mut self, now_ms: i64) {
        let passed = (now_ms - self.at_ms).max(0);
        let full = i64::from(self.limit.burst) * TOKEN;
        let gained = passed.saturating_mul(i64::from(self.limit.per_minute));
        self.tokens = self.tokens.saturating_add(gained).min(full);
        self.at_ms = self.at_ms.max(now_ms);
    }
}
