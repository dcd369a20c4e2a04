//! An `alertmanager.yml`: routes, receivers, inhibitions, times.
//!
//! The file becomes a tree of text with positions, and every section reads the keys it knows from
//! it: what is left over is unknown, which is an error, and every mistake is told, not the first one
//! only. All keys of all eighteen kinds of receivers are read; kinds that cannot be notified yet are
//! a warning, or an error where `strict` is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::matcher::Matcher;

pub use self::http::HttpConfig;
pub use self::receivers::{EmailConfig, PagerDutyConfig, SlackConfig, WebhookConfig};
use super::interval::TimeInterval;
use super::tree::Tree;
use crate::problem::Problem;

mod connection;
mod globals;
pub mod http;
mod integrations;
mod intervals;
mod parse;
pub mod receivers;
mod routes;
mod schema;
mod section;
mod yaml;

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Config {
    /// When an alert ends that does not say, after it was told last.
    pub resolve_timeout: Duration,
    /// Template files: paths or globs, as written.
    pub templates: Vec<String>,
    /// The routes.
    pub tree: Tree,
    /// The receivers, in the order of the file.
    pub receivers: Vec<Arc<Receiver>>,
    /// Who keeps whom quiet.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Times by name.
    pub intervals: BTreeMap<Arc<str>, Vec<TimeInterval>>,
    /// The file as it may be shown: secrets are hidden.
    pub shown: String,
}

/// Whom to tell, and how.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    /// The ways it is told; all of them are used.
    pub integrations: Vec<Integration>,
}

/// One way to tell a receiver.
#[derive(Debug, Clone)]
pub struct Integration {
    /// Which way, with its settings.
    pub kind: Kind,
    /// Its index among those of its kind, in the receiver.
    pub index: usize,
    /// Whether it is told that alerts have ended.
    pub send_resolved: bool,
}

/// A way to tell somebody.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Slack.
    Slack(Box<SlackConfig>),
    /// PagerDuty.
    PagerDuty(Box<PagerDutyConfig>),
    /// Mail.
    Email(Box<EmailConfig>),
    /// A URL.
    Webhook(Box<WebhookConfig>),
    /// A kind that is read but cannot be notified.
    Unsupported(&'static str),
}

impl Kind {
    /// Returns the name, as in the key `<name>_configs`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::PagerDuty(_) => "pagerduty",
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Unsupported(name) => name,
        }
    }

    /// Returns whether a later message changes the earlier one instead of standing beside it.
    pub fn edits_in_place(&self) -> bool {
        match self {
            Self::Slack(slack) => slack.update_message,
            Self::PagerDuty(pagerduty) => pagerduty.routing_key.is_some(),
            Self::Email(_) | Self::Webhook(_) | Self::Unsupported(_) => false,
        }
    }
}

/// Alerts that keep others quiet.
#[derive(Debug, Clone)]
pub struct InhibitRule {
    /// For people.
    pub name: String,
    /// Every one of these must be there.
    pub sources: Vec<InhibitSource>,
    /// Whom it keeps quiet.
    pub target: Vec<Matcher>,
}

/// One condition of an [`InhibitRule`].
#[derive(Debug, Clone)]
pub struct InhibitSource {
    /// Which alerts.
    pub matchers: Vec<Matcher>,
    /// Labels that both must have the same value of.
    pub equal: Vec<Arc<str>>,
}

impl Config {
    /// Reads a file. Without a configuration, at least one of the problems is an error.
    pub fn parse(file: &str, text: &str, strict: bool) -> (Option<Self>, Vec<Problem>) {
        parse::parse(file, text, strict)
    }

    /// Returns the receiver with that name.
    pub fn receiver(&self, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers.iter().find(|receiver| &*receiver.name == name)
    }
}

#[cfg(test)]
mod tests;
