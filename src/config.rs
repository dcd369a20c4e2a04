//! What the operator decided, checked and with its origin.
//!
//! One table ([`keys`]) says which settings exist. [`load`] fills them in four rounds, each over the
//! one before: the table's defaults, `tarn.yaml`, `TARN_SECTION__KEY`, `--section.key`. It reports
//! everything that is wrong at once, with the file, line and column or the variable or flag it came
//! from. [`reference`] prints the same table for people, [`schema`] for programs.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tarn_ingest::OtlpMetrics;
use tarn_ingest::pipeline::span_metrics::Options as SpanMetrics;
use tarn_model::limits::Limits;
use tarn_storage::Options;
use tarn_ui::base::BasePath;

use crate::auth::oidc;
use crate::auth::sessions::Lives;
use crate::listen::Port;
use crate::listen::peer::Proxies;
use crate::telemetry::capture::Wants;
use crate::tls;

pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod overrides;
pub(crate) mod reference;
pub(crate) mod retention;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

/// Everything the server is told at its start. Made by [`load::load`] only.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) listen: Listen,
    pub(crate) people: People,
    pub(crate) ui: Ui,
    /// Of its limits those of [`Config::limits`] hold.
    pub(crate) storage: Options,
    /// Becomes the rules of [`Config::storage`].
    pub(crate) retention: retention::Retention,
    pub(crate) query: Query,
    pub(crate) tenants: Tenants,
    pub(crate) auth: Auth,
    pub(crate) alerting: tarn_alerting::Options,
    pub(crate) telemetry: Telemetry,
    pub(crate) audit: Audit,
    pub(crate) log: Log,
    pub(crate) shutdown: Shutdown,
    pub(crate) limits: Limits,
    /// How OTLP metrics become series.
    pub(crate) otlp_metrics: OtlpMetrics,
    pub(crate) span_metrics: SpanMetrics,
    /// The keys that are not at their defaults, for the start-up log and `/status`.
    pub(crate) changed: Vec<Setting>,
}

impl Config {
    /// Returns whether it is recorded who did what.
    pub(crate) fn is_audited(&self) -> bool {
        self.audit.enabled.unwrap_or(self.login())
    }

    /// Returns whether anybody has to log in.
    pub(crate) fn login(&self) -> bool {
        match self.auth.login {
            Login::On => true,
            Login::Off => false,
            Login::Auto => {
                let open = self.listen.beyond_loopback().next().is_some();
                let named = !self.auth.file.is_empty() || self.people.oidc.issuer.is_some();
                named || (open && !self.listen.insecure_bind)
            }
        }
    }

    /// Returns whether the server is reachable from other machines and asks nobody who they are.
    pub(crate) fn is_open(&self) -> bool {
        !self.login() && self.listen.beyond_loopback().next().is_some()
    }

    /// Returns whether other machines can reach the server, and their credentials are not taken.
    pub(crate) fn locks_everybody_out(&self) -> bool {
        let safe = self.listen.tls.is_on() || self.listen.proxies.is_some() || self.auth.plain_http;
        self.login() && !safe && self.listen.beyond_loopback().next().is_some()
    }

    /// Returns the keys whose secrets stand in the settings themselves.
    pub(crate) fn inline_secrets(&self) -> impl Iterator<Item = &'static str> {
        let found = self.changed.iter().filter(|setting| secret::is_inline(&setting.text));
        found.map(|setting| setting.key)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Listen {
    pub(crate) http: SocketAddr,
    /// `None`: not listened on.
    pub(crate) otlp_grpc: Option<SocketAddr>,
    /// `None`: not listened on.
    pub(crate) otlp_http: Option<SocketAddr>,
    pub(crate) insecure_bind: bool,
    /// `Host` names with a dot that are answered.
    pub(crate) hosts: Vec<String>,
    pub(crate) header_timeout: Duration,
    /// Who is believed about their own clients.
    pub(crate) proxies: Proxies,
    /// Of all ports.
    pub(crate) tls: tls::Options,
}

impl Listen {
    /// Returns which ports are listened on, and at what addresses.
    pub(crate) fn addresses(&self) -> Vec<(Port, SocketAddr)> {
        let otlp = [(Port::OtlpGrpc, self.otlp_grpc), (Port::OtlpHttp, self.otlp_http)];
        let otlp = otlp.into_iter().filter_map(|(port, address)| Some((port, address?)));
        std::iter::once((Port::Http, self.http)).chain(otlp).collect()
    }

    /// Returns those that other machines can reach.
    pub(crate) fn beyond_loopback(&self) -> impl Iterator<Item = (Port, SocketAddr)> {
        self.addresses()
            .into_iter()
            .filter(|(_, address)| !address.ip().to_canonical().is_loopback())
    }
}

/// Whether anybody has to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// As soon as other machines can reach the server, or somebody is named who may.
    Auto,
    On,
    Off,
}

#[derive(Debug, Clone)]
pub(crate) struct Auth {
    pub(crate) login: Login,
    /// Keys, certificates and groups; empty: there is no such file.
    pub(crate) file: String,
    /// Whether credentials are taken over connections that others can read.
    pub(crate) plain_http: bool,
}

/// How people log in.
#[derive(Debug, Clone)]
pub(crate) struct People {
    pub(crate) lives: Lives,
    pub(crate) oidc: oidc::Settings,
}

#[derive(Debug, Clone)]
pub(crate) struct Ui {
    /// Where browsers find the server.
    pub(crate) base_path: BasePath,
    /// Folders whose files are boards.
    pub(crate) dashboards: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) slow: Duration,
    pub(crate) lookback: Duration,
    pub(crate) sql_cross_joins: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Tenants {
    pub(crate) required: bool,
    /// Limits of single tenants; empty: there are none.
    pub(crate) limits_file: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    pub(crate) interval: Duration,
    pub(crate) own_metrics: bool,
    pub(crate) own_logs: bool,
    pub(crate) own_traces: bool,
    pub(crate) host_metrics: bool,
    /// Empty: `default` in single-tenant mode, `_tarn` where tenants are required.
    pub(crate) tenant: String,
    pub(crate) rows_max: usize,
}

/// Who did what.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    /// `None`: where somebody has to log in.
    pub(crate) enabled: Option<bool>,
    /// Whether events are lines of standard output, too.
    pub(crate) stdout: bool,
    pub(crate) keep: Duration,
}

impl Telemetry {
    /// Returns what is to be caught of what Tarn says and does.
    pub(crate) fn wants(&self) -> Wants {
        Wants { lines: self.own_logs, spans: self.own_traces }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// How Tarn's own log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, logfmt elsewhere.
    Auto,
    Text,
    Json,
    Logfmt,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Shutdown {
    pub(crate) delay: Duration,
    pub(crate) grace: Duration,
}

/// One key with its value as text and where the value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: u64, column: u64 },
    Env(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    /// Key or name as written; empty where the whole source cannot be read.
    pub(crate) key: String,
    pub(crate) message: String,
}

/// All that is wrong with the configuration.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} {}", if count == 1 { "error" } else { "errors" })?;
        for Problem { origin, key, message } in &self.0 {
            let colon = if key.is_empty() { "" } else { ": " };
            write!(f, "\n  {origin}: {key}{colon}{message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
