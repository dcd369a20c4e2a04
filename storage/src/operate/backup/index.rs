//! What a backup says about itself, and about every object that it needs.
//!
//! The bytes are those of catalog objects (`catalog/format.rs`): a header with a checksum over
//! everything, then compressed JSON, which `tail -c +25 … | zstd -d` prints in an emergency.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tarn_model::error::{Error, Result};
use tarn_model::rng::Rng;

use crate::blocking;
use crate::catalog::format::{self, CheckpointRef, Magic};
use crate::flush::cut::{day_name, day_of};
use crate::operate::stats::SignalStats;
use crate::paths;

/// The format that is written, and the only one that is read so far.
pub const FORMAT: u32 = 1;

/// What stands for a key of what alerting remembers.
pub(super) const ALERTS_KEY: &str = "alerts/state";

/// One backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of Tarn that made it.
    pub tarn: String,
    /// Its id, also in its name: the time at which it began, and a random part.
    pub id: String,
    /// When it began, Unix ms. What was flushed before is in it.
    pub begun_ms: i64,
    /// When its index was written, Unix ms.
    pub created_ms: i64,
    /// Which store it is of: the same for all backups whose stores share a writer, a store that was
    /// restored from one of them included.
    pub store: String,
    /// All writers of the store.
    pub writers: Vec<String>,
    /// The writer that was asked to flush before, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flushed: Option<String>,
    /// What is known not to be in it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// The catalog version.
    pub manifest: u64,
    /// Nonce of that manifest.
    pub nonce: String,
    /// Where a restored catalog begins.
    pub checkpoint: CheckpointRef,
    /// What is stored, by tenant and signal.
    pub stored: Vec<SignalStats>,
    /// Objects, sorted by key.
    pub objects: Vec<Entry>,
    /// What alerting remembers, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Entry>,
}

/// One object of a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its key in the store.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, 64 hex digits.
    pub sha256: String,
    /// Whether its place in the backup is told by its content, too: names of documents are the same
    /// in every store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_content: bool,
    /// What the store said of its content when it was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// The part of an index that every format has.
#[derive(Debug, Deserialize)]
struct Head {
    format: u32,
    #[serde(default)]
    tarn: String,
}

impl Index {
    /// Returns the bytes of the index.
    ///
    /// # Errors
    /// `Internal` beyond some million objects.
    pub fn seal(&self) -> Result<Bytes> {
        format::seal(Magic::Backup, self)
    }

    /// Reads an index.
    ///
    /// # Errors
    /// `Corrupt` where the bytes are not what was written, or those of another backup; `Invalid`
    /// where the format is another one.
    pub fn open(id: &str, key: &str, bytes: &[u8]) -> Result<Self> {
        let Head { format, tarn } = format::open(Magic::Backup, key, bytes)?;
        if format != FORMAT {
            return Err(Error::invalid(format!(
                "{key} is a backup of format {format}, this version of Tarn reads {FORMAT}; it was \
                 made by Tarn {tarn}, which restores it"
            )));
        }
        let index: Self = format::open(Magic::Backup, key, bytes)?;
        if index.id != id {
            let inside = &index.id;
            return Err(Error::corrupt(format!("{key} is damaged: it is the index of {inside}")));
        }
        if let Some(stranger) = index.stranger() {
            let message = format!("{key} is damaged: it names {stranger:?}, which no store has");
            return Err(Error::corrupt(message));
        }
        Ok(index)
    }

    /// Whoever can write an index must not be able to put anything elsewhere than a store would.
    fn stranger(&self) -> Option<&str> {
        let ours = |key: &&str| {
            paths::is_block_key(key)
                || paths::is_page_key(key)
                || paths::parse_checkpoint_key(key).is_some()
                || paths::parse_document_key(key).is_some()
        };
        let keys = self.objects.iter().map(|entry| entry.key.as_str());
        let other = keys.chain([self.checkpoint.object.as_str()]).find(|key| !ours(key));
        let alerts = self.alerts.as_ref().map(|entry| entry.key.as_str());
        other.or(alerts.filter(|key| *key != ALERTS_KEY))
    }

    /// Returns the bytes of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().chain(&self.alerts).map(|entry| entry.bytes).sum()
    }
}

impl Entry {
    /// Describes an object.
    pub(super) async fn of(key: String, body: &Bytes, by_content: bool) -> Self {
        let bytes = body.len() as u64;
        Self { key, bytes, sha256: sha256(body).await, by_content, etag: None }
    }

    /// Returns where the backup keeps it.
    pub fn place(&self) -> String {
        let content = self.by_content.then(|| self.sha256.get(..16).unwrap_or(&self.sha256));
        paths::backup_object_key(&self.key, content)
    }

    /// Returns what is wrong with some bytes that should be this object.
    pub(super) async fn differs(&self, body: &Bytes) -> Option<String> {
        let (bytes, wanted) = (body.len() as u64, self.bytes);
        if bytes != wanted {
            return Some(format!("it has {bytes} bytes of {wanted}"));
        }
        let found = sha256(body).await;
        (found != self.sha256).then(|| "its checksum is not the one that was written".to_owned())
    }
}

/// Returns the digest of some bytes in hex, worked out where that holds nobody up.
pub(super) async fn sha256(body: &Bytes) -> String {
    let body = body.clone();
    let digest = blocking::run(move || Sha256::digest(&body)).await;
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Draws the id of a backup that begins now. The order of ids is that of their times.
pub(super) fn new_id(now_ms: i64, rng: &dyn Rng) -> String {
    let day: String = day_name(day_of(now_ms)).chars().filter(|c| *c != '-').collect();
    let second = now_ms.div_euclid(1000).rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let random = rng.next_u64() >> 32;
    format!("{day}T{hour:02}{minute:02}{second:02}Z-{random:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cor_1_an_index_with_any_flipped_bit_is_refused() {
        let index = index();
        let bytes = index.seal().unwrap();
        assert_eq!(Index::open("a", "k", &bytes).unwrap(), index);
        assert!(Index::open("b", "k", &bytes).unwrap_err().message().contains("index of a"));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Index::open("a", "k", &damaged).is_err(), "bit {bit}");
        }
    }

    fn index() -> Index {
        let object = paths::checkpoint_key(7, 1);
        let checkpoint = CheckpointRef { number: 7, object };
        Index { format: FORMAT, id: "a".to_owned(), checkpoint, ..Index::default() }
    }

    #[test]
    fn an_index_names_nothing_outside_of_a_store() {
        for key in ["../x", "/etc/passwd", "catalog/00000000000000000001.manifest", "blocks/x", ""]
        {
            let mut index = index();
            index.objects.push(Entry { key: key.to_owned(), ..Entry::default() });
            let error = Index::open("a", "k", &index.seal().unwrap()).unwrap_err();
            assert!(error.message().contains("which no store has"), "{key}: {error}");
        }
        let mut index = index();
        index.alerts = Some(Entry { key: "wal/x".to_owned(), ..Entry::default() });
        assert!(Index::open("a", "k", &index.seal().unwrap()).is_err());
    }

    #[test]
    fn another_format_is_refused_by_name() {
        for format in [0, FORMAT + 1] {
            let other = serde_json::json!({ "format": format, "tarn": "0.0.1", "what": [1] });
            let bytes = format::seal(Magic::Backup, &other).unwrap();
            let error = Index::open("a", "backups/a.backup", &bytes).unwrap_err();
            assert_eq!(error.kind(), tarn_model::error::ErrorKind::Invalid);
            assert!(error.message().contains("made by Tarn 0.0.1"), "{error}");
        }
    }
}
