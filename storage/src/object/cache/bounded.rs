//! A map with a bound of bytes: what was used least recently goes first.

use std::collections::BTreeMap;
use std::hash::Hash;

use tarn_model::map::HashMap;

#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// When used → what.
    order: BTreeMap<u64, K>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (entries, order) = (HashMap::default(), BTreeMap::new());
        Self { entries, order, uses: 0, bytes: 0, bytes_max }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        let entry = self.entries.get_mut(key)?;
        self.uses += 1;
        if let Some(key) = self.order.remove(&entry.used) {
            self.order.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(&entry.value)
    }

    /// Returns the bytes of all values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a value; one that is larger than the bound is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if bytes > self.bytes_max {
            return;
        }
        self.uses += 1;
        let entry = Entry { value, bytes, used: self.uses };
        self.order.insert(self.uses, key.clone());
        self.bytes += bytes;
        if let Some(old) = self.entries.insert(key, entry) {
            self.order.remove(&old.used);
            self.bytes -= old.bytes;
        }
        while self.bytes > self.bytes_max
            && let Some((_, key)) = self.order.pop_first()
        {
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_goes_first() {
        let mut cache = Bounded::new(10);
        let present =
            |cache: &mut Bounded<&str, ()>| ["a", "b", "c"].map(|k| cache.get(&k).is_some());
        cache.insert("a", (), 5);
        cache.insert("b", (), 5);
        assert!(cache.get(&"a").is_some());
        cache.insert("c", (), 5);
        assert_eq!(present(&mut cache), [true, false, true]);
        cache.insert("b", (), 11);
        assert_eq!(present(&mut cache), [true, false, true], "what is too large is not kept");
        cache.insert("b", (), 10);
        assert_eq!(present(&mut cache), [false, true, false]);
        assert_eq!((cache.bytes, cache.order.len()), (10, 1));
    }
}
