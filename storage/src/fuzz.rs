//! The decoders of everything stored, as one plain function of bytes.
//!
//! All stored bytes are under a checksum, so damage does not reach a decoder; a bug, a tool or an
//! attacker who repairs checksums does. [`decode`] repairs those it knows, and then must return,
//! whatever the bytes are: no panic, and no more memory than the bytes can stand for. Log segments
//! have their own entry, [`crate::wal::fuzz_segment`]; Parquet itself is its crate's matter.

use bytes::Bytes;
use tarn_model::signal::Signal;

use crate::alert_log;
use crate::append::requests::file;
use crate::block::directory::{Directory, decode_metrics};
use crate::catalog::format::{self, Magic};
use crate::catalog::writers::Identity;
use crate::documents;
use crate::flush::aside;
use crate::head::replay;
use crate::wal::{Lsn, Payload};

/// What bytes are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Rows of a log record, under a schema number.
    Payload(Signal, u16),
    /// A manifest of the catalog.
    Manifest,
    /// A checkpoint of the catalog.
    Checkpoint,
    /// A page of a checkpoint.
    Page,
    /// The directory in a block's tail.
    Directory,
    /// Rows by metric, in a block's tail.
    Metrics,
    /// The requests that are recognised when they are sent again.
    Requests,
    /// Who writes a data folder.
    Identity,
    /// Entries of a record of the alert log.
    Entries,
    /// A snapshot of the alert log, of LSN 2.
    Snapshot,
    /// A revision of a document.
    Document,
    /// Records that were set aside.
    Raw,
}

/// Decodes; returns whether the bytes were taken for what they were said to be.
pub fn decode(what: Stored, bytes: &[u8]) -> bool {
    match what {
        Stored::Payload(signal, schema) => {
            let bytes = Bytes::copy_from_slice(bytes);
            replay::decode(&[Payload { signal, schema, bytes }]).is_ok()
        }
        Stored::Manifest => {
            format::open::<format::Manifest>(Magic::Manifest, "m", &repaired(bytes)).is_ok()
        }
        Stored::Checkpoint => {
            format::open::<format::Checkpoint>(Magic::Checkpoint, "c", &repaired(bytes)).is_ok()
        }
        Stored::Page => format::open::<format::Page>(Magic::Page, "p", &repaired(bytes)).is_ok(),
        Stored::Directory => Directory::decode(bytes).is_ok(),
        Stored::Metrics => decode_metrics(bytes).is_ok(),
        Stored::Requests => file::is_readable(&with_sum_behind(bytes)),
        Stored::Identity => Identity::parse(bytes).is_some(),
        Stored::Entries => alert_log::is_entries(Bytes::copy_from_slice(bytes)),
        Stored::Snapshot => alert_log::is_snapshot(Lsn(2), &with_sum_inside(bytes)),
        Stored::Document => documents::is_revision(&with_sum_inside(bytes).into()),
        Stored::Raw => {
            matches!(aside::describe(&Bytes::copy_from_slice(bytes)), Ok(Some(_)))
        }
    }
}

/// Puts the right checksum, and the right length, into the envelope of a catalog object.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= format::HEADER_BYTES {
        let payload = (bytes.len() - format::HEADER_BYTES) as u32;
        bytes[16..20].copy_from_slice(&payload.to_le_bytes());
        let (header, payload) = bytes.split_at(format::HEADER_BYTES);
        let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..format::CRC_AT]), payload);
        bytes[format::CRC_AT..format::HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

/// Puts the right checksum of all other bytes behind the first twelve.
fn with_sum_inside(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 16 {
        let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

/// Puts the right checksum behind what comes before the last four bytes.
fn with_sum_behind(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.get(..bytes.len().saturating_sub(4)).unwrap_or_default().to_vec();
    let sum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests;
