//! `wal/followers`: how far those are who follow the log by name.
//!
//! ```text
//! "TARNFOL1" · names u32 × { length u8 · name · lsn u64 } · boundaries u32 × lsn u64
//! · crc32c u32 of all before
//! ```
//! Little-endian. Written before the log is truncated: under another name, synced, renamed. Absent
//! means that nobody has followed yet; damaged, that those of whom the log says nothing are told that
//! they have missed rows.

use std::io;

use super::hub::Hub;
use super::named::Positions;
use crate::file::{self, Disk, OpenHow};
use crate::paths::DataDir;
use crate::wal::Lsn;

const MAGIC: &[u8; 8] = b"TARNFOL1";
/// A file of this size is none of ours: names are few, boundaries are bounded.
const BYTES_MAX: usize = 1 << 20;

/// Writes what is known; nothing where nobody follows by name.
///
/// # Errors
/// What the disk says; the file is as before then.
pub(crate) fn save(hub: &Hub, dir: &DataDir, disk: &dyn Disk) -> io::Result<()> {
    // Who comes later writes what is known later.
    let _turn = hub.saving.lock();
    let Some(positions) = hub.named().export() else { return Ok(()) };
    file::replace(disk, &dir.wal_followers_temp(), &dir.wal_followers(), &encode(&positions))
}

/// Takes over what an earlier life has written.
pub(crate) fn load(hub: &Hub, dir: &DataDir, disk: &dyn Disk) {
    let path = dir.wal_followers();
    let read = || {
        let file = disk.open(&path, OpenHow::Read)?;
        let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
        if len > BYTES_MAX {
            return Err(io::Error::other(format!("{len} bytes, limit is {BYTES_MAX}")));
        }
        let mut bytes = vec![0; len];
        file.read_at(&mut bytes, 0)?;
        decode(&bytes).ok_or_else(|| io::Error::other("damaged"))
    };
    match read() {
        Ok(positions) => hub.named().restore(Some(positions)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            hub.named().restore(Some(Positions::default()));
        }
        Err(error) => {
            let path = path.display();
            tracing::warn!(%path, %error, "who follows the log may have missed rows");
            hub.named().restore(None);
        }
    }
}

fn encode(positions: &Positions) -> Vec<u8> {
    let Positions { positions, boundaries } = positions;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(positions.len() as u32).to_le_bytes());
    for (name, lsn) in positions {
        // Names are constants of a few letters.
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&lsn.0.to_le_bytes());
    }
    bytes.extend_from_slice(&(boundaries.len() as u32).to_le_bytes());
    boundaries.iter().for_each(|lsn| bytes.extend_from_slice(&lsn.0.to_le_bytes()));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Returns what the bytes say; `None` where they are damaged.
fn decode(bytes: &[u8]) -> Option<Positions> {
    fn number(from: &mut &[u8]) -> Option<u32> {
        let (number, rest) = from.split_first_chunk::<4>()?;
        *from = rest;
        Some(u32::from_le_bytes(*number))
    }
    fn lsn(from: &mut &[u8]) -> Option<Lsn> {
        let (lsn, rest) = from.split_first_chunk::<8>()?;
        *from = rest;
        Some(Lsn(u64::from_le_bytes(*lsn)))
    }
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let mut found = Positions::default();
    for _ in 0..number(&mut rest)? {
        let (length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        found.positions.insert(name, lsn(&mut rest)?);
    }
    for _ in 0..number(&mut rest)? {
        found.boundaries.insert(lsn(&mut rest)?);
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests;
