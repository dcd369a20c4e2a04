//! Parts of blocks, from the nearest place that has them.
//!
//! Blocks do not change, so a part that was read once is as good for ever. It is looked for in
//! memory, then in a file of the data folder (a block that waits for its upload, or is kept after
//! it), then in the bucket. Equal reads that are under way at the same time are one request. All of
//! this is for buckets behind a network: beside a local store the file cache of the system serves,
//! and [`Parts::direct`] just reads.
//!
//! Nothing here is believed: whoever asked verifies what came (COR-1), and only then has it kept.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, Shared, WeakShared};
use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;
use tarn_model::metrics;
use tarn_model::units::ByteSize;

use crate::blocking;
use crate::file::{Disk, OpenHow};
use crate::object::Objects;

mod bounded;

pub(crate) use bounded::Bounded;

/// What an entry costs beside its bytes: key, order, hash table.
const ENTRY_BYTES: usize = 160;
/// Finished reads whose places are cleaned up once there are this many.
const FLIGHTS_MAX: usize = 1024;

/// A read under way, which others may wait for.
type Read = BoxFuture<'static, Result<Bytes, Arc<Error>>>;
/// Object, first byte, end.
type ReadKey = (Arc<str>, u64, u64);

/// Where parts of blocks come from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Parts {
    objects: Objects,
    remote: Option<Arc<Remote>>,
}

/// What lies between a process and a bucket behind a network.
struct Remote {
    disk: Arc<dyn Disk>,
    /// Object → file with its content.
    files: RwLock<HashMap<Arc<str>, PathBuf>>,
    /// Object and first byte → part.
    memory: Mutex<Bounded<(Arc<str>, u64), Bytes>>,
    reads: Mutex<HashMap<ReadKey, WeakShared<Read>>>,
    /// Why the bucket does not answer.
    away: RwLock<Option<Arc<str>>>,
    hits: Counter,
    misses: Counter,
    bytes: Gauge,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.read().len();
        f.debug_struct("Remote").field("files", &files).finish_non_exhaustive()
    }
}

impl Parts {
    /// Reads from a store at hand, and keeps nothing.
    pub fn direct(objects: Objects) -> Self {
        Self { objects, remote: None }
    }

    /// Reads from a bucket; up to `memory` of it is kept at hand.
    pub fn remote(
        objects: Objects,
        disk: Arc<dyn Disk>,
        memory: ByteSize,
        registry: &mut Registry,
    ) -> Self {
        let (hits, misses) = (Counter::default(), Counter::default());
        let bytes = Gauge::default();
        let name = metrics::CACHE_HITS;
        registry.register(name.name, name.help, hits.clone());
        let name = metrics::CACHE_MISSES;
        registry.register(name.name, name.help, misses.clone());
        let name = metrics::CACHE_BYTES;
        registry.register(name.name, name.help, bytes.clone());
        let remote = Remote {
            disk,
            files: RwLock::default(),
            memory: Mutex::new(Bounded::new(memory.as_usize())),
            reads: Mutex::default(),
            away: RwLock::default(),
            hits,
            misses,
            bytes,
        };
        Self { objects, remote: Some(Arc::new(remote)) }
    }

    /// Returns the store behind it.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Returns whether reading a part of an object takes a request over a network.
    pub(crate) fn is_far(&self, object: &str) -> bool {
        self.remote.as_ref().is_some_and(|remote| !remote.files.read().contains_key(object))
    }

    /// Returns why an object cannot be read at the moment; `None` where it can, or where nobody
    /// knows better.
    pub(crate) fn out_of_reach(&self, object: &str) -> Option<Arc<str>> {
        let remote = self.remote.as_ref()?;
        let away = remote.away.read().clone()?;
        (!remote.files.read().contains_key(object)).then_some(away)
    }

    /// Says that the bucket does not answer, or that it does. Returns whether that is news.
    pub(crate) fn set_away(&self, reason: Option<&str>) -> bool {
        let Some(remote) = &self.remote else { return false };
        let news = remote.away.read().as_deref() != reason;
        if news {
            *remote.away.write() = reason.map(Arc::from);
        }
        news
    }

    /// Says that a file has the content of an object.
    pub(crate) fn add_file(&self, object: &str, path: PathBuf) {
        if let Some(remote) = &self.remote {
            remote.files.write().insert(object.into(), path);
        }
    }

    /// Says that the file of an object goes, or is not to be trusted. Returns whether there was one.
    pub(crate) fn remove_file(&self, object: &str) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.files.write().remove(object).is_some())
    }

    /// Returns a part that is kept in memory.
    pub(crate) fn kept(&self, object: &Arc<str>, start: u64) -> Option<Bytes> {
        let remote = self.remote.as_ref()?;
        let found = remote.memory.lock().get(&(Arc::clone(object), start)).cloned();
        if found.is_some() {
            remote.hits.inc()
        } else {
            remote.misses.inc()
        };
        found
    }

    /// Keeps a verified part in memory, which begins at `start`. It is copied, so that it does not
    /// hold on to what it was read with.
    pub(crate) fn keep(&self, object: &Arc<str>, start: u64, part: &[u8]) {
        if let Some(remote) = &self.remote {
            let (key, part) = ((Arc::clone(object), start), Bytes::copy_from_slice(part));
            let bytes = part.len() + ENTRY_BYTES;
            let mut memory = remote.memory.lock();
            memory.insert(key, part, bytes);
            remote.bytes.set(i64::try_from(memory.bytes()).unwrap_or(i64::MAX));
        }
    }

    /// Reads ranges of an object, each with one request.
    ///
    /// # Errors
    /// `Corrupt` where the object is absent or shorter; `Unavailable` where the bucket is.
    pub(crate) async fn read(
        &self,
        object: &Arc<str>,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let Some(remote) = &self.remote else {
            return self.objects.get_ranges(object, ranges).await;
        };
        let file = remote.files.read().get(object).cloned();
        if let Some(path) = file {
            let (disk, wanted) = (Arc::clone(&remote.disk), ranges.to_vec());
            let shown = path.display().to_string();
            match blocking::run(move || read_file(&*disk, &path, &wanted)).await {
                Ok(parts) => return Ok(parts),
                // It may have gone this very moment; the bucket has whatever was kept.
                Err(error) => tracing::debug!(%error, file = shown, "read from the bucket instead"),
            }
        }
        let reads = ranges.iter().map(|range| self.once(remote, object, range));
        futures::future::try_join_all(reads).await
    }

    /// Reads a range of an object in the bucket; who asks for one that is being read waits for it.
    fn once(
        &self,
        remote: &Arc<Remote>,
        object: &Arc<str>,
        range: &Range<u64>,
    ) -> impl Future<Output = Result<Bytes>> + Send + use<> {
        let key = (Arc::clone(object), range.start, range.end);
        let mut reads = remote.reads.lock();
        let under_way = reads.get(&key).and_then(WeakShared::upgrade);
        let read: Shared<Read> = under_way.unwrap_or_else(|| {
            let (objects, key) = (self.objects.clone(), key.clone());
            let read = async move {
                let (object, start, end) = key;
                objects.get_range(&object, start..end).await.map_err(Arc::new)
            };
            read.boxed().shared()
        });
        if reads.len() >= FLIGHTS_MAX {
            reads.retain(|_, read| read.upgrade().is_some());
        }
        if let Some(weak) = read.downgrade() {
            reads.insert(key, weak);
        }
        drop(reads);
        async move { read.await.map_err(|error| error.duplicate()) }
    }
}

fn read_file(
    disk: &dyn Disk,
    path: &std::path::Path,
    ranges: &[Range<u64>],
) -> std::io::Result<Vec<Bytes>> {
    let file = disk.open(path, OpenHow::Read)?;
    let read = |range: &Range<u64>| {
        let bytes = range.end.saturating_sub(range.start);
        let mut part = vec![0; usize::try_from(bytes).map_err(std::io::Error::other)?];
        file.read_at(&mut part, range.start)?;
        Ok(Bytes::from(part))
    };
    ranges.iter().map(read).collect()
}
