//! Hostile bytes at the port: requests that say two things at once, addresses that climb, clients that
//! are slow, floods of HTTP/2. Each is refused with its code or the connection is closed; nobody else
//! notices, and no handler panics.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tarn_testkit::process::Tarn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{TARN, data_folder};

mod frames;
mod http1;
mod http2;

/// What a server without own telemetry does not do by itself is what a client made it do.
const FLAGS: [&str; 8] = [
    "--telemetry.own-metrics",
    "false",
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
    "--http.header-timeout",
    "2s",
];
/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that is silent for so long after an answer is one that stays open.
const SILENT: Duration = Duration::from_millis(700);

/// Starts a server and waits until all of it answers: rules do so a moment after the rest.
async fn start(folder: &tempfile::TempDir, more: &[&str]) -> Result<Tarn> {
    let tarn = Tarn::start(TARN, &data_folder(folder), &[&FLAGS[..], more].concat()).await?;
    let begin = Instant::now();
    while tarn.http.get("/config/v1/rules", &[]).await?.status == 503 {
        ensure!(begin.elapsed() < PATIENCE, "no rules: {}", tarn.log_text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(tarn)
}

/// Sends bytes; returns what came back until the end or a silence, and whether the end came.
async fn exchange(address: &str, bytes: &[u8]) -> Result<(Vec<u8>, bool)> {
    let mut stream = TcpStream::connect(address).await?;
    // A server that has refused already may close while more is sent.
    stream.write_all(bytes).await.ok();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let wait = if answer.is_empty() { PATIENCE } else { SILENT };
        match tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            Err(_) => return Ok((answer, false)),
            Ok(Ok(0) | Err(_)) => return Ok((answer, true)),
            Ok(Ok(read)) => answer.extend_from_slice(buffer.get(..read).context("read")?),
        }
    }
    Ok((answer, false))
}

/// The server answers a well-behaved client, and has caught no panic.
async fn well(tarn: &Tarn) -> Result<()> {
    let begin = Instant::now();
    let answer = tarn.http.get("/metrics", &[]).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    ensure!(begin.elapsed() < Duration::from_secs(5), "an answer took {:?}", begin.elapsed());
    let text = answer.text();
    ensure!(text.lines().any(|line| line == "tarn_http_panics_total 0"), "{text}");
    ensure!(!tarn.log_text().contains("panicked"), "{}", tarn.log_text());
    Ok(())
}

fn resident_kib(pid: u32) -> Result<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Slow heads end at the timeout of heads, however busy the client looks, and hold up nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_left_alone() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary, &[]).await?;
    let mut slow = tokio::task::JoinSet::new();
    for number in 0..200 {
        let address = tarn.address.clone();
        slow.spawn(async move {
            let mut stream = TcpStream::connect(&address).await?;
            let begin = Instant::now();
            // Half of them begin a head, half go on after a first request.
            if number % 2 == 0 {
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
            }
            for byte in b"GET /livez HTTP/1.1\r\nX-Slow: ".iter().cycle() {
                if stream.write_all(&[*byte]).await.is_err() || begin.elapsed() > PATIENCE {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(begin.elapsed())
        });
    }
    while let Some(ended) = slow.join_next().await {
        let after = ended??;
        ensure!(after < PATIENCE, "a slow head was read for {after:?}");
        well(&tarn).await?;
    }
    Ok(())
}
