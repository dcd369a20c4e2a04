//! The clients of the three providers.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, S3ConditionalPut};
use object_store::azure::{AzureAccessKey, AzureConfigKey, AzureCredential, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientOptions, HeaderValue, ObjectStore, RetryConfig};
use tarn_model::error::{Error, Result};
use tarn_model::secret::Secret;

use super::rotate::Rotating;
use super::{Addressing, BucketOptions};
use crate::Handles;

/// A name that does not answer by then is not going to; `Objects` tries again.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Connections are kept this long: polls come every second.
const IDLE_MAX: Duration = Duration::from_secs(60);

type Store = Box<dyn ObjectStore>;

/// Makes a client of S3.
pub(super) fn s3(
    bucket: &str,
    endpoint: Option<&str>,
    region: Option<&str>,
    options: &BucketOptions,
    handles: &Handles,
) -> Result<Store> {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in platform::<AmazonS3ConfigKey>(options, "AWS_")? {
        builder = builder.with_config(key, value);
    }
    let refused = Arc::new(AtomicBool::new(false));
    builder = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(no_retries())
        .with_http_connector(Watch(Arc::clone(&refused)));
    // An endpoint of the platform counts as much as one that was set.
    let s3_endpoint = builder.get_config_value(&AmazonS3ConfigKey::S3Endpoint);
    let platform = s3_endpoint.or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let endpoint = options.endpoint.as_deref().or(endpoint).map(str::to_owned).or(platform);
    if let Some(region) = options.region.as_deref().or(region) {
        builder = builder.with_region(region);
    }
    let in_path = match options.addressing {
        Addressing::Path => true,
        Addressing::VirtualHost => false,
        // A dot in the name would not fit the certificate of the host name.
        Addressing::Auto => endpoint.is_some() || bucket.contains('.'),
    };
    if let Some(endpoint) = &endpoint {
        let (scheme, host) = split_endpoint(endpoint)?;
        let host = if in_path { host.to_owned() } else { format!("{bucket}.{host}") };
        // Both, for a setting must win over either variable of the platform.
        let base = format!("{scheme}://{host}");
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, base);
    }
    let plain = is_plain(endpoint.as_deref());
    builder = builder
        .with_virtual_hosted_style_request(!in_path)
        .with_client_options(client_options(plain));
    if let Some(provider) = aws_credentials(options, handles, refused)? {
        builder = builder.with_credentials(Arc::new(provider));
    }
    Ok(Box::new(builder.build().map_err(wrong_settings)?))
}

fn aws_credentials(
    options: &BucketOptions,
    handles: &Handles,
    refused: Arc<AtomicBool>,
) -> Result<Option<Rotating<AwsCredential>>> {
    let token = options.session_token.clone();
    let (id, key) = match (options.access_key_id.clone(), options.secret_access_key.clone()) {
        (Some(id), Some(key)) => (id, key),
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return Err(Error::invalid(
                "storage.access_key_id is set, storage.secret_access_key is not",
            ));
        }
        (None, Some(_)) => {
            return Err(Error::invalid(
                "storage.secret_access_key is set, storage.access_key_id is not",
            ));
        }
    };
    let make = move || {
        let token = token.as_ref().map(Secret::read).transpose()?;
        Ok(AwsCredential { key_id: id.read()?, secret_key: key.read()?, token })
    };
    Rotating::new(Box::new(make), Arc::clone(&handles.clock), refused).map(Some)
}

/// Makes a client of Google Cloud Storage.
pub(super) fn google(bucket: &str, options: &BucketOptions) -> Result<Store> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in platform::<GoogleConfigKey>(options, "GOOGLE_")? {
        builder = builder.with_config(key, value);
    }
    let plain = is_plain(options.endpoint.as_deref());
    builder = builder
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_http_connector(Watch(Arc::default()))
        .with_client_options(client_options(plain));
    if let Some(endpoint) = &options.endpoint {
        split_endpoint(endpoint)?;
        builder = builder.with_base_url(endpoint);
    }
    if let Some(document) = &options.google_credentials {
        builder = builder.with_service_account_key(document.read()?);
    }
    Ok(Box::new(builder.build().map_err(wrong_settings)?))
}

/// Makes a client of Azure.
pub(super) fn azure(
    container: &str,
    account: Option<&str>,
    options: &BucketOptions,
    handles: &Handles,
) -> Result<Store> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in platform::<AzureConfigKey>(options, "AZURE_")? {
        builder = builder.with_config(key, value);
    }
    if let Some((_, endpoint)) = options.platform.iter().find(|(n, _)| n == "IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint.read()?);
    }
    let refused = Arc::new(AtomicBool::new(false));
    let plain = is_plain(options.endpoint.as_deref());
    builder = builder
        .with_container_name(container)
        .with_retry(no_retries())
        .with_http_connector(Watch(Arc::clone(&refused)))
        .with_client_options(client_options(plain));
    if let Some(endpoint) = &options.endpoint {
        split_endpoint(endpoint)?;
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(account) = options.azure_account.as_deref().or(account) {
        builder = builder.with_account(account);
    }
    if let Some(key) = options.azure_access_key.clone() {
        let make = move || {
            let read = AzureAccessKey::try_new(&key.read()?);
            let wrong = |_| Error::invalid(format!("{key} is not the base64 of an access key"));
            read.map(AzureCredential::AccessKey).map_err(wrong)
        };
        let provider = Rotating::new(Box::new(make), Arc::clone(&handles.clock), refused)?;
        builder = builder.with_credentials(Arc::new(provider));
    }
    Ok(Box::new(builder.build().map_err(wrong_settings)?))
}

/// Returns the platform's variables that the client knows.
fn platform<K: FromStr>(options: &BucketOptions, prefix: &str) -> Result<Vec<(K, String)>> {
    let ours = options.platform.iter().filter(|(name, _)| name.starts_with(prefix));
    let known = ours.filter_map(|(name, value)| Some((name.to_lowercase().parse().ok()?, value)));
    known.map(|(key, value)| Ok((key, value.read()?))).collect()
}

fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Returns whether an endpoint is one without TLS.
fn is_plain(endpoint: Option<&str>) -> bool {
    let Some(host) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else {
        return false;
    };
    if !["127.", "localhost", "[::1]"].iter().any(|here| host.starts_with(here)) {
        tracing::warn!(host, "the bucket is reached without TLS: everything travels readable");
    }
    true
}

fn client_options(plain: bool) -> ClientOptions {
    let agent = concat!("tarn/", env!("CARGO_PKG_VERSION"));
    ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(agent))
        .with_allow_http(plain)
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_MAX)
        .with_pool_idle_timeout(IDLE_MAX)
}

fn split_endpoint(endpoint: &str) -> Result<(&str, &str)> {
    let parts = endpoint.split_once("://").map(|(s, host)| (s, host.trim_end_matches('/')));
    match parts {
        Some((scheme @ ("http" | "https"), host)) if !host.is_empty() && !host.contains('@') => {
            Ok((scheme, host))
        }
        _ => Err(Error::invalid("the endpoint is not an address such as https://host:9000")),
    }
}

/// Clients tell about settings; their messages hold no secrets, but some hold what was set.
fn wrong_settings(error: object_store::Error) -> Error {
    Error::invalid("settings of the bucket").with_source(error)
}

/// Looks at answers on their way: the client itself forgets the headers of a redirect.
#[derive(Debug)]
struct Watch(Arc<AtomicBool>);

impl HttpConnector for Watch {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { client, refused: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct Watched {
    client: HttpClient,
    refused: Arc<AtomicBool>,
}

/// The bucket is elsewhere. `object/check.rs` finds the region by this text.
#[derive(Debug, thiserror::Error)]
#[error("the bucket is in region {0:?}")]
struct OtherRegion(String);

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.client.execute(request).await?;
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403) {
            self.refused.store(true, Ordering::Relaxed);
        }
        let region = response.headers().get("x-amz-bucket-region").and_then(|r| r.to_str().ok());
        match region {
            Some(region) if status.is_redirection() => {
                let other = OtherRegion(region.to_owned());
                Err(HttpError::new(HttpErrorKind::Unknown, other))
            }
            _ => Ok(response),
        }
    }
}
