//! Backups of every released format open, and mean what they meant: whoever upgrades can restore.
//!
//! The file under `tests/compat/v1/backup` was written by format 1 and never changes. A new format adds
//! a folder and keeps this one.

use std::path::PathBuf;

use tarn_storage::catalog::format::CheckpointRef;
use tarn_storage::operate::backup::index::FORMAT;
use tarn_storage::operate::backup::{Entry, Index};
use tarn_storage::operate::stats::{LevelStats, SignalStats};

const CHECKPOINT: &str = "checkpoints/00000000000000000042-000000000000beef.checkpoint";
const DOCUMENT: &str = "documents/boards/tenant=default/a/00000000000000000007.document";
const ID: &str = "20261121T120000Z-0123abcd";

fn index() -> Index {
    let entry = |key: &str, by_content| Entry {
        key: key.to_owned(),
        bytes: 5,
        sha256: "5a".repeat(32),
        by_content,
        etag: by_content.then(|| "tag".to_owned()),
    };
    let levels = vec![LevelStats { level: 0, blocks: 1, bytes: 5 }];
    Index {
        format: 1,
        tarn: "0.1.0".to_owned(),
        id: ID.to_owned(),
        begun_ms: 1_795_262_400_000,
        created_ms: 1_795_262_401_000,
        store: "0123456789abcdef0123456789abcdef".to_owned(),
        writers: vec!["0123456789abcdef0123456789abcdef".to_owned()],
        flushed: Some("0123456789abcdef0123456789abcdef".to_owned()),
        lacks: vec!["rows of writer x".to_owned()],
        manifest: 42,
        nonce: "7f".repeat(16),
        checkpoint: CheckpointRef { number: 42, object: CHECKPOINT.to_owned() },
        stored: vec![SignalStats {
            tenant: "default".to_owned(),
            signal: "logs".to_owned(),
            blocks: 1,
            bytes: 5,
            rows: 3,
            latest_ms: Some(1_795_262_399_000),
            levels,
            ..SignalStats::default()
        }],
        objects: vec![entry(CHECKPOINT, false), entry(DOCUMENT, true)],
        alerts: Some(entry("alerts/state", true)),
    }
}

#[test]
fn indexes_of_format_1_open_for_ever() {
    let folder = tarn_testkit::tree::own_folder().join("../tests/compat/v1/backup");
    let path: PathBuf = folder.join("index.backup");
    if std::env::var_os("TARN_WRITE_GOLDEN").is_some() && !path.is_file() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, index().seal().expect("seals")).expect("written");
    }
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let opened = Index::open(ID, "index.backup", &bytes).expect("opens");
    assert_eq!((opened, FORMAT), (index(), 1));
    let places: Vec<String> = index().objects.iter().map(Entry::place).collect();
    let digest = "5a5a5a5a5a5a5a5a";
    let expected = [format!("objects/{CHECKPOINT}"), format!("objects/{DOCUMENT}.{digest}")];
    assert_eq!(places, expected, "where a backup keeps its objects does not change either");
}
