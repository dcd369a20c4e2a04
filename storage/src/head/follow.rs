//! Rows of the head as they become durable, for whoever follows them: live tails, hot rules, the
//! ledger of objectives, metrics made of spans.
//!
//! The commit thread hands what a group has inserted to the [`hub`], after the sync and after the
//! rows are visible, in the order of the log; a [`Follower`] pulls it from there. Nothing is copied:
//! what was inserted is moved into the batch that all followers share, and where nobody follows it
//! is dropped. Nobody is waited for: what a follower has not pulled when the hub is at its bound is
//! dropped, and the follower is told what it missed.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::future::BoxFuture;
use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::sample::Histogram;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tokio::sync::watch;

use crate::append::SeriesRef;
use crate::blocking;
use crate::head::columns::Rows;
use crate::head::series::place;
use crate::head::tables::TableBatch;
use crate::head::{Head, TenantHead};
use crate::schema::tables::Table;
use crate::wal::Lsn;

mod by_series;
mod catch_up;
pub(crate) mod file;
pub(crate) mod hub;
mod named;

pub use by_series::BySeries;
use catch_up::{CatchUp, Stretch};
use named::Known;

/// So often a stretch of the log is tried to be read.
const READS_MAX: u32 = 3;

/// What a follower wants to be told.
#[derive(Debug, Clone, Default)]
pub struct FollowOptions {
    /// The name under which it acknowledges; `None`: it begins anew with every start.
    pub name: Option<&'static str>,
    /// Rows of these tenants only; `None`: of all.
    pub tenants: Option<Vec<TenantId>>,
    /// Rows of these signals only; empty: of all.
    pub signals: Vec<Signal>,
}

impl FollowOptions {
    fn wants(&self, tenant: &TenantId, signal: Signal) -> bool {
        (self.signals.is_empty() || self.signals.contains(&signal))
            && self.tenants.as_ref().is_none_or(|tenants| tenants.contains(tenant))
    }
}

/// What happened, in the order of the log.
#[derive(Debug, Clone)]
pub enum Followed {
    /// Samples of one request.
    Samples(Arc<SampleBatch>),
    /// Log records or spans of one request.
    Rows(Arc<RowBatch>),
    /// The head was cut: everything at or below is about to become blocks.
    Cut(Lsn),
    /// The follower was too slow: of these records, both ends included, it was not told all.
    Lagged {
        /// The first.
        from: Lsn,
        /// The last.
        to: Lsn,
    },
}

/// The samples of one request.
#[derive(Debug)]
pub struct SampleBatch {
    lsn: Lsn,
    tenant: Arc<TenantHead>,
    rows: Rows,
    /// How often the places of the rows had been given away before: one per run of floats, then one
    /// per histogram.
    epochs: Box<[u32]>,
}

/// One sample.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Its series; see [`SampleBatch::labels`].
    pub series: SeriesRef,
    /// Its time.
    pub time_ms: i64,
    /// When its counter began; 0: unknown.
    pub start_ms: i64,
    /// Its value.
    pub value: Value<'a>,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A number, or the mark of staleness.
    Float(f64),
    /// A native histogram.
    Histogram(&'a Arc<Histogram>),
}

impl SampleBatch {
    fn new(lsn: Lsn, tenant: Arc<TenantHead>, rows: Rows) -> Self {
        let places = tenant.table.places();
        let epoch = |index: u32| place(&places, index).map_or(0, |place| place.epoch());
        let runs = rows.runs.iter().map(|run| epoch(run.index));
        let epochs = runs.chain(rows.histograms.iter().map(|row| epoch(row.index))).collect();
        Self { lsn, tenant, rows, epochs }
    }

    /// Returns the record.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Returns whose samples they are.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant.id
    }

    /// Returns how many samples there are.
    pub fn len(&self) -> usize {
        self.rows.times.len() + self.rows.histograms.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the samples: floats in the order in which they came, then histograms.
    pub fn samples(&self) -> impl Iterator<Item = Sample<'_>> {
        let Rows { runs, times, bits, starts, histograms, .. } = &self.rows;
        let (run_epochs, epochs) = self.epochs.split_at(runs.len());
        let series = runs.iter().zip(run_epochs).flat_map(|(run, epoch)| {
            std::iter::repeat_n(SeriesRef { index: run.index, epoch: *epoch }, run.n as usize)
        });
        let floats = series.enumerate().map(|(at, series)| Sample {
            series,
            time_ms: times[at],
            start_ms: starts.get(at).copied().unwrap_or(0),
            value: Value::Float(f64::from_bits(bits[at])),
        });
        let histograms = histograms.iter().zip(epochs).map(|(row, epoch)| Sample {
            series: SeriesRef { index: row.index, epoch: *epoch },
            time_ms: row.time_ms,
            start_ms: row.start_ms,
            value: Value::Histogram(&row.value),
        });
        floats.chain(histograms)
    }

    /// Returns the labels of a series of this batch; they are put together at each call, so that a
    /// follower keeps them, or what it makes of them, in a [`BySeries`] of the tenant. `None` where
    /// the series has been idle for an hour since and was forgotten.
    pub fn labels(&self, series: SeriesRef) -> Option<LabelSet> {
        let table = &self.tenant.table;
        let entry = table.entry(series.index)?;
        // A place that was given away after this would not have changed what the entry says.
        let epoch = place(&table.places(), series.index)?.epoch();
        (epoch == series.epoch).then(|| entry.labels())
    }

    fn bytes(&self) -> usize {
        let Rows { times, runs, histograms, exemplars, .. } = &self.rows;
        let counts: usize = histograms.iter().map(|row| row.value.bytes()).sum();
        let series = runs.len() * (8 + 4) + histograms.len() * (32 + 4);
        size_of::<Self>() + times.len() * 24 + series + counts + exemplars.len() * 128
    }
}

/// Log records or spans of one request.
#[derive(Debug)]
pub struct RowBatch {
    tenant: Arc<TenantHead>,
    batch: TableBatch,
}

impl RowBatch {
    /// Returns the record.
    pub fn lsn(&self) -> Lsn {
        self.batch.lsn
    }

    /// Returns whose rows they are.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant.id
    }

    /// Returns what they are.
    pub fn table(&self) -> Table {
        self.batch.table
    }

    pub(crate) fn batch(&self) -> &TableBatch {
        &self.batch
    }

    /// Returns the rows, in the schema of the table.
    pub fn rows(&self) -> &RecordBatch {
        &self.batch.rows
    }
}

/// A stretch of the log on its way from the disk.
struct Reading(BoxFuture<'static, (Box<CatchUp>, Result<Stretch>)>);

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

/// Is told what becomes durable. Each pulls at its own pace; dropping one ends it.
///
/// One with a name goes on behind what it has acknowledged
/// ([`Appender::acknowledge`](crate::append::Appender::acknowledge)), after a start too: what the list
/// does not have it reads from the files of the log, as far as they are kept for it
/// ([`Options::followers`](crate::Options::followers)).
#[derive(Debug)]
pub struct Follower {
    head: Arc<Head>,
    options: FollowOptions,
    /// By which the hub knows it; one with a name is let in when the log has been replayed.
    id: Option<u64>,
    changed: watch::Receiver<()>,
    position: Lsn,
    /// Up to here it reads the files of the log.
    until: Lsn,
    catch_up: Option<Box<CatchUp>>,
    /// A stretch that is being read: whoever does not wait for it finds it the next time.
    reading: Option<Reading>,
    /// Read from there, and not yet told.
    ready: VecDeque<(Lsn, Followed)>,
    failures: u32,
}

impl Follower {
    pub(crate) fn new(head: Arc<Head>, options: FollowOptions) -> Self {
        let changed = head.followers.subscribe();
        let (id, position) = match options.name {
            Some(_) => (None, Lsn::default()),
            None => {
                let (id, position) = head.followers.join();
                (Some(id), position)
            }
        };
        Self {
            head,
            options,
            id,
            changed,
            position,
            until: Lsn::default(),
            catch_up: None,
            reading: None,
            ready: VecDeque::new(),
            failures: 0,
        }
    }

    /// Returns how far it is: everything above will be told, and what is at or below was told, or
    /// was visible before it began, or is none of its rows.
    pub fn position(&self) -> Lsn {
        self.position
    }

    /// Waits for what happens next; `None` when the store was closed and everything was told, or, for
    /// one with a name, will be told after the next start. May be dropped and called again without
    /// losing anything.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            self.changed.mark_unchanged();
            let closed = self.head.followers.is_closed();
            if let Some(next) = self.try_next() {
                return Some(next);
            }
            if closed {
                return None;
            }
            if self.position < self.until {
                self.read_on().await;
            } else if self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Returns what has happened already; `None` where that is nothing, or where it must be read from
    /// the log, which only [`Follower::next`] does.
    pub fn try_next(&mut self) -> Option<Followed> {
        if let Some((lsn, next)) = self.ready.pop_front() {
            self.position = lsn.max(self.position);
            return Some(next);
        }
        let id = self.id.or_else(|| self.join())?;
        if self.position < self.until || !self.ready.is_empty() {
            return None;
        }
        let next = self.head.followers.pull(id, &mut self.position, &self.options);
        match (next, self.options.name) {
            (Some(Followed::Lagged { from, to }), Some(_)) => {
                (self.position, self.until) = (from.prev(), to);
                None
            }
            (next, _) => next,
        }
    }

    /// Lets one with a name in, once the log has been replayed.
    fn join(&mut self) -> Option<u64> {
        let (hub, name) = (&self.head.followers, self.options.name?);
        hub.files()?;
        let (id, last) = hub.join();
        self.until = last;
        self.position = match hub.named().position(name) {
            Known::Position(position) => position.min(last),
            Known::New => Lsn::default(),
            Known::Lost => {
                self.ready.push_back((last, Followed::Lagged { from: Lsn(1), to: last }));
                last
            }
        };
        self.id = Some(id);
        self.id
    }

    /// Reads a stretch of the log.
    async fn read_on(&mut self) {
        if self.reading.is_none() {
            let begun = self.catch_up.take().or_else(|| self.begin_reading());
            let Some(mut work) = begun else { return };
            let step = blocking::run(move || {
                let stretch = work.step();
                (work, stretch)
            });
            self.reading = Some(Reading(Box::pin(step)));
        }
        let Some(Reading(reading)) = &mut self.reading else { return };
        let (work, stretch) = reading.await;
        self.reading = None;
        match stretch {
            Ok(Stretch { told, reached, done }) => {
                self.failures = 0;
                self.ready.extend(told);
                let reached = if done { self.until } else { reached };
                // The last one says how far everything is.
                match self.ready.back_mut() {
                    Some((lsn, _)) => *lsn = reached,
                    None => self.position = reached,
                }
                self.catch_up = (!done).then_some(work);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Returns a way through the log from the position on; `None` where it begins too late.
    fn begin_reading(&mut self) -> Option<Box<CatchUp>> {
        let files = self.head.followers.files()?;
        let stretch = (self.position, self.until);
        let (first, work) = CatchUp::new(&self.head, files, &self.options, stretch);
        if first > self.position.next() {
            let (from, to) = (self.position.next(), first.prev().min(self.until));
            if self.position > Lsn::default() {
                self.ready.push_back((to, Followed::Lagged { from, to }));
                return None;
            }
            // It is new, and everything that there is, is all it asks for.
            self.position = to;
        }
        Some(Box::new(work))
    }

    /// The log was recycled while it was read, mostly; otherwise it is damaged.
    fn failed(&mut self, error: &Error) {
        self.failures += 1;
        if self.failures >= READS_MAX {
            tracing::error!(%error, name = self.options.name, "log cannot be followed, rows are missed");
            let (from, to) = (self.position.next(), self.until);
            self.ready.push_back((to, Followed::Lagged { from, to }));
            self.failures = 0;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.head.followers.leave(id);
        }
    }
}
