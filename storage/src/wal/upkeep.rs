//! The second thread of a log: makes segments ahead of need, and lets go of old ones.
//!
//! Both wait for the disk for long, writing 64 MiB of zeros above all, and nobody who appends should
//! wait with them. The work itself is in [`Pool`]; this is the order in which it is done.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::pool::Pool;

/// Pause after a failure, a full disk above all.
const RETRY: Duration = Duration::from_secs(1);
/// Longest sleep between two looks; it is woken when there is work.
const IDLE: Duration = Duration::from_secs(10);

/// Prepares and recycles the segments of a log.
#[derive(Debug)]
pub struct Upkeep {
    pool: Arc<Pool>,
}

impl Upkeep {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Does the next piece of work. Returns whether there was any.
    ///
    /// # Errors
    /// What the file system answered; the work stays to be done.
    pub fn step(&self) -> io::Result<bool> {
        Ok(self.pool.recycle()? || self.pool.settle_renamed()? || self.pool.prepare()?)
    }

    /// Works until the log ends.
    pub(crate) fn run(self) {
        let mut pause = Duration::ZERO;
        while self.pool.wait(pause) {
            pause = match self.step() {
                Ok(true) => Duration::ZERO,
                Ok(false) => IDLE,
                Err(error) => {
                    let path = self.pool.dir().display();
                    tracing::warn!(%path, %error, "log segments could not be prepared");
                    RETRY
                }
            };
        }
    }
}
