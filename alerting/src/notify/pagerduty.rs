//! PagerDuty: the Events API, version 2, and version 1 for keys that are still of that kind.
//!
//! A group is an incident. Its key is the hash of the group's, so an event that is sent twice
//! changes nothing while the incident is open.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tarn_model::error::{Error, Result};

use super::endpoint::EndpointSpec;
use super::intent::Intent;
use super::limiter::RateLimit;
use super::outcome::{MessageRef, Outcome, Verdict};
use super::render::{Writer, cut};
use super::sender::{Caller, Context, Sender, judge, known_by};
use super::webhook::hex;
use crate::egress::fresh;
use crate::route::Flush;
use crate::route::config::PagerDutyConfig;

/// About 120 calls in any minute, those of a burst included.
const RATE: RateLimit = RateLimit { per_minute: 116, burst: 4 };
const PARALLEL: usize = 4;
/// How long to be quiet after a 429 that does not say.
const QUIET: Duration = Duration::from_secs(30);
/// What an event may weigh.
const EVENT_BYTES_MAX: usize = 512_000;
const SUMMARY_CHARS_MAX: usize = 1024;
/// Where events of version 1 go, whatever the configuration says for version 2.
const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
/// What PagerDuty takes; anything else is answered 400, and the page lost.
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

/// Sends to one service.
#[derive(Debug)]
pub struct PagerDuty {
    config: PagerDutyConfig,
    caller: Caller,
    context: Context,
}

impl PagerDuty {
    /// Makes the sender of a configuration.
    pub fn new(config: &PagerDutyConfig, context: &Context) -> Self {
        let caller = Caller::new(&config.http, config.timeout, context);
        Self { config: config.clone(), caller, context: context.clone() }
    }

    async fn attempt(&self, intent: &Intent) -> Result<Outcome> {
        let flush = &intent.flush;
        let mut writer = Writer::new(&*self.context.render, flush);
        let (url, mut event, v1) = match (&self.config.routing_key, &self.config.service_key) {
            (Some(key), _) => {
                let key = fresh::read(key)?;
                (self.config.url.as_str(), self.event(&key, flush, &mut writer), false)
            }
            (None, Some(key)) => {
                (V1_URL, self.event_v1(&fresh::read(key)?, flush, &mut writer), true)
            }
            (None, None) => {
                return Err(Error::invalid("pagerduty needs routing_key or service_key"));
            }
        };
        let answer = self.caller.post(url, &[], encoded(&mut event)?).await?;
        let mut outcome = judge(&answer, self.context.now_ms());
        if let Verdict::Transient { retry_after: retry_after @ None, busy: true } =
            &mut outcome.verdict
        {
            *retry_after = Some(QUIET);
        }
        if v1 && answer.status == 403 {
            // Version 1 says so where version 2 says 429.
            outcome = Outcome::busy(Some(403), &answer.text(), Some(QUIET));
        }
        outcome.template_errors = writer.errors;
        Ok(outcome)
    }

    fn event(&self, key: &str, flush: &Flush, writer: &mut Writer<'_>) -> Value {
        let config = &self.config;
        let mut payload = Map::new();
        let summary = writer.summary("description", &config.description);
        let summary = if summary.trim().is_empty() { "alert".to_owned() } else { summary };
        put(&mut payload, "summary", cut(&summary, SUMMARY_CHARS_MAX));
        let source = writer.text_or("source", &config.source, || "tarn".to_owned());
        put(&mut payload, "source", if source.is_empty() { "tarn".to_owned() } else { source });
        put(&mut payload, "severity", self.severity(writer));
        put(&mut payload, "class", writer.text("class", &config.class));
        put(&mut payload, "component", writer.text("component", &config.component));
        put(&mut payload, "group", writer.text("group", &config.group));
        payload.insert("custom_details".to_owned(), self.details(writer));
        let mut event = Map::new();
        put(&mut event, "routing_key", key.trim().to_owned());
        put(&mut event, "event_action", action(flush).to_owned());
        put(&mut event, "dedup_key", dedup_key(&flush.group_key));
        put(&mut event, "client", writer.text("client", &config.client));
        put(&mut event, "client_url", writer.text("client_url", &config.client_url));
        event.insert("payload".to_owned(), payload.into());
        let images: Vec<Value> = config
            .images
            .iter()
            .filter_map(|image| {
                let src = writer.text("images.src", &image.src);
                (!src.is_empty()).then(|| {
                    json!({
                        "src": src,
                        "href": writer.text("images.href", &image.href),
                        "alt": writer.text("images.alt", &image.alt),
                    })
                })
            })
            .collect();
        let links: Vec<Value> = config
            .links
            .iter()
            .filter_map(|link| {
                let href = writer.text("links.href", &link.href);
                (!href.is_empty()).then(|| {
                    json!({
                        "href": href,
                        "text": writer.text("links.text", &link.text),
                    })
                })
            })
            .collect();
        event.insert("images".to_owned(), images.into());
        event.insert("links".to_owned(), links.into());
        event.into()
    }

    fn event_v1(&self, key: &str, flush: &Flush, writer: &mut Writer<'_>) -> Value {
        let description = writer.summary("description", &self.config.description);
        json!({
            "service_key": key.trim(),
            "event_type": action(flush),
            "incident_key": dedup_key(&flush.group_key),
            "description": cut(&description, SUMMARY_CHARS_MAX),
            "client": writer.text("client", &self.config.client),
            "client_url": writer.text("client_url", &self.config.client_url),
            "details": self.details(writer),
        })
    }

    fn severity(&self, writer: &mut Writer<'_>) -> String {
        let written = writer.text_or("severity", &self.config.severity, || "error".to_owned());
        let severity = written.trim().to_lowercase();
        match &*severity {
            known if SEVERITIES.contains(&known) => severity,
            "" => "error".to_owned(),
            "warn" => "warning".to_owned(),
            "information" | "informational" | "notice" => "info".to_owned(),
            "page" | "fatal" | "emergency" | "alert" => "critical".to_owned(),
            other => {
                let other = cut(other, 40);
                writer.errors.push(format!("severity: {other} is none that PagerDuty knows"));
                "error".to_owned()
            }
        }
    }

    /// Writes the details; text that is JSON stays JSON.
    fn details(&self, writer: &mut Writer<'_>) -> Value {
        let details = self.config.details.iter().map(|(name, template)| {
            let text = writer.text("details", template);
            let trimmed = text.trim_start();
            let structured = trimmed.starts_with(['{', '[']);
            let value = if structured { serde_json::from_str(trimmed).ok() } else { None };
            (name.clone(), value.unwrap_or(Value::String(text)))
        });
        details.collect::<Map<String, Value>>().into()
    }
}

impl Sender for PagerDuty {
    fn send<'a>(&'a self, intent: &'a Intent, _: Option<&'a MessageRef>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            self.attempt(intent).await.unwrap_or_else(|error| Outcome::failed(&error))
        })
    }

    fn endpoint(&self) -> EndpointSpec {
        let key = self.config.routing_key.as_ref().or(self.config.service_key.as_ref());
        let id = format!("pagerduty:{}", key.map(known_by).unwrap_or_default());
        EndpointSpec { id: id.into(), rate: Some(RATE), parallel: PARALLEL }
    }
}

/// Returns the name of a group's incident.
pub fn dedup_key(group_key: &str) -> String {
    hex(&Sha256::digest(group_key.as_bytes()))
}

fn action(flush: &Flush) -> &'static str {
    if flush.is_firing() { "trigger" } else { "resolve" }
}

/// Writes the event; what weighs too much goes without its details.
fn encoded(event: &mut Value) -> Result<Bytes> {
    let write = |event: &Value| {
        serde_json::to_vec(event).map_err(|e| Error::invalid("write the event").with_source(e))
    };
    let body = write(event)?;
    if body.len() <= EVENT_BYTES_MAX {
        return Ok(body.into());
    }
    let why = json!({ "error": format!(
        "the details were left out: the event weighed {} bytes, {EVENT_BYTES_MAX} are taken",
        body.len()
    ) });
    match event.get_mut("payload") {
        Some(payload) => payload["custom_details"] = why,
        None => event["details"] = why,
    }
    Ok(write(event)?.into())
}

fn put(fields: &mut Map<String, Value>, name: &str, text: String) {
    if !text.is_empty() {
        fields.insert(name.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests;
