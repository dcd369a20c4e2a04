//! The file of an image, and which of them are kept.
//!
//! ```text
//! magic 8 · version u16 · zero u16 · crc32c u32 · lsn u64 · raw length u64 · payload
//! ```
//! All integers are little-endian; the payload is zstd to the end of the file. The checksum covers
//! everything but itself. The file is named by the position that it is an image of
//! (`00000000000000000042.snapshot`); the newest two are kept.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tarn_model::error::{Error, Result};

use super::{IMAGE_BYTES_MAX, SNAPSHOT_RETRY};
use crate::file::{self, Disk};
use crate::paths;
use crate::wal::{self, Lsn};

const MAGIC: [u8; 8] = *b"TARNALRT";
/// The version that is written, and the newest that is read.
const VERSION: u16 = 1;
/// Bytes in front of the payload.
const HEADER_BYTES: usize = 32;
/// Where the checksum stands.
const CRC_AT: usize = 12;
/// Images are written often and read once: the cheapest level shrinks text by four already.
const ZSTD_LEVEL: i32 = 1;
/// A file beyond this was not written by this program: what zstd cannot shrink grows by little.
const FILE_BYTES_MAX: u64 = IMAGE_BYTES_MAX as u64 + (8 << 20);

/// A snapshot that was read.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) lsn: Lsn,
    pub(super) image: Bytes,
}

/// What the folder has.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest one that is whole.
    pub(super) newest: Option<Snapshot>,
    /// The one before it; what the log has above it stays.
    pub(super) before: Lsn,
}

/// Which snapshots there are.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Position of the newest whole one; 0 where there is none.
    pub(super) newest: Lsn,
}

impl Kept {
    /// Writes an image. Returns up to where the log is needless from now on; `None` where there is
    /// an image of this position or a later one already.
    pub(super) fn write(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        through: Lsn,
        image: &[u8],
    ) -> Result<Option<Lsn>> {
        if through <= self.newest {
            return Ok(None);
        }
        let bytes = encode(through, image)?;
        let path = dir.join(paths::snapshot_name(through.0));
        let temp = dir.join(paths::snapshot_temp_name());
        file::replace(disk, &temp, &path, &bytes).map_err(|e| {
            let message = format!("write {}", path.display());
            Error::unavailable(message, SNAPSHOT_RETRY).with_source(e)
        })?;
        let before = std::mem::replace(&mut self.newest, through);
        if let Err(error) = remove_others(disk, dir, &[through, before]) {
            tracing::warn!(%error, "old snapshots of alerting could not be removed");
        }
        Ok(Some(before))
    }
}

/// Reads the newest whole snapshot. One that is damaged is told and passed over: the one before it
/// and the log make up for it, or the log says what it lacks.
///
/// # Errors
/// `Unavailable` where a file cannot be read; `Invalid` where it is of a newer version.
pub(super) fn find(disk: &dyn Disk, dir: &Path, metrics: &wal::Metrics) -> Result<Found> {
    let failed = |e: io::Error| {
        let message = format!("read snapshots in {}", dir.display());
        Error::unavailable(message, SNAPSHOT_RETRY).with_source(e)
    };
    let mut names = list(disk, dir).map_err(failed)?.into_iter().rev();
    let mut found = Found::default();
    for (lsn, path) in names.by_ref() {
        let bytes = file::read_whole(disk, &path, FILE_BYTES_MAX).map_err(failed)?;
        match decode(lsn, &bytes) {
            Ok(image) => {
                found.newest = Some(Snapshot { lsn, image });
                break;
            }
            Err(error) if error.kind() == tarn_model::error::ErrorKind::Corrupt => {
                metrics.count_corruption();
                tracing::error!(path = %path.display(), %error, "snapshot of alerting is damaged");
            }
            Err(error) => return Err(error.context(path.display())),
        }
    }
    found.before = names.next().map_or(Lsn(0), |(lsn, _)| lsn);
    Ok(found)
}

/// Lists the snapshots, oldest first.
fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(Lsn, PathBuf)>> {
    let mut found = Vec::new();
    for entry in disk.list(dir)? {
        let name = entry.path.file_name().and_then(|name| name.to_str());
        if let Some(lsn) = name.and_then(paths::parse_snapshot_name) {
            found.push((Lsn(lsn), entry.path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn remove_others(disk: &dyn Disk, dir: &Path, keep: &[Lsn]) -> io::Result<()> {
    for (lsn, path) in list(disk, dir)? {
        if !keep.contains(&lsn) {
            disk.remove(&path)?;
        }
    }
    Ok(())
}

fn encode(lsn: Lsn, image: &[u8]) -> Result<Vec<u8>> {
    if image.len() > IMAGE_BYTES_MAX {
        let bytes = image.len();
        let message = format!("image of alerting is {bytes} bytes, limit is {IMAGE_BYTES_MAX}");
        return Err(Error::limit(message));
    }
    let payload = zstd::bulk::compress(image, ZSTD_LEVEL)
        .map_err(|e| Error::internal("compress an image of alerting").with_source(e))?;
    let mut out = Vec::with_capacity(HEADER_BYTES.saturating_add(payload.len()));
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&lsn.0.to_le_bytes());
    out.extend_from_slice(&(image.len() as u64).to_le_bytes());
    out.extend_from_slice(&payload);
    let crc = checksum(&out).to_le_bytes();
    if let Some(place) = out.get_mut(CRC_AT..CRC_AT + 4) {
        place.copy_from_slice(&crc);
    }
    Ok(out)
}

/// Returns the image in the bytes of a file that is named by `lsn`.
pub(super) fn decode(lsn: Lsn, bytes: &[u8]) -> Result<Bytes> {
    let header = bytes.first_chunk::<HEADER_BYTES>().filter(|h| h.starts_with(&MAGIC));
    let header = header.ok_or_else(|| Error::corrupt("does not begin as a snapshot"))?;
    let [_, _, _, _, _, _, _, _, v0, v1, _, _, c0, c1, c2, c3, numbers @ ..] = *header;
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    if checksum(bytes) != crc {
        return Err(Error::corrupt("snapshot fails its checksum"));
    }
    let version = u16::from_le_bytes([v0, v1]);
    if version != VERSION {
        return Err(Error::invalid(format!(
            "snapshot has format version {version}, this program reads up to {VERSION}"
        )));
    }
    let (found, raw) = numbers.split_at(8);
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
    if number(found) != lsn.0 {
        let found = number(found);
        return Err(Error::corrupt(format!("snapshot says that it is of position {found}")));
    }
    let raw = usize::try_from(number(raw)).ok().filter(|raw| *raw <= IMAGE_BYTES_MAX);
    let raw = raw.ok_or_else(|| Error::corrupt("snapshot is longer than any"))?;
    let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "bounded by the length checked above")]
    let image = zstd::bulk::decompress(payload, raw)
        .map_err(|e| Error::corrupt("snapshot cannot be decompressed").with_source(e))?;
    if image.len() == raw {
        Ok(Bytes::from(image))
    } else {
        Err(Error::corrupt(format!("snapshot has {} bytes of {raw}", image.len())))
    }
}

/// Returns the checksum of everything but its own place.
fn checksum(bytes: &[u8]) -> u32 {
    let (front, rest) = bytes.split_at(CRC_AT.min(bytes.len()));
    crc32c::crc32c_append(crc32c::crc32c(front), rest.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
