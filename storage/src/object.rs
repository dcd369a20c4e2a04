//! The object store as everybody here sees it: retries, deadlines, counters, and the one
//! conditional create.
//!
//! Everything that decides between two writers goes through [`Objects::create`]: manifests, blocks,
//! checkpoints. A create whose reply is lost, or that the store repeated by itself, comes back as
//! "exists already" or as an error although it took effect. So its outcome is always *read*: the
//! very same body is ours and a success, an absent object is created again, any other body is a
//! conflict. That needs bodies that nobody else can have written: each carries a random nonce.
//!
//! Reads are repeated with back-off where the store fails, never where it says "not found".

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::{Either, select};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::time::Clock;

pub mod bucket;
pub mod cache;
pub mod check;
pub mod local;
mod metrics;

use metrics::{Metrics, Operation, Outcome};

/// Attempts before an error is given to the caller. With the pauses below they span about 6 s:
/// enough for a failover inside a store, short enough for a query that waits.
const ATTEMPTS_MAX: u32 = 6;
/// First pause; each further one is twice as long, ± 50 %, so that writers do not move in step.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A request without a body that takes longer has been lost on the way.
const TIMEOUT: Duration = Duration::from_secs(20);
/// What a body adds to the deadline: 1 MiB/s is slower than any link worth uploading over.
const TIMEOUT_PER_MIB: Duration = Duration::from_secs(1);

/// The object store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    metrics: Metrics,
}

/// A whole object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Bytes,
    /// Tells this content from any other under the same key.
    pub etag: Option<String>,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Object key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// As in [`Object::etag`].
    pub etag: Option<String>,
}

/// Why a conditional create did not succeed.
#[derive(Debug)]
pub enum CreateError {
    /// The key holds another body, given here.
    Conflict(Object),
    /// The outcome could not be found out: the object may be there, or come to be there later.
    Unknown(Error),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(_) => f.write_str("another object has the name"),
            Self::Unknown(error) => write!(f, "outcome unknown: {}", error.message()),
        }
    }
}

impl std::error::Error for CreateError {}

impl Objects {
    /// Wraps a store.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        Self(Arc::new(Inner { store, clock, rng, metrics }))
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable` where the store fails for longer than the attempts last.
    pub async fn get(&self, key: &str) -> Result<Object> {
        let path = parse(key)?;
        self.repeat(Operation::Get, key, || self.get_once(&path)).await
    }

    /// Reads a part of an object that the catalog names.
    ///
    /// # Errors
    /// `Corrupt` where the object is absent or the range beyond its end: the catalog knows all
    /// objects and lengths. `Unavailable` as [`Objects::get`].
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let path = parse(key)?;
        let wanted = range.end.saturating_sub(range.start);
        let bytes = self
            .repeat(Operation::GetRange, key, || {
                self.timed(wanted, self.0.store.get_range(&path, range.clone()))
            })
            .await
            .map_err(gone)?;
        if bytes.len() as u64 != wanted {
            let got = bytes.len();
            let message = format!("{key} gave {got} of {wanted} bytes at {}", range.start);
            return Err(Error::corrupt(message));
        }
        self.0.metrics.moved(Operation::GetRange, bytes.len());
        Ok(bytes)
    }

    /// Reads several parts of an object; neighbours are fetched together.
    ///
    /// # Errors
    /// As [`Objects::get_range`].
    pub async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let path = parse(key)?;
        let wanted = ranges.iter().map(|r| r.end.saturating_sub(r.start)).sum();
        let parts = self
            .repeat(Operation::GetRange, key, || {
                self.timed(wanted, self.0.store.get_ranges(&path, ranges))
            })
            .await
            .map_err(gone)?;
        let got: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if got != wanted {
            return Err(Error::corrupt(format!("{key} gave {got} of {wanted} bytes")));
        }
        self.0.metrics.moved(Operation::GetRange, usize::try_from(got).unwrap_or(usize::MAX));
        Ok(parts)
    }

    /// Asks for an object's length and ETag; `None` where there is no such object.
    ///
    /// # Errors
    /// `Unavailable` as [`Objects::get`].
    pub async fn head(&self, key: &str) -> Result<Option<Head>> {
        let path = parse(key)?;
        let answer =
            self.repeat(Operation::Head, key, || self.timed(0, self.0.store.head(&path))).await;
        match answer {
            Ok(meta) => Ok(Some(head_of(meta))),
            Err(e) if is_not_found(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lists the objects below a folder, sorted by key.
    ///
    /// # Errors
    /// `Unavailable` as [`Objects::get`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<Head>> {
        let path = parse(prefix)?;
        let metas: Vec<_> = self
            .repeat(Operation::List, prefix, || {
                self.timed(0, self.0.store.list(Some(&path)).try_collect())
            })
            .await?;
        let mut heads: Vec<Head> = metas.into_iter().map(head_of).collect();
        heads.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(heads)
    }

    /// Creates an object that must not exist yet, and returns its ETag. The body must be one that
    /// nobody else can write: that is how our own success is told from another's.
    ///
    /// # Errors
    /// [`CreateError::Conflict`] with what is there instead, or [`CreateError::Unknown`].
    pub async fn create(&self, key: &str, body: &Bytes) -> Result<Option<String>, CreateError> {
        let path = parse(key).map_err(CreateError::Unknown)?;
        let mut last = None;
        for attempt in 0..ATTEMPTS_MAX {
            self.pause(attempt).await;
            match self.put_once(&path, body, PutMode::Create).await {
                Ok(etag) => return Ok(etag),
                Err(failure) => last = Some(failure),
            }
            // Whatever the reply said, only the object tells what happened.
            match self.get_once(&path).await {
                Ok(found) if found.bytes == *body => return Ok(found.etag),
                Ok(found) => return Err(CreateError::Conflict(found)),
                Err(Failure::NotFound) => {}
                Err(failure) => last = Some(failure),
            }
        }
        let failure = last.unwrap_or(Failure::Timeout);
        Err(CreateError::Unknown(failure.into_error(Operation::Create, key)))
    }

    /// Writes an object whatever was there: for copies that heal, never for truth.
    ///
    /// # Errors
    /// `Unavailable` as [`Objects::get`].
    pub async fn overwrite(&self, key: &str, body: &Bytes) -> Result<()> {
        let path = parse(key)?;
        self.repeat(Operation::Put, key, || self.put_once(&path, body, PutMode::Overwrite)).await?;
        Ok(())
    }

    /// Deletes an object; an absent one is fine.
    ///
    /// # Errors
    /// `Unavailable` as [`Objects::get`].
    pub async fn delete(&self, key: &str) -> Result<()> {
        let path = parse(key)?;
        let done =
            self.repeat(Operation::Delete, key, || self.timed(0, self.0.store.delete(&path))).await;
        match done {
            Err(e) if is_not_found(&e) => Ok(()),
            other => other,
        }
    }

    async fn get_once(&self, path: &Path) -> Result<Object, Failure> {
        let started = self.0.clock.monotonic();
        let got = self
            .timed(0, async {
                let got = self.0.store.get(path).await?;
                let etag = got.meta.e_tag.clone();
                Ok(Object { bytes: got.bytes().await?, etag })
            })
            .await;
        self.count(Operation::Get, started, &got);
        if let Ok(object) = &got {
            self.0.metrics.moved(Operation::Get, object.bytes.len());
        }
        got
    }

    async fn put_once(
        &self,
        path: &Path,
        body: &Bytes,
        mode: PutMode,
    ) -> Result<Option<String>, Failure> {
        let operation = if mode == PutMode::Create { Operation::Create } else { Operation::Put };
        let started = self.0.clock.monotonic();
        let payload = PutPayload::from_bytes(body.clone());
        let put = self.0.store.put_opts(path, payload, PutOptions::from(mode));
        let done = self.timed(body.len() as u64, put).await;
        self.count(operation, started, &done);
        self.0.metrics.moved(operation, body.len());
        done.map(|result| result.e_tag)
    }

    /// Runs `once` until it succeeds, says "not found", or the attempts are used up.
    async fn repeat<T, F>(
        &self,
        operation: Operation,
        key: &str,
        mut once: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut last = Failure::Timeout;
        for attempt in 0..ATTEMPTS_MAX {
            self.pause(attempt).await;
            let started = self.0.clock.monotonic();
            let outcome = once().await;
            // Whole objects are counted where they move, by `get_once` and `put_once`.
            if !matches!(operation, Operation::Get | Operation::Put) {
                self.count(operation, started, &outcome);
            }
            match outcome {
                Ok(value) => return Ok(value),
                Err(failure) if failure.is_final() => {
                    return Err(failure.into_error(operation, key));
                }
                Err(failure) => last = failure,
            }
        }
        Err(last.into_error(operation, key))
    }

    async fn timed<T>(
        &self,
        bytes: u64,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        let mib = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        let limit = TIMEOUT.saturating_add(TIMEOUT_PER_MIB.saturating_mul(mib));
        match select(pin!(request), self.0.clock.sleep(limit)).await {
            Either::Left((done, _)) => done.map_err(Failure::from_store),
            Either::Right(((), _)) => Err(Failure::Timeout),
        }
    }

    async fn pause(&self, attempt: u32) {
        if attempt == 0 {
            return;
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << (attempt - 1).min(16)).min(PAUSE_MAX);
        // A factor between 0.5 and 1.5.
        let jitter = 0.5 + (self.0.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        self.0.clock.sleep(pause.mul_f64(jitter)).await;
    }

    fn count<T>(&self, operation: Operation, started: Duration, outcome: &Result<T, Failure>) {
        let outcome = match outcome {
            Ok(_) => Outcome::Ok,
            Err(Failure::NotFound) => Outcome::NotFound,
            Err(Failure::Exists) => Outcome::Exists,
            Err(Failure::Timeout) => Outcome::Timeout,
            Err(Failure::Store(_) | Failure::Refused(_)) => Outcome::Error,
        };
        let taken = self.0.clock.monotonic().saturating_sub(started);
        self.0.metrics.request(operation, outcome, taken);
    }
}

/// What one request came to.
#[derive(Debug)]
enum Failure {
    NotFound,
    Exists,
    Timeout,
    /// The same request may succeed later.
    Store(object_store::Error),
    /// It never will.
    Refused(object_store::Error),
}

impl Failure {
    fn from_store(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::AlreadyExists { .. }
            | object_store::Error::Precondition { .. } => Self::Exists,
            object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. }
            | object_store::Error::InvalidPath { .. } => Self::Refused(error),
            other => Self::Store(other),
        }
    }

    fn is_final(&self) -> bool {
        matches!(self, Self::NotFound | Self::Exists | Self::Refused(_))
    }

    fn into_error(self, operation: Operation, key: &str) -> Error {
        let what = format!("{} object {key}", operation.verb());
        match self {
            Self::NotFound => Error::not_found(format!("{what}: it does not exist")),
            Self::Exists => Error::internal(format!("{what}: it exists already")),
            Self::Timeout => Error::unavailable(format!("{what}: no answer in time"), TIMEOUT),
            Self::Store(error) => Error::unavailable(what, PAUSE_MAX).with_source(error),
            Self::Refused(error) => Error::internal(what).with_source(error),
        }
    }
}

fn parse(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|e| Error::internal(format!("object key {key:?}")).with_source(e))
}

/// Whoever reads a part knows of the object from the catalog, so its absence is damage.
fn gone(error: Error) -> Error {
    if is_not_found(&error) { Error::corrupt(error.message()) } else { error }
}

fn head_of(meta: object_store::ObjectMeta) -> Head {
    Head { key: meta.location.into(), bytes: meta.size, etag: meta.e_tag }
}

/// Returns whether an error says that an object is absent.
pub(crate) fn is_not_found(error: &Error) -> bool {
    error.kind() == tarn_model::error::ErrorKind::NotFound
}

#[cfg(test)]
mod tests;
