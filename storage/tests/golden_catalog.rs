//! Catalog objects of every released format version open, and mean what they meant.
//!
//! The files under `tests/compat/v1/catalog` were written by format version 1 and never change. A
//! new version adds a folder and keeps this one.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use prometheus_client::registry::Registry;
use tarn_model::error::{ErrorKind, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::block::{BlockMeta, LabelColumn, LsnRange, ValueSummary};
use tarn_storage::catalog::Catalog;
use tarn_storage::catalog::format::{
    self, Checkpoint, CheckpointRef, Magic, Manifest, Page, PageEntry, PageRef, WriterRecord,
    WriterState, WriterUpdate,
};
use tarn_storage::catalog::saved::Saved;
use tarn_storage::flush::stage::list::{StagedBlock, StagedList};
use tarn_storage::object::Objects;
use tarn_storage::paths;
use tarn_testkit::sim::{SimClock, SimRng};

const WRITER: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn folder() -> PathBuf {
    tarn_testkit::tree::own_folder().join("../tests/compat/v1/catalog")
}

/// Every object of the golden catalog: a checkpoint of manifest 2 with one page, the manifest 3
/// that names it, and 4 that builds on it.
fn contents() -> Vec<(String, Bytes)> {
    let tenant = TenantId::default_tenant();
    let page = Page { blocks: vec![Arc::new(block("2026-11-20", 1, 5))] };
    let page_body = format::seal(Magic::Page, &page).expect("seals");
    let page_key = paths::page_key(&tenant, Signal::Metrics, "2026-11-20", 2, 7);
    let checkpoint = Checkpoint {
        number: 2,
        nonce: nonce(2),
        writers: vec![WriterRecord { writer: writer(WRITER, WriterState::Live, 1), committed: 5 }],
        pages: vec![PageEntry {
            tenant: "default".to_owned(),
            signal: "metrics".to_owned(),
            day: "2026-11-20".to_owned(),
            page: PageRef {
                object: page_key.clone(),
                bytes: page_body.len() as u64,
                crc: crc(&page_body),
            },
        }],
        condemned: vec!["blocks/gone.parquet".to_owned()],
        ..Checkpoint::default()
    };
    let checkpoint_key = paths::checkpoint_key(2, 9);
    let reference = CheckpointRef { number: 2, object: checkpoint_key.clone() };
    let third = Manifest {
        cuts: vec![LsnRange { writer: WRITER.to_owned(), epoch: 1, lo: 6, hi: 9 }],
        added: vec![Arc::new(block("2026-11-21", 6, 9)), Arc::new(block("late", 6, 9))],
        writers: vec![writer(OTHER, WriterState::Lost, 4)],
        checkpoint: Some(reference.clone()),
        ..manifest(3)
    };
    let fourth = Manifest {
        removed: vec![block("2026-11-20", 1, 5).object],
        condemned: vec![block("2026-11-20", 1, 5).object],
        writers: vec![writer(WRITER, WriterState::Retired, 1)],
        checkpoint: Some(reference),
        ..manifest(4)
    };
    let sealed = |manifest: &Manifest| format::seal(Magic::Manifest, manifest).expect("seals");
    vec![
        (page_key, page_body),
        (checkpoint_key, format::seal(Magic::Checkpoint, &checkpoint).expect("seals")),
        (paths::manifest_key(3), sealed(&third)),
        (paths::manifest_key(4), sealed(&fourth)),
    ]
}

fn crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

fn nonce(number: u64) -> String {
    format!("{number:032x}")
}

fn writer(id: &str, state: WriterState, epoch: u64) -> WriterUpdate {
    WriterUpdate { id: id.to_owned(), state, epoch, label: "node-a".to_owned() }
}

fn manifest(number: u64) -> Manifest {
    Manifest {
        number,
        time_ms: 1_795_262_400_000 + number as i64,
        writer: WRITER.to_owned(),
        epoch: 1,
        nonce: nonce(number),
        predecessor: nonce(number - 1),
        cuts: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        condemned: Vec::new(),
        ..Manifest::default()
    }
}

fn block(day: &str, lo: u64, hi: u64) -> BlockMeta {
    let late = day == "late";
    BlockMeta {
        object: format!("blocks/tenant=default/signal=metrics/day={day}/slices-L0-{lo}.parquet"),
        offset: 0,
        bytes: 4096,
        tail_bytes: 512,
        tail_crc: 0xdead_beef,
        block_crc: 0x0bad_cafe,
        format: "slices/1".to_owned(),
        kind: "slices".to_owned(),
        tenant: "default".to_owned(),
        signal: "metrics".to_owned(),
        day: day.to_owned(),
        days: if late { vec!["2026-11-01".to_owned()] } else { Vec::new() },
        class: String::new(),
        level: 0,
        shard: u32::from(late),
        lsn: vec![LsnRange { writer: WRITER.to_owned(), epoch: 1, lo, hi }],
        seq: 0,
        erased: Vec::new(),
        rows: 12,
        samples: 345,
        series: 10,
        time_min_ms: -5,
        time_max_ms: 1_795_262_400_000,
        overlaps: late,
        labels: vec![
            LabelColumn { name: "job".to_owned(), in_map: false },
            LabelColumn { name: "rare".to_owned(), in_map: true },
        ],
        attributes: Vec::new(),
        values: vec![ValueSummary {
            label: "__name__".to_owned(),
            min: "a".to_owned(),
            max: "z".to_owned(),
            list: Some(vec!["a".to_owned(), "z".to_owned()]),
            bloom: None,
            absent: false,
        }],
    }
}

async fn load(files: &[(String, Bytes)]) -> Result<Catalog> {
    let store = Arc::new(InMemory::new());
    for (key, body) in files {
        let payload = PutPayload::from_bytes(body.clone());
        store.put(&Path::parse(key).expect("a key"), payload).await.expect("put");
    }
    let (clock, rng) = (Arc::new(SimClock::default()), Arc::new(SimRng::new(1)));
    let mut registry = Registry::default();
    let objects =
        Objects::new(store, Arc::clone(&clock) as _, Arc::clone(&rng) as _, &mut registry);
    Catalog::load(objects, clock, rng, &mut registry).await
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a new format version writes its files here, once")]
async fn version_1_opens_and_means_what_it_meant() {
    let files: Vec<(String, Bytes)> = contents()
        .into_iter()
        .map(|(key, body)| {
            let path = folder().join(key.replace('/', "_"));
            if std::env::var_os("TARN_WRITE_GOLDEN").is_some() && !path.is_file() {
                std::fs::create_dir_all(folder()).expect("a folder");
                std::fs::write(&path, &body).expect("written");
            }
            let golden = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (key, Bytes::from(golden))
        })
        .collect();
    let catalog = load(&files).await.expect("loads");
    let state = catalog.state();
    assert_eq!((state.version(), state.nonce()), (4, Some(&*nonce(4))));
    assert_eq!(state.checkpoint_number(), Some(2));
    let blocks: Vec<&BlockMeta> = state.all_blocks().map(Arc::as_ref).collect();
    // The place in the order of commits follows from the manifest that named them.
    let third = |day: &str| BlockMeta { seq: 3, ..block(day, 6, 9) };
    assert_eq!(blocks, [&third("2026-11-21"), &third("late")]);
    let retired = state.writer(WRITER).expect("known");
    assert_eq!(retired.writer, writer(WRITER, WriterState::Retired, 1));
    assert_eq!((retired.committed, state.committed(OTHER)), (9, 0));
    assert_eq!(state.writer(OTHER).map(|w| w.writer.state), Some(WriterState::Lost));
}

/// The files that a data folder keeps while its blocks are in a bucket.
#[test]
#[expect(clippy::disallowed_methods, reason = "a new format version writes its files here, once")]
fn version_1_of_staged_lists_and_saved_catalogs_opens() {
    let cut = LsnRange { writer: WRITER.to_owned(), epoch: 1, lo: 6, hi: 9 };
    let staged = |n: u64| StagedBlock {
        file: format!("{:020}-{n}-000000000000beef.block", 6),
        meta: Arc::new(block("2026-11-21", 6, 9)),
    };
    let list = StagedList { cut, time_ms: 1_795_262_400_000, blocks: vec![staged(0), staged(1)] };
    let saved = Saved {
        state: Checkpoint {
            number: 4,
            nonce: nonce(4),
            writers: vec![WriterRecord {
                writer: writer(WRITER, WriterState::Live, 3),
                committed: 9,
            }],
            ..Checkpoint::default()
        },
        etag: Some("\"e\"".to_owned()),
        checkpoint: Some(CheckpointRef { number: 2, object: paths::checkpoint_key(2, 9) }),
        blocks: vec![Arc::new(BlockMeta { seq: 3, ..block("2026-11-21", 6, 9) })],
        drawn: vec![4, 77_777],
    };
    let golden = |name: &str, body: Bytes| {
        let path = folder().join(name);
        if std::env::var_os("TARN_WRITE_GOLDEN").is_some() && !path.is_file() {
            std::fs::write(&path, &body).expect("written");
        }
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let bytes = golden("staged.cut", format::seal(Magic::Staged, &list).expect("seals"));
    let opened: StagedList = format::open(Magic::Staged, "staged.cut", &bytes).expect("opens");
    assert_eq!(opened, list);
    let bytes = golden("saved_catalog", format::seal(Magic::Saved, &saved).expect("seals"));
    let opened: Saved = format::open(Magic::Saved, "saved_catalog", &bytes).expect("opens");
    assert_eq!(opened, saved);
    assert!(opened.names_live(WRITER) && !opened.names_live(OTHER));
    let ours = [3, 4, 77_777, 9].map(|epoch| opened.is_ours(WRITER, epoch, 9));
    assert_eq!((ours, opened.is_ours(WRITER, 5, 9)), ([true; 4], false), "FEN-1");
    let state = opened.into_state().expect("a state");
    assert_eq!((state.version(), state.committed(WRITER)), (4, 9));
    assert_eq!(state.all_blocks().count(), 1);
}

#[tokio::test]
async fn cor_1_flipped_bits_of_checkpoint_and_page_are_found_and_never_served() {
    let files = contents();
    for damaged in 0..2 {
        let (key, body) = &files[damaged];
        for bit in (0..body.len() * 8).step_by(61) {
            let mut bytes = body.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut files = files.clone();
            files[damaged].1 = bytes.into();
            let error = load(&files).await.map(|_| ()).expect_err("found");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}: {error:?}");
            assert!(error.message().contains(&**key), "bit {bit}: {error:?}");
        }
    }
}
