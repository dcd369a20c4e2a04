//! How long to wait before the next attempt.

use std::time::Duration;

use tarn_model::rng::Rng;

/// The first wait is at most this long.
const FIRST_MS: u64 = 500;
/// No wait is longer.
const MAX_MS: u64 = 30_000;
/// While an intent is this young …
const YOUNG: Duration = Duration::from_secs(15);
/// … no wait is longer than this: a receiver that was away for four seconds has the page a second
/// after it is back.
const YOUNG_MAX_MS: u64 = 800;
/// No wait is shorter, or full jitter would hammer.
const LEAST_MS: u64 = 50;

/// Draws the wait after the `failures`-th failure (from 1) of an intent of some age: anything up to
/// twice the wait before ("full jitter"), so that many that failed together do not return together.
pub fn delay(failures: u32, age: Duration, rng: &dyn Rng) -> Duration {
    let doubled = FIRST_MS << failures.saturating_sub(1).min(10);
    let cap = doubled.min(if age < YOUNG { YOUNG_MAX_MS } else { MAX_MS });
    Duration::from_millis(LEAST_MS + rng.next_u64() % (cap - LEAST_MS + 1))
}
