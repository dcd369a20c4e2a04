//! OTLP metrics through the whole process: sent as JSON, asked in PromQL, from memory and from disk.

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tarn_testkit::http::data_of;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder, now_ms, seconds};

/// Distance of two exports.
const STEP_MS: i64 = 15_000;
/// Exports that are sent.
const EXPORTS: i64 = 9;

const CUMULATIVE: i32 = 2;
const DELTA: i32 = 1;

fn ns(ms: i64) -> String {
    format!("{ms}000000")
}

/// Makes a request of the service `shop`.
fn request(metrics: &Value) -> Value {
    json!({"resourceMetrics": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "shop"}},
            {"key": "service.instance.id", "value": {"stringValue": "a"}},
            {"key": "host.name", "value": {"stringValue": "h"}},
        ]},
        "scopeMetrics": [{"scope": {"name": "meter", "version": "1"}, "metrics": metrics}],
    }]})
}

/// Makes export `n`: what happened since `from_ms`, or in the last step.
fn export(n: i64, from_ms: i64) -> Value {
    let now_ms = from_ms + n * STEP_MS;
    let times =
        |start_ms: i64| json!({"startTimeUnixNano": ns(start_ms), "timeUnixNano": ns(now_ms)});
    let with = |mut point: Value, more: Value| {
        if let (Value::Object(point), Value::Object(more)) = (&mut point, more) {
            point.extend(more);
        }
        point
    };
    let cumulative = |more: Value| json!([with(times(from_ms), more)]);
    let delta = |more: Value| json!([with(times(now_ms - STEP_MS), more)]);
    // Per step: 1 up to 0.1, 2 up to 0.5, 1 beyond.
    let explicit = |n: i64| {
        json!({
            "count": (4 * n).to_string(), "sum": 2.0 * n as f64, "explicitBounds": [0.1, 0.5],
            "bucketCounts": [n.to_string(), (2 * n).to_string(), n.to_string()],
        })
    };
    // Per step: 4 in (1, 2].
    let exponential = |n: i64| {
        json!({
            "count": (4 * n).to_string(), "sum": 6.0 * n as f64, "scale": 0, "zeroCount": "0",
            "positive": {"offset": 0, "bucketCounts": [(4 * n).to_string()]},
        })
    };
    let metric = |name: &str, kind: &str, temporality: i32, points: Value| {
        let data = json!({"dataPoints": points, "aggregationTemporality": temporality});
        let data = if kind == "sum" { with(data, json!({"isMonotonic": true})) } else { data };
        json!({"name": name, "unit": "s", "description": "Help.", kind: data})
    };
    request(&json!([
        metric("wait", "histogram", CUMULATIVE, cumulative(explicit(n))),
        metric("wait.delta", "histogram", DELTA, delta(explicit(1))),
        metric("size", "exponentialHistogram", CUMULATIVE, cumulative(exponential(n))),
        metric("size.delta", "exponentialHistogram", DELTA, delta(exponential(1))),
        metric("busy", "sum", CUMULATIVE, cumulative(json!({"asDouble": 3.0 * n as f64}))),
        metric("busy.delta", "sum", DELTA, delta(json!({"asDouble": 3.0}))),
        metric(
            "busy.sparse",
            "sum",
            DELTA,
            if n == 5 { delta(json!({"asInt": "7"})) } else { json!([]) }
        ),
    ]))
}

async fn send(tarn: &Tarn, body: &Value) -> Result<Value> {
    let kind = [("content-type", "application/json")];
    let answer = tarn.http.send(Method::POST, "/v1/metrics", &kind, body.to_string()).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histograms_and_deltas_are_answered_before_and_after_flush() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let from_ms = now_ms() / STEP_MS * STEP_MS - EXPORTS * STEP_MS;
    for n in 1..=EXPORTS {
        let answer = send(&tarn, &export(n, from_ms)).await?;
        ensure!(answer == json!({}), "{answer}");
    }
    let end_ms = from_ms + EXPORTS * STEP_MS;
    ask(&tarn, end_ms).await.context("from memory")?;
    let flushed = tarn.http.send(Method::POST, "/-/flush", &[], "").await?;
    ensure!(flushed.status == 200, "{}", flushed.text());
    ask(&tarn, end_ms).await.context("from disk")?;
    ensure!(tarn.unexpected_lines(&[]).is_empty(), "{:?}", tarn.unexpected_lines(&[]));
    Ok(())
}

/// Asks what each query must answer about one minute, four steps.
async fn ask(tarn: &Tarn, end_ms: i64) -> Result<()> {
    let time = seconds(end_ms);
    let cases = [
        // Half of the observations lie below the middle of (0.1, 0.5], linearly.
        ("histogram_quantile(0.5, rate(wait_seconds_bucket[1m]))", 0.3),
        ("histogram_quantile(0.5, rate(wait_delta_seconds_bucket[1m]))", 0.3),
        ("increase(wait_delta_seconds_count[1m])", 16.0),
        ("increase(wait_delta_seconds_sum[1m])", 8.0),
        // The middle of (1, 2] on an exponential scale.
        ("histogram_quantile(0.5, rate(size_seconds[1m]))", 2f64.sqrt()),
        ("histogram_quantile(0.5, rate(size_delta_seconds[1m]))", 2f64.sqrt()),
        ("histogram_count(increase(size_seconds[1m]))", 16.0),
        ("histogram_count(increase(size_delta_seconds[1m]))", 16.0),
        ("increase(busy_seconds_total[1m])", 12.0),
        ("increase(busy_delta_seconds_total[1m])", 12.0),
        ("rate(busy_delta_seconds_total[1m])", 0.2),
        ("sum_over_time(busy_delta_seconds_total[1m])", 12.0),
        ("increase(busy_sparse_seconds_total[5m])", 7.0),
        ("group by (host_name) (target_info)", 1.0),
        ("count(wait_seconds_bucket{otel_scope_name=\"meter\",otel_scope_version=\"1\"})", 3.0),
    ];
    for (query, expected) in cases {
        let answer = tarn.http.instant(query, &time).await?;
        let results = answer["result"].as_array().context("a vector")?;
        ensure!(results.len() == 1, "{query}: {answer}");
        let value: f64 = results[0]["value"][1].as_str().unwrap_or("NaN").parse()?;
        ensure!((value - expected).abs() < 1e-9, "{query}: {value}, expected {expected}");
        ensure!(results[0]["metric"].get("__temporality__").is_none(), "{query}: {answer}");
    }
    let raw = tarn.http.instant("busy_delta_seconds_total", &time).await?;
    let labels = json!({
        "__name__": "busy_delta_seconds_total", "__temporality__": "delta", "job": "shop",
        "instance": "a", "otel_scope_name": "meter", "otel_scope_version": "1",
    });
    ensure!(raw["result"][0]["metric"] == labels, "{raw}");
    let metadata = [("metric", "size_seconds")];
    let metadata = data_of(&tarn.http.get("/api/v1/metadata", &metadata).await?)?;
    let expected =
        json!({"size_seconds": [{"type": "histogram", "unit": "seconds", "help": "Help."}]});
    ensure!(metadata == expected, "{metadata}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_points_are_counted_and_the_others_stored() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let flags =
        ["--metrics.otlp.translation=NoTranslation", "--metrics.otlp.native-histograms=true"];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    let now = now_ms();
    let points = |times: &[i64]| -> Vec<Value> {
        times.iter().map(|t| json!({"timeUnixNano": ns(*t), "asInt": "1"})).collect()
    };
    let answer = send(
        &tarn,
        &request(&json!([
            {"name": "good", "gauge": {"dataPoints": points(&[now])}},
            {"name": "ahead", "gauge": {"dataPoints": points(&[now + 86_400_000, now])}},
            {"name": "unsaid", "sum": {"dataPoints": points(&[now, now])}},
            {"name": "both.ends", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": ns(now), "count": "2", "bucketCounts": ["1", "1"], "explicitBounds": [1]},
                {"timeUnixNano": ns(now), "count": "3", "bucketCounts": ["1", "1"], "explicitBounds": [1]},
            ]}},
        ])),
    )
    .await?;
    let partial = &answer["partialSuccess"];
    ensure!(partial["rejectedDataPoints"] == "4", "{answer}");
    let message = partial["errorMessage"].as_str().unwrap_or_default();
    for part in ["unsaid", "aggregation temporality is not set", "count is 3, buckets hold 2"] {
        ensure!(message.contains(part), "{message}");
    }
    let time = seconds(now);
    let found =
        tarn.http.instant("count({__name__=~\"good|ahead|unsaid|both.ends\"})", &time).await?;
    ensure!(found["result"][0]["value"][1] == "3", "{found}");
    let native = tarn.http.instant("histogram_count({\"both.ends\"})", &time).await?;
    ensure!(native["result"][0]["value"][1] == "2", "{native}");
    Ok(())
}
