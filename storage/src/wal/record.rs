//! The bytes of one record: one request, stored whole or not at all.
//!
//! ```text
//! len u32 · crc32c u32 · lsn u64 · kind u8 · tenant_len u8 · payloads u16 · request_hash u128
//!   · counts 4 × u32 · tenant · payloads × { signal u8 · zero u8 · schema u16 · len u32 · bytes }
//!   · entries
//! ```
//! Of kind 1 are the rows of a request: payloads, no entries. Of kind 2 are entries of the alert log
//! (`alert_log/entry.rs`): no payloads; the tenant is that of the first entry.
//!
//! All integers are little-endian; `len` counts what follows the checksum. The checksum begins with
//! a seed made of writer, epoch and segment number and covers `len` and everything behind the checksum, so
//! a record that a stray write put elsewhere, or that a recycled segment kept from an earlier life,
//! does not pass. [`decode`] takes nothing on trust: lengths are bounded by the bytes at hand before
//! they are used, and nothing is allocated beyond the table of payloads.

use bytes::Bytes;
use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::{TENANT_BYTES_MAX, TenantId};

use super::{Lsn, Payload, RecordBuilder, ReplyCounts};

/// Bytes in front of what `len` counts.
pub(crate) const PREFIX_BYTES: usize = 8;
/// Bytes of a record without tenant and payloads, the prefix apart.
const FIXED_BYTES: usize = 8 + 1 + 1 + 2 + 16 + 16;
/// Bytes in front of each payload.
const PAYLOAD_PREFIX_BYTES: usize = 8;
/// A record may have this many bytes: far above any body that is admitted, far below `u32`, so
/// that sums of a few of them do not overflow.
pub(crate) const RECORD_BYTES_MAX: usize = 1 << 30;
/// Rows of a request.
const KIND_ROWS: u8 = 1;
/// Entries of the alert log.
const KIND_ENTRIES: u8 = 2;

/// One request, read back.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place in the log.
    pub lsn: Lsn,
    /// Whose rows.
    pub tenant: TenantId,
    /// Hash of tenant, route and body, by which a resend is recognised; 0: not computed.
    pub request_hash: u128,
    /// What the client was told.
    pub counts: ReplyCounts,
    /// Encoded batches, in the order in which they were framed.
    pub payloads: Vec<Payload>,
    /// Encoded entries of the alert log; empty in a record of rows.
    pub entries: Bytes,
}

/// Where the checksums of one segment begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    /// Mixes what tells one life of a segment from every other.
    pub(crate) fn new(writer_id: u128, epoch: u64, segment: u64) -> Self {
        let crc = crc32c::crc32c(&writer_id.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &epoch.to_le_bytes());
        Self(crc32c::crc32c_append(crc, &segment.to_le_bytes()))
    }

    /// Returns the checksum of the parts, one after the other.
    pub(crate) fn checksum(self, parts: &[&[u8]]) -> u32 {
        parts.iter().fold(self.0, |crc, part| crc32c::crc32c_append(crc, part))
    }
}

/// Appends a record to `into`; its checksum stays zero until [`seal`], because the segment that
/// takes it is known only when the group is complete.
///
/// # Errors
/// `LimitExceeded` where the record is beyond 1 GiB; `Internal` where the sink named no tenant.
/// `into` is as before then.
pub(crate) fn encode(lsn: Lsn, record: &RecordBuilder, into: &mut Vec<u8>) -> Result<()> {
    let no_tenant = || Error::internal(format!("record {} names no tenant", lsn.0));
    let tenant = record.tenant.as_ref().ok_or_else(no_tenant)?.as_str().as_bytes();
    let payload_bytes = record.payloads.iter().map(|p| p.bytes.len() as u64);
    let payload_bytes = payload_bytes.fold(record.entries.len() as u64, u64::saturating_add);
    let too_large = || {
        let message = format!("record is {payload_bytes} bytes, limit is {RECORD_BYTES_MAX}");
        Error::limit(message)
    };
    let count = u16::try_from(record.payloads.len()).map_err(|_| too_large())?;
    if payload_bytes > RECORD_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let tenant_len = u8::try_from(tenant.len()).map_err(|_| no_tenant())?;

    let start = into.len();
    into.extend_from_slice(&[0; PREFIX_BYTES]);
    into.extend_from_slice(&lsn.0.to_le_bytes());
    let kind = if record.entries.is_empty() { KIND_ROWS } else { KIND_ENTRIES };
    into.extend_from_slice(&[kind, tenant_len]);
    into.extend_from_slice(&count.to_le_bytes());
    into.extend_from_slice(&record.request_hash.to_le_bytes());
    let ReplyCounts { floats, histograms, exemplars, rejected } = record.counts;
    for n in [floats, histograms, exemplars, rejected] {
        into.extend_from_slice(&n.to_le_bytes());
    }
    into.extend_from_slice(tenant);
    for Payload { signal, schema, bytes } in &record.payloads {
        let len = u32::try_from(bytes.len()).map_err(|_| too_large())?;
        into.extend_from_slice(&[signal_code(*signal), 0]);
        into.extend_from_slice(&schema.to_le_bytes());
        into.extend_from_slice(&len.to_le_bytes());
        into.extend_from_slice(bytes);
    }
    into.extend_from_slice(&record.entries);
    let end = into.len();
    let body = end.saturating_sub(start).saturating_sub(PREFIX_BYTES);
    let Some(body) = u32::try_from(body).ok().filter(|n| *n as usize <= RECORD_BYTES_MAX) else {
        into.truncate(start);
        return Err(too_large());
    };
    if let Some(len) = into.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *len = body.to_le_bytes();
    }
    Ok(())
}

/// Fills in the checksum of the record at the head of `bytes`, and returns what lies behind it.
/// Bytes without a whole record are left alone.
pub(crate) fn seal(bytes: &mut [u8], seed: Seed) -> &mut [u8] {
    let len = bytes.first_chunk::<4>().map(|len| u32::from_le_bytes(*len) as usize);
    let whole = len.and_then(|len| len.checked_add(PREFIX_BYTES));
    let Some(whole) = whole.filter(|whole| *whole <= bytes.len()) else { return &mut [] };
    let (record, rest) = bytes.split_at_mut(whole);
    let (prefix, body) = record.split_at_mut(PREFIX_BYTES);
    let (len, crc) = prefix.split_at_mut(4);
    crc.copy_from_slice(&seed.checksum(&[len, body]).to_le_bytes());
    rest
}

/// Returns the bytes of the first record in `bytes` if it is whole, passes its checksum and is the
/// one with this LSN.
pub(crate) fn check(bytes: &[u8], seed: Seed, lsn: Lsn) -> Option<usize> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let body_len = u32::from_le_bytes(*len) as usize;
    if !(FIXED_BYTES..=RECORD_BYTES_MAX).contains(&body_len) {
        return None;
    }
    let body = rest.get(..body_len)?;
    let found = Lsn(u64::from_le_bytes(*body.first_chunk::<8>()?));
    let whole = seed.checksum(&[len, body]) == u32::from_le_bytes(*crc);
    (whole && found == lsn).then_some(body_len.saturating_add(PREFIX_BYTES))
}

/// Takes apart a record whose checksum has been [`check`]ed. `None` where it is not laid out as
/// above: written by a newer version, or by chance.
pub(crate) fn decode(bytes: &Bytes) -> Option<Record> {
    let mut from = Reader { bytes, at: PREFIX_BYTES };
    let lsn = Lsn(u64::from_le_bytes(from.array()?));
    let [kind, tenant_len] = from.array()?;
    if !matches!(kind, KIND_ROWS | KIND_ENTRIES) || usize::from(tenant_len) > TENANT_BYTES_MAX {
        return None;
    }
    let count = u16::from_le_bytes(from.array()?);
    let request_hash = u128::from_le_bytes(from.array()?);
    let mut counts = ReplyCounts::default();
    let ReplyCounts { floats, histograms, exemplars, rejected } = &mut counts;
    for n in [floats, histograms, exemplars, rejected] {
        *n = u32::from_le_bytes(from.array()?);
    }
    let tenant = from.take(usize::from(tenant_len))?;
    let tenant = TenantId::parse(std::str::from_utf8(&tenant).ok()?).ok()?;
    // The bound on `count` keeps a forged one from allocating more than the bytes could hold.
    let room = from.left().checked_div(PAYLOAD_PREFIX_BYTES)?;
    let mut payloads = Vec::with_capacity(usize::from(count).min(room));
    for _ in 0..count {
        let [signal, _zero] = from.array()?;
        let schema = u16::from_le_bytes(from.array()?);
        let len = u32::from_le_bytes(from.array()?) as usize;
        payloads.push(Payload { signal: parse_signal(signal)?, schema, bytes: from.take(len)? });
    }
    let entries = if kind == KIND_ENTRIES { from.take(from.left())? } else { Bytes::new() };
    let whole = from.left() == 0 && (kind == KIND_ROWS || payloads.is_empty());
    whole.then_some(Record { lsn, tenant, request_hash, counts, payloads, entries })
}

/// Appends a record that stands outside of a log, sealed.
///
/// # Errors
/// As [`encode`].
pub(crate) fn write_record(lsn: Lsn, record: &RecordBuilder, into: &mut Vec<u8>) -> Result<()> {
    let start = into.len();
    encode(lsn, record, into)?;
    seal(into.get_mut(start..).unwrap_or_default(), Seed::new(0, 0, 0));
    Ok(())
}

/// Reads the record at the head of `bytes` that [`write_record`] wrote, and returns its length.
pub(crate) fn read_record(bytes: &Bytes) -> Option<(Record, usize)> {
    let lsn = Lsn(u64::from_le_bytes(*bytes.get(PREFIX_BYTES..)?.first_chunk()?));
    let length = check(bytes, Seed::new(0, 0, 0), lsn)?;
    Some((decode(&bytes.slice(..length))?, length))
}

/// Walks through the bytes of a record without copying them.
struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at = self.at.checked_add(N)?;
        Some(array)
    }

    fn take(&mut self, len: usize) -> Option<Bytes> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(taken)
    }
}

fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Metrics => 1,
        Signal::Logs => 2,
        Signal::Traces => 3,
    }
}

fn parse_signal(code: u8) -> Option<Signal> {
    [Signal::Metrics, Signal::Logs, Signal::Traces].into_iter().find(|s| signal_code(*s) == code)
}

#[cfg(test)]
mod tests;
