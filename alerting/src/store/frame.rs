//! Many records as one run of bytes: a snapshot. Per record: length of the tenant, tenant, kind,
//! length of the body, body; numbers little-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;
use tarn_storage::alert_log::Entry;

/// The first byte: the version of this form.
const VERSION: u8 = 1;

/// Writes records.
pub(crate) fn encode(entries: &[Entry]) -> Bytes {
    let bytes: usize = entries.iter().map(|entry| entry.body.len() + 32).sum();
    let mut out = BytesMut::with_capacity(bytes + 1);
    out.put_u8(VERSION);
    for entry in entries {
        let tenant = entry.tenant.as_str().as_bytes();
        // A tenant has 150 bytes at most.
        out.put_u8(tenant.len() as u8);
        out.put_slice(tenant);
        out.put_u16_le(entry.kind);
        out.put_u32_le(entry.body.len() as u32);
        out.put_slice(&entry.body);
    }
    out.freeze()
}

/// Reads records.
///
/// # Errors
/// `Corrupt` where they end early or are of another version.
pub(crate) fn decode(bytes: &Bytes) -> Result<Vec<Entry>> {
    let mut rest = bytes.clone();
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let version = rest.get_u8();
    if version != VERSION {
        let message = format!("alert snapshot has version {version}, this program reads {VERSION}");
        return Err(Error::corrupt(message));
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(entry(&mut rest).ok_or_else(|| {
            let at = bytes.len() - rest.len();
            Error::corrupt(format!("alert snapshot of {} bytes ends early at {at}", bytes.len()))
        })??);
    }
    Ok(entries)
}

fn entry(rest: &mut Bytes) -> Option<Result<Entry>> {
    let length = usize::from(rest.try_get_u8().ok()?);
    let tenant = take(rest, length)?;
    let kind = rest.try_get_u16_le().ok()?;
    let length = rest.try_get_u32_le().ok()? as usize;
    let body = take(rest, length)?;
    let tenant = std::str::from_utf8(&tenant)
        .map_err(|e| {
            Error::corrupt("alert snapshot names a tenant that is not UTF-8").with_source(e)
        })
        .and_then(TenantId::parse);
    Some(tenant.map(|tenant| Entry { tenant, kind, body }))
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (rest.len() >= length).then(|| rest.split_to(length))
}
