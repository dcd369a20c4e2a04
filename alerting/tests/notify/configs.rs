//! Configurations as the file would give them.

use std::collections::BTreeMap;
use std::time::Duration;

use tarn_alerting::route::config::http::TlsConfig;
use tarn_alerting::route::config::receivers::{SlackAction, SlackField};
use tarn_alerting::route::config::{
    EmailConfig, HttpConfig, PagerDutyConfig, SlackConfig, WebhookConfig,
};
use tarn_model::secret::Secret;

/// Short, because a test waits for it.
const TIMEOUT: Option<Duration> = Some(Duration::from_millis(400));

pub(crate) fn secret(value: &str) -> Secret {
    Secret::fixed("inline", value)
}

pub(crate) fn webhook(url: &str) -> WebhookConfig {
    WebhookConfig {
        http: HttpConfig::default(),
        url: secret(url),
        max_alerts: 0,
        timeout: TIMEOUT,
        payload: None,
        hmac: None,
    }
}

pub(crate) fn slack(url: &str) -> SlackConfig {
    SlackConfig {
        http: HttpConfig::default(),
        api_url: Some(secret(url)),
        app_token: None,
        app_url: String::new(),
        channel: "#alerts".to_owned(),
        username: "tarn".to_owned(),
        color: "{{color}}".to_owned(),
        title: "{{summary}}".to_owned(),
        title_link: "http://tarn/alerts".to_owned(),
        pretext: String::new(),
        text: "it is {{status}}".to_owned(),
        message_text: String::new(),
        fields: vec![SlackField {
            title: "where".to_owned(),
            value: "{{group}}".to_owned(),
            short: None,
        }],
        short_fields: true,
        footer: String::new(),
        fallback: "{{summary}}".to_owned(),
        callback_id: String::new(),
        icon_emoji: ":bell:".to_owned(),
        icon_url: String::new(),
        image_url: "http://pictures/1.png".to_owned(),
        thumb_url: String::new(),
        link_names: false,
        mrkdwn_in: Vec::new(),
        actions: vec![SlackAction {
            kind: "button".to_owned(),
            text: "runbook".to_owned(),
            url: "http://runbook".to_owned(),
            ..SlackAction::default()
        }],
        timeout: TIMEOUT,
        update_message: false,
    }
}

pub(crate) fn bot(url: &str) -> SlackConfig {
    SlackConfig {
        api_url: None,
        app_token: Some(secret("xoxb-token")),
        app_url: url.to_owned(),
        update_message: true,
        image_url: String::new(),
        ..slack("")
    }
}

pub(crate) fn pagerduty(url: &str) -> PagerDutyConfig {
    PagerDutyConfig {
        http: HttpConfig::default(),
        routing_key: Some(secret("0123456789abcdef0123456789abcdef")),
        service_key: None,
        url: url.to_owned(),
        client: "Tarn".to_owned(),
        client_url: "http://tarn".to_owned(),
        description: "{{summary}}".to_owned(),
        details: BTreeMap::from([
            ("firing".to_owned(), "{{group}}".to_owned()),
            ("structured".to_owned(), r#"{"a": [1, 2]}"#.to_owned()),
        ]),
        images: Vec::new(),
        links: Vec::new(),
        source: "{{group}}".to_owned(),
        severity: "critical".to_owned(),
        class: String::new(),
        component: "api".to_owned(),
        group: String::new(),
        timeout: TIMEOUT,
    }
}

pub(crate) fn email(host: &str, port: u16) -> EmailConfig {
    EmailConfig {
        to: "ops@example.org, second@example.org".to_owned(),
        from: "Tarn <tarn@example.org>".to_owned(),
        hello: "localhost".to_owned(),
        smarthost: (host.to_owned(), port),
        auth_username: String::new(),
        auth_password: None,
        auth_secret: None,
        auth_identity: String::new(),
        headers: BTreeMap::from([
            ("Subject".to_owned(), "{{summary}}\nBcc: everybody@example.org".to_owned()),
            ("X-Team".to_owned(), "ops".to_owned()),
        ]),
        html: "<b>{{group}}</b>".to_owned(),
        text: "it is {{status}}".to_owned(),
        require_tls: false,
        implicit_tls: None,
        tls: TlsConfig::default(),
        threading: None,
    }
}
