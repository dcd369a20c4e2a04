//! A URL that takes the JSON of Alertmanager's webhooks, version 4.
//!
//! Every request carries its delivery's id as `Idempotency-Key`, the same for each attempt. With a
//! secret it carries a signature over time and body, as Grafana signs: hex of HMAC-SHA256 over
//! `timestamp ":" body`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderName;
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;
use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;

use super::endpoint::EndpointSpec;
use super::intent::Intent;
use super::outcome::{MessageRef, Outcome};
use super::render::Writer;
use super::sender::{Caller, Context, Sender, judge, known_by};
use crate::alert::{Alert, pairs};
use crate::egress::fresh;
use crate::route::Flush;
use crate::route::config::WebhookConfig;

/// The header of the delivery's id.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of the signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-grafana-alerting-signature");
/// The header of the time, in seconds, that the signature covers.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("x-tarn-timestamp");
/// Deliveries on their way at once.
const PARALLEL: usize = 8;

/// Sends to one URL.
#[derive(Debug)]
pub struct Webhook {
    config: WebhookConfig,
    caller: Caller,
    context: Context,
}

impl Webhook {
    /// Makes the sender of a configuration.
    pub fn new(config: &WebhookConfig, context: &Context) -> Self {
        let caller = Caller::new(&config.http, config.timeout, context);
        Self { config: config.clone(), caller, context: context.clone() }
    }

    async fn attempt(&self, intent: &Intent) -> Result<Outcome> {
        let mut writer = Writer::new(&*self.context.render, &intent.flush);
        let body = match &self.config.payload {
            Some(payload) => serde_json::to_vec(&written(payload, &mut writer)),
            None => serde_json::to_vec(&Message::of(
                &intent.flush,
                self.config.max_alerts,
                &self.context.external_url,
            )),
        };
        let body = body.map_err(|e| Error::invalid("write the body").with_source(e))?;
        let now_ms = self.context.now_ms();
        let mut headers = vec![(IDEMPOTENCY_KEY, intent.id.to_string())];
        if let Some(secret) = &self.config.hmac {
            let timestamp = (now_ms / 1000).to_string();
            headers.push((SIGNATURE, signature(&fresh::read(secret)?, &timestamp, &body)?));
            headers.push((TIMESTAMP, timestamp));
        }
        let url = fresh::read(&self.config.url)?;
        let answer = self.caller.post(&url, &headers, Bytes::from(body)).await?;
        let mut outcome = judge(&answer, now_ms);
        outcome.template_errors = writer.errors;
        Ok(outcome)
    }
}

impl Sender for Webhook {
    fn send<'a>(&'a self, intent: &'a Intent, _: Option<&'a MessageRef>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            self.attempt(intent).await.unwrap_or_else(|error| Outcome::failed(&error))
        })
    }

    fn endpoint(&self) -> EndpointSpec {
        let id = format!("webhook:{}", known_by(&self.config.url));
        EndpointSpec { id: id.into(), rate: None, parallel: PARALLEL }
    }
}

/// Signs a body at a time.
fn signature(secret: &str, timestamp: &str, body: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|e| Error::invalid("sign the body").with_source(e))?;
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    Ok(hex(&mac.finalize().into_bytes()))
}

/// Prints bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the templates in a body of one's own.
fn written(value: &Value, writer: &mut Writer<'_>) -> Value {
    match value {
        Value::String(template) => Value::String(writer.summary("payload", template)),
        Value::Array(values) => values.iter().map(|value| written(value, writer)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), written(value, writer))).collect()
        }
        other => other.clone(),
    }
}

/// The body, in the order in which Alertmanager writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<AlertBody<'a>>,
    #[serde(rename = "notification_reason")]
    notification_reason: &'static str,
    #[serde(with = "pairs")]
    group_labels: LabelSet,
    #[serde(with = "pairs")]
    common_labels: LabelSet,
    #[serde(with = "pairs")]
    common_annotations: LabelSet,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    #[serde(with = "pairs")]
    route_labels: LabelSet,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertBody<'a> {
    status: &'static str,
    #[serde(with = "pairs")]
    labels: LabelSet,
    #[serde(with = "pairs")]
    annotations: LabelSet,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

impl<'a> Message<'a> {
    fn of(flush: &'a Flush, max_alerts: usize, external_url: &'a str) -> Self {
        let all = &flush.alerts;
        let shown = match max_alerts {
            0 => all,
            max => all.get(..max).unwrap_or(all),
        };
        let firing = shown.iter().any(|alert| !alert.is_resolved(flush.at_ms));
        Self {
            receiver: quoted(&flush.receiver),
            status: status(firing),
            alerts: shown.iter().map(|alert| AlertBody::of(alert, flush.at_ms)).collect(),
            notification_reason: flush.reason.as_str(),
            group_labels: flush.group_labels.clone(),
            common_labels: common(shown.iter().map(|alert| &alert.labels)),
            common_annotations: common(shown.iter().map(|alert| &alert.annotations)),
            external_url,
            route_labels: flush.route_labels.clone(),
            version: "4",
            group_key: &flush.group_key,
            truncated_alerts: all.len() - shown.len(),
        }
    }
}

impl<'a> AlertBody<'a> {
    fn of(alert: &'a Alert, at_ms: i64) -> Self {
        let resolved = alert.is_resolved(at_ms);
        Self {
            status: status(!resolved),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: time(alert.starts_ms),
            // Alertmanager writes Go's zero time for what has not ended.
            ends_at: if resolved { time(alert.ends_ms) } else { NO_TIME.to_owned() },
            generator_url: &alert.generator_url,
            fingerprint: alert.fingerprint().to_string(),
        }
    }
}

const NO_TIME: &str = "0001-01-01T00:00:00Z";

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

fn time(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms);
    at.map_or_else(|_| NO_TIME.to_owned(), |at| at.to_string())
}

/// Returns the labels that all sets have with the same value.
fn common<'a>(mut sets: impl Iterator<Item = &'a LabelSet>) -> LabelSet {
    let Some(first) = sets.next() else { return LabelSet::default() };
    let mut left: BTreeMap<&str, &Arc<str>> =
        first.iter().map(|label| (&*label.name, &label.value)).collect();
    for set in sets {
        left.retain(|name, value| set.get(name) == Some(&***value));
    }
    first.filtered(|label| left.contains_key(&*label.name))
}

/// Quotes what means something in a regex: Alertmanager's templates and bodies have the name of the
/// receiver so.
fn quoted(name: &str) -> String {
    let mut quoted = String::new();
    for c in name.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

#[cfg(test)]
mod tests;
