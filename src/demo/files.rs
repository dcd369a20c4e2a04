//! What the server is to be started with so that it sends pages: objectives, rules and receivers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use url::Url;

/// First line of each file; one that begins otherwise is somebody's own and is left alone.
const MARK: &str = "# Written by `tarn demo`; written again at its next start.\n";

const SLOS: &str = r#"slos:
- name: payments
  service: payment
  description: Cards are charged.
  objective: 99.9
  group_by: []
  sli:
    ratio:
      bad: shop_payments_total{outcome="failed"}
      valid: shop_payments_total
  labels: { team: money }
- name: checkout-spans
  service: checkout
  description: Orders are placed, within two seconds.
  objective: 99
  sli:
    events:
      table: spans
      valid: service_name = 'checkout' AND kind = 2
      good: status <> 2 AND duration_ns < 2000000000
  labels: { team: shop }
"#;

const RULES: &str = r#"groups:
- name: shop
  interval: 15s
  rules:
  - record: shop:payments_failed:ratio
    expr: |
      sum by (gateway) (rate(shop_payments_total{outcome="failed"}[5m]))
        / sum by (gateway) (rate(shop_payments_total[5m]))
  - alert: PaymentsFail
    expr: shop:payments_failed:ratio > 0.03
    for: 30s
    keep_firing_for: 5m
    labels: { severity: page, service: payment, team: money }
    annotations:
      summary: '{{ $value | humanizePercentage }} of the payments over {{ $labels.gateway }} fail'
      description: Look at the traces of payment by gateway, and at what was deployed before.
  - alert: CheckoutSlow
    expr: |
      histogram_quantile(0.99, sum by (le) (
        rate(traces_spanmetrics_latency_bucket{service="checkout", span_kind="SPAN_KIND_SERVER"}[5m])
      )) > 2
    for: 2m
    labels: { severity: ticket, service: checkout, team: shop }
    annotations:
      summary: 'p99 of checkout is {{ $value | humanizeDuration }}'
  - alert: SlowQuery
    expr: |
      histogram_quantile(0.9, sum by (le, db_collection_name) (
        rate(db_client_operation_duration_seconds_bucket[5m])
      )) > 0.5
    for: 2m
    labels: { severity: ticket, service: catalog, team: shop }
    annotations:
      summary: 'queries of {{ $labels.db_collection_name }} take {{ $value | humanizeDuration }} (p90)'
"#;

const RECEIVERS: &str = r#"route:
  receiver: slack
  group_by: [alertname, service, slo]
  group_wait: 5s
  group_interval: 30s
  repeat_interval: 4h
  routes:
  - matchers: [severity="page"]
    receiver: on-call
receivers:
- name: slack
  slack_configs:
  - api_url: http://ADDRESS/slack
    channel: '#shop'
    send_resolved: true
- name: on-call
  pagerduty_configs:
  - url: http://ADDRESS/pagerduty/v2/enqueue
    routing_key: 0123456789abcdef0123456789abcdef
  slack_configs:
  - api_url: http://ADDRESS/slack
    channel: '#on-call'
    send_resolved: true
  webhook_configs:
  - url: http://ADDRESS/webhook
"#;

/// Where the files are.
#[derive(Debug)]
pub(super) struct Files {
    slos: PathBuf,
    rules: PathBuf,
    receivers: PathBuf,
}

/// Writes the files into a folder.
///
/// # Errors
/// Where the folder cannot be written, or holds a file of such a name that is not ours.
pub(super) fn write(folder: &Path, receiver: SocketAddr) -> anyhow::Result<Files> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("make the folder {}; --dir names another", folder.display()))?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(there) if !there.starts_with(MARK) => {
                bail!("{} is not of tarn demo; --dir names another folder", path.display())
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        }
        replace(&path, &format!("{MARK}{text}"))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    };
    Ok(Files {
        slos: put("slos.yml", SLOS)?,
        rules: put("rules.yml", RULES)?,
        receivers: put("alertmanager.yml", &RECEIVERS.replace("ADDRESS", &receiver.to_string()))?,
    })
}

#[expect(clippy::disallowed_methods, reason = "files for people, not data")]
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)
}

impl Files {
    /// Says how a server is started so that it sends pages, and where they can be seen.
    pub(super) fn how_to_be_paged(&self, url: &Url, receiver: SocketAddr) -> String {
        let Self { slos, rules, receivers } = self;
        format!(
            "\ntarn demo sends a small shop to {url}\n\
             \n  pages  start the server with\
             \n           tarn --alerting.slo-files {} \\\
             \n                --alerting.rule-files {} \\\
             \n                --alerting.alertmanager-config {}\
             \n         what it then sends to Slack and PagerDuty is shown at http://{receiver}/\n",
            slos.display(),
            rules.display(),
            receivers.display()
        )
    }
}
