//! Slack: an incoming webhook, or a bot that edits one message per group.
//!
//! Slack answers 200 to what it refuses. A webhook says `ok` or an error in plain text; the API says
//! `{"ok": false, "error": …}`. Only what Slack calls passing is tried again: anything else would
//! fail for ever, and is told at once. A message that is refused for what is in it is sent once more
//! without pictures, then as bare text, because a page without a picture is better than none.

mod body;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use tarn_model::error::{Error, Result};

use self::body::{message, strip, without_images};
use super::endpoint::EndpointSpec;
use super::intent::Intent;
use super::limiter::RateLimit;
use super::outcome::{MessageRef, Outcome, Verdict};
use super::render::{Writer, summary};
use super::sender::{Caller, Context, Sender, judge, known_by};
use crate::egress::{Answer, fresh};
use crate::route::config::http::Auth;
use crate::route::config::{HttpConfig, SlackConfig};

/// Slack takes about one message per second and place, with short bursts.
const RATE: RateLimit = RateLimit { per_minute: 60, burst: 4 };
const PARALLEL: usize = 2;
/// Where a bot posts if nobody says.
const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";
/// Errors of Slack that pass.
const PASSING: [&str; 8] = [
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "rollup_error",
    "team_added_to_org",
    "accesslimited",
    "temporarily_unavailable",
];
/// Errors of Slack that ask for fewer messages.
const BUSY: [&str; 3] = ["rate_limited", "ratelimited", "message_limit_exceeded"];
/// Errors of Slack about what is in a message.
const CONTENT: [&str; 6] = [
    "invalid_blocks",
    "invalid_attachments",
    "msg_too_long",
    "msg_blocks_too_long",
    "too_many_attachments",
    "attachment_payload_limit_exceeded",
];
/// Errors of Slack about a message that cannot be changed; a new one can be posted.
const LOST: [&str; 5] = [
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "update_failed",
    "channel_not_found",
];

/// Sends to one webhook or as one bot.
#[derive(Debug)]
pub struct Slack {
    config: SlackConfig,
    caller: Caller,
    context: Context,
}

/// What Slack said.
struct Said {
    outcome: Outcome,
    /// The error, where it is one of Slack's words.
    error: Option<String>,
}

/// An answer of the API.
#[derive(Deserialize)]
struct ApiAnswer {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    channel: String,
}

impl Slack {
    /// Makes the sender of a configuration.
    pub fn new(config: &SlackConfig, context: &Context) -> Self {
        let http = match &config.app_token {
            Some(token) => HttpConfig {
                auth: Auth::Header {
                    scheme: "Bearer".to_owned(),
                    credentials: Some(token.clone()),
                },
                ..config.http.clone()
            },
            None => config.http.clone(),
        };
        let caller = Caller::new(&http, config.timeout, context);
        Self { config: config.clone(), caller, context: context.clone() }
    }

    async fn attempt(&self, intent: &Intent, known: Option<&MessageRef>) -> Result<Outcome> {
        let mut writer = Writer::new(&*self.context.render, &intent.flush);
        let mut message = message(&self.config, &mut writer);
        let known = known.filter(|_| self.config.app_token.is_some() && self.config.update_message);
        let mut said = self.send(&message, known).await?;
        if known.is_some() && said.is_one_of(&LOST) {
            said = self.send(&message, None).await?;
        }
        if said.is_one_of(&CONTENT) && without_images(&mut message) {
            said = self.send(&message, None).await?;
        }
        if said.is_one_of(&CONTENT) {
            strip(&mut message, &summary(&intent.flush));
            said = self.send(&message, None).await?;
        }
        let mut outcome = said.outcome;
        outcome.template_errors = writer.errors;
        Ok(outcome)
    }

    /// Posts a message, or changes a known one.
    async fn send(&self, message: &Value, known: Option<&MessageRef>) -> Result<Said> {
        let mut message = message.clone();
        let mut url = self.url()?;
        if let (Some(known), Some(fields)) = (known, message.as_object_mut()) {
            fields.insert("channel".to_owned(), known.channel.as_str().into());
            fields.insert("ts".to_owned(), known.ts.as_str().into());
            url = url.replace("chat.postMessage", "chat.update");
        }
        let body = serde_json::to_vec(&message)
            .map_err(|e| Error::invalid("write the message").with_source(e))?;
        let answer = self.caller.post(&url, &[], Bytes::from(body)).await?;
        Ok(said(&answer, self.context.now_ms()))
    }

    fn url(&self) -> Result<String> {
        match (&self.config.app_token, &self.config.api_url) {
            (Some(_), _) if self.config.app_url.is_empty() => Ok(POST_MESSAGE.to_owned()),
            (Some(_), _) => Ok(self.config.app_url.clone()),
            (None, Some(url)) => fresh::read(url),
            (None, None) => Err(Error::invalid("slack needs api_url or app_token")),
        }
    }
}

impl Sender for Slack {
    fn send<'a>(
        &'a self,
        intent: &'a Intent,
        message: Option<&'a MessageRef>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let sent = self.attempt(intent, message).await;
            sent.unwrap_or_else(|error| Outcome::failed(&error))
        })
    }

    fn endpoint(&self) -> EndpointSpec {
        let id = match (&self.config.app_token, &self.config.api_url) {
            (Some(token), _) => format!("slack:{}:{}", known_by(token), self.config.channel),
            (None, Some(url)) => format!("slack:{}", known_by(url)),
            (None, None) => "slack:nowhere".to_owned(),
        };
        EndpointSpec { id: id.into(), rate: Some(RATE), parallel: PARALLEL }
    }
}

impl Said {
    fn is_one_of(&self, errors: &[&str]) -> bool {
        self.error.as_deref().is_some_and(|error| errors.contains(&error))
    }
}

/// Judges an answer by its body: the status says little.
fn said(answer: &Answer, now_ms: i64) -> Said {
    let text = answer.text();
    let api = serde_json::from_slice::<ApiAnswer>(&answer.body).ok();
    if answer.is_success() && text.trim() == "ok" {
        return Said { outcome: Outcome::delivered(Some(answer.status), "ok"), error: None };
    }
    if let Some(api) = api.as_ref().filter(|api| api.ok && answer.is_success()) {
        let mut outcome = Outcome::delivered(Some(answer.status), "ok");
        let message = (!api.ts.is_empty() && !api.channel.is_empty())
            .then(|| MessageRef { channel: api.channel.clone(), ts: api.ts.clone() });
        outcome.verdict = Verdict::Delivered { message };
        return Said { outcome, error: None };
    }
    let error = api.map_or_else(|| text.trim().to_owned(), |api| api.error);
    let status = Some(answer.status);
    let outcome = match (answer.status, &*error) {
        (_, error) if BUSY.contains(&error) => {
            Outcome::busy(status, error, answer.retry_after(now_ms))
        }
        (_, error) if PASSING.contains(&error) => {
            Outcome::transient(status, error, answer.retry_after(now_ms))
        }
        (200..=299, "") => Outcome::permanent(status, "an empty answer where ok was expected"),
        (200..=299, error) => Outcome::permanent(status, error),
        _ => judge(answer, now_ms),
    };
    Said { outcome, error: Some(error) }
}

#[cfg(test)]
mod tests;
