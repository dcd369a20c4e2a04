//! One object from here to there: read whole, compared with what is known of it, written, counted.
//!
//! Objects are read whole because blocks are written whole: the largest are a few times 128 MiB. What
//! is under way at once is bounded by number and by bytes, so that a hundred large blocks do not meet
//! in memory.

use bytes::Bytes;
use tarn_model::error::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::object::{CreateError, Objects, is_not_found};

/// What a permit stands for.
const UNIT: u64 = 1024;
/// What an object counts for whose length is not known yet.
const UNKNOWN_BYTES: u64 = 16 << 20;

/// Bounds the bytes that are held at once.
#[derive(Debug)]
pub(super) struct Budget {
    permits: Semaphore,
    all: u32,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let all = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        // A semaphore takes far more on every machine with 32 bits or more.
        Self { permits: Semaphore::new(all as usize), all }
    }

    /// Waits for room; whatever is beyond all of it waits until it is alone.
    pub(super) async fn take(&self, bytes: Option<u64>) -> Result<SemaphorePermit<'_>> {
        let bytes = bytes.unwrap_or(UNKNOWN_BYTES);
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.all);
        let closed = |e| Error::internal("budget of a copy is closed").with_source(e);
        self.permits.acquire_many(wanted.max(1)).await.map_err(closed)
    }
}

/// Reads an object; `None` where it is not there.
pub(super) async fn read(objects: &Objects, key: &str) -> Result<Option<Bytes>> {
    match objects.get(key).await {
        Ok(object) => Ok(Some(object.bytes)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates an object that may be there already, with just this content.
///
/// # Errors
/// `Invalid` where another content has the name.
pub(super) async fn put(objects: &Objects, key: &str, body: &Bytes) -> Result<()> {
    match objects.create(key, body).await {
        Ok(_) => Ok(()),
        Err(CreateError::Unknown(error)) => Err(error),
        Err(CreateError::Conflict(_)) => Err(Error::invalid(format!(
            "{key} is there already with another content: nothing is overwritten"
        ))),
    }
}

/// Returns whether an error says that bytes are not what was written.
pub(super) fn is_damage(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt
}
