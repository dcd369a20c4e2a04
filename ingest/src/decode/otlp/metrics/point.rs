//! What all kinds of data points have: times, flags, attributes, exemplars.

use tarn_model::sample::stale_nan;

use super::metric::{Kind, Metric};
use crate::decode::key_cache::KeySpace;
use crate::decode::otlp::value::{RawValue, key_value};
use crate::decode::wire::{Reader, Wire, WireError};

/// Exemplars of one point that are looked at; SDKs keep one per bucket, twenty of an exponential
/// histogram.
const EXEMPLARS_MAX: usize = 1024;
/// Runs of attributes that are kept of one message; more than any limit of labels lets through.
const RUNS_MAX: usize = 1024;

/// The bit of the flags that says that the series ended.
const NO_RECORDED_VALUE: u32 = 1;

/// Times, flags, attributes and exemplars of a point.
#[derive(Debug, Default)]
pub(super) struct Common<'a> {
    pub(super) start: u64,
    pub(super) time: u64,
    pub(super) flags: u32,
    pub(super) attributes: Run<'a>,
    pub(super) exemplars: Vec<Reader<'a>>,
    /// Exemplars beyond those.
    pub(super) dropped: u64,
}

impl<'a> Common<'a> {
    /// Takes up an exemplar.
    pub(super) fn exemplar(&mut self, message: Reader<'a>) {
        if self.exemplars.len() < EXEMPLARS_MAX {
            self.exemplars.push(message);
        } else {
            self.dropped += 1;
        }
    }

    /// Returns whether nothing was measured: the series ended.
    pub(super) fn is_stale(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    /// Returns the value, or the staleness marker.
    pub(super) fn value(&self, value: f64) -> f64 {
        if self.is_stale() { stale_nan() } else { value }
    }

    /// Returns since when the point counts, 0 where that is not known or means nothing. A delta
    /// always has a start: where none is told, the least one is assumed, which keeps it a delta to
    /// everybody who looks at starts alone.
    pub(super) fn start_ms(&self, metric: &Metric<'_>, time_ms: i64) -> i64 {
        let start_ms = millis(self.start);
        if metric.kind == Kind::Gauge {
            0
        } else if metric.is_delta() && (start_ms == 0 || start_ms >= time_ms) {
            time_ms - 1
        } else {
            start_ms
        }
    }
}

/// Returns ns since the Unix epoch in ms, cut.
pub(super) fn millis(ns: u64) -> i64 {
    (ns / 1_000_000).cast_signed()
}

/// The attribute fields of a message, where they stand: one run of bytes in what every sender
/// writes, several where other fields are between.
#[derive(Debug, Default)]
pub(super) struct Run<'a> {
    first: Option<(Reader<'a>, Reader<'a>)>,
    others: Vec<Reader<'a>>,
}

impl<'a> Run<'a> {
    /// Takes up a field that begins at `before`, its tag consumed.
    #[inline]
    pub(super) fn add(
        &mut self,
        before: Reader<'a>,
        wire: Wire,
        message: &mut Reader<'a>,
    ) -> Result<(), WireError> {
        message.message(wire)?;
        match &mut self.first {
            None => self.first = Some((before, *message)),
            Some((_, end)) if end.is_at(&before) => *end = *message,
            Some(_) if self.others.len() < RUNS_MAX => self.others.push(before.until(message)),
            Some(_) => {}
        }
        Ok(())
    }

    /// Returns the hash of all bytes.
    #[inline]
    pub(super) fn key(&self, space: &KeySpace) -> u128 {
        let Some((start, end)) = &self.first else { return space.key(&[]) };
        let run = start.until(end);
        if self.others.is_empty() {
            return space.key(run.rest());
        }
        let mut gathered = run.rest().to_vec();
        self.others.iter().for_each(|part| gathered.extend_from_slice(part.rest()));
        space.key(&gathered)
    }

    /// Hands over keys and values in order. Keys are not yet known to be UTF-8.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(&'a [u8], RawValue<'a>),
    ) -> Result<(), WireError> {
        let first = self.first.iter().map(|(start, end)| start.until(end));
        for mut run in first.chain(self.others.iter().copied()) {
            while !run.is_empty() {
                let (_, wire) = run.tag()?;
                let (key, value) = key_value(run.message(wire)?)?;
                each(key, value);
            }
        }
        Ok(())
    }
}

/// A list that counts on beyond what it keeps, so that memory is bounded.
#[derive(Debug, Default)]
pub(super) struct Capped<T> {
    pub(super) kept: Vec<T>,
    pub(super) total: usize,
    max: usize,
}

impl<T> Capped<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { kept: Vec::new(), total: 0, max }
    }

    #[inline]
    pub(super) fn push(&mut self, item: T) {
        self.total += 1;
        if self.kept.len() < self.max {
            self.kept.push(item);
        }
    }

    /// Returns how many are kept at most.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.total = 0;
    }
}
