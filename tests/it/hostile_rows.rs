//! Log records and spans that no well-behaved sender makes: each is answered with a documented code,
//! what is cut is marked, the process stays alive within its memory, and earlier rows stay.

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use tarn_testkit::http::Answer;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder, now_ms, number, rows};

const BUDGET_MIB: u64 = 640;
const FLAGS: [&str; 8] = [
    "--memory.budget",
    "640MiB",
    "--telemetry.own_metrics",
    "false",
    "--telemetry.own_logs",
    "false",
    "--telemetry.own_traces",
    "false",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_rows_are_cut_marked_or_refused() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &FLAGS).await?;
    let now_ns = now_ms() as u64 * 1_000_000;
    let earlier = otlp::logs("earlier", vec![otlp::record(now_ns, "still here", Vec::new())]);
    taken(&otlp::send_logs(&tarn.http, &earlier).await?, 0)?;
    for flush in [false, true] {
        deep_and_wide(&tarn, now_ns, flush).await.context("deep and wide")?;
        texts(&tarn, now_ns, flush).await.context("texts")?;
        ids_and_times(&tarn, now_ns, flush).await.context("ids and times")?;
        trees(&tarn, now_ns, flush).await.context("trees")?;
    }
    empty_records(&tarn).await.context("empty records")?;
    ensure!(one(&tarn, "SELECT count(*) FROM logs WHERE service_name = 'earlier'").await? == "1");
    let peak = resident_mib_max(tarn.pid())?;
    println!("peak memory {peak} MiB of a budget of {BUDGET_MIB}");
    ensure!(peak < BUDGET_MIB * 115 / 100, "peak memory is {peak} MiB, budget is {BUDGET_MIB}");
    tarn.kill()?;
    tarn.start_again().await?;
    ensure!(one(&tarn, "SELECT count(*) FROM logs WHERE service_name = 'earlier'").await? == "1");
    Ok(())
}

/// A value 10,000 deep and 10,000 attributes.
async fn deep_and_wide(tarn: &Tarn, now_ns: u64, flush: bool) -> Result<()> {
    let service = format!("deep-{flush}");
    // AnyValue { array_value { values { … } } }, from the inside out.
    let mut value = vec![0x08 << 1, 1];
    for _ in 0..10_000 {
        value = message(5, &message(1, &value));
    }
    let record = message(5, &value);
    let scope_logs = message(2, &message(2, &record));
    let resource = message(1, &message(1, &pair("service.name", &service)));
    let body = message(1, &[resource, scope_logs].concat());
    taken(&otlp::post(&tarn.http, "/v1/logs", body).await?, 0)?;
    let attributes = (0..10_000).map(|n| otlp::int(&format!("key.{n}"), n)).collect();
    let wide = otlp::logs(&service, vec![otlp::record(now_ns, "wide", attributes)]);
    taken(&otlp::send_logs(&tarn.http, &wide).await?, 0)?;
    flushed(tarn, flush).await?;
    let query = format!(
        "SELECT count(*), count(attributes['tarn.truncated']), max(dropped_attributes) \
         FROM logs WHERE service_name = '{service}'"
    );
    let found = rows(&tarn.http, &query).await?;
    let found: Vec<f64> = found[0].iter().map(number).collect::<Result<_>>()?;
    ensure!(found[0] == 2.0 && found[1] >= 1.0 && found[2] >= 9_744.0, "{found:?}");
    Ok(())
}

/// A megabyte, invalid UTF-8 and NUL.
async fn texts(tarn: &Tarn, now_ns: u64, flush: bool) -> Result<()> {
    let service = format!("texts-{flush}");
    let long = "é".repeat(512 << 10);
    let records =
        vec![otlp::record(now_ns, &long, Vec::new()), otlp::record(now_ns, "a\0b", Vec::new())];
    taken(&otlp::send_logs(&tarn.http, &otlp::logs(&service, records)).await?, 0)?;
    let record = message(5, &message(1, b"caf\xe9 \xff\xfe"));
    let resource = message(1, &message(1, &pair("service.name", &service)));
    let body = message(1, &[resource, message(2, &message(2, &record))].concat());
    taken(&otlp::post(&tarn.http, "/v1/logs", body).await?, 0)?;
    flushed(tarn, flush).await?;
    let longest = format!(
        "SELECT octet_length(body), attributes['tarn.truncated'] FROM logs \
         WHERE service_name = '{service}' ORDER BY 1 DESC LIMIT 1"
    );
    let found = rows(&tarn.http, &longest).await?;
    ensure!(number(&found[0][0])? == 262_144.0, "{found:?}");
    ensure!(number(&found[0][1])? == 1_048_576.0, "{found:?}");
    let bodies = format!(
        "SELECT count(*) FROM logs WHERE service_name = '{service}' \
         AND (body LIKE 'caf\u{fffd} %' OR body = concat('a', chr(0), 'b'))"
    );
    ensure!(one(tarn, &bodies).await? == "2", "NUL or the bad bytes are gone");
    Ok(())
}

/// Ids of wrong length, zero ids, years 1 and 9999, a span that ends before it starts.
async fn ids_and_times(tarn: &Tarn, now_ns: u64, flush: bool) -> Result<()> {
    let service = format!("ids-{flush}");
    let year_9999 = 253_370_764_800_u64.saturating_mul(1_000_000_000);
    let records = [now_ns, 1, u64::MAX, year_9999, 1 << 63].map(|time_ns| LogRecord {
        trace_id: vec![1; 7],
        span_id: vec![0; 8],
        ..otlp::record(time_ns, "when", Vec::new())
    });
    let records = otlp::logs(&service, records.to_vec());
    taken(&otlp::send_logs(&tarn.http, &records).await?, 0)?;
    let good = otlp::span(7, 7, 0, "good", now_ns, 10);
    let backwards = Span { end_time_unix_nano: now_ns - 5, span_id: vec![8; 8], ..good.clone() };
    let spans = vec![
        good.clone(),
        backwards,
        Span { trace_id: vec![0; 16], ..good.clone() },
        Span { trace_id: vec![1; 15], ..good.clone() },
        Span { span_id: Vec::new(), ..good.clone() },
        Span { span_id: vec![0; 8], ..good },
    ];
    taken(&otlp::send_spans(&tarn.http, &otlp::spans(&service, spans)).await?, 4)?;
    flushed(tarn, flush).await?;
    let query = format!(
        "SELECT count(*), count(trace_id) + count(span_id) FROM logs WHERE service_name = '{service}'"
    );
    let found = rows(&tarn.http, &query).await?;
    ensure!((number(&found[0][0])?, number(&found[0][1])?) == (5.0, 0.0), "{found:?}");
    let query = format!(
        "SELECT count(*), min(duration_ns), max(problems) FROM spans WHERE service_name = '{service}'"
    );
    let found = rows(&tarn.http, &query).await?;
    let found: Vec<f64> = found[0].iter().map(number).collect::<Result<_>>()?;
    ensure!(found == [2.0, -5.0, 1.0], "{found:?}");
    Ok(())
}

/// Circles, equal ids, and a trace of 100,000 spans one below the other.
async fn trees(tarn: &Tarn, now_ns: u64, flush: bool) -> Result<()> {
    let service = format!("trees-{flush}");
    let trace = 0xabc + u128::from(flush);
    let circle =
        (1..=3).map(|id| otlp::span(trace, id, id % 3 + 1, "circle", now_ns, 10)).collect();
    taken(&otlp::send_spans(&tarn.http, &otlp::spans(&service, circle)).await?, 0)?;
    let twins = [("one", 9), ("other", 9)]
        .map(|(name, id)| otlp::span(trace + 10, id, 0, name, now_ns, 10));
    taken(&otlp::send_spans(&tarn.http, &otlp::spans(&service, twins.to_vec())).await?, 0)?;
    let chain = (1..=100_000).map(|id| otlp::span(trace + 20, id, id - 1, "link", now_ns + id, 10));
    taken(&otlp::send_spans(&tarn.http, &otlp::spans(&service, chain.collect())).await?, 0)?;
    flushed(tarn, flush).await?;
    let query = format!("SELECT count(*) FROM spans WHERE service_name = '{service}'");
    ensure!(one(tarn, &query).await? == "100005", "spans are missing");
    for (id, least) in [(trace, 3), (trace + 10, 2), (trace + 20, 100_000)] {
        let answer = tarn.http.get(&format!("/api/v1/traces/{id:032x}"), &[]).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let json = answer.json()?;
        let spans = json["data"]["spans"].as_array().map_or(0, Vec::len);
        ensure!(spans >= least, "{spans} spans of trace {id:x}");
    }
    Ok(())
}

/// 64 MiB of records of two bytes each: refused or stored, but never more memory than there is.
async fn empty_records(tarn: &Tarn) -> Result<()> {
    for (path, field) in [("/v1/logs", 2), ("/v1/traces", 2)] {
        let records = message(field, &[]).repeat(30 << 20 >> 1);
        let body = message(1, &message(2, &records));
        let answer = otlp::post(&tarn.http, path, body).await?;
        ensure!([200, 413, 503].contains(&answer.status), "{}: {}", answer.status, answer.text());
        let body = message(1, &message(2, &message(field, &[]).repeat(40 << 20)));
        let answer = otlp::post(&tarn.http, path, body).await?;
        ensure!(answer.status == 413, "{}: {}", answer.status, answer.text());
    }
    Ok(())
}

/// Checks an answer of success, and how many rows it says were rejected.
fn taken(answer: &Answer, rejected: i64) -> Result<()> {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
    use prost::Message as _;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    // Both signals count in the same field.
    let reply = ExportTraceServiceResponse::decode(answer.body.clone())?;
    let told = reply.partial_success.map_or(0, |p| p.rejected_spans);
    ensure!(told == rejected, "{told} rejected: {}", answer.text());
    Ok(())
}

async fn flushed(tarn: &Tarn, wanted: bool) -> Result<()> {
    if wanted {
        let answer = tarn.http.send(http::Method::POST, "/-/flush", &[], "").await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    Ok(())
}

async fn one(tarn: &Tarn, query: &str) -> Result<String> {
    let found = rows(&tarn.http, query).await?;
    Ok(number(&found[0][0])?.to_string())
}

/// A field of wire type 2.
fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut rest = content.len();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// A `KeyValue` with a text.
fn pair(key: &str, text: &str) -> Vec<u8> {
    [message(1, key.as_bytes()), message(2, &message(1, text.as_bytes()))].concat()
}

fn resident_mib_max(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}
