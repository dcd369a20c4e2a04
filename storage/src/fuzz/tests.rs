//! Mutations of what version 1 wrote, with checksums repaired. Seeds are fixed, so a failure repeats.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::block::directory::{MetricRows, Part, encode_metrics};
use crate::wal::records;

fn golden(path: &str) -> Vec<u8> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap();
    std::fs::read(here.join(Path::new("../tests/compat/v1")).join(path)).unwrap()
}

fn in_catalog(part: &str) -> Vec<u8> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap();
    let folder = here.join("../tests/compat/v1/catalog");
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name());
    let name = names.map(|n| n.into_string().unwrap()).find(|n| n.ends_with(part)).unwrap();
    golden(&format!("catalog/{name}"))
}

/// The kinds but payloads, with bytes that are right.
fn seeds() -> Vec<(Stored, Vec<u8>)> {
    vec![
        (Stored::Manifest, in_catalog(".manifest")),
        (Stored::Checkpoint, in_catalog(".checkpoint")),
        (Stored::Page, in_catalog(".page")),
        (Stored::Directory, directory()),
        (Stored::Metrics, metrics()),
        (Stored::Requests, requests()),
        (Stored::Entries, entries()),
        (Stored::Snapshot, golden("alerts/00000000000000000002.snapshot")),
        (Stored::Document, golden("document/00000000000000000001.document")),
        (Stored::Raw, golden("raw/logs.raw")),
        (Stored::Identity, Identity { id: "0".repeat(32), epoch: 7 }.print().into_bytes()),
    ]
}

/// The kinds of payloads that the golden logs have.
fn payloads() -> Vec<Stored> {
    let mut known: Vec<Stored> = Vec::new();
    for folder in ["wal", "wal_tables"] {
        for record in records(&golden(&format!("{folder}/00000000000000000001.segment"))) {
            let kinds = record.payloads.iter().map(|p| Stored::Payload(p.signal, p.schema));
            known.extend(kinds);
        }
    }
    assert!(known.len() >= 7, "the golden logs have {known:?}");
    known
}

fn entries() -> Vec<u8> {
    records(&golden("alerts/00000000000000000001.segment"))[0].entries.to_vec()
}

fn directory() -> Vec<u8> {
    let part = |name: &str, range| Part { name: name.to_owned(), version: 3, range };
    let directory = Directory {
        parts: vec![part("metrics", 40_000..40_100), part("other", 40_100..50_000)],
        in_map: vec!["job".into(), "pod".into()],
        offset: 50_000,
        regions: vec![1, 2, 3, 4],
    };
    directory.encode()
}

fn metrics() -> Vec<u8> {
    let rows = |metric: &str, rows| MetricRows { metric: metric.to_owned(), rows };
    encode_metrics(&[rows("a", 0..10), rows("b", 10..5_000)]).unwrap()
}

fn requests() -> Vec<u8> {
    let mut bytes = b"TARNREQ1".to_vec();
    bytes.extend_from_slice(&1_790_000_000_000u64.to_le_bytes());
    bytes.extend_from_slice(&2u32.to_le_bytes());
    for request in [1u128, u128::MAX] {
        bytes.extend_from_slice(&request.to_le_bytes());
        // Its age, two bytes long, and four counts.
        bytes.extend_from_slice(&[0x85, 1, 1, 0, 0, 7]);
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// One change: at a place, of a kind, with a number.
type Change = (prop::sample::Index, u8, u64);

fn change(bytes: &mut Vec<u8>, (at, kind, number): &Change) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match kind % 6 {
        0 => bytes[at] ^= 1 << (number % 8),
        1 => bytes[at] = *number as u8,
        2 => bytes.truncate(at),
        3 => {
            // Lengths and counts are four bytes, most of them.
            let end = (at + 4).min(bytes.len());
            let number = (*number as u32).to_le_bytes();
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
        4 => {
            let again = bytes[at..(at + 16).min(bytes.len())].to_vec();
            bytes.splice(at..at, again);
        }
        _ => drop(bytes.drain(at..(at + 5).min(bytes.len()))),
    }
}

#[test]
fn what_was_stored_is_decoded_or_refused_whatever_happened_to_it() {
    let changes = prop::collection::vec(
        (any::<prop::sample::Index>(), any::<u8>(), prop_oneof![any::<u64>(), 0..300u64]),
        1..5,
    );
    for (kind, seed) in seeds() {
        assert!(decode(kind, &seed), "{kind:?}: the seed is wrong");
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
        let refused = Cell::new(0);
        TestRunner::new_with_rng(config, rng)
            .run(&changes, |changes| {
                let mut bytes = seed.clone();
                changes.iter().for_each(|one| change(&mut bytes, one));
                refused.set(refused.get() + u32::from(!decode(kind, &bytes)));
                Ok(())
            })
            .unwrap();
        assert!(refused.get() > 100, "{kind:?}: {} of 1500 refused", refused.get());
    }
}

#[test]
fn noise_is_refused() {
    for kind in seeds().into_iter().map(|(kind, _)| kind).chain(payloads()) {
        for length in [0, 1, 4, 24, 100, 5_000] {
            let noise: Vec<u8> = (0..length).map(|n: u32| (n * 31 % 251) as u8).collect();
            let taken = decode(kind, &noise);
            assert!(!taken || matches!(kind, Stored::Payload(..)), "{kind:?}");
        }
    }
}
