//! Promises that were found broken: `tarn_invariant_violations{id}`.
//!
//! Most broken promises surface as errors; this counter is for the checks that look for our own
//! mistakes. Anything above zero is a bug, and worth an alert of its own.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tarn_model::metrics::INVARIANT_VIOLATIONS;

/// Each acknowledged row is visible exactly once.
pub(crate) const VIS_1: &str = "VIS-1";
/// A merge changes nothing that a query sees.
pub(crate) const VIS_3: &str = "VIS-3";

/// Counts broken promises.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invariants(Family<[(&'static str, &'static str); 1], Counter>);

impl Invariants {
    /// Registers the counter, at zero for every promise that is checked: an alert needs a series
    /// before the first violation.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let invariants = Self::default();
        let name = INVARIANT_VIOLATIONS;
        registry.register(name.name, name.help, invariants.0.clone());
        for id in [VIS_1, VIS_3] {
            drop(invariants.0.get_or_create(&[("id", id)]));
        }
        invariants
    }

    /// Says that a promise was found broken.
    pub(crate) fn broken(&self, id: &'static str, how: &dyn std::fmt::Display) {
        tracing::error!(id, %how, "promise broken, this is a bug");
        self.0.get_or_create(&[("id", id)]).inc();
    }
}
