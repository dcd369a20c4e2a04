//! The bucket that an operator names: its address, what it takes to be let in, and the client.
//!
//! An address is one line, `s3://bucket/prefix`; everything else has a default or comes from the
//! platform's own variables (`AWS_…`, `GOOGLE_…`, `AZURE_…`), which the process hands down: this
//! crate reads no environment. What an operator sets himself wins over those. Where neither gives
//! credentials, the identity of the machine, the pod or the task is used.
//!
//! The client repeats nothing and has no deadline for a whole request: [`super::Objects`] does both,
//! by the size of the body. A create is one PUT with `If-None-Match: *` (S3, Azure) or
//! `x-goog-if-generation-match: 0` (GCS).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use tarn_model::error::{Error, Result};
use tarn_model::secret::Secret;

use crate::Handles;
use crate::object::local::LocalStore;

mod address;
mod client;
mod rotate;

pub use address::{BucketUrl, Provider};

/// Where the bucket is, and how to get in.
#[derive(Debug, Clone, Default)]
pub struct BucketOptions {
    /// Its address; without one, objects lie in the data folder.
    pub url: Option<BucketUrl>,
    /// Base address of the service, where it is not the provider's own.
    pub endpoint: Option<String>,
    /// Region that requests to S3 are signed for.
    pub region: Option<String>,
    /// How requests to S3 name the bucket.
    pub addressing: Addressing,
    /// Key id of S3.
    pub access_key_id: Option<Secret>,
    /// Its secret.
    pub secret_access_key: Option<Secret>,
    /// Token of temporary credentials of S3.
    pub session_token: Option<Secret>,
    /// Storage account of Azure.
    pub azure_account: Option<String>,
    /// Its key.
    pub azure_access_key: Option<Secret>,
    /// Service account of Google, the JSON document itself.
    pub google_credentials: Option<Secret>,
    /// The platform's variables.
    pub platform: Vec<(String, Secret)>,
}

/// How requests to S3 name the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// In the host name at Amazon, in the path elsewhere.
    #[default]
    Auto,
    /// In the path: `https://host/bucket/key`.
    Path,
    /// In the host name: `https://bucket.host/key`.
    VirtualHost,
}

impl Addressing {
    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "path" => Some(Self::Path),
            "virtual_host" => Some(Self::VirtualHost),
            _ => None,
        }
    }
}

/// A bucket with a client for it.
#[derive(Debug)]
pub struct OpenBucket {
    /// What the operator wrote.
    pub url: BucketUrl,
    /// Reads and writes below its prefix.
    pub store: Arc<dyn ObjectStore>,
}

impl fmt::Display for OpenBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Makes the client of the bucket that `options` names; nothing is asked yet.
///
/// # Errors
/// `Invalid` where settings contradict each other or a secret cannot be read.
pub fn open(url: &BucketUrl, options: &BucketOptions, handles: &Handles) -> Result<OpenBucket> {
    let store = match url.provider() {
        Provider::Folder(path) => {
            let opened = LocalStore::open(path, Arc::clone(&handles.disk));
            let failed = |e| Error::invalid(format!("open {url}")).with_source(e);
            return Ok(bucket(url, Arc::new(opened.map_err(failed)?)));
        }
        Provider::S3 { bucket, endpoint, region } => {
            client::s3(bucket, endpoint.as_deref(), region.as_deref(), options, handles)
        }
        Provider::Google { bucket } => client::google(bucket, options),
        Provider::Azure { container, account } => {
            client::azure(container, account.as_deref(), options, handles)
        }
    };
    let store = store.map_err(|e| e.context(format!("open {url}")))?;
    Ok(bucket(url, Arc::new(PrefixStore::new(store, url.prefix()))))
}

/// As [`open`], without touching a folder that is only looked at.
///
/// # Errors
/// As [`open`].
pub fn inspect(url: &BucketUrl, options: &BucketOptions, handles: &Handles) -> Result<OpenBucket> {
    let Provider::Folder(path) = url.provider() else {
        return open(url, options, handles);
    };
    let disk = Arc::clone(&handles.disk);
    let failed = |e| Error::invalid(format!("open {url}")).with_source(e);
    if disk.list(path).map_err(failed)?.is_empty() {
        return Err(Error::not_found(format!("open {url}: the folder is empty or absent")));
    }
    Ok(bucket(url, Arc::new(LocalStore::inspect(PathBuf::from(path), disk))))
}

fn bucket(url: &BucketUrl, store: Arc<dyn ObjectStore>) -> OpenBucket {
    OpenBucket { url: url.clone(), store }
}

#[cfg(test)]
mod tests;
