//! A data page of lists of 8-byte values, decoded without Arrow.
//!
//! The header tells how long the levels are, so the values are found without reading the levels,
//! and only as many values are decoded as are asked for: a page of a constant series may hold a
//! million. Every count is checked against what the bytes can hold before anything is allocated.

use tarn_model::error::{Error, Result};
use zstd::bulk::Decompressor;

use crate::block::pages::header::{self, PageHeader};
use crate::block::pages::levels::{self, Counts, Row};
use crate::block::pages::{Kind, delta, split};

/// Numbers of encodings in page headers.
const PLAIN: i64 = 0;
const DELTA_BINARY_PACKED: i64 = 5;
const BYTE_STREAM_SPLIT: i64 = 9;
/// Rows of a page: those of a row group.
const ROWS_MAX: usize = 1 << 20;
/// Items of a page: those of a row group.
const ITEMS_MAX: usize = 32 << 20;
/// Bytes of a value.
const WIDTH: usize = 8;

/// One page, not decoded yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    header: PageHeader,
    repetition: &'a [u8],
    definition: &'a [u8],
    values: &'a [u8],
}

impl<'a> Page<'a> {
    /// Takes a page apart, header included.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn parse(bytes: &'a [u8]) -> std::result::Result<Self, &'static str> {
        let (header, body) = header::parse(bytes)?;
        let levels = header.repetition.checked_add(header.definition);
        if body.len() != header.packed
            || levels.is_none_or(|n| n > header.packed.min(header.unpacked))
        {
            return Err("page contradicts its length");
        }
        if header.nulls > header.levels
            || header.rows > ROWS_MAX
            || header.levels - header.nulls > ITEMS_MAX
        {
            return Err("page has impossible counts");
        }
        let (repetition, body) = body.split_at(header.repetition);
        let (definition, values) = body.split_at(header.definition);
        Ok(Self { header, repetition, definition, values })
    }

    /// Returns how many values there are.
    pub(crate) fn items(&self) -> usize {
        self.header.levels - self.header.nulls
    }

    /// Returns the items of every row.
    ///
    /// # Errors
    /// What is wrong with the levels.
    pub(crate) fn rows(&self) -> std::result::Result<Vec<Row>, &'static str> {
        let PageHeader { levels, rows, nulls, .. } = self.header;
        levels::rows(self.repetition, self.definition, Counts { levels, rows, nulls })
    }
}

/// Decodes pages; keeps what can be used again.
pub(crate) struct Unpacker {
    zstd: Decompressor<'static>,
    bytes: Vec<u8>,
    words: Vec<i64>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

impl Unpacker {
    /// Makes a decoder.
    ///
    /// # Errors
    /// `Internal` where zstd fails, which it does for lack of memory only.
    pub(crate) fn new() -> Result<Self> {
        let zstd = Decompressor::new()
            .map_err(|e| Error::internal("begin to decode pages").with_source(e))?;
        Ok(Self { zstd, bytes: Vec::new(), words: Vec::new() })
    }

    /// Returns the first `wanted` values of a page; doubles as their bits.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn words(
        &mut self,
        page: &Page<'_>,
        kind: Kind,
        wanted: usize,
    ) -> std::result::Result<&[i64], &'static str> {
        let (header, count) = (page.header, page.items());
        if wanted > count {
            return Err("page has fewer values than its rows");
        }
        self.words.clear();
        if wanted == 0 {
            return Ok(&self.words);
        }
        let length = header.unpacked - header.repetition - header.definition;
        if length > count * (WIDTH + 1) + 1024 {
            return Err("page is larger than its values");
        }
        let values = if header.compressed {
            self.bytes.clear();
            self.bytes.reserve(length);
            let unpacked = self.zstd.decompress_to_buffer(page.values, &mut self.bytes);
            if unpacked.ok() != Some(length) {
                return Err("page cannot be unpacked");
            }
            &self.bytes
        } else if page.values.len() == length {
            page.values
        } else {
            return Err("page contradicts its length");
        };
        self.words.resize(wanted, 0);
        match header.encoding {
            DELTA_BINARY_PACKED if kind == Kind::Int => {
                delta::decode(values, count, &mut self.words)?;
            }
            BYTE_STREAM_SPLIT => split::decode(values, count, &mut self.words)?,
            PLAIN => plain(values, count, &mut self.words)?,
            _ => return Err("page has an encoding that is not known"),
        }
        Ok(&self.words)
    }
}

fn plain(bytes: &[u8], count: usize, into: &mut [i64]) -> std::result::Result<(), &'static str> {
    if bytes.len() != count * WIDTH {
        return Err("plain page contradicts its number of values");
    }
    for (value, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
        *value = i64::from_le_bytes(*bytes);
    }
    Ok(())
}
