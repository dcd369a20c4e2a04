//! Who sends: the names behind the rows of each tenant, as they come.
//!
//! For people who have just pointed a sender at Tarn and ask whether something arrived. A name is
//! noted once per resource of a request (or once per remote-write request, under the job of its first
//! series), never per row, and kept in memory only: what was stored before the start is found by
//! queries. Tenants and names are bounded; the one that was silent longest makes room.

use std::sync::Arc;

use parking_lot::Mutex;
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

/// Sources of one tenant that are remembered.
const SOURCES_MAX: usize = 1_000;
/// Tenants whose sources are remembered.
const TENANTS_MAX: usize = 1_000;
/// Bytes of a name; a longer one is cut.
const NAME_BYTES_MAX: usize = 256;

/// One sender, as far as it says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it sends.
    pub signal: Signal,
    /// `service.name` of its resource, or `job` of its series.
    pub name: Arc<str>,
    /// When its first row came, ms; not when the row says it was.
    pub first_seen_ms: i64,
    /// When its last row came, ms.
    pub last_seen_ms: i64,
    /// Rows since the start of the process: log records, spans, data points.
    pub rows: u64,
    /// It is this process itself.
    pub own: bool,
}

#[derive(Debug, Default)]
struct OfTenant {
    last_seen_ms: i64,
    sources: HashMap<(Signal, Arc<str>), Source>,
}

/// All sources.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<HashMap<TenantId, OfTenant>>);

impl Sources {
    /// Notes rows that were stored.
    pub(crate) fn note(
        &self,
        tenant: &TenantId,
        (signal, own): (Signal, bool),
        noted: &[(String, u64)],
        now_ms: i64,
    ) {
        if noted.iter().all(|(_, rows)| *rows == 0) {
            return;
        }
        let mut tenants = self.0.lock();
        if tenants.len() >= TENANTS_MAX && !tenants.contains_key(tenant) {
            let silent = tenants.iter().min_by_key(|(_, of)| of.last_seen_ms);
            if let Some(silent) = silent.map(|(id, _)| id.clone()) {
                tenants.remove(&silent);
            }
        }
        let of_tenant = tenants.entry(tenant.clone()).or_default();
        of_tenant.last_seen_ms = now_ms;
        for (name, rows) in noted.iter().filter(|(_, rows)| *rows > 0) {
            of_tenant.note((signal, own), cut(name), *rows, now_ms);
        }
    }

    /// Returns the sources of a tenant that sent something at or after a time, the newest first.
    pub(crate) fn since(&self, tenant: &TenantId, since_ms: i64) -> Vec<Source> {
        let tenants = self.0.lock();
        let all = tenants.get(tenant).into_iter().flat_map(|of| of.sources.values());
        let mut found: Vec<Source> =
            all.filter(|source| source.last_seen_ms >= since_ms).cloned().collect();
        drop(tenants);
        found.sort_by(|a, b| {
            (b.first_seen_ms, &a.name, a.signal.as_str()).cmp(&(
                a.first_seen_ms,
                &b.name,
                b.signal.as_str(),
            ))
        });
        found
    }
}

impl OfTenant {
    fn note(&mut self, (signal, own): (Signal, bool), name: &str, rows: u64, now_ms: i64) {
        let key = (signal, Arc::from(name));
        if let Some(source) = self.sources.get_mut(&key) {
            source.last_seen_ms = now_ms;
            source.rows = source.rows.saturating_add(rows);
            return;
        }
        if self.sources.len() >= SOURCES_MAX {
            let silent = self.sources.values().min_by_key(|source| source.last_seen_ms);
            if let Some(silent) = silent.map(|source| (source.signal, Arc::clone(&source.name))) {
                self.sources.remove(&silent);
            }
        }
        let name = Arc::clone(&key.1);
        let (first_seen_ms, last_seen_ms) = (now_ms, now_ms);
        let source = Source { signal, name, first_seen_ms, last_seen_ms, rows, own };
        self.sources.insert(key, source);
    }
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
