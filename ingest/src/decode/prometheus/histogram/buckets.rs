//! The buckets of a histogram: from spans, deltas and counts as they come to indexes and absolute
//! counts. Lists count on beyond what they keep, so that memory is bounded and the message can still
//! say how many there were.

use super::invalid;
use crate::decode::prometheus::IN_PART;
use crate::decode::wire::{Reader, Wire, WireError, low_half, zigzag};
use crate::validate::{Invalid, Reason};

/// The positive or the negative buckets.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) spans: Capped<(i32, u32)>,
    pub(super) deltas: Capped<i64>,
    pub(super) counts: Capped<f64>,
}

/// A list that counts on beyond what it keeps, so that memory is bounded.
#[derive(Debug)]
pub(super) struct Capped<T> {
    pub(super) kept: Vec<T>,
    pub(super) total: usize,
    max: usize,
}

impl<T> Capped<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { kept: Vec::new(), total: 0, max }
    }

    pub(super) fn push(&mut self, item: T) {
        self.total += 1;
        if self.kept.len() < self.max {
            self.kept.push(item);
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.total = 0;
    }

    pub(super) fn overflows(&self) -> bool {
        self.total > self.kept.len()
    }
}

impl Side {
    pub(super) fn new(max: usize) -> Self {
        // Spans of length 0 are legal and bridge long gaps, so there may be more spans than buckets.
        let spans = Capped::new(max.saturating_mul(2));
        Self { spans, deltas: Capped::new(max), counts: Capped::new(max) }
    }

    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.deltas.clear();
        self.counts.clear();
    }

    pub(super) fn overflows(&self) -> bool {
        self.spans.overflows() || self.deltas.overflows() || self.counts.overflows()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.total == 0 && self.deltas.total == 0 && self.counts.total == 0
    }

    /// Decodes a field: 0 spans, 1 deltas, 2 counts.
    pub(super) fn field(
        &mut self,
        which: u32,
        wire: Wire,
        from: &mut Reader<'_>,
    ) -> Result<(), WireError> {
        match which {
            0 => self.spans.push(span(from.message(wire)?)?),
            1 => from.each_varint(wire, |delta| self.deltas.push(zigzag(delta)))?,
            _ => from.each_double(wire, |count| self.counts.push(count))?,
        }
        Ok(())
    }

    /// Returns the index of each bucket, `reduce` schemas coarser than it came: ascending, and with
    /// repetitions where buckets fall together.
    pub(super) fn indexes(&self, reduce: u32) -> Result<Vec<i32>, Invalid> {
        let counts = self.deltas.total.max(self.counts.total);
        let mut indexes = Vec::with_capacity(counts);
        let mut next: i64 = 0;
        for (at, (offset, length)) in self.spans.kept.iter().enumerate() {
            if at > 0 && *offset < 0 {
                return invalid(format!("histogram span {at} has the negative offset {offset}"));
            }
            next += i64::from(*offset);
            if u64::from(*length) > (counts - indexes.len()) as u64 {
                return invalid(format!("histogram spans cover more than its {counts} buckets"));
            }
            for _ in 0..*length {
                indexes.push(coarser(next, reduce)?);
                next += 1;
            }
        }
        if indexes.len() < counts {
            let covered = indexes.len();
            return invalid(format!("histogram spans cover {covered} of its {counts} buckets"));
        }
        Ok(indexes)
    }

    /// Returns absolute counts from deltas.
    pub(super) fn absolute(&self) -> Result<Vec<i64>, Invalid> {
        let mut count = 0i64;
        let each = |delta: &i64| {
            count = count.checked_add(*delta).filter(|count| *count >= 0).ok_or_else(|| {
                let message = "histogram has a bucket whose count is negative or beyond 63 bits";
                Invalid::new(Reason::InvalidHistogram, message)
            })?;
            Ok(count)
        };
        self.deltas.kept.iter().map(each).collect()
    }
}

/// Decodes a span: 1 offset, 2 length.
fn span(mut message: Reader<'_>) -> Result<(i32, u32), WireError> {
    let (mut offset, mut length) = (0, 0);
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        match number {
            1 => offset = message.sint32(wire)?,
            2 => length = low_half(message.uint64(wire)?),
            _ => message.skip(number, wire, IN_PART)?,
        }
    }
    Ok((offset, length))
}

/// Returns the bucket that holds bucket `index` at a resolution `reduce` schemas coarser. Bucket i
/// ends at base^i, so 1 to 2^reduce fall into bucket 1.
fn coarser(index: i64, reduce: u32) -> Result<i32, Invalid> {
    let index = if reduce == 0 { index } else { ((index - 1) >> reduce) + 1 };
    i32::try_from(index).map_err(|_| {
        let message = format!("histogram bucket {index} is beyond 32 bits");
        Invalid::new(Reason::InvalidHistogram, message)
    })
}

/// Adds up the counts of equal indexes.
pub(super) fn merge<T: Copy>(
    indexes: &[i32],
    counts: &[T],
    add: impl Fn(T, T) -> T,
) -> Result<(Vec<i32>, Vec<T>), Invalid> {
    let (mut merged, mut sums) =
        (Vec::with_capacity(indexes.len()), Vec::with_capacity(indexes.len()));
    for (index, count) in indexes.iter().zip(counts) {
        match sums.last_mut().filter(|_| merged.last() == Some(index)) {
            Some(sum) => *sum = add(*sum, *count),
            None => {
                merged.push(*index);
                sums.push(*count);
            }
        }
    }
    Ok((merged, sums))
}
