//! Own and host metrics into the store, by the ordinary path: same limits, same log, no socket.
//!
//! Every interval the registry is read as a scraper would read it, the machine's metrics are added,
//! and the rows go to ingest as one request. They are capped in number, so that a fault that makes
//! many series cannot feed on itself; what is dropped is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tarn_ingest::own::{Accepted, Series};
use tarn_model::labels::{Label, LabelSet};
use tarn_model::metrics::TELEMETRY_DROPPED_ROWS;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span, warn};

use super::{OwnRow, exposition};
use crate::app::App;
use crate::config::Config;
use crate::host;

/// How soon to look again while writes are refused: the first rows come as soon as the log is replayed.
const RETRY: Duration = Duration::from_secs(1);

/// How often rows are sent at first, and for how long: a rate needs two of them, and whoever opens a page in
/// the first seconds sees one.
const FIRST: Duration = Duration::from_secs(2);
const FIRST_FOR: Duration = Duration::from_secs(20);

/// Returns whose data own rows are.
pub(crate) fn tenant(config: &Config) -> TenantId {
    let own = if config.tenants.required { "_tarn" } else { "default" };
    let named = config.telemetry.tenant.as_str();
    TenantId::parse(if named.is_empty() { own } else { named })
        .expect("the configuration checked it")
}

/// Sends own rows until the process stops.
#[derive(Debug)]
pub(crate) struct Feed {
    interval: Duration,
    host: bool,
    rows_max: usize,
    tenant: TenantId,
    instance: String,
    clock: Arc<dyn Clock>,
    dropped: Counter,
}

impl Feed {
    /// Makes the feed of a configuration.
    pub(crate) fn register(
        config: &Config,
        address: SocketAddr,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let dropped = Counter::default();
        registry.register(
            TELEMETRY_DROPPED_ROWS.name,
            TELEMETRY_DROPPED_ROWS.help,
            dropped.clone(),
        );
        Self {
            interval: config.telemetry.interval,
            host: config.telemetry.host_metrics,
            rows_max: config.telemetry.rows_max,
            tenant: tenant(config),
            instance: address.to_string(),
            clock,
            dropped,
        }
    }

    /// Returns the counter of own rows that were dropped.
    pub(crate) fn dropped(&self) -> Counter {
        self.dropped.clone()
    }

    /// Sends every interval until the stop, and more often at first.
    pub(crate) async fn run(self, app: Arc<App>, stop: CancellationToken) {
        let mut first_until = None;
        while !stop.is_cancelled() {
            let ready = app.readiness().ingest.is_none();
            if ready {
                // Named apart from this folder, of which nothing is caught: one span a round.
                let span = info_span!(target: "tarn::own_metrics", "store own metrics");
                self.send(&app).instrument(span).await;
            }
            let wait = if ready {
                let now = self.clock.monotonic();
                // A replay may have taken longer than that.
                let until = *first_until.get_or_insert(now + FIRST_FOR);
                if now < until { self.interval.min(FIRST) } else { self.interval }
            } else {
                self.interval.min(RETRY)
            };
            // Either the time is over or the stop came; the loop looks which.
            stop.run_until_cancelled(self.clock.sleep(wait)).await;
        }
    }

    async fn send(&self, app: &App) {
        let text = match exposition::open_metrics(&app.registry) {
            Ok(text) => text,
            Err(e) => return warn!(error = %e, "own metrics could not be read"),
        };
        let mut rows = exposition::parse(&text);
        rows.insert(0, up());
        if self.host {
            rows.extend(host::rows());
        }
        let over = rows.len().saturating_sub(self.rows_max);
        rows.truncate(self.rows_max);
        self.dropped.inc_by(over as u64);
        let time_ms = self.clock.now().as_millis();
        let rows = rows.into_iter().map(|row| self.series(row, time_ms)).collect();
        match app.ingest.accept(&self.tenant, rows).await {
            Ok(Accepted { rejected: 0, .. }) => {}
            Ok(Accepted { rejected, problems, .. }) => {
                self.dropped.inc_by(rejected);
                warn!(rejected, problems, "own metrics were rejected");
            }
            Err(e) => debug!(error = %e.message(), "own metrics were not stored"),
        }
    }

    /// Adds who says it, and when.
    fn series(&self, row: OwnRow, time_ms: i64) -> Series {
        let who = [Label::new("job", "tarn"), Label::new("instance", self.instance.as_str())];
        let labels = LabelSet::new(row.labels.iter().cloned().chain(who).collect());
        Series { labels, samples: vec![(time_ms, row.value)], metadata: row.metadata }
    }
}

/// What a scraper would have noted of its target: the first thing that people ask for.
fn up() -> OwnRow {
    OwnRow::gauge("up", &[], 1.0)
}
