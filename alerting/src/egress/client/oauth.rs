//! OAuth 2.0 tokens for client credentials, kept until shortly before they expire.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use serde::Deserialize;
use tarn_model::error::{Error, Result};
use tarn_model::secret::Secret;
use tarn_model::time::Clock;
use url::Url;

use super::{Fresh, failure, read};

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(30);
/// For tokens that do not say how long they are good.
const LIFETIME: Duration = Duration::from_secs(300);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where tokens come from, and for whom.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// Who asks.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where to ask.
    pub token_url: Url,
    /// What for.
    pub scopes: Vec<String>,
    /// Further parameters.
    pub params: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Tokens {
    options: OAuth2,
    secret: Fresh,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<Token>>,
}

struct Token {
    until: Duration,
    text: Arc<str>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("until", &self.until).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

impl Tokens {
    pub(super) fn new(options: &OAuth2, clock: &Arc<dyn Clock>) -> Self {
        let secret = Fresh::new(options.client_secret.clone(), Arc::clone(clock));
        Self { options: options.clone(), secret, clock: Arc::clone(clock), token: Mutex::default() }
    }

    pub(super) fn url(&self) -> &Url {
        &self.options.token_url
    }

    pub(super) fn forget(&self) {
        self.secret.forget();
        *self.token.lock() = None;
    }

    pub(super) async fn token(&self, client: &reqwest::Client) -> Result<Arc<str>> {
        let now = self.clock.monotonic();
        if let Some(token) = self.token.lock().as_ref().filter(|token| now < token.until) {
            return Ok(Arc::clone(&token.text));
        }
        let granted = self.ask(client).await?;
        let lifetime = granted.expires_in.map_or(LIFETIME, Duration::from_secs);
        let text: Arc<str> = granted.access_token.into();
        let until = now + lifetime.saturating_sub(MARGIN);
        *self.token.lock() = Some(Token { until, text: Arc::clone(&text) });
        Ok(text)
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.options.scopes.is_empty() {
            form.append_pair("scope", &self.options.scopes.join(" "));
        }
        form.extend_pairs(&self.options.params);
        form.finish()
    }

    async fn ask(&self, client: &reqwest::Client) -> Result<Granted> {
        let OAuth2 { client_id, token_url, .. } = &self.options;
        let secret = self.secret.get()?;
        let request = client
            .post(token_url.clone())
            .basic_auth(client_id, Some(&secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form());
        let answer = read(request.send().await.map_err(failure)?, ANSWER_BYTES_MAX).await?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map_err(|e| Error::invalid("read the token").with_source(e)),
            429 | 500.. => {
                let message = format!("answered {}", answer.status);
                Err(Error::unavailable(message, super::RETRY))
            }
            status => Err(Error::invalid(format!("answered {status}"))),
        }
    }
}
