//! What an operator decides about rules and notifications: section `alerting` of the settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::egress::EgressOptions;
use crate::problem::Problem;

/// A file that the process has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, as problems name it.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The files of the operator, as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Rule files, sorted by name.
    pub rules: Vec<SourceFile>,
    /// Files with objectives, sorted by name.
    pub slos: Vec<SourceFile>,
    /// Routes and receivers.
    pub alertmanager: Option<SourceFile>,
    /// Templates that the routes name, sorted by name.
    pub templates: Vec<SourceFile>,
    /// Groups that were set through the API: the namespace, and the text of one group.
    pub set: Vec<SourceFile>,
    /// What could not be read.
    pub unreadable: Vec<Problem>,
}

/// The settings of section `alerting`. Paths are read by the process, which hands texts down.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rule files: paths or globs.
    pub rule_files: Vec<String>,
    /// Files with service level objectives: paths or globs.
    pub slo_files: Vec<String>,
    /// Whether the shipped rules run.
    pub shipped_rules: bool,
    /// How often groups are evaluated that do not say.
    pub evaluation_interval: Duration,
    /// How far behind the slot groups are evaluated that do not say.
    pub rule_query_offset: Duration,
    /// How often an alert that still fires is sent again to external Alertmanagers.
    pub resend_delay: Duration,
    /// Labels added to every alert that lacks them.
    pub external_labels: BTreeMap<String, String>,
    /// Where people reach this server, for links in pages; empty: made of the address.
    pub external_url: String,
    /// An `alertmanager.yml`: routes and receivers.
    pub alertmanager_config: Option<PathBuf>,
    /// Whether rules that look at single series are evaluated as samples arrive.
    pub on_arrival: bool,
    /// Refuse what upstream would refuse: extensions, receivers that are not supported.
    pub strict: bool,
    /// Turn deliberate deviations from upstream off.
    pub compat: bool,
    /// Age at which an undeliverable notification becomes a dead letter.
    pub dead_letter_after: Duration,
    /// Receiver to use when a delivery is not acknowledged for `fallback_after`; empty: none.
    pub fallback_receiver: String,
    /// See `fallback_receiver`.
    pub fallback_after: Duration,
    /// What requests of ours may reach.
    pub egress: EgressOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rule_files: Vec::new(),
            slo_files: Vec::new(),
            shipped_rules: true,
            evaluation_interval: Duration::from_secs(60),
            rule_query_offset: Duration::ZERO,
            resend_delay: Duration::from_secs(60),
            external_labels: BTreeMap::new(),
            external_url: String::new(),
            alertmanager_config: None,
            on_arrival: true,
            strict: false,
            compat: false,
            dead_letter_after: Duration::from_secs(24 * 3600),
            fallback_receiver: String::new(),
            fallback_after: Duration::from_secs(20),
            egress: EgressOptions::default(),
        }
    }
}
