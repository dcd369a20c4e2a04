//! Free space: when to flush, when to refuse writes, and what is kept for the last flush.
//!
//! Every second the watch asks the file system how much is left. Below the *soft* threshold the
//! store flushes and drops what it can spare; below the *hard* one writes are refused, while
//! queries go on (FUL-1). Each level ends 2 % above where it began, so that it does not flap. A
//! ballast file holds 64 MiB that are given up only to finish a flush or a stop.
//!
//! [`ReadOnly`] is the one switch that says why writes are refused: the watch, the log and whoever
//! else set reasons of their own; writes are taken while there is none.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tarn_model::metrics::STORAGE_READ_ONLY;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tokio::sync::watch;

use crate::file::{Disk, OpenHow, Space};

/// How often free space is looked at.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// What the ballast keeps: enough for the blocks of one head of a small node.
pub const BALLAST_BYTES: ByteSize = ByteSize::mib(64);
/// A level ends when this share of the disk, in percent, is free above its threshold.
const HYSTERESIS_PERCENT: u64 = 2;
/// How much is written at a time into the ballast.
const CHUNK_BYTES: usize = 1 << 20;
/// The reason under which the watch refuses writes.
const DISK_FULL: &str = "disk_full";

/// Why writes are refused, if they are. Cheap to clone; all clones are one switch.
#[derive(Debug, Clone)]
pub struct ReadOnly(Arc<Switch>);

#[derive(Debug)]
struct Switch {
    reasons: Mutex<BTreeMap<&'static str, String>>,
    gauge: Family<[(&'static str, &'static str); 1], Gauge>,
}

impl ReadOnly {
    /// Makes the switch, off, and registers its gauge.
    pub fn register(registry: &mut Registry) -> Self {
        let gauge = Family::default();
        registry.register(STORAGE_READ_ONLY.name, STORAGE_READ_ONLY.help, gauge.clone());
        Self(Arc::new(Switch { reasons: Mutex::default(), gauge }))
    }

    /// Makes a switch of its own, off, that no gauge shows: for a log that goes on while the others
    /// are refused.
    pub fn apart() -> Self {
        Self(Arc::new(Switch { reasons: Mutex::default(), gauge: Family::default() }))
    }

    /// Refuses writes until [`ReadOnly::clear`] with the same reason. Returns whether the reason is
    /// new. `reason` is the value of the gauge's label, `message` is for people.
    pub fn set(&self, reason: &'static str, message: impl Into<String>) -> bool {
        let new = self.0.reasons.lock().insert(reason, message.into()).is_none();
        self.0.gauge.get_or_create(&[("reason", reason)]).set(1);
        new
    }

    /// Takes a reason back. Returns whether it was set.
    pub fn clear(&self, reason: &'static str) -> bool {
        let was_set = self.0.reasons.lock().remove(reason).is_some();
        if was_set {
            self.0.gauge.get_or_create(&[("reason", reason)]).set(0);
        }
        was_set
    }

    /// Returns why writes are refused, or `None` where they are taken.
    pub fn reason(&self) -> Option<String> {
        let reasons = self.0.reasons.lock();
        if reasons.is_empty() {
            return None;
        }
        Some(reasons.values().map(String::as_str).collect::<Vec<_>>().join("; "))
    }
}

/// How full the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Room enough.
    Ample,
    /// Flush now, shrink caches.
    Soft,
    /// Writes are refused.
    Hard,
}

/// Below how many free bytes a level begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Where [`Level::Soft`] begins.
    pub soft: u64,
    /// Where [`Level::Hard`] begins.
    pub hard: u64,
}

impl Thresholds {
    /// Returns the smaller of share and size: 15 % or 4 GiB, 5 % or 1 GiB.
    pub fn of(total: u64) -> Self {
        let percent = |n: u64| (total / 100).saturating_mul(n);
        Self { soft: percent(15).min(ByteSize::gib(4).0), hard: percent(5).min(ByteSize::gib(1).0) }
    }
}

/// Looks after the room on the disk of the data folder.
#[derive(Debug)]
pub struct DiskWatch {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    read_only: ReadOnly,
    level: watch::Sender<Level>,
}

impl DiskWatch {
    /// Begins at [`Level::Ample`]; nothing is asked yet.
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, read_only: ReadOnly) -> Self {
        Self { disk, folder, read_only, level: watch::Sender::new(Level::Ample) }
    }

    /// Returns the level, and how it changes.
    pub fn subscribe(&self) -> watch::Receiver<Level> {
        self.level.subscribe()
    }

    /// Asks the file system once, and refuses or takes writes accordingly.
    ///
    /// # Errors
    /// What the file system answered; the level stays.
    pub fn check(&self) -> io::Result<Level> {
        let space = self.disk.space(&self.folder)?;
        let before = *self.level.borrow();
        let now = next_level(before, space);
        if now != before {
            let available = ByteSize(space.available);
            match now {
                Level::Ample => tracing::info!(%available, "disk has room again"),
                Level::Soft => tracing::warn!(%available, "disk fills up"),
                Level::Hard => tracing::warn!(%available, "disk is full, writes are refused"),
            }
            self.level.send_replace(now);
        }
        if now == Level::Hard {
            let hard = ByteSize(Thresholds::of(space.total).hard);
            let available = ByteSize(space.available);
            let message = format!("disk has {available} left, limit is {hard}");
            self.read_only.set(DISK_FULL, message);
        } else {
            self.read_only.clear(DISK_FULL);
        }
        Ok(now)
    }

    /// Checks every second, for ever; meant for `Tasks::spawn`.
    pub async fn run(self: Arc<Self>, clock: Arc<dyn Clock>) {
        loop {
            if let Err(error) = self.check() {
                tracing::warn!(%error, "free space could not be read");
            }
            clock.sleep(CHECK_INTERVAL).await;
        }
    }
}

/// Returns the level after `before`: up at once, down only with the hysteresis.
fn next_level(before: Level, space: Space) -> Level {
    let Thresholds { soft, hard } = Thresholds::of(space.total);
    let margin = (space.total / 100).saturating_mul(HYSTERESIS_PERCENT);
    let at = |level: Level, threshold: u64| {
        let margin = if before >= level { margin } else { 0 };
        space.available < threshold.saturating_add(margin)
    };
    if at(Level::Hard, hard) {
        Level::Hard
    } else if at(Level::Soft, soft) {
        Level::Soft
    } else {
        Level::Ample
    }
}

/// A file whose room is given up to finish a flush or a stop on a full disk.
#[derive(Debug)]
pub struct Ballast {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: ByteSize,
}

impl Ballast {
    /// Names the file; nothing is touched.
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf, bytes: ByteSize) -> Self {
        Self { disk, path, bytes }
    }

    /// Makes the file whole, if it is not. It is written, not only sized: a hole keeps no room.
    ///
    /// # Errors
    /// What the file system answered; `StorageFull` leaves no file behind.
    pub fn fill(&self) -> io::Result<()> {
        let file = match self.disk.open(&self.path, OpenHow::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.open(&self.path, OpenHow::CreateNew)?
            }
            other => other?,
        };
        let filled = (|| {
            let zeros = vec![0; CHUNK_BYTES];
            let mut at = file.len()?;
            while at < self.bytes.0 {
                let left = self.bytes.0.saturating_sub(at);
                let chunk = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                file.write_at(zeros.get(..chunk).unwrap_or_default(), at)?;
                at = at.saturating_add(chunk as u64);
            }
            file.sync_data()
        })();
        if filled.is_err() {
            self.release()?;
        }
        filled
    }

    /// Gives the room up.
    ///
    /// # Errors
    /// What the file system answered.
    pub fn release(&self) -> io::Result<()> {
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
