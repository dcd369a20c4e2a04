//! The series of all inputs in their order, equal ones taken together.

use std::ops::Range;
use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::sample::MetricType;
use tarn_model::time::TimeRange;

use crate::block::BlockMeta;
use crate::block::reader::stream::{SeriesStream, StreamRow, StreamSeries, Texts};
use crate::block::reader::{Blocks, OpenBlock};
use crate::compact::classes::Classes;
use crate::flush::cut::day_of;
use crate::retain::erase::{Erased, Tombstone};
use crate::schema::SeriesKey;

/// A block that is merged.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) block: Arc<OpenBlock>,
    erased: Erased,
}

impl Input {
    /// Opens a block.
    pub(super) async fn open(
        blocks: &Blocks,
        meta: &Arc<BlockMeta>,
        erased: &[Arc<Tombstone>],
    ) -> Result<Self> {
        Ok(Self { block: blocks.open(meta).await?, erased: Erased::new(erased)? })
    }

    /// Returns the times of a series at which samples of this block are erased.
    fn erased(&self, key: &SeriesKey) -> Vec<TimeRange> {
        if self.erased.is_empty() { Vec::new() } else { self.erased.times(&key.label_set()) }
    }
}

/// Returns the ticks of a row that lie at no erased time.
fn kept(row: &StreamRow, erased: &[TimeRange]) -> Vec<Range<usize>> {
    let Range { mut start, end } = row.range();
    let mut kept = Vec::new();
    for range in erased {
        let ticks = &row.ticks[start..end];
        let from = start + ticks.partition_point(|t| *t < range.start_ms);
        let to = start + ticks.partition_point(|t| *t <= range.end_ms);
        kept.push(start..from);
        start = to.max(from);
    }
    kept.push(start..end);
    kept.retain(|part| !part.is_empty());
    kept
}

/// Which rows are walked along.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter<'a> {
    /// Those of this day.
    pub(super) day: i64,
    /// Those of this retention class; `None`: all are of one.
    pub(super) class: Option<(&'a Classes, u16)>,
}

/// A row of an input, or what is left of it.
#[derive(Debug)]
pub(super) struct JoinedRow {
    pub(super) input: usize,
    pub(super) row: StreamRow,
    /// Ticks of the timeline; never empty.
    pub(super) kept: Vec<Range<usize>>,
}

/// A series of all inputs.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) key: SeriesKey,
    pub(super) metric_type: MetricType,
    pub(super) unit: Arc<str>,
    /// By the time of their first tick.
    pub(super) rows: Vec<JoinedRow>,
}

/// Walks along all inputs.
pub(super) struct Walk<'a> {
    blocks: &'a Arc<Blocks>,
    inputs: &'a [Input],
    filter: Filter<'a>,
    streams: Vec<SeriesStream>,
    /// The next series of every input; those behind the end have none.
    heads: Vec<Option<StreamSeries>>,
    texts: Texts,
    begun: bool,
}

impl<'a> Walk<'a> {
    /// Begins before the first series.
    ///
    /// # Errors
    /// `Corrupt` where a footer contradicts itself.
    pub(super) fn begin(
        blocks: &'a Arc<Blocks>,
        inputs: &'a [Input],
        filter: &Filter<'a>,
        batch: usize,
    ) -> Result<Self> {
        let mut texts = Texts::default();
        let open = |input: &Input| SeriesStream::open(&input.block, batch, &mut texts);
        let streams = inputs.iter().map(open).collect::<Result<Vec<SeriesStream>>>()?;
        let heads = inputs.iter().map(|_| None).collect();
        Ok(Self { blocks, inputs, filter: *filter, streams, heads, texts, begun: false })
    }

    /// Returns the next series that has rows here, `None` after the last.
    ///
    /// # Errors
    /// `Corrupt` where stored bytes fail their checksum or contradict each other; `Unavailable`
    /// where they cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Joined>> {
        if !self.begun {
            self.begun = true;
            for at in 0..self.streams.len() {
                self.advance(at).await?;
            }
        }
        loop {
            let Some(taken) = self.first() else { return Ok(None) };
            let mut joined: Option<Joined> = None;
            for at in taken {
                if let Some(series) = self.advance(at).await? {
                    self.join(at, series, &mut joined);
                }
            }
            if let Some(mut joined) = joined
                && !joined.rows.is_empty()
                && self.takes(&joined.key)
            {
                joined.rows.sort_by_key(|row| row.row.ticks[row.kept[0].start]);
                return Ok(Some(joined));
            }
        }
    }

    fn takes(&self, key: &SeriesKey) -> bool {
        let of = |(classes, class): (&Classes, u16)| classes.of_series(&key.label_set()) == class;
        self.filter.class.is_none_or(of)
    }

    /// Returns which inputs have the first of all series that are next, `None` at the end.
    fn first(&self) -> Option<Vec<usize>> {
        let mut first: Option<(&SeriesKey, Vec<usize>)> = None;
        for (at, head) in self.heads.iter().enumerate() {
            let Some(StreamSeries { key, .. }) = head else { continue };
            match &mut first {
                Some((least, taken)) => match key.cmp(least) {
                    std::cmp::Ordering::Less => first = Some((key, vec![at])),
                    std::cmp::Ordering::Equal => taken.push(at),
                    std::cmp::Ordering::Greater => {}
                },
                None => first = Some((key, vec![at])),
            }
        }
        first.map(|(_, taken)| taken)
    }

    /// Takes the next series of an input, and looks up the one behind it.
    async fn advance(&mut self, at: usize) -> Result<Option<StreamSeries>> {
        let next = self.streams[at].next(self.blocks, &mut self.texts).await?;
        Ok(std::mem::replace(&mut self.heads[at], next))
    }

    fn join(&self, input: usize, series: StreamSeries, joined: &mut Option<Joined>) {
        let StreamSeries { key, metric_type, unit, rows } = series;
        let joined = joined.get_or_insert_with(|| Joined {
            key,
            metric_type: MetricType::Unknown,
            unit: Arc::clone(&unit),
            rows: Vec::new(),
        });
        // Inputs come in the order of commits: what was told last counts.
        if metric_type != MetricType::Unknown {
            joined.metric_type = metric_type;
        }
        if !unit.is_empty() {
            joined.unit = unit;
        }
        let erased = self.inputs[input].erased(&joined.key);
        for row in rows {
            // No row crosses midnight; only flushes of many days have rows of others.
            if day_of(row.row.ts_first) == self.filter.day {
                let kept = kept(&row, &erased);
                if !kept.is_empty() {
                    joined.rows.push(JoinedRow { input, row, kept });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::reader::RowSlice;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "some cases have one range, some several")]
    fn erased_times_are_cut_out_of_rows_to_the_tick() {
        let ticks: Arc<[i64]> = (0..20).map(|i| i * 10).collect();
        let row = |ts_offset, n, stale| StreamRow {
            row: RowSlice {
                row: 1,
                n,
                timeline: 0,
                ts_offset,
                stale,
                ts_first: 0,
                ts_last: 0,
                scale: None,
            },
            ticks: Arc::clone(&ticks),
        };
        let range = |start_ms, end_ms| TimeRange { start_ms, end_ms };
        type Case<'a> = (StreamRow, &'a [TimeRange], &'a [Range<usize>]);
        let cases: [Case<'_>; 7] = [
            (row(5, 5, false), &[], &[5..10]),
            (row(5, 5, true), &[], &[5..11]),
            (row(5, 5, false), &[range(60, 60)], &[5..6, 7..10]),
            (row(5, 5, true), &[range(50, 90)], &[10..11]),
            (row(5, 5, true), &[range(100, 100)], &[5..10]),
            (row(5, 5, false), &[range(0, 55), range(61, 79), range(85, 1000)], &[6..7, 8..9]),
            (row(5, 0, true), &[range(0, 1000)], &[]),
        ];
        for (row, erased, expected) in cases {
            assert_eq!(kept(&row, erased), expected, "{erased:?}");
        }
    }
}
