//! The files of `/proc` of a small machine, and of this one.

use tarn_model::map::HashSet;

use super::{memory_budget, parse, rows};
use crate::telemetry::OwnRow;

fn texts(rows: &[OwnRow]) -> Vec<String> {
    rows.iter().map(|r| format!("{} {}", r.labels, r.value)).collect()
}

#[test]
fn cpu_time_is_told_per_mode() {
    let mut rows = Vec::new();
    parse::cpu("cpu  9 9 9\ncpu0 100 1 50 900 10 2 3 4 0 0\nintr 5\n", 100, &mut rows);
    let expected = [
        ("user", "1"),
        ("nice", "0.01"),
        ("system", "0.5"),
        ("idle", "9"),
        ("iowait", "0.1"),
        ("interrupt", "0.05"),
        ("steal", "0.04"),
    ];
    let expected: Vec<String> = expected
        .iter()
        .map(|(mode, v)| {
            format!(
                "system_cpu_time_seconds_total{{cpu_logical_number=\"0\", cpu_mode=\"{mode}\"}} {v}"
            )
        })
        .collect();
    assert_eq!(texts(&rows).join("\n").replace("\",c", "\", c"), expected.join("\n"));
}

#[test]
fn memory_adds_up() {
    let mut rows = Vec::new();
    let text = "MemTotal: 1000 kB\nMemFree: 200 kB\nBuffers: 100 kB\nCached: 300 kB\nSReclaimable: 50 kB\n";
    parse::memory(text, &mut rows);
    let values: Vec<f64> = rows.iter().map(|r| r.value / 1024.0).collect();
    assert_eq!(values, [350.0, 200.0, 100.0, 350.0, 1000.0]);
}

#[test]
fn devices_are_told_once_and_virtual_ones_not() {
    let mut rows = Vec::new();
    let line = |name| format!("8 0 {name} 10 0 20 0 30 0 40 0 0 5000 0\n");
    let stats = line("sda") + &line("sda1") + &line("loop0");
    parse::disks(&stats, |d| d != "sda1", &mut rows);
    assert_eq!(rows.len(), 5);
    let io: Vec<f64> = rows.iter().map(|r| r.value).collect();
    assert_eq!(io, [10240.0, 10.0, 20480.0, 30.0, 5.0]);

    let mut rows = Vec::new();
    let mounts = "/dev/sda1 / ext4 rw 0 0\n/dev/sda1 /again ext4 rw 0 0\nproc /proc proc rw 0 0\n";
    parse::file_systems(mounts, |_| Some([1.0, 2.0, 3.0]), &mut rows);
    assert_eq!(rows.len(), 3);
}

#[test]
fn nonsense_makes_no_rows_and_no_panic() {
    for text in ["", "\n:\n", "cpu\ncpu0\n", "MemTotal: x kB", "a b c d", "eth0: x y", "🦀 : 🦀"]
    {
        let mut rows = Vec::new();
        parse::cpu(text, 100, &mut rows);
        parse::load(text, &mut rows);
        parse::memory(text, &mut rows);
        parse::disks(text, |_| true, &mut rows);
        parse::network(text, &mut rows);
        parse::file_systems(text, |_| None, &mut rows);
        assert!(rows.iter().all(|r| r.value == 0.0), "{text:?}: {:?}", texts(&rows));
    }
}

#[test]
fn this_machine_has_metrics_without_duplicates() {
    let rows = rows();
    let ids: HashSet<_> = rows.iter().map(|r| r.labels.series_id()).collect();
    assert_eq!(ids.len(), rows.len());
    assert!(rows.iter().any(|r| r.labels.metric() == "system_memory_usage_bytes"));
    assert!(memory_budget().0 > 64 << 20);
}
