//! A server that speaks the S3 protocol over a folder, on a port of the loopback.
//!
//! Requests are signed and checked as S3 does. The file system behind it looks first whether an
//! object exists and writes later, so racing creators would all win; a gate lets conditional
//! requests through one at a time. [`Weather`] makes the server misbehave as real ones do, and
//! every request is counted, with the bytes that it moved.
//!
//! ```ignore
//! let server = S3Server::start().await?;
//! let tarn = Tarn::start(TARN, &data, &server.flags("prefix")).await?;
//! server.weather(|w| w.slow_down = 20);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::prefix::PrefixStore;
use parking_lot::Mutex;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::PutObjectInput;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Request, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The bucket that exists from the start.
pub const BUCKET: &str = "tarn-bucket";
/// Access key that is let in.
pub const ACCESS_KEY: &str = "tarn-access-key";
/// Its secret. Tests look for it in every output.
pub const SECRET_KEY: &str = "canary-7f3a91c5e2d84b06";
/// Region that requests are signed for.
pub const REGION: &str = "eu-test-1";

/// The server. Ends when dropped; what is in its buckets goes with it.
#[derive(Debug)]
pub struct S3Server {
    address: String,
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    accepts: JoinHandle<()>,
}

/// How the server misbehaves; by default it does not.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// No request is answered: connections are closed.
    pub down: bool,
    /// Every request takes this long.
    pub latency: Duration,
    /// As many further requests are answered 503 SlowDown.
    pub slow_down: u64,
    /// As many further writes lose their connection, and do nothing.
    pub reset_before: u64,
    /// As many further writes lose their connection after they took effect.
    pub reset_after: u64,
    /// Writes are answered 403 AccessDenied.
    pub deny_writes: bool,
    /// `If-None-Match` and `If-Match` of writes are not looked at.
    pub ignore_conditions: bool,
    /// Writes with `If-None-Match` or `If-Match` are answered 501 NotImplemented.
    pub refuse_conditions: bool,
    /// Requests that are signed for another region are redirected to this one.
    pub region: Option<String>,
    /// Every request is answered with this status and S3's code for it.
    pub error: Option<(u16, &'static str)>,
}

/// Requests of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub requests: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of answers.
    pub bytes_out: u64,
}

/// Requests by operation: `get`, `head`, `list`, `put`, `delete`, `post`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<&'static str, Count>);

impl Counts {
    /// Returns the requests of one operation.
    pub fn of(&self, operation: &str) -> Count {
        self.0.get(operation).copied().unwrap_or_default()
    }

    /// Returns how many requests there were.
    pub fn requests(&self) -> u64 {
        self.0.values().map(|count| count.requests).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (operation, Count { requests, bytes_in, bytes_out }) in &self.0 {
            write!(f, "{operation} {requests} ({bytes_in} B in, {bytes_out} B out) ")?;
        }
        Ok(())
    }
}

struct Shared {
    service: S3Service,
    /// Conditional writes pass one at a time.
    gate: tokio::sync::Mutex<()>,
    weather: Arc<Mutex<Weather>>,
    counts: Mutex<Counts>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("weather", &self.weather).finish_non_exhaustive()
    }
}

impl S3Server {
    /// Starts the server on the runtime of the caller, with one empty bucket.
    ///
    /// # Errors
    /// Where there is no folder or no port.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for buckets")?;
        std::fs::create_dir(folder.path().join(BUCKET))?;
        let files = FileSystem::new(folder.path()).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let weather = Arc::new(Mutex::new(Weather::default()));
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        builder.set_access(Door(Arc::clone(&weather)));
        let shared = Arc::new(Shared {
            service: builder.build(),
            gate: tokio::sync::Mutex::default(),
            weather,
            counts: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let accepts = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, folder, shared, accepts })
    }

    /// Returns `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address of a prefix in the bucket, as `storage.url` takes it.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Returns the settings with which a Tarn process keeps its data below a prefix; the keys to the
    /// bucket are in [`S3Server::environment`].
    pub fn flags(&self, prefix: &str) -> Vec<String> {
        let pairs = [("--storage.url", self.url(prefix)), ("--storage.endpoint", self.endpoint())];
        pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }

    /// Returns the platform's variables with region and credentials.
    pub fn environment(&self) -> [(&'static str, &'static str); 3] {
        [
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ]
    }

    /// Returns the folder that the bucket is.
    pub fn bucket_folder(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Returns a client of its own for a prefix in the bucket.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub fn store(&self, prefix: &str) -> Result<Arc<dyn ObjectStore>> {
        let store = AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .with_region(REGION)
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(SECRET_KEY)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .build()?;
        Ok(Arc::new(PrefixStore::new(store, prefix)))
    }

    /// Changes how the server misbehaves.
    pub fn weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.shared.weather.lock());
    }

    /// Returns what was asked since the start, or since the last [`S3Server::take_counts`].
    pub fn counts(&self) -> Counts {
        self.shared.counts.lock().clone()
    }

    /// Returns what was asked, and begins to count anew.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.shared.counts.lock())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

/// What is decided once a request is known to be signed well.
struct Door(Arc<Mutex<Weather>>);

#[async_trait::async_trait]
impl S3Access for Door {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "requests must be signed"));
        }
        let writes = !matches!(*context.method(), Method::GET | Method::HEAD);
        if writes && self.0.lock().deny_writes {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }

    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        if self.0.lock().ignore_conditions {
            request.input.if_none_match = None;
            request.input.if_match = None;
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which ends all connections.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(serve(socket, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let answer = service_fn(move |request| answer(Arc::clone(&shared), request));
    let builder = Builder::new(TokioExecutor::new());
    // A connection that breaks is the client's to notice.
    drop(builder.serve_connection(TokioIo::new(socket), answer).await);
}

/// Ends the connection without an answer.
#[derive(Debug)]
struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is reset")
    }
}

impl std::error::Error for Reset {}

/// What the weather does to one request.
enum Fate {
    Answer,
    Reset { after: bool },
    Error(StatusCode, &'static str, Option<String>),
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let operation = operation(&request);
    let bytes_in = length(request.headers());
    let latency = shared.weather.lock().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let fate = shared.weather.lock().fate(&request);
    let response = match fate {
        Fate::Reset { after: false } => Err(Reset.into()),
        Fate::Error(status, code, region) => Ok(error(status, code, region)),
        Fate::Answer => pass(&shared, request).await,
        Fate::Reset { after: true } => pass(&shared, request).await.and(Err(Reset.into())),
    };
    let bytes_out = response.as_ref().map_or(0, |r| match length(r.headers()) {
        0 => r.body().size_hint().exact().unwrap_or(0),
        stated => stated,
    });
    let mut counts = shared.counts.lock();
    let count = counts.0.entry(operation).or_default();
    count.requests += 1;
    count.bytes_in += bytes_in;
    // The length of what HEAD asks for is stated, and not sent.
    count.bytes_out += if operation == "head" { 0 } else { bytes_out };
    drop(counts);
    response
}

async fn pass(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let _gate = match !reads && is_conditional(request.headers()) {
        true => Some(shared.gate.lock().await),
        false => None,
    };
    let answered = shared.service.call(request.map(Body::from)).await;
    answered.map_err(|e| format!("{e:?}").into())
}

impl Weather {
    fn fate(&mut self, request: &Request<Incoming>) -> Fate {
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
        if self.down {
            return Fate::Reset { after: false };
        }
        if let Some((status, code)) = self.error {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return Fate::Error(status, code, None);
        }
        if let Some(region) = &self.region
            && signed_region(request.headers()) != Some(region)
        {
            let region = Some(region.clone());
            return Fate::Error(StatusCode::MOVED_PERMANENTLY, "PermanentRedirect", region);
        }
        if take(&mut self.slow_down) {
            return Fate::Error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", None);
        }
        if self.refuse_conditions && writes && is_conditional(request.headers()) {
            return Fate::Error(StatusCode::NOT_IMPLEMENTED, "NotImplemented", None);
        }
        if writes && take(&mut self.reset_before) {
            return Fate::Reset { after: false };
        }
        if writes && take(&mut self.reset_after) {
            return Fate::Reset { after: true };
        }
        Fate::Answer
    }
}

fn take(left: &mut u64) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_MATCH) || headers.contains_key(IF_NONE_MATCH)
}

fn operation(request: &Request<Incoming>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        Method::GET if query.contains("list-type") => "list",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::PUT => "put",
        Method::DELETE => "delete",
        _ => "post",
    }
}

fn length(headers: &HeaderMap) -> u64 {
    let text = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns the region of `Credential=KEY/date/region/s3/aws4_request`.
fn signed_region(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = text.split_once("Credential=")?;
    credential.split('/').nth(2)
}

fn error(status: StatusCode, code: &str, region: Option<String>) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>{code}</Message><RequestId>0</RequestId></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    if let Some(value) = region.and_then(|region| region.parse().ok()) {
        response.headers_mut().insert("x-amz-bucket-region", value);
    }
    response
}
