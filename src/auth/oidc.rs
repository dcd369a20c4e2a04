//! Logging in at an OIDC provider: authorization code with PKCE, `state` and `nonce`.
//!
//! [`Oidc::start`] sends the browser to the provider, with what must come back sealed in a cookie of
//! ten minutes; [`Oidc::finish`] takes the code that comes back, exchanges it and believes the ID token
//! only if signature, issuer, audience, times and nonce are right. Only signatures by the provider's
//! public keys count: `none` and those made with a shared secret never do. What a person may do here
//! are the groups of a claim, which `auth.file` grants something.
//!
//! The provider's addresses and keys are read once an hour, and once more where a token is signed by a
//! key that nobody knows yet. All requests go through the one guarded client.

mod back;
mod http_client;
mod types;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use openidconnect::core::{CoreAuthenticationFlow, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    DiscoveryError, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use tarn_alerting::egress::{ClientOptions, Egress, NamedBy};
use tarn_model::error::{Context as _, Error, ErrorKind, Result};
use tarn_model::secret::Secret;
use tarn_model::time::Clock;
use tokio::sync::Mutex;
use tracing::warn;
use url::Url;

pub(crate) use self::back::same_origin;
use self::http_client::Http;
use self::types::{Metadata, Protocol, Tokens};
use super::cookie;
use super::seal::{Key, Purpose, random_text};

/// How long somebody may take at the provider.
const PENDING: Duration = Duration::from_secs(600);
const PENDING_MS: i64 = 600_000;
/// How long addresses and keys of the provider are believed.
const FRESH: Duration = Duration::from_secs(3600);
/// They are not read anew more often than this, whatever tokens say.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// Tokens of people in hundreds of groups are large.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Text of a provider that is shown.
const SHOWN_CHARS_MAX: usize = 200;
/// Signatures that only the provider can make.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The settings `auth.oidc.*`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// `None`: nobody logs in this way.
    pub(crate) issuer: Option<Url>,
    pub(crate) client_id: String,
    /// `None`: a public client, which PKCE alone protects.
    pub(crate) client_secret: Option<Secret>,
    pub(crate) scopes: Vec<String>,
    pub(crate) groups_claim: String,
    /// What people call the provider.
    pub(crate) name: String,
}

/// A provider.
#[derive(Debug)]
pub(crate) struct Oidc {
    settings: Settings,
    issuer: IssuerUrl,
    http: Http,
    clock: Arc<dyn Clock>,
    found: Mutex<Option<Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    metadata: Arc<Metadata>,
    at: Duration,
}

/// A login that has begun, sealed in a cookie.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    state: String,
    nonce: String,
    verifier: String,
    back: String,
    redirect: String,
    until_ms: i64,
}

/// Whom the provider says has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

/// What came back from the provider.
#[derive(Debug, Default)]
pub(crate) struct Returned {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    /// Who sends the browser back, where the provider says so.
    issuer: Option<String>,
}

impl Returned {
    /// Reads the query string of the address that the provider sends browsers back to.
    pub(crate) fn of_query(query: &str) -> Self {
        let mut returned = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut returned.code,
                "state" => &mut returned.state,
                "error" => &mut returned.error,
                "error_description" => &mut returned.error_description,
                "iss" => &mut returned.issuer,
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        returned
    }
}

impl Oidc {
    /// Makes the client of the provider that the settings name, if they name one.
    ///
    /// # Errors
    /// `Invalid` where the settings are not fine together.
    pub(crate) fn new(
        settings: Settings,
        egress: &Egress,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>> {
        let Some(issuer) = &settings.issuer else { return Ok(None) };
        if settings.client_id.is_empty() {
            let message = "auth.oidc.client_id is missing: the provider calls it client id";
            return Err(Error::invalid(message));
        }
        // A URL puts a slash at the end of a bare host; providers compare texts.
        let text = issuer.as_str();
        let bare = issuer.path() == "/" && issuer.query().is_none();
        let text = if bare { text.trim_end_matches('/') } else { text };
        let wrong = |e| Error::invalid("read auth.oidc.issuer").with_source(e);
        let issuer = IssuerUrl::new(text.to_owned()).map_err(wrong)?;
        let options = ClientOptions {
            timeout: TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
            ..ClientOptions::default()
        };
        let http = Http(Arc::new(egress.client(options, NamedBy::Operator)?));
        Ok(Some(Self { settings, issuer, http, clock, found: Mutex::default() }))
    }

    /// Returns what people call the provider.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Begins a login. Returns where the browser goes, and the cookie that it keeps meanwhile.
    ///
    /// # Errors
    /// `Unavailable` where the provider does not answer.
    pub(crate) async fn start(
        &self,
        key: &Key,
        back: &str,
        redirect: &Url,
    ) -> Result<(String, HeaderValue)> {
        let metadata = self.metadata(FRESH).await?;
        let (state, nonce) = (random_text()?, random_text()?);
        let verifier = random_text()?;
        let pending = Pending {
            state: state.clone(),
            nonce: nonce.clone(),
            verifier: verifier.clone(),
            back: same_origin(back),
            redirect: redirect.as_str().to_owned(),
            until_ms: self.now_ms().saturating_add(PENDING_MS),
        };
        let cookie = cookie::set(cookie::OIDC, &key.seal(Purpose::Oidc, &pending)?, PENDING)?;
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier));
        let protocol = self.protocol(&metadata, redirect.as_str())?;
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request =
            protocol.authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce));
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid");
        let request = request.add_scopes(scopes.cloned().map(Scope::new));
        let (url, ..) = request.set_pkce_challenge(challenge).url();
        Ok((url.into(), cookie))
    }

    /// Ends a login: takes what came back, and returns who it is and where they wanted to go.
    ///
    /// # Errors
    /// `Forbidden` where the browser has not begun it; `Unauthenticated` where the provider or its
    /// token are not to be believed; `Unavailable` where it does not answer.
    pub(crate) async fn finish(
        &self,
        key: &Key,
        headers: &HeaderMap,
        returned: Returned,
    ) -> Result<(Identity, String)> {
        let pending = self.pending(key, headers, &returned)?;
        // RFC 9207: else the code of another provider could be mistaken for one of ours.
        if returned.issuer.is_some_and(|issuer| issuer != *self.issuer) {
            return Err(unauthenticated("another provider sends this browser back"));
        }
        if let Some(error) = returned.error {
            let why = returned.error_description.unwrap_or_default();
            let message = format!("the provider refused the login: {error} {why}");
            return Err(unauthenticated(shown(&message)));
        }
        let code = returned.code.filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| unauthenticated("the provider sent no code"))?;
        let Pending { nonce, verifier, back, redirect, .. } = pending;
        let metadata = self.metadata(FRESH).await?;
        let tokens = self.exchange(&metadata, code, verifier, &redirect).await?;
        let nonce = Nonce::new(nonce);
        let verified = match self.verify(&metadata, &tokens, &nonce) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let metadata = self.metadata(REFRESH_PAUSE).await?;
                self.verify(&metadata, &tokens, &nonce)
            }
            verified => verified,
        };
        let claims = verified.map_err(|e| {
            warn!(error = %chain(&e), "an ID token is refused");
            unauthenticated(shown(&format!("the provider's token is refused: {}", chain(&e))))
        })?;
        let identity = self.identity(&metadata, &tokens, claims).await?;
        Ok((identity, back))
    }

    /// Opens the cookie of the login that `state` belongs to.
    fn pending(&self, key: &Key, headers: &HeaderMap, returned: &Returned) -> Result<Pending> {
        let unknown = || {
            let message = "this browser has not begun this login, or more than ten minutes ago: \
                           begin it again";
            Error::new(ErrorKind::Forbidden, message)
        };
        let sealed = cookie::value(headers, cookie::OIDC).ok_or_else(unknown)?;
        let pending: Pending = key.open(Purpose::Oidc, sealed).ok_or_else(unknown)?;
        let state = returned.state.as_deref().unwrap_or_default();
        let same = state.as_bytes().ct_eq(pending.state.as_bytes());
        if !bool::from(same) || pending.until_ms < self.now_ms() {
            return Err(unknown());
        }
        Ok(pending)
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        code: String,
        verifier: String,
        redirect: &str,
    ) -> Result<Tokens> {
        let protocol = self.protocol(metadata, redirect)?;
        let request = protocol.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|e| self.down(&e))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        request.request_async(&self.http).await.map_err(|e| match e {
            RequestTokenError::Request(error) => self.unreachable(&error),
            RequestTokenError::ServerResponse(response) => {
                let message = format!("the provider does not take the code: {response}");
                warn!(error = shown(&message), "a login at the provider fails");
                unauthenticated(shown(&message))
            }
            other => self.down(&other),
        })
    }

    /// Returns the claims of the ID token, if all of it is right.
    fn verify(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        nonce: &Nonce,
    ) -> Result<Map<String, Value>, ClaimsVerificationError> {
        let other = |message: &str| ClaimsVerificationError::Other(message.to_owned());
        let token = tokens.id_token().ok_or_else(|| other("there is no ID token"))?;
        // Where the token goes is of no account here.
        let protocol = self.protocol(metadata, "http://localhost/");
        let protocol = protocol.map_err(|e| other(&e.message()))?;
        let verifier = protocol.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let claims = token.claims(&verifier, nonce)?;
        if let Some(expected) = claims.access_token_hash() {
            let wrong = |e: &dyn std::fmt::Display| other(&format!("its at_hash: {e}"));
            let algorithm = token.signing_alg().map_err(|e| wrong(&e))?;
            let key = token.signing_key(&verifier).map_err(|e| wrong(&e))?;
            let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if hash.map_err(|e| wrong(&e))? != *expected {
                return Err(other("its at_hash is not that of the access token"));
            }
        }
        match serde_json::to_value(claims) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(other("its claims are no object")),
        }
    }

    /// Finds out who it is; what the ID token does not say, the provider is asked for.
    async fn identity(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        mut claims: Map<String, Value>,
    ) -> Result<Identity> {
        let text = |claims: &Map<String, Value>, name: &str| {
            claims.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let nobody = || unauthenticated("the provider does not say who it is");
        let subject = text(&claims, "sub").ok_or_else(nobody)?;
        if !claims.contains_key(&self.settings.groups_claim)
            && let Some(address) = metadata.userinfo_endpoint()
        {
            let info = self.user_info(address.url(), tokens.access_token().secret()).await?;
            // An answer about somebody else is an attack, or a mistake as bad.
            if text(&info, "sub").as_deref() != Some(&subject) {
                return Err(unauthenticated("the provider told about somebody else"));
            }
            for (name, value) in info {
                claims.entry(name).or_insert(value);
            }
        }
        let groups = match claims.get(&self.settings.groups_claim) {
            Some(Value::Array(all)) => {
                all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(Value::String(one)) => vec![one.clone()],
            _ => Vec::new(),
        };
        let named = ["preferred_username", "email", "name"];
        let name = named.iter().find_map(|claim| text(&claims, claim));
        let name = shown(&name.unwrap_or_else(|| subject.clone()));
        Ok(Identity { subject, name, groups })
    }

    async fn user_info(&self, address: &Url, token: &str) -> Result<Map<String, Value>> {
        let mut headers = HeaderMap::new();
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| unauthenticated("the provider's access token is no header"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.http.0.send(Method::GET, address, &headers, Bytes::new()).await;
        let answer = answer.map_err(|e| self.unreachable(&e))?;
        if !answer.is_success() {
            let message = format!("the provider's user info answered {}", answer.status);
            return Err(unauthenticated(message));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| unauthenticated("the provider's user info is no JSON object"))
    }

    /// Returns what the provider says of itself, read at most `age` ago. Where it cannot be read, what
    /// was read before holds.
    async fn metadata(&self, age: Duration) -> Result<Arc<Metadata>> {
        let mut found = self.found.lock().await;
        let now = self.clock.monotonic();
        if let Some(Found { metadata, at }) = &*found
            && now.saturating_sub(*at) < age
        {
            return Ok(Arc::clone(metadata));
        }
        let read = Metadata::discover_async(self.issuer.clone(), &self.http).await;
        match (read, &*found) {
            (Ok(read), _) => {
                let metadata = Arc::new(read);
                *found = Some(Found { metadata: Arc::clone(&metadata), at: now });
                Ok(metadata)
            }
            (Err(error), Some(Found { metadata, .. })) => {
                warn!(error = %chain(&error), "the provider of logins cannot be read again");
                Ok(Arc::clone(metadata))
            }
            (Err(DiscoveryError::Request(error)), None) => Err(self.unreachable(&error)),
            (Err(error), None) => Err(self.down(&error)),
        }
    }

    fn protocol(&self, metadata: &Metadata, redirect: &str) -> Result<Protocol> {
        let secret = self.settings.client_secret.as_ref().map(Secret::read).transpose();
        let secret = secret.context("read auth.oidc.client_secret")?.map(ClientSecret::new);
        let redirect = RedirectUrl::new(redirect.to_owned());
        let redirect = redirect.map_err(|e| Error::invalid("come back").with_source(e))?;
        let id = ClientId::new(self.settings.client_id.clone());
        let protocol = Protocol::from_provider_metadata(metadata.clone(), id, secret);
        Ok(protocol.set_redirect_uri(redirect))
    }

    fn unreachable(&self, error: &Error) -> Error {
        let issuer = self.issuer.as_str();
        warn!(issuer, error = %error.message(), "the provider of logins does not answer");
        let message = format!("the provider at {issuer} does not answer: {}", error.message());
        Error::unavailable(shown(&message), Duration::from_secs(5))
    }

    fn down(&self, error: &dyn std::error::Error) -> Error {
        let issuer = self.issuer.as_str();
        let error = chain(error);
        warn!(issuer, error, "the provider of logins cannot be understood");
        let message = format!("the provider at {issuer} cannot be understood: {error}");
        Error::unavailable(shown(&message), Duration::from_secs(5))
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }
}

fn unauthenticated(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}

/// Joins an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Cuts text of others to what may be shown: one line, not long.
fn shown(text: &str) -> String {
    let line = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
