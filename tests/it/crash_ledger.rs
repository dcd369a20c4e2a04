//! What the crash tests share: senders that keep a ledger of what was acknowledged, flushes and merges
//! as fast as can be, and a SIGKILL in the middle.
//!
//! Every sender sends numbered rows, a batch a request, and sends a batch again, byte for byte, until
//! it is acknowledged: also after the kill, when nobody knows whether it was stored.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tarn_testkit::http::Http;
use tarn_testkit::process::Tarn;
use tarn_testkit::s3_server::S3Server;

use crate::TARN;

/// How many senders there are.
pub(crate) const SENDERS: usize = 4;
/// Rows of one request.
const BATCH: i64 = 25;
/// How often a flush is asked for.
const FLUSH: Duration = Duration::from_millis(70);
/// How often everything is merged, beside the merges that are due.
const MERGE: Duration = Duration::from_millis(300);
/// Settings with which kills fall into flushes and merges.
pub(crate) const FLAGS: [&str; 10] = [
    "--telemetry.interval",
    "1s",
    "--compaction.interval",
    "100ms",
    "--compaction.level1-blocks",
    "2",
    "--compaction.level1-age",
    "0s",
    "--compaction.level2-delay",
    "0s",
];

/// Where the server under the kills keeps its blocks.
pub(crate) enum Home {
    /// In the data folder.
    Folder,
    /// In a bucket, over the S3 protocol.
    Bucket(S3Server),
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "blocks in a folder",
            Self::Bucket(_) => "blocks in a bucket",
        })
    }
}

impl Home {
    /// Starts a server on a data folder; the bucket stays the same.
    pub(crate) async fn start(&self, data: &Path) -> Result<Tarn> {
        match self {
            Self::Folder => Tarn::start(TARN, data, &FLAGS).await,
            Self::Bucket(s3) => {
                let own = s3.flags("ledger");
                let flags: Vec<&str> =
                    FLAGS.into_iter().chain(own.iter().map(String::as_str)).collect();
                Tarn::start_with(TARN, data, &flags, &s3.environment()).await
            }
        }
    }

    /// Returns the folder of blocks, as it is on this machine.
    fn blocks(&self, data: &Path) -> PathBuf {
        match self {
            Self::Folder => data.join("bucket/blocks"),
            Self::Bucket(s3) => s3.bucket_folder().join("ledger/blocks"),
        }
    }

    /// Counts the merged blocks of one kind, live or not: objects stay for a day.
    pub(crate) fn merged_blocks(&self, data: &Path, kind: &str) -> Result<usize> {
        let mut folders = vec![self.blocks(data)];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).context("list the blocks")? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if name.starts_with(kind) && !name.contains("-L0-") {
                    count += 1;
                }
            }
        }
        Ok(count)
    }
}

/// What one sender knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ledger {
    /// Rows `0..acknowledged` were acknowledged.
    pub(crate) acknowledged: i64,
    /// Rows up to here were sent, the last batch without an answer.
    pub(crate) sent: i64,
}

/// A request on its way; `false` where no answer came.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<bool>> + Send>>;
/// Sends the rows of a sender with these numbers.
pub(crate) type SendBatch = fn(Http, i64, usize, Range<i64>) -> Sending;

/// Lets all senders write for `time`, then kills the process under them.
pub(crate) async fn flood(
    tarn: &mut Tarn,
    base_ms: i64,
    ledgers: &mut [Ledger; SENDERS],
    time: Duration,
    send: SendBatch,
) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = ledgers
        .iter()
        .enumerate()
        .map(|(sender, ledger)| {
            let (http, stop, mut ledger) = (tarn.http.clone(), Arc::clone(&stop), *ledger);
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let numbers = ledger.acknowledged..ledger.acknowledged + BATCH;
                    ledger.sent = numbers.end;
                    // No answer: the kill. The next round sends the same bytes again.
                    if !send(http.clone(), base_ms, sender, numbers).await? {
                        break;
                    }
                    ledger.acknowledged = ledger.sent;
                }
                anyhow::Ok(ledger)
            })
        })
        .collect();
    let flusher = tokio::spawn(ask(tarn.http.clone(), "/-/flush", FLUSH));
    let merger = tokio::spawn(ask(tarn.http.clone(), "/-/compact", MERGE));
    tokio::time::sleep(time).await;
    tarn.kill()?;
    flusher.await??;
    merger.await??;
    stop.store(true, Ordering::Relaxed);
    for (task, ledger) in tasks.into_iter().zip(ledgers) {
        *ledger = task.await??;
    }
    Ok(())
}

/// Asks for flushes or merges until the process is gone.
async fn ask(http: Http, path: &'static str, pause: Duration) -> Result<()> {
    loop {
        tokio::time::sleep(pause).await;
        let Ok(answer) = http.send(http::Method::POST, path, &[], "").await else {
            return Ok(());
        };
        ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.text());
    }
}

/// Merges everything.
pub(crate) async fn merge_all(http: &Http) -> Result<()> {
    for path in ["/-/flush", "/-/compact"] {
        let answer = http.send(http::Method::POST, path, &[], "").await?;
        ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.text());
    }
    Ok(())
}
