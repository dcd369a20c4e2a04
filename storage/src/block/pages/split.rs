//! BYTE_STREAM_SPLIT of 8-byte values: all first bytes, then all second bytes, and so on.
//!
//! The bytes of eight values are a square of 8 × 8 bytes, and splitting is turning it over. Three
//! rounds of swaps inside words do that without looking at single bytes, several times faster than
//! gathering them.

/// Bytes of a value, and values that are turned over at once.
const WIDTH: usize = 8;

/// Turns a square of bytes over: byte `i` of word `j` becomes byte `j` of word `i`.
fn turn(mut words: [u64; WIDTH]) -> [u64; WIDTH] {
    for (distance, mask) in
        [(1, 0x00ff_00ff_00ff_00ff), (2, 0x0000_ffff_0000_ffff), (4, 0x0000_0000_ffff_ffff)]
    {
        let bits = distance * 8;
        for at in 0..WIDTH {
            if at & distance == 0 {
                let swapped = ((words[at] >> bits) ^ words[at + distance]) & mask;
                words[at + distance] ^= swapped;
                words[at] ^= swapped << bits;
            }
        }
    }
    words
}

/// Appends the encoding of values.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    let (from, n) = (out.len(), values.len());
    out.resize(from + n * WIDTH, 0);
    let out = &mut out[from..];
    let (squares, rest) = values.as_chunks::<WIDTH>();
    for (at, square) in squares.iter().enumerate() {
        for (stream, word) in turn(square.map(|value| value as u64)).into_iter().enumerate() {
            let place = stream * n + at * WIDTH;
            out[place..place + WIDTH].copy_from_slice(&word.to_le_bytes());
        }
    }
    for (at, value) in rest.iter().enumerate() {
        for (stream, byte) in value.to_le_bytes().into_iter().enumerate() {
            out[stream * n + squares.len() * WIDTH + at] = byte;
        }
    }
}

/// Decodes the first values of a page that has `count` of them, as many as `into` takes.
///
/// # Errors
/// What is wrong with the bytes.
pub(crate) fn decode(bytes: &[u8], count: usize, into: &mut [i64]) -> Result<(), &'static str> {
    if Some(bytes.len()) != count.checked_mul(WIDTH) || into.len() > count {
        return Err("split page contradicts its number of values");
    }
    if count == 0 {
        return Ok(());
    }
    let mut streams = bytes.chunks_exact(count);
    let streams: [&[u8]; WIDTH] = std::array::from_fn(|_| streams.next().unwrap_or_default());
    let (squares, rest) = into.as_chunks_mut::<WIDTH>();
    for (at, square) in squares.iter_mut().enumerate() {
        let words = streams.map(|stream| {
            let mut word = [0_u8; WIDTH];
            word.copy_from_slice(&stream[at * WIDTH..(at + 1) * WIDTH]);
            u64::from_le_bytes(word)
        });
        *square = turn(words).map(|word| word as i64);
    }
    let from = squares.len() * WIDTH;
    for (at, value) in rest.iter_mut().enumerate() {
        *value = i64::from_le_bytes(streams.map(|stream| stream[from + at]));
    }
    Ok(())
}
