//! The bytes of entries in a record of the log.
//!
//! ```text
//! entries × { kind u16 · tenant_len u8 · zero u8 · len u32 · tenant · body }
//! ```
//! All integers are little-endian. The record has a checksum, so what is decoded here is what was
//! written; lengths are still bounded by the bytes at hand, because the writer may have been newer.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;

use super::{APPEND_BYTES_MAX, Entry};

/// Bytes in front of tenant and body.
const PREFIX_BYTES: usize = 8;

/// One call, ready to be framed.
#[derive(Debug)]
pub struct Item {
    /// Of the first entry.
    pub(super) tenant: TenantId,
    pub(super) bytes: Bytes,
}

/// Encodes the entries of a call; there is one at least.
pub(super) fn encode(entries: &[Entry]) -> Result<Item> {
    let one = |e: &Entry| PREFIX_BYTES.saturating_add(e.tenant.as_str().len() + e.body.len());
    let bytes = entries.iter().map(one).fold(0, usize::saturating_add);
    if bytes > APPEND_BYTES_MAX {
        let message = format!("entries of alerting are {bytes} bytes, limit is {APPEND_BYTES_MAX}");
        return Err(Error::limit(message));
    }
    let first = entries.first().ok_or_else(|| Error::internal("no entry to append"))?;
    let mut into = BytesMut::with_capacity(bytes);
    for Entry { tenant, kind, body } in entries {
        let tenant = tenant.as_str().as_bytes();
        let tenant_len = u8::try_from(tenant.len())
            .map_err(|_| Error::internal(format!("tenant of {} bytes", tenant.len())))?;
        // Its length is within the bound above.
        let len = u32::try_from(body.len()).map_err(|e| Error::internal("entry").with_source(e))?;
        into.put_u16_le(*kind);
        into.put_u8(tenant_len);
        into.put_u8(0);
        into.put_u32_le(len);
        into.put_slice(tenant);
        into.put_slice(body);
    }
    Ok(Item { tenant: first.tenant.clone(), bytes: into.freeze() })
}

/// Decodes the entries of a record, without copying bodies; `None` where they are not laid out as
/// above.
pub(super) fn decode(mut bytes: Bytes, into: &mut Vec<Entry>) -> Option<()> {
    while !bytes.is_empty() {
        if bytes.len() < PREFIX_BYTES {
            return None;
        }
        let kind = bytes.get_u16_le();
        let tenant_len = usize::from(bytes.get_u8());
        let _zero = bytes.get_u8();
        let len = usize::try_from(bytes.get_u32_le()).ok()?;
        if bytes.len() < tenant_len.checked_add(len)? {
            return None;
        }
        let tenant = bytes.split_to(tenant_len);
        let tenant = TenantId::parse(std::str::from_utf8(&tenant).ok()?).ok()?;
        into.push(Entry { tenant, kind, body: bytes.split_to(len) });
    }
    Some(())
}

#[cfg(test)]
mod tests;
