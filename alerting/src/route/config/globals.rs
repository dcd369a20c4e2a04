//! The section `global`: what receivers take that do not say themselves.

use std::time::Duration;

use tarn_model::secret::Secret;

use super::http::{HttpConfig, TlsConfig};
use super::schema::{self, check};
use super::section::{Context, Section};
use super::{connection, yaml::At};

/// What receivers inherit.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) resolve_timeout: Option<Duration>,
    pub(super) http: HttpConfig,
    pub(super) slack_api_url: Option<Secret>,
    pub(super) slack_app_token: Option<Secret>,
    pub(super) slack_app_url: Option<String>,
    pub(super) pagerduty_url: Option<String>,
    pub(super) smtp: Smtp,
    /// Keys of kinds that are only checked.
    pub(super) written: Vec<&'static str>,
}

/// What mail inherits.
#[derive(Debug, Default)]
pub(super) struct Smtp {
    pub(super) from: Option<String>,
    pub(super) hello: Option<String>,
    pub(super) smarthost: Option<(String, u16)>,
    pub(super) auth_username: Option<String>,
    pub(super) auth_password: Option<Secret>,
    pub(super) auth_secret: Option<Secret>,
    pub(super) auth_identity: Option<String>,
    pub(super) require_tls: Option<bool>,
    pub(super) implicit_tls: Option<bool>,
    pub(super) tls: TlsConfig,
}

impl Globals {
    /// Reads the section; without one, all is as upstream has it.
    pub(super) fn read(context: &Context, section: Option<Section<'_>>) -> Self {
        let Some(mut section) = section else { return Self::default() };
        let slack_api_url = section.secret_url("slack_api_url", "slack_api_url_file");
        let slack_app_token = section.secret("slack_app_token", "slack_app_token_file");
        if slack_api_url.is_some() && slack_app_token.is_some() {
            let text = "at most one of slack_api_url & slack_app_token must be configured";
            context.error(section.place("slack_app_token"), text);
        }
        let globals = Self {
            resolve_timeout: section.duration("resolve_timeout"),
            http: connection::http(&mut section, "http_config").unwrap_or_default(),
            slack_api_url,
            slack_app_token,
            slack_app_url: section.url("slack_app_url"),
            pagerduty_url: section.url("pagerduty_url"),
            smtp: Smtp {
                from: section.text("smtp_from"),
                hello: section.text("smtp_hello"),
                smarthost: host_port(&mut section, "smtp_smarthost"),
                auth_username: section.text("smtp_auth_username"),
                auth_password: section.secret("smtp_auth_password", "smtp_auth_password_file"),
                auth_secret: section.secret("smtp_auth_secret", "smtp_auth_secret_file"),
                auth_identity: section.text("smtp_auth_identity"),
                require_tls: section.flag("smtp_require_tls"),
                implicit_tls: section.flag("smtp_force_implicit_tls"),
                tls: connection::tls(&mut section, "smtp_tls_config").unwrap_or_default(),
            },
            written: schema::GLOBAL
                .iter()
                .map(|key| key.name())
                .filter(|name| section.has(name))
                .collect(),
        };
        check(&mut section, schema::GLOBAL);
        section.finish();
        globals
    }
}

/// Reads `host:port`.
pub(super) fn host_port(section: &mut Section<'_>, key: &'static str) -> Option<(String, u16)> {
    let text = section.text(key).filter(|text| !text.is_empty())?;
    let at: At = section.place(key);
    let split = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), port.parse::<u16>().ok()?))
    });
    if split.is_none() {
        let text = format!("{key} must be host:port, not {text:?}");
        section.context.error(at, text);
    }
    split
}
