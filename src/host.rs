//! The machine: its memory for the budget, and CPU, memory, disk, network and file systems as the
//! metrics that OpenTelemetry calls `system.*`, under their Prometheus names.
//!
//! Everything is read from `/proc` and `/sys`; what is not there (another system, a tight sandbox) is
//! left out.

use std::path::Path;

use tarn_model::units::ByteSize;

use crate::telemetry::OwnRow;

mod parse;
#[cfg(test)]
mod tests;

/// Unit of `/proc/stat`: the kernel's USER_HZ, which is 100 on every machine that Rust runs on.
pub(crate) const TICKS_PER_SECOND: u64 = 100;

/// Returns the default of `memory.budget`: 80 % of the control group's limit, without one half of
/// the machine's memory.
pub(crate) fn memory_budget() -> ByteSize {
    let machine = memory_total().unwrap_or(ByteSize::gib(2));
    match cgroup_limit() {
        Some(limit) if limit < machine => ByteSize(limit.0 / 10 * 8),
        _ => ByteSize(machine.0 / 2),
    }
}

/// Reads all host metrics.
pub(crate) fn rows() -> Vec<OwnRow> {
    let mut rows = Vec::new();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    parse::cpu(&read("/proc/stat"), TICKS_PER_SECOND, &mut rows);
    parse::load(&read("/proc/loadavg"), &mut rows);
    parse::memory(&read("/proc/meminfo"), &mut rows);
    parse::disks(&read("/proc/diskstats"), is_whole_disk, &mut rows);
    parse::network(&read("/proc/net/dev"), &mut rows);
    parse::file_systems(&read("/proc/self/mounts"), space, &mut rows);
    rows
}

fn is_whole_disk(device: &str) -> bool {
    std::fs::metadata(format!("/sys/block/{device}")).is_ok()
}

/// Returns used, free and reserved bytes of the file system mounted at a path.
fn space(mount: &str) -> Option<[f64; 3]> {
    let stat = rustix::fs::statvfs(Path::new(mount)).ok()?;
    let bytes = |blocks: u64| blocks as f64 * stat.f_frsize as f64;
    (stat.f_blocks > 0).then(|| {
        let reserved = stat.f_bfree.saturating_sub(stat.f_bavail);
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        [bytes(used), bytes(stat.f_bavail), bytes(reserved)]
    })
}

fn memory_total() -> Option<ByteSize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    parse::meminfo(&text).find(|(name, _)| *name == "MemTotal").map(|(_, bytes)| ByteSize(bytes))
}

/// Returns the memory limit of the process's control group: the smallest on the way to the root.
fn cgroup_limit() -> Option<ByteSize> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|l| l.strip_prefix("0::/")).unwrap_or_default();
    let unified = Path::new("/sys/fs/cgroup").join(path);
    let limits = unified.ancestors().take_while(|p| p.starts_with("/sys/fs/cgroup"));
    let mut files: Vec<_> = limits.map(|p| p.join("memory.max")).collect();
    files.push(Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").to_owned());
    let read = |file| std::fs::read_to_string(file).ok()?.trim().parse().ok().map(ByteSize);
    files.iter().filter_map(read).min()
}
