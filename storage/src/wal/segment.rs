//! The bytes of a segment: a header, then groups.
//!
//! ```text
//! sector 0   magic 8 · version u16 · zero u16 · header_size u32 · writer u128 · epoch u64
//!            · number u64 · first lsn u64 · durable lsn u64 · zeros · crc32c u32 at the very end
//! group      magic u32 · crc32c u32 · segment u64 · first lsn u64 · durable lsn u64 · bytes u32
//!            · count u32 · kind u8 · zeros to 48 bytes · records · zeros to the end of the sector
//! sector     zeros, until the next group overwrites them
//! ```
//! Groups begin on sectors, the unit that a disk writes whole, so that no write touches a byte that
//! is already durable, and a search for a later group need look at sectors only. The sector of zeros
//! behind the last group tells the end of a log from a group that was torn, or hit by decay: what
//! stands there is neither by mistake nor from an earlier life of the segment.
//!
//! `durable` in a group header is the last LSN known to be synced when the group was written. It is
//! the witness that tells a torn tail from a damaged middle: see [`super::walk`].

use std::path::PathBuf;
use std::sync::Arc;

use super::Lsn;
use super::record::Seed;
use crate::file::DiskFile;

/// What disks write whole; headers and groups begin at multiples of it.
pub(crate) const SECTOR: usize = 512;
/// Bytes of a segment header; stands in it, so that a later version may have a larger one.
const HEADER_SIZE: u32 = 512;
/// Bytes of a group header.
pub(crate) const GROUP_HEADER_BYTES: usize = 48;
/// The version that is written, and the newest that is read.
pub(crate) const VERSION: u16 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"TARNWAL\n";
const GROUP_MAGIC: [u8; 4] = *b"TgrP";
/// Where the checksum of the segment header stands: at its end, so that all of it is covered.
const HEADER_CRC_AT: usize = SECTOR - 4;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Identity of the data folder.
    pub(crate) writer_id: u128,
    /// Start of the process that wrote it.
    pub(crate) epoch: u64,
    /// Counts up over the life of the folder; part of the file name.
    pub(crate) number: u64,
    /// No record in it is below.
    pub(crate) first: Lsn,
    /// Last durable LSN when it was begun. What earlier segments hold above it was never
    /// acknowledged, or stands here again.
    pub(crate) durable: Lsn,
}

/// Why the first sector is not the header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("does not begin as a log segment")]
    Magic,
    #[error("has format version {0}, this program reads up to {VERSION}")]
    Version(u16),
    #[error("fails the checksum of its header")]
    Checksum,
}

impl SegmentHeader {
    /// Returns where the checksums of this segment begin.
    pub(crate) fn seed(&self) -> Seed {
        Seed::new(self.writer_id, self.epoch, self.number)
    }

    /// Returns the first sector of the file.
    pub(crate) fn encode(&self) -> [u8; SECTOR] {
        let mut bytes = Vec::with_capacity(SECTOR);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&HEADER_SIZE.to_le_bytes());
        bytes.extend_from_slice(&self.writer_id.to_le_bytes());
        for n in [self.epoch, self.number, self.first.0, self.durable.0] {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        bytes.resize(HEADER_CRC_AT, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.try_into().expect("the parts above are one sector long")
    }

    /// Reads the first sector of a file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let sector = bytes.first_chunk::<SECTOR>().ok_or(HeaderError::Magic)?;
        if !sector.starts_with(&SEGMENT_MAGIC) {
            return Err(HeaderError::Magic);
        }
        let version = u16::from_le_bytes(part(sector, 8));
        let (covered, crc) = sector.split_at(HEADER_CRC_AT);
        if crc32c::crc32c(covered).to_le_bytes() != crc {
            // A newer version may have a larger header, with its checksum elsewhere.
            let newer = version > VERSION;
            return Err(if newer { HeaderError::Version(version) } else { HeaderError::Checksum });
        }
        if version == 0 || version > VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(Self {
            writer_id: u128::from_le_bytes(part(sector, 16)),
            epoch: u64::from_le_bytes(part(sector, 32)),
            number: u64::from_le_bytes(part(sector, 40)),
            first: Lsn(u64::from_le_bytes(part(sector, 48))),
            durable: Lsn(u64::from_le_bytes(part(sector, 56))),
        })
    }
}

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupKind {
    /// Records.
    Rows,
    /// No records: bears witness that those before are durable.
    Witness,
    /// As a witness; the log was closed in order.
    Seal,
}

/// The head of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// LSN of its first record; of the next one to come where it has none.
    pub(crate) first: Lsn,
    /// Last LSN known to be durable when the group was written.
    pub(crate) durable: Lsn,
    /// Bytes of its records.
    pub(crate) bytes: u32,
    /// Number of its records.
    pub(crate) count: u32,
    /// What it is for.
    pub(crate) kind: GroupKind,
}

impl GroupHeader {
    /// Returns the LSN behind its last record.
    pub(crate) fn next(&self) -> Lsn {
        Lsn(self.first.0.saturating_add(u64::from(self.count)))
    }

    /// Returns the bytes that the group takes in the file.
    pub(crate) fn span(&self) -> u64 {
        round_up((GROUP_HEADER_BYTES as u64).saturating_add(u64::from(self.bytes)))
    }

    /// Writes the header in front of a group.
    pub(crate) fn encode(&self, segment: u64, seed: Seed) -> [u8; GROUP_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(GROUP_HEADER_BYTES);
        bytes.extend_from_slice(&GROUP_MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        for n in [segment, self.first.0, self.durable.0] {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.push(match self.kind {
            GroupKind::Rows => 0,
            GroupKind::Witness => 1,
            GroupKind::Seal => 2,
        });
        bytes.resize(GROUP_HEADER_BYTES, 0);
        let mut header: [u8; GROUP_HEADER_BYTES] =
            bytes.try_into().expect("was resized to this length");
        let crc = seed.checksum(&[&header[8..]]);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Reads the header at the head of `bytes`; `None` where there is none of this segment's life.
    pub(crate) fn decode(bytes: &[u8], segment: u64, seed: Seed) -> Option<Self> {
        let header = bytes.first_chunk::<GROUP_HEADER_BYTES>()?;
        if !header.starts_with(&GROUP_MAGIC) || u64::from_le_bytes(part(header, 8)) != segment {
            return None;
        }
        if seed.checksum(&[&header[8..]]) != u32::from_le_bytes(part(header, 4)) {
            return None;
        }
        let kind = match header[40] {
            0 => GroupKind::Rows,
            1 => GroupKind::Witness,
            2 => GroupKind::Seal,
            _ => return None,
        };
        Some(Self {
            first: Lsn(u64::from_le_bytes(part(header, 16))),
            durable: Lsn(u64::from_le_bytes(part(header, 24))),
            bytes: u32::from_le_bytes(part(header, 32)),
            count: u32::from_le_bytes(part(header, 36)),
            kind,
        })
    }
}

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) header: SegmentHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Length of the file.
    pub(crate) len: u64,
    /// Where the next group goes.
    pub(crate) end: u64,
}

impl ActiveSegment {
    /// Returns the bytes that a group may take.
    pub(crate) fn room(&self) -> u64 {
        self.len.saturating_sub(self.end)
    }

    /// Writes a finished group, and zeros behind it if there is room. Not durable yet.
    pub(crate) fn write(&mut self, group: &mut Vec<u8>) -> std::io::Result<()> {
        let bytes = group.len();
        if self.room() > bytes as u64 {
            group.resize(bytes.saturating_add(SECTOR), 0);
        }
        self.file.write_at(group, self.end)?;
        group.truncate(bytes);
        self.end = self.end.saturating_add(bytes as u64);
        Ok(())
    }
}

/// Collects the records of a group, and finishes its bytes once the segment is known.
#[derive(Debug, Default)]
pub(crate) struct GroupBuffer {
    bytes: Vec<u8>,
    count: u32,
}

impl GroupBuffer {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(GROUP_HEADER_BYTES, 0);
        self.count = 0;
    }

    /// Gives memory back after an unusually large group.
    pub(crate) fn shrink(&mut self, bytes_max: usize) {
        self.bytes.shrink_to(bytes_max);
    }

    /// Takes one record from `encode`, which appends it to the bytes it is given.
    pub(crate) fn push<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        encode(&mut self.bytes)?;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Returns the number of records.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the bytes so far, padding apart.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes that the group will take.
    pub(crate) fn span(&self) -> u64 {
        round_up(self.bytes.len() as u64)
    }

    /// Fills in checksums and header for the life of a segment, and returns the bytes to write.
    pub(crate) fn finish(
        &mut self,
        segment: &SegmentHeader,
        kind: GroupKind,
        first: Lsn,
        durable: Lsn,
    ) -> &mut Vec<u8> {
        let seed = segment.seed();
        let (head, mut records) = self.bytes.split_at_mut(GROUP_HEADER_BYTES);
        let bytes = u32::try_from(records.len()).expect("a group is bounded by the record limit");
        let header = GroupHeader { first, durable, bytes, count: self.count, kind };
        head.copy_from_slice(&header.encode(segment.number, seed));
        while !records.is_empty() {
            records = super::record::seal(records, seed);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(SECTOR), 0);
        &mut self.bytes
    }
}

/// Rounds up to whole sectors.
pub(crate) fn round_up(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR as u64).saturating_mul(SECTOR as u64)
}

/// Returns `N` bytes at a fixed place of a fixed-size header.
fn part<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let bytes = header.get(at..).and_then(<[u8]>::first_chunk::<N>);
    *bytes.expect("headers are read at fixed places within their length")
}

#[cfg(test)]
mod tests;
