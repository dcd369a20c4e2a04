//! What was asked for: keys of attributes that queries filter and group by.
//!
//! Queries report the keys; flush and merges promote them to columns, however rare they are.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

/// Keys kept per tenant and signal: more than the promotion ever takes.
const KEYS_MAX: usize = 256;

/// What one tenant asked of one signal.
type Keys = BTreeMap<String, u64>;

/// Counts of what was asked for, since the start.
#[derive(Debug, Default)]
pub struct Usage {
    keys: Mutex<BTreeMap<(TenantId, Signal), Keys>>,
}

impl Usage {
    /// Notes that a query filtered or grouped by an attribute.
    pub fn asked(&self, tenant: &TenantId, signal: Signal, key: &str) {
        let mut all = self.keys.lock();
        let keys = all.entry((tenant.clone(), signal)).or_default();
        if let Some(count) = keys.get_mut(key) {
            *count += 1;
        } else if keys.len() < KEYS_MAX {
            keys.insert(key.to_owned(), 1);
        }
    }

    /// Returns the keys asked for most, most asked first.
    pub fn keys(&self, tenant: &TenantId, signal: Signal, most: usize) -> Vec<String> {
        let all = self.keys.lock();
        let Some(keys) = all.get(&(tenant.clone(), signal)) else { return Vec::new() };
        let mut keys: Vec<(&String, &u64)> = keys.iter().collect();
        keys.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        keys.into_iter().take(most).map(|(key, _)| key.clone()).collect()
    }
}
