//! The bytes of a revision.
//!
//! ```text
//! magic 8 · version u16 · zero u16 · crc32c u32 · header length u32 · header · body
//! ```
//! All integers are little-endian; the checksum covers everything but itself. The header is JSON and
//! says whose it is, which revision, who made it and when; the body is as it was given, to the end
//! of the object: `tail` shows it. A random number in the header makes every writer's bytes its own.

use std::num::ParseIntError;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};

use super::{Document, Id, Revision};

const MAGIC: [u8; 8] = *b"TARNDOC\n";
/// The version that is written, and the newest that is read.
const VERSION: u16 = 1;
/// Bytes in front of the header.
const PREFIX_BYTES: usize = 20;
/// Where the checksum stands.
const CRC_AT: usize = 12;

/// The header as it is stored. Fields are only ever added.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    tenant: String,
    kind: String,
    name: String,
    revision: u64,
    at_ms: i64,
    author: String,
    /// XXH3 of the body, 32 hex digits.
    hash: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    attempt: String,
}

/// Whose a revision is.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) tenant: String,
    pub(super) kind: String,
}

/// Writes a revision.
pub(super) fn seal(id: Id<'_>, revision: &Revision, attempt: u64, body: &[u8]) -> Result<Bytes> {
    let Revision { number, at_ms, author, hash, deleted } = revision;
    let header = Header {
        tenant: id.tenant.as_str().to_owned(),
        kind: id.kind.to_owned(),
        name: id.name.to_owned(),
        revision: *number,
        at_ms: *at_ms,
        author: author.clone(),
        hash: format!("{hash:032x}"),
        deleted: *deleted,
        attempt: format!("{attempt:016x}"),
    };
    let failed = |e: serde_json::Error| Error::internal(format!("encode {id}")).with_source(e);
    let header = serde_json::to_vec(&header).map_err(failed)?;
    let length = u32::try_from(header.len())
        .map_err(|_| Error::limit(format!("header of {id} has {} bytes", header.len())))?;
    let mut out = Vec::with_capacity(PREFIX_BYTES + header.len() + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
    let crc = checksum(&out).to_le_bytes();
    if let Some(place) = out.get_mut(CRC_AT..CRC_AT + 4) {
        place.copy_from_slice(&crc);
    }
    Ok(Bytes::from(out))
}

/// Reads a revision.
///
/// # Errors
/// `Corrupt` where the bytes are not what was written; `Invalid` where a newer program wrote them.
pub(super) fn open(bytes: &Bytes) -> Result<(Owner, Document)> {
    let corrupt = |what: &str| Error::corrupt(format!("document {what}"));
    let prefix = bytes.first_chunk::<PREFIX_BYTES>().filter(|prefix| prefix.starts_with(&MAGIC));
    let prefix = prefix.ok_or_else(|| corrupt("does not begin as one"))?;
    let [.., v0, v1, _, _, c0, c1, c2, c3, l0, l1, l2, l3] = *prefix;
    if checksum(bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(corrupt("fails its checksum"));
    }
    let version = u16::from_le_bytes([v0, v1]);
    if version != VERSION {
        let message =
            format!("document has format version {version}, this program reads up to {VERSION}");
        return Err(Error::invalid(message));
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let end = PREFIX_BYTES.saturating_add(length);
    let header = bytes.get(PREFIX_BYTES..end).ok_or_else(|| corrupt("ends in its header"))?;
    let header: Header = serde_json::from_slice(header)
        .map_err(|e| corrupt("has not the expected fields").with_source(e))?;
    let hash = u128::from_str_radix(&header.hash, 16)
        .map_err(|e: ParseIntError| corrupt("has no hash").with_source(e))?;
    let Header { tenant, kind, name, revision, at_ms, author, deleted, .. } = header;
    let revision = Revision { number: revision, at_ms, author, hash, deleted };
    Ok((Owner { tenant, kind }, Document { name, revision, body: bytes.slice(end..) }))
}

/// Returns the checksum of everything but its own place.
fn checksum(bytes: &[u8]) -> u32 {
    let (front, rest) = bytes.split_at(CRC_AT.min(bytes.len()));
    crc32c::crc32c_append(crc32c::crc32c(front), rest.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
