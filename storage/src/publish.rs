//! The list of live blocks, for readers that are not Tarn.
//!
//! `published/tenant=…/metrics.json` names every block that a foreign reader must open to see each
//! row once: listing the folder instead would count rows twice while compaction runs. The file is
//! overwritten after commits, at most every ten seconds, and at a stop. It is a copy: Tarn never
//! reads it, and a lost write heals with the next.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::block::BlockMeta;
use crate::catalog::State;
use crate::object::Objects;
use crate::paths;
use crate::schema::kind;

/// Readers poll; a fresher list than this is worth nothing to them.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// The file.
#[derive(Debug, Serialize)]
struct Listing<'a> {
    /// Version of this format.
    format: u32,
    /// The catalog version that it shows.
    manifest: u64,
    /// When it was written, ms since the epoch.
    time_ms: i64,
    blocks: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    object: &'a str,
    kind: &'a str,
    day: &'a str,
    level: u8,
    bytes: u64,
    rows: u64,
    samples: u64,
    time_min_ms: i64,
    time_max_ms: i64,
    overlaps: bool,
}

impl<'a> From<&'a BlockMeta> for Entry<'a> {
    fn from(block: &'a BlockMeta) -> Self {
        Self {
            object: &block.object,
            kind: &block.kind,
            day: &block.day,
            level: block.level,
            bytes: block.bytes,
            rows: block.rows,
            samples: block.samples,
            time_min_ms: block.time_min_ms,
            time_max_ms: block.time_max_ms,
            overlaps: block.overlaps,
        }
    }
}

/// Returns the listing of one tenant and signal.
///
/// # Errors
/// `Internal` where it cannot be encoded.
pub fn listing(state: &State, tenant: &TenantId, signal: Signal, now_ms: i64) -> Result<Bytes> {
    let blocks = state
        .blocks(tenant, signal)
        // Of a packed object a foreign reader cannot tell where a block begins.
        .filter(|block| block.offset == 0 && block.kind != kind::RAW)
        .map(|block| Entry::from(block.as_ref()))
        .collect();
    let listing = Listing { format: 1, manifest: state.version(), time_ms: now_ms, blocks };
    let text = serde_json::to_vec_pretty(&listing)
        .map_err(|e| Error::internal("encode the published listing").with_source(e))?;
    Ok(text.into())
}

/// Overwrites the listings of all tenants and signals whose blocks differ from those of `before`.
pub(crate) async fn publish(
    objects: &Objects,
    before: &State,
    state: &State,
    now_ms: i64,
) -> Result<()> {
    let mut holders = state.holders();
    // Whose last block went must be told, too.
    holders.extend(before.holders());
    holders.sort_unstable();
    holders.dedup();
    for (tenant, signal) in holders {
        let same = state
            .blocks(&tenant, signal)
            .map(|block| &block.object)
            .eq(before.blocks(&tenant, signal).map(|block| &block.object));
        if !same {
            let body = listing(state, &tenant, signal, now_ms)?;
            objects.overwrite(&paths::published_key(&tenant, signal), &body).await?;
        }
    }
    Ok(())
}
