//! What a merge of log records and of spans holds in memory, and how fast it goes in this build
//! profile. Inputs and outputs lie on disk; the peak is that of the process. `TARN_ROWS` asks for
//! more rows.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the peak of the process is what is measured")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;
use std::time::Instant;

use tarn_model::units::ByteSize;
use tarn_storage::block::BlockMeta;
use tarn_storage::schema::tables::Table;
use tarn_testkit::sim::SimRng;

#[path = "support/merging.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod merging;
#[path = "support/tables.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod tables;

use merging::World;
use tables::{logs, spans};

/// Inputs of a merge.
const INPUTS: usize = 8;
/// Rows of all inputs where nothing else is asked for: an unoptimised build takes seconds for them.
const ROWS: usize = 80_000;
/// What the merge may hold beside what the process has anyway.
const PEAK_MAX: u64 = 512 << 20;

fn rows() -> usize {
    let asked = std::env::var_os("TARN_ROWS");
    asked.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(ROWS)
}

/// Returns a line of what the kernel says of this process, in bytes.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: u64 = line.trim_start_matches(':').trim().split(' ').next().unwrap().parse().unwrap();
    kib << 10
}

#[test]
fn merges_are_bounded_in_memory() {
    for table in [Table::Logs, Table::Spans] {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::on_disk(1, folder.path());
        world.memory_max = ByteSize(PEAK_MAX);
        let rng = SimRng::new(1);
        let mut inputs: Vec<Arc<BlockMeta>> = Vec::new();
        for _ in 0..INPUTS {
            let batches: Vec<_> = (0..10)
                .map(|_| match table {
                    Table::Logs => logs(&rng, rows() / INPUTS / 10, 1),
                    Table::Spans => spans(&rng, rows() / INPUTS / 10, 1),
                })
                .collect();
            inputs.extend(world.flush(table, &batches));
        }
        let bytes: u64 = inputs.iter().map(|meta| meta.bytes).sum();
        world.block_bytes = ByteSize(bytes / 2);
        // The peak begins anew.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = status("VmRSS");
        let begun = Instant::now();
        let merged = world.merge(table, 2, &inputs);
        let taken = begun.elapsed();
        let peak = status("VmHWM").saturating_sub(before);
        let rows: u64 = merged.iter().map(|block| block.meta.rows).sum();
        println!(
            "{}: {rows} rows, {} MB in {INPUTS} blocks into {}: {} MB more memory at the peak; \
             {:.2} MB/s, {:.0} rows/s in this build profile",
            table.as_str(),
            bytes >> 20,
            merged.len(),
            peak >> 20,
            bytes as f64 / 1e6 / taken.as_secs_f64(),
            rows as f64 / taken.as_secs_f64(),
        );
        assert!(peak <= PEAK_MAX, "{peak} bytes at the peak");
    }
}
