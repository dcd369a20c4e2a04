//! What a start finds out about a bucket before anything depends on it.
//!
//! 1. It is there, lets us in and lists: one LIST of its root, which also shows what is not ours.
//! 2. It can be written, and *a second create of one name fails*: two PUTs of one random name. The
//!    catalog rests on that; a store that ignores the condition would let two writers overwrite
//!    each other.
//! 3. It can be deleted from: the probe is taken away again.
//!
//! Every refusal says what, where and what to do. What may pass by itself is `Unavailable`; what an
//! operator must change is `Invalid`.

use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;
use tarn_model::time::Clock;

use crate::object::bucket::OpenBucket;
use crate::paths;

mod reason;

use reason::{Doing, Reason};

/// Tries before the bucket counts as unreachable, and the pause between them.
const ATTEMPTS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// None of these requests has a body worth waiting for.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A probe that is older belongs to nobody: a start takes seconds.
const PROBE_AGE_MS: i64 = 3_600_000;
/// When it is worth asking a bucket again that does not answer.
const RETRY: Duration = Duration::from_secs(10);

/// Objects below the prefix that are not ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strangers {
    /// Objects and folders at the root.
    pub count: usize,
    /// The first of them.
    pub example: Option<String>,
}

/// Tests everything that a server needs, and tells what is not ours.
///
/// # Errors
/// `Invalid` or `Unavailable`, with what to do.
pub async fn at_start(bucket: &OpenBucket, clock: &dyn Clock, rng: &dyn Rng) -> Result<()> {
    let strangers = readable(bucket, clock).await?;
    if let Strangers { count, example: Some(example) } = &strangers {
        tracing::warn!(
            %bucket, count, example,
            "the bucket holds objects that are not Tarn's; they are left alone, a prefix of its own in storage.url is better"
        );
    }
    writable(bucket, clock, rng).await?;
    sweep(bucket, clock).await;
    tracing::info!(%bucket, "bucket is there and honours conditional writes");
    Ok(())
}

/// Tests whether the bucket can be read, and looks for what is not ours.
///
/// # Errors
/// `Invalid` or `Unavailable`, with what to do.
pub async fn readable(bucket: &OpenBucket, clock: &dyn Clock) -> Result<Strangers> {
    let check = Check { bucket, clock };
    let list = || bucket.store.list_with_delimiter(None);
    let listed = check.attempt(Doing::List, list).await?;
    let folders = listed
        .common_prefixes
        .iter()
        .filter(|path| !path.filename().is_some_and(|name| paths::PREFIXES.contains(&name)));
    let objects = listed.objects.iter().map(|object| &object.location);
    let mut strangers = Strangers::default();
    for path in folders.chain(objects) {
        strangers.count += 1;
        strangers.example.get_or_insert_with(|| path.to_string());
    }
    Ok(strangers)
}

/// Tests whether the bucket can be written, and keeps the promise that a catalog needs.
///
/// # Errors
/// `Invalid` or `Unavailable`, with what to do.
pub async fn writable(bucket: &OpenBucket, clock: &dyn Clock, rng: &dyn Rng) -> Result<()> {
    let check = Check { bucket, clock };
    let path = Path::from(paths::probe_key(rng.next_u64()));
    // A create that the network repeats meets itself: that counts as done.
    check.attempt(Doing::Write, || check.create(&path)).await?;
    let second = check.attempt(Doing::CreateAgain, || check.create(&path)).await;
    let removed = check.attempt(Doing::Delete, || bucket.store.delete(&path)).await;
    if second? == Created::Now {
        return Err(Error::invalid(format!(
            "{bucket} does not honour conditional writes: a second create of one object succeeded, \
             so two servers could overwrite each other's catalog; use a store that supports \
             If-None-Match: * on PUT"
        )));
    }
    if let Err(error) = removed {
        tracing::warn!(%error, %bucket, "objects cannot be deleted: what is merged, expired or erased stays");
    }
    Ok(())
}

/// Takes away probes of starts that were killed in between. Whatever fails here is tried again by the
/// next start.
async fn sweep(bucket: &OpenBucket, clock: &dyn Clock) {
    let check = Check { bucket, clock };
    let folder = Path::from(paths::PROBE_PREFIX);
    let list = || bucket.store.list_with_delimiter(Some(&folder));
    let Ok(listed) = check.attempt(Doing::List, list).await else { return };
    let now_ms = clock.now().as_millis();
    let old = listed.objects.iter().filter(|probe| {
        now_ms.saturating_sub(probe.last_modified.timestamp_millis()) > PROBE_AGE_MS
    });
    for probe in old {
        let delete = || bucket.store.delete(&probe.location);
        if let Err(error) = check.attempt(Doing::Delete, delete).await {
            tracing::debug!(%error, probe = %probe.location, "left-over probe stays");
        }
    }
}

/// What came of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Created {
    Now,
    Before,
}

struct Check<'a> {
    bucket: &'a OpenBucket,
    clock: &'a dyn Clock,
}

impl Check<'_> {
    async fn create(&self, path: &Path) -> object_store::Result<Created> {
        let payload =
            PutPayload::from_bytes(Bytes::from_static(b"tarn looks what this bucket can"));
        match self.bucket.store.put_opts(path, payload, PutOptions::from(PutMode::Create)).await {
            Ok(_) => Ok(Created::Now),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Created::Before),
            Err(error) => Err(error),
        }
    }

    /// Tries a request until it succeeds, or cannot.
    async fn attempt<T, F>(&self, doing: Doing, mut once: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut last = Reason::Silent;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                self.clock.sleep(PAUSE.saturating_mul(attempt)).await;
            }
            let reason = match select(pin!(once()), self.clock.sleep(TIMEOUT)).await {
                Either::Left((Ok(done), _)) => return Ok(done),
                Either::Left((Err(error), _)) => Reason::of(&error),
                Either::Right(((), _)) => Reason::Silent,
            };
            if reason.is_final() {
                return Err(self.refusal(doing, &reason));
            }
            last = reason;
        }
        Err(self.refusal(doing, &last))
    }

    fn refusal(&self, doing: Doing, reason: &Reason) -> Error {
        let message = reason.tell(doing, self.bucket as &dyn Display);
        match reason.is_final() {
            true => Error::invalid(message),
            false => Error::unavailable(message, RETRY),
        }
    }
}
