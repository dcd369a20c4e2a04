//! An object store in a folder of a local disk that really is durable.
//!
//! The local store of `object_store` 0.13 never syncs, so a power loss could take an object that
//! the catalog names. Here every write is: a temporary file, its bytes, fsync, then its name
//! (`link` for create, which fails where the name is taken; `rename` for overwrite), then fsync of
//! the folder. New folders are made durable by the [`Disk`] in the same way. So an object is either
//! absent or whole, before and after a crash.
//!
//! Where the last step fails, the name is taken back: nobody may build on a name that a crash can
//! undo. Where even that fails, the store refuses all further writes.
//!
//! Work on files blocks, so it runs on the runtime's blocking threads.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path as Key;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::blocking;
use crate::file::{Disk, Entry, OpenHow};
use crate::paths::BUCKET_TEMP;

/// Name in errors.
const STORE: &str = "LocalStore";
/// Objects up to this size have an ETag in answers that carry no content: it is a hash of the
/// content, so it costs reading the object. Manifests stay far below.
const HEAD_ETAG_BYTES_MAX: u64 = 4 << 20;

/// Objects as files below one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    /// Makes names of temporary files unique within this process; the folder has one owner.
    next_temp: AtomicU64,
    /// A name could neither be made durable nor taken back.
    poisoned: AtomicBool,
}

impl LocalStore {
    /// Opens a folder, which is created where it is missing, and removes what a crash left half
    /// written. The caller owns the folder alone.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(root: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let store = Self::inspect(root, disk);
        let temp = store.0.root.join(BUCKET_TEMP);
        store.0.disk.create_dir_all(&temp)?;
        for leftover in store.0.disk.list(&temp)? {
            store.0.disk.remove(&leftover.path)?;
        }
        Ok(store)
    }

    /// Opens a folder for reading beside its owner; nothing is touched.
    pub fn inspect(root: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Self {
        let (next_temp, poisoned) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { root: root.into(), disk, next_temp, poisoned }))
    }

    /// Runs file work where blocking is allowed.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        blocking::run(move || work(&inner)).await
    }
}

impl Inner {
    fn path(&self, key: &Key) -> PathBuf {
        // `Key` has no empty, `.` or `..` segments, so the path stays below the root.
        self.root.join(key.as_ref())
    }

    fn put(&self, key: &Key, body: &[u8], mode: &PutMode) -> Result<PutResult> {
        if self.poisoned.load(Ordering::Acquire) {
            let source = "an earlier object could not be made durable; restart".into();
            return Err(Error::Generic { store: STORE, source });
        }
        let target = self.path(key);
        let folder = target.parent().unwrap_or(&self.root);
        let failed = |e: io::Error| from_io(key, e);
        self.disk.create_dir_all(folder).map_err(failed)?;
        let temp = self.write_temp(body).map_err(failed)?;
        let named = match mode {
            PutMode::Create => self.disk.hard_link(&temp, &target),
            PutMode::Overwrite => self.disk.rename(&temp, &target),
            PutMode::Update(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        let renamed = *mode == PutMode::Overwrite && named.is_ok();
        if !renamed {
            // A leftover only takes room until the next start.
            self.disk.remove(&temp).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %temp.display(), "cannot remove temporary file");
            });
        }
        named.map_err(failed)?;
        if let Err(error) = self.disk.sync_dir(folder) {
            if *mode == PutMode::Create && self.disk.remove(&target).is_err() {
                self.poisoned.store(true, Ordering::Release);
            }
            return Err(failed(error));
        }
        Ok(PutResult { e_tag: Some(etag(body)), version: None })
    }

    fn write_temp(&self, body: &[u8]) -> io::Result<PathBuf> {
        let number = self.next_temp.fetch_add(1, Ordering::Relaxed);
        let temp = self.root.join(BUCKET_TEMP).join(format!("{number}"));
        let file = self.disk.open(&temp, OpenHow::CreateNew)?;
        let written = file.write_at(body, 0).and_then(|()| file.sync_data());
        if let Err(error) = written {
            self.disk.remove(&temp).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %temp.display(), "cannot remove temporary file");
            });
            return Err(error);
        }
        Ok(temp)
    }

    fn get(&self, key: &Key, options: &GetOptions) -> Result<Got> {
        let file = self.disk.open(&self.path(key), OpenHow::Read).map_err(|e| from_io(key, e))?;
        let size = file.len().map_err(|e| from_io(key, e))?;
        let read = |range: Range<u64>| -> Result<Bytes> {
            let bytes = usize::try_from(range.end - range.start)
                .map_err(|e| Error::Generic { store: STORE, source: e.into() })?;
            let mut into = vec![0; bytes];
            file.read_at(&mut into, range.start).map_err(|e| from_io(key, e))?;
            Ok(into.into())
        };
        let range = match &options.range {
            Some(range) => range
                .as_range(size)
                .map_err(|e| Error::Generic { store: STORE, source: e.into() })?,
            None => 0..size,
        };
        let mut body = if options.head { Bytes::new() } else { read(range.clone())? };
        let conditional = options.if_match.is_some() || options.if_none_match.is_some();
        let e_tag = if !options.head && range == (0..size) {
            Some(etag(&body))
        } else if conditional || (options.head && size <= HEAD_ETAG_BYTES_MAX) {
            Some(etag(&read(0..size)?))
        } else {
            None
        };
        let meta = meta(key.clone(), size, e_tag);
        options.check_preconditions(&meta)?;
        if options.head {
            body = Bytes::new();
        }
        Ok(Got { meta, range, body })
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let target = self.path(key);
        self.disk.remove(&target).map_err(|e| from_io(key, e))?;
        let folder = target.parent().unwrap_or(&self.root);
        self.disk.sync_dir(folder).map_err(|e| from_io(key, e))
    }

    /// Returns the entries of one folder, the temporary folder left out.
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>> {
        let temp = self.root.join(BUCKET_TEMP);
        let mut entries = self
            .disk
            .list(folder)
            .map_err(|e| Error::Generic { store: STORE, source: e.into() })?;
        entries.retain(|entry| entry.path != temp);
        Ok(entries)
    }

    fn key(&self, path: &Path) -> Result<Key> {
        let unreadable = || Error::Generic {
            store: STORE,
            source: format!("{} is not an object key", path.display()).into(),
        };
        let relative = path.strip_prefix(&self.root).map_err(|_| unreadable())?;
        Key::parse(relative.to_str().ok_or_else(unreadable)?).map_err(|_| unreadable())
    }

    fn list(&self, prefix: Option<&Key>) -> Result<Vec<ObjectMeta>> {
        let mut folders = vec![prefix.map_or_else(|| self.root.clone(), |p| self.path(p))];
        let mut objects = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in self.entries(&folder)? {
                if entry.is_dir {
                    folders.push(entry.path);
                } else {
                    objects.push(meta(self.key(&entry.path)?, entry.bytes, None));
                }
            }
        }
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    fn list_folder(&self, prefix: Option<&Key>) -> Result<ListResult> {
        let folder = prefix.map_or_else(|| self.root.clone(), |p| self.path(p));
        let mut result = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        for entry in self.entries(&folder)? {
            let key = self.key(&entry.path)?;
            if entry.is_dir {
                result.common_prefixes.push(key);
            } else {
                result.objects.push(meta(key, entry.bytes, None));
            }
        }
        Ok(result)
    }
}

/// What a read found.
struct Got {
    meta: ObjectMeta,
    range: Range<u64>,
    body: Bytes,
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.0.root.display())
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(
        &self,
        location: &Key,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let (key, body) = (location.clone(), Bytes::from(payload));
        self.run(move |inner| inner.put(&key, &body, &opts.mode)).await
    }

    async fn put_multipart_opts(
        &self,
        _location: &Key,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        // Blocks are built in memory and written at once.
        let (operation, implementer) = ("put_multipart".to_owned(), STORE.to_owned());
        Err(Error::NotImplemented { operation, implementer })
    }

    async fn get_opts(&self, location: &Key, options: GetOptions) -> Result<GetResult> {
        let key = location.clone();
        let got = self.run(move |inner| inner.get(&key, &options)).await?;
        let body = got.body;
        let payload = GetResultPayload::Stream(
            futures::stream::once(futures::future::ready(Ok(body))).boxed(),
        );
        let attributes = object_store::Attributes::default();
        Ok(GetResult { payload, meta: got.meta, range: got.range, attributes })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Key>>,
    ) -> BoxStream<'static, Result<Key>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let key = location.clone();
                    store.run(move |inner| inner.delete(&key)).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move { store.run(move |inner| inner.list(prefix.as_ref())).await };
        futures::stream::once(listed)
            .flat_map(|listed| match listed {
                Ok(objects) => futures::stream::iter(objects.into_iter().map(Ok)).boxed(),
                Err(error) => futures::stream::once(futures::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        let prefix = prefix.cloned();
        self.run(move |inner| inner.list_folder(prefix.as_ref())).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.run(move |inner| {
            let got = inner.get(&from, &GetOptions::default())?;
            inner.put(&to, &got.body, &mode).map(drop)
        })
        .await
    }
}

/// A hash of the content: two bodies of one key are told apart, whenever they were written.
fn etag(body: &[u8]) -> String {
    format!("{:x}-{:032x}", body.len(), xxh3_128(body))
}

fn meta(location: Key, size: u64, e_tag: Option<String>) -> ObjectMeta {
    // Nothing here goes by the time of a file, so none is told.
    let last_modified = SystemTime::UNIX_EPOCH.into();
    ObjectMeta { location, last_modified, size, e_tag, version: None }
}

fn from_io(key: &Key, error: io::Error) -> Error {
    let path = key.to_string();
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: error.into() },
        io::ErrorKind::Unsupported => Error::NotSupported { source: error.into() },
        _ => Error::Generic { store: STORE, source: error.into() },
    }
}
