//! Timelines of a flush: equal vectors of ticks are stored once.
//!
//! Timestamps belong to the scrape, not to the series. Nothing is guessed from labels: vectors are
//! compared as a whole once they are known.

use std::sync::Arc;

use tarn_model::map::HashMap;

/// The distinct tick vectors of a block, in order of first use.
#[derive(Debug, Default)]
pub(crate) struct Timelines {
    vectors: Vec<Arc<[i64]>>,
    numbers: HashMap<Arc<[i64]>, u32>,
}

impl Timelines {
    /// Returns the number of the timeline with these ticks.
    pub(crate) fn intern(&mut self, ticks: &[i64]) -> u32 {
        if let Some(number) = self.numbers.get(ticks) {
            return *number;
        }
        let number = self.vectors.len() as u32;
        let vector: Arc<[i64]> = ticks.into();
        self.vectors.push(Arc::clone(&vector));
        self.numbers.insert(vector, number);
        number
    }

    /// Returns all vectors by number.
    pub(crate) fn vectors(&self) -> &[Arc<[i64]>] {
        &self.vectors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_vectors_are_stored_once() {
        let mut timelines = Timelines::default();
        let vectors: [&[i64]; 5] = [&[1, 2], &[1, 3], &[1, 2], &[], &[1]];
        let numbers: Vec<u32> = vectors.iter().map(|v| timelines.intern(v)).collect();
        assert_eq!(numbers, [0, 1, 0, 2, 3]);
        assert_eq!(timelines.vectors().len(), 4);
    }
}
