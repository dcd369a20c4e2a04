//! The hash map and set of the whole project: hashbrown with foldhash.
//!
//! foldhash is seeded per process, which matters because keys come from outside; SipHash, the
//! standard library's default, is five times slower on label-sized keys.

/// Hash map with the project's hasher.
pub type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;
/// Hash set with the project's hasher.
pub type HashSet<T> = hashbrown::HashSet<T, foldhash::fast::RandomState>;
