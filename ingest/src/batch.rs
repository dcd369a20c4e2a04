//! Decoded rows → storage's `Appender`, with an account of what became of each.
//!
//! A decoder [`open`](Batch::open)s a series by its raw labels, then pushes rows. The key cache is
//! asked first; only on a miss are the labels parsed, checked and given to storage. A row that is
//! not taken becomes a problem of the report, and the rest goes on. What was learned about keys is
//! put into the cache after the commit, so that a dropped request leaves no trace in it.
//!
//! [`RowSink`] is all that is used of storage here: decoders are tested and fuzzed without one.

use std::sync::Arc;
use std::time::Duration;

use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::limits::Limits;
use tarn_model::sample::{Exemplar, Histogram, Metadata};
use tarn_storage::append::{Rejection, SeriesRef};

use crate::admit::Permit;
use crate::decode::key_cache::{KeySpace, Known};
use crate::reply::{Problems, Written};
use crate::validate::{Invalid, OLDEST_MS, Pairs, Reason};

mod memory;
mod place;
mod sink;

pub(crate) use memory::{Learned, Memory};
use place::place;
pub(crate) use sink::{Float, RowSink};

/// What a float holds while it waits for the commit: reference, time, value and start, and the same
/// again in the record that is made of them.
const FLOAT_BYTES: usize = 64;
/// What a learned key holds, in a list that doubles as it grows.
const LEARNED_BYTES: usize = 2 * size_of::<(u128, Known)>();
/// What an exemplar or a family holds beside its text.
const OTHER_BYTES: usize = 128;
/// Steps in which more memory is asked for, so that the counter is not touched per row.
const CHARGE_STEP: usize = 16 << 10;
/// How long a series beyond the limit is not asked for again.
const FULL_FOR: Duration = Duration::from_secs(10);

/// The labels of a series as they stand in the request.
pub(crate) trait RawLabels {
    /// Returns the key under which the cache knows these bytes.
    fn key(&self, space: &KeySpace) -> u128;

    /// Hands over each label.
    ///
    /// # Errors
    /// `Invalid` where the bytes are not what the protocol says: the request is undecodable.
    fn each<'a>(&'a self, pair: &mut dyn FnMut(&'a [u8], &'a [u8])) -> Result<()>;

    /// Finds what is wrong before there are labels at all. Asked on a miss only.
    ///
    /// # Errors
    /// Why nothing is taken of the series.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// How rows came, where that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Prometheus remote write 1.0.
    RemoteWrite1,
    /// Prometheus remote write 2.0.
    RemoteWrite2,
    /// OTLP metrics, over whatever transport.
    Otlp,
    /// Rows of this process.
    Own,
}

impl Protocol {
    /// Returns whether it is one of Prometheus' own.
    fn is_remote_write(self) -> bool {
        matches!(self, Self::RemoteWrite1 | Self::RemoteWrite2)
    }

    /// Returns the value of the `protocol` label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RemoteWrite1 => "remote_write_1",
            Self::RemoteWrite2 => "remote_write_2",
            Self::Otlp => "otlp",
            Self::Own => "own",
        }
    }
}

/// One request on its way into storage.
#[derive(Debug)]
pub(crate) struct Batch<'c, S> {
    pub(crate) sink: S,
    pub(crate) limits: &'c Limits,
    pub(crate) space: KeySpace,
    pub(crate) written: Written,
    pub(crate) problems: Problems,
    pub(crate) learned: Learned,
    /// Keys that were not in the cache.
    pub(crate) misses: u64,
    /// Job of the first series.
    pub(crate) job: Option<String>,
    protocol: Protocol,
    memory: &'c Memory,
    permit: &'c mut Permit,
    /// Bytes asked of the permit and not used yet.
    charged: usize,
    now_s: u32,
}

/// What a batch is made of beside its sink.
#[derive(Debug)]
pub(crate) struct BatchContext<'c> {
    pub(crate) limits: &'c Limits,
    pub(crate) memory: &'c Memory,
    pub(crate) permit: &'c mut Permit,
    pub(crate) space: KeySpace,
    pub(crate) protocol: Protocol,
    /// Monotonic time.
    pub(crate) now: Duration,
}

/// A series of the request to which rows can be pushed.
#[derive(Debug)]
pub(crate) struct Open<'r, R> {
    raw: &'r R,
    key: u128,
    /// Position in the request, for messages.
    number: usize,
    /// `None`: rejected, its rows are counted already.
    series: Option<SeriesRef>,
}

impl<'c, S: RowSink> Batch<'c, S> {
    pub(crate) fn new(sink: S, context: BatchContext<'c>) -> Self {
        let BatchContext { limits, memory, permit, space, protocol, now } = context;
        Self {
            sink,
            limits,
            space,
            written: Written::default(),
            problems: Problems::default(),
            learned: Learned::default(),
            misses: 0,
            job: None,
            protocol,
            memory,
            permit,
            charged: 0,
            now_s: seconds(now),
        }
    }

    /// Finds the series of raw labels, `rows` of which are going to be pushed.
    ///
    /// # Errors
    /// `Invalid` where the labels are undecodable.
    pub(crate) fn open<'r, R: RawLabels>(
        &mut self,
        raw: &'r R,
        number: usize,
        rows: u64,
    ) -> Result<Open<'r, R>> {
        if number == 0 && self.protocol.is_remote_write() {
            self.note_job(raw)?;
        }
        let key = raw.key(&self.space);
        let mut open = Open { raw, key, number, series: None };
        match self.memory.series.get(key) {
            Some(Known::Series(series)) => open.series = Some(series),
            Some(Known::Invalid(reason)) if !self.problems.want_detail() => {
                self.problems.add(reason.as_str(), rows, String::new);
            }
            Some(Known::Full { until }) if until > self.now_s && !self.problems.want_detail() => {
                self.problems.add("series_limit", rows, String::new);
            }
            _ => open.series = self.resolve(raw, key, number, rows)?,
        }
        Ok(open)
    }

    /// Notes who sends: one look at one series tells it of most requests.
    fn note_job<R: RawLabels>(&mut self, raw: &R) -> Result<()> {
        let job = &mut self.job;
        raw.each(&mut |name, value| {
            if name == b"job" {
                *job = Some(String::from_utf8_lossy(value).into_owned());
            }
        })
    }

    /// Parses labels and asks storage for their series.
    fn resolve<R: RawLabels>(
        &mut self,
        raw: &R,
        key: u128,
        number: usize,
        rows: u64,
    ) -> Result<Option<SeriesRef>> {
        self.misses += 1;
        self.charge(LEARNED_BYTES)?;
        let mut pairs = Pairs::new(self.limits.labels_max);
        raw.each(&mut |name, value| pairs.push(name, value))?;
        let known = match raw.check().and_then(|()| pairs.series_labels(self.limits)) {
            Err(invalid) => {
                self.reject_series(raw, number, rows, &invalid);
                Known::Invalid(invalid.reason)
            }
            Ok(labels) => match self.sink.series(&labels) {
                Ok(series) => Known::Series(series),
                Err(rejection @ Rejection::SeriesRate { retry_after, .. }) => {
                    let retry_after = Some(retry_after);
                    let kind = ErrorKind::LimitExceeded { retry_after };
                    return Err(Error::new(kind, rejection.to_string()));
                }
                Err(rejection) => {
                    let detail = || format!("{}: {rejection}", place(number, raw));
                    self.problems.add(rejection.reason(), rows, detail);
                    Known::Full { until: self.now_s.saturating_add(seconds(FULL_FOR)) }
                }
            },
        };
        self.learned.series.push((key, known));
        match known {
            Known::Series(series) => Ok(Some(series)),
            Known::Invalid(_) | Known::Full { .. } => Ok(None),
        }
    }

    /// Reports a series of which nothing is taken.
    pub(crate) fn reject_series<R: RawLabels>(
        &mut self,
        raw: &R,
        number: usize,
        rows: u64,
        invalid: &Invalid,
    ) {
        let detail = || format!("{}: {}", place(number, raw), invalid.message);
        self.problems.add(invalid.reason.as_str(), rows, detail);
    }

    /// Reports a row of an open series that is not taken. Rows of a rejected series are counted
    /// already.
    pub(crate) fn reject_row<R: RawLabels>(&mut self, open: &Open<'_, R>, invalid: &Invalid) {
        if open.series.is_some() {
            self.reject_series(open.raw, open.number, 1, invalid);
        }
    }

    /// Counts an exemplar that is not taken, which fails no request.
    pub(crate) fn reject_exemplar<R: RawLabels>(&mut self, open: &Open<'_, R>, invalid: &Invalid) {
        if open.series.is_some() {
            self.problems.count(invalid.reason.as_str(), 1);
        }
    }

    /// Pushes a float sample.
    ///
    /// # Errors
    /// Those that end the whole request: no memory, or storage at odds with itself.
    #[inline]
    pub(crate) fn float<R: RawLabels>(&mut self, open: &mut Open<'_, R>, row: Float) -> Result<()> {
        self.charge(FLOAT_BYTES)?;
        let row = Float { start_ms: known_start(row.start_ms, row.time_ms), ..row };
        if self.push(open, row.time_ms, |sink, series| sink.float(series, row))? {
            self.written.samples += 1;
        }
        Ok(())
    }

    /// Pushes a native histogram sample.
    ///
    /// # Errors
    /// As [`Batch::float`].
    pub(crate) fn histogram<R: RawLabels>(
        &mut self,
        open: &mut Open<'_, R>,
        time_ms: i64,
        value: Histogram,
        start_ms: i64,
    ) -> Result<()> {
        self.charge(FLOAT_BYTES + value.bytes())?;
        let start_ms = known_start(start_ms, time_ms);
        let value = Arc::new(value);
        let put =
            |sink: &mut S, series| sink.histogram(series, time_ms, Arc::clone(&value), start_ms);
        if self.push(open, time_ms, put)? {
            self.written.histograms += 1;
        }
        Ok(())
    }

    /// Pushes an exemplar. Only one that is out of order fails the request, and only in 2.0, where
    /// the specification counts exemplars.
    ///
    /// # Errors
    /// As [`Batch::float`].
    pub(crate) fn exemplar<R: RawLabels>(
        &mut self,
        open: &mut Open<'_, R>,
        exemplar: &Exemplar,
    ) -> Result<()> {
        let text: usize = exemplar.labels.iter().map(|l| l.name.len() + l.value.len()).sum();
        self.charge(OTHER_BYTES + text)?;
        let Some(series) = open.series else { return Ok(()) };
        if exemplar.time_ms < OLDEST_MS {
            self.problems.count(Reason::TooOld.as_str(), 1);
            return Ok(());
        }
        let mut result = self.sink.exemplar(series, exemplar.clone());
        if result == Err(Rejection::StaleReference)
            && let Some(series) = self.reopen(open)?
        {
            result = self.sink.exemplar(series, exemplar.clone());
        }
        match result {
            Ok(()) => self.written.exemplars += 1,
            Err(rejection @ Rejection::OutOfOrder { .. })
                if self.protocol == Protocol::RemoteWrite2 =>
            {
                let detail = || format!("{}: exemplar: {rejection}", place(open.number, open.raw));
                self.problems.add(rejection.reason(), 1, detail);
            }
            Err(rejection) => self.problems.count(rejection.reason(), 1),
        }
        Ok(())
    }

    /// Pushes a row, with a second try where the reference has gone stale. Returns whether it was
    /// taken.
    #[inline]
    fn push<R: RawLabels>(
        &mut self,
        open: &mut Open<'_, R>,
        time_ms: i64,
        mut put: impl FnMut(&mut S, SeriesRef) -> Result<(), Rejection>,
    ) -> Result<bool> {
        let Some(series) = open.series else { return Ok(false) };
        if time_ms < OLDEST_MS {
            let message = format!("sample time {time_ms} is before {OLDEST_MS}");
            self.reject_row(open, &Invalid::new(Reason::TooOld, message));
            return Ok(false);
        }
        let mut result = put(&mut self.sink, series);
        if matches!(result, Err(Rejection::StaleReference)) {
            let Some(series) = self.reopen(open)? else { return Ok(false) };
            result = put(&mut self.sink, series);
        }
        match result {
            Ok(()) => Ok(true),
            Err(Rejection::StaleReference) => {
                let message = "a series was dropped while it was written";
                Err(Error::unavailable(message, Duration::from_secs(1)))
            }
            Err(rejection) => {
                let detail = || format!("{}: {rejection}", place(open.number, open.raw));
                self.problems.add(rejection.reason(), 1, detail);
                Ok(false)
            }
        }
    }

    /// Asks storage again for a series whose reference has gone stale.
    fn reopen<R: RawLabels>(&mut self, open: &mut Open<'_, R>) -> Result<Option<SeriesRef>> {
        open.series = self.resolve(open.raw, open.key, open.number, 1)?;
        Ok(open.series)
    }

    /// Pushes the metadata of a family, unless the same was stored last. `content` is a hash of it.
    ///
    /// # Errors
    /// As [`Batch::float`].
    pub(crate) fn metadata(
        &mut self,
        family: &[u8],
        content: u64,
        parse: impl FnOnce(&Limits) -> Result<(String, Metadata), Invalid>,
    ) -> Result<()> {
        let key = self.space.key(family);
        if self.memory.families.get(key) == Some(content) {
            return Ok(());
        }
        match parse(self.limits) {
            Ok((family, metadata)) => {
                let text = family.len() + metadata.help.len() + metadata.unit.len();
                self.charge(OTHER_BYTES + text)?;
                self.sink.metadata(&family, &metadata);
                self.learned.families.push((key, content));
            }
            Err(invalid) => self.problems.count(invalid.reason.as_str(), 1),
        }
        Ok(())
    }

    /// Accounts for memory that decoding is about to take beyond the body.
    ///
    /// # Errors
    /// As [`Permit::grow`].
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        match self.charged.checked_sub(bytes) {
            Some(left) => {
                self.charged = left;
                Ok(())
            }
            None => self.charge_more(bytes),
        }
    }

    fn charge_more(&mut self, bytes: usize) -> Result<()> {
        let more = bytes.max(CHARGE_STEP);
        self.permit.grow(more)?;
        self.charged += more - bytes;
        Ok(())
    }
}

/// A start that is not before its sample says nothing.
fn known_start(start_ms: i64, time_ms: i64) -> i64 {
    if start_ms > time_ms { 0 } else { start_ms }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
