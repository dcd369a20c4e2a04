//! What a tenant's active series are made of, and which labels make new ones: counted from the
//! interned labels of the head, without reading a sample.

use std::sync::Arc;

use tarn_model::labels::METRIC_NAME;
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::head::pairs::PairCount;
use crate::schema::kind;
use crate::view::View;

/// Counts of one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Active series.
    pub series: u64,
    /// Distinct label pairs of them.
    pub pairs: u64,
    /// Runs of samples that no block holds yet, one per series and head generation.
    pub runs: u64,
    /// Earliest and latest time of a sample, in blocks too; `None` where there is none.
    pub times_ms: Option<(i64, i64)>,
    /// Live blocks of metrics.
    pub blocks: u64,
    /// Bytes that the active series of all tenants hold.
    pub held_bytes: u64,
    /// Metric names with most series.
    pub series_by_metric: Vec<(String, u64)>,
    /// Label names with most values.
    pub values_by_name: Vec<(String, u64)>,
    /// Label names whose values take most bytes.
    pub bytes_by_name: Vec<(String, u64)>,
    /// Pairs, as `name=value`, with most series.
    pub series_by_pair: Vec<(String, u64)>,
    /// Label names with most distinct values among the new series of the last minutes, estimated.
    pub exploding: Vec<(String, u64)>,
}

impl View {
    /// Counts a tenant's active series, the `top` largest of each kind.
    pub fn cardinality(&self, tenant: &TenantId, top: usize) -> Cardinality {
        let mut found = self.in_blocks(tenant);
        found.held_bytes = self.head.series_bytes();
        let Some(head) = self.head.known_tenant(tenant) else { return found };
        let parts = self.heads.iter().filter_map(|generation| generation.tenant(tenant));
        found.runs = parts.map(|part| u64::from(part.columns.series())).sum();
        found.series = head.table.active();
        if let Some((oldest, newest)) = head.table.newest_times() {
            let (low, high) = found.times_ms.unwrap_or((oldest, newest));
            found.times_ms = Some((low.min(oldest), high.max(newest)));
        }
        let now = self.head.clock.monotonic();
        let exploding = head.growth.exploding(now, top).into_iter();
        found.exploding = exploding.map(|(name, values)| (name.to_string(), values)).collect();
        let pairs = head.table.pairs.counts();
        found.pairs = pairs.len() as u64;
        let mut names: HashMap<Arc<str>, (u64, u64)> = HashMap::default();
        for pair in &pairs {
            let (values, bytes) = names.entry(Arc::clone(&pair.label.name)).or_default();
            *values += 1;
            *bytes += pair.label.value.len() as u64;
        }
        let metrics = pairs.iter().filter(|pair| &*pair.label.name == METRIC_NAME);
        found.series_by_metric = largest(metrics, top, |p| p.series, |p| p.label.value.to_string());
        found.series_by_pair = largest(pairs.iter(), top, |p| p.series, |p| pair_text(p));
        found.values_by_name = largest(names.iter(), top, |n| n.1.0, |n| n.0.to_string());
        found.bytes_by_name = largest(names.iter(), top, |n| n.1.1, |n| n.0.to_string());
        found
    }

    fn in_blocks(&self, tenant: &TenantId) -> Cardinality {
        let mut found = Cardinality::default();
        let blocks = self.blocks(tenant, Signal::Metrics);
        for block in blocks.filter(|block| block.kind != kind::RAW) {
            found.blocks += 1;
            let (low, high) = found.times_ms.unwrap_or((i64::MAX, i64::MIN));
            found.times_ms = Some((low.min(block.time_min_ms), high.max(block.time_max_ms)));
        }
        found
    }
}

fn pair_text(pair: &PairCount) -> String {
    format!("{}={}", pair.label.name, pair.label.value)
}

/// Returns the largest by `count`, and those of equal count by name.
fn largest<T>(
    all: impl Iterator<Item = T>,
    top: usize,
    count: impl Fn(&T) -> u64,
    name: impl Fn(&T) -> String,
) -> Vec<(String, u64)> {
    let mut all: Vec<T> = all.collect();
    let order = |a: &T, b: &T| count(b).cmp(&count(a));
    if all.len() > top && top > 0 {
        // The largest to the front in one pass; only they are sorted and named.
        all.select_nth_unstable_by(top - 1, order);
        all.truncate(top);
    }
    let mut named: Vec<(String, u64)> = all.iter().map(|one| (name(one), count(one))).collect();
    named.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    named
}
