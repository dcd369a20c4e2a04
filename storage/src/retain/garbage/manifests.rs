//! Old manifests: deleted when the history has passed, oldest first and one by one.
//!
//! The order is what makes a dead branch recognisable: whoever slept for longer than the history
//! finds the manifest gone on which it stands. Never deleted is the one of the newest checkpoint that
//! counts, and what is above it: a load needs these.
//!
//! How old a manifest is tells the paced clock, which is committed at least every hour: a manifest is
//! at least as old as the first at or above it that has a time. Wall time in manifests is for
//! humans. What is below a gap was put there by somebody on a dead branch, and misleads nobody.

use std::collections::VecDeque;

use bytes::Bytes;
use tarn_model::error::Result;

use super::Times;
use crate::catalog::State;
use crate::catalog::checkpoint;
use crate::catalog::commit::read_manifest;
use crate::object::{CreateError, Objects, is_not_found};
use crate::paths;

/// Manifests that one look deletes: it takes seconds, and the next comes soon.
const DELETED_MAX: u64 = 500;

/// What is known of the manifests that are there.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    /// The oldest; `None` before the first listing.
    oldest: Option<u64>,
    /// All up to this one have been read.
    read: u64,
    /// Numbers and paced times of those that have one, ascending.
    marks: VecDeque<(u64, i64)>,
}

impl Manifests {
    /// Returns the oldest manifest that is kept.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.oldest
    }

    /// Deletes what is too old; returns how many objects and bytes.
    pub(super) async fn collect(
        &mut self,
        objects: &Objects,
        state: &State,
        times: &Times,
    ) -> Result<(u64, u64)> {
        let Some(keep_from) = state.checkpoint_number() else { return Ok((0, 0)) };
        let (mut count, mut bytes) = (0, 0);
        let first = match self.oldest {
            Some(oldest) => oldest,
            None => match self.find(objects, keep_from).await? {
                Some((oldest, strays)) => {
                    for stray in strays {
                        bytes += delete(objects, stray).await?;
                        count += 1;
                    }
                    oldest
                }
                None => return Ok((0, 0)),
            },
        };
        self.oldest = Some(first);
        self.read = self.read.max(first.saturating_sub(1));
        for number in first..keep_from.min(first.saturating_add(DELETED_MAX)) {
            if !self.is_past(objects, number, keep_from, times).await? {
                break;
            }
            if number == 1 {
                mark(objects).await?;
            }
            bytes += delete(objects, number).await?;
            count += 1;
            self.oldest = Some(number + 1);
        }
        Ok((count, bytes))
    }

    /// Finds the oldest manifest of the unbroken row that ends with the newest, and those below the
    /// gap. `None` where the listing lags behind.
    async fn find(&self, objects: &Objects, keep_from: u64) -> Result<Option<(u64, Vec<u64>)>> {
        let numbers = checkpoint::list(objects).await?;
        let Some(at) = numbers.iter().position(|number| *number >= keep_from) else {
            return Ok(None);
        };
        let mut oldest = numbers[at];
        let mut from = at;
        while from > 0 && numbers[from - 1] + 1 == oldest {
            from -= 1;
            oldest = numbers[from];
        }
        let below = oldest.saturating_sub(1);
        let gap = below == 0 || objects.head(&paths::manifest_key(below)).await?.is_none();
        let strays = numbers.get(..from).unwrap_or_default().to_vec();
        Ok(gap.then_some((oldest, strays)))
    }

    /// Returns whether a manifest is older than the history.
    async fn is_past(
        &mut self,
        objects: &Objects,
        number: u64,
        keep_from: u64,
        times: &Times,
    ) -> Result<bool> {
        while self.marks.front().is_some_and(|(mark, _)| *mark < number) {
            self.marks.pop_front();
        }
        while self.marks.is_empty() && self.read < keep_from {
            self.read += 1;
            match objects.get(&paths::manifest_key(self.read)).await {
                Ok(object) => {
                    let manifest = read_manifest(self.read, &object)?;
                    self.marks.extend(manifest.clock_ms.map(|clock_ms| (self.read, clock_ms)));
                }
                // Another node was faster.
                Err(e) if is_not_found(&e) => {}
                Err(e) => {
                    self.read -= 1;
                    return Err(e);
                }
            }
        }
        Ok(self.marks.front().is_some_and(|(_, clock_ms)| times.is_past(*clock_ms)))
    }
}

/// Leaves the mark by which a sleeper that knows of no manifest finds that there have been some.
async fn mark(objects: &Objects) -> Result<()> {
    match objects.create(paths::COLLECTED_KEY, &Bytes::from_static(paths::COLLECTED_MARK)).await {
        Ok(_) | Err(CreateError::Conflict(_)) => Ok(()),
        Err(CreateError::Unknown(error)) => Err(error),
    }
}

/// Deletes a manifest; returns its bytes.
async fn delete(objects: &Objects, number: u64) -> Result<u64> {
    let key = paths::manifest_key(number);
    let bytes = objects.head(&key).await?.map_or(0, |head| head.bytes);
    objects.delete(&key).await?;
    Ok(bytes)
}
