//! The smallest of several encodings, page by page.
//!
//! | values | candidates |
//! |---|---|
//! | ints whose differences are nearly all equal | exact differences, zstd 1; nothing else is tried |
//! | ints | exact differences, zstd 1 and 3 · differences in bytes, Huffman only and zstd 3 · split, zstd 3 · plain, zstd 3 |
//! | doubles | plain, zstd 3 · split, zstd 1 and 3 |
//!
//! No rule by value statistics comes near what trying finds, because what pays is often that a page
//! repeats itself. So candidates are tried on a part of the page first, and those that are far from
//! the best of them are not tried on the whole. A part does not show what repeats itself far apart;
//! but pages that lie together are of the same metrics, so now and then all candidates are tried on
//! the whole page, and what won there is tried on the following pages too.
//!
//! "Huffman only" is zstd told to find hardly any match: of random steps, matches cost more than
//! they save, and what is left is an entropy code of bytes in an ordinary zstd frame.

use parquet::basic;
use tarn_model::error::{Error, Result};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, Strategy, compress_bound};

use crate::block::pages::delta::Widths;
use crate::block::pages::{Kind, delta, split};
use crate::block::writer::Encoding;

/// Differences that take less than a byte per so many values are trivial.
const TRIVIAL_VALUES_PER_BYTE: usize = 40;
/// A page that shrinks by less than 3 % is stored.
const STORED_PERCENT: usize = 97;
/// Pages of at least so many values are judged by a part.
const PART_PAGE_MIN: usize = 8192;
/// The part is so many runs of values, from places all over the page, of a quarter of it in all.
const PART_RUNS: usize = 4;
const PART_SHARE: usize = 4;
/// Candidates that are larger on the part than the best one by more than this are not tried.
const NEAR_PERCENT: usize = 104;
/// On one of so many pages all candidates are tried.
const ALL_EVERY: usize = 8;

/// How values become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Delta,
    DeltaBytes,
    Split,
    Plain,
}

/// How bytes become fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Press {
    /// zstd 1.
    Fast,
    /// zstd 3.
    Better,
    /// zstd that finds no matches.
    Huffman,
}

pub(crate) type Candidate = (Layout, Press);

const TRIVIAL: Candidate = (Layout::Delta, Press::Fast);
/// Of pages without values.
pub(crate) const STORED: Candidate = (Layout::Plain, Press::Better);
pub(crate) const INTS: &[Candidate] = &[
    (Layout::Delta, Press::Fast),
    (Layout::Delta, Press::Better),
    (Layout::DeltaBytes, Press::Huffman),
    (Layout::DeltaBytes, Press::Better),
    (Layout::Split, Press::Better),
    (Layout::Plain, Press::Better),
];
pub(crate) const DOUBLES: &[Candidate] =
    &[(Layout::Plain, Press::Better), (Layout::Split, Press::Fast), (Layout::Split, Press::Better)];

impl Layout {
    pub(crate) fn encoding(self) -> basic::Encoding {
        match self {
            Self::Delta | Self::DeltaBytes => basic::Encoding::DELTA_BINARY_PACKED,
            Self::Split => basic::Encoding::BYTE_STREAM_SPLIT,
            Self::Plain => basic::Encoding::PLAIN,
        }
    }

    fn encode(self, values: &[i64], out: &mut Vec<u8>) {
        match self {
            Self::Delta => delta::encode(values, Widths::Exact, out),
            Self::DeltaBytes => delta::encode(values, Widths::Bytes, out),
            Self::Split => split::encode(values, out),
            Self::Plain => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        }
    }
}

/// The values of a page as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) candidate: Candidate,
    /// Bytes before compression.
    pub(crate) unpacked: usize,
    /// False where compressing gained too little.
    pub(crate) compressed: bool,
}

/// Encodes the values of pages.
pub(crate) struct Packer {
    fast: Compressor<'static>,
    better: Compressor<'static>,
    huffman: Compressor<'static>,
    /// Bytes of the candidate at hand, and of those before it that have another layout.
    laid_out: Vec<(Layout, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    pressed: Vec<u8>,
    part: Vec<i64>,
    ints: Recent,
    doubles: Recent,
}

/// What won on the pages before.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    pages: usize,
    /// When all were tried.
    of_all: Option<Candidate>,
    last: Option<Candidate>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::internal("compress page").with_source(error)
}

impl Packer {
    /// Makes an encoder.
    ///
    /// # Errors
    /// `Internal` where zstd fails, which it does for lack of memory only.
    pub(crate) fn new() -> Result<Self> {
        let compressor = |level| Compressor::new(level).map_err(failed);
        let mut huffman = compressor(1)?;
        for parameter in [
            CParameter::Strategy(Strategy::ZSTD_fast),
            CParameter::MinMatch(7),
            CParameter::HashLog(6),
            CParameter::TargetLength(0),
        ] {
            huffman.set_parameter(parameter).map_err(failed)?;
        }
        Ok(Self {
            fast: compressor(1)?,
            better: compressor(3)?,
            huffman,
            laid_out: Vec::new(),
            spare: Vec::new(),
            pressed: Vec::new(),
            part: Vec::new(),
            ints: Recent::default(),
            doubles: Recent::default(),
        })
    }

    /// Encodes values; doubles are given as their bits.
    ///
    /// # Errors
    /// As [`Packer::new`].
    pub(crate) fn pack(
        &mut self,
        values: &[i64],
        kind: Kind,
        encoding: Encoding,
    ) -> Result<Packed> {
        match (encoding, kind) {
            (Encoding::Plain, Kind::Int) => self.smallest(values, &[TRIVIAL]),
            (Encoding::Plain, Kind::Double) => {
                self.smallest(values, &[(Layout::Split, Press::Fast)])
            }
            (Encoding::Best, Kind::Double) => {
                let mut recent = self.doubles;
                let best = self.best(values, DOUBLES, &mut recent);
                self.doubles = recent;
                best
            }
            (Encoding::Best, Kind::Int) => {
                self.forget();
                let length = self.lay_out(values, Layout::Delta).len();
                if length * TRIVIAL_VALUES_PER_BYTE <= values.len() {
                    return self.smallest(values, &[TRIVIAL]);
                }
                let mut recent = self.ints;
                let best = self.best(values, INTS, &mut recent);
                self.ints = recent;
                best
            }
        }
    }

    fn best(
        &mut self,
        values: &[i64],
        candidates: &[Candidate],
        recent: &mut Recent,
    ) -> Result<Packed> {
        if values.len() < PART_PAGE_MIN {
            return self.smallest(values, candidates);
        }
        let all = recent.pages.is_multiple_of(ALL_EVERY);
        recent.pages += 1;
        if all {
            let best = self.smallest(values, candidates)?;
            recent.of_all = Some(best.candidate);
            return Ok(best);
        }
        let mut near = self.near(values, candidates)?;
        for won in [recent.of_all, recent.last].into_iter().flatten() {
            if !near.contains(&won) {
                near.push(won);
            }
        }
        let best = self.smallest(values, &near)?;
        recent.last = Some(best.candidate);
        Ok(best)
    }

    /// Returns the candidates that are among the best on a part of the values.
    fn near(&mut self, values: &[i64], candidates: &[Candidate]) -> Result<Vec<Candidate>> {
        let mut part = std::mem::take(&mut self.part);
        part.clear();
        let (run, step) = (values.len() / PART_SHARE / PART_RUNS, values.len() / PART_RUNS);
        (0..PART_RUNS).for_each(|i| part.extend_from_slice(&values[i * step..i * step + run]));
        self.forget();
        let sizes: Result<Vec<usize>> =
            candidates.iter().map(|candidate| self.press(&part, *candidate)).collect();
        self.part = part;
        let sizes = sizes?;
        let least = sizes.iter().copied().min().unwrap_or(0);
        let near = sizes.iter().zip(candidates);
        let near = near.filter(|(size, _)| **size * 100 <= least * NEAR_PERCENT);
        Ok(near.map(|(_, candidate)| *candidate).collect())
    }

    /// Encodes values in the smallest of some ways.
    ///
    /// # Errors
    /// As [`Packer::new`].
    pub(crate) fn smallest(&mut self, values: &[i64], candidates: &[Candidate]) -> Result<Packed> {
        self.forget();
        let mut best: Option<Packed> = None;
        for candidate in candidates {
            let size = self.press(values, *candidate)?;
            if best.as_ref().is_some_and(|best| best.bytes.len() <= size) {
                continue;
            }
            let raw = self.lay_out(values, candidate.0);
            let (unpacked, compressed) = (raw.len(), raw.len() != size);
            let bytes = if compressed { self.pressed.clone() } else { raw.to_vec() };
            best = Some(Packed { bytes, candidate: *candidate, unpacked, compressed });
        }
        best.ok_or_else(|| Error::internal("a page has no encoding"))
    }

    /// Begins with other values.
    fn forget(&mut self) {
        self.spare.extend(self.laid_out.drain(..).map(|(_, bytes)| bytes));
    }

    fn lay_out(&mut self, values: &[i64], layout: Layout) -> &[u8] {
        let at = self.laid_out.iter().position(|(known, _)| *known == layout);
        let at = at.unwrap_or_else(|| {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.clear();
            layout.encode(values, &mut bytes);
            self.laid_out.push((layout, bytes));
            self.laid_out.len() - 1
        });
        &self.laid_out[at].1
    }

    /// Compresses a candidate into `pressed`; returns the bytes it takes, which are those before
    /// where it shrinks too little.
    fn press(&mut self, values: &[i64], (layout, press): Candidate) -> Result<usize> {
        let length = self.lay_out(values, layout).len();
        let raw = self.laid_out.iter().find(|(known, _)| *known == layout);
        let raw = raw.map_or(&[][..], |(_, bytes)| bytes);
        let zstd = match press {
            Press::Fast => &mut self.fast,
            Press::Better => &mut self.better,
            Press::Huffman => &mut self.huffman,
        };
        self.pressed.clear();
        self.pressed.reserve(compress_bound(length));
        let pressed = zstd.compress_to_buffer(raw, &mut self.pressed).map_err(failed)?;
        Ok(if pressed * 100 <= length * STORED_PERCENT { pressed } else { length })
    }
}
