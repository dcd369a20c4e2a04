//! What is remembered from request to request: which bytes are which series, and which metadata is
//! stored already. A request learns on the side and adds to it only once it is stored.

use crate::decode::key_cache::{KeyCache, Known};

/// What is remembered between requests.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Seed of all keys of this process.
    pub(crate) seed: u64,
    /// Raw labels → series.
    pub(crate) series: KeyCache<Known>,
    /// Family name → hash of the metadata last stored.
    pub(crate) families: KeyCache<u64>,
}

/// What is remembered of one request once it is stored.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(super) series: Vec<(u128, Known)>,
    pub(super) families: Vec<(u128, u64)>,
}

impl Learned {
    /// Puts it into the memory of the process.
    pub(crate) fn keep(&self, memory: &Memory) {
        for (key, known) in &self.series {
            memory.series.put(*key, *known);
        }
        for (key, content) in &self.families {
            memory.families.put(*key, *content);
        }
    }
}
