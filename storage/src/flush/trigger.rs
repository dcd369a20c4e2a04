//! When to flush.
//!
//! Every second the load is looked at and [`Trigger::due`] decides, as a pure function: the head is
//! old, or large, or the log, the memory or the disk run out of room. At most one flush per ten
//! seconds begins by itself, whatever the load; on demand (`tarn flush`, a stop) it begins at once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::disk::Level;
use crate::open::Shared;

/// How often the load is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Each commit costs a manifest and its blocks; ten seconds bound the number of small files to
/// 8,640 a day even while memory presses.
const COMMIT_INTERVAL: Duration = Duration::from_secs(10);
/// First wait after a failure; doubled up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
/// Longest wait: a store that comes back is noticed within a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A flush begins when this share of the log's or the head's bound is used, in percent: the rest is
/// for what arrives meanwhile.
const PRESSURE_PERCENT: u64 = 50;

/// What an operator decides about flushes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trigger {
    pub(crate) age: Duration,
    pub(crate) bytes: u64,
    pub(crate) log_bytes_max: u64,
    pub(crate) head_bytes_max: u64,
}

/// What there is to flush, and what presses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Age of the oldest generation that holds rows.
    pub(crate) age: Duration,
    /// Bytes of all generations.
    pub(crate) head_bytes: u64,
    /// Bytes that a start would replay.
    pub(crate) log_bytes: u64,
    /// Room on the disk.
    pub(crate) disk: Level,
}

/// Why a flush begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Age,
    Bytes,
    Log,
    Memory,
    Disk,
}

impl Trigger {
    /// Decides; the gravest reason first.
    pub(crate) fn due(&self, load: &Load) -> Option<Reason> {
        let presses = |used: u64, max: u64| used >= max / 100 * PRESSURE_PERCENT;
        if load.disk >= Level::Soft {
            Some(Reason::Disk)
        } else if presses(load.log_bytes, self.log_bytes_max) {
            Some(Reason::Log)
        } else if presses(load.head_bytes, self.head_bytes_max) {
            Some(Reason::Memory)
        } else if load.head_bytes >= self.bytes {
            Some(Reason::Bytes)
        } else if load.age >= self.age {
            Some(Reason::Age)
        } else {
            None
        }
    }
}

/// Flushes whenever it is due, as long as the store is there.
pub(crate) async fn run(store: Weak<Shared>, trigger: Trigger) {
    let Some(clock) = store.upgrade().map(|shared| Arc::clone(&shared.handles.clock)) else {
        return;
    };
    let (mut wait, mut backoff) = (TICK, BACKOFF_FIRST);
    loop {
        clock.sleep(wait).await;
        wait = TICK;
        let Some(shared) = store.upgrade() else { return };
        if shared.is_closing() {
            return;
        }
        let Some(reason) = shared.load().and_then(|load| trigger.due(&load)) else { continue };
        tracing::debug!(?reason, "flush is due");
        match shared.stage().await {
            Ok(_) => (wait, backoff) = (COMMIT_INTERVAL, BACKOFF_FIRST),
            Err(error) => {
                tracing::warn!(%error, retry = ?backoff, "flush failed, its rows stay in log and memory");
                (wait, backoff) = (backoff, backoff.saturating_mul(2).min(BACKOFF_MAX));
            }
        }
    }
}

/// Looks after the bucket: polls it, brings what is staged there, tells foreign readers. Apart from
/// [`run`], which must not wait for a bucket that does not answer.
pub(crate) async fn run_bucket(store: Weak<Shared>) {
    let Some(clock) = store.upgrade().map(|shared| Arc::clone(&shared.handles.clock)) else {
        return;
    };
    let (mut not_before, mut backoff) = (Duration::ZERO, BACKOFF_FIRST);
    loop {
        clock.sleep(TICK).await;
        let Some(shared) = store.upgrade() else { return };
        if shared.is_closing() {
            return;
        }
        shared.upkeep().await;
        if !shared.has_staged() || clock.monotonic() < not_before {
            continue;
        }
        let wait = match shared.deliver().await {
            Ok(()) => {
                backoff = BACKOFF_FIRST;
                COMMIT_INTERVAL
            }
            Err(error) => {
                tracing::warn!(%error, retry = ?backoff, "staged blocks wait for the bucket");
                let longer = backoff.saturating_mul(2).min(BACKOFF_MAX);
                std::mem::replace(&mut backoff, longer)
            }
        };
        not_before = clock.monotonic() + wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_reason_decides() {
        let trigger = Trigger {
            age: Duration::from_secs(300),
            bytes: 128,
            log_bytes_max: 1000,
            head_bytes_max: 1000,
        };
        let idle = Load { age: Duration::ZERO, head_bytes: 0, log_bytes: 0, disk: Level::Ample };
        let rows = [
            (idle, None),
            (Load { age: Duration::from_secs(300), ..idle }, Some(Reason::Age)),
            (Load { head_bytes: 127, ..idle }, None),
            (Load { head_bytes: 128, ..idle }, Some(Reason::Bytes)),
            (Load { head_bytes: 500, ..idle }, Some(Reason::Memory)),
            (Load { log_bytes: 500, head_bytes: 500, ..idle }, Some(Reason::Log)),
            (Load { disk: Level::Soft, log_bytes: 500, ..idle }, Some(Reason::Disk)),
        ];
        for (load, expected) in rows {
            assert_eq!(trigger.due(&load), expected, "{load:?}");
        }
    }
}
