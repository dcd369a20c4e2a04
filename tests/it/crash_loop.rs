//! DUR-1, VIS-1, VIS-3: SIGKILL in the middle of a flood, with a ledger of what was acknowledged.
//!
//! Several senders write series of their own, one batch after the other; sample `n` of a sender has
//! the time `base + n` and the value `n`. After each kill and restart every acknowledged sample must
//! be there exactly once, with its value; of the one batch per sender that was on its way when the
//! process died, all samples or none. Flushes and merges are forced fast, so that kills fall
//! into cuts, uploads, commits, merges and truncations too. Every tenth round damages the zeros behind the log's tail,
//! as a torn write would.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tarn_testkit::http::{Http, data_of};
use tarn_testkit::remote_write::{Series, send_v1, send_v2};
use tarn_testkit::s3_server::S3Server;

use crate::crash_ledger::{Home, Ledger, SENDERS, Sending, flood, merge_all};
use crate::{data_folder, now_ms, seconds};

/// Samples of one sender that one query looks at.
const WINDOW: i64 = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_every_acknowledged_sample_survives_sigkill_once() -> Result<()> {
    println!("{}", rounds(&Home::Folder, 20).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_every_acknowledged_sample_survives_sigkill_once_in_front_of_a_bucket() -> Result<()>
{
    println!("{}", rounds(&Home::Bucket(S3Server::start().await?), 8).await?);
    Ok(())
}

/// Kills that often; returns what came of it.
async fn rounds(home: &Home, rounds: i64) -> Result<String> {
    let slow = std::env::var_os("TARN_TEST_SLOW").is_some();
    let rounds = if slow { 1_000 } else { rounds };
    let temporary = tempfile::tempdir()?;
    let data = data_folder(&temporary);
    let base_ms = now_ms() - 3_600_000;
    let mut ledgers = [Ledger::default(); SENDERS];
    let mut seed = 0x5eed_u64;
    let mut tarn = home.start(&data).await?;
    for round in 0..rounds {
        flood(&mut tarn, base_ms, &mut ledgers, pause(&mut seed), send).await?;
        if round % 10 == 9 {
            damage_tail(&data)?;
        }
        tarn = home.start(&data).await.with_context(|| format!("round {round}"))?;
        let last = round + 1 == rounds;
        if last {
            merge_all(&tarn.http).await?;
        }
        for (sender, ledger) in ledgers.iter_mut().enumerate() {
            let from = if last { 0 } else { (ledger.acknowledged - WINDOW).max(0) };
            verify(&tarn.http, base_ms, sender, ledger, from)
                .await
                .with_context(|| format!("round {round}, sender {sender}: {ledger:?}"))?;
        }
    }
    let unexpected = tarn.unexpected_lines(&["torn tail", "did not stop cleanly", "unclean"]);
    ensure!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}");
    let total: i64 = ledgers.iter().map(|l| l.acknowledged).sum();
    let merged = home.merged_blocks(&data, "slices")?;
    let told = format!(
        "crash ledger, {home:?}: {rounds} rounds, {total} samples acknowledged, 0 lost, 0 doubled, \
         {merged} merged blocks"
    );
    ensure!(merged > 0, "nothing was merged");
    ensure!(total > rounds * 100, "the flood was a trickle: {total} samples");
    Ok(told)
}

fn send(http: Http, base_ms: i64, sender: usize, numbers: Range<i64>) -> Sending {
    Box::pin(async move {
        let samples = numbers.map(|n| (base_ms + n, n as f64)).collect();
        let name = sender.to_string();
        let series = [Series::of(&[("__name__", "ledger"), ("sender", &name)], samples)];
        let answer = match sender % 2 {
            0 => send_v1(&http, &series).await,
            _ => send_v2(&http, &series).await,
        };
        let Ok(answer) = answer else { return Ok(false) };
        ensure!(answer.status == 204, "answered {}: {}", answer.status, answer.text());
        Ok(true)
    })
}

/// Reads the samples back from number `from` on and compares them with the ledger.
async fn verify(
    http: &Http,
    base_ms: i64,
    sender: usize,
    ledger: &mut Ledger,
    mut from: i64,
) -> Result<()> {
    let mut found = from;
    while from < ledger.sent {
        let end = from + WINDOW - 1;
        let query = format!("ledger{{sender=\"{sender}\"}}[{WINDOW}ms]");
        let params = [("query", query.as_str()), ("time", &seconds(base_ms + end))];
        let answer = http.get("/api/v1/query", &params).await?;
        ensure!(answer.headers.get("tarn-partial").is_none(), "partial: {}", answer.text());
        let data = data_of(&answer)?;
        let values = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
        for pair in values {
            let time_ms = (pair[0].as_f64().context("a time")? * 1000.0).round() as i64;
            let value: f64 = pair[1].as_str().context("a value")?.parse()?;
            ensure!(
                time_ms - base_ms == found && value == found as f64,
                "sample {found} expected, ({}, {value}) found",
                time_ms - base_ms
            );
            found += 1;
        }
        from = end + 1;
    }
    ensure!(
        found == ledger.acknowledged || found == ledger.sent,
        "{found} samples found: neither what was acknowledged nor all that was sent"
    );
    ledger.acknowledged = found;
    Ok(())
}

/// Draws 50 to 850 ms.
fn pause(seed: &mut u64) -> Duration {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Duration::from_millis(50 + (*seed >> 33) % 800)
}

/// Writes noise into the zeros behind the last record of the newest segment.
#[expect(clippy::disallowed_methods, reason = "damages a log on purpose")]
fn damage_tail(data: &Path) -> Result<()> {
    let mut newest: Option<(std::time::SystemTime, std::path::PathBuf)> = None;
    for entry in std::fs::read_dir(data.join("wal"))? {
        let entry = entry?;
        let modified = entry.metadata()?.modified()?;
        let bytes = std::fs::read(entry.path())?;
        let written = bytes.iter().rposition(|b| *b != 0).is_some_and(|at| at > 4096);
        if written && newest.as_ref().is_none_or(|(time, _)| modified > *time) {
            newest = Some((modified, entry.path()));
        }
    }
    let Some((_, path)) = newest else { return Ok(()) };
    let mut bytes = std::fs::read(&path)?;
    let tail = bytes.iter().rposition(|b| *b != 0).unwrap_or(0) + 200;
    let noise = bytes.iter_mut().skip(tail).take(300).enumerate();
    noise.for_each(|(i, b)| *b = (i * 37 + 11) as u8);
    std::fs::write(&path, bytes)?;
    Ok(())
}
