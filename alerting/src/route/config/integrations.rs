//! The section `receivers`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::globals::{Globals, host_port};
use super::receivers::{
    EmailConfig, PagerDutyConfig, PagerDutyImage, PagerDutyLink, SlackAction, SlackConfig,
    SlackConfirm, SlackField, ThreadBy, WebhookConfig,
};
use super::section::Section;
use super::yaml::{Node, Value};
use super::{Integration, Kind, Receiver, connection, schema};

/// Where a bot posts, and the only address at which messages can be edited.
const SLACK_API: &str = "https://slack.com/api/chat.postMessage";
const PAGERDUTY_API: &str = "https://events.pagerduty.com/v2/enqueue";

/// Reads a receiver.
pub(super) fn receiver(mut section: Section<'_>, globals: &Globals, strict: bool) -> Receiver {
    let name = section.text_or("name", "");
    let mut integrations = Vec::new();
    let mut add = |list: Vec<(Kind, bool)>| {
        for (index, (kind, send_resolved)) in list.into_iter().enumerate() {
            integrations.push(Integration { kind, index, send_resolved });
        }
    };
    // Upstream's order, in which the integrations of a receiver are told.
    add(each(&mut section, "webhook_configs", globals, true, webhook));
    add(each(&mut section, "email_configs", globals, false, email));
    add(each(&mut section, "pagerduty_configs", globals, true, pagerduty));
    add(each(&mut section, "slack_configs", globals, false, slack));
    for schema in schema::KINDS {
        add(checked(&mut section, schema, globals, strict));
    }
    section.finish();
    Receiver { name: name.into(), integrations }
}

fn each(
    section: &mut Section<'_>,
    list: &'static str,
    globals: &Globals,
    send_resolved: bool,
    read: fn(&mut Section<'_>, &Globals) -> Kind,
) -> Vec<(Kind, bool)> {
    let mut found = Vec::new();
    for mut one in section.sections(list) {
        let send_resolved = one.flag("send_resolved").unwrap_or(send_resolved);
        found.push((read(&mut one, globals), send_resolved));
        one.finish();
    }
    found
}

fn checked(
    section: &mut Section<'_>,
    schema: &'static schema::Schema,
    globals: &Globals,
    strict: bool,
) -> Vec<(Kind, bool)> {
    let mut found = Vec::new();
    for mut one in section.sections(schema.list) {
        let send_resolved = one.flag("send_resolved").unwrap_or(schema.send_resolved);
        schema::check(&mut one, schema.fields);
        schema::require(&one, schema, &globals.written);
        let text = format!(
            "{} cannot be notified yet; what is routed here becomes a dead letter",
            schema.kind
        );
        if strict {
            one.context.error(one.at, text);
        } else {
            one.context.warn(one.at, text);
        }
        one.finish();
        found.push((Kind::Unsupported(schema.kind), send_resolved));
    }
    found
}

fn timeout(section: &mut Section<'_>) -> Option<Duration> {
    section.duration("timeout").filter(|timeout| !timeout.is_zero())
}

/// The default of a key: a template that is shipped.
fn template(name: &str) -> String {
    format!("{{{{ template \"{name}\" . }}}}")
}

fn slack(section: &mut Section<'_>, globals: &Globals) -> Kind {
    let mut api_url = section.secret_url("api_url", "api_url_file");
    let mut app_token = section.secret("app_token", "app_token_file");
    if api_url.is_some() && app_token.is_some() {
        let text = "at most one of api_url/api_url_file & app_token/app_token_file must be \
                    configured";
        section.error(text);
    }
    let inline = section.get("api_url").and_then(Value::text).unwrap_or_default();
    let posts = inline == SLACK_API;
    let written = api_url.is_some() || section.has("api_url");
    if !written && app_token.is_none() {
        api_url = globals.slack_api_url.clone();
        app_token = globals.slack_app_token.clone();
        if api_url.is_none() && app_token.is_none() {
            section.error("no global Slack API URL or app token set either inline or in a file");
        }
    }
    let app_url = section.url("app_url").or_else(|| globals.slack_app_url.clone());
    let update_message = updates(section, posts || app_token.is_some());
    let (fields, actions) = (slack_fields(section), slack_actions(section));
    let http = connection::http(section, "http_config").unwrap_or_else(|| globals.http.clone());
    let mut text = |key: &'static str, default: &str| {
        section.text(key).unwrap_or_else(|| match default {
            "" => String::new(),
            name => template(name),
        })
    };
    let mut config = SlackConfig {
        http,
        api_url,
        app_token,
        app_url: app_url.unwrap_or_else(|| SLACK_API.to_owned()),
        channel: text("channel", ""),
        username: text("username", "slack.default.username"),
        color: String::new(),
        title: text("title", "slack.default.title"),
        title_link: text("title_link", "slack.default.titlelink"),
        pretext: text("pretext", "slack.default.pretext"),
        text: text("text", "slack.default.text"),
        message_text: text("message_text", ""),
        fields,
        short_fields: false,
        footer: text("footer", "slack.default.footer"),
        fallback: text("fallback", "slack.default.fallback"),
        callback_id: text("callback_id", "slack.default.callbackid"),
        icon_emoji: text("icon_emoji", "slack.default.iconemoji"),
        icon_url: text("icon_url", "slack.default.iconurl"),
        image_url: text("image_url", ""),
        thumb_url: text("thumb_url", ""),
        link_names: false,
        mrkdwn_in: vec!["fallback".to_owned(), "pretext".to_owned(), "text".to_owned()],
        actions,
        timeout: None,
        update_message,
    };
    let color = r#"{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}"#;
    config.color = section.text_or("color", color);
    config.short_fields = section.flag("short_fields").unwrap_or(false);
    config.link_names = section.flag("link_names").unwrap_or(false);
    config.timeout = timeout(section);
    if let Some(parts) = section.texts("mrkdwn_in") {
        config.mrkdwn_in = parts.into_iter().map(|(_, part)| part).collect();
    }
    Kind::Slack(Box::new(config))
}

/// Reads whether one message is edited instead of posting anew.
fn updates(section: &mut Section<'_>, bot: bool) -> bool {
    let update = section.flag("update_message").unwrap_or(false);
    if update && !bot {
        let text = format!(
            "update_message can only be used with bot tokens: set app_token, or api_url to \
             {SLACK_API}"
        );
        section.context.error(section.place("update_message"), text);
    }
    update
}

fn slack_fields(section: &mut Section<'_>) -> Vec<SlackField> {
    let mut fields = Vec::new();
    for mut one in section.sections("fields") {
        let (title, value) = (one.text_or("title", ""), one.text_or("value", ""));
        for (key, text) in [("title", &title), ("value", &value)] {
            if text.is_empty() {
                one.error(format!("missing {key} in Slack field configuration"));
            }
        }
        fields.push(SlackField { title, value, short: one.flag("short") });
        one.finish();
    }
    fields
}

fn slack_actions(section: &mut Section<'_>) -> Vec<SlackAction> {
    let mut actions = Vec::new();
    for mut one in section.sections("actions") {
        let confirm = one.section("confirm").map(|mut confirm| {
            if !confirm.has("text") {
                confirm.error("missing text in Slack confirmation configuration");
            }
            let question = SlackConfirm {
                title: confirm.text_or("title", ""),
                text: confirm.text_or("text", ""),
                ok_text: confirm.text_or("ok_text", ""),
                dismiss_text: confirm.text_or("dismiss_text", ""),
            };
            confirm.finish();
            question
        });
        let mut action = SlackAction {
            kind: one.text_or("type", ""),
            text: one.text_or("text", ""),
            url: one.text_or("url", ""),
            style: one.text_or("style", ""),
            name: one.text_or("name", ""),
            value: one.text_or("value", ""),
            confirm,
        };
        if action.kind.is_empty() || action.text.is_empty() {
            one.error("missing type or text in Slack action configuration");
        }
        if !action.url.is_empty() {
            action =
                SlackAction { name: String::new(), value: String::new(), confirm: None, ..action };
        } else if action.name.is_empty() {
            one.error("missing name or url in Slack action configuration");
        }
        one.finish();
        actions.push(action);
    }
    actions
}

fn pagerduty(section: &mut Section<'_>, globals: &Globals) -> Kind {
    let routing_key = section.secret("routing_key", "routing_key_file");
    let service_key = section.secret("service_key", "service_key_file");
    let keys = ["routing_key", "routing_key_file", "service_key", "service_key_file"];
    if !keys.iter().any(|key| section.has(key)) {
        section.error("missing service or routing key in PagerDuty config");
    }
    let client = section.text("client").unwrap_or_else(|| template("pagerduty.default.client"));
    let description = template("pagerduty.default.description");
    let client_url = template("pagerduty.default.clientURL");
    let source = section.text("source").filter(|text| !text.is_empty());
    let url = section.url("url").or_else(|| globals.pagerduty_url.clone());
    let config = PagerDutyConfig {
        http: connection::http(section, "http_config").unwrap_or_else(|| globals.http.clone()),
        routing_key,
        service_key,
        url: url.unwrap_or_else(|| PAGERDUTY_API.to_owned()),
        source: source.unwrap_or_else(|| client.clone()),
        client,
        client_url: section.text("client_url").unwrap_or(client_url),
        description: section.text("description").unwrap_or(description),
        details: details(section),
        images: images(section),
        links: links(section),
        severity: section.text_or("severity", ""),
        class: section.text_or("class", ""),
        component: section.text_or("component", ""),
        group: section.text_or("group", ""),
        timeout: timeout(section),
    };
    Kind::PagerDuty(Box::new(config))
}

/// The default details and what is written, which may be more than text.
fn details(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let defaults = [
        ("firing", r#"{{ template "pagerduty.default.instances" .Alerts.Firing }}"#),
        ("resolved", r#"{{ template "pagerduty.default.instances" .Alerts.Resolved }}"#),
        ("num_firing", "{{ .Alerts.Firing | len }}"),
        ("num_resolved", "{{ .Alerts.Resolved | len }}"),
    ];
    let defaults = defaults.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
    let mut details: BTreeMap<String, String> = defaults.collect();
    for (key, value) in section.map("details") {
        let text = match (value.text(), &value.node) {
            (Some(text), _) => text.to_owned(),
            (None, Node::Null) => String::new(),
            (None, _) => value.json().to_string(),
        };
        details.insert(key.name.clone(), text);
    }
    details
}

fn images(section: &mut Section<'_>) -> Vec<PagerDutyImage> {
    let read = |mut one: Section<'_>| {
        let (src, alt) = (one.text_or("src", ""), one.text_or("alt", ""));
        let href = one.text_or("href", "");
        one.finish();
        PagerDutyImage { src, alt, href }
    };
    section.sections("images").into_iter().map(read).collect()
}

fn links(section: &mut Section<'_>) -> Vec<PagerDutyLink> {
    let read = |mut one: Section<'_>| {
        let (href, text) = (one.text_or("href", ""), one.text_or("text", ""));
        one.finish();
        PagerDutyLink { href, text }
    };
    section.sections("links").into_iter().map(read).collect()
}

fn webhook(section: &mut Section<'_>, globals: &Globals) -> Kind {
    let url = section.secret_url("url", "url_file");
    if url.is_none() && !section.has("url") && !section.has("url_file") {
        section.error("one of url or url_file must be configured");
    }
    let max_alerts = section.number("max_alerts").unwrap_or(0);
    if max_alerts < 0 {
        section.context.error(section.place("max_alerts"), "max_alerts must not be negative");
    }
    let missing = || tarn_model::secret::Secret::fixed("webhook_configs.url", "");
    Kind::Webhook(Box::new(WebhookConfig {
        http: connection::http(section, "http_config").unwrap_or_else(|| globals.http.clone()),
        url: url.unwrap_or_else(missing),
        max_alerts: usize::try_from(max_alerts).unwrap_or(0),
        timeout: timeout(section),
        payload: section.get("payload").map(Value::json),
        hmac: hmac(section),
    }))
}

/// Reads `hmac_config`, which Alertmanager does not have.
fn hmac(parent: &mut Section<'_>) -> Option<tarn_model::secret::Secret> {
    let mut section = parent.section("hmac_config")?;
    let secret = section.secret("secret", "secret_file");
    if secret.is_none() && !section.has("secret") && !section.has("secret_file") {
        section.error("one of secret or secret_file must be configured");
    }
    section.finish();
    secret
}

fn email(section: &mut Section<'_>, globals: &Globals) -> Kind {
    let smtp = &globals.smtp;
    let to = section.text_or("to", "");
    if to.is_empty() {
        section.error("missing to address in email config");
    }
    let from = section.text("from").filter(|text| !text.is_empty()).or_else(|| smtp.from.clone());
    if from.as_deref().is_none_or(str::is_empty) {
        section.error("no global SMTP from set");
    }
    let smarthost = host_port(section, "smarthost").or_else(|| smtp.smarthost.clone());
    if smarthost.is_none() && !section.has("smarthost") {
        section.error("no global SMTP smarthost set");
    }
    let from = from.unwrap_or_default();
    let headers = headers(section, &to, &from);
    let own = |text: Option<String>, global: &Option<String>| {
        text.filter(|text| !text.is_empty()).or_else(|| global.clone()).unwrap_or_default()
    };
    let password = section.secret("auth_password", "auth_password_file");
    let secret = section.secret("auth_secret", "auth_secret_file");
    let hello = own(section.text("hello"), &smtp.hello);
    let config = EmailConfig {
        to,
        from,
        hello: if hello.is_empty() { "localhost".to_owned() } else { hello },
        smarthost: smarthost.unwrap_or_default(),
        auth_username: own(section.text("auth_username"), &smtp.auth_username),
        auth_password: password.or_else(|| smtp.auth_password.clone()),
        auth_secret: secret.or_else(|| smtp.auth_secret.clone()),
        auth_identity: own(section.text("auth_identity"), &smtp.auth_identity),
        headers,
        html: section.text("html").unwrap_or_else(|| template("email.default.html")),
        text: section.text_or("text", ""),
        require_tls: section.flag("require_tls").or(smtp.require_tls).unwrap_or(true),
        implicit_tls: section.flag("force_implicit_tls").or(smtp.implicit_tls),
        tls: connection::tls(section, "tls_config").unwrap_or_else(|| smtp.tls.clone()),
        threading: threading(section),
    };
    let threads = config.threading.is_some();
    if threads && ["References", "In-Reply-To"].iter().any(|h| config.headers.contains_key(*h)) {
        section.error("threading conflicts with custom References or In-Reply-To headers");
    }
    Kind::Email(Box::new(config))
}

/// Header names are the same in any case; those a mail must have are filled in.
fn headers(section: &mut Section<'_>, to: &str, from: &str) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (at, name, text) in section.text_map("headers") {
        let name = canonical(&name);
        if headers.insert(name.clone(), text).is_some() {
            section.context.error(at, format!("duplicate header {name:?} in email config"));
        }
    }
    let subject = template("email.default.subject");
    for (name, text) in [("Subject", subject.as_str()), ("To", to), ("From", from)] {
        headers.entry(name.to_owned()).or_insert_with(|| text.to_owned());
    }
    headers
}

/// `content-TYPE` as `Content-Type`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let c = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = c == '-';
            c
        })
        .collect()
}

fn threading(section: &mut Section<'_>) -> Option<ThreadBy> {
    let mut threading = section.section("threading")?;
    let enabled = threading.flag("enabled").unwrap_or(false);
    let by = threading.text_or("thread_by_date", "daily");
    let at = threading.place("thread_by_date");
    let context = threading.context;
    threading.finish();
    let by = match by.as_str() {
        "none" => ThreadBy::Group,
        "daily" | "" => ThreadBy::Day,
        other => {
            let text = format!("threading.thread_by_date must be none or daily, not {other:?}");
            context.error(at, text);
            ThreadBy::Group
        }
    };
    enabled.then_some(by)
}
