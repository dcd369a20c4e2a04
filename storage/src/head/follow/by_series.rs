//! What a follower keeps per series, found by one load.

use crate::append::SeriesRef;

/// What a follower keeps for each series of one tenant: an array by the place of the series, which
/// notices when a place belongs to another series than before.
#[derive(Debug)]
pub struct BySeries<T> {
    slots: Vec<Option<(u32, T)>>,
}

impl<T> Default for BySeries<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> BySeries<T> {
    /// Returns what is kept for the series.
    pub fn get(&self, series: SeriesRef) -> Option<&T> {
        let (epoch, kept) = self.slots.get(series.index as usize)?.as_ref()?;
        (*epoch == series.epoch).then_some(kept)
    }

    /// As [`BySeries::get`], to be changed.
    pub fn get_mut(&mut self, series: SeriesRef) -> Option<&mut T> {
        let (epoch, kept) = self.slots.get_mut(series.index as usize)?.as_mut()?;
        (*epoch == series.epoch).then_some(kept)
    }

    /// Returns what is kept for the series, made by `make` at first sight.
    pub fn get_or_insert_with(&mut self, series: SeriesRef, make: impl FnOnce() -> T) -> &mut T {
        let at = series.index as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        let slot = &mut self.slots[at];
        if slot.as_ref().is_some_and(|(epoch, _)| *epoch != series.epoch) {
            *slot = None;
        }
        &mut slot.get_or_insert_with(|| (series.epoch, make())).1
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.clear();
    }
}
