//! The series of all inputs in their order, equal ones taken together.

use std::ops::Range;
use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::sample::MetricType;

use crate::block::BlockMeta;
use crate::block::reader::stream::{SeriesStream, StreamRow, StreamSeries, Texts};
use crate::block::reader::{Blocks, OpenBlock};
use crate::compact::classes::Classes;
use crate::flush::cut::day_of;
use crate::retain::erase::Tombstone;
use crate::schema::SeriesKey;

/// A block that is merged.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) block: Arc<OpenBlock>,
}

impl Input {
    /// Opens a block.
    pub(super) async fn open(
        blocks: &Blocks,
        meta: &Arc<BlockMeta>,
        erased: &[Arc<Tombstone>],
    ) -> Result<Self> {
        if !erased.is_empty() {
            return Err(tarn_model::error::Error::internal("erased rows are not left out yet"));
        }
        Ok(Self { block: blocks.open(meta).await? })
    }
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
        for row in rows {
            if day_of(row.row.ts_first) == self.filter.day {
                let kept = vec![row.range()];
                joined.rows.push(JoinedRow { input, row, kept });
            }
        }
    }
}
