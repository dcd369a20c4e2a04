//! What is known of an output block before its values come: its series, their ticks, its columns.

use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::map::HashMap;
use xxhash_rust::xxh3::Xxh3;

use super::walk::{Joined, JoinedRow, Walk};
use super::{Merging, expected_bytes};
use crate::compact::timeline::{Laid, Vectors, lay};

/// Series between two looks at whether the merge shall end.
const CHECK_SERIES: usize = 4096;
/// What a list of rows takes among those that were met, in ticks.
const MET_TICKS: usize = 5;

/// As many series as one output will hold.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) laid: Laid,
    /// The vector of every series, in their order.
    pub(super) vectors: Vec<u32>,
    /// How many series have each label.
    pub(super) used: HashMap<Arc<str>, u64>,
}

impl Window {
    /// Walks along the next series, up to as many as one output will hold; `None` at the end.
    ///
    /// # Errors
    /// As [`Walk::next`], and where the merge shall end.
    pub(super) async fn scout(walk: &mut Walk<'_>, merging: &Merging<'_>) -> Result<Option<Self>> {
        let per_row: Vec<u64> =
            merging.inputs.iter().map(|input| bytes_per_sample(&input.block.meta)).collect();
        let mut scouted = Scouted::default();
        let bounds = &merging.bounds;
        while scouted.bytes / FRACTION < bounds.output_bytes && scouted.ticks() < bounds.ticks {
            if scouted.vector_of.len() % CHECK_SERIES == 0 {
                merging.context.progress.check()?;
            }
            let Some(series) = walk.next().await? else { break };
            scouted.add(&series, &per_row);
        }
        if scouted.vector_of.is_empty() {
            return Ok(None);
        }
        let Scouted { vectors, vector_of, used, .. } = scouted;
        Ok(Some(Self { laid: lay(vectors), vectors: vector_of, used }))
    }
}

/// Bytes of a sample are counted in fractions.
const FRACTION: u64 = 1 << 10;

fn bytes_per_sample(meta: &crate::block::BlockMeta) -> u64 {
    // A marker alone is a row without a sample, hence the rows.
    expected_bytes(meta) * FRACTION / (meta.samples + meta.rows).max(1)
}

#[derive(Default)]
struct Scouted {
    vectors: Vectors,
    vector_of: Vec<u32>,
    /// Lists of rows → vector: most series of a target lie on the same ticks of the same timelines.
    met: HashMap<u128, u32>,
    used: HashMap<Arc<str>, u64>,
    bytes: u64,
    joined: Vec<i64>,
}

impl Scouted {
    fn ticks(&self) -> usize {
        self.vectors.ticks() + self.met.len() * MET_TICKS
    }

    fn add(&mut self, series: &Joined, bytes_per_sample: &[u64]) {
        for JoinedRow { input, row, .. } in &series.rows {
            self.bytes += u64::from(row.row.n + 1) * bytes_per_sample[*input];
        }
        for label in series.key.labels() {
            match self.used.get_mut(&label.name) {
                Some(count) => *count += 1,
                None => drop(self.used.insert(Arc::clone(&label.name), 1)),
            }
        }
        let list = identity(&series.rows);
        let number = match self.met.get(&list) {
            Some(number) => {
                self.vectors.add_known(*number);
                *number
            }
            None => {
                join(&series.rows, &mut self.joined);
                let number = self.vectors.add(&self.joined);
                self.met.insert(list, number);
                number
            }
        };
        self.vector_of.push(number);
    }
}

/// Returns the same number for rows on the same ticks of the same timelines.
fn identity(rows: &[JoinedRow]) -> u128 {
    let mut hash = Xxh3::new();
    for JoinedRow { input, row, kept } in rows {
        hash.update(&(*input as u32).to_le_bytes());
        hash.update(&row.row.timeline.to_le_bytes());
        for part in kept {
            hash.update(&(part.start as u32).to_le_bytes());
            hash.update(&(part.end as u32).to_le_bytes());
        }
    }
    hash.digest128()
}

/// Joins the ticks of rows.
fn join(rows: &[JoinedRow], into: &mut Vec<i64>) {
    into.clear();
    for JoinedRow { row, kept, .. } in rows {
        for part in kept {
            into.extend_from_slice(&row.ticks[part.clone()]);
        }
    }
    if !into.is_sorted_by(|a, b| a < b) {
        into.sort_unstable();
        into.dedup();
    }
}
