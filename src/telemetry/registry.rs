//! The one registry of the process, with what the process and its allocator use.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use tarn_model::limits::Hits;
use tarn_model::metrics::{
    ALLOCATOR_ALLOCATED_BYTES, ALLOCATOR_RESIDENT_BYTES, BUILD_INFO, LIMIT_HITS, MetricName,
    PROCESS_CPU_SECONDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY_BYTES,
    PROCESS_START_TIME_SECONDS,
};
use tikv_jemalloc_ctl::{epoch, stats};

/// Version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the registry that all crates register in.
pub(crate) fn new() -> Registry {
    let mut registry = Registry::default();
    let build: Family<Vec<(&str, &str)>, Gauge> = Family::default();
    build.get_or_create(&vec![("version", VERSION)]).set(1);
    registry.register(BUILD_INFO.name, BUILD_INFO.help, build);
    registry.register_collector(Box::new(Process { start_seconds: start_seconds() }));
    registry
}

/// Returns when the process was started, in seconds since the epoch. The process makes the registry
/// among the first things, so now is near enough.
fn start_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Returns how many bytes the allocator has handed out; 0 where it does not tell.
pub(crate) fn allocated() -> u64 {
    let advanced = epoch::advance().is_ok();
    if advanced { stats::allocated::read().unwrap_or(0) as u64 } else { 0 }
}

/// Reads process and allocator figures when they are asked for.
#[derive(Debug)]
struct Process {
    start_seconds: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let usage = usage();
        put(&mut encoder, PROCESS_CPU_SECONDS, &ConstCounter::new(usage.cpu_seconds))?;
        for (name, value) in [
            (PROCESS_RESIDENT_MEMORY_BYTES, usage.resident_bytes),
            (PROCESS_OPEN_FDS, open_files()),
            (PROCESS_START_TIME_SECONDS, self.start_seconds),
        ] {
            put(&mut encoder, name, &ConstGauge::new(value))?;
        }
        // The allocator counts lazily: an epoch brings its figures up to date.
        if epoch::advance().is_ok() {
            for (name, value) in [
                (ALLOCATOR_ALLOCATED_BYTES, stats::allocated::read()),
                (ALLOCATOR_RESIDENT_BYTES, stats::resident::read()),
            ] {
                let value = value.unwrap_or_default() as f64;
                put(&mut encoder, name, &ConstGauge::new(value))?;
            }
        }
        Ok(())
    }
}

/// How often each limit turned something away.
#[derive(Debug)]
pub(crate) struct LimitHits(pub(crate) Hits);

impl Collector for LimitHits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let kind = ConstCounter::new(0u64).metric_type();
        let mut family = encoder.encode_descriptor(LIMIT_HITS.name, LIMIT_HITS.help, None, kind)?;
        for (limit, count) in self.0.all() {
            let labels = [("limit", limit.setting())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: MetricName,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    let metric_encoder =
        encoder.encode_descriptor(name.name, name.help, None, metric.metric_type())?;
    metric.encode(metric_encoder)
}

/// What the process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: f64,
    pub(crate) resident_bytes_max: f64,
}

/// Reads what this process has used so far; zeros where the system does not tell.
pub(crate) fn usage() -> Usage {
    usage_of("self")
}

/// Reads what a process has used so far; zeros where the system does not tell.
pub(crate) fn usage_of(pid: &str) -> Usage {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
    let status = read("status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let digits = line.and_then(|l| l.split_ascii_whitespace().next());
        digits.and_then(|d| d.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
    };
    Usage {
        cpu_seconds: cpu_seconds(&read("stat").unwrap_or_default()).unwrap_or(0.0),
        resident_bytes: kib("VmRSS:"),
        resident_bytes_max: kib("VmHWM:"),
    }
}

/// Returns user and system time of a line of `/proc/pid/stat`: fields 14 and 15, counted after the
/// name, which stands in parentheses and may hold blanks.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / crate::host::TICKS_PER_SECOND as f64)
}

fn open_files() -> f64 {
    // One of the entries is the listing itself.
    std::fs::read_dir("/proc/self/fd")
        .map_or(0.0, |entries| entries.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, usage};

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a"), None);
        assert!(usage().resident_bytes > 0.0);
    }
}
