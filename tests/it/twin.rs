//! The same samples in a real Prometheus and in Tarn: the same answers.
//!
//! Debian's Prometheus scrapes itself, Tarn and an address where nobody is, and writes to Tarn.
//! Then both are asked the same random queries, half of them after a flush. Two things of Prometheus 2
//! differ from version 3, whose semantics are Tarn's, and are kept out of the way: a sample exactly at
//! the start of a window (times are odd milliseconds), and how far `rate` extrapolates a counter that
//! is younger than its window (no window reaches back to the first scrapes).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tarn_testkit::http::{Http, data_of};
use tarn_testkit::process::Tarn;
use tarn_testkit::prometheus::Prometheus;

use crate::{TARN, data_folder, now_ms, seconds};

/// Random queries, each asked as instant and as range query.
const QUERIES: usize = 150;
/// Longer than any window, subquery and range query together reach back.
const WARM_UP: Duration = Duration::from_secs(28);

const COUNTERS: [&str; 6] = [
    "prometheus_http_requests_total",
    "process_cpu_seconds_total{job=\"prometheus\"}",
    "prometheus_tsdb_head_samples_appended_total",
    "prometheus_http_request_duration_seconds_bucket",
    "go_memstats_alloc_bytes_total",
    "prometheus_remote_storage_samples_total",
];
const GAUGES: [&str; 6] = [
    "up",
    "go_goroutines",
    "scrape_duration_seconds",
    "go_gc_duration_seconds",
    "process_resident_memory_bytes",
    "scrape_samples_scraped{job!=\"nobody\"}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_and_tarn_answer_alike() -> Result<()> {
    if let Some(why) = Prometheus::absent() {
        println!("skipped: {why}");
        return Ok(());
    }
    let temporary = tempfile::tempdir()?;
    let own = ["--telemetry.own_metrics", "false", "--telemetry.host_metrics", "false"];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &own).await?;
    let prometheus = Prometheus::start(temporary.path(), &tarn.address).await?;
    let begin = now_ms();
    tokio::time::sleep(WARM_UP + Duration::from_secs(12)).await;
    let end = now_ms() - 1_000;
    wait_for_delivery(&tarn, end).await?;
    let warm = begin + WARM_UP.as_millis() as i64;
    let mut random = Random(7);
    for n in 0..QUERIES {
        if n == QUERIES / 2 {
            let flushed = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
            ensure!(flushed.status == 200, "{}", flushed.text());
        }
        let query = random.query();
        let time = warm + random.below((end - warm) as usize) as i64;
        compare(&prometheus.http, &tarn.http, &query, time).await?;
    }
    println!("twin: {QUERIES} random queries, instant and range: all equal");
    let metadata = get(&tarn.http, "/api/v1/metadata", &[("metric", "up")]).await;
    ensure!(metadata.is_ok(), "{metadata:?}");
    let help = get(&tarn.http, "/api/v1/metadata", &[("metric", "go_goroutines")]).await?;
    ensure!(help["go_goroutines"][0]["type"] == "gauge", "{help}");
    let unexpected = tarn.unexpected_lines(&[]);
    ensure!(unexpected.is_empty(), "{unexpected:?}");
    Ok(())
}

async fn compare(prometheus: &Http, tarn: &Http, query: &str, time: i64) -> Result<()> {
    let (start, time) = (seconds(time - 4_321), seconds(time));
    let instant = [("query", query), ("time", &time)];
    let range = [("query", query), ("start", &start), ("end", &time), ("step", "0.7")];
    for (path, params) in [("/api/v1/query", &instant[..]), ("/api/v1/query_range", &range[..])] {
        let theirs = get(prometheus, path, params).await.context("ask prometheus")?;
        let ours = get(tarn, path, params).await.with_context(|| format!("ask tarn {query}"))?;
        ensure!(
            equal(&theirs, &ours)?,
            "{path} {query} at {time}\nprometheus: {theirs}\ntarn: {ours}"
        );
    }
    Ok(())
}

async fn get(http: &Http, path: &str, params: &[(&str, &str)]) -> Result<Value> {
    data_of(&http.get(path, params).await?)
}

/// Waits until the last scrape before `end` has arrived.
async fn wait_for_delivery(tarn: &Tarn, end: i64) -> Result<()> {
    for _ in 0..100 {
        let newest = [("query", "min(timestamp(up))"), ("time", &seconds(now_ms()))];
        let newest = get(&tarn.http, "/api/v1/query", &newest).await?;
        let newest: f64 =
            newest["result"][0]["value"][1].as_str().unwrap_or("0").parse().unwrap_or_default();
        if newest * 1000.0 > end as f64 + 1_500.0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("prometheus does not deliver; tarn's log:\n{}", tarn.log_text())
}

/// Compares results as sets of series, values within 1e-9 relative.
fn equal(theirs: &Value, ours: &Value) -> Result<bool> {
    let (theirs, ours) = (by_labels(theirs)?, by_labels(ours)?);
    Ok(theirs.len() == ours.len()
        && theirs.iter().zip(&ours).all(|((a, x), (b, y))| a == b && points_equal(x, y)))
}

fn by_labels(data: &Value) -> Result<BTreeMap<String, Vec<(i64, f64)>>> {
    let result = data["result"].as_array().context("a list of results")?;
    let mut map = BTreeMap::new();
    for entry in result {
        let points = match entry.get("values") {
            Some(values) => values.as_array().cloned().context("values")?,
            None => vec![entry["value"].clone()],
        };
        let points: Result<Vec<(i64, f64)>> = points
            .iter()
            .map(|p| {
                let time = p[0].as_f64().context("time")?;
                Ok(((time * 1000.0).round() as i64, p[1].as_str().context("value")?.parse()?))
            })
            .collect();
        map.insert(entry["metric"].to_string(), points?);
    }
    Ok(map)
}

fn points_equal(x: &[(i64, f64)], y: &[(i64, f64)]) -> bool {
    let close = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
    };
    x.len() == y.len() && x.iter().zip(y).all(|(a, b)| a.0 == b.0 && close(a.1, b.1))
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) as usize) % n.max(1)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// Composes a query that has one right answer: nothing that picks among equals.
    fn query(&mut self) -> String {
        let window = self.pick(&["3s", "7s", "10s"]);
        let counter = self.pick(&COUNTERS);
        let gauge = self.pick(&GAUGES);
        let by = self.pick(&["by (job)", "by (instance)", "without (instance, job)", "by ()"]);
        let inner = match self.below(4) {
            0 => format!("{}({counter}[{window}])", self.pick(&["rate", "increase", "irate"])),
            1 => {
                let over = ["avg", "min", "max", "sum", "count", "last", "stddev", "present"];
                format!("{}_over_time({gauge}[{window}])", self.pick(&over))
            }
            2 => gauge.to_owned(),
            _ => format!("{gauge} offset {window}"),
        };
        match self.below(7) {
            0 => inner,
            1 => format!("{} {by} ({inner})", self.pick(&["sum", "avg", "max", "count", "stddev"])),
            2 => format!("({inner}) {} 2", self.pick(&["+", "*", "/", ">", "<= bool"])),
            3 => format!("sum by (job) ({inner}) / on (job) group_left () up * 0 + 1"),
            4 => format!("max_over_time(({inner})[{window}:1s])"),
            5 => {
                let q = self.pick(&["0.5", "0.9", "0.99"]);
                let bucket = "prometheus_http_request_duration_seconds_bucket";
                format!("histogram_quantile({q}, sum by (le, handler) (rate({bucket}[{window}])))")
            }
            _ => format!("absent({inner}) or quantile(0.3, {inner})"),
        }
    }
}
