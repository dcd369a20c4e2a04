//! The bytes of manifests, checkpoints and catalog pages.
//!
//! All are zstd-compressed JSON in one envelope, little-endian:
//!
//! ```text
//! magic 8 | version u16 | zero u16 | raw length u32 | payload length u32 | CRC32C u32 | payload
//! ```
//!
//! The CRC covers everything but itself, so that any flipped bit is found (COR-1); it stands at the
//! same place in every version, so that damage is told from a newer format. JSON, because a catalog
//! must be readable in an emergency with `tail -c +25 … | zstd -d`, and because fields can be added
//! without a new version: readers ignore what they do not know.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};

use crate::block::{BlockMeta, LsnRange};
use crate::retain::erase::Tombstone;

/// The version that is written. Readers open this one and all before it.
pub const VERSION: u16 = 1;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 24;
/// Position of the CRC.
pub(crate) const CRC_AT: usize = 20;
/// Bound on a decompressed body, checked before anything is allocated. A page of 16,000 blocks with
/// statistics of 16 KiB each stays below.
const RAW_BYTES_MAX: usize = 256 << 20;
/// Manifests are written once and read at every start: 3 costs little and packs well.
const ZSTD_LEVEL: i32 = 3;

/// What kind of catalog object some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    /// A manifest.
    Manifest,
    /// A checkpoint.
    Checkpoint,
    /// A page of a checkpoint.
    Page,
    /// The list of a staged cut, on the local disk.
    Staged,
    /// The copy of a whole catalog, on the local disk.
    Saved,
    /// The index of a backup.
    Backup,
}

impl Magic {
    fn bytes(self) -> &'static [u8; 8] {
        match self {
            Self::Manifest => b"TARNMANI",
            Self::Checkpoint => b"TARNCHKP",
            Self::Page => b"TARNPAGE",
            Self::Staged => b"TARNSTGD",
            Self::Saved => b"TARNSAVE",
            Self::Backup => b"TARNBKUP",
        }
    }
}

/// A step of the catalog: what one commit changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number, also in its name. The first is 1.
    pub number: u64,
    /// Wall time of the commit, ms; for humans and for the age of history, never for order.
    pub time_ms: i64,
    /// Who committed: writer id, 32 hex digits.
    pub writer: String,
    /// In which epoch.
    pub epoch: u64,
    /// Random, new for every PUT: tells this body from every other.
    pub nonce: String,
    /// Nonce of the manifest before; empty in the first.
    pub predecessor: String,
    /// Log positions that enter with the added blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<LsnRange>,
    /// New blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Arc<BlockMeta>>,
    /// Keys of blocks that are no longer live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Keys of objects that will be deleted: no later manifest may add them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condemned: Vec<String>,
    /// Writers whose state, epoch or label changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<WriterUpdate>,
    /// Tombstones that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<Arc<Tombstone>>,
    /// Ids of tombstones that no block is under any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased_done: Vec<String>,
    /// Keys of condemned objects that are deleted, so that nobody has to remember them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swept: Vec<String>,
    /// The paced clock of retention and history, ms; never goes back. `None`: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ms: Option<i64>,
    /// The newest checkpoint that counts; carried along, so that the newest manifest alone says
    /// where a load begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointRef>,
}

/// What becomes of a writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterUpdate {
    /// Writer id, 32 hex digits.
    pub id: String,
    /// Its new state.
    pub state: WriterState,
    /// Its epoch; never less than before.
    pub epoch: u64,
    /// Its label for humans.
    pub label: String,
}

/// What is known of a writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterRecord {
    /// State, epoch and label.
    #[serde(flatten)]
    pub writer: WriterUpdate,
    /// All its rows up to this log position are in blocks.
    pub committed: u64,
}

/// Whether rows of a writer may be missing from the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriterState {
    /// It may have rows that are not committed: while it is silent, answers are partial.
    Live,
    /// Stopped cleanly, everything committed.
    Retired,
    /// Given up by an operator; nobody waits for it.
    Lost,
}

/// Where a checkpoint is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// The manifest whose state it holds.
    pub number: u64,
    /// Object key.
    pub object: String,
}

/// A whole catalog version: writers, and pointers to pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The manifest whose state it is.
    pub number: u64,
    /// Nonce of that manifest.
    pub nonce: String,
    /// All writers.
    pub writers: Vec<WriterRecord>,
    /// One page per partition that has blocks.
    pub pages: Vec<PageEntry>,
    /// Keys that may not be added again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condemned: Vec<String>,
    /// Tombstones in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<Arc<Tombstone>>,
    /// Keys of blocks that are live no longer, with the paced time at which they went; their objects
    /// stay until the history has passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<(String, i64)>,
    /// The paced clock, ms; 0 before it was first set.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub clock_ms: i64,
}

fn is_unset(clock_ms: &i64) -> bool {
    *clock_ms == 0
}

/// One page of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEntry {
    /// Tenant of its blocks.
    pub tenant: String,
    /// Signal of its blocks.
    pub signal: String,
    /// Day of its blocks, or `late`.
    pub day: String,
    /// Where it is.
    #[serde(flatten)]
    pub page: PageRef,
}

/// Where a page is, and what its bytes must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRef {
    /// Object key.
    pub object: String,
    /// Length.
    pub bytes: u64,
    /// CRC32C of the whole object: a page that was swapped with another is found.
    pub crc: u32,
}

/// The blocks of one partition, in commit order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The blocks.
    pub blocks: Vec<Arc<BlockMeta>>,
}

/// Puts a body into the envelope.
///
/// # Errors
/// `Internal` where it is beyond the bound or cannot be encoded.
pub fn seal<T: Serialize>(magic: Magic, body: &T) -> Result<Bytes> {
    let raw = serde_json::to_vec(body)
        .map_err(|e| Error::internal("encode catalog object").with_source(e))?;
    if raw.len() > RAW_BYTES_MAX {
        let bytes = raw.len();
        let message = format!("catalog object is {bytes} bytes, limit is {RAW_BYTES_MAX}");
        return Err(Error::internal(message));
    }
    let payload = zstd::bulk::compress(&raw, ZSTD_LEVEL)
        .map_err(|e| Error::internal("compress catalog object").with_source(e))?;
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.extend_from_slice(magic.bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    // Both lengths are below RAW_BYTES_MAX plus zstd's small overhead.
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), &payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(out.into())
}

/// Takes a body out of the envelope; `object` names it in errors.
///
/// # Errors
/// `Corrupt` where any byte is not what was written; `Invalid` where a newer version wrote it.
pub fn open<T: DeserializeOwned>(magic: Magic, object: &str, bytes: &[u8]) -> Result<T> {
    let corrupt = |what: &str| Error::corrupt(format!("{object} is damaged: {what}"));
    let (header, payload) =
        bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| corrupt("shorter than its header"))?;
    let u32_at = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if &header[..8] != magic.bytes() {
        return Err(corrupt("wrong magic"));
    }
    if u32_at(CRC_AT) != crc32c::crc32c_append(crc32c::crc32c(&header[..CRC_AT]), payload) {
        return Err(corrupt("checksum mismatch"));
    }
    let version = u16::from_le_bytes([header[8], header[9]]);
    if version > VERSION {
        let message = format!("{object} has format {version}, this version reads {VERSION}");
        return Err(Error::invalid(message));
    }
    let raw_bytes = u32_at(12) as usize;
    if u32_at(16) as usize != payload.len() || raw_bytes > RAW_BYTES_MAX {
        return Err(corrupt("impossible length"));
    }
    #[expect(clippy::disallowed_methods, reason = "bounded by the length checked above")]
    let raw = zstd::bulk::decompress(payload, raw_bytes)
        .map_err(|e| corrupt("decompress").with_source(e))?;
    serde_json::from_slice(&raw).map_err(|e| corrupt("not the expected fields").with_source(e))
}

#[cfg(test)]
mod tests;
