//! Interned label pairs of one tenant: a series holds 4 bytes per label.
//!
//! Names lead to values, values to pair numbers, so a matcher is evaluated once per distinct value
//! of its label. A pair lives as long as a series entry uses it; its number is given away again
//! afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::map::HashMap;
use tarn_model::matcher::Matcher;

/// Number of an interned pair.
pub(crate) type PairId = u32;

/// What a pair takes beside its text: two counted strings, their places in the map and the list.
const PAIR_BYTES: u64 = 112;

#[derive(Debug, Default)]
pub(crate) struct Pairs {
    inner: RwLock<Inner>,
    /// Bytes of the series of all tenants.
    held: Arc<AtomicU64>,
}

/// A label with the series that have it.
#[derive(Debug, Clone)]
pub(crate) struct PairCount {
    pub(crate) label: Label,
    pub(crate) series: u64,
}

#[derive(Debug, Default)]
struct Inner {
    names: HashMap<Arc<str>, HashMap<Arc<str>, PairId>>,
    pairs: Vec<Pair>,
    free: Vec<PairId>,
    bytes: u64,
}

#[derive(Debug)]
struct Pair {
    label: Label,
    /// Series entries that hold the pair; 0 = the number is free.
    users: u32,
}

impl Pairs {
    /// Makes an empty table that counts its bytes in `held`.
    pub(crate) fn new(held: Arc<AtomicU64>) -> Self {
        Self { inner: RwLock::default(), held }
    }

    /// Counts bytes of what refers to pairs.
    pub(crate) fn hold(&self, bytes: u64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back what [`Pairs::hold`] counted.
    pub(crate) fn let_go(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns every pair with how many series have it.
    pub(crate) fn counts(&self) -> Vec<PairCount> {
        let inner = self.inner.read();
        let live = inner.pairs.iter().filter(|pair| pair.users > 0);
        live.map(|p| PairCount { label: p.label.clone(), series: u64::from(p.users) }).collect()
    }

    /// Interns the labels of a new series entry.
    pub(crate) fn acquire(&self, labels: &LabelSet) -> Box<[PairId]> {
        let mut inner = self.inner.write();
        let before = inner.bytes;
        let ids = labels.iter().map(|label| inner.acquire(label)).collect();
        self.hold(inner.bytes - before);
        ids
    }

    /// Gives back what [`Pairs::acquire`] took.
    pub(crate) fn release(&self, ids: &[PairId]) {
        let mut inner = self.inner.write();
        let before = inner.bytes;
        for id in ids {
            inner.release(*id);
        }
        self.let_go(before - inner.bytes);
    }

    /// Returns the labels of an entry, in name order.
    pub(crate) fn labels(&self, ids: &[PairId]) -> LabelSet {
        let inner = self.inner.read();
        LabelSet::from_sorted(
            ids.iter().map(|id| inner.pairs[*id as usize].label.clone()).collect(),
        )
    }

    /// Returns the pairs of the matcher's label whose value satisfies it, or does not.
    pub(crate) fn matching(&self, matcher: &Matcher, satisfied: bool) -> Vec<PairId> {
        let inner = self.inner.read();
        let Some(values) = inner.names.get(&*matcher.name) else {
            return Vec::new();
        };
        match matcher.values() {
            Some(wanted) if satisfied => {
                wanted.into_iter().filter_map(|v| values.get(v).copied()).collect()
            }
            _ => {
                let fits = |v: &str| matcher.matches(v) == satisfied;
                values.iter().filter(|(v, _)| fits(v)).map(|(_, id)| *id).collect()
            }
        }
    }

    /// Calls `each` with every pair of `name`, or of all names.
    pub(crate) fn each(&self, name: Option<&str>, mut each: impl FnMut(&Label, PairId)) {
        let inner = self.inner.read();
        match name {
            Some(name) => {
                for id in inner.names.get(name).into_iter().flat_map(|values| values.values()) {
                    each(&inner.pairs[*id as usize].label, *id);
                }
            }
            None => {
                for id in inner.names.values().flat_map(|values| values.values()) {
                    each(&inner.pairs[*id as usize].label, *id);
                }
            }
        }
    }
}

impl Inner {
    fn acquire(&mut self, label: &Label) -> PairId {
        if let Some(id) = self.names.get(&label.name).and_then(|values| values.get(&label.value)) {
            self.pairs[*id as usize].users += 1;
            return *id;
        }
        // The first spelling of a name is shared by all its pairs.
        let name = match self.names.get_key_value(&label.name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::clone(&label.name),
        };
        let pair = Pair { label: Label { name, value: Arc::clone(&label.value) }, users: 1 };
        let (name, value) = (Arc::clone(&pair.label.name), Arc::clone(&pair.label.value));
        self.bytes += PAIR_BYTES + value.len() as u64;
        let id = match self.free.pop() {
            Some(id) => {
                self.pairs[id as usize] = pair;
                id
            }
            None => {
                self.pairs.push(pair);
                (self.pairs.len() - 1) as PairId
            }
        };
        self.names.entry(name).or_default().insert(value, id);
        id
    }

    fn release(&mut self, id: PairId) {
        let pair = &mut self.pairs[id as usize];
        pair.users -= 1;
        if pair.users > 0 {
            return;
        }
        let label = std::mem::replace(&mut pair.label, Label::new("", ""));
        self.bytes -= PAIR_BYTES + label.value.len() as u64;
        if let Some(values) = self.names.get_mut(&label.name) {
            values.remove(&label.value);
            if values.is_empty() {
                self.names.remove(&label.name);
            }
        }
        self.free.push(id);
    }
}
