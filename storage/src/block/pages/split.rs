//! BYTE_STREAM_SPLIT of 8-byte values: all first bytes, then all second bytes, and so on.
//!
//! Sixteen values are 128 bytes, whose places are numbers of 7 bits: 4 for the value, 3 for the
//! byte of it. Splitting exchanges these two parts, which is turning the number by 4 bits; joining
//! turns it by 3. Interleaving the two halves of all 128 bytes turns it by one bit, and is what
//! vector units have an instruction for. So a few rounds of that do it without looking at single
//! bytes, several times faster than gathering them.

/// Bytes of a value.
const WIDTH: usize = 8;
/// Values that are turned over at once.
const STEP: usize = 16;

type Square = [[u8; STEP]; WIDTH];

/// Turns the places of all bytes by one bit.
#[inline(always)]
fn turn(square: &Square) -> Square {
    let mut turned = [[0; STEP]; WIDTH];
    for i in 0..WIDTH / 2 {
        let (a, b) = (square[i], square[i + WIDTH / 2]);
        for j in 0..STEP / 2 {
            turned[2 * i][2 * j] = a[j];
            turned[2 * i][2 * j + 1] = b[j];
            turned[2 * i + 1][2 * j] = a[j + STEP / 2];
            turned[2 * i + 1][2 * j + 1] = b[j + STEP / 2];
        }
    }
    turned
}

/// Appends the encoding of values.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    let (from, n) = (out.len(), values.len());
    out.resize(from + n * WIDTH, 0);
    let out = &mut out[from..];
    let (steps, rest) = values.as_chunks::<STEP>();
    for (at, step) in steps.iter().enumerate() {
        let mut square = [[0; STEP]; WIDTH];
        for (row, pair) in square.iter_mut().zip(step.as_chunks::<2>().0) {
            let (low, high) = row.split_at_mut(WIDTH);
            low.copy_from_slice(&pair[0].to_le_bytes());
            high.copy_from_slice(&pair[1].to_le_bytes());
        }
        let square = turn(&turn(&turn(&turn(&square))));
        for (stream, row) in square.iter().enumerate() {
            let place = stream * n + at * STEP;
            out[place..place + STEP].copy_from_slice(row);
        }
    }
    for (at, value) in rest.iter().enumerate() {
        for (stream, byte) in value.to_le_bytes().into_iter().enumerate() {
            out[stream * n + steps.len() * STEP + at] = byte;
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
    let (steps, rest) = into.as_chunks_mut::<STEP>();
    for (at, step) in steps.iter_mut().enumerate() {
        let square: Square = std::array::from_fn(|stream| {
            let mut row = [0; STEP];
            row.copy_from_slice(&streams[stream][at * STEP..(at + 1) * STEP]);
            row
        });
        let square = turn(&turn(&turn(&square)));
        for (pair, row) in step.as_chunks_mut::<2>().0.iter_mut().zip(&square) {
            let (words, _) = row.as_chunks::<WIDTH>();
            *pair = [i64::from_le_bytes(words[0]), i64::from_le_bytes(words[1])];
        }
    }
    let from = steps.len() * STEP;
    for (at, value) in rest.iter_mut().enumerate() {
        *value = i64::from_le_bytes(streams.map(|stream| stream[from + at]));
    }
    Ok(())
}
