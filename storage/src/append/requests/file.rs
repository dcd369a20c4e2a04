//! `wal/requests`: the ring on disk.
//!
//! ```text
//! "TARNREQ1" · wall time u64 (ms) · entries u32 · entries × {
//!     hash u128 · age varint (s) · 4 counts, varint each } · crc32c u32 of all before
//! ```
//! Little-endian, oldest entry first. Written before the log is truncated: under another name,
//! synced, renamed. One that is absent or damaged is an empty one: then resends of requests that are
//! no more in the log are stored again, which is said once and shown in the window's metric.

use std::io;
use std::path::Path;

use super::{Requests, Stored, WINDOW};
use crate::file::{self, Disk, OpenHow};
use crate::paths::DataDir;
use crate::wal::ReplyCounts;

const MAGIC: &[u8; 8] = b"TARNREQ1";
/// Bytes of the file at most; older requests are left out.
const BYTES_MAX: usize = 16 << 20;
/// Magic, time and number of entries.
const HEADER: usize = 8 + 8 + 4;
/// The longest entry.
const ENTRY_MAX: usize = 16 + 5 * 10;

/// Writes all requests that are known.
///
/// # Errors
/// What the disk says; the file is as before then.
pub(crate) fn save(requests: &Requests, dir: &DataDir, disk: &dyn Disk) -> io::Result<()> {
    // Who comes later writes what is known later.
    let _turn = requests.saving.lock();
    file::replace(disk, &dir.wal_requests_temp(), &dir.wal_requests(), &encode(requests))
}

/// Takes over what an earlier life has written.
pub(crate) fn load(requests: &Requests, dir: &DataDir, disk: &dyn Disk) {
    let path = dir.wal_requests();
    let path_shown = path.display();
    match read(disk, &path) {
        Ok(bytes) => match decode(&bytes) {
            Some(file) => file.restore(requests),
            None => {
                tracing::warn!(path = %path_shown, "damaged: resends of older requests are not recognised");
                requests.forgot_all();
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path_shown, %error, "resends of older requests are not recognised");
            requests.forgot_all();
        }
    }
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenHow::Read)?;
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    if len > BYTES_MAX {
        return Err(io::Error::other(format!("{len} bytes, limit is {BYTES_MAX}")));
    }
    let mut bytes = vec![0; len];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn encode(requests: &Requests) -> Vec<u8> {
    let (all, now) = (requests.all(), requests.now());
    // The newest first, until the file is full; then turned round.
    let (mut taken, mut room) = (0, BYTES_MAX - HEADER - 4);
    let mut entry = Vec::with_capacity(ENTRY_MAX);
    for stored in all.iter().rev() {
        entry.clear();
        write_entry(stored, now, &mut entry);
        let Some(left) = room.checked_sub(entry.len()) else { break };
        (taken, room) = (taken + 1, left);
    }
    let kept = &all[all.len() - taken..];
    let mut bytes = Vec::with_capacity(BYTES_MAX - room);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(requests.clock.now().as_millis() as u64).to_le_bytes());
    bytes.extend_from_slice(&(kept.len() as u32).to_le_bytes());
    kept.iter().for_each(|stored| write_entry(stored, now, &mut bytes));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn write_entry(stored: &Stored, now: i64, into: &mut Vec<u8>) {
    let Stored { hash, counts, at } = stored;
    into.extend_from_slice(&hash.to_le_bytes());
    write_varint(now.saturating_sub(*at).max(0) as u64, into);
    let ReplyCounts { floats, histograms, exemplars, rejected } = *counts;
    for count in [floats, histograms, exemplars, rejected] {
        write_varint(u64::from(count), into);
    }
}

fn write_varint(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// The file, read.
struct Saved {
    at_ms: u64,
    /// Hash, age in seconds when it was written, counts.
    entries: Vec<(u128, u64, ReplyCounts)>,
}

impl Saved {
    fn restore(self, requests: &Requests) {
        // Wall time is all that two lives share. Where it went back, requests are known for longer.
        let wall = requests.clock.now().as_millis() as u64;
        let since = wall.saturating_sub(self.at_ms) / 1000;
        let now = requests.now();
        for (hash, age, counts) in self.entries {
            let age = age.saturating_add(since);
            if age <= WINDOW.as_secs() {
                requests.add(Stored { hash, counts, at: now - age as i64 });
            }
        }
    }
}

/// Returns whether the bytes are such a file.
pub(crate) fn is_readable(bytes: &[u8]) -> bool {
    decode(bytes).is_some()
}

/// Returns what the bytes say; `None` where they are damaged.
fn decode(bytes: &[u8]) -> Option<Saved> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let rest = content.strip_prefix(MAGIC)?;
    let (at_ms, rest) = rest.split_first_chunk::<8>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut entries = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (hash, after) = rest.split_first_chunk::<16>()?;
        rest = after;
        let age = read_varint(&mut rest)?;
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = u32::try_from(read_varint(&mut rest)?).ok()?;
        }
        let [floats, histograms, exemplars, rejected] = counts;
        let counts = ReplyCounts { floats, histograms, exemplars, rejected };
        entries.push((u128::from_le_bytes(*hash), age, counts));
    }
    rest.is_empty().then_some(Saved { at_ms: u64::from_le_bytes(*at_ms), entries })
}

fn read_varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
