//! Every object key and every local path, spelled here and nowhere else.
//!
//! Keys are built for human eyes (`tenant=…/signal=…/day=…`), but readers treat them as opaque:
//! they take keys from the catalog, never from a pattern, so the layout can change with a release.
//! Local paths all hang below the one data folder:
//!
//! ```text
//! tarn-data/
//! ├── writer     the identity born with the folder, and its epoch
//! ├── ballast    room that is given up to finish a flush or a stop on a full disk
//! ├── unclean    present while a process runs; found at a start: the last run did not stop cleanly
//! ├── wal/       segments of the log, and prepared ones; `requests`: whose resends are recognised
//! ├── alerts/    segments of the alert log, and snapshots of what it says
//! ├── usage      keys of attributes that queries ask for
//! ├── quarantine/ damaged segments, set aside by `tarn wal quarantine`
//! ├── staged/    cuts of the head on their way to a bucket, afterwards kept as a cache
//! ├── catalog    copy of the catalog, for a start while the bucket is away
//! └── bucket/    the object store, where no other is configured
//! ```

use std::path::{Path, PathBuf};

use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::schema::kind;

/// Folder of manifests.
pub const CATALOG_PREFIX: &str = "catalog";
/// Folder of checkpoints and their pages.
pub const CHECKPOINT_PREFIX: &str = "checkpoints";
/// Folder of blocks.
pub const BLOCK_PREFIX: &str = "blocks";
/// Folder of listings for readers that are not Tarn.
pub const PUBLISHED_PREFIX: &str = "published";
/// Folder of objects that a start writes to see what the bucket can, and removes.
pub const PROBE_PREFIX: &str = "probes";
/// Folder of documents: what people configured through an API.
pub const DOCUMENT_PREFIX: &str = "documents";
/// Every folder of ours in a bucket; whatever else lies there is somebody else's.
pub const PREFIXES: [&str; 6] = [
    CATALOG_PREFIX,
    CHECKPOINT_PREFIX,
    BLOCK_PREFIX,
    PUBLISHED_PREFIX,
    PROBE_PREFIX,
    DOCUMENT_PREFIX,
];
/// Folder inside a local bucket for files that have no name yet; never listed as objects.
pub const BUCKET_TEMP: &str = ".tmp";

/// Present once the first manifests have been deleted: whoever knows of none asks for it, because a
/// listing may lag behind.
pub const COLLECTED_KEY: &str = "catalog/collected";

/// What it says to whoever looks into the bucket.
pub const COLLECTED_MARK: &[u8] = b"the first manifests are deleted\n";

/// Present while a restore fills a bucket: no server begins a store of its own there.
pub const RESTORING_KEY: &str = "catalog/restoring";

/// Folder of the indexes of backups, in the place that keeps backups.
pub const BACKUP_PREFIX: &str = "backups";
/// Folder of the objects that indexes name, each below the key that it has in its store.
pub const BACKUP_OBJECT_PREFIX: &str = "objects";
/// Folder of the marks of backups and prunes under way.
pub const BACKUP_MARK_PREFIX: &str = "underway";

const MANIFEST_SUFFIX: &str = ".manifest";
const SEGMENT_SUFFIX: &str = ".segment";
const SPARE_SUFFIX: &str = ".spare";
const ZEROING_SUFFIX: &str = ".zeroing";
const DOCUMENT_SUFFIX: &str = ".document";
/// A name in a folder may have 255 bytes on most file systems; what would be longer is a hash.
const DOCUMENT_NAME_BYTES_MAX: usize = 200;
const SNAPSHOT_SUFFIX: &str = ".snapshot";
const STAGED_SUFFIX: &str = ".block";
const CUT_SUFFIX: &str = ".cut";
const BACKUP_SUFFIX: &str = ".backup";
const BLOCK_SUFFIX: &str = ".parquet";
/// Ends the key of a block of kind `raw`, which is no Parquet file.
const RAW_SUFFIX: &str = ".raw";

/// The data folder of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Names the folder; nothing is touched.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the identity file.
    pub fn writer(&self) -> PathBuf {
        self.root.join("writer")
    }

    /// Returns where the next version of the identity file is prepared.
    pub fn writer_temp(&self) -> PathBuf {
        self.root.join("writer.tmp")
    }

    /// Returns the marker of a run that has not stopped cleanly.
    pub fn unclean(&self) -> PathBuf {
        self.root.join("unclean")
    }

    /// Returns the folder of the log.
    pub fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// Returns the file of one log segment.
    pub fn wal_segment(&self, number: u64) -> PathBuf {
        self.wal().join(segment_name(number))
    }

    /// Returns the file of requests whose resends are recognised.
    pub fn wal_requests(&self) -> PathBuf {
        self.wal().join("requests")
    }

    /// Returns where the next version of that file is prepared.
    pub fn wal_requests_temp(&self) -> PathBuf {
        self.wal().join("requests.tmp")
    }

    /// Returns the folder of the alert log.
    pub fn alerts(&self) -> PathBuf {
        self.root.join("alerts")
    }

    /// Returns the file of how far those who follow the log are.
    pub fn wal_followers(&self) -> PathBuf {
        self.wal().join("followers")
    }

    /// Returns where the next version of that file is prepared.
    pub fn wal_followers_temp(&self) -> PathBuf {
        self.wal().join("followers.tmp")
    }

    /// Returns the file of what queries ask for.
    pub fn usage(&self) -> PathBuf {
        self.root.join("usage")
    }

    /// Returns where the next version of that file is prepared.
    pub fn usage_temp(&self) -> PathBuf {
        self.root.join("usage.tmp")
    }

    /// Returns the folder of damaged log segments that an operator set aside.
    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// Returns the folder of damaged segments of the alert log that were set aside.
    pub fn alerts_quarantine(&self) -> PathBuf {
        self.quarantine().join("alerts")
    }

    /// Returns the file whose room is given up to finish a flush on a full disk.
    pub fn ballast(&self) -> PathBuf {
        self.root.join("ballast")
    }

    /// Returns the folder of staged cuts.
    pub fn staged(&self) -> PathBuf {
        self.root.join("staged")
    }

    /// Returns the file of one staged block. `attempt` is random.
    pub fn staged_block(&self, lsn_lo: u64, number: usize, attempt: u64) -> PathBuf {
        self.staged().join(format!("{lsn_lo:020}-{number}-{attempt:016x}{STAGED_SUFFIX}"))
    }

    /// Returns the list that makes a staged cut count.
    pub fn staged_list(&self, lsn_lo: u64) -> PathBuf {
        self.staged().join(format!("{lsn_lo:020}{CUT_SUFFIX}"))
    }

    /// Returns where the next version of a list is prepared.
    pub fn staged_list_temp(&self, lsn_lo: u64) -> PathBuf {
        self.staged().join(format!("{lsn_lo:020}{CUT_SUFFIX}.tmp"))
    }

    /// Returns the copy of the catalog.
    pub fn saved_catalog(&self) -> PathBuf {
        self.root.join("catalog")
    }

    /// Returns where the next copy of the catalog is prepared.
    pub fn saved_catalog_temp(&self) -> PathBuf {
        self.root.join("catalog.tmp")
    }

    /// Returns the root of the local object store.
    pub fn bucket(&self) -> PathBuf {
        self.root.join("bucket")
    }
}

/// Returns the file name of a log segment.
pub fn segment_name(number: u64) -> String {
    format!("{number:020}{SEGMENT_SUFFIX}")
}

/// Returns the number of a log segment, if the file name is that of one.
pub fn parse_segment_name(name: &str) -> Option<u64> {
    parse_number(name.strip_suffix(SEGMENT_SUFFIX)?)
}

/// Returns the file name of a snapshot of the alert log.
pub fn snapshot_name(lsn: u64) -> String {
    format!("{lsn:020}{SNAPSHOT_SUFFIX}")
}

/// Returns the file name under which the next snapshot is prepared; worthless after a crash.
pub fn snapshot_temp_name() -> &'static str {
    "snapshot.tmp"
}

/// Returns the log position of a snapshot, if the file name is that of one.
pub fn parse_snapshot_name(name: &str) -> Option<u64> {
    parse_number(name.strip_suffix(SNAPSHOT_SUFFIX)?)
}

/// Returns the file name of a prepared segment that waits for its use.
pub fn spare_name(number: u64) -> String {
    format!("{number:020}{SPARE_SUFFIX}")
}

/// Returns the number of a prepared segment, if the file name is that of one.
pub fn parse_spare_name(name: &str) -> Option<u64> {
    parse_number(name.strip_suffix(SPARE_SUFFIX)?)
}

/// Returns the file name of a segment that is being prepared; worthless after a crash.
pub fn zeroing_name(number: u64) -> String {
    format!("{number:020}{ZEROING_SUFFIX}")
}

/// Returns whether a file name is that of a segment being prepared.
pub fn is_zeroing_name(name: &str) -> bool {
    name.strip_suffix(ZEROING_SUFFIX).and_then(parse_number).is_some()
}

/// The parts of a block's key.
#[derive(Debug, Clone, Copy)]
pub struct BlockKey<'a> {
    /// Whose rows.
    pub tenant: &'a TenantId,
    /// Which signal.
    pub signal: Signal,
    /// `YYYY-MM-DD` or `late`.
    pub day: &'a str,
    /// `slices`, `exemplars`, `families`, …
    pub kind: &'a str,
    /// 0 = flushed.
    pub level: u8,
    /// The unique part: see [`flush_block_name`].
    pub name: &'a str,
}

impl BlockKey<'_> {
    /// Returns the object key.
    pub fn key(&self) -> String {
        let Self { tenant, signal, day, kind, level, name } = self;
        let suffix = if *kind == kind::RAW { RAW_SUFFIX } else { BLOCK_SUFFIX };
        format!(
            "{BLOCK_PREFIX}/tenant={tenant}/signal={signal}/day={day}/{kind}-L{level}-{name}{suffix}"
        )
    }
}

/// Returns the name of a flushed block. `attempt` is random, so that no name is ever used twice:
/// a cut that is written again after a failure gets names of its own.
pub fn flush_block_name(
    writer: &str,
    epoch: u64,
    lsn_lo: u64,
    lsn_hi: u64,
    shard: u32,
    attempt: u64,
) -> String {
    format!("{writer}-{epoch}-{lsn_lo}-{lsn_hi}-{shard}-{attempt:016x}")
}

/// Returns whether a file name is that of the list of a staged cut.
pub fn is_staged_list_name(name: &str) -> bool {
    name.strip_suffix(CUT_SUFFIX).and_then(parse_number).is_some()
}

/// Returns the key of a block with another `attempt`, where the old name may not be used any more;
/// `None` where the key does not end with one.
pub fn renamed_block(key: &str, attempt: u64) -> Option<String> {
    let suffix = if key.ends_with(RAW_SUFFIX) { RAW_SUFFIX } else { BLOCK_SUFFIX };
    let (front, old) = key.strip_suffix(suffix)?.rsplit_once('-')?;
    let hex = old.len() == 16 && old.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| format!("{front}-{attempt:016x}{suffix}"))
}

/// Returns the name of a block that a merge made: a hash of what went in, and as in
/// [`flush_block_name`] a random `attempt`.
pub fn merge_block_name(inputs: u64, epoch: u64, shard: u32, attempt: u64) -> String {
    format!("{inputs:016x}-{epoch}-{shard}-{attempt:016x}")
}

/// Returns the key of a manifest. Twenty digits, so that the order of names is that of numbers.
pub fn manifest_key(number: u64) -> String {
    format!("{CATALOG_PREFIX}/{number:020}{MANIFEST_SUFFIX}")
}

/// Returns the number of a manifest, if the key is that of one.
pub fn parse_manifest_key(key: &str) -> Option<u64> {
    let name = key.strip_prefix(CATALOG_PREFIX)?.strip_prefix('/')?;
    parse_number(name.strip_suffix(MANIFEST_SUFFIX)?)
}

/// Returns the key of a checkpoint of manifest `number`. Several nodes may write one for the same
/// number, hence `attempt`.
pub fn checkpoint_key(number: u64, attempt: u64) -> String {
    format!("{CHECKPOINT_PREFIX}/{number:020}-{attempt:016x}.checkpoint")
}

/// Returns the key of a catalog page: the blocks of one tenant, signal and day.
pub fn page_key(tenant: &TenantId, signal: Signal, day: &str, number: u64, attempt: u64) -> String {
    format!(
        "{CHECKPOINT_PREFIX}/tenant={tenant}/signal={signal}/day={day}/{number:020}-{attempt:016x}.page"
    )
}

/// Returns the number of a checkpoint, if the key is that of one.
pub fn parse_checkpoint_key(key: &str) -> Option<u64> {
    let name = key.strip_prefix(CHECKPOINT_PREFIX)?.strip_prefix('/')?;
    let (number, attempt) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    if is_attempt(attempt) { parse_number(number) } else { None }
}

/// Returns whether a key is exactly like those of catalog pages.
pub fn is_page_key(key: &str) -> bool {
    let name = partition_part(key, CHECKPOINT_PREFIX).and_then(|name| name.strip_suffix(".page"));
    let parts = name.and_then(|name| name.split_once('-'));
    parts.is_some_and(|(number, attempt)| parse_number(number).is_some() && is_attempt(attempt))
}

/// Returns whether a key is exactly like those of blocks.
pub fn is_block_key(key: &str) -> bool {
    let is = || {
        let name = partition_part(key, BLOCK_PREFIX)?;
        let name = name.strip_suffix(BLOCK_SUFFIX).or_else(|| name.strip_suffix(RAW_SUFFIX))?;
        let (kind, rest) = name.split_once("-L")?;
        let (level, rest) = rest.split_once('-')?;
        let (_, attempt) = rest.rsplit_once('-')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
        Some(word(kind) && digits(level) && is_attempt(attempt))
    };
    is() == Some(true)
}

/// Returns whether the key of a block says that it is no Parquet file.
pub fn is_raw_key(key: &str) -> bool {
    key.ends_with(RAW_SUFFIX)
}

/// Returns what follows tenant, signal and day in a key below a folder.
fn partition_part<'k>(key: &'k str, folder: &str) -> Option<&'k str> {
    let rest = key.strip_prefix(folder)?.strip_prefix("/tenant=")?;
    let (tenant, rest) = rest.split_once('/')?;
    let (signal, rest) = rest.strip_prefix("signal=")?.split_once('/')?;
    let (day, name) = rest.strip_prefix("day=")?.split_once('/')?;
    let ours = TenantId::parse(tenant).is_ok() && Signal::parse(signal).is_some();
    (ours && !day.is_empty() && !name.contains('/')).then_some(name)
}

/// Returns whether a text is the random part of a name.
fn is_attempt(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the key of the listing of live blocks for readers that are not Tarn.
pub fn published_key(tenant: &TenantId, signal: Signal) -> String {
    format!("{PUBLISHED_PREFIX}/tenant={tenant}/{signal}.json")
}

/// Returns the key of an object that nobody else writes.
pub fn probe_key(attempt: u64) -> String {
    format!("{PROBE_PREFIX}/{attempt:016x}")
}

/// Returns the folder of all documents of a kind.
pub fn documents_of_kind(kind: &str) -> String {
    format!("{DOCUMENT_PREFIX}/{kind}")
}

/// Returns the folder of the documents of a tenant.
pub fn documents_of(kind: &str, tenant: &TenantId) -> String {
    format!("{DOCUMENT_PREFIX}/{kind}/tenant={tenant}")
}

/// Returns the folder of the revisions of one document. Whatever is not a lower case letter, a
/// digit or `-` in the name is written as `_` and two hex digits: names that differ in case stay
/// apart where file systems know none, and none is a path.
pub fn document_folder(kind: &str, tenant: &TenantId, name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("_{byte:02x}"));
        }
    }
    if escaped.len() > DOCUMENT_NAME_BYTES_MAX {
        // A lone `_` is no escape, so this is nobody's name.
        escaped = format!("__{:032x}", xxhash_rust::xxh3::xxh3_128(name.as_bytes()));
    }
    format!("{}/{escaped}", documents_of(kind, tenant))
}

/// Returns the key of a revision in the folder of a document.
pub fn document_key(folder: &str, number: u64) -> String {
    format!("{folder}/{number:020}{DOCUMENT_SUFFIX}")
}

/// Returns folder and number of a revision, if the key is that of one.
pub fn parse_document_key(key: &str) -> Option<(&str, u64)> {
    let (folder, name) = key.rsplit_once('/')?;
    let mut parts = folder.strip_prefix(DOCUMENT_PREFIX)?.strip_prefix('/')?.split('/');
    let (_kind, tenant, _name) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = parts.next().is_none() && tenant.starts_with("tenant=");
    let number = parse_number(name.strip_suffix(DOCUMENT_SUFFIX)?)?;
    ours.then_some((folder, number))
}

/// Returns the key of the index of a backup.
pub fn backup_key(id: &str) -> String {
    format!("{BACKUP_PREFIX}/{id}{BACKUP_SUFFIX}")
}

/// Returns the id of a backup, if the key is that of its index.
pub fn parse_backup_key(key: &str) -> Option<&str> {
    let name = key.strip_prefix(BACKUP_PREFIX)?.strip_prefix('/')?;
    name.strip_suffix(BACKUP_SUFFIX).filter(|id| is_backup_id(id))
}

/// Returns whether a text is the id of a backup: `20261121T120000Z-0123abcd`.
pub fn is_backup_id(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(word)
}

/// Returns where a backup keeps an object of its store. Names of blocks, pages and checkpoints are
/// never used twice; of everything else `content` tells one body from another.
pub fn backup_object_key(key: &str, content: Option<&str>) -> String {
    match content {
        Some(content) => format!("{BACKUP_OBJECT_PREFIX}/{key}.{content}"),
        None => format!("{BACKUP_OBJECT_PREFIX}/{key}"),
    }
}

/// Returns the key of the mark of a backup or prune under way.
pub fn backup_mark_key(id: &str) -> String {
    format!("{BACKUP_MARK_PREFIX}/{id}")
}

/// Returns whose the folder of a document is.
pub fn tenant_of_documents(folder: &str) -> Option<TenantId> {
    let tenant = folder.split('/').nth(2)?.strip_prefix("tenant=")?;
    TenantId::parse(tenant).ok()
}

fn parse_number(digits: &str) -> Option<u64> {
    let exact = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if exact { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_documented() {
        let tenant = TenantId::default_tenant();
        let name = flush_block_name("0a", 2, 7, 9, 0, 0xbeef);
        let key = BlockKey {
            tenant: &tenant,
            signal: Signal::Metrics,
            day: "2026-11-21",
            kind: "slices",
            level: 0,
            name: &name,
        };
        let expected = "blocks/tenant=default/signal=metrics/day=2026-11-21/\
                        slices-L0-0a-2-7-9-0-000000000000beef.parquet";
        assert_eq!(key.key(), expected);
        assert_eq!(manifest_key(42), "catalog/00000000000000000042.manifest");
        assert_eq!(
            published_key(&tenant, Signal::Metrics),
            "published/tenant=default/metrics.json"
        );
    }

    #[test]
    fn only_keys_exactly_like_ours_are_ours() {
        let tenant = TenantId::default_tenant();
        let name = merge_block_name(7, 3, 0, 0xbeef);
        let block = BlockKey {
            tenant: &tenant,
            signal: Signal::Logs,
            day: "late",
            kind: "logs",
            level: 2,
            name: &name,
        };
        let block = block.key();
        let page = page_key(&tenant, Signal::Metrics, "2026-11-21", 5, 1);
        assert!(is_block_key(&block) && !is_page_key(&block), "{block}");
        assert!(is_page_key(&page) && !is_block_key(&page), "{page}");
        assert_eq!(parse_checkpoint_key(&checkpoint_key(9, 1)), Some(9));
        assert_eq!(parse_checkpoint_key(&page), None);
        for stranger in [
            "blocks/mine.parquet",
            "blocks/tenant=default/signal=logs/day=late/mine.parquet",
            "blocks/tenant=default/signal=logs/day=late/logs-L2-0-3-0-beef.parquet",
            "blocks/tenant=default/signal=dogs/day=late/logs-L2-0-3-0-000000000000beef.parquet",
            "blocks/tenant=default/signal=logs/logs-L2-0-3-0-000000000000beef.parquet",
            "blocks/tenant=default/signal=logs/day=late/x/logs-L2-0-3-0-000000000000beef.parquet",
            "blocks/tenant=default/signal=logs/day=late/logs-L2-0-3-0-000000000000beef.parquet.bak",
            "checkpoints/1-000000000000beef.checkpoint",
            "checkpoints/tenant=default/signal=logs/day=late/5-000000000000beef.page",
        ] {
            let ours = is_block_key(stranger) || is_page_key(stranger);
            assert!(!ours && parse_checkpoint_key(stranger).is_none(), "{stranger}");
        }
    }

    #[test]
    fn numbers_are_read_back_and_strangers_refused() {
        assert_eq!(parse_manifest_key(&manifest_key(42)), Some(42));
        assert_eq!(parse_segment_name(&segment_name(7)), Some(7));
        assert_eq!(parse_spare_name(&spare_name(7)), Some(7));
        assert_eq!(parse_spare_name(&segment_name(7)), None);
        let dir = DataDir::new("/data");
        let list = dir.staged_list(7);
        let list = list.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(is_staged_list_name(list) && !is_staged_list_name(&format!("{list}.tmp")));
        let renamed = renamed_block("blocks/a/slices-L0-0a-2-7-9-0-000000000000beef.parquet", 1);
        let expected = "blocks/a/slices-L0-0a-2-7-9-0-0000000000000001.parquet";
        assert_eq!(renamed.as_deref(), Some(expected));
        assert_eq!(renamed_block("blocks/a/slices-L0-0a.parquet", 1), None);
        let raw = "blocks/tenant=a/signal=logs/day=late/raw-L0-0a-2-7-9-0-000000000000beef.raw";
        let renamed = renamed_block(raw, 1).expect("a block");
        assert!(is_block_key(raw) && renamed.ends_with("-0000000000000001.raw"), "{renamed}");
        assert!(is_zeroing_name(&zeroing_name(7)) && !is_zeroing_name(&spare_name(7)));
        for stranger in
            ["catalog/42.manifest", "catalog/x", "42", "catalog/+0000000000000000042.manifest"]
        {
            assert_eq!(parse_manifest_key(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn documents_of_any_name_have_a_folder_of_their_own() {
        let tenant = TenantId::default_tenant();
        let long = "x".repeat(300);
        let names = ["a", "A", "a/b", "a;b", "..", "_61", "ä", "a-b", long.as_str()];
        let mut folders = std::collections::BTreeSet::new();
        for name in names {
            let folder = document_folder("rules", &tenant, name);
            let key = document_key(&folder, 7);
            assert_eq!(parse_document_key(&key), Some((folder.as_str(), 7)), "{key}");
            assert_eq!(tenant_of_documents(&folder), Some(TenantId::default_tenant()));
            assert!(folders.insert(folder));
        }
        assert!(folders.contains("documents/rules/tenant=default/a_3bb"), "{folders:?}");
        for stranger in [
            "documents/rules/tenant=default/a/7.document",
            "documents/rules/default/a/00000000000000000007.document",
            "documents/rules/tenant=default/a/b/00000000000000000007.document",
            "blocks/rules/tenant=default/a/00000000000000000007.document",
        ] {
            assert_eq!(parse_document_key(stranger), None, "{stranger}");
        }
    }
}
