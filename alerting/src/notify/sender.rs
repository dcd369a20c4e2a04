//! The ways to tell a receiver, made of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use tarn_model::error::{Context as _, Error, Result};
use tarn_model::secret::Secret;
use tarn_model::time::Clock;
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::email::Email;
use super::endpoint::EndpointSpec;
use super::intent::{Intent, Target};
use super::outcome::{MessageRef, Outcome};
use super::pagerduty::PagerDuty;
use super::render::Render;
use super::slack::Slack;
use super::webhook::Webhook;
use crate::egress::{Answer, Auth, Client, ClientOptions, Egress, NamedBy, OAuth2, Tls};
use crate::route::Config;
use crate::route::config::{HttpConfig, Kind, http as configured};

/// How long a call may take where the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One way to tell one receiver.
pub trait Sender: fmt::Debug + Send + Sync {
    /// Makes one attempt. `message` is the one that earlier states of the group became.
    fn send<'a>(
        &'a self,
        intent: &'a Intent,
        message: Option<&'a MessageRef>,
    ) -> BoxFuture<'a, Outcome>;

    /// Returns where it goes and what it takes.
    fn endpoint(&self) -> EndpointSpec;
}

/// What senders are made with.
#[derive(Debug, Clone)]
pub struct Context {
    /// Makes clients.
    pub egress: Egress,
    /// Writes templates.
    pub render: Arc<dyn Render>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where people reach this server.
    pub external_url: Arc<str>,
    /// Who wrote the configuration.
    pub named_by: NamedBy,
}

impl Context {
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }
}

/// Makes the senders of all receivers.
pub fn senders(config: &Config, context: &Context) -> BTreeMap<Target, Arc<dyn Sender>> {
    let mut senders: BTreeMap<Target, Arc<dyn Sender>> = BTreeMap::new();
    for receiver in &config.receivers {
        for integration in &receiver.integrations {
            let target = Target {
                receiver: Arc::clone(&receiver.name),
                kind: integration.kind.name().into(),
                index: integration.index,
            };
            let sender: Arc<dyn Sender> = match &integration.kind {
                Kind::Slack(slack) => Arc::new(Slack::new(slack, context)),
                Kind::PagerDuty(pagerduty) => Arc::new(PagerDuty::new(pagerduty, context)),
                Kind::Email(email) => Arc::new(Email::new(email, context)),
                Kind::Webhook(webhook) => Arc::new(Webhook::new(webhook, context)),
                Kind::Unsupported(kind) => Arc::new(Unsupported(kind)),
            };
            senders.insert(target, sender);
        }
    }
    senders
}

/// A kind of receiver that cannot be told yet: every delivery fails for good, and is seen to.
#[derive(Debug)]
struct Unsupported(&'static str);

impl Sender for Unsupported {
    fn send<'a>(&'a self, _: &'a Intent, _: Option<&'a MessageRef>) -> BoxFuture<'a, Outcome> {
        let said = format!("receivers of kind {} cannot be notified yet", self.0);
        Box::pin(std::future::ready(Outcome::permanent(None, &said)))
    }

    fn endpoint(&self) -> EndpointSpec {
        EndpointSpec { id: format!("{}:unsupported", self.0).into(), rate: None, parallel: 8 }
    }
}

/// An HTTP client that is made when it is first needed, because files that it needs may come later.
#[derive(Debug)]
pub(super) struct Caller {
    context: Context,
    options: Result<ClientOptions>,
    client: Mutex<Option<Arc<Client>>>,
}

impl Caller {
    pub(super) fn new(http: &HttpConfig, timeout: Option<Duration>, context: &Context) -> Self {
        let options = options(http, timeout.unwrap_or(TIMEOUT));
        if let Err(error) = &options {
            let error = error.message();
            tracing::warn!(error, "a receiver cannot be told: its http_config is not supported");
        }
        Self { context: context.clone(), options, client: Mutex::default() }
    }

    /// Posts JSON.
    pub(super) async fn post(
        &self,
        url: &str,
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> Result<Answer> {
        // Only a place is told of a URL that cannot be read: the rest may be secret.
        let url =
            Url::parse(url.trim()).map_err(|e| Error::invalid("read the URL").with_source(e))?;
        let mut all = HeaderMap::new();
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let mut value = HeaderValue::try_from(value)
                .map_err(|e| Error::invalid(format!("write header {name}")).with_source(e))?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        self.client()?.send(Method::POST, &url, &all, body).await
    }

    fn client(&self) -> Result<Arc<Client>> {
        let mut client = self.client.lock();
        if let Some(client) = &*client {
            return Ok(Arc::clone(client));
        }
        let options = self.options.as_ref().map_err(Error::duplicate)?.clone();
        let made = self.context.egress.client(options, self.context.named_by);
        let made = Arc::new(made.context("make a client")?);
        *client = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// Judges an answer of something that speaks plain HTTP.
pub(super) fn judge(answer: &Answer, now_ms: i64) -> Outcome {
    let (status, said) = (Some(answer.status), answer.text());
    let retry_after = answer.retry_after(now_ms);
    match answer.status {
        200..=299 => Outcome::delivered(status, &said),
        429 => Outcome::busy(status, &said, retry_after),
        408 | 425 | 500.. => Outcome::transient(status, &said, retry_after),
        _ => Outcome::permanent(status, &said),
    }
}

/// Returns what tells a secret from others and does not tell it.
pub(super) fn known_by(secret: &Secret) -> String {
    let value = secret.read().unwrap_or_else(|_| secret.origin().to_owned());
    format!("{:016x}", xxh3_64(value.as_bytes()))
}

fn options(http: &HttpConfig, timeout: Duration) -> Result<ClientOptions> {
    let text = |text: &str| Secret::fixed("inline", text);
    let auth = match &http.auth {
        configured::Auth::None => Auth::None,
        configured::Auth::Basic { username, password } => Auth::Basic {
            user: match username {
                Some(configured::Credential::Text(name)) => text(name),
                Some(configured::Credential::File(file)) => file.clone(),
                None => return Err(Error::invalid("basic_auth needs a username")),
            },
            password: password.clone(),
        },
        configured::Auth::Header { scheme, credentials } => match credentials {
            Some(credentials) => {
                Auth::Scheme { scheme: scheme.clone(), credentials: credentials.clone() }
            }
            None => return Err(Error::invalid("authorization needs credentials")),
        },
        configured::Auth::OAuth2(oauth2) => Auth::OAuth2(Box::new(OAuth2 {
            client_id: oauth2.client_id.clone(),
            client_secret: oauth2.client_secret.clone().unwrap_or_else(|| text("")),
            token_url: Url::parse(&oauth2.token_url)
                .map_err(|e| Error::invalid("read token_url of oauth2").with_source(e))?,
            scopes: oauth2.scopes.clone(),
            params: oauth2.endpoint_params.clone().into_iter().collect(),
        })),
    };
    if http.proxy.from_environment {
        return Err(Error::invalid("proxy_from_environment is not supported: write proxy_url"));
    }
    if !http.proxy.connect_headers.is_empty() {
        return Err(Error::invalid("proxy_connect_header is not supported"));
    }
    if !http.tls.server_name.is_empty() {
        return Err(Error::invalid("tls_config.server_name is not supported"));
    }
    let header = |(name, value): &(String, configured::HeaderValue)| match value {
        configured::HeaderValue::Text(value) => (name.clone(), text(value)),
        configured::HeaderValue::Secret(value) => (name.clone(), value.clone()),
    };
    Ok(ClientOptions {
        auth,
        headers: http.headers.iter().map(header).collect(),
        tls: Tls {
            ca: http.tls.ca.clone(),
            identity: http.tls.cert.clone().zip(http.tls.key.clone()),
            skip_verify: http.tls.insecure_skip_verify,
            only_tls13: http.tls.min_version == "TLS13",
        },
        proxy: http.proxy.url.clone().map(|url| (url, http.proxy.no_proxy.clone())),
        follow_redirects: http.follow_redirects,
        http2: http.enable_http2,
        timeout,
        ..ClientOptions::default()
    })
}
