//! What commands look into without a server: a data folder, or a bucket that others write.
//!
//! A bucket is reached with the settings that a server would have: `tarn.yaml`, `TARN_STORAGE__…`,
//! the variables of the provider, and two flags for what is asked for most.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use tarn_model::limits::Limits;
use tarn_storage::Handles;
use tarn_storage::object::Objects;
use tarn_storage::object::bucket::{BucketOptions, BucketUrl};
use tarn_storage::operate::backup::{Target, Vault};
use tarn_storage::operate::inspect::{self, Inspection};

use crate::cli::store::Folder;
use crate::config::load::{Sources, load};

/// How a bucket is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct Access {
    /// Base address of the bucket's service, where it is not the provider's own.
    #[arg(long = "storage.endpoint", value_name = "URL")]
    endpoint: Option<String>,
    /// Region of the bucket.
    #[arg(long = "storage.region", value_name = "REGION")]
    region: Option<String>,
    /// Reads credentials and other settings of a bucket from this file instead of ./tarn.yaml.
    #[arg(long, env = "TARN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Which data folder or bucket.
#[derive(Debug, Clone, Args)]
pub(crate) struct Store {
    #[command(flatten)]
    folder: Folder,
    /// A bucket to look into instead, such as s3://bucket/prefix.
    #[arg(id = "storage_url", long = "storage.url", env = "TARN_STORAGE__URL", value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// A data folder or a bucket.
#[derive(Debug)]
pub(crate) enum Place {
    Folder(PathBuf),
    Bucket(Box<BucketOptions>),
}

impl Store {
    /// Returns the place that is meant.
    ///
    /// # Errors
    /// Where settings of the bucket are wrong.
    pub(crate) fn place(&self) -> anyhow::Result<Place> {
        match self.url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => self.access.bucket(url),
            None => Ok(Place::Folder(self.folder.path().to_owned())),
        }
    }
}

impl Store {
    /// Takes what flags and environment do not say from the settings file, as a server would.
    ///
    /// # Errors
    /// Where the settings are wrong.
    pub(crate) fn settled(mut self) -> anyhow::Result<Self> {
        let env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let file = self.access.config.clone();
        let storage = load(&Sources { file, env, flags: Vec::new() })?.storage;
        // Whoever names a folder and no bucket means the folder.
        if self.url.is_none() && self.folder.path.is_none() {
            self.url = storage.bucket.url.map(|url| url.to_string());
        }
        self.folder.path.get_or_insert(storage.path);
        Ok(self)
    }

    /// Returns the data folder: of the store itself, or of a server beside its bucket.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns how buckets are reached.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }
}

impl Access {
    /// Returns the place that `--data` names: with a scheme in front it is a bucket.
    ///
    /// # Errors
    /// Where settings of the bucket are wrong.
    pub(crate) fn data(&self, text: &str) -> anyhow::Result<Place> {
        if text.contains("://") { self.bucket(text) } else { Ok(Place::Folder(text.into())) }
    }

    fn bucket(&self, url: &str) -> anyhow::Result<Place> {
        let url = BucketUrl::parse(url)?;
        let env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let flags = [("storage.endpoint", &self.endpoint), ("storage.region", &self.region)];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
        let sources = Sources { file: self.config.clone(), env, flags: flags.collect() };
        let options = BucketOptions { url: Some(url), ..load(&sources)?.storage.bucket };
        Ok(Place::Bucket(Box::new(options)))
    }
}

impl Place {
    /// Opens it to keep backups in.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub(crate) async fn vault(&self, handles: &Handles) -> tarn_model::error::Result<Vault> {
        match self {
            Self::Folder(path) => Vault::folder(path, handles),
            Self::Bucket(options) => Vault::open(options, handles).await,
        }
    }

    /// Opens it to read backups from.
    ///
    /// # Errors
    /// As [`Vault::look`].
    pub(crate) async fn backups(&self, handles: &Handles) -> tarn_model::error::Result<Vault> {
        match self {
            Self::Folder(path) => Vault::look_folder(path, handles),
            Self::Bucket(options) => Vault::look(options, handles).await,
        }
    }

    /// Opens it to make a store in.
    ///
    /// # Errors
    /// As [`Target::folder`] and [`Target::bucket`].
    pub(crate) async fn target(&self, handles: &Handles) -> tarn_model::error::Result<Target> {
        match self {
            Self::Folder(path) => Target::folder(path, handles),
            Self::Bucket(options) => Target::bucket(options, handles).await,
        }
    }

    /// Opens it for looking.
    ///
    /// # Errors
    /// As [`Inspection::open`] and [`Inspection::open_bucket`].
    pub(crate) async fn look(
        &self,
        limits: Limits,
        handles: Handles,
    ) -> tarn_model::error::Result<Inspection> {
        match self {
            Self::Folder(path) => Inspection::open(path, limits, handles).await,
            Self::Bucket(options) => Inspection::open_bucket(options, limits, handles).await,
        }
    }

    /// Returns its objects, whatever the catalog says.
    ///
    /// # Errors
    /// Where a bucket cannot be reached.
    pub(crate) async fn objects(&self, handles: &Handles) -> tarn_model::error::Result<Objects> {
        match self {
            Self::Folder(path) => Ok(inspect::objects(path, handles)),
            Self::Bucket(options) => inspect::bucket_objects(options, handles).await,
        }
    }
}
