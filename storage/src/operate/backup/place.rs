//! Where backups are kept, and where stores are made: a folder or a bucket, for itself alone.
//!
//! A folder that is written is locked, as a data folder is. A store is only ever made in an empty
//! place: a bucket without an object of ours, a data folder without anything.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use tarn_model::error::{Error, Result};

use crate::Handles;
use crate::catalog::checkpoint;
use crate::object::Objects;
use crate::object::bucket::{self, BucketOptions, Provider};
use crate::object::check;
use crate::object::local::LocalStore;
use crate::operate::inspect;
use crate::paths::{self, DataDir};

/// When to ask for a lock again.
const RETRY: Duration = Duration::from_secs(60);
/// What may lie in a data folder that a restore has begun to fill.
const BEGUN: [&str; 2] = ["bucket", "alerts"];
/// Names that a refusal prints.
const NAMED_MAX: usize = 5;

/// Keeps others out of a folder while it lives.
struct Lock(#[expect(dead_code, reason = "held, not used")] Box<dyn Send + Sync>);

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// A place that keeps backups.
#[derive(Debug)]
pub struct Vault {
    objects: Objects,
    /// The objects of backups, by the keys that they have in their stores.
    store: Objects,
    _lock: Option<Lock>,
}

impl Vault {
    /// Keeps backups in an object store.
    pub fn new(store: Arc<dyn ObjectStore>, handles: &Handles) -> Self {
        let below = PrefixStore::new(Arc::clone(&store), paths::BACKUP_OBJECT_PREFIX);
        let store_objects = inspect::wrap(Arc::new(below), handles);
        Self { objects: inspect::wrap(store, handles), store: store_objects, _lock: None }
    }

    /// Opens a folder or bucket to write backups into.
    ///
    /// # Errors
    /// `Unavailable` where another process writes there, or the bucket is away; `Invalid` where the
    /// place cannot be used, with what to do.
    pub async fn open(options: &BucketOptions, handles: &Handles) -> Result<Self> {
        let url = options.url.as_ref().ok_or_else(|| Error::invalid("no bucket is named"))?;
        if let Provider::Folder(path) = url.provider() {
            return Self::folder(path, handles);
        }
        let bucket = bucket::open(url, options, handles)?;
        check::readable(&bucket, &*handles.clock).await?;
        check::writable(&bucket, &*handles.clock, &*handles.rng).await?;
        let vault = Self::new(bucket.store, handles);
        if !checkpoint::list(&vault.objects).await?.is_empty() {
            let message = format!("{url} holds a store: backups need a place of their own");
            return Err(Error::invalid(message));
        }
        Ok(vault)
    }

    /// As [`Vault::open`], of a folder, which is made where it is missing.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn folder(path: &Path, handles: &Handles) -> Result<Self> {
        let lock = lock(path, handles)?;
        if !handles.disk.list(&DataDir::new(path).wal()).map_err(|e| io(path, e))?.is_empty() {
            let path = path.display();
            let message = format!("{path} is a data folder: backups need a folder of their own");
            return Err(Error::invalid(message));
        }
        let store = LocalStore::open(path, Arc::clone(&handles.disk)).map_err(|e| io(path, e))?;
        Ok(Self { _lock: Some(lock), ..Self::new(Arc::new(store), handles) })
    }

    /// Opens a folder or bucket to read backups from; nothing is touched.
    ///
    /// # Errors
    /// As [`inspect::bucket_objects`].
    pub async fn look(options: &BucketOptions, handles: &Handles) -> Result<Self> {
        let url = options.url.as_ref().ok_or_else(|| Error::invalid("no bucket is named"))?;
        let bucket = bucket::inspect(url, options, handles)?;
        check::readable(&bucket, &*handles.clock).await?;
        Ok(Self::new(bucket.store, handles))
    }

    /// As [`Vault::look`], of a folder.
    ///
    /// # Errors
    /// `NotFound` where it is empty or absent.
    pub fn look_folder(path: &Path, handles: &Handles) -> Result<Self> {
        if handles.disk.list(path).map_err(|e| io(path, e))?.is_empty() {
            let message = format!("{}: the folder is empty or absent", path.display());
            return Err(Error::not_found(message));
        }
        let store = LocalStore::inspect(path, Arc::clone(&handles.disk));
        Ok(Self::new(Arc::new(store), handles))
    }

    /// Returns everything in the place.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Returns the objects whose place does not depend on their content, by their keys in the store.
    pub(super) fn store(&self) -> &Objects {
        &self.store
    }
}

/// Where a store is made.
#[derive(Debug)]
pub struct Target {
    objects: Objects,
    name: String,
    _lock: Option<Lock>,
}

impl Target {
    /// Makes a store in an object store.
    pub fn new(store: Arc<dyn ObjectStore>, name: &str, handles: &Handles) -> Self {
        Self { objects: inspect::wrap(store, handles), name: name.to_owned(), _lock: None }
    }

    /// Opens a bucket.
    ///
    /// # Errors
    /// `Invalid` or `Unavailable`, with what to do.
    pub async fn bucket(options: &BucketOptions, handles: &Handles) -> Result<Self> {
        let url = options.url.as_ref().ok_or_else(|| Error::invalid("no bucket is named"))?;
        let bucket = bucket::open(url, options, handles)?;
        check::at_start(&bucket, &*handles.clock, &*handles.rng).await?;
        Ok(Self::new(bucket.store, &url.to_string(), handles))
    }

    /// Opens a data folder, which is made where it is missing, and keeps it locked.
    ///
    /// # Errors
    /// `Unavailable` where another process has it; `Invalid` where there is anything in it but what
    /// a restore that was stopped has left.
    pub fn folder(path: &Path, handles: &Handles) -> Result<Self> {
        let lock = lock(path, handles)?;
        refuse_used(path, handles)?;
        let bucket = DataDir::new(path).bucket();
        let store = LocalStore::open(bucket, Arc::clone(&handles.disk)).map_err(|e| io(path, e))?;
        let name = format!("data folder {}", path.display());
        Ok(Self { _lock: Some(lock), ..Self::new(Arc::new(store), &name, handles) })
    }

    /// Returns what it holds.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Returns what it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Locks the data folder of a store whose objects are made in a bucket. It is made where it is missing,
/// and must be as empty as one that is restored into.
///
/// # Errors
/// As [`Target::folder`].
pub fn claim(path: &Path, handles: &Handles) -> Result<Claim> {
    let lock = lock(path, handles)?;
    refuse_used(path, handles)?;
    Ok(Claim(lock))
}

/// A data folder that nobody else may open meanwhile.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "held, not used")] Lock);

/// Refuses a data folder that holds anything but what a restore that was stopped has left. Rows of
/// its log would be hidden below the restored store, and never come back.
fn refuse_used(path: &Path, handles: &Handles) -> Result<()> {
    let found = handles.disk.list(path).map_err(|e| io(path, e))?;
    let names = found.iter().filter_map(|entry| entry.path.file_name()?.to_str());
    let used: Vec<&str> = names.filter(|name| !BEGUN.contains(name)).collect();
    if used.is_empty() {
        return Ok(());
    }
    let some = used.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    Err(Error::invalid(format!(
        "{} is not empty, it holds {some}: a restore overwrites nothing; name a new folder, or move \
         this one away",
        path.display()
    )))
}

fn lock(path: &Path, handles: &Handles) -> Result<Lock> {
    handles.disk.create_dir_all(path).map_err(|e| io(path, e))?;
    match handles.disk.lock(path) {
        Ok(lock) => Ok(Lock(lock)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let message = format!("another process has {}: wait for it or stop it", path.display());
            Err(Error::unavailable(message, RETRY))
        }
        Err(e) => Err(io(path, e)),
    }
}

fn io(path: &Path, error: io::Error) -> Error {
    Error::internal(format!("open {}", path.display())).with_source(error)
}
