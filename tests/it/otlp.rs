//! OTLP over real sockets: every port, gRPC beside HTTP, health, what the wrong protocol is told; and
//! Tarn's own log lines and spans, which go the same way inside.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::Method;
use prost::Message as _;
use tarn_testkit::grpc::{Grpc, frame};
use tarn_testkit::http::Http;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::{TARN, data_folder, now_ms};

const EXPORT_LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const EXPORT_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Returns the sum of the lines of `/metrics` that hold all these texts.
async fn count(http: &Http, texts: &[&str]) -> Result<f64> {
    let text = http.get("/metrics", &[]).await?.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter(|line| texts.iter().all(|t| line.contains(t)));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_port_takes_what_belongs_there() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let quiet = ["--telemetry.own-logs", "false", "--telemetry.own-traces", "false"];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &quiet).await?;
    let now_ns = now_ms() as u64 * 1_000_000;
    let record = |n: u64| otlp::logs("shop", vec![otlp::record(now_ns + n, "bought", Vec::new())]);
    let mut sent = 0;
    let otlp_http = Http::new(tarn.otlp_http());
    for (http, path) in [
        (&otlp_http, "/v1/logs"),
        (&otlp_http, "/otlp/v1/logs"),
        (&tarn.http, "/v1/logs"),
        (&tarn.http, "/otlp/v1/logs"),
    ] {
        sent += 1;
        let answer = otlp::post(http, path, record(sent).encode_to_vec()).await?;
        ensure!(answer.status == 200 && answer.body.is_empty(), "{path}: {}", answer.text());
    }
    for address in [tarn.otlp_grpc(), tarn.otlp_http(), &tarn.address] {
        let grpc = Grpc::new(address);
        sent += 1;
        let frames = frame(false, &record(sent).encode_to_vec());
        let metadata = [("grpc-timeout", "10S"), ("x-scope-orgid", "default")];
        let ended = grpc.call(EXPORT_LOGS, &metadata, frames).await?;
        ensure!(ended.code() == 0 && ended.body[..] == [0; 5], "{address}: {ended:?}");
        let ended = grpc.call(HEALTH, &[], frame(false, b"")).await?;
        ensure!(ended.code() == 0 && ended.body[5..] == [8, 1], "{address}: {ended:?}");
        let ended = grpc.call("/a.b.C/D", &[], frame(false, b"")).await?;
        ensure!(ended.code() == 12 && ended.http == 200, "{address}: {ended:?}");
        // A name with a dot is what clients in a cluster send; no web page can.
        let host = [("host", "tarn.monitoring.svc.cluster.local")];
        let ended = grpc.call(HEALTH, &host, frame(false, b"")).await?;
        ensure!(ended.code() == 0, "{address}: {ended:?}");
    }
    let stored = ["tarn_ingest_rows_total", "signal=\"logs\"", "protocol=\"otlp_"];
    ensure!(count(&tarn.http, &stored).await? == sent as f64, "{}", tarn.log_text());
    let lines = tarn.unexpected_lines(&[]);
    ensure!(lines.is_empty(), "{lines:?}");
    let metrics = tarn.http.get("/metrics", &[]).await?.text();
    for port in ["otlp_grpc", "otlp_http", "http"] {
        let gauge = format!("tarn_http_connections{{listener=\"{port}\"}}");
        ensure!(metrics.contains(&gauge), "{gauge}");
    }
    ensure!(tarn.stop().await?.success(), "stops in order");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_belong_there_is_told_where_to_go() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--tenants.required", "true"]).await?;
    let (grpc_port, http_port) = (Http::new(tarn.otlp_grpc()), Http::new(tarn.otlp_http()));
    let body = otlp::logs("shop", Vec::new()).encode_to_vec();
    let answer = otlp::post(&grpc_port, "/v1/logs", body.clone()).await?;
    ensure!(answer.status == 415 && answer.text().contains("4318"), "{}", answer.text());
    let kind = [("content-type", "application/grpc")];
    let answer = grpc_port.send(Method::POST, EXPORT_LOGS, &kind, frame(false, &body)).await?;
    ensure!(answer.status == 505, "{}", answer.status);
    let answer = http_port.send(Method::GET, "/v1/logs", &[], "").await?;
    ensure!(answer.status == 405, "{}", answer.status);
    ensure!(http_port.get("/api/v1/query", &[("query", "up")]).await?.status == 404);
    ensure!(http_port.get("/readyz", &[]).await?.status == 200);
    // Who sends is asked before what is sent.
    let answer = otlp::post(&http_port, "/v1/logs", body.clone()).await?;
    ensure!(answer.status == 401, "{}", answer.status);
    let grpc = Grpc::new(tarn.otlp_grpc());
    let ended = grpc.call(EXPORT_LOGS, &[], frame(false, &body)).await?;
    ensure!(ended.code() == 16, "{ended:?}");
    let tenant = [("x-scope-orgid", "team-a")];
    let ended = grpc.call(EXPORT_LOGS, &tenant, frame(false, &body)).await?;
    ensure!(ended.code() == 0, "{ended:?}");
    Ok(())
}

/// IDM-1, DUR-1: what was acknowledged before a kill is there after it, and a resend adds nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idm_1_a_resend_after_a_kill_is_stored_once() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let now_ns = now_ms() as u64 * 1_000_000;
    let span = otlp::span(1, 2, 0, "checkout", now_ns, 1_000_000);
    let frames = frame(false, &otlp::spans("shop", vec![span]).encode_to_vec());
    let mut tarn = Tarn::start(TARN, &data, &[]).await?;
    let ended = Grpc::new(tarn.otlp_grpc()).call(EXPORT_TRACES, &[], frames.clone()).await?;
    ensure!(ended.code() == 0, "{ended:?}");
    tarn.kill()?;
    let tarn = Tarn::start(TARN, &data, &[]).await?;
    let ended = Grpc::new(tarn.otlp_grpc()).call(EXPORT_TRACES, &[], frames).await?;
    ensure!(ended.code() == 0, "{ended:?}");
    let duplicates = count(&tarn.http, &["tarn_ingest_duplicate_requests_total"]).await?;
    ensure!(duplicates == 1.0, "{duplicates}");
    let trace = format!("/api/v1/traces/{:032x}", 1);
    let answer = tarn.http.get(&trace, &[]).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    ensure!(answer.json()?["data"]["span_count"] == 1, "{}", answer.text());
    Ok(())
}

/// Refusals reach clients that are still sending, and neither they nor clients that leave in the
/// middle take anything with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giants_and_deserters_do_no_harm() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let flags = ["--ingest.otlp-bytes-max", "1MiB", "--telemetry.own-metrics", "false"];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    let (grpc, http) = (Grpc::new(tarn.otlp_grpc()), Http::new(tarn.otlp_http()));
    let giant = vec![b'x'; 8 << 20];
    for _ in 0..3 {
        let ended = grpc.call(EXPORT_LOGS, &[], frame(false, &giant)).await?;
        ensure!(ended.code() == 8, "{ended:?}");
        ensure!(ended.text("grpc-status-details-bin").is_empty(), "no use in coming again");
        let answer = otlp::post(&http, "/v1/logs", giant.clone()).await?;
        ensure!(answer.status == 413, "{}", answer.status);
    }
    for address in [tarn.otlp_http(), tarn.otlp_grpc(), &tarn.address] {
        for head in [
            "POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100000\r\n\r\nhalf",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame of HTTP/2 at all",
        ] {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(head.as_bytes()).await?;
            drop(stream);
        }
    }
    let now_ns = now_ms() as u64 * 1_000_000;
    let good = otlp::logs("shop", vec![otlp::record(now_ns, "good", Vec::new())]);
    let ended = grpc.call(EXPORT_LOGS, &[], frame(false, &good.encode_to_vec())).await?;
    ensure!(ended.code() == 0, "{ended:?}");
    // What was admitted for them is given back.
    for _ in 0..100 {
        if count(&tarn.http, &["tarn_ingest_inflight_bytes"]).await? == 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let held = count(&tarn.http, &["tarn_ingest_inflight_bytes"]).await?;
    ensure!(held == 0.0, "{held} bytes are held");
    let lines = tarn.unexpected_lines(&[]);
    ensure!(lines.is_empty(), "{lines:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_lines_and_spans_are_stored() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    tarn.http.instant("up", "0").await?;
    for signal in ["signal=\"logs\"", "signal=\"traces\""] {
        let own = ["tarn_ingest_rows_total", "protocol=\"own\"", signal];
        for _ in 0..100 {
            if count(&tarn.http, &own).await? > 0.0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(count(&tarn.http, &own).await? > 0.0, "{signal}: {}", tarn.log_text());
    }
    // Storing lines must not make lines: once the start is told, nothing more is said.
    let own = ["tarn_ingest_rows_total", "protocol=\"own\"", "signal=\"logs\""];
    let before = count(&tarn.http, &own).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = count(&tarn.http, &own).await?;
    ensure!(after - before < 3.0, "{before} then {after}");
    ensure!(count(&tarn.http, &["tarn_telemetry_dropped_rows_total"]).await? == 0.0);
    Ok(())
}
