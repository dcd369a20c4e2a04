//! The part `traces`: which row ranges hold rows of a trace.
//!
//! Sorted pairs of a 32-bit fingerprint of the trace id and the number of a page, each a
//! little-endian u32. Fingerprints are hashes and therefore uniform, so a look-up computes where
//! its own must be and reads one window there; a trace that is not in the block is found with a
//! probability of (traces of the block) / 2^32. Where the guess fails, as it does if few traces are
//! in most pages, the search goes on by halves.

use std::ops::Range;

use bytes::Bytes;
use tarn_model::error::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::PAGE_ROWS;

/// Name in the directory.
pub(crate) const NAME: &str = "traces";
/// Version in the directory.
pub(crate) const VERSION: u16 = 1;

/// Bytes of a pair.
const PAIR: u64 = 8;
/// Pairs of one read, 16 KiB as a checksum region: the guess is off by less than 512 pairs (one
/// standard deviation) in a part of a million.
const WINDOW: u64 = 2048;

/// Collects the pairs of a block.
#[derive(Debug, Default)]
pub(crate) struct TracePages {
    pairs: Vec<u64>,
}

impl TracePages {
    /// Notes that a row belongs to a trace. Rows may come in any order.
    pub(crate) fn add(&mut self, trace_id: &[u8], row: u32) {
        let pair = pair(fingerprint(trace_id), row / PAGE_ROWS);
        if self.pairs.last() != Some(&pair) {
            self.pairs.push(pair);
        }
    }

    /// Makes the part.
    pub(crate) fn encode(mut self) -> Vec<u8> {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let mut out = Vec::with_capacity(self.pairs.len() * PAIR as usize);
        for pair in self.pairs {
            out.extend_from_slice(&((pair >> 32) as u32).to_le_bytes());
            out.extend_from_slice(&(pair as u32).to_le_bytes());
        }
        out
    }
}

fn fingerprint(trace_id: &[u8]) -> u32 {
    (xxh3_64(trace_id) >> 32) as u32
}

fn pair(fingerprint: u32, page: u32) -> u64 {
    u64::from(fingerprint) << 32 | u64::from(page)
}

/// Finds the rows of the pages that may hold rows of a trace: ascending, apart, the last maybe beyond
/// the end of the block. `length` is that of the part; `read` returns the bytes of a range of it, and
/// is asked once in nearly all cases.
///
/// # Errors
/// `Corrupt` where the part cannot be one, and what `read` says.
pub(crate) async fn lookup<F, R>(
    length: u64,
    trace_id: &[u8; 16],
    mut read: F,
) -> Result<Vec<Range<u32>>>
where
    F: FnMut(Range<u64>) -> R,
    R: Future<Output = Result<Bytes>>,
{
    if !length.is_multiple_of(PAIR) {
        return Err(damaged());
    }
    let (count, wanted) = (length / PAIR, fingerprint(trace_id));
    let mut window = async |pairs: Range<u64>| {
        let bytes = read(pairs.start * PAIR..pairs.end * PAIR).await?;
        Window::new(bytes, pairs)
    };
    // The first pair that is not smaller than those wanted is in `low..=high`.
    let (mut low, mut high) = (0, count);
    let mut guess = ((u128::from(wanted) * u128::from(count)) >> 32) as u64;
    let mut pages = Vec::new();
    let mut at = low;
    while low < high {
        let from = guess.saturating_sub(WINDOW / 2).clamp(low, high - 1);
        let pairs = window(from..(from + WINDOW).min(count)).await?;
        let smaller = pairs.smaller(wanted);
        at = from + smaller;
        if smaller == 0 && from > low {
            (at, high) = (from, from);
        } else if at == pairs.end && at < high {
            low = at;
        } else {
            if !pairs.pages(wanted, smaller, &mut pages) {
                return Ok(ranges(&pages));
            }
            at = pairs.end;
            break;
        }
        guess = low + (high - low) / 2;
    }
    while at < count {
        let pairs = window(at..(at + WINDOW).min(count)).await?;
        if !pairs.pages(wanted, 0, &mut pages) {
            break;
        }
        at = pairs.end;
    }
    Ok(ranges(&pages))
}

/// Some neighbouring pairs.
struct Window {
    bytes: Bytes,
    end: u64,
}

impl Window {
    fn new(bytes: Bytes, pairs: Range<u64>) -> Result<Self> {
        let whole = bytes.len() as u64 == (pairs.end - pairs.start) * PAIR;
        if whole { Ok(Self { bytes, end: pairs.end }) } else { Err(damaged()) }
    }

    fn pairs(&self) -> &[[u8; PAIR as usize]] {
        self.bytes.as_chunks().0
    }

    fn smaller(&self, wanted: u32) -> u64 {
        self.pairs().partition_point(|pair| split(*pair).0 < wanted) as u64
    }

    /// Collects the pages wanted from a pair on; returns whether they may go on behind the window.
    fn pages(&self, wanted: u32, from: u64, pages: &mut Vec<u32>) -> bool {
        for pair in &self.pairs()[from as usize..] {
            let (fingerprint, page) = split(*pair);
            if fingerprint != wanted {
                return false;
            }
            pages.push(page);
        }
        true
    }
}

fn split(pair: [u8; PAIR as usize]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = pair;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Turns pages into ranges of rows; neighbours become one.
fn ranges(pages: &[u32]) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for page in pages {
        let rows = page.saturating_mul(PAGE_ROWS)..page.saturating_add(1).saturating_mul(PAGE_ROWS);
        match ranges.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => ranges.push(rows),
        }
    }
    ranges
}

fn damaged() -> Error {
    Error::corrupt("index of traces contradicts itself")
}

#[cfg(test)]
mod tests;
