//! The series table of one tenant: identity → place.
//!
//! It outlives head generations, because senders keep their references. What a request needs per
//! sample (is the reference valid, how new is the newest sample) lies in [`Place`]s: atomics in
//! blocks that never move, read and raised without any lock. A series that was idle for long is
//! forgotten by [`SeriesTable::sweep`]: its place gets a new epoch, so an old reference is a miss.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use hashbrown::HashTable;
use parking_lot::RwLock;
use prometheus_client::metrics::gauge::Gauge;
use tarn_model::labels::{LabelSet, SeriesId};

use crate::append::SeriesRef;
use crate::head::pairs::{PairId, Pairs};

/// Places per block of places: 24 KiB, so that few series waste little.
const BLOCK: usize = 1024;
/// `last_seen` of a place whose series was forgotten.
const FORGOTTEN: i64 = i64::MAX;

/// What a series takes beside its pairs: entry, place, the slot of the table, and what the key cache
/// and the generations keep to find it.
const ENTRY_BYTES: u64 = 280;

/// What is known of a series: immutable, shared by the table and the head generations.
#[derive(Debug)]
pub(crate) struct SeriesEntry {
    pub(crate) id: SeriesId,
    /// Place in the table.
    pub(crate) index: u32,
    pub(crate) pairs: Box<[PairId]>,
    interner: Arc<Pairs>,
}

impl SeriesEntry {
    fn new(id: SeriesId, index: u32, labels: &LabelSet, interner: &Arc<Pairs>) -> Arc<Self> {
        let interner = Arc::clone(interner);
        let entry = Self { id, index, pairs: interner.acquire(labels), interner };
        entry.interner.hold(entry.bytes());
        Arc::new(entry)
    }

    fn bytes(&self) -> u64 {
        ENTRY_BYTES + size_of_val(&*self.pairs) as u64
    }

    /// Returns the labels.
    pub(crate) fn labels(&self) -> LabelSet {
        self.interner.labels(&self.pairs)
    }
}

impl Drop for SeriesEntry {
    fn drop(&mut self) {
        self.interner.let_go(self.bytes());
        self.interner.release(&self.pairs);
    }
}

/// The part of a series that requests read and raise.
#[derive(Debug)]
pub(crate) struct Place {
    newest_ms: AtomicI64,
    last_seen_ms: AtomicI64,
    epoch: AtomicU32,
    /// Number of the last definition period in which the log got the labels.
    defined: AtomicU32,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            newest_ms: AtomicI64::new(i64::MIN),
            last_seen_ms: AtomicI64::new(FORGOTTEN),
            epoch: AtomicU32::new(0),
            defined: AtomicU32::new(0),
        }
    }
}

impl Place {
    /// Returns whether the place still belongs to the reference's series, and keeps it from being
    /// forgotten for a while.
    pub(crate) fn touch(&self, epoch: u32, now_ms: i64) -> bool {
        // First the mark, then the epoch: once marked, the series cannot be forgotten in between.
        let mut seen = self.last_seen_ms.load(Ordering::Acquire);
        if seen < now_ms {
            seen = self.last_seen_ms.fetch_max(now_ms, Ordering::AcqRel);
        }
        seen != FORGOTTEN && self.epoch.load(Ordering::Acquire) == epoch
    }

    /// Returns how often the place has been given away before.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Keeps the series from being forgotten for a while.
    pub(crate) fn seen(&self, now_ms: i64) {
        self.last_seen_ms.fetch_max(now_ms, Ordering::AcqRel);
    }

    /// Returns the newest admitted time, `i64::MIN` where there is none.
    pub(crate) fn newest_ms(&self) -> i64 {
        self.newest_ms.load(Ordering::Relaxed)
    }

    /// Notes an admitted time.
    pub(crate) fn admit(&self, time_ms: i64) {
        if time_ms > self.newest_ms() {
            self.newest_ms.fetch_max(time_ms, Ordering::Relaxed);
        }
    }

    /// Returns whether the log has the definition in this period.
    pub(crate) fn is_defined(&self, period: u32) -> bool {
        self.defined.load(Ordering::Relaxed) == period
    }

    /// Returns whether the log lacks the definition in this period, and takes it as given.
    pub(crate) fn define(&self, period: u32) -> bool {
        // Only the commit thread gets here; most series are defined, and a load is cheap.
        if self.is_defined(period) {
            return false;
        }
        self.defined.store(period, Ordering::Relaxed);
        true
    }
}

/// A block of places.
pub(crate) type PlaceBlock = [Place; BLOCK];

/// A fixed list of blocks of places, as one request uses it.
pub(crate) type PlaceList = Arc<Vec<Arc<PlaceBlock>>>;

/// Returns the place of an index, or `None` beyond the list.
pub(crate) fn place(list: &PlaceList, index: u32) -> Option<&Place> {
    let index = index as usize;
    list.get(index / BLOCK).map(|block| &block[index % BLOCK])
}

#[derive(Debug)]
pub(crate) struct SeriesTable {
    pub(crate) pairs: Arc<Pairs>,
    inner: RwLock<Inner>,
    places: ArcSwap<Vec<Arc<PlaceBlock>>>,
    active: AtomicU64,
    /// Active series of all tenants.
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Inner {
    by_id: HashTable<u32>,
    entries: Vec<Option<Arc<SeriesEntry>>>,
    free: Vec<u32>,
}

impl SeriesTable {
    /// Makes an empty table that counts its series in a gauge, and their bytes in `held`.
    pub(crate) fn new(gauge: Gauge, held: Arc<AtomicU64>) -> Self {
        Self {
            pairs: Arc::new(Pairs::new(held)),
            inner: RwLock::default(),
            places: ArcSwap::from_pointee(Vec::new()),
            active: AtomicU64::new(0),
            gauge,
        }
    }

    /// Returns how many series are known.
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Returns the earliest and the latest of the newest times of all series.
    pub(crate) fn newest_times(&self) -> Option<(i64, i64)> {
        let places = self.places();
        let all = places.iter().flat_map(|block| block.iter());
        let known = all.filter(|place| place.last_seen_ms.load(Ordering::Relaxed) != FORGOTTEN);
        let times = known.map(Place::newest_ms).filter(|time| *time != i64::MIN);
        times.fold(None, |found, time| {
            let (low, high) = found.unwrap_or((time, time));
            Some((time.min(low), time.max(high)))
        })
    }

    /// Returns the places as they are now.
    pub(crate) fn places(&self) -> PlaceList {
        self.places.load_full()
    }

    /// Returns the entry at an index.
    pub(crate) fn entry(&self, index: u32) -> Option<Arc<SeriesEntry>> {
        self.inner.read().entries.get(index as usize).cloned().flatten()
    }

    /// Finds the series.
    pub(crate) fn find(&self, labels: &LabelSet, now_ms: i64) -> Option<SeriesRef> {
        let index = self.inner.read().find(labels.series_id())?;
        Some(self.seen(index, now_ms))
    }

    /// Finds the series, or creates it unless the tenant has `limit` already: then `None`.
    pub(crate) fn find_or_create(
        &self,
        labels: &LabelSet,
        now_ms: i64,
        limit: u64,
    ) -> Option<SeriesRef> {
        let id = labels.series_id();
        {
            let inner = self.inner.read();
            if let Some(index) = inner.find(id) {
                return Some(self.seen(index, now_ms));
            }
        }
        let mut inner = self.inner.write();
        if let Some(index) = inner.find(id) {
            return Some(self.seen(index, now_ms));
        }
        if self.active() >= limit {
            return None;
        }
        Some(self.create(&mut inner, id, labels, now_ms))
    }

    /// Forgets the series that no request has used since `before_ms` and that `in_use` does not
    /// know. Returns how many.
    pub(crate) fn sweep(&self, before_ms: i64, in_use: impl Fn(u32) -> bool) -> u64 {
        let places = self.places();
        let mut inner = self.inner.write();
        let mut forgotten = 0;
        for index in 0..inner.entries.len() as u32 {
            let Some(entry) = inner.entries[index as usize].clone() else { continue };
            let Some(place) = place(&places, index) else { continue };
            let seen = place.last_seen_ms.load(Ordering::Acquire);
            if seen >= before_ms || in_use(index) {
                continue;
            }
            let mark = place.last_seen_ms.compare_exchange(
                seen,
                FORGOTTEN,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if mark.is_err() {
                continue;
            }
            place.epoch.fetch_add(1, Ordering::AcqRel);
            inner.entries[index as usize] = None;
            if let Ok(found) = inner.by_id.find_entry(hash(entry.id), |i| *i == index) {
                found.remove();
            }
            inner.free.push(index);
            forgotten += 1;
        }
        self.active.fetch_sub(forgotten, Ordering::Relaxed);
        self.gauge.dec_by(forgotten as i64);
        forgotten
    }

    fn seen(&self, index: u32, now_ms: i64) -> SeriesRef {
        let places = self.places.load();
        let epoch = place(&places, index).map_or(0, |place| {
            place.last_seen_ms.fetch_max(now_ms, Ordering::AcqRel);
            place.epoch.load(Ordering::Acquire)
        });
        SeriesRef { index, epoch }
    }

    fn create(&self, inner: &mut Inner, id: SeriesId, labels: &LabelSet, now_ms: i64) -> SeriesRef {
        let index = inner.free.pop().unwrap_or(inner.entries.len() as u32);
        if index as usize / BLOCK >= self.places.load().len() {
            let mut blocks = Vec::clone(&self.places());
            blocks.push(Arc::new(std::array::from_fn(|_| Place::default())));
            self.places.store(Arc::new(blocks));
        }
        let entry = SeriesEntry::new(id, index, labels, &self.pairs);
        if index as usize == inner.entries.len() {
            inner.entries.push(Some(entry));
        } else {
            inner.entries[index as usize] = Some(entry);
        }
        let Inner { by_id, entries, .. } = inner;
        by_id.insert_unique(hash(id), index, |i| {
            entries[*i as usize].as_ref().map_or(0, |entry| hash(entry.id))
        });
        self.active.fetch_add(1, Ordering::Relaxed);
        self.gauge.inc();
        let places = self.places.load();
        let epoch = place(&places, index).map_or(0, |place| {
            place.newest_ms.store(i64::MIN, Ordering::Relaxed);
            place.defined.store(0, Ordering::Relaxed);
            place.last_seen_ms.store(now_ms, Ordering::Release);
            place.epoch.load(Ordering::Acquire)
        });
        SeriesRef { index, epoch }
    }
}

impl Inner {
    fn find(&self, id: SeriesId) -> Option<u32> {
        let same = |index: &u32| self.entries[*index as usize].as_ref().is_some_and(|e| e.id == id);
        self.by_id.find(hash(id), same).copied()
    }
}

/// The identity is a good hash already.
fn hash(id: SeriesId) -> u64 {
    id.0 as u64
}
