//! The blocks of a build, partition by partition, so that one that cannot be written holds up no
//! other.
//!
//! A partition is a tenant, a signal and a day. Where any block of it fails, be it by a panic, none of
//! the partition is taken: its rows go elsewhere together (`aside`).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::time::TimeRange;

use super::build::LATE;
use super::cut::{DAY_MS, day_name};
use crate::block::seal::NewBlock;

/// Decides whether a partition is to be spoiled.
type Decide = dyn Fn(&TenantId, Signal, &str) -> bool + Send + Sync;

/// Partitions that shall fail as if their rows could not be written. Nothing in an ordinary process;
/// tests spoil what no known input does.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Decide>>);

impl Faults {
    /// Spoils the partitions of which `decide` says so, by tenant, signal and day.
    pub fn new(decide: impl Fn(&TenantId, Signal, &str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decide)))
    }

    fn check(&self, tenant: &TenantId, signal: Signal, day: &str) -> Result<()> {
        match &self.0 {
            Some(decide) if decide(tenant, signal, day) => {
                Err(Error::internal("spoiled by a test"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.0.is_some()).finish()
    }
}

/// The days of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Days {
    /// Name of the partition: a date, or `late`.
    pub(crate) day: String,
    /// The dates in a `late` partition.
    pub(crate) days: Vec<String>,
    /// What times its rows may have.
    pub(crate) range: TimeRange,
}

impl Days {
    /// A day of its own.
    pub(crate) fn one(day: i64) -> Self {
        Self { day: day_name(day), days: Vec::new(), range: Self::range(day, day) }
    }

    /// All older days, in order.
    pub(crate) fn late(days: &[i64]) -> Self {
        let (first, last) = (days.first(), days.last());
        let range = first.zip(last).map_or(TimeRange::ALL, |(a, b)| Self::range(*a, *b));
        let days = days.iter().map(|day| day_name(*day)).collect();
        Self { day: LATE.to_owned(), days, range }
    }

    /// Whatever a signal has.
    pub(crate) fn all() -> Self {
        Self::late(&[])
    }

    /// Returns whether the partition of a block is in it.
    pub(crate) fn holds(&self, day: &str) -> bool {
        self.day == day || (self.day == LATE && self.days.is_empty())
    }

    fn range(first: i64, last: i64) -> TimeRange {
        let start_ms = first.saturating_mul(DAY_MS);
        TimeRange { start_ms, end_ms: last.saturating_add(1).saturating_mul(DAY_MS) - 1 }
    }
}

/// A partition that could not be built.
#[derive(Debug)]
pub(crate) struct Spoiled {
    pub(crate) tenant: TenantId,
    pub(crate) signal: Signal,
    pub(crate) days: Days,
    pub(crate) error: Error,
}

/// What a build comes to.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) blocks: Vec<NewBlock>,
    pub(crate) spoiled: Vec<Spoiled>,
    faults: Faults,
}

impl Pieces {
    pub(crate) fn new(faults: &Faults) -> Self {
        Self { faults: faults.clone(), ..Self::default() }
    }

    /// Takes one block of a partition, or notes that it failed.
    pub(crate) fn add(
        &mut self,
        (tenant, signal): (&TenantId, Signal),
        days: Days,
        make: impl FnOnce() -> Result<NewBlock>,
    ) {
        let faults = self.faults.clone();
        let made = caught(|| {
            faults.check(tenant, signal, &days.day)?;
            make()
        });
        match made {
            Ok(block) => self.blocks.push(block),
            Err(error) => self.spoil(tenant, signal, days, error),
        }
    }

    /// Runs what adds the blocks of one signal of a tenant; where that fails as a whole, all of them
    /// are spoiled.
    pub(crate) fn guard(
        &mut self,
        (tenant, signal): (&TenantId, Signal),
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) {
        if let Err(error) = caught(|| work(self)) {
            self.spoil(tenant, signal, Days::all(), error);
        }
    }

    fn spoil(&mut self, tenant: &TenantId, signal: Signal, days: Days, error: Error) {
        let known = |other: &Spoiled| other.tenant == *tenant && other.signal == signal;
        if !self.spoiled.iter().any(|other| known(other) && other.days.holds(&days.day)) {
            self.spoiled.push(Spoiled { tenant: tenant.clone(), signal, days, error });
        }
    }

    /// Returns the blocks of the partitions that are whole, and the others.
    pub(crate) fn split(self) -> (Vec<NewBlock>, Vec<Spoiled>) {
        let Self { mut blocks, spoiled, .. } = self;
        blocks.retain(|NewBlock { meta, .. }| {
            !spoiled.iter().any(|s| {
                s.tenant.as_str() == meta.tenant
                    && s.signal.as_str() == meta.signal
                    && s.days.holds(&meta.day)
            })
        });
        (blocks, spoiled)
    }

    /// Returns all blocks, or the first error.
    pub(crate) fn whole(self) -> Result<Vec<NewBlock>> {
        match self.spoiled.into_iter().next() {
            None => Ok(self.blocks),
            Some(spoiled) => Err(spoiled.error),
        }
    }
}

/// Turns a panic into an error: it concerns the rows at hand, not the process.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What was half built is dropped with the unwinding; nothing else is touched by a build.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        Err(Error::internal(format!("panicked: {text}")))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
