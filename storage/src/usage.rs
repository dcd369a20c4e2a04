//! What was asked for: keys of attributes that queries filter, group or show.
//!
//! Every scan notes the keys it names; flush and merges promote those asked most to columns, however
//! rare they are. Counts are halved every day, so what nobody asks for any more is forgotten within
//! about a week. They live through restarts in a small file ([`file`]); it may get lost, then a few
//! columns come later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::flush::cut::day_of;
use crate::open::Shared;
use crate::schema::tables::{Promoted, Table};
use crate::view::rows::{RowColumn, RowScan};

pub(crate) mod file;

/// Keys kept per tenant and signal: more than the promotion ever takes.
const KEYS_MAX: usize = 256;
/// Longer keys are never promoted.
const KEY_BYTES_MAX: usize = 128;
/// A count that is halved so often is gone, whatever it was.
const HALVINGS_MAX: i64 = 63;
/// How often counts are written down. What a crash forgets is asked again.
const SAVE_INTERVAL: Duration = Duration::from_secs(600);

/// What one tenant asked of one signal.
type Keys = BTreeMap<String, u64>;

/// Counts of what was asked for.
#[derive(Debug, Default)]
pub struct Usage {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    keys: BTreeMap<(TenantId, Signal), Keys>,
    /// The day for which counts were halved last; 0 = none yet.
    day: i64,
    /// Something is not written down.
    changed: bool,
}

impl Usage {
    /// Notes that a query filtered or grouped by an attribute.
    pub fn asked(&self, tenant: &TenantId, signal: Signal, key: &str) {
        if key.len() > KEY_BYTES_MAX {
            return;
        }
        let mut counts = self.counts.lock();
        counts.changed = true;
        let keys = counts.keys.entry((tenant.clone(), signal)).or_default();
        if let Some(count) = keys.get_mut(key) {
            *count += 1;
            return;
        }
        if keys.len() == KEYS_MAX {
            // Room for new ones: whoever asks for many keys once does not keep others out.
            halve(keys, 1);
        }
        if keys.len() < KEYS_MAX {
            keys.insert(key.to_owned(), 1);
        }
    }

    /// Notes the keys that a scan names.
    pub(crate) fn scanned(&self, tenant: &TenantId, scan: &RowScan) {
        let filters = scan.filters.iter().flat_map(|filter| &filter.columns);
        let keys = scan.columns.iter().chain(filters).filter_map(|c| key_of(scan.table, c));
        for key in keys.collect::<BTreeSet<&str>>() {
            self.asked(tenant, scan.table.signal(), key);
        }
    }

    /// Returns the keys asked for most, most asked first.
    pub fn keys(&self, tenant: &TenantId, signal: Signal, most: usize) -> Vec<String> {
        let counts = self.counts.lock();
        let Some(keys) = counts.keys.get(&(tenant.clone(), signal)) else { return Vec::new() };
        let mut keys: Vec<(&String, &u64)> = keys.iter().collect();
        keys.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        keys.into_iter().take(most).map(|(key, _)| key.clone()).collect()
    }

    /// Halves all counts once for every day since the last time.
    pub(crate) fn age(&self, day: i64) {
        let mut counts = self.counts.lock();
        let days = if counts.day == 0 { 0 } else { (day - counts.day).clamp(0, HALVINGS_MAX) };
        counts.day = day;
        if days > 0 {
            counts.changed = true;
            counts.keys.values_mut().for_each(|keys| halve(keys, days as u32));
            counts.keys.retain(|_, keys| !keys.is_empty());
        }
    }
}

fn halve(keys: &mut Keys, times: u32) {
    keys.values_mut().for_each(|count| *count >>= times);
    keys.retain(|_, count| *count > 0);
}

/// Returns the attribute that a column of a scan stands for.
fn key_of(table: Table, column: &RowColumn) -> Option<&str> {
    match column {
        RowColumn::Attribute(key) => Some(key),
        RowColumn::Stored(name) if table.schema().field_with_name(name).is_err() => {
            Promoted::parse(name).map(|(_, key)| key)
        }
        _ => None,
    }
}

/// Writes counts down now and then, as long as the store is there.
pub(crate) async fn run(store: Weak<Shared>) {
    let Some(clock) = store.upgrade().map(|shared| Arc::clone(&shared.handles.clock)) else {
        return;
    };
    loop {
        clock.sleep(SAVE_INTERVAL).await;
        let Some(shared) = store.upgrade() else { return };
        if shared.is_closing() {
            return;
        }
        save(&shared);
    }
}

/// Writes counts down, if they changed.
pub(crate) fn save(shared: &Shared) {
    let usage = &shared.usage;
    usage.age(day_of(shared.handles.clock.now().as_millis()));
    if let Err(error) = file::save(usage, &shared.dir, &*shared.handles.disk) {
        tracing::warn!(%error, "what queries ask for is not written down");
    }
}

#[cfg(test)]
mod tests;
