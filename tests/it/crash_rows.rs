//! DUR-1, VIS-1, VIS-3, IDM-1 for logs and spans: SIGKILL in the middle of a flood, with a ledger.
//!
//! Half of the senders send log records, half of them spans; row `n` has the time `base + n` ms.
//! After each restart every acknowledged row must be there exactly once; of the one batch on its way
//! all rows or none. Flushes and merges are forced fast.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tarn_testkit::http::Http;
use tarn_testkit::otlp;
use tarn_testkit::s3_server::S3Server;

use crate::crash_ledger::{Home, Ledger, SENDERS, Sending, flood, merge_all};
use crate::{data_folder, now_ms, number, rows};

/// Rows of one sender that one query looks at.
const WINDOW: i64 = 5_000;
/// On one of so many rounds all rows are looked at.
const WHOLE_EVERY: i64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_every_acknowledged_row_survives_sigkill_once() -> Result<()> {
    println!("{}", rounds(&Home::Folder, 12).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dur_1_every_acknowledged_row_survives_sigkill_once_in_front_of_a_bucket() -> Result<()> {
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
    let mut tarn = home.start(&data).await?;
    for round in 0..rounds {
        let time = Duration::from_millis(250 + (round * 7919) as u64 % 500);
        flood(&mut tarn, base_ms, &mut ledgers, time, send).await?;
        tarn = home.start(&data).await.with_context(|| format!("round {round}"))?;
        let last = round + 1 == rounds;
        if last {
            merge_all(&tarn.http).await?;
        }
        // All rows are looked at now and then: each time, a thousand rounds would take a day.
        let all = last || round % WHOLE_EVERY == 0;
        for (sender, ledger) in ledgers.iter().enumerate() {
            let from = if all { 0 } else { (ledger.acknowledged - WINDOW).max(0) };
            verify(&tarn.http, base_ms, sender, ledger, from)
                .await
                .with_context(|| format!("round {round}, sender {sender}: {ledger:?}"))?;
        }
    }
    let unexpected = tarn.unexpected_lines(&["torn tail", "did not stop cleanly", "unclean"]);
    ensure!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}");
    let total: i64 = ledgers.iter().map(|l| l.acknowledged).sum();
    let merged = home.merged_blocks(&data, "logs")? + home.merged_blocks(&data, "spans")?;
    let told = format!(
        "crash ledger, {home:?}: {rounds} rounds, {total} log records and spans acknowledged, 0 lost, \
         0 doubled, {merged} merged blocks"
    );
    ensure!(merged > 0, "nothing was merged");
    ensure!(total > rounds * 100, "the flood was a trickle: {total} rows");
    Ok(told)
}

fn send(http: Http, base_ms: i64, sender: usize, numbers: Range<i64>) -> Sending {
    Box::pin(async move {
        let time_ns = |n: i64| ((base_ms + n) * 1_000_000) as u64;
        let service = format!("ledger-{sender}");
        let answer = if sender.is_multiple_of(2) {
            let records = numbers
                .map(|n| otlp::record(time_ns(n), &format!("row {n}"), vec![otlp::int("n", n)]))
                .collect();
            otlp::send_logs(&http, &otlp::logs(&service, records)).await
        } else {
            let trace = |n: i64| (sender as u128) << 64 | (n as u128 / 5 + 1);
            let spans = numbers
                .map(|n| {
                    let id = n as u64 + 1;
                    let parent = if n % 5 == 0 { 0 } else { id - 1 };
                    otlp::span(trace(n), id, parent, &format!("row {n}"), time_ns(n), 1_000)
                })
                .collect();
            otlp::send_spans(&http, &otlp::spans(&service, spans)).await
        };
        let Ok(answer) = answer else { return Ok(false) };
        ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.text());
        ensure!(answer.body.is_empty(), "rejected: {}", answer.text());
        Ok(true)
    })
}

/// Counts the rows of a sender from a number on.
async fn verify(
    http: &Http,
    base_ms: i64,
    sender: usize,
    ledger: &Ledger,
    from: i64,
) -> Result<()> {
    let table = if sender.is_multiple_of(2) { "logs" } else { "spans" };
    let name = if sender.is_multiple_of(2) { "body" } else { "name" };
    let time = if sender.is_multiple_of(2) { "timestamp" } else { "start" };
    let from_ms = base_ms + from;
    let query = format!(
        "SELECT count(*), count(DISTINCT {name}) FROM {table} \
         WHERE service_name = 'ledger-{sender}' AND {time} >= to_timestamp_millis({from_ms})"
    );
    let counted = rows(http, &query).await?;
    let (all, distinct) = (number(&counted[0][0])?, number(&counted[0][1])?);
    ensure!(all == distinct, "{all} rows, {distinct} of them distinct");
    let possible = [(ledger.acknowledged - from) as f64, (ledger.sent - from) as f64];
    ensure!(possible.contains(&all), "{all} rows, {possible:?} were to be expected");
    Ok(())
}
