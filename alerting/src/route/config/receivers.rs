//! What the supported receivers are configured with: templates as text, secrets unread, defaults and
//! globals filled in.

use std::collections::BTreeMap;
use std::time::Duration;

use tarn_model::secret::Secret;

use super::http::{HttpConfig, TlsConfig};

/// A Slack channel, reached by an incoming webhook (`api_url`) or as a bot (`app_token`).
#[derive(Debug, Clone)]
pub struct SlackConfig {
    /// How to reach it.
    pub http: HttpConfig,
    /// Incoming webhook, or an API that takes `chat.postMessage`. A secret: who knows it may post.
    pub api_url: Option<Secret>,
    /// Token of a bot; then messages go to `app_url`.
    pub app_token: Option<Secret>,
    /// Where a bot posts.
    pub app_url: String,
    /// Channel or user, a template.
    pub channel: String,
    /// Name of the sender, a template.
    pub username: String,
    /// Bar at the side, a template.
    pub color: String,
    /// Headline, a template.
    pub title: String,
    /// Where the headline leads, a template.
    pub title_link: String,
    /// Text above the attachment, a template.
    pub pretext: String,
    /// Text, a template.
    pub text: String,
    /// Text of the message itself, outside the attachment, a template.
    pub message_text: String,
    /// Fields.
    pub fields: Vec<SlackField>,
    /// Whether fields that do not say are short.
    pub short_fields: bool,
    /// Last line, a template.
    pub footer: String,
    /// What clients show that cannot show attachments, a template.
    pub fallback: String,
    /// Handed back by buttons, a template.
    pub callback_id: String,
    /// Icon of the sender, a template.
    pub icon_emoji: String,
    /// Icon of the sender, a template.
    pub icon_url: String,
    /// A picture, a template.
    pub image_url: String,
    /// A small picture, a template.
    pub thumb_url: String,
    /// Whether names of channels and users become links.
    pub link_names: bool,
    /// Parts of the attachment that are written in mrkdwn.
    pub mrkdwn_in: Vec<String>,
    /// Buttons.
    pub actions: Vec<SlackAction>,
    /// How long a call may take.
    pub timeout: Option<Duration>,
    /// Edit one message per group instead of posting anew; only as a bot.
    pub update_message: bool,
}

/// A field of a Slack attachment.
#[derive(Debug, Clone, Default)]
pub struct SlackField {
    /// Title, a template.
    pub title: String,
    /// Text, a template.
    pub value: String,
    /// Whether it may stand beside another.
    pub short: Option<bool>,
}

/// A button of a Slack attachment.
#[derive(Debug, Clone, Default)]
pub struct SlackAction {
    /// `button`, a template.
    pub kind: String,
    /// What stands on it, a template.
    pub text: String,
    /// Where it leads, a template.
    pub url: String,
    /// Looks, a template.
    pub style: String,
    /// Name, a template.
    pub name: String,
    /// Value, a template.
    pub value: String,
    /// What is asked before.
    pub confirm: Option<SlackConfirm>,
}

/// The question before a button acts.
#[derive(Debug, Clone, Default)]
pub struct SlackConfirm {
    /// Headline, a template.
    pub title: String,
    /// Question, a template.
    pub text: String,
    /// Yes, a template.
    pub ok_text: String,
    /// No, a template.
    pub dismiss_text: String,
}

/// A PagerDuty service.
#[derive(Debug, Clone)]
pub struct PagerDutyConfig {
    /// How to reach it.
    pub http: HttpConfig,
    /// Integration key of the Events API v2.
    pub routing_key: Option<Secret>,
    /// Integration key of the Events API v1.
    pub service_key: Option<Secret>,
    /// Where events go.
    pub url: String,
    /// Name of the client, a template.
    pub client: String,
    /// Where the client is, a template.
    pub client_url: String,
    /// Summary, a template.
    pub description: String,
    /// Details: templates, the default ones included. Values that are no text are JSON.
    pub details: BTreeMap<String, String>,
    /// Pictures.
    pub images: Vec<PagerDutyImage>,
    /// Links.
    pub links: Vec<PagerDutyLink>,
    /// What is affected, a template.
    pub source: String,
    /// How bad it is, a template.
    pub severity: String,
    /// Class of the event, a template.
    pub class: String,
    /// Part of the source, a template.
    pub component: String,
    /// Group of parts, a template.
    pub group: String,
    /// How long a call may take.
    pub timeout: Option<Duration>,
}

/// A picture in an incident.
#[derive(Debug, Clone, Default)]
pub struct PagerDutyImage {
    /// Where it is, a template.
    pub src: String,
    /// Words for it, a template.
    pub alt: String,
    /// Where it leads, a template.
    pub href: String,
}

/// A link in an incident.
#[derive(Debug, Clone, Default)]
pub struct PagerDutyLink {
    /// Where it leads, a template.
    pub href: String,
    /// Words for it, a template.
    pub text: String,
}

/// Mail.
#[derive(Debug, Clone)]
pub struct EmailConfig {
    /// Recipients, with commas between, a template.
    pub to: String,
    /// Sender, a template.
    pub from: String,
    /// Name we greet with.
    pub hello: String,
    /// Host and port of the server.
    pub smarthost: (String, u16),
    /// User.
    pub auth_username: String,
    /// Password.
    pub auth_password: Option<Secret>,
    /// Secret of CRAM-MD5.
    pub auth_secret: Option<Secret>,
    /// Identity of PLAIN.
    pub auth_identity: String,
    /// Headers, templates; names as in `Content-Type`. `Subject`, `To` and `From` are filled in.
    pub headers: BTreeMap<String, String>,
    /// Body as HTML, a template; empty: none.
    pub html: String,
    /// Body as text, a template; empty: none.
    pub text: String,
    /// Whether mail goes out only over TLS.
    pub require_tls: bool,
    /// TLS from the first byte: as written, else decided by the port (465).
    pub implicit_tls: Option<bool>,
    /// Certificates.
    pub tls: TlsConfig,
    /// Whether mails of one group form a thread, and if so whether a new one each day.
    pub threading: Option<ThreadBy>,
}

/// What mails of one group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadBy {
    /// The group.
    Group,
    /// The group and the day.
    Day,
}

/// A URL that takes the JSON of Alertmanager's webhooks, version 4.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// How to reach it.
    pub http: HttpConfig,
    /// Where to. A secret: URLs often hold tokens.
    pub url: Secret,
    /// Alerts beyond this number are left out and counted; 0: all are in.
    pub max_alerts: usize,
    /// How long a call may take.
    pub timeout: Option<Duration>,
    /// A body of one's own: JSON whose texts are templates.
    pub payload: Option<serde_json::Value>,
    /// What requests are signed with; a key that Alertmanager does not have.
    pub hmac: Option<Secret>,
}
