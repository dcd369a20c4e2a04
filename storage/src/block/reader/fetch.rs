//! Byte ranges of blocks, verified before anybody decodes them (COR-1).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tarn_model::error::{Context, Error, ErrorKind, Result};

use crate::block::BlockMeta;
use crate::block::reader::{Blocks, OpenBlock};
use crate::view::rows::ScanStats;

/// Ranges closer than this are read as one: a request costs more than these bytes.
const GAP_MAX: u64 = 64 << 10;

impl Blocks {
    /// Reads and verifies the tail.
    pub(super) async fn tail(
        &self,
        meta: &Arc<BlockMeta>,
        stats: Option<&ScanStats>,
    ) -> Result<Bytes> {
        let BlockMeta { offset, bytes, tail_bytes, .. } = **meta;
        if tail_bytes > bytes {
            return Err(Error::corrupt(format!("tail of {tail_bytes} bytes in {bytes}")));
        }
        let end = offset + bytes;
        let tail = self.objects.get_range(&meta.object, end - tail_bytes..end).await;
        let tail = tail.map_err(missing)?;
        count(stats, 1, tail_bytes);
        if crc32c::crc32c(&tail) != meta.tail_crc {
            return Err(Error::corrupt("block tail fails its checksum"));
        }
        Ok(tail)
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
        let spans = spans(ranges.iter().map(|range| directory.round_out(range)).collect());
        let offset = block.meta.offset;
        let absolute: Vec<Range<u64>> =
            spans.iter().map(|s| s.start + offset..s.end + offset).collect();
        let parts = self.objects.get_ranges(&block.object, &absolute).await.map_err(missing)?;
        count(stats, spans.len() as u64, spans.iter().map(|span| span.end - span.start).sum());
        for (span, bytes) in spans.iter().zip(&parts) {
            if bytes.len() as u64 != span.end - span.start {
                let message = format!("block {} gave other ranges than asked for", block.object);
                return Err(Error::internal(message));
            }
            directory.verify(span.start, bytes).context(format!("read block {}", block.object))?;
        }
        Ok(ranges.iter().map(|range| part(&spans, &parts, range)).collect())
    }
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
fn spans(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|r| r.start);
    let mut spans: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(last) if range.start <= last.end + GAP_MAX => last.end = last.end.max(range.end),
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
    fn close_ranges_are_joined() {
        let gap = GAP_MAX;
        let joined = spans(vec![gap * 3..gap * 3 + 1, 0..10, 5..20, 20 + gap..30 + gap]);
        assert_eq!(joined, [0..30 + gap, gap * 3..gap * 3 + 1]);
    }
}
