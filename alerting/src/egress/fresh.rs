//! Secrets that are read again now and then.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::error::{Error, Result};
use tarn_model::secret::Secret;
use tarn_model::time::Clock;

/// How old a secret may become before it is read again: a file that is replaced counts within a
/// minute, and a file is not opened for every request.
pub const MAX_AGE: Duration = Duration::from_secs(60);

/// When to try again what a secret was missing for.
const RETRY: Duration = Duration::from_secs(1);

/// Reads a secret, which may be there again in a moment: files are replaced while they are read.
///
/// # Errors
/// `Unavailable` where it cannot be read.
pub fn read(secret: &Secret) -> Result<String> {
    secret.read().map_err(|error| Error::unavailable(error.message(), RETRY))
}

/// A secret with a memory of a minute.
#[derive(Debug)]
pub struct Fresh {
    secret: Secret,
    clock: Arc<dyn Clock>,
    read: Mutex<Option<Read>>,
}

struct Read {
    at: Duration,
    value: Arc<str>,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Fresh {
    /// Wraps a secret.
    pub fn new(secret: Secret, clock: Arc<dyn Clock>) -> Self {
        Self { secret, clock, read: Mutex::default() }
    }

    /// Returns the value, at most a minute old.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be read; a value that could be read before does not stand in, because the
    /// operator took it away.
    pub fn get(&self) -> Result<Arc<str>> {
        let now = self.clock.monotonic();
        let mut last = self.read.lock();
        if let Some(read) = last.as_ref().filter(|read| now.saturating_sub(read.at) < MAX_AGE) {
            return Ok(Arc::clone(&read.value));
        }
        let value: Arc<str> = read(&self.secret)?.into();
        *last = Some(Read { at: now, value: Arc::clone(&value) });
        Ok(value)
    }

    /// Forgets the value, so that the next question reads it anew: after it was refused.
    pub fn forget(&self) {
        *self.read.lock() = None;
    }
}
