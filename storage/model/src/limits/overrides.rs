//! Limits of single tenants. Whoever holds limits asks once per request; the list is swapped as one
//! pointer while requests run, so a change needs no restart and no lock.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Limits;
use crate::map::HashMap;
use crate::tenant::TenantId;

/// Which tenants have limits of their own. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Arc<ArcSwap<HashMap<TenantId, Arc<Limits>>>>);

impl PartialEq for Overrides {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0.load() == *other.0.load()
    }
}

impl Overrides {
    /// Replaces the whole list.
    pub fn replace(&self, limits: HashMap<TenantId, Arc<Limits>>) {
        self.0.store(Arc::new(limits));
    }

    /// Returns the limits of a tenant that has some of its own.
    pub fn get(&self, tenant: &TenantId) -> Option<Arc<Limits>> {
        let list = self.0.load();
        if list.is_empty() { None } else { list.get(tenant).map(Arc::clone) }
    }

    /// Returns how many tenants have some.
    pub fn len(&self) -> usize {
        self.0.load().len()
    }

    /// Returns whether no tenant has any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
