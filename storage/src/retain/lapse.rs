//! Blocks whose rows are all older than their retention.
//!
//! A block goes as a whole, when its newest row is older than the lifetime of its class. From the
//! first merge on a block holds one class and one day, so rows go at latest a day after their time.
//! What was never merged goes when the longest of the lives has passed that its rows could have.
//! Metadata of metric families has no time and stays.

use crate::catalog::State;
use crate::compact::classes::lifetime;
use crate::options::Retention;
use crate::schema::kind;

/// Returns the keys of the blocks of a catalog that are too old at a paced time.
pub fn lapsed(state: &State, retention: &Retention, paced_ms: i64) -> Vec<String> {
    let mut keys = Vec::new();
    if retention.rules.is_empty() {
        return keys;
    }
    for (tenant, signal) in state.holders() {
        for block in state.blocks(&tenant, signal).filter(|block| block.kind != kind::FAMILIES) {
            let Some(life) = lifetime(retention, &tenant, signal, &block.class) else { continue };
            let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
            if block.time_max_ms.saturating_add(life_ms) < paced_ms {
                keys.push(block.object.clone());
            }
        }
    }
    // Blocks that share an object share its fate: it goes when all of them may.
    let shared = |key: &String| {
        let of_key = |key: &String| keys.iter().filter(|other| *other == key).count();
        state.all_blocks().filter(|block| block.object == *key).count() == of_key(key)
    };
    if state.all_blocks().any(|block| block.offset > 0) {
        let mut whole: Vec<String> = keys.iter().filter(|key| shared(key)).cloned().collect();
        whole.sort_unstable();
        whole.dedup();
        return whole;
    }
    keys
}
