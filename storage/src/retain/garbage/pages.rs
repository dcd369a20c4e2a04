//! Checkpoints that no manifest names any more, and catalog pages that no checkpoint points to.
//!
//! Checkpoints go forward only, so those before the one that the oldest manifest names are named by
//! none. A page may be old and still in use: it is if any checkpoint from that one on points to it,
//! or the newest state means to. Whatever else is there must have been so in two listings an hour
//! apart, for a checkpoint is written before a manifest names it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tarn_model::error::Result;

use super::Times;
use crate::catalog::State;
use crate::catalog::commit::read_manifest;
use crate::catalog::format::{self, Checkpoint, Magic};
use crate::object::{Objects, is_not_found};
use crate::paths;

/// What is remembered between listings.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Keys that nothing named, with the uptime at which that was first seen.
    unnamed: BTreeMap<String, Duration>,
    /// Pages of checkpoints that were read: they never change.
    known: BTreeMap<String, Vec<String>>,
}

impl Pages {
    /// Lists, and returns the keys that nothing has named for long.
    pub(super) async fn unnamed(
        &mut self,
        objects: &Objects,
        state: &State,
        oldest: Option<u64>,
        times: &Times,
    ) -> Result<Vec<String>> {
        let Some(from) = oldest_checkpoint(objects, oldest).await? else { return Ok(Vec::new()) };
        let listed = objects.list(paths::CHECKPOINT_PREFIX).await?;
        let mut named: BTreeSet<String> = state
            .partitions
            .values()
            .filter_map(|partition| partition.page.as_ref().map(|page| page.object.clone()))
            .collect();
        let mut known = BTreeMap::new();
        for head in &listed {
            let number = paths::parse_checkpoint_key(&head.key);
            if number.is_some_and(|number| number >= from) && !state.is_condemned(&head.key) {
                let pages = match self.known.remove(&head.key) {
                    Some(pages) => pages,
                    None => read(objects, &head.key).await?,
                };
                named.insert(head.key.clone());
                named.extend(pages.iter().cloned());
                known.insert(head.key.clone(), pages);
            }
        }
        self.known = known;
        let ours =
            |key: &str| paths::parse_checkpoint_key(key).is_some() || paths::is_page_key(key);
        let unnamed = listed
            .into_iter()
            .map(|head| head.key)
            .filter(|key| ours(key) && !named.contains(key) && !state.is_condemned(key));
        let first = |key: String| {
            let at = self.unnamed.get(&key).copied().unwrap_or(times.now);
            (key, at)
        };
        self.unnamed = unnamed.map(first).collect();
        let old = self.unnamed.iter().filter(|(_, at)| times.is_old(**at));
        Ok(old.map(|(key, _)| key.clone()).collect())
    }
}

/// Returns the number of the checkpoint that the oldest manifest names; `None` where it names none
/// or is gone.
async fn oldest_checkpoint(objects: &Objects, oldest: Option<u64>) -> Result<Option<u64>> {
    let Some(number) = oldest else { return Ok(None) };
    match objects.get(&paths::manifest_key(number)).await {
        Ok(object) => {
            let manifest = read_manifest(number, &object)?;
            Ok(manifest.checkpoint.map(|checkpoint| checkpoint.number))
        }
        Err(e) if is_not_found(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Returns the pages of a checkpoint; none where another node deleted it meanwhile.
async fn read(objects: &Objects, key: &str) -> Result<Vec<String>> {
    match objects.get(key).await {
        Ok(object) => {
            let checkpoint: Checkpoint = format::open(Magic::Checkpoint, key, &object.bytes)?;
            Ok(checkpoint.pages.into_iter().map(|entry| entry.page.object).collect())
        }
        Err(e) if is_not_found(&e) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}
