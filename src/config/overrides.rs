//! Limits of single tenants: a file beside the configuration, read again while the server runs.
//!
//! ```yaml
//! team-a:
//!   ingest:
//!     rate: 4MiB
//!   metrics:
//!     series_max: 200000
//! ```
//!
//! The names are those of the one table of settings, and so are the parsers; only what is enforced
//! per tenant may stand here. A file that cannot be read changes nothing: the limits that were read
//! last stay in force, and the log says where the mistake is. The file is compared by its content,
//! because Kubernetes swaps links and leaves dates as they like.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_saphyr::Spanned;
use tarn_model::limits::{Limits, Overrides};
use tarn_model::map::HashMap;
use tarn_model::metrics::LIMITS_RELOAD_FAILURES;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::keys::{KEYS, Key};
use super::load::{at_location, unknown};
use super::tree::{self, Node};
use super::{Config, Origin, Problem, Problems};

/// How soon a change of the file is noticed.
const EVERY: Duration = Duration::from_secs(10);

/// Settings that are asked for with a tenant at hand. What concerns the process (memory, slots,
/// connections) is not here.
const PER_TENANT: &[&str] = &[
    "metrics.out_of_order_window",
    "metrics.future_max",
    "metrics.series_max",
    "metrics.new_series_max",
    "metrics.labels_max",
    "metrics.label_name_bytes_max",
    "metrics.label_value_bytes_max",
    "metrics.histogram_buckets_max",
    "metrics.exemplar_bytes_max",
    "ingest.remote_write_bytes_max",
    "ingest.otlp_bytes_max",
    "ingest.decompress_ratio_max",
    "ingest.log_body_bytes_max",
    "ingest.attributes_max",
    "ingest.attribute_value_bytes_max",
    "ingest.attribute_key_bytes_max",
    "ingest.value_depth_max",
    "ingest.span_events_max",
    "ingest.span_links_max",
    "ingest.rate",
    "ingest.burst",
    "query.timeout",
    "query.series_max",
    "query.samples_max",
    "query.points_max",
    "query.sql_result_bytes_max",
    "query.sql_rows_max",
    "query.sql_timeout",
    "query.sql_bytes_max",
    "query.sql_nodes_max",
    "query.sql_depth_max",
    "query.sql_joins_max",
    "query.search_bytes_max",
    "query.search_depth_max",
    "promql.bytes_max",
    "promql.depth_max",
    "promql.regexes_max",
];

type Entries = Vec<(Spanned<String>, Spanned<Node>)>;
type List = HashMap<TenantId, Arc<Limits>>;

/// Returns whether a setting may differ between tenants.
pub(crate) fn is_per_tenant(name: &str) -> bool {
    PER_TENANT.contains(&name)
}

/// Reads the file.
///
/// # Errors
/// Everything that is wrong in it.
pub(super) fn load(path: &Path, config: &Config) -> Result<List, Problems> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path, config),
        Err(e) => Err(whole(path, format!("cannot be read: {e}"))),
    }
}

/// Reads the text of the file; limits that it does not name are those of `config`.
fn parse(text: &str, path: &Path, config: &Config) -> Result<List, Problems> {
    let tenants = match tree::parse(text) {
        Ok(Node::Map(tenants)) => tenants,
        Ok(Node::Text(_) | Node::List(_)) => {
            return Err(whole(path, "must be tenants such as `team-a:`".to_owned()));
        }
        Err(unreadable) => {
            let at = unreadable.at.map(|at| at_location(path, at));
            return Err(one(at.unwrap_or_else(|| start(path)), "", unreadable.message));
        }
    };
    let mut base = config.clone();
    // A list inside the list would be asked for, and would hold itself.
    base.limits.overrides = Overrides::default();
    let mut reading = Reading { path, problems: Vec::new() };
    let mut list = List::default();
    for (name, node) in tenants {
        let origin = at_location(path, name.referenced);
        match (TenantId::parse(&name.value), node.value) {
            (Err(e), _) => reading.problem(origin, &name.value, e.message()),
            (Ok(tenant), Node::Map(entries)) => {
                let mut own = base.clone();
                reading.section(&mut own, &name.value, "", entries);
                list.insert(tenant, Arc::new(own.limits));
            }
            (Ok(_), Node::Text(text)) if text.is_empty() => {}
            (Ok(_), _) => {
                reading.problem(origin, &name.value, "takes sections such as `ingest:`".to_owned());
            }
        }
    }
    if reading.problems.is_empty() { Ok(list) } else { Err(Problems(reading.problems)) }
}

struct Reading<'a> {
    path: &'a Path,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn section(&mut self, own: &mut Config, tenant: &str, above: &str, entries: Entries) {
        for (name, node) in entries {
            let full = format!("{above}{}", name.value);
            let of_tenant = format!("{tenant}: {full}");
            let key = KEYS.iter().find(|key| key.name == full);
            let prefix = format!("{full}.");
            let is_section = PER_TENANT.iter().any(|name| name.starts_with(&prefix));
            match (key, node.value) {
                (Some(key), Node::Text(text)) if is_per_tenant(key.name) => {
                    if let Err(message) = set(key, own, &text) {
                        self.problem(at_location(self.path, node.referenced), &of_tenant, message);
                    }
                }
                (None, Node::Map(inner)) if is_section => {
                    self.section(own, tenant, &prefix, inner);
                }
                (key, _) => {
                    let origin = at_location(self.path, name.referenced);
                    self.problem(origin, &of_tenant, wrong(&full, key, is_section));
                }
            }
        }
    }

    fn problem(&mut self, origin: Origin, key: &str, message: String) {
        self.problems.push(Problem { origin, key: key.to_owned(), message });
    }
}

fn set(key: &Key, own: &mut Config, text: &str) -> Result<(), String> {
    (key.set)(own, text)
}

fn wrong(name: &str, key: Option<&Key>, is_section: bool) -> String {
    match key {
        Some(key) if is_per_tenant(key.name) => format!("takes {}, not a section", key.takes),
        Some(_) => "holds for the process and not per tenant".to_owned(),
        None if is_section => "is a section, not a value".to_owned(),
        None => unknown(name, PER_TENANT.iter().copied()),
    }
}

fn start(path: &Path) -> Origin {
    Origin::File { path: path.to_owned(), line: 1, column: 1 }
}

fn whole(path: &Path, message: String) -> Problems {
    one(start(path), "", message)
}

fn one(origin: Origin, key: &str, message: String) -> Problems {
    Problems(vec![Problem { origin, key: key.to_owned(), message }])
}

/// Reads the file again whenever it has changed.
#[derive(Debug)]
pub(crate) struct Reload {
    path: PathBuf,
    config: Config,
    clock: Arc<dyn Clock>,
    failures: Counter,
    /// What was read last, good or not.
    text: Option<String>,
}

impl Reload {
    /// Makes it, where there is such a file; registers its metric in any case.
    pub(crate) fn register(
        config: &Config,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Option<Self> {
        let failures = Counter::default();
        let name = LIMITS_RELOAD_FAILURES;
        registry.register(name.name, name.help, failures.clone());
        let path = PathBuf::from(&config.tenants.limits_file);
        let reload = Self { path, config: config.clone(), clock, failures, text: None };
        (!config.tenants.limits_file.is_empty()).then_some(reload)
    }

    /// Looks at the file until the stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.clock.sleep(EVERY)).await.is_some() {
            let path = self.path.clone();
            match tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await {
                Ok(read) => self.look(read.map_err(|e| format!("cannot be read: {e}"))),
                Err(e) => warn!(error = %e, "reading the limits of tenants ended early"),
            }
        }
    }

    /// Takes over what the file says now, if that is new and right.
    fn look(&mut self, read: Result<String, String>) {
        // A file that is gone is told once, too.
        let content = read.clone().unwrap_or_else(|message| message);
        if self.text.as_ref() == Some(&content) {
            return;
        }
        let first = self.text.is_none();
        let list = match read {
            Ok(text) => parse(&text, &self.path, &self.config),
            Err(message) => Err(whole(&self.path, message)),
        };
        self.text = Some(content);
        match list {
            Ok(list) => {
                let tenants = list.len();
                self.config.limits.overrides.replace(list);
                if !first {
                    info!(tenants, "limits of tenants are read again");
                }
            }
            Err(problems) => {
                self.failures.inc();
                warn!(%problems, "limits of tenants could not be read, the old ones stay in force");
            }
        }
    }
}

#[cfg(test)]
mod tests;
