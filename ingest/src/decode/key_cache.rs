//! Raw label bytes → what became of them last time.
//!
//! Senders repeat the same label bytes in every request, so a series is recognised by a hash of them
//! and its labels are parsed once. The key is 128 bits of XXH3 over the raw bytes; its secret is
//! drawn per process and mixed with tenant and protocol, so that nobody outside can make two series
//! collide and no tenant can meet the key of another.
//!
//! The cache is cut into shards, each two generations of a hash map. New and used keys live in the
//! young one; when that holds its share it becomes the old one, and what was still in the old one is
//! forgotten. That is a least-recently-used cache with two steps of age, a bound in bytes, and no
//! bookkeeping on a hit.

use std::fmt;

use parking_lot::RwLock;
use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_storage::append::SeriesRef;
use xxhash_rust::xxh3::{xxh3_64_with_secret, xxh3_64_with_seed, xxh3_128_with_secret};

use crate::validate::Reason;

/// Locks per cache: more than cores, so that requests rarely wait for each other.
const SHARDS: usize = 64;

/// What a key is counted with: 32 bytes and a control byte, in a table that doubles when full.
const ENTRY_BYTES: usize = 64;

/// XXH3's own secret has this length.
const SECRET_BYTES: usize = 192;

/// What is remembered of label bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// They are a series. The reference may have gone stale since.
    Series(SeriesRef),
    /// They are no series, and never will be.
    Invalid(Reason),
    /// They are a series beyond the tenant's limit; ask again at this second of the clock.
    Full {
        /// Monotonic seconds.
        until: u32,
    },
}

/// Makes the keys of one tenant and protocol.
#[derive(Clone)]
pub(crate) struct KeySpace {
    /// Given a seed instead, XXH3 would derive such a secret for every input above 240 bytes.
    secret: [u8; SECRET_BYTES],
}

impl fmt::Debug for KeySpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySpace")
    }
}

impl KeySpace {
    /// Mixes the seed of the process with whose and what kind of bytes are going to be hashed.
    pub(crate) fn new(process_seed: u64, tenant: &TenantId, protocol: &str) -> Self {
        let tenant = xxh3_64_with_seed(tenant.as_str().as_bytes(), process_seed);
        let seed = xxh3_64_with_seed(protocol.as_bytes(), tenant);
        let mut secret = [0; SECRET_BYTES];
        for (n, word) in (0u64..).zip(secret.as_chunks_mut::<8>().0) {
            *word = xxh3_64_with_seed(&n.to_le_bytes(), seed).to_le_bytes();
        }
        Self { secret }
    }

    /// Returns the key of raw bytes.
    #[inline]
    pub(crate) fn key(&self, bytes: &[u8]) -> u128 {
        xxh3_128_with_secret(bytes, &self.secret)
    }

    /// Returns the hash of a part of what will be a key.
    #[inline]
    pub(crate) fn part(&self, bytes: &[u8]) -> u64 {
        xxh3_64_with_secret(bytes, &self.secret)
    }
}

/// A bounded map from keys to small values.
#[derive(Debug)]
pub(crate) struct KeyCache<V> {
    shards: Box<[RwLock<Shard<V>>]>,
    generation_max: usize,
}

#[derive(Debug)]
struct Shard<V> {
    young: HashMap<u128, V>,
    old: HashMap<u128, V>,
}

impl<V: Copy> KeyCache<V> {
    /// Makes a cache that uses at most about `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        let shard = || RwLock::new(Shard { young: HashMap::default(), old: HashMap::default() });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            generation_max: (bytes / ENTRY_BYTES / SHARDS / 2).max(1),
        }
    }

    /// Returns what is remembered of a key.
    #[inline]
    pub(crate) fn get(&self, key: u128) -> Option<V> {
        let lock = self.shard(key)?;
        let aged = {
            let shard = lock.read();
            if let Some(value) = shard.young.get(&key) {
                return Some(*value);
            }
            *shard.old.get(&key)?
        };
        lock.write().put(key, aged, self.generation_max);
        Some(aged)
    }

    /// Remembers a value, in place of the one before.
    pub(crate) fn put(&self, key: u128, value: V) {
        if let Some(shard) = self.shard(key) {
            shard.write().put(key, value, self.generation_max);
        }
    }

    #[inline]
    fn shard(&self, key: u128) -> Option<&RwLock<Shard<V>>> {
        // The map inside mixes the key again, so the upper bits are free for choosing the shard.
        let [.., high] = key.to_le_bytes();
        self.shards.get(usize::from(high) % SHARDS)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|s| s.read().young.len() + s.read().old.len()).sum()
    }
}

impl<V> Shard<V> {
    fn put(&mut self, key: u128, value: V, generation_max: usize) {
        if self.young.len() >= generation_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_tenant_protocol_and_process() {
        let (a, b) = (TenantId::parse("a").expect("valid"), TenantId::parse("b").expect("valid"));
        let keys = [
            KeySpace::new(1, &a, "v1").key(b"labels"),
            KeySpace::new(1, &b, "v1").key(b"labels"),
            KeySpace::new(1, &a, "v2").key(b"labels"),
            KeySpace::new(2, &a, "v1").key(b"labels"),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys.iter().skip(i + 1).any(|k| k == key));
        }
        assert_eq!(KeySpace::new(1, &a, "v1").key(b"labels"), keys[0]);
    }

    #[test]
    fn used_keys_stay_and_others_are_forgotten() {
        let cache = KeyCache::new(ENTRY_BYTES * SHARDS * 2 * 100);
        let space = KeySpace::new(7, &TenantId::default_tenant(), "v1");
        let hot: Vec<u128> = (0..100u32).map(|n| space.key(&n.to_le_bytes())).collect();
        for (n, key) in hot.iter().enumerate() {
            cache.put(*key, n);
        }
        for cold in 1000..200_000u32 {
            cache.put(space.key(&cold.to_le_bytes()), 0);
            if cold % 500 == 0 {
                assert!(hot.iter().enumerate().all(|(n, k)| cache.get(*k) == Some(n)));
            }
        }
        assert!(cache.len() <= SHARDS * 200, "{} entries", cache.len());
        assert_eq!(cache.get(space.key(&1000u32.to_le_bytes())), None);
    }

    #[test]
    fn the_last_value_counts() {
        let cache = KeyCache::new(1 << 20);
        for value in [Known::Invalid(Reason::Nul), Known::Full { until: 5 }] {
            cache.put(9, value);
            assert_eq!(cache.get(9), Some(value));
        }
        assert!(size_of::<(u128, Known)>() <= 32);
    }
}
