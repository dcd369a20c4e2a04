//! DELTA_BINARY_PACKED: written in two ways, read in any.
//!
//! The values of a page are a first value and differences, in blocks of 256. A block has a least
//! difference and four bit widths, one for each 64 differences, which are stored as what they are
//! more than the least. A reader only adds. So a writer may choose any least difference that is
//! small enough and any width that is large enough:
//!
//! - **exact**: both as small as they can be, the fewest bits
//! - **bytes**: widths are whole bytes, and the least difference changes as seldom as possible:
//!   where all differences of a block fit into a byte it is −128. A byte then means the same in the
//!   whole page, which is what an entropy coder behind it needs; exact bit widths smear its alphabet.

/// Differences of a block.
const BLOCK: usize = 256;
/// Differences that share a width.
const MINI: usize = 64;
const MINIS: usize = BLOCK / MINI;
/// The least difference of blocks whose differences fit into a byte.
const BYTE_MIN: i64 = -128;
const BYTE_MAX: i64 = 127;
/// Values unpacked at once: whole bytes at every width.
const STEP: usize = 32;
/// Larger blocks are written by nobody.
const BLOCK_MAX: u64 = 1 << 16;

/// How widths are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widths {
    Exact,
    Bytes,
}

/// Appends the encoding of values.
pub(crate) fn encode(values: &[i64], widths: Widths, out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint(MINIS as u64, out);
    varint(values.len() as u64, out);
    let Some((first, rest)) = values.split_first() else {
        varint(0, out);
        return;
    };
    varint(zigzag(*first), out);
    let mut deltas = [0_i64; BLOCK];
    let (mut before, mut kept) = (*first, 0);
    for values in rest.chunks(BLOCK) {
        let deltas = &mut deltas[..values.len()];
        for (delta, value) in deltas.iter_mut().zip(values) {
            *delta = value.wrapping_sub(before);
            before = *value;
        }
        let (least, bits) = match widths {
            Widths::Exact => exact(deltas),
            Widths::Bytes => in_bytes(deltas, &mut kept),
        };
        varint(zigzag(least), out);
        out.extend_from_slice(&bits);
        for (mini, bits) in deltas.chunks(MINI).zip(bits) {
            pack(mini, least, u32::from(bits), out);
        }
    }
}

fn bounds(deltas: &[i64]) -> (i64, i64) {
    deltas.iter().fold((i64::MAX, i64::MIN), |(min, max), d| (min.min(*d), max.max(*d)))
}

/// Returns the bits that the differences of each part need above a least one.
fn needed(deltas: &[i64], least: i64) -> [u8; MINIS] {
    let mut bits = [0; MINIS];
    for (bits, mini) in bits.iter_mut().zip(deltas.chunks(MINI)) {
        let all = mini.iter().fold(0, |all, delta| all | delta.wrapping_sub(least) as u64);
        *bits = (u64::BITS - all.leading_zeros()) as u8;
    }
    bits
}

fn exact(deltas: &[i64]) -> (i64, [u8; MINIS]) {
    let least = bounds(deltas).0;
    (least, needed(deltas, least))
}

/// `kept` is the least difference of the last block that could not have [`BYTE_MIN`].
fn in_bytes(deltas: &[i64], kept: &mut i64) -> (i64, [u8; MINIS]) {
    let (min, max) = bounds(deltas);
    if min != max && min >= BYTE_MIN && max <= BYTE_MAX {
        let mut bits = [0; MINIS];
        bits[..deltas.len().div_ceil(MINI)].fill(8);
        return (BYTE_MIN, bits);
    }
    let rounded = |least| needed(deltas, least).map(|bits| bits.div_ceil(8) * 8);
    let sum = |bits: [u8; MINIS]| bits.iter().map(|b| u32::from(*b)).sum::<u32>();
    let own = rounded(min);
    if *kept < min {
        let bits = rounded(*kept);
        if sum(bits) <= sum(own) {
            return (*kept, bits);
        }
    }
    *kept = min;
    (min, own)
}

/// Packs differences; a short part is filled with zeros.
fn pack(deltas: &[i64], least: i64, bits: u32, out: &mut Vec<u8>) {
    if bits == 0 {
        return;
    }
    let values = deltas.iter().map(|delta| delta.wrapping_sub(least) as u64);
    if bits == 8 {
        out.extend(values.map(|value| value as u8));
        out.resize(out.len() + MINI - deltas.len(), 0);
        return;
    }
    let (mut word, mut filled) = (0, 0);
    for value in values.chain(std::iter::repeat_n(0, MINI - deltas.len())) {
        word |= value << filled;
        filled += bits;
        if filled >= u64::BITS {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= u64::BITS;
            word = if filled == 0 { 0 } else { value >> (bits - filled) };
        }
    }
}

/// Decodes the first values of a page that has `count` of them, as many as `into` takes.
///
/// # Errors
/// What is wrong with the bytes.
pub(crate) fn decode(bytes: &[u8], count: usize, into: &mut [i64]) -> Result<(), &'static str> {
    let mut input = Input(bytes);
    let block = input.varint()?;
    let minis = input.varint()?;
    if block == 0 || block > BLOCK_MAX || minis == 0 || block % minis != 0 {
        return Err("delta blocks have no known shape");
    }
    let (minis, mini) = (minis as usize, (block / minis) as usize);
    if !mini.is_multiple_of(STEP) {
        return Err("delta blocks have no known shape");
    }
    if input.varint()? != count as u64 {
        return Err("delta page contradicts its number of values");
    }
    let mut value = input.zigzag()?;
    let Some((first, mut rest)) = into.split_first_mut() else { return Ok(()) };
    *first = value;
    while !rest.is_empty() {
        let least = input.zigzag()?;
        let widths = input.take(minis)?;
        for width in widths {
            let n = mini.min(rest.len());
            if n == 0 {
                break;
            }
            if u32::from(*width) > u64::BITS {
                return Err("delta page has a width beyond 64 bits");
            }
            let packed = input.take(mini / 8 * usize::from(*width))?;
            let (now, later) = rest.split_at_mut(n);
            value = unpack(packed, usize::from(*width), (value, least), now);
            rest = later;
        }
    }
    Ok(())
}

/// Adds up the differences of a part that begins behind a value; returns the last value.
fn unpack(packed: &[u8], width: usize, (mut value, least): (i64, i64), into: &mut [i64]) -> i64 {
    match width {
        0 => {
            for out in into {
                value = value.wrapping_add(least);
                *out = value;
            }
        }
        8 => {
            for (out, byte) in into.iter_mut().zip(packed) {
                value = value.wrapping_add(least).wrapping_add(i64::from(*byte));
                *out = value;
            }
        }
        16 => {
            for (out, pair) in into.iter_mut().zip(packed.as_chunks().0) {
                let delta = i64::from(u16::from_le_bytes(*pair));
                value = value.wrapping_add(least).wrapping_add(delta);
                *out = value;
            }
        }
        64 => {
            for (out, word) in into.iter_mut().zip(packed.as_chunks().0) {
                value = value.wrapping_add(least).wrapping_add(i64::from_le_bytes(*word));
                *out = value;
            }
        }
        _ => {
            for (into, packed) in into.chunks_mut(STEP).zip(packed.chunks_exact(STEP / 8 * width)) {
                value = unpack_bits(packed, width, (value, least), into);
            }
        }
    }
    value
}

/// As [`unpack`], for at most [`STEP`] differences of any width below 64.
fn unpack_bits(
    packed: &[u8],
    width: usize,
    (mut value, least): (i64, i64),
    into: &mut [i64],
) -> i64 {
    // A word is read at the byte in which a difference begins, and one byte more where it does not
    // fit: so there are bytes behind the last.
    let mut padded = [0_u8; STEP * 8 + 16];
    padded[..packed.len()].copy_from_slice(packed);
    let mask = u64::MAX >> (64 - width);
    let mut bit = 0;
    for out in into {
        let (byte, shift) = (bit / 8, bit % 8);
        let mut word = [0_u8; 8];
        word.copy_from_slice(&padded[byte..byte + 8]);
        let mut delta = u64::from_le_bytes(word) >> shift;
        if width + shift > 64 {
            delta |= u64::from(padded[byte + 8]) << (64 - shift);
        }
        value = value.wrapping_add(least).wrapping_add((delta & mask) as i64);
        *out = value;
        bit += width;
    }
    value
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of a page that are read one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, &'static str> {
        self.take(1).map(|byte| byte[0])
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("page ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("number in a page is too long")
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, &'static str> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}
