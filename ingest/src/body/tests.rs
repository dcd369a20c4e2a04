use std::sync::Arc;

use futures::stream;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::error::ErrorKind;

use super::*;
use crate::admit::Admission;
use crate::fuzz::HandClock;

const NEVER_FITS: ErrorKind = ErrorKind::LimitExceeded { retry_after: None };

/// Reads a body that comes in frames, with memory for `capacity` bytes.
fn read_frames(
    frames: Vec<Vec<u8>>,
    announced: Option<usize>,
    max: u64,
    capacity: u64,
) -> Result<(Bytes, u64)> {
    let clock = Arc::new(HandClock::default());
    let handle: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    let mut permit = Admission::new(ByteSize(capacity), handle, Gauge::default()).permit();
    let mut headers = HeaderMap::new();
    if let Some(bytes) = announced {
        headers.insert(CONTENT_LENGTH, bytes.into());
    }
    let body = Body::from_stream(stream::iter(frames.into_iter().map(Ok::<_, std::io::Error>)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let bytes = runtime.block_on(read(body, &headers, ByteSize(max), &mut permit, &*clock))?;
    Ok((bytes, permit.bytes()))
}

#[test]
fn bodies_are_read_to_the_limit() {
    let frames = || vec![vec![1; 600], vec![2; 400]];
    for announced in [Some(1000), None] {
        let (bytes, held) = read_frames(frames(), announced, 1000, 1 << 20).expect("fits");
        assert_eq!(bytes.len(), 1000);
        assert!(held >= 1000, "{held}");
        let error = read_frames(frames(), announced, 999, 1 << 20).expect_err("too big");
        assert_eq!(error.kind(), NEVER_FITS);
        assert_eq!(error.message(), "request body is 1000 bytes or more, limit is 999B");
    }
}

#[test]
fn announced_bodies_are_refused_before_a_byte_is_read() {
    let error = read_frames(Vec::new(), Some(1 << 40), 1000, 1 << 20).expect_err("too big");
    assert_eq!(error.kind(), NEVER_FITS);
    let error = read_frames(Vec::new(), Some(5000), 9000, 1000).expect_err("no memory");
    assert_eq!(error.kind(), NEVER_FITS);
}

/// Who announces much and sends little holds little.
#[test]
fn announcing_a_length_takes_no_memory() {
    let clock = Arc::new(HandClock::default());
    let handle: Arc<dyn Clock> = clock;
    let mut permit = Admission::new(ByteSize::mib(100), handle, Gauge::default()).permit();
    let mut buffer = Buffer::default();
    buffer.expect(64 << 20, &mut permit).expect("could fit");
    let mut most = 0.0f64;
    for _ in 0..64 {
        buffer.push(&[0; 1 << 20], &mut permit).expect("fits");
        most = most.max(permit.bytes() as f64 / buffer.bytes.len() as f64);
        assert!(buffer.bytes.capacity() as u64 <= permit.bytes());
    }
    assert_eq!(permit.bytes(), 64 << 20);
    assert!(most <= 4.0, "held {most} times what came");
    assert_eq!(buffer.expect(200 << 20, &mut permit).expect_err("never").kind(), NEVER_FITS);
}

#[test]
fn a_trickle_is_cut_off_and_a_slow_line_is_not() {
    for (seconds, bytes, fine) in [(29, 1, true), (60, 1, false), (60, 61 << 10, true)] {
        let clock = HandClock::default();
        let mut pieces = Pieces::new(Body::empty(), &clock);
        clock.advance(Duration::from_secs(seconds));
        pieces.bytes = bytes;
        assert_eq!(pieces.check_rate().is_ok(), fine, "{bytes} bytes in {seconds} s");
    }
}

#[test]
fn bodies_of_unknown_length_are_refused_when_memory_ends() {
    let frames = vec![vec![0; 10_000]; 100];
    let error = read_frames(frames, None, 1 << 30, 100_000).expect_err("no memory");
    assert_eq!(error.kind(), NEVER_FITS);
}

#[test]
fn a_lying_length_is_no_harm() {
    let (bytes, held) = read_frames(vec![vec![1; 500]], Some(10), 1000, 1 << 20).expect("read");
    assert_eq!(bytes.len(), 500);
    assert!(held >= 500, "{held}");
}

#[test]
fn a_stalled_sender_is_let_go() {
    let clock = Arc::new(HandClock::default());
    let handle: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    let mut permit = Admission::new(ByteSize(1 << 20), handle, Gauge::default()).permit();
    let body = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    clock.sleeps_end_at_once();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let headers = HeaderMap::new();
    let read = read(body, &headers, ByteSize(1000), &mut permit, &*clock);
    let error = runtime.block_on(read).expect_err("stalled");
    assert_eq!(error.message(), "no byte of the request body came for 30s");
}

#[test]
fn declared_lengths_are_checked_before_anything_is_allocated() {
    let limits = Limits::default();
    let max = ByteSize::mib(32);
    // A snappy block begins with its length as a varint.
    let declares = |bytes: u64, body: usize| {
        let mut block = Vec::new();
        prost::encoding::encode_varint(bytes, &mut block);
        block.resize(block.len() + body, 0);
        block
    };
    for (block, message) in [
        (Vec::new(), "request body is empty, expected a snappy block"),
        (vec![0xff; 3], "body is not a snappy block: snappy: "),
        (declares(1 << 33, 10), "body is not a snappy block: snappy: "),
        (
            declares((32 << 20) + 1, 1 << 20),
            "request body declares 33554433 decompressed bytes, limit is 32MiB",
        ),
        (
            declares(2 << 20, 1000),
            "request body declares 2097152 decompressed bytes for 1004 compressed ones, limit is 200 : 1",
        ),
    ] {
        let error = snappy_len(&block, max, &limits).expect_err(message);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().starts_with(message), "{}", error.message());
    }
    assert_eq!(snappy_len(&declares(1 << 20, 10), max, &limits).expect("free"), 1 << 20);
}

#[test]
fn blocks_decompress_or_are_broken() {
    let text = b"metric metric metric metric metric".repeat(100);
    let block = snap::raw::Encoder::new().compress_vec(&text).expect("compresses");
    let bytes = snappy_len(&block, ByteSize::mib(1), &Limits::default()).expect("plausible");
    assert_eq!(snappy(&block, bytes).expect("decompresses"), text);
    for cut in 1..block.len() {
        let cut = &block[..cut];
        let read = snappy_len(cut, ByteSize::mib(1), &Limits::default());
        assert!(read.and_then(|bytes| snappy(cut, bytes)).is_err(), "cut to {}", cut.len());
    }
}

/// Decompresses with memory for `capacity` bytes, of which the compressed ones are held.
fn expanded(
    compressed: Vec<u8>,
    encoding: Encoding,
    max: ByteSize,
    capacity: u64,
) -> Result<(Bytes, u64)> {
    let clock: Arc<dyn Clock> = Arc::new(HandClock::default());
    let mut permit = Admission::new(ByteSize(capacity), clock, Gauge::default()).permit();
    permit.grow(compressed.len())?;
    let bytes = decompress(compressed.into(), encoding, max, &Limits::default(), &mut permit)?;
    Ok((bytes, permit.bytes()))
}

#[test]
fn what_is_decompressed_is_what_is_held() {
    let text = b"a log line, and another one; ".repeat(10_000);
    let compressed = zstd::bulk::compress(&text, 3).expect("compresses");
    let max = ByteSize::mib(1);
    let (bytes, held) = expanded(compressed.clone(), Encoding::Zstd, max, 1 << 20).expect("fits");
    assert!(bytes == text && held == text.len() as u64, "{held}");
    let error = expanded(compressed, Encoding::Zstd, max, 100_000).expect_err("no memory");
    assert_eq!(error.kind(), NEVER_FITS);
    let (bytes, held) = expanded(text.clone(), Encoding::Identity, max, 1 << 20).expect("fits");
    assert!(bytes == text && held == text.len() as u64, "{held}");
}

#[test]
fn the_limit_is_the_last_byte_that_is_taken() {
    let text: Vec<u8> = (0..100_000u32).flat_map(|n| (n ^ n << 7).to_le_bytes()).collect();
    let compressed = zstd::bulk::compress(&text, 1).expect("compresses");
    for (max, fits) in [(text.len(), true), (text.len() - 1, false)] {
        let max = ByteSize(max as u64);
        let expanded = expanded(compressed.clone(), Encoding::Zstd, max, 1 << 30);
        assert_eq!(expanded.map_err(|e| e.kind()).err(), (!fits).then_some(NEVER_FITS));
    }
}

#[test]
fn windows_that_no_sender_needs_are_refused() {
    // A frame whose head asks for a window of 1 GiB: magic, no single segment, exponent 20.
    let frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0x00, 0x00];
    let error = expanded(frame, Encoding::Zstd, ByteSize::mib(64), 1 << 30).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// Bodies that were right once.
#[test]
fn mutated_bodies_are_refused_or_read() {
    use std::io::Write as _;
    let text = b"the same again and again ".repeat(300);
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(&text).expect("memory");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(&text).expect("memory");
    let zstd = zstd::encode_all(&*text, 3).expect("memory");
    for good in [gzip.finish().expect("memory"), zlib.finish().expect("memory"), zstd] {
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0xff, good[at] ^ 0x10] {
                let mut bad = good.clone();
                bad[at] = byte;
                crate::fuzz::compressed(&bad);
            }
            crate::fuzz::compressed(&good[..at]);
        }
    }
}
