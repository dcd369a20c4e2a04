//! Bodies: read no more than allowed, and decompress no more than declared and allowed.
//!
//! Memory is asked for before it is used: the whole body where its length is announced, else as it
//! comes. The length that a snappy block declares is checked, against the limit and against what
//! the compressed bytes can plausibly hold, before anything of that length is allocated.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tarn_model::error::{Error, Result};
use tarn_model::limits::Limits;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;

use crate::admit::Permit;

/// A sender that sends nothing for so long holds memory for nothing.
const STALL_MAX: Duration = Duration::from_secs(30);
/// What is asked for at least, where the length is not announced.
const GROW_MIN: usize = 16 << 10;
/// Up to here any ratio of decompressed to compressed bytes is fine.
const RATIO_FREE_BYTES: usize = 1 << 20;

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// `LimitExceeded` where it is larger, `Unavailable` where there is no memory for it or the sender
/// stalls, `Invalid` where the connection breaks.
pub async fn read(
    mut body: Body,
    headers: &HeaderMap,
    max: ByteSize,
    permit: &mut Permit,
    clock: &dyn Clock,
) -> Result<Bytes> {
    let announced = announced(headers);
    if let Some(bytes) = announced.filter(|bytes| *bytes > max.0) {
        return Err(too_big(bytes, max));
    }
    let mut buffer = Vec::new();
    let mut held = 0;
    if let Some(bytes) = announced {
        held = ByteSize(bytes).as_usize();
        permit.grow(held)?;
        buffer.reserve_exact(held);
    }
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = clock.sleep(STALL_MAX) => {
                let message = format!("no byte of the request body came for {STALL_MAX:?}");
                return Err(Error::unavailable(message, Duration::from_secs(1)));
            }
        };
        let Some(frame) = frame else { return Ok(buffer.into()) };
        let frame = frame.map_err(|e| Error::invalid("read request body").with_source(e))?;
        let Ok(data) = frame.into_data() else { continue };
        let bytes = buffer.len() + data.len();
        if bytes as u64 > max.0 {
            return Err(too_big(bytes as u64, max));
        }
        if bytes > held {
            let more = (bytes - held).max(GROW_MIN);
            permit.grow(more)?;
            held += more;
            buffer.reserve_exact(held - buffer.len());
        }
        buffer.extend_from_slice(&data);
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_big(bytes: u64, max: ByteSize) -> Error {
    Error::limit(format!("request body is {bytes} bytes or more, limit is {max}"))
}

/// Returns the length that a snappy block declares, once it is found plausible.
///
/// # Errors
/// `Invalid` where it is broken, or over the limit of bytes or of the ratio.
pub fn snappy_len(compressed: &[u8], max: ByteSize, limits: &Limits) -> Result<usize> {
    if compressed.is_empty() {
        return Err(Error::invalid("request body is empty, expected a snappy block"));
    }
    let bytes = snap::raw::decompress_len(compressed)
        .map_err(|e| Error::invalid("body is not a snappy block").with_source(e))?;
    if bytes as u64 > max.0 {
        let message = format!("request body declares {bytes} decompressed bytes, limit is {max}");
        return Err(Error::invalid(message));
    }
    let ratio = limits.decompress_ratio_max;
    let plausible = compressed.len().saturating_mul(usize::try_from(ratio).unwrap_or(usize::MAX));
    if bytes > RATIO_FREE_BYTES && bytes > plausible {
        let message = format!(
            "request body declares {bytes} decompressed bytes for {} compressed ones, limit is \
             {ratio} : 1",
            compressed.len()
        );
        return Err(Error::invalid(message));
    }
    Ok(bytes)
}

/// Decompresses a snappy block whose length [`snappy_len`] has returned.
///
/// # Errors
/// `Invalid` where it is broken.
#[expect(clippy::disallowed_types, reason = "the one place: the length has been checked")]
pub fn snappy(compressed: &[u8], bytes: usize) -> Result<Vec<u8>> {
    let mut decompressed = vec![0; bytes];
    snap::raw::Decoder::new()
        .decompress(compressed, &mut decompressed)
        .map_err(|e| Error::invalid("body is not a snappy block").with_source(e))?;
    Ok(decompressed)
}

#[cfg(test)]
mod tests;
