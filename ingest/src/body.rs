//! Bodies: read no more than allowed, and decompress no more than declared and allowed.
//!
//! Memory is asked for before it is used, as the body comes: an announced length is only believed when
//! a quarter of it is there, so that announcing costs nobody anything. The length that a snappy block
//! declares is checked, against the limit and against what the compressed bytes can plausibly hold,
//! before anything of that length is allocated. Of the other encodings a declared length is where the
//! buffer begins, if it is plausible; else the buffer doubles. They stop at the limit or at an
//! implausible ratio. Buffers never grow by small steps: each step frees what was there, and a large
//! body would leave many times its size behind in pages that the allocator has yet to give back.

use std::io::Read;
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
/// Nobody sends slower than this who is not holding on to a connection and its memory for nothing:
/// bytes a second, on the average since the beginning, asked from [`STALL_MAX`] on.
const RATE_MIN: u64 = 1 << 10;
/// An announced length up to which room is made at once: most bodies are smaller.
const BELIEVED: usize = 1 << 20;
/// How much more than is there an announced length makes room for.
const BELIEVED_TIMES: usize = 4;
/// What is asked for at least, where the length is not announced.
const GROW_MIN: usize = 16 << 10;
/// Up to here any ratio of decompressed to compressed bytes is fine.
const RATIO_FREE_BYTES: usize = 1 << 20;

/// Largest window of zstd that is taken, as a power of two: 8 MiB is what every decoder must have,
/// and what levels up to 19 use.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or the bare RFC 1951 that some senders mean by the same name.
    Deflate,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// Finds an encoding by its name in HTTP and gRPC; the empty name is none at all.
    pub fn parse(name: &str) -> Option<Self> {
        let names = [
            ("", Self::Identity),
            ("identity", Self::Identity),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("zstd", Self::Zstd),
        ];
        names.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, e)| *e)
    }
}

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// `LimitExceeded` where it is larger, `Unavailable` where there is no memory for it or the sender
/// stalls, `Invalid` where the connection breaks.
pub async fn read(
    body: Body,
    headers: &HeaderMap,
    max: ByteSize,
    permit: &mut Permit,
    clock: &dyn Clock,
) -> Result<Bytes> {
    let announced = announced(headers);
    if let Some(bytes) = announced.filter(|bytes| *bytes > max.0) {
        return Err(too_big(bytes, max));
    }
    let mut buffer = Buffer::default();
    if let Some(bytes) = announced {
        buffer.expect(ByteSize(bytes).as_usize(), permit)?;
    }
    let mut pieces = Pieces::new(body, clock);
    while let Some(data) = pieces.next().await? {
        let bytes = buffer.bytes.len() + data.len();
        if bytes as u64 > max.0 {
            return Err(too_big(bytes as u64, max));
        }
        buffer.push(&data, permit)?;
    }
    Ok(buffer.bytes.into())
}

/// The pieces of a body as they come.
pub(crate) struct Pieces<'c> {
    body: Body,
    clock: &'c dyn Clock,
    begun: Duration,
    bytes: u64,
}

impl<'c> Pieces<'c> {
    /// Takes the pieces of a body that begins to come now.
    pub(crate) fn new(body: Body, clock: &'c dyn Clock) -> Self {
        Self { body, clock, begun: clock.monotonic(), bytes: 0 }
    }

    /// Refuses a sender that keeps the connection busy and sends next to nothing.
    fn check_rate(&self) -> Result<()> {
        let seconds = self.clock.monotonic().saturating_sub(self.begun).as_secs();
        if seconds > STALL_MAX.as_secs() && self.bytes / seconds < RATE_MIN {
            let bytes = self.bytes;
            let message = format!(
                "only {bytes} bytes of the request body came in {seconds} s, expected {RATE_MIN} a second"
            );
            return Err(Error::unavailable(message, Duration::from_secs(1)));
        }
        Ok(())
    }

    /// Waits for the next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = tokio::select! {
                frame = self.body.frame() => frame,
                () = self.clock.sleep(STALL_MAX) => {
                    let message = format!("no byte of the request body came for {STALL_MAX:?}");
                    return Err(Error::unavailable(message, Duration::from_secs(1)));
                }
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|e| Error::invalid("read request body").with_source(e))?;
            if let Ok(data) = frame.into_data() {
                self.bytes += data.len() as u64;
                self.check_rate()?;
                return Ok(Some(data));
            }
        }
    }
}

/// Bytes whose room was asked for before it was taken.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) bytes: Vec<u8>,
    held: usize,
    /// Announced length, 0 where there is none.
    expected: usize,
}

impl Buffer {
    /// Notes the announced length, refuses what can never fit, and makes room for the beginning.
    pub(crate) fn expect(&mut self, bytes: usize, permit: &mut Permit) -> Result<()> {
        permit.could_grow(bytes)?;
        self.expected = bytes;
        self.reserve(bytes.min(BELIEVED), permit)
    }

    /// Makes room for `more` bytes beyond those that are there.
    pub(crate) fn reserve(&mut self, more: usize, permit: &mut Permit) -> Result<()> {
        regrow(&mut self.bytes, self.held, self.held + more, permit)?;
        self.held += more;
        Ok(())
    }

    /// Adds a piece, growing by steps where there is no room.
    pub(crate) fn push(&mut self, data: &[u8], permit: &mut Permit) -> Result<()> {
        let bytes = self.bytes.len() + data.len();
        if bytes > self.held {
            let step = if self.expected > self.held {
                self.held.saturating_mul(BELIEVED_TIMES).min(self.expected) - self.held
            } else {
                self.held.max(GROW_MIN)
            };
            self.reserve((bytes - self.held).max(step), permit)?;
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Lets a buffer that may hold `before` bytes hold `after`. While its bytes are copied both exist, and
/// both are asked for.
fn regrow(bytes: &mut Vec<u8>, before: usize, after: usize, permit: &mut Permit) -> Result<()> {
    permit.grow(after)?;
    bytes.reserve_exact(after - bytes.len());
    permit.shrink(before);
    Ok(())
}

/// Decompresses a body to at most `max` bytes, and beyond the first MiB to no more than the ratio of
/// the limits allows. What the result holds is admitted as it grows; the compressed bytes are given
/// back.
///
/// # Errors
/// `LimitExceeded` where it would be larger, `Unavailable` where there is no memory for it,
/// `Invalid` where it is broken or cut off.
#[expect(clippy::disallowed_types, reason = "the one place: the output is capped")]
pub fn decompress(
    compressed: Bytes,
    encoding: Encoding,
    max: ByteSize,
    limits: &Limits,
    permit: &mut Permit,
) -> Result<Bytes> {
    let cap = Cap::new(compressed.len(), max, limits);
    // A body that was cut off declares anything: what is not plausible is found while decompressing.
    let plausible = declared(&compressed, encoding).filter(|bytes| *bytes <= cap.bytes as u64);
    // One byte more than declared finds the end without another step.
    let first = plausible.map_or(0, |bytes| ByteSize(bytes).as_usize() + 1);
    let broken = |what| Error::invalid(format!("body is not {what}, or cut off"));
    let bytes = match encoding {
        Encoding::Identity => return Ok(compressed),
        Encoding::Gzip => {
            let reader = flate2::read::MultiGzDecoder::new(&compressed[..]);
            expand(reader, (cap, first), permit, || broken("gzip"))?
        }
        Encoding::Deflate if is_zlib(&compressed) => {
            let reader = flate2::read::ZlibDecoder::new(&compressed[..]);
            expand(reader, (cap, first), permit, || broken("deflate (zlib)"))?
        }
        Encoding::Deflate => {
            let reader = flate2::read::DeflateDecoder::new(&compressed[..]);
            expand(reader, (cap, first), permit, || broken("deflate"))?
        }
        Encoding::Zstd => {
            let failed = |e| Error::internal("make a zstd decoder").with_source(e);
            let mut reader =
                zstd::stream::read::Decoder::with_buffer(&compressed[..]).map_err(failed)?;
            reader.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(failed)?;
            expand(reader, (cap, first), permit, || broken("zstd"))?
        }
    };
    permit.shrink(compressed.len());
    Ok(bytes.into())
}

/// Returns the length that a compressed body says it has. A gzip member ends with the low 32 bits
/// of its length; a frame of zstd may begin with it.
fn declared(compressed: &[u8], encoding: Encoding) -> Option<u64> {
    match encoding {
        Encoding::Gzip => compressed.last_chunk().map(|last| u32::from_le_bytes(*last).into()),
        Encoding::Zstd => zstd::zstd_safe::get_frame_content_size(compressed).ok().flatten(),
        Encoding::Identity | Encoding::Deflate => None,
    }
}

/// Returns whether bytes begin with a header of RFC 1950.
fn is_zlib(bytes: &[u8]) -> bool {
    let Some([first, second]) = bytes.first_chunk() else { return false };
    first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
}

/// How far a body may be decompressed.
#[derive(Debug, Clone, Copy)]
struct Cap {
    compressed: usize,
    max: ByteSize,
    ratio: u32,
    /// The smaller of the two limits, in bytes.
    bytes: usize,
}

impl Cap {
    fn new(compressed: usize, max: ByteSize, limits: &Limits) -> Self {
        let ratio = limits.decompress_ratio_max;
        let plausible = compressed.saturating_mul(usize::try_from(ratio).unwrap_or(usize::MAX));
        let bytes = plausible.max(RATIO_FREE_BYTES).min(max.as_usize());
        Self { compressed, max, ratio, bytes }
    }

    fn exceeded(self) -> Error {
        let Self { compressed, max, ratio, bytes } = self;
        if bytes == max.as_usize() {
            return Error::limit(format!(
                "request body is more than {bytes} bytes decompressed, limit is {max}"
            ));
        }
        Error::limit(format!(
            "request body is more than {bytes} bytes decompressed from {compressed}, limit is \
             {ratio} : 1"
        ))
    }
}

/// Reads to the end of a decoder, or to the cap. `first` is what the buffer begins with at most.
fn expand(
    mut reader: impl Read,
    (cap, first): (Cap, usize),
    permit: &mut Permit,
    broken: impl Fn() -> Error,
) -> Result<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    let mut len = 0;
    loop {
        if len == out.len() {
            // One byte beyond the cap tells the end from more.
            let step = if len == 0 { first } else { len };
            let step = step.max(GROW_MIN).min(cap.bytes + 1 - len);
            if len == 0 {
                permit.grow(step)?;
                // Zeroed pages that are never reached are never touched.
                out = vec![0; step];
            } else {
                regrow(&mut out, len, len + step, permit)?;
                out.resize(len + step, 0);
            }
        }
        match reader.read(&mut out[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken().with_source(e)),
        }
        if len > cap.bytes {
            return Err(cap.exceeded());
        }
    }
    permit.shrink(out.len() - len);
    out.truncate(len);
    out.shrink_to_fit();
    Ok(out)
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
