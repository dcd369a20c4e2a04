//! Who follows by name, and how far each is: what the log keeps for them.
//!
//! A position is known once the record that acknowledges it is durable. It comes back at a start from
//! those records, and from the [`file`](super::file) for the records that the log has let go of. The
//! labels of series stand in the log once per definition period, so what is kept begins where a
//! period does: at a *boundary*.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::wal::{Keep, Lsn};

/// Boundaries that are known at most: eleven hours of a cut every ten seconds. Where older ones are
/// needed, the log is read from its beginning.
const BOUNDARIES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Named {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// For whom the log is kept.
    wanted: Vec<&'static str>,
    keep: Arc<Keep>,
    positions: BTreeMap<String, Lsn>,
    /// Last records of definition periods.
    boundaries: BTreeSet<Lsn>,
    /// Positions may have been known once.
    lost: bool,
}

/// Where one goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Behind what it has acknowledged.
    Position(Lsn),
    /// It has never acknowledged anything.
    New,
    /// Nobody knows.
    Lost,
}

/// What stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    pub(crate) positions: BTreeMap<String, Lsn>,
    pub(crate) boundaries: BTreeSet<Lsn>,
}

impl Named {
    /// Says for whom `keep` keeps the log.
    pub(crate) fn keep_for(&self, wanted: &[&'static str], keep: &Arc<Keep>) {
        let mut inner = self.inner.lock();
        (inner.wanted, inner.keep) = (wanted.to_vec(), Arc::clone(keep));
    }

    /// Takes over what an earlier life has written; `None`: it could not be read.
    pub(crate) fn restore(&self, file: Option<Positions>) {
        let mut inner = self.inner.lock();
        inner.lost = file.is_none();
        Positions { positions: inner.positions, boundaries: inner.boundaries } =
            file.unwrap_or_default();
        inner.refresh();
    }

    /// Returns what the next life needs; `None` where nobody follows by name.
    pub(crate) fn export(&self) -> Option<Positions> {
        let inner = self.inner.lock();
        let positions = inner.positions.iter();
        let wanted = positions.filter(|(name, _)| {
            let whose = name.split_once('/').map_or(name.as_str(), |(whose, _)| whose);
            inner.wanted.contains(&whose)
        });
        let positions = wanted.map(|(name, lsn)| (name.clone(), *lsn)).collect();
        let boundaries = inner.boundaries.clone();
        (!inner.wanted.is_empty()).then_some(Positions { positions, boundaries })
    }

    /// Notes a durable acknowledgement.
    pub(crate) fn acknowledge(&self, name: &str, lsn: Lsn) {
        let mut inner = self.inner.lock();
        match inner.positions.get_mut(name) {
            Some(position) => *position = lsn.max(*position),
            None => drop(inner.positions.insert(name.to_owned(), lsn)),
        }
        inner.refresh();
    }

    /// Notes that a definition period ends with this record.
    pub(crate) fn boundary(&self, last: Lsn) {
        let mut inner = self.inner.lock();
        inner.boundaries.insert(last);
        inner.refresh();
    }

    /// Returns the names that begin like this, and how far each is.
    pub(crate) fn positions(&self, prefix: &str) -> Vec<(String, Lsn)> {
        let inner = self.inner.lock();
        let found = inner.positions.range(prefix.to_owned()..);
        let found = found.take_while(|(name, _)| name.starts_with(prefix));
        found.map(|(name, lsn)| (name.clone(), *lsn)).collect()
    }

    pub(super) fn position(&self, name: &str) -> Known {
        let inner = self.inner.lock();
        match inner.positions.get(name) {
            Some(position) => Known::Position(*position),
            None if inner.lost => Known::Lost,
            None => Known::New,
        }
    }

    /// Returns the last boundary at or below.
    pub(super) fn boundary_at(&self, lsn: Lsn) -> Lsn {
        self.inner.lock().boundary_at(lsn)
    }
}

impl Inner {
    fn boundary_at(&self, lsn: Lsn) -> Lsn {
        self.boundaries.range(..=lsn).next_back().copied().unwrap_or_default()
    }

    /// Says what is to be kept, and forgets the boundaries below.
    fn refresh(&mut self) {
        let position = |name: &&str| self.positions.get(*name).copied().unwrap_or_default();
        let slowest = self.wanted.iter().map(position).min();
        if let Some(slowest) = slowest {
            let above = self.boundary_at(slowest);
            self.keep.above(above);
            self.boundaries = self.boundaries.split_off(&above);
        }
        let bound = if slowest.is_some() { BOUNDARIES_MAX } else { 1 };
        while self.boundaries.len() > bound {
            self.boundaries.pop_first();
        }
    }
}
