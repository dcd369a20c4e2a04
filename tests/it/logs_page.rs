//! What the page of logs asks, over HTTP: search both ways, counts, context, completion, SQL, a live
//! tail that ends with the server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tarn_testkit::http::data_of;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{TARN, data_folder, now_ms};

const QUIET: [&str; 6] = [
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
    "--telemetry.own-metrics",
    "false",
];

/// Far longer than a line takes, shorter than a beat.
const AT_ONCE: Duration = Duration::from_secs(4);

async fn ask(tarn: &Tarn, path: &str, params: &[(&str, &str)]) -> Result<Value> {
    data_of(&tarn.http.get(&format!("/api/v1/{path}"), params).await?)
        .with_context(|| path.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_the_page_of_logs_asks() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &QUIET).await?;
    let now_ns = u64::try_from(now_ms())? * 1_000_000;
    let record = |n: i64| {
        let at = now_ns - 1_000_000 * u64::try_from(10 - n).unwrap_or(0);
        otlp::record(at, if n % 2 == 0 { "even" } else { "odd" }, vec![otlp::int("n", n)])
    };
    let mut tail = Tail::begin(&tarn, "/api/v1/logs/tail?q=even").await?;
    tail.until("\"beat\":").await?;
    let sent =
        otlp::send_logs(&tarn.http, &otlp::logs("shop", (0..10).map(record).collect())).await?;
    ensure!(sent.status == 200, "{}", sent.text());
    // Not compressed, so not kept back, although the client would take it compressed.
    tail.until("\"n\":8").await?;

    let odd = [("q", "odd")];
    let histogram = ask(&tarn, "logs/histogram", &odd).await?;
    ensure!(histogram["total"] == 5, "{histogram}");
    let facets = ask(&tarn, "logs/facets", &[("keys", "service")]).await?;
    ensure!(facets["facets"][0]["values"][0]["count"] == 10, "{facets}");
    let first = ask(&tarn, "logs/search", &[("direction", "forward"), ("limit", "1")]).await?;
    let row = &first["rows"][0];
    ensure!(row["attributes"]["n"] == 0 && first["next_cursor"].is_string(), "{first}");
    let at = row["timestamp_unix_nano"].as_str().context("a time")?;
    let context = ask(&tarn, "logs/context", &[("at", at), ("after", "3")]).await?;
    ensure!(context["after"].as_array().map(Vec::len) == Some(3), "{context}");
    let names = ask(&tarn, "names", &[("kind", "service"), ("prefix", "sh")]).await?;
    ensure!(names["names"][0]["name"] == "shop", "{names}");
    let sql = ask(&tarn, "sql/of", &[("signal", "logs"), ("q", "odd")]).await?;
    let sql = sql["sql"].as_str().context("sql")?;
    let rows = ask(&tarn, "sql", &[("q", sql)]).await?;
    ensure!(rows["rows"].as_array().map(Vec::len) == Some(5), "{sql}: {rows}");
    let openapi = tarn.http.get("/api/v1/openapi.json", &[]).await?.json()?;
    ensure!(openapi["paths"]["/api/v1/logs/tail"]["get"].is_object(), "{openapi}");

    // SHU-1: a stream without an end does not hold up the stop.
    let begun = Instant::now();
    tarn.signal("TERM")?;
    tail.until("\r\n0\r\n\r\n").await?;
    let status = tarn.wait_exit(Duration::from_secs(20)).await?;
    ensure!(status.code() == Some(0), "exit {status}");
    ensure!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    Ok(())
}

/// A stream, read as bytes.
struct Tail {
    stream: TcpStream,
    text: String,
}

impl Tail {
    async fn begin(tarn: &Tarn, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(&tarn.address).await?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: tarn\r\nAccept-Encoding: gzip\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        Ok(Self { stream, text: String::new() })
    }

    /// Reads until a text has come.
    async fn until(&mut self, wanted: &str) -> Result<()> {
        let mut bytes = [0; 4096];
        let read = async {
            while !self.text.contains(wanted) {
                let n = self.stream.read(&mut bytes).await?;
                ensure!(n > 0, "the stream ended before {wanted:?}: {}", self.text);
                self.text += std::str::from_utf8(&bytes[..n])?;
            }
            Ok(())
        };
        tokio::time::timeout(AT_ONCE, read).await.with_context(|| wanted.to_owned())?
    }
}
