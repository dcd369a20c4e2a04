//! Addresses of buckets, as people write them.
//!
//! | text | bucket |
//! |---|---|
//! | `s3://bucket/prefix`, `s3a://…` | S3, or what `storage.endpoint` names |
//! | `https://bucket.s3.region.amazonaws.com/prefix`, `https://s3.region.amazonaws.com/bucket/prefix` | S3 in that region |
//! | `https://host:port/bucket/prefix`, `http://…` | what speaks S3 there |
//! | `gs://bucket/prefix`, `https://storage.googleapis.com/bucket/prefix` | Google Cloud Storage |
//! | `az://container/prefix`, `azure://…` | Azure, in the account that is set |
//! | `abfss://container@account.dfs.core.windows.net/prefix`, `https://account.blob.core.windows.net/container/prefix` | Azure |
//! | `file:///path` | a folder |

use std::fmt;
use std::path::PathBuf;

use object_store::path::Path;
use tarn_model::error::{Error, Result};

/// The address of a bucket and a prefix in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    text: String,
    provider: Provider,
    prefix: Path,
}

/// Whose bucket, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Amazon, or whatever speaks its protocol.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Base address, where the URL gives one.
        endpoint: Option<String>,
        /// Region, where the URL gives one.
        region: Option<String>,
    },
    /// Google Cloud Storage.
    Google {
        /// Name of the bucket.
        bucket: String,
    },
    /// Azure Blob Storage.
    Azure {
        /// Name of the container.
        container: String,
        /// Storage account, where the URL gives one.
        account: Option<String>,
    },
    /// A folder of this machine or a mounted one.
    Folder(PathBuf),
}

impl BucketUrl {
    /// Parses the text form.
    ///
    /// # Errors
    /// `Invalid` where it is none; credentials in it are refused, and not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Err(Error::invalid(format!("{text:?} {why}")));
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong(
                "is not the address of a bucket such as s3://bucket/prefix, gs://bucket/prefix, \
                 az://container/prefix or file:///path",
            );
        };
        if rest.contains(['?', '#']) {
            // What follows a question mark may be a token.
            let message = "the address of a bucket has no ? or #: credentials have settings of \
                           their own";
            return Err(Error::invalid(message));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_azure = matches!(scheme, "abfs" | "abfss");
        if authority.contains('@') && !is_azure {
            let message = "the address of a bucket holds no credentials: they have settings of \
                           their own, such as storage.secret_access_key";
            return Err(Error::invalid(message));
        }
        let found = match scheme {
            "s3" | "s3a" => (s3(authority, None, None), path),
            "gs" => (Provider::Google { bucket: authority.to_owned() }, path),
            "az" | "azure" => (azure(authority, None), path),
            "abfs" | "abfss" => match authority.split_once('@') {
                Some((container, host)) => (azure(container, first_label(host)), path),
                None => (azure(authority, None), path),
            },
            "https" | "http" => web(scheme, authority, path),
            "file" if authority.is_empty() && !path.is_empty() => {
                return Ok(Self {
                    text: text.to_owned(),
                    provider: Provider::Folder(PathBuf::from(format!("/{path}"))),
                    prefix: Path::default(),
                });
            }
            "file" => return wrong("does not name a folder: write file:///path"),
            _ => return wrong("has none of the schemes s3, gs, az, abfss, https, http, file"),
        };
        let (provider, prefix) = found;
        if provider.bucket().is_some_and(|name| !is_name(name)) {
            return wrong("does not name a bucket");
        }
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|e| {
            Error::invalid(format!("{text:?} does not end in a usable prefix")).with_source(e)
        })?;
        Ok(Self { text: text.trim_end_matches('/').to_owned(), provider, prefix })
    }

    /// Returns whose bucket it is.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Returns what all keys begin with.
    pub(super) fn prefix(&self) -> Path {
        self.prefix.clone()
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Provider {
    /// Returns the name of the bucket; folders have none.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3 { bucket, .. } | Self::Google { bucket } => Some(bucket),
            Self::Azure { container, .. } => Some(container),
            Self::Folder(_) => None,
        }
    }
}

fn s3(bucket: &str, endpoint: Option<String>, region: Option<&str>) -> Provider {
    Provider::S3 { bucket: bucket.to_owned(), endpoint, region: region.map(str::to_owned) }
}

fn azure(container: &str, account: Option<&str>) -> Provider {
    Provider::Azure { container: container.to_owned(), account: account.map(str::to_owned) }
}

/// Tells whose web address it is, and returns the prefix with it.
fn web<'a>(scheme: &str, host: &str, path: &'a str) -> (Provider, &'a str) {
    let (first, below) = path.split_once('/').unwrap_or((path, ""));
    if let Some(amazon) = host.strip_suffix(".amazonaws.com") {
        if let Some(region) = amazon.strip_prefix("s3.") {
            return (s3(first, None, Some(region)), below);
        }
        if let Some((bucket, region)) = amazon.rsplit_once(".s3.") {
            return (s3(bucket, None, Some(region)), path);
        }
    }
    if host == "storage.googleapis.com" {
        return (Provider::Google { bucket: first.to_owned() }, below);
    }
    if host.ends_with(".blob.core.windows.net") || host.ends_with(".dfs.core.windows.net") {
        return (azure(first, first_label(host)), below);
    }
    (s3(first, Some(format!("{scheme}://{host}")), None), below)
}

fn first_label(host: &str) -> Option<&str> {
    host.split('.').next().filter(|label| !label.is_empty())
}

/// Returns whether a name may be that of a bucket; its provider knows the exact rules.
fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name != "." && name != ".." && name.bytes().all(fits)
}
