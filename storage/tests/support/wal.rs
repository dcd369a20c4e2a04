//! What the tests of the log share.

use std::path::Path;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tarn_model::units::ByteSize;
use tarn_storage::disk::ReadOnly;
use tarn_storage::file::Disk;
use tarn_storage::wal::{Metrics, Options};
use tarn_storage::{Handles, WalSync};
use tarn_testkit::sim::{SimClock, SimRng};
use tarn_testkit::tasks::HeldTasks;

/// A log of writer 7, with bounds that nobody reaches.
pub(crate) fn options(dir: &Path, epoch: u64, segment_bytes: u64) -> Options {
    let registry = &mut Registry::default();
    Options {
        dir: dir.to_owned(),
        writer_id: 7,
        epoch,
        segment_bytes: ByteSize(segment_bytes),
        bytes_max: ByteSize::gib(1),
        queue_bytes_max: ByteSize::mib(1),
        sync: WalSync::Group,
        read_only: ReadOnly::register(registry),
        metrics: Metrics::register(registry),
        keep: Arc::default(),
    }
}

/// Handles of a simulation that has this disk and clock.
pub(crate) fn handles(disk: Arc<dyn Disk>, clock: SimClock) -> Handles {
    Handles {
        clock: Arc::new(clock),
        rng: Arc::new(SimRng::new(1)),
        tasks: Arc::new(HeldTasks::default()),
        disk,
    }
}
