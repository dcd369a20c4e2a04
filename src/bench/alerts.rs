//! From a sample to a page: a server of its own with rules and a route, a receiver on loopback, and
//! beside it, where they are installed, Prometheus and Alertmanager as fast as they can be set.
//!
//! - how long a page takes from the moment at which the sample is sent, rule by rule
//! - what ten thousand rules cost in CPU time each round
//! - what a hundred thousand active alerts hold in memory, and how soon all are told

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::TcpListener as PortFinder;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use parking_lot::Mutex;
use tarn_model::labels::LabelSet;
use tokio::net::TcpListener;

use super::ingest::{Server, ServerClient, now_ms};
use super::{Folder, figure, skipped};
use crate::generate::remote_write::Sender;
use crate::generate::series::Chance;

/// Pages of one latency figure: its 99th percentile is its worst but none.
const PAGES: u64 = 60;
/// A page that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(90);
/// Rules of the figure of rounds, in groups of so many.
const RULES: usize = 10_000;
const GROUP: usize = 100;
/// Alerts that fire at once, in so many groups.
const ALERTS: usize = 100_000;
const BUCKETS: usize = 100;

/// Measures all of it.
pub(super) async fn run(folder: &Folder, seconds: u64) -> anyhow::Result<()> {
    latency(folder).await?;
    twins(folder).await?;
    rounds(folder, seconds).await?;
    storm(folder).await
}

/// The rules of the latency figures: one that single series decide, one over many.
const LATENCY_RULES: &str = "groups:
- {name: single, interval: 1s, rules: [{alert: single, expr: 'bench_single > 0'}]}
- {name: summed, interval: 1s, rules: [{alert: summed, expr: 'sum by (n) (bench_summed) > 0'}]}
";

/// Every alert by itself, at once.
fn at_once(receiver: &str) -> String {
    format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, \
         repeat_interval: 4h}}\nreceivers:\n- name: hook\n  webhook_configs:\n  \
         - {{url: 'http://{receiver}/', send_resolved: false}}\n"
    )
}

async fn latency(folder: &Folder) -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    let files = Files::write(&folder.join("alerts"), LATENCY_RULES, &at_once(&receiver.address))?;
    let server = files.serve().await?;
    for rule in ["single", "summed"] {
        let times = pages(&server.client, &receiver, rule).await?;
        told(&format!("page_{rule}"), times);
    }
    server.stop().await
}

/// Sends samples that fire a rule, one after the other, at moments that have nothing to do with
/// slots; returns how long each page took.
async fn pages(
    client: &ServerClient,
    receiver: &Receiver,
    rule: &str,
) -> anyhow::Result<Vec<Duration>> {
    let (mut times, mut chance) = (Vec::new(), Chance::new(7));
    for n in 0..PAGES {
        tokio::time::sleep(Duration::from_millis(chance.below(1000))).await;
        let name = format!("bench_{rule}");
        let series = LabelSet::from_pairs(&[("__name__", &name), ("n", &n.to_string())]);
        let body = Sender::of([series]).fixed(now_ms(), 1.0)?;
        let begun = Instant::now();
        client.write(body).await?;
        let at = receiver.wait(&format!("{rule} {n}"), begun + PATIENCE).await?;
        times.push(at.saturating_duration_since(begun));
    }
    Ok(times)
}

fn told(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64();
    figure(&format!("{name}_p50"), at(0.5), "s");
    figure(&format!("{name}_p99"), at(0.99), "s");
}

/// The same with Prometheus and Alertmanager, evaluating each second and grouping for nothing.
async fn twins(folder: &Folder) -> anyhow::Result<()> {
    for program in ["prometheus", "prometheus-alertmanager"] {
        if Command::new(program).arg("--version").output().is_err() {
            skipped("page_prometheus", format_args!("no {program}"));
            return Ok(());
        }
    }
    let receiver = Receiver::start().await?;
    let files = Files::write(&folder.join("twins"), LATENCY_RULES, &at_once(&receiver.address))?;
    let (own, alertmanager) = (free_address()?, free_address()?);
    let config = format!(
        "global: {{evaluation_interval: 1s}}\nrule_files: ['{}']\nalerting: {{alertmanagers: \
         [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n",
        files.rules
    );
    let config = files.put("prometheus.yml", &config)?;
    let data = |name: &str| folder.join(name).display().to_string();
    let _alertmanager = Process::start(
        "prometheus-alertmanager",
        &[
            format!("--config.file={}", files.routes),
            format!("--storage.path={}", data("alertmanager")),
            format!("--web.listen-address={alertmanager}"),
            "--cluster.listen-address=".to_owned(),
        ],
    )?;
    let _prometheus = Process::start(
        "prometheus",
        &[
            format!("--config.file={config}"),
            format!("--storage.tsdb.path={}", data("prometheus")),
            format!("--web.listen-address={own}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ],
    )?;
    let client = ServerClient::new(&own);
    for address in [&own, &alertmanager] {
        ServerClient::new(address).wait("/-/ready").await?;
    }
    for rule in ["single", "summed"] {
        let times = pages(&client, &receiver, rule).await?;
        told(&format!("page_{rule}_prometheus"), times);
    }
    Ok(())
}

/// CPU time of a round of many rules, none of which fires.
async fn rounds(folder: &Folder, seconds: u64) -> anyhow::Result<()> {
    let mut rules = "groups:\n".to_owned();
    for group in 0..RULES / GROUP {
        rules += &format!("- name: g{group}\n  interval: 5s\n  rules:\n");
        for rule in group * GROUP..(group + 1) * GROUP {
            rules += &format!(
                "  - {{alert: a{rule}, expr: 'sum(rate(bench_total{{n=\"{rule}\"}}[1m])) > 1e9'}}\n"
            );
        }
    }
    let receiver = Receiver::start().await?;
    let files = Files::write(&folder.join("rounds"), &rules, &at_once(&receiver.address))?;
    let server = files.serve().await?;
    let series =
        |n: usize| LabelSet::from_pairs(&[("__name__", "bench_total"), ("n", &n.to_string())]);
    for first in (0..RULES).step_by(1000) {
        let mut sender = Sender::of((first..first + 1000).map(series));
        let now = now_ms();
        for step in 0..4 {
            server.client.write(sender.fixed(now - (3 - step) * 15_000, step as f64)?).await?;
        }
    }
    let evaluations = || server.client.metric("prometheus_rule_evaluations_total", &[]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (before, cpu) = (evaluations().await?, server.usage().cpu_seconds);
    tokio::time::sleep(Duration::from_secs(seconds.max(10))).await;
    let (after, cpu) = (evaluations().await?, server.usage().cpu_seconds - cpu);
    ensure!(after > before, "no rule was evaluated");
    figure("rules_10k_round", cpu / (after - before) * RULES as f64, "cpu-s");
    let missed = server.client.metric("prometheus_rule_group_iterations_missed_total", &[]).await?;
    figure("rules_10k_missed", missed, "slots");
    server.stop().await
}

/// Many alerts at once.
async fn storm(folder: &Folder) -> anyhow::Result<()> {
    let rules =
        "groups:\n- {name: storm, interval: 5s, rules: [{alert: many, expr: bench_many > 0}]}\n";
    let receiver = Receiver::start().await?;
    let routes = format!(
        "route: {{receiver: hook, group_by: [bucket], group_wait: 0s, group_interval: 5s, \
         repeat_interval: 4h}}\nreceivers:\n- name: hook\n  webhook_configs:\n  \
         - {{url: 'http://{}/', send_resolved: false}}\n",
        receiver.address
    );
    let files = Files::write(&folder.join("storm"), rules, &routes)?;
    let server = files.serve().await?;
    let series = |n: usize| {
        let (n, bucket) = (n.to_string(), (n % BUCKETS).to_string());
        LabelSet::from_pairs(&[("__name__", "bench_many"), ("bucket", &bucket), ("n", &n)])
    };
    // The series are there before: what they hold is not what alerts hold.
    for value in [0.0, 1.0] {
        if value > 0.0 {
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        let before = server.client.allocated().await?;
        for first in (0..ALERTS).step_by(1000) {
            let mut sender = Sender::of((first..first + 1000).map(series));
            server.client.write(sender.fixed(now_ms(), value)?).await?;
        }
        if value > 0.0 {
            let begun = Instant::now();
            receiver.wait_for(ALERTS, begun + PATIENCE).await?;
            figure("alerts_100k_told", begun.elapsed().as_secs_f64(), "s");
            let held = server.client.allocated().await? - before;
            figure("alerts_100k_memory", held / ALERTS as f64, "bytes/alert");
            figure("alerts_100k_rss_peak", server.usage().resident_bytes_max / 1e6, "MB");
        }
    }
    server.stop().await
}

/// Rules and routes on disk.
struct Files {
    folder: std::path::PathBuf,
    rules: String,
    routes: String,
}

impl Files {
    fn write(folder: &Path, rules: &str, routes: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut files =
            Self { folder: folder.to_owned(), rules: String::new(), routes: String::new() };
        files.rules = files.put("rules.yml", rules)?;
        files.routes = files.put("alertmanager.yml", routes)?;
        Ok(files)
    }

    #[expect(clippy::disallowed_methods, reason = "settings of a child, not data")]
    fn put(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    async fn serve(&self) -> anyhow::Result<Server> {
        let flags = [
            "--alerting.rule-files",
            &self.rules,
            "--alerting.alertmanager-config",
            &self.routes,
            "--alerting.shipped-rules",
            "false",
        ];
        Server::start_with(&self.folder.join("data"), &flags).await
    }
}

/// A webhook that notes when it heard of which alert.
#[derive(Debug, Clone)]
struct Receiver {
    address: String,
    heard: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Receiver {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let receiver = Self { address, heard: Arc::default() };
        let router = Router::new()
            .route("/", post(Self::hear))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(receiver.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver has ended");
            }
        });
        Ok(receiver)
    }

    #[expect(clippy::needless_pass_by_value, reason = "axum hands its parts over")]
    fn hear(State(receiver): State<Self>, body: axum::body::Bytes) -> Ready<&'static str> {
        let now = Instant::now();
        let page: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut heard = receiver.heard.lock();
        for alert in page["alerts"].as_array().into_iter().flatten() {
            let label = |name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
            heard.entry(format!("{} {}", label("alertname"), label("n"))).or_insert(now);
        }
        ready("ok")
    }

    async fn wait(&self, alert: &str, until: Instant) -> anyhow::Result<Instant> {
        while Instant::now() < until {
            if let Some(at) = self.heard.lock().get(alert) {
                return Ok(*at);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        anyhow::bail!("no page for {alert}")
    }

    async fn wait_for(&self, alerts: usize, until: Instant) -> anyhow::Result<()> {
        loop {
            let heard = self.heard.lock().len();
            if heard >= alerts {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{heard} of {alerts} alerts were told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A program beside; killed when dropped.
struct Process(Child);

impl Process {
    fn start(program: &str, args: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("start {program}"))?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_address() -> anyhow::Result<String> {
    Ok(PortFinder::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
