//! The paced clock: what ages are measured by when something is to be deleted for good.
//!
//! It follows wall time, but advances at most 24 h per hour of uptime, and never goes back. So a wall
//! clock that is a year ahead for an hour costs one day of retention and not everything, and one that
//! is behind deletes nothing. After a pause of three days it has caught up within three hours. The
//! value is kept in the manifests; several nodes pace themselves, and the furthest counts.

use std::time::Duration;

/// Paced time per time of uptime.
const PACE: i64 = 24;
/// Behind by more than this is worth a warning: an ordinary restart is not.
const BEHIND_MAX: Duration = Duration::from_secs(3600);
/// Wall time and uptime may part by this much between two looks: clocks are set by small steps.
const JUMP_MAX_MS: i64 = 60_000;
/// Pause between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(3600);

/// The paced clock of one process.
#[derive(Debug)]
pub struct Pace {
    /// Our own line: not that of the catalog, or two nodes would push each other.
    own_ms: i64,
    wall_ms: i64,
    at: Duration,
    behind: Duration,
    warned: Option<Duration>,
}

impl Pace {
    /// Begins at the value of a catalog; 0 = it was never set, and wall time is believed.
    pub fn new(known_ms: i64, wall_ms: i64, now: Duration) -> Self {
        let own_ms = if known_ms == 0 { wall_ms } else { known_ms };
        Self { own_ms, wall_ms, at: now, behind: Duration::ZERO, warned: None }
    }

    /// Returns the paced time, ms; `known_ms` is that of the newest manifest.
    pub fn advance(&mut self, known_ms: i64, wall_ms: i64, now: Duration) -> i64 {
        let uptime = now.saturating_sub(self.at);
        let uptime_ms = i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX);
        let limit = self.own_ms.saturating_add(uptime_ms.saturating_mul(PACE));
        let jump_ms = wall_ms.saturating_sub(self.wall_ms).saturating_sub(uptime_ms);
        self.own_ms = self.own_ms.max(wall_ms.min(limit));
        (self.wall_ms, self.at) = (wall_ms, now);
        let paced = self.own_ms.max(known_ms);
        let behind_ms = wall_ms.saturating_sub(paced).max(0);
        self.behind = Duration::from_millis(behind_ms.unsigned_abs());
        self.warn(jump_ms, now);
        paced
    }

    /// Returns how far the last paced time was behind wall time.
    pub fn behind(&self) -> Duration {
        self.behind
    }

    fn warn(&mut self, jump_ms: i64, now: Duration) {
        if jump_ms.saturating_abs() > JUMP_MAX_MS {
            let seconds = jump_ms / 1000;
            tracing::warn!(seconds, "the wall clock has jumped; check the time of this machine");
        }
        let due = self.warned.is_none_or(|at| now.saturating_sub(at) >= WARN_EVERY);
        if self.behind > BEHIND_MAX && due {
            self.warned = Some(now);
            let behind = self.behind;
            tracing::warn!(
                ?behind,
                "the clock of retention is behind wall time and catches up with 24 h per hour; \
                 after a long pause that is as it should be, else check the time of this machine"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    const YEAR_MS: i64 = 365 * DAY_MS;

    /// Looks once a minute for some hours; `wall` is wall time after some uptime.
    fn hours(pace: &mut Pace, from: i64, hours: i64, wall: impl Fn(i64) -> i64) -> i64 {
        let mut paced = 0;
        for minute in 1..=hours * 60 {
            let up_ms = from * HOUR_MS + minute * 60_000;
            let now = Duration::from_millis(up_ms as u64);
            let next = pace.advance(paced, wall(up_ms), now);
            assert!(next >= paced, "goes back");
            paced = next;
        }
        paced
    }

    #[test]
    fn it_follows_wall_time() {
        let mut pace = Pace::new(0, YEAR_MS, Duration::ZERO);
        assert_eq!(hours(&mut pace, 0, 5, |up| YEAR_MS + up), YEAR_MS + 5 * HOUR_MS);
        assert_eq!(pace.behind(), Duration::ZERO);
    }

    #[test]
    fn a_year_ahead_costs_a_day_per_hour() {
        let mut pace = Pace::new(YEAR_MS, YEAR_MS, Duration::ZERO);
        let paced = hours(&mut pace, 0, 2, |up| 2 * YEAR_MS + up);
        assert_eq!(paced, YEAR_MS + 2 * DAY_MS);
        assert!(pace.behind() > Duration::from_secs(300 * 86_400));
        // Set right again, it waits for wall time.
        let paced = hours(&mut pace, 2, 10, |up| YEAR_MS + up).max(paced);
        assert_eq!(paced, YEAR_MS + 2 * DAY_MS);
    }

    #[test]
    fn a_year_back_stands_still() {
        let mut pace = Pace::new(2 * YEAR_MS, YEAR_MS, Duration::ZERO);
        assert_eq!(hours(&mut pace, 0, 48, |up| YEAR_MS + up), 2 * YEAR_MS);
        assert_eq!(pace.behind(), Duration::ZERO);
    }

    #[test]
    fn a_long_uptime_is_no_credit_for_a_jump() {
        let mut pace = Pace::new(YEAR_MS, YEAR_MS, Duration::ZERO);
        let before = hours(&mut pace, 0, 1000, |up| YEAR_MS + up);
        let after = hours(&mut pace, 1000, 1, |up| 3 * YEAR_MS + up);
        assert_eq!(after, before + DAY_MS);
    }

    #[test]
    fn two_nodes_do_not_push_each_other() {
        let mut nodes = [0, 1].map(|_| Pace::new(YEAR_MS, YEAR_MS, Duration::ZERO));
        let mut known = YEAR_MS;
        for minute in 1..=60 {
            let now = Duration::from_secs(minute * 60);
            for pace in &mut nodes {
                known = pace.advance(known, 9 * YEAR_MS, now);
            }
        }
        assert_eq!(known, YEAR_MS + DAY_MS);
    }
}
