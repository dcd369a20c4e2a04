//! A client of HTTP for one destination: who it is, what it trusts, how long it waits.

mod oauth;

use std::error::Error as StdError;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::future::{Either, select};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use reqwest::redirect::{Action, Attempt, Policy};
use tarn_model::error::{Context as _, Error, Result};
use tarn_model::secret::Secret;
use url::Url;
use xxhash_rust::xxh3::Xxh3;

pub use self::oauth::OAuth2;
use self::oauth::Tokens;
use super::fresh::{self, Fresh, MAX_AGE};
use super::resolver::Vetted;
use super::{Egress, NamedBy};

/// What a transient failure asks for where the other side says nothing.
const RETRY: Duration = Duration::from_secs(1);
/// Longer answers than this are rests between attempts that nobody would want.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REDIRECTS_MAX: usize = 5;
const USER_AGENT: &str = concat!("Tarn/", env!("CARGO_PKG_VERSION"));

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Who it is.
    pub auth: Auth,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// What it trusts.
    pub tls: Tls,
    /// A proxy, and the hosts that are asked without it, separated by commas.
    pub proxy: Option<(Secret, String)>,
    /// Whether redirects are followed; every hop is judged.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// For a request and its whole answer.
    pub timeout: Duration,
    /// What is read of an answer; the rest is left.
    pub answer_bytes_max: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            headers: Vec::new(),
            tls: Tls::default(),
            proxy: None,
            follow_redirects: false,
            http2: true,
            timeout: Duration::from_secs(10),
            answer_bytes_max: 64 << 10,
        }
    }
}

/// How a client says who it is.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Basic`.
    Basic {
        /// Name.
        user: Secret,
        /// Password, possibly none.
        password: Option<Secret>,
    },
    /// `Authorization: <scheme> <credentials>`.
    Scheme {
        /// Such as `Bearer`.
        scheme: String,
        /// The rest.
        credentials: Secret,
    },
    /// A token that is fetched for client credentials.
    OAuth2(Box<OAuth2>),
}

/// Whom a client trusts, and its own certificate. All are PEM.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Authorities instead of the system's.
    pub ca: Option<Secret>,
    /// Own certificate and key.
    pub identity: Option<(Secret, Secret)>,
    /// Whether nothing is verified.
    pub skip_verify: bool,
    /// Whether TLS 1.2 is not good enough.
    pub only_tls13: bool,
}

/// A whole answer, as much of it as may be read.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body up to the cap.
    pub body: Bytes,
}

impl Answer {
    /// Returns the body as text, with marks where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns how long to wait as the other side says, in seconds or as a date; at most a quarter
    /// of an hour, because a receiver must not be able to silence itself for good.
    pub fn retry_after(&self, now_ms: i64) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let asked = match text.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => {
                let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
                let wait_ms = u64::try_from(at.as_millisecond() - now_ms).unwrap_or(0);
                Duration::from_millis(wait_ms)
            }
        };
        Some(asked.min(RETRY_AFTER_MAX))
    }
}

/// Sends requests to judged addresses only.
#[derive(Debug)]
pub struct Client {
    egress: Egress,
    named_by: NamedBy,
    options: ClientOptions,
    auth: FreshAuth,
    headers: Vec<(HeaderName, Fresh)>,
    built: Mutex<Built>,
}

#[derive(Debug)]
enum FreshAuth {
    None,
    Basic(Fresh, Option<Fresh>),
    Scheme(String, Fresh),
    OAuth2(Tokens),
}

#[derive(Debug)]
struct Built {
    client: reqwest::Client,
    at: Duration,
    /// Hash of the files that went into it.
    material: u64,
}

impl Client {
    pub(super) fn new(egress: Egress, options: ClientOptions, named_by: NamedBy) -> Result<Self> {
        let clock = Arc::clone(egress.clock());
        let fresh = |secret: &Secret| Fresh::new(secret.clone(), Arc::clone(&clock));
        let auth = match &options.auth {
            Auth::None => FreshAuth::None,
            Auth::Basic { user, password } => {
                FreshAuth::Basic(fresh(user), password.as_ref().map(fresh))
            }
            Auth::Scheme { scheme, credentials } => {
                FreshAuth::Scheme(scheme.clone(), fresh(credentials))
            }
            Auth::OAuth2(options) => FreshAuth::OAuth2(Tokens::new(options, &clock)),
        };
        let mut headers = Vec::new();
        for (name, value) in &options.headers {
            let name = HeaderName::try_from(name)
                .map_err(|e| Error::invalid(format!("{name} is no header")).with_source(e))?;
            headers.push((name, fresh(value)));
        }
        let (client, material) = build(&egress, &options, named_by)?;
        let built = Mutex::new(Built { client, at: clock.monotonic(), material });
        Ok(Self { egress, named_by, options, auth, headers, built })
    }

    /// Sends a request and reads its answer. Where it is answered 401, secrets are read anew and it
    /// is sent once more.
    ///
    /// # Errors
    /// `Invalid` where trying again changes nothing, such as a refused address. `Unavailable` where no
    /// whole answer came, or a secret cannot be read.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer> {
        self.egress.vet_url(url, self.named_by)?;
        let clock = Arc::clone(self.egress.clock());
        let sending = async {
            let answer = self.once(method.clone(), url, headers, body.clone()).await?;
            if answer.status != 401 || !self.forget() {
                return Ok(answer);
            }
            self.once(method, url, headers, body).await
        };
        match select(Box::pin(sending), clock.sleep(self.options.timeout)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                let waited = self.options.timeout.as_secs_f64();
                Err(Error::unavailable(format!("no answer within {waited} s"), RETRY))
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer> {
        let client = self.current()?;
        let mut all = headers.clone();
        for (name, value) in &self.headers {
            all.insert(name, header_value(&value.get()?)?);
        }
        if let Some(value) = self.authorization(&client).await? {
            all.insert(AUTHORIZATION, value);
        }
        let request = client.request(method, url.clone()).headers(all).body(body);
        let answer = request.send().await.map_err(failure)?;
        read(answer, self.options.answer_bytes_max).await
    }

    async fn authorization(&self, client: &reqwest::Client) -> Result<Option<HeaderValue>> {
        let text = match &self.auth {
            FreshAuth::None => return Ok(None),
            FreshAuth::Basic(user, password) => {
                let password = password.as_ref().map(Fresh::get).transpose()?;
                let pair = format!("{}:{}", user.get()?, password.as_deref().unwrap_or(""));
                format!("Basic {}", STANDARD.encode(pair))
            }
            FreshAuth::Scheme(scheme, credentials) => format!("{scheme} {}", credentials.get()?),
            FreshAuth::OAuth2(tokens) => {
                self.egress.vet_url(tokens.url(), self.named_by)?;
                format!("Bearer {}", tokens.token(client).await.context("fetch a token")?)
            }
        };
        header_value(&text).map(Some)
    }

    /// Forgets secrets; returns whether there are any.
    fn forget(&self) -> bool {
        self.headers.iter().for_each(|(_, value)| value.forget());
        match &self.auth {
            FreshAuth::None => return !self.headers.is_empty(),
            FreshAuth::Basic(user, password) => {
                user.forget();
                password.iter().for_each(Fresh::forget);
            }
            FreshAuth::Scheme(_, credentials) => credentials.forget(),
            FreshAuth::OAuth2(tokens) => tokens.forget(),
        }
        true
    }

    /// Returns the connections, made anew where a file of theirs has changed.
    fn current(&self) -> Result<reqwest::Client> {
        let now = self.egress.clock().monotonic();
        let mut built = self.built.lock();
        if now.saturating_sub(built.at) >= MAX_AGE {
            built.at = now;
            if hash(&material(&self.options)?) != built.material {
                (built.client, built.material) = build(&self.egress, &self.options, self.named_by)?;
            }
        }
        Ok(built.client.clone())
    }
}

/// What is read from files when connections are made.
#[derive(Default)]
struct Material {
    ca: Option<String>,
    identity: Option<(String, String)>,
    proxy: Option<String>,
}

fn material(options: &ClientOptions) -> Result<Material> {
    let Tls { ca, identity, .. } = &options.tls;
    Ok(Material {
        ca: ca.as_ref().map(fresh::read).transpose()?,
        identity: match identity {
            Some((certificate, key)) => Some((fresh::read(certificate)?, fresh::read(key)?)),
            None => None,
        },
        proxy: options.proxy.as_ref().map(|(url, _)| fresh::read(url)).transpose()?,
    })
}

fn hash(material: &Material) -> u64 {
    let mut hasher = Xxh3::new();
    let identity = material.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
    for text in material.ca.iter().chain(identity).chain(&material.proxy) {
        hasher.write_usize(text.len());
        hasher.write(text.as_bytes());
    }
    hasher.finish()
}

fn build(
    egress: &Egress,
    options: &ClientOptions,
    named_by: NamedBy,
) -> Result<(reqwest::Client, u64)> {
    let material = material(options)?;
    let resolver = Vetted { egress: egress.clone(), named_by };
    #[expect(clippy::disallowed_methods, reason = "this is the place that vets addresses")]
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .referer(false)
        .redirect(redirects(egress, options.follow_redirects, named_by))
        .dns_resolver(Arc::new(resolver))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(2)
        .pool_idle_timeout(Duration::from_secs(60))
        .danger_accept_invalid_certs(options.tls.skip_verify);
    if !options.http2 {
        builder = builder.http1_only();
    }
    if options.tls.only_tls13 {
        builder = builder.min_tls_version(reqwest::tls::Version::TLS_1_3);
    }
    if let Some(pem) = &material.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|e| Error::invalid("read the authorities of TLS").with_source(e))?;
        builder = builder.tls_built_in_root_certs(false);
        builder = certificates.into_iter().fold(builder, |b, c| b.add_root_certificate(c));
    }
    if let Some((certificate, key)) = &material.identity {
        let identity = reqwest::Identity::from_pem(format!("{certificate}\n{key}").as_bytes())
            .map_err(|e| Error::invalid("read certificate and key of TLS").with_source(e))?;
        builder = builder.identity(identity);
    }
    if let (Some(url), Some((_, except))) = (&material.proxy, &options.proxy) {
        builder = builder.proxy(proxy(egress, url, except, named_by)?);
    }
    let client = builder.build().map_err(|e| Error::invalid("make a client").with_source(e))?;
    Ok((client, hash(&material)))
}

fn proxy(egress: &Egress, url: &str, except: &str, named_by: NamedBy) -> Result<reqwest::Proxy> {
    if named_by == NamedBy::Api {
        // A proxy resolves names itself: nobody here would see the address.
        return Err(Error::invalid("a proxy can be named in the operator's files only"));
    }
    let parsed = Url::parse(url).map_err(|e| Error::invalid("read proxy_url").with_source(e))?;
    egress.vet_url(&parsed, named_by).context("read proxy_url")?;
    let proxy = reqwest::Proxy::all(parsed)
        .map_err(|e| Error::invalid("use proxy_url").with_source(e.without_url()))?;
    Ok(proxy.no_proxy(reqwest::NoProxy::from_string(except)))
}

fn redirects(egress: &Egress, follow: bool, named_by: NamedBy) -> Policy {
    if !follow {
        return Policy::none();
    }
    let egress = egress.clone();
    Policy::custom(move |attempt| judge(&egress, attempt, named_by))
}

fn judge(egress: &Egress, attempt: Attempt<'_>, named_by: NamedBy) -> Action {
    let from = attempt.previous().last();
    let loses_tls =
        from.is_some_and(|from| from.scheme() == "https") && attempt.url().scheme() != "https";
    let error = match egress.vet_url(attempt.url(), named_by) {
        Err(error) => error.context("follow a redirect"),
        Ok(()) if loses_tls => Error::invalid("follow a redirect: from https to http"),
        Ok(()) if attempt.previous().len() > REDIRECTS_MAX => {
            Error::invalid(format!("follow a redirect: more than {REDIRECTS_MAX}"))
        }
        Ok(()) => return attempt.follow(),
    };
    attempt.error(error)
}

async fn read(answer: reqwest::Response, cap: usize) -> Result<Answer> {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let mut body = BytesMut::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failure)?;
        let room = cap - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() == cap {
            break;
        }
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

/// Makes our error of a client's: without the URL, which may be a secret, and with our own judgement
/// where that was the cause.
pub(super) fn failure(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(found) = cause {
        if let Some(ours) = found.downcast_ref::<Error>() {
            return ours.duplicate();
        }
        cause = found.source();
    }
    Error::unavailable("send a request", RETRY).with_source(error)
}

fn header_value(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::invalid("a header's value has characters that headers cannot hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
