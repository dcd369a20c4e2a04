//! HTTP/2 frame by frame, as no client that behaves would send them.

use super::*;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame that came back.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// Makes a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// The start of a connection.
pub(super) fn begin() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Writes a length as HPACK does, below what else stands in its first byte.
fn integer(out: &mut Vec<u8>, first: u8, bits: u8, mut value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    value -= most;
    while value >= 128 {
        out.push((value % 128) as u8 | 0x80);
        value /= 128;
    }
    out.push(value as u8);
}

/// Writes a header that is not remembered.
pub(super) fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    text(out, name);
    text(out, value);
}

/// Writes a header that is remembered as number 62.
pub(super) fn remembered(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0x40);
    text(out, name);
    text(out, value);
}

fn text(out: &mut Vec<u8>, text: &str) {
    integer(out, 0, 7, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// A head that asks for a path, with these headers.
pub(super) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let own = [(":method", method), (":scheme", "http"), (":authority", "localhost")];
    for (name, value) in own.into_iter().chain([(":path", path)]).chain(headers.iter().copied()) {
        header(&mut out, name, value);
    }
    out
}

/// Takes what came back apart.
pub(super) fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _flags, s0, s1, s2, s3, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let stream = u32::from_be_bytes([*s0 & 0x7f, *s1, *s2, *s3]);
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        frames.push(Frame { kind: *kind, stream, payload: payload.to_vec() });
        bytes = rest;
    }
    frames
}

/// Returns the first byte of the answer's head, which names its status where that is a usual one.
pub(super) fn status(frames: &[Frame], stream: u32) -> Option<u8> {
    let head = frames.iter().find(|f| f.kind == HEADERS && f.stream == stream)?;
    head.payload.first().copied()
}

/// Sends all of it while reading what comes back; returns that, and whether the connection ended.
pub(super) async fn flood(address: &str, bytes: &[u8]) -> Result<(Vec<Frame>, bool)> {
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let read = async {
        let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            match tokio::time::timeout(Duration::from_secs(3), reader.read(&mut buffer)).await {
                Err(_) => return (answer, false),
                Ok(Ok(0) | Err(_)) => return (answer, true),
                Ok(Ok(read)) => answer.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            }
        }
    };
    let write = async {
        // The server may have closed, which is what the caller looks for.
        tokio::time::timeout(PATIENCE, writer.write_all(bytes)).await.ok();
        writer
    };
    let ((answer, ended), writer) = tokio::join!(read, write);
    drop(writer);
    Ok((parse(&answer), ended))
}
