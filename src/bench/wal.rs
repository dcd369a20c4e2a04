//! The write-ahead log alone: appends of opaque bytes, acknowledged after the sync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::WalSync;
use tarn_storage::disk::ReadOnly;
use tarn_storage::wal::{Lsn, Metrics, Options, Payload, RecordBuilder, Sink, Wal, recover};

use super::{Folder, figure, lab};
use crate::generate::series::Chance;

/// Takes records and forgets them.
#[derive(Debug)]
struct Nothing(TenantId);

impl Sink for Nothing {
    type Item = Bytes;
    type Reply = ();

    fn bytes(item: &Bytes) -> usize {
        item.len()
    }

    fn frame(&mut self, _: Lsn, item: &mut Bytes, record: &mut RecordBuilder) {
        record.tenant = Some(self.0.clone());
        let payload = Payload { signal: Signal::Metrics, schema: 0, bytes: item.clone() };
        record.payloads.push(payload);
    }

    fn apply(&mut self, _: Lsn, _: Bytes) {}

    fn group_applied(&mut self, _: Lsn) {}

    fn begin_generation(&mut self, _: Lsn) {}
}

/// Measures many small writers and few larger ones.
pub(super) async fn run(folder: &Folder, seconds: u64) -> anyhow::Result<()> {
    for (name, writers, bytes) in [("wal_64x4KiB", 64, 4 << 10), ("wal_8x64KiB", 8, 64 << 10)] {
        let (handles, tasks) = lab::handles();
        let mut registry = Registry::default();
        let options = Options {
            dir: folder.join(name),
            writer_id: 1,
            epoch: 1,
            segment_bytes: ByteSize::mib(64),
            bytes_max: ByteSize::gib(64),
            queue_bytes_max: ByteSize::mib(64),
            sync: WalSync::Group,
            read_only: ReadOnly::register(&mut registry),
            metrics: Metrics::register(&mut registry),
            keep: Arc::default(),
        };
        let recovery = recover(&options, &handles.disk, Lsn(0))?;
        let wal = Wal::start(options, &handles, recovery, Nothing(TenantId::default_tenant()));
        let taken = append_for(&wal, writers, bytes, Duration::from_secs(seconds)).await?;
        print_figures(name, taken, bytes, seconds);
        wal.close().await?;
        tasks.stop(Duration::from_secs(5)).await;
    }
    Ok(())
}

/// Appends from so many tasks and returns how long each acknowledgement took. What is done is
/// truncated now and then, so that segments are recycled as they are behind flushes.
async fn append_for(
    wal: &Wal<Nothing>,
    writers: u64,
    bytes: usize,
    time: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let (wal, all) = (wal.clone(), Arc::clone(&all));
        let mut chance = Chance::new(writer);
        let body: Bytes = (0..bytes).map(|_| chance.below(256) as u8).collect();
        tasks.push(tokio::spawn(async move {
            let mut own = Vec::new();
            while Instant::now() < end {
                let begin = Instant::now();
                wal.append(body.clone()).await?;
                own.push(begin.elapsed());
                if writer == 0 && own.len() % 256 == 0 {
                    let last = wal.run(|_, last| last).await?;
                    wal.truncate(last);
                }
            }
            all.lock().extend(own);
            Ok::<(), tarn_model::error::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let taken = std::mem::take(&mut *all.lock());
    Ok(taken)
}

fn print_figures(name: &str, mut taken: Vec<Duration>, bytes: usize, seconds: u64) {
    taken.sort_unstable();
    let per_second = taken.len() as f64 / seconds as f64;
    let percentile = |percent: usize| {
        taken.get(taken.len() * percent / 100).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
    };
    figure(&format!("{name}_acks"), per_second, "acks/s");
    figure(&format!("{name}_bytes"), per_second * bytes as f64 / 1e6, "MB/s");
    figure(&format!("{name}_ack_p50"), percentile(50), "ms");
    figure(&format!("{name}_ack_p99"), percentile(99), "ms");
}
