//! Byte ranges of blocks, verified before anybody decodes them (COR-1).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tarn_model::error::{Error, ErrorKind, Result};

use crate::block::BlockMeta;
use crate::block::directory::REGION;
use crate::block::reader::{Blocks, OpenBlock};
use crate::view::rows::ScanStats;

/// Ranges closer than this are read as one: a request costs more than these bytes.
const GAP_NEAR: u64 = 64 << 10;
/// The same where each request crosses a network: 20 ms at 25 MB/s.
const GAP_FAR: u64 = 512 << 10;
/// Bytes before the tail that are read with it, where each request crosses a network: index parts
/// lie there, and most flushed blocks are read whole.
const BEFORE_TAIL: u64 = 256 << 10;

impl Blocks {
    /// Reads and verifies the tail. Returns it, and some bytes before it, which begin at a region
    /// and are not verified.
    pub(super) async fn tail(
        &self,
        meta: &Arc<BlockMeta>,
        object: &Arc<str>,
        stats: Option<&ScanStats>,
    ) -> Result<(Bytes, Bytes)> {
        let BlockMeta { offset, bytes, tail_bytes, .. } = **meta;
        let Some(data) = bytes.checked_sub(tail_bytes) else {
            return Err(Error::corrupt(format!("tail of {tail_bytes} bytes in {bytes}")));
        };
        let far = self.parts.is_far(object);
        let before = if far { data.saturating_sub(BEFORE_TAIL) / REGION * REGION } else { data };
        let range = offset + before..offset + bytes;
        let mut read = self.request(object, std::slice::from_ref(&range), stats).await?;
        let mut both = read.pop().unwrap_or_default();
        let tail = both.split_off((data - before) as usize);
        if crc32c::crc32c(&tail) == meta.tail_crc {
            return Ok((tail, both));
        }
        if self.distrust(object) {
            return Box::pin(self.tail(meta, object, stats)).await;
        }
        Err(Error::corrupt("block tail fails its checksum"))
    }

    /// Keeps what was read with the tail, where it is what was written.
    pub(super) fn keep_before_tail(&self, block: &OpenBlock, before: &Bytes) {
        let start = block.directory.offset - before.len() as u64;
        // Damage is told to whoever needs the bytes.
        if block.directory.verify(start, before).is_ok() {
            self.keep(block, start, before);
        }
    }

    /// Reads ranges before the directory, in the order given.
    pub(super) async fn fetch(
        &self,
        block: &OpenBlock,
        ranges: &[Range<u64>],
        stats: Option<&ScanStats>,
    ) -> Result<Vec<Bytes>> {
        let directory = &block.directory;
        if let Some(range) = ranges.iter().find(|r| r.start > r.end || r.end > directory.offset) {
            let message = format!("block {} points to {range:?} outside its data", block.object);
            return Err(Error::corrupt(message));
        }
        let rounded: Vec<_> = ranges.iter().map(|range| directory.round_out(range)).collect();
        let (wanted, mut kept, gap) = if self.parts.is_far(&block.object) {
            let (missing, kept) = self.kept(block, &rounded);
            (missing, kept, GAP_FAR)
        } else {
            (rounded, BTreeMap::new(), GAP_NEAR)
        };
        let spans = spans(wanted, gap);
        let read = self.verified(block, &spans, stats).await?;
        if kept.is_empty() {
            return Ok(ranges.iter().map(|range| part(&spans, &read, range)).collect());
        }
        for (span, bytes) in spans.iter().zip(&read) {
            kept.extend(regions(span.start, bytes));
        }
        Ok(ranges.iter().map(|range| assemble(&kept, range)).collect())
    }

    /// Divides ranges of regions into those to be read, and those that are in memory.
    fn kept(
        &self,
        block: &OpenBlock,
        ranges: &[Range<u64>],
    ) -> (Vec<Range<u64>>, BTreeMap<u64, Bytes>) {
        let (mut missing, mut kept) = (Vec::new(), BTreeMap::new());
        let end = block.directory.offset;
        for start in ranges.iter().flat_map(|r| (r.start..r.end).step_by(REGION as usize)) {
            let Entry::Vacant(place) = kept.entry(start) else { continue };
            match self.parts.kept(&block.object, block.meta.offset + start) {
                Some(region) => drop(place.insert(region)),
                None => missing.push(start..(start + REGION).min(end)),
            }
        }
        (missing, kept)
    }

    /// Reads spans of whole regions. A local file that is damaged is given up for the bucket.
    async fn verified(
        &self,
        block: &OpenBlock,
        spans: &[Range<u64>],
        stats: Option<&ScanStats>,
    ) -> Result<Vec<Bytes>> {
        let offset = block.meta.offset;
        let absolute: Vec<_> = spans.iter().map(|s| s.start + offset..s.end + offset).collect();
        loop {
            let far = self.parts.is_far(&block.object);
            let read = self.request(&block.object, &absolute, stats).await?;
            let sound = spans.iter().zip(&read).try_for_each(|(span, bytes)| {
                if bytes.len() as u64 != span.end - span.start {
                    return Err(Error::internal("other ranges came than were asked for"));
                }
                block.directory.verify(span.start, bytes)
            });
            match sound {
                Ok(()) if far => {
                    spans.iter().zip(&read).for_each(|(span, b)| self.keep(block, span.start, b));
                    return Ok(read);
                }
                Ok(()) => return Ok(read),
                Err(_) if self.distrust(&block.object) => {}
                Err(error) => return Err(error.context(format!("read block {}", block.object))),
            }
        }
    }

    async fn request(
        &self,
        object: &Arc<str>,
        ranges: &[Range<u64>],
        stats: Option<&ScanStats>,
    ) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let parts = self.parts.read(object, ranges).await.map_err(missing)?;
        count(stats, ranges.len() as u64, parts.iter().map(|part| part.len() as u64).sum());
        Ok(parts)
    }

    fn keep(&self, block: &OpenBlock, start: u64, bytes: &Bytes) {
        for (at, region) in regions(start, bytes) {
            self.parts.keep(&block.object, block.meta.offset + at, &region);
        }
    }

    /// Gives up a local file whose bytes are wrong; `false` where there is none.
    fn distrust(&self, object: &Arc<str>) -> bool {
        let had = self.parts.remove_file(object);
        if had {
            tracing::error!(%object, "local copy of a block is damaged, the bucket is read instead");
        }
        had
    }
}

/// Cuts bytes that begin at a region into regions.
fn regions(start: u64, bytes: &Bytes) -> impl Iterator<Item = (u64, Bytes)> {
    (0..bytes.len()).step_by(REGION as usize).map(move |at| {
        let end = bytes.len().min(at + REGION as usize);
        (start + at as u64, bytes.slice(at..end))
    })
}

/// Puts a range together from regions.
fn assemble(regions: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> Bytes {
    let first = range.start / REGION * REGION;
    let mut pieces = regions.range(first..range.end.max(first)).map(|(start, region)| {
        let from = range.start.saturating_sub(*start) as usize;
        let to = (range.end - start).min(region.len() as u64) as usize;
        region.slice(from.min(to)..to)
    });
    let Some(one) = pieces.next() else { return Bytes::new() };
    if one.len() as u64 == range.end - range.start {
        return one;
    }
    let mut all = BytesMut::with_capacity((range.end - range.start) as usize);
    all.extend_from_slice(&one);
    pieces.for_each(|piece| all.extend_from_slice(&piece));
    all.freeze()
}

fn count(stats: Option<&ScanStats>, reads: u64, bytes: u64) {
    if let Some(stats) = stats {
        ScanStats::add(&stats.reads, reads);
        ScanStats::add(&stats.bytes, bytes);
    }
}

/// A block that the catalog names must be there: its absence is damage, not a wrong question.
fn missing(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::corrupt("block is named by the catalog, but is gone").with_source(error);
    }
    error
}

/// Joins ranges that are close.
fn spans(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|r| r.start);
    let mut spans: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(last) if range.start <= last.end + gap => last.end = last.end.max(range.end),
            _ => spans.push(range),
        }
    }
    spans
}

fn part(spans: &[Range<u64>], parts: &[Bytes], range: &Range<u64>) -> Bytes {
    let at = spans.partition_point(|span| span.start <= range.start).saturating_sub(1);
    match (spans.get(at), parts.get(at)) {
        (Some(span), Some(bytes)) if range.start < range.end => {
            let start = (range.start - span.start) as usize;
            bytes.slice(start..start + (range.end - range.start) as usize)
        }
        _ => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_put_together_from_regions() {
        let bytes: Bytes = (0..REGION * 3 - 7).map(|i| (i / 5) as u8).collect::<Vec<_>>().into();
        let map: BTreeMap<u64, Bytes> = regions(REGION, &bytes).collect();
        assert_eq!(map.len(), 3);
        for (start, end) in
            [(0, 1), (5, REGION), (REGION - 1, REGION + 1), (3, REGION * 3 - 7), (9, 9)]
        {
            let whole = bytes.slice(start as usize..end as usize);
            assert_eq!(assemble(&map, &(REGION + start..REGION + end)), whole, "{start}..{end}");
        }
    }

    #[test]
    fn close_ranges_are_joined() {
        let gap = GAP_NEAR;
        let joined = spans(vec![gap * 3..gap * 3 + 1, 0..10, 5..20, 20 + gap..30 + gap], gap);
        assert_eq!(joined, [0..30 + gap, gap * 3..gap * 3 + 1]);
    }
}
