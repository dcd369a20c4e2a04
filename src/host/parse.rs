//! The files of `/proc` as rows. Pure: text in, rows out.

use crate::telemetry::OwnRow;

/// What a CPU's time goes to.
const CPU_MODES: [&str; 7] = ["user", "nice", "system", "idle", "iowait", "interrupt", "steal"];

/// The mode of each column of `/proc/stat`: hardware and software interrupts are one mode. Guest
/// time, further right, is part of user time already.
const COLUMN_MODES: [&str; 8] =
    ["user", "nice", "system", "idle", "iowait", "interrupt", "interrupt", "steal"];

/// `system.cpu.time` per logical CPU and state.
pub(super) fn cpu(stat: &str, ticks_per_second: u64, rows: &mut Vec<OwnRow>) {
    for line in stat.lines() {
        let mut fields = line.split_ascii_whitespace();
        let number = fields.next().and_then(|name| name.strip_prefix("cpu"));
        let Some(number) = number.filter(|n| !n.is_empty()) else { continue };
        let ticks: Vec<f64> = fields.map(|f| f.parse().unwrap_or(0.0)).collect();
        for mode in CPU_MODES {
            let of_mode = COLUMN_MODES.iter().zip(&ticks).filter(|(m, _)| **m == mode);
            let seconds = of_mode.map(|(_, t)| t).sum::<f64>() / ticks_per_second as f64;
            let labels = [("cpu_logical_number", number), ("cpu_mode", mode)];
            rows.push(OwnRow::counter("system_cpu_time_seconds_total", &labels, seconds));
        }
    }
}

/// The load averages.
pub(super) fn load(text: &str, rows: &mut Vec<OwnRow>) {
    let names =
        ["system_cpu_load_average_1m", "system_cpu_load_average_5m", "system_cpu_load_average_15m"];
    for (name, field) in names.into_iter().zip(text.split_ascii_whitespace()) {
        if let Ok(value) = field.parse() {
            rows.push(OwnRow::gauge(name, &[], value));
        }
    }
}

/// Yields names and bytes of `/proc/meminfo`.
pub(super) fn meminfo(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let kib: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some((name, kib * 1024))
    })
}

/// `system.memory.usage` per state, and the limit.
pub(super) fn memory(text: &str, rows: &mut Vec<OwnRow>) {
    let get = |name: &str| meminfo(text).find(|(n, _)| *n == name).map_or(0, |(_, b)| b);
    let total = get("MemTotal");
    if total == 0 {
        return;
    }
    let (free, buffers) = (get("MemFree"), get("Buffers"));
    let cached = get("Cached") + get("SReclaimable");
    let used = total.saturating_sub(free + buffers + cached);
    for (state, bytes) in [("used", used), ("free", free), ("buffers", buffers), ("cached", cached)]
    {
        let labels = [("system_memory_state", state)];
        rows.push(OwnRow::gauge("system_memory_usage_bytes", &labels, bytes as f64));
    }
    rows.push(OwnRow::gauge("system_memory_limit_bytes", &[], total as f64));
}

/// `system.disk.*` per whole disk.
pub(super) fn disks(text: &str, is_whole: fn(&str) -> bool, rows: &mut Vec<OwnRow>) {
    for line in text.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(device) = fields.get(2).filter(|d| is_whole(d) && !is_virtual_disk(d)) else {
            continue;
        };
        let field = |at: usize| fields.get(at).and_then(|f| f.parse().ok()).unwrap_or(0.0);
        // Sectors are 512 bytes in this file whatever the disk has.
        let directions = [("read", field(3), field(5)), ("write", field(7), field(9))];
        for (direction, operations, sectors) in directions {
            let labels = [("disk_io_direction", direction), ("system_device", device)];
            rows.push(OwnRow::counter("system_disk_io_bytes_total", &labels, sectors * 512.0));
            rows.push(OwnRow::counter("system_disk_operations_total", &labels, operations));
        }
        let labels = [("system_device", *device)];
        let seconds = field(12) / 1000.0;
        rows.push(OwnRow::counter("system_disk_io_time_seconds_total", &labels, seconds));
    }
}

fn is_virtual_disk(device: &str) -> bool {
    device.starts_with("loop") || device.starts_with("ram")
}

/// `system.network.*` per interface.
pub(super) fn network(text: &str, rows: &mut Vec<OwnRow>) {
    for line in text.lines() {
        let Some((interface, rest)) = line.split_once(':') else { continue };
        let values: Vec<f64> =
            rest.split_ascii_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
        let value = |at: usize| values.get(at).copied().unwrap_or(0.0);
        for (direction, first) in [("receive", 0), ("transmit", 8)] {
            let labels =
                [("network_interface_name", interface.trim()), ("network_io_direction", direction)];
            for (name, offset) in [
                ("system_network_io_bytes_total", 0),
                ("system_network_packet_count_total", 1),
                ("system_network_errors_total", 2),
                ("system_network_packet_dropped_total", 3),
            ] {
                rows.push(OwnRow::counter(name, &labels, value(first + offset)));
            }
        }
    }
}

/// `system.filesystem.usage` of the file systems on real devices, each device once.
pub(super) fn file_systems(
    mounts: &str,
    space: fn(&str) -> Option<[f64; 3]>,
    rows: &mut Vec<OwnRow>,
) {
    let mut seen = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(device), Some(mount), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if !device.starts_with("/dev/") || device.starts_with("/dev/loop") || seen.contains(&device)
        {
            continue;
        }
        seen.push(device);
        // Blanks are written as octal escapes.
        let Some(bytes) = space(&mount.replace("\\040", " ")) else { continue };
        for (state, bytes) in ["used", "free", "reserved"].into_iter().zip(bytes) {
            let labels = [
                ("system_device", device),
                ("system_filesystem_mountpoint", mount),
                ("system_filesystem_state", state),
                ("system_filesystem_type", kind),
            ];
            rows.push(OwnRow::gauge("system_filesystem_usage_bytes", &labels, bytes));
        }
    }
}
