//! HTTP/2: floods that cost a client nothing, and requests that cannot be.

use super::frames::*;
use super::*;

/// What a flood may leave behind: buffers of a connection, not of each of its streams.
const GROWTH_MAX_KIB: i64 = 48 << 10;
/// How the status 200 and 400 stand in a head.
const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_end_with_the_connection() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary, &[]).await?;
    well(&tarn).await?;
    for (name, bytes, must_end) in [
        ("streams opened and reset (CVE-2023-44487)", rapid_reset(10_000), true),
        ("heads that never end", endless_head(2000), true),
        ("empty parts of a head", empty_continuations(100_000), true),
        ("one header, ten thousand times", hpack_bomb(), false),
        ("settings", settings(50_000), false),
        ("pings", pings(50_000), false),
        ("empty bodies", empty_data(100_000), false),
        ("windows beyond their limit", window_overflow(), true),
        ("resets of streams that never were", resets_of_nothing(1000), true),
    ] {
        let before = resident_kib(tarn.pid())?;
        let begin = Instant::now();
        let flooding = tokio::spawn({
            let address = tarn.address.clone();
            async move { flood(&address, &bytes).await }
        });
        // Others are served meanwhile.
        while !flooding.is_finished() {
            well(&tarn).await.with_context(|| format!("during {name}"))?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (frames, ended) = flooding.await??;
        let grown = resident_kib(tarn.pid())? - before;
        let told = frames.iter().any(|f| f.kind == GOAWAY);
        println!("{name}: {:?}, {grown} KiB, ended {ended}, told {told}", begin.elapsed());
        ensure!(ended || !must_end, "{name}: the connection goes on");
        ensure!(grown < GROWTH_MAX_KIB, "{name}: memory grew by {grown} KiB");
        well(&tarn).await.with_context(|| format!("after {name}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_are_reset() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary, &[]).await?;
    let ask = |headers: &[(&str, &str)]| head("GET", "/livez", headers);
    let (frames, _) = flood(&tarn.address, &one(&ask(&[]), &[])).await?;
    ensure!(status(&frames, 1) == Some(OK), "the test asks rightly: {frames:?}");
    let (frames, _) = flood(&tarn.address, &one(&ask(&[("host", "evil.example")]), &[])).await?;
    ensure!(status(&frames, 1) == Some(BAD_REQUEST), "two hosts: {frames:?}");
    let post = |length| head("POST", "/api/v1/query", &[("content-length", length)]);
    let mut twice = ask(&[]);
    header(&mut twice, ":path", "/other");
    let mut without = Vec::new();
    header(&mut without, ":method", "GET");
    for (name, bytes) in [
        ("a header of the connection", one(&ask(&[("connection", "close")]), &[])),
        ("chunks", one(&ask(&[("transfer-encoding", "chunked")]), &[])),
        ("a name in capitals", one(&ask(&[("X-Upper", "a")]), &[])),
        ("a return in a value", one(&ask(&[("x-a", "b\r\nx-b: c")]), &[])),
        ("NUL in a value", one(&ask(&[("x-a", "b\0c")]), &[])),
        ("a name with a colon", one(&ask(&[("x:a", "b")]), &[])),
        ("two paths", one(&twice, &[])),
        ("no path", one(&without, &[])),
        ("less than its length", one(&post("9"), b"query=1")),
        ("more than its length", one(&post("3"), b"query=1")),
        ("a length that is none", one(&post("7a"), b"query=1")),
    ] {
        let (frames, ended) = flood(&tarn.address, &bytes).await?;
        let reset = frames.iter().any(|f| matches!(f.kind, RST_STREAM | GOAWAY)) || ended;
        let refused = status(&frames, 1) == Some(BAD_REQUEST);
        ensure!(reset || refused, "{name}: {frames:?}");
        ensure!(status(&frames, 1) != Some(OK), "{name} was answered: {frames:?}");
    }
    well(&tarn).await
}

/// A connection with one request.
fn one(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = begin();
    if body.is_empty() {
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, head));
    } else {
        bytes.extend(frame(HEADERS, END_HEADERS, 1, head));
        bytes.extend(frame(DATA, END_STREAM, 1, body));
    }
    bytes
}

fn rapid_reset(streams: u32) -> Vec<u8> {
    let mut bytes = begin();
    let head = head("GET", "/api/v1/query?query=1", &[]);
    for number in 0..streams {
        let stream = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    bytes
}

fn endless_head(parts: u32) -> Vec<u8> {
    let mut bytes = begin();
    bytes.extend(frame(HEADERS, END_STREAM, 1, &head("GET", "/livez", &[])));
    let mut part = Vec::new();
    header(&mut part, "x-part", &"a".repeat(16_000));
    for _ in 0..parts {
        bytes.extend(frame(CONTINUATION, 0, 1, &part));
    }
    bytes
}

fn empty_continuations(parts: u32) -> Vec<u8> {
    let mut bytes = begin();
    bytes.extend(frame(HEADERS, END_STREAM, 1, &head("GET", "/livez", &[])));
    for _ in 0..parts {
        bytes.extend(frame(CONTINUATION, 0, 1, &[]));
    }
    bytes
}

/// A remembered header of four KiB costs one byte each further time.
fn hpack_bomb() -> Vec<u8> {
    let mut bytes = begin();
    let mut bomb = head("GET", "/livez", &[]);
    remembered(&mut bomb, "x-bomb", &"a".repeat(4000));
    bomb.extend(std::iter::repeat_n(0x80 | 62, 10_000));
    bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb));
    bytes
}

fn settings(frames: u32) -> Vec<u8> {
    let mut bytes = begin();
    for number in 0..frames {
        // The size of the initial window: each makes the server look at all streams.
        let setting = [&4_u16.to_be_bytes()[..], &(65_535 + number % 2).to_be_bytes()].concat();
        bytes.extend(frame(SETTINGS, 0, 0, &setting));
    }
    bytes
}

fn pings(frames: u64) -> Vec<u8> {
    let mut bytes = begin();
    for number in 0..frames {
        bytes.extend(frame(PING, 0, 0, &number.to_be_bytes()));
    }
    bytes
}

fn empty_data(frames: u32) -> Vec<u8> {
    let mut bytes = begin();
    bytes.extend(frame(HEADERS, END_HEADERS, 1, &head("POST", "/api/v1/query", &[])));
    for _ in 0..frames {
        bytes.extend(frame(DATA, 0, 1, &[]));
    }
    bytes
}

fn window_overflow() -> Vec<u8> {
    let mut bytes = begin();
    for _ in 0..3 {
        bytes.extend(frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()));
    }
    bytes
}

fn resets_of_nothing(streams: u32) -> Vec<u8> {
    let mut bytes = begin();
    for number in 0..streams {
        bytes.extend(frame(RST_STREAM, 0, 2 * number + 1, &8_u32.to_be_bytes()));
    }
    bytes
}
