//! The directory of a block: where its index parts are, and checksums of all that lies before.
//!
//! A block is `column data | index parts | directory | page indexes | footer`. What begins with the
//! directory is the *tail*, whose checksum is in the catalog; the directory has one checksum per
//! [`REGION`] of everything before it. So one read proves the tail, and with it any later read of
//! data, which is rounded out to regions (COR-1). Fixed little-endian, one version number.

use std::io::Read as _;
use std::ops::Range;
use std::sync::Arc;

use tarn_model::error::{Error, Result};

/// Bytes under one checksum: small enough that a page read is not rounded out far.
pub(crate) const REGION: u64 = 16 << 10;
/// Key of the footer entry that leads to the directory.
pub(crate) const INDEX_KEY: &str = "tarn.index";
/// The part that maps metrics to rows.
pub(crate) const METRICS_PART: &str = "metrics";

const MAGIC: &[u8; 4] = b"TDIR";
const VERSION: u16 = 1;

/// One index part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) version: u16,
    pub(crate) range: Range<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Directory {
    pub(crate) parts: Vec<Part>,
    /// Labels without a column.
    pub(crate) in_map: Vec<Arc<str>>,
    /// Where the directory begins: the regions cover everything before.
    pub(crate) offset: u64,
    pub(crate) regions: Vec<u32>,
}

/// Returns the checksums of the regions of what lies before the directory.
pub(crate) fn checksums(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(REGION as usize).map(crc32c::crc32c).collect()
}

impl Directory {
    /// Returns the bytes on disk.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.regions.len() * 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.parts.len() as u16).to_le_bytes());
        for part in &self.parts {
            text(&part.name, &mut out);
            out.extend_from_slice(&part.version.to_le_bytes());
            out.extend_from_slice(&part.range.start.to_le_bytes());
            out.extend_from_slice(&(part.range.end - part.range.start).to_le_bytes());
        }
        out.extend_from_slice(&(self.in_map.len() as u32).to_le_bytes());
        self.in_map.iter().for_each(|name| text(name, &mut out));
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&(self.regions.len() as u32).to_le_bytes());
        self.regions.iter().for_each(|crc| out.extend_from_slice(&crc.to_le_bytes()));
        out
    }

    /// Reads the bytes at the beginning of a verified tail.
    ///
    /// # Errors
    /// `Corrupt` where they are not a directory of a known version, or contradict themselves.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input(bytes);
        if &input.array::<4>()? != MAGIC {
            return Err(Error::corrupt("block directory does not begin with its magic"));
        }
        let version = u16::from_le_bytes(input.array()?);
        if version != VERSION {
            let message = format!("block directory has version {version}, newest known is 1");
            return Err(Error::corrupt(message));
        }
        let mut directory = Self::default();
        for _ in 0..u16::from_le_bytes(input.array()?) {
            let name = input.text()?.to_owned();
            let version = u16::from_le_bytes(input.array()?);
            let start = u64::from_le_bytes(input.array()?);
            let length = u64::from_le_bytes(input.array()?);
            let end = start.checked_add(length).ok_or_else(damaged)?;
            directory.parts.push(Part { name, version, range: start..end });
        }
        for _ in 0..u32::from_le_bytes(input.array()?) {
            directory.in_map.push(input.text()?.into());
        }
        directory.offset = u64::from_le_bytes(input.array()?);
        let regions = u32::from_le_bytes(input.array()?);
        if u64::from(regions) != directory.offset.div_ceil(REGION) {
            return Err(damaged());
        }
        for _ in 0..regions {
            directory.regions.push(u32::from_le_bytes(input.array()?));
        }
        let inside = directory.parts.iter().all(|p| p.range.end <= directory.offset);
        if inside { Ok(directory) } else { Err(damaged()) }
    }

    /// Rounds a range out to whole regions.
    pub(crate) fn round_out(&self, range: &Range<u64>) -> Range<u64> {
        let start = range.start / REGION * REGION;
        start..(range.end.div_ceil(REGION) * REGION).min(self.offset)
    }

    /// Verifies bytes that begin at a region and end at one, or at the directory.
    ///
    /// # Errors
    /// `Corrupt` with the number of the region.
    pub(crate) fn verify(&self, start: u64, bytes: &[u8]) -> Result<()> {
        for (i, region) in bytes.chunks(REGION as usize).enumerate() {
            let number = (start / REGION) as usize + i;
            if self.regions.get(number) != Some(&crc32c::crc32c(region)) {
                return Err(Error::corrupt(format!("region {number} fails its checksum")));
            }
        }
        Ok(())
    }
}

fn damaged() -> Error {
    Error::corrupt("block directory contradicts itself")
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*array)
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| damaged())
    }
}

/// The rows of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricRows {
    /// Empty for series without a metric name.
    pub(crate) metric: String,
    pub(crate) rows: Range<u32>,
}

/// A part that unpacks to more is damaged: a million metrics with names of ordinary length.
const METRICS_BYTES_MAX: u32 = 128 << 20;
/// Names of metrics repeat much; more effort gains little.
const METRICS_ZSTD: i32 = 3;

/// Encodes the part that maps metrics to rows, which are given in row order: u32 length, zstd.
///
/// # Errors
/// `Internal` where zstd fails, which it does for lack of memory only.
pub(crate) fn encode_metrics(metrics: &[MetricRows]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.extend_from_slice(&(metrics.len() as u32).to_le_bytes());
    for MetricRows { metric, rows } in metrics {
        text(metric, &mut out);
        out.extend_from_slice(&rows.start.to_le_bytes());
        out.extend_from_slice(&rows.end.to_le_bytes());
    }
    let packed = zstd::bulk::compress(&out, METRICS_ZSTD)
        .map_err(|e| Error::internal("pack index of metrics").with_source(e))?;
    Ok([&(out.len() as u32).to_le_bytes()[..], &packed].concat())
}

/// Reads what [`encode_metrics`] wrote.
///
/// # Errors
/// `Corrupt` where the bytes contradict themselves.
pub(crate) fn decode_metrics(bytes: &[u8]) -> Result<Vec<MetricRows>> {
    let mut input = Input(bytes);
    let length = u32::from_le_bytes(input.array()?);
    if length > METRICS_BYTES_MAX {
        return Err(damaged());
    }
    let mut unpacked = Vec::with_capacity(length as usize);
    let decoder = zstd::stream::read::Decoder::new(input.0).map_err(|_| damaged())?;
    let read = decoder.take(u64::from(length)).read_to_end(&mut unpacked);
    if read.ok() != Some(length as usize) {
        return Err(damaged());
    }
    let mut input = Input(&unpacked);
    let mut metrics = Vec::new();
    for _ in 0..u32::from_le_bytes(input.array()?) {
        let metric = input.text()?.to_owned();
        let rows = u32::from_le_bytes(input.array()?)..u32::from_le_bytes(input.array()?);
        metrics.push(MetricRows { metric, rows });
    }
    let ordered = metrics.windows(2).all(|w| w[0].rows.end <= w[1].rows.start);
    if ordered { Ok(metrics) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let part = |name: &str, range| Part { name: name.to_owned(), version: 3, range };
        Directory {
            parts: vec![part("metrics", 40_000..40_100), part("other", 40_100..50_000)],
            in_map: vec!["Job".into(), "läuft".into()],
            offset: 50_000,
            regions: vec![1, 2, 3, 4],
        }
    }

    #[test]
    fn directories_survive_and_shortened_ones_are_corrupt() {
        let bytes = directory().encode();
        assert_eq!(Directory::decode(&bytes).unwrap(), directory());
        for length in 0..bytes.len() {
            assert!(Directory::decode(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn ranges_are_rounded_out_to_regions() {
        let directory = directory();
        for (range, expected) in
            [(0..1, 0..16_384), (16_383..16_385, 0..32_768), (49_999..50_000, 49_152..50_000)]
        {
            assert_eq!(directory.round_out(&range), expected);
        }
    }

    #[test]
    fn metric_rows_survive_and_shortened_ones_are_corrupt() {
        let rows = |metric: &str, rows| MetricRows { metric: metric.to_owned(), rows };
        let metrics = vec![rows("", 3..4), rows("a", 4..9), rows("b", 9..10)];
        let bytes = encode_metrics(&metrics).unwrap();
        assert_eq!(decode_metrics(&bytes).unwrap(), metrics);
        for length in 0..bytes.len() {
            assert!(decode_metrics(&bytes[..length]).is_err(), "{length}");
        }
    }
}
