//! LIM-1: a process with little memory, hostile clients at every door at once, and a well-behaved one
//! beside them. Memory stays within the budget and 15 % of it; the well-behaved client goes on
//! getting through, or is told when to come again; what was acknowledged to it is there once; the
//! process lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, send_v1};

use crate::{TARN, data_folder, now_ms, number, rows};

mod bodies;
mod clients;

/// Memory that the process is given.
const BUDGET_MIB: u64 = 512;
/// How long all of them go on together.
const HOSTILE: Duration = Duration::from_secs(20);
/// The well-behaved client is served again this soon after the others have left.
const CALM: Duration = Duration::from_secs(15);

const FLAGS: [&str; 12] = [
    "--memory.budget",
    "512MiB",
    "--telemetry.own-metrics",
    "false",
    "--telemetry.own-logs",
    "false",
    "--telemetry.own-traces",
    "false",
    "--query.timeout",
    "5s",
    "--query.sql-timeout",
    "5s",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_holds_at_every_door() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Arc::new(Tarn::start(TARN, &data_folder(&temporary), &FLAGS).await?);
    let rows = fill(&tarn).await.context("fill")?;
    let idle = resident_mib(tarn.pid())?;
    let stop = Arc::new(AtomicBool::new(false));
    let peak = tokio::spawn(watch(tarn.pid(), Arc::clone(&stop)));
    let good = tokio::spawn(well_behaved(Arc::clone(&tarn), Arc::clone(&stop)));
    let hostile = clients::all(&tarn, HOSTILE).await;
    for (name, told) in &hostile {
        println!("{name}: {told}");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    let (peak, good) = (peak.await??, good.await??);
    println!(
        "peak memory {peak} MiB of a budget of {BUDGET_MIB} (before: {idle}); the well-behaved \
         client: {} stored, {} times told to come again, longest wait {:?}",
        good.stored.len(),
        good.refused,
        good.longest,
    );
    calm(&tarn).await?;
    once(&tarn, &good).await?;
    let kept = count(&tarn, "SELECT count(*) FROM logs WHERE service_name = 'filler'").await?;
    ensure!(kept == rows as f64, "{kept} of {rows} rows are left");
    ensure!(good.stored.len() > 20, "the well-behaved client got through {}", good.stored.len());
    let most = BUDGET_MIB * 115 / 100;
    ensure!(peak <= most, "peak memory is {peak} MiB, {most} are allowed; {hostile:#?}");
    let log = tarn.log_text();
    ensure!(!log.contains("panicked"), "a panic; the log:\n{log}");
    Ok(())
}

/// Rows for the large queries to meet: 40,000 series with a sample each ten, 20,000 log records.
async fn fill(tarn: &Tarn) -> Result<usize> {
    let now = now_ms();
    for chunk in 0..20 {
        let one = |n: u64| {
            let (pod, n) = (format!("pod-{}", n % 100), format!("{n}"));
            let labels = [("__name__", "filler"), ("pod", pod.as_str()), ("n", n.as_str())];
            Series::of(&labels, (0..10).map(|i| (now - 150_000 + i * 15_000, i as f64)).collect())
        };
        let series: Vec<Series> = (chunk * 1000..(chunk + 1) * 1000).map(one).collect();
        ensure!(send_v1(&tarn.http, &series).await?.status == 204);
        let record = |n: u64| {
            let n = chunk * 1000 + n;
            let k = otlp::text("k", &format!("value {n}"));
            otlp::record(now as u64 * 1_000_000 + n, "a line of a log that says little", vec![k])
        };
        let logs = otlp::logs("filler", (0..1000).map(record).collect());
        ensure!(otlp::send_logs(&tarn.http, &logs).await?.status == 200);
    }
    Ok(20_000)
}

/// What became of the well-behaved client's requests.
#[derive(Debug, Default)]
struct Good {
    stored: Vec<u64>,
    refused: u64,
    longest: Duration,
}

/// Sends a record at a time, and comes again with the same one when told to.
async fn well_behaved(tarn: Arc<Tarn>, stop: Arc<AtomicBool>) -> Result<Good> {
    let (mut good, mut n) = (Good::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        let id = otlp::text("id", &n.to_string());
        let request =
            otlp::logs("good", vec![otlp::record(now_ms() as u64 * 1_000_000, "good", vec![id])]);
        let begun = Instant::now();
        loop {
            let answer = otlp::send_logs(&tarn.http, &request).await.context("no answer")?;
            if answer.status == 200 {
                good.stored.push(n);
                break;
            }
            let told = answer.headers.get("retry-after").and_then(|v| v.to_str().ok());
            ensure!(
                [429, 503].contains(&answer.status) && told.is_some(),
                "{}: {}",
                answer.status,
                answer.text()
            );
            good.refused += 1;
            if stop.load(Ordering::Relaxed) {
                return Ok(good);
            }
            // Sooner than told: the test is short.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        good.longest = good.longest.max(begun.elapsed());
        n += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(good)
}

/// Waits until everything is answered again.
async fn calm(tarn: &Tarn) -> Result<()> {
    let begun = Instant::now();
    loop {
        let answer = tarn.http.get("/api/v1/query", &[("query", "count(filler)")]).await?;
        if answer.status == 200 {
            return Ok(());
        }
        ensure!(begun.elapsed() < CALM, "{}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Every acknowledged row is there, once.
async fn once(tarn: &Tarn, good: &Good) -> Result<()> {
    let query =
        "SELECT count(*), count(DISTINCT attributes['id']) FROM logs WHERE service_name = 'good'";
    let found = rows(&tarn.http, query).await?;
    let (all, distinct) = (number(&found[0][0])?, number(&found[0][1])?);
    let stored = good.stored.len() as f64;
    // One may have been stored whose answer the test did not wait for.
    ensure!(all == distinct && all >= stored && all <= stored + 1.0, "{all} {distinct} {stored}");
    Ok(())
}

async fn count(tarn: &Tarn, query: &str) -> Result<f64> {
    number(&rows(&tarn.http, query).await?[0][0])
}

/// Returns the most resident memory, in MiB, until the stop.
async fn watch(pid: u32, stop: Arc<AtomicBool>) -> Result<u64> {
    let most = AtomicU64::new(0);
    while !stop.load(Ordering::Relaxed) {
        most.fetch_max(resident_mib(pid)?, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(most.into_inner())
}

fn resident_mib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}
