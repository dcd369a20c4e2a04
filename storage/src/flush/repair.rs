//! `tarn block repair`: what was set aside becomes blocks.
//!
//! A raw object is a small log. It is replayed into a head of its own, which is built as a flush builds
//! it; of the blocks those of its partition are stored, and one commit puts them in the place of the
//! object, with its place in the order of commits. So rows come back as if they had never been away,
//! once, however often the command is given: where the object is gone, nothing is left to do.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::tenant::TenantId;

use super::aside::{self, Header};
use super::build::{self, BuildContext};
use super::pieces::{Days, Faults};
use super::{Flusher, UPLOADS};
use crate::block::BlockMeta;
use crate::block::seal::NewBlock;
use crate::catalog::{CommitError, Draft, Identity, State};
use crate::head::Head;
use crate::head::replay::{Replayer, decode};
use crate::open::Shared;
use crate::schema::kind;
use crate::wal::Lsn;
use crate::{Handles, blocking};

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Objects whose rows are in blocks again.
    pub repaired: usize,
    /// Blocks that took their place.
    pub blocks: usize,
    /// Objects that still cannot be written as blocks, and why.
    pub failed: Vec<(String, String)>,
}

/// Repairs what was set aside, of one tenant or of all.
pub(crate) async fn repair(store: &Shared, tenant: Option<&TenantId>) -> Result<RepairReport> {
    store.log.wal()?;
    let flusher = &store.flusher;
    flusher.join().await?;
    let state = flusher.catalog.state();
    let wanted = |block: &&Arc<BlockMeta>| {
        block.kind == kind::RAW && tenant.is_none_or(|tenant| tenant.as_str() == block.tenant)
    };
    let mut report = RepairReport::default();
    for raw in state.all_blocks().filter(wanted) {
        match repair_one(store, raw).await {
            Ok(blocks) => {
                let object = &raw.object;
                tracing::info!(object, blocks, "rows that were set aside are in blocks again");
                report.repaired += 1;
                report.blocks += blocks;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable { .. }) => {
                return Err(error);
            }
            Err(error) => {
                tracing::error!(object = raw.object, %error, "rows still cannot be written");
                report.failed.push((raw.object.clone(), error.message()));
            }
        }
    }
    Ok(report)
}

async fn repair_one(store: &Shared, raw: &Arc<BlockMeta>) -> Result<usize> {
    let flusher = &store.flusher;
    let bytes = flusher.objects.get(&raw.object).await?.bytes;
    if crc32c::crc32c(&bytes) != raw.block_crc {
        return Err(Error::corrupt(format!("{} is not what was written", raw.object)));
    }
    let (meta, handles) = (Arc::clone(raw), store.handles.clone());
    let (faults, usage) = (flusher.aside.faults.clone(), Arc::clone(flusher.view.load().usage()));
    let limits = store.options.limits.clone();
    let blocks = blocking::run(move || {
        let (header, records) = aside::open(&bytes)?;
        let Handles { clock, rng, .. } = &handles;
        let head = Head::new(limits, Arc::clone(clock));
        let context = BuildContext {
            writer: &header.lsn.writer,
            epoch: header.lsn.epoch,
            rng: &**rng,
            now_ms: header.time_ms,
            usage: &usage,
        };
        rebuild(&head, &header, records, &context, &faults, &meta)
    })
    .await?;
    let stored: Vec<Arc<BlockMeta>> = stream::iter(blocks)
        .map(|NewBlock { meta, bytes }| async move {
            flusher.put(&meta.object, &bytes).await?;
            Ok::<_, Error>(Arc::new(meta))
        })
        .buffered(UPLOADS)
        .try_collect()
        .await?;
    commit(flusher, raw, &stored).await?;
    Ok(stored.len())
}

/// Builds the blocks of the partition.
fn rebuild(
    head: &Arc<Head>,
    header: &Header,
    records: Vec<crate::wal::Record>,
    context: &BuildContext<'_>,
    faults: &Faults,
    raw: &BlockMeta,
) -> Result<Vec<NewBlock>> {
    let generation = head.generation(Lsn(header.lsn.lo));
    let mut replayer = Replayer::new(Arc::clone(head), Arc::clone(&generation));
    for record in records {
        replayer.insert(record.lsn, &record.tenant, decode(&record.payloads)?)?;
    }
    generation.freeze(Lsn(header.lsn.hi));
    let days = Days { day: raw.day.clone(), days: raw.days.clone(), ..Days::all() };
    let (mut blocks, spoiled) = build::pieces(&generation, context, faults)?.split();
    // Other days failed or not: their rows are in blocks, or in raw objects of their own.
    if let Some(spoiled) =
        spoiled.into_iter().find(|s| days.holds(&s.days.day) || s.days.holds(&days.day))
    {
        return Err(spoiled.error.context(format!("write the rows of {}", raw.object)));
    }
    blocks.retain(|block| days.holds(&block.meta.day));
    for block in &mut blocks {
        block.meta.seq = raw.seq;
    }
    Ok(blocks)
}

/// Puts blocks in the place of a raw object.
async fn commit(flusher: &Flusher, raw: &Arc<BlockMeta>, blocks: &[Arc<BlockMeta>]) -> Result<()> {
    let identity = &flusher.identity;
    let committed =
        flusher.catalog.commit(identity, |base| propose(base, identity, raw, blocks)).await;
    if let Err(error) = committed {
        if matches!(error, CommitError::Fenced { .. }) {
            flusher.fence(&error);
        }
        return Err(Error::from(error).context("commit a repair"));
    }
    flusher.follow_newest();
    flusher.checkpoint().await;
    Ok(())
}

fn propose(
    base: &State,
    Identity { id, epoch }: &Identity,
    raw: &BlockMeta,
    blocks: &[Arc<BlockMeta>],
) -> Result<Option<Draft>, CommitError> {
    let theirs = base.writer(id).map_or(0, |record| record.writer.epoch);
    if theirs != *epoch {
        return Err(CommitError::Fenced { writer: id.clone(), ours: *epoch, theirs });
    }
    if !base.all_blocks().any(|block| block.object == raw.object) {
        // Somebody else has repaired it, or retention has taken it.
        return Ok(None);
    }
    if blocks.iter().any(|block| base.is_condemned(&block.object)) {
        return Err(CommitError::Condemned);
    }
    let removed = vec![raw.object.clone()];
    Ok(Some(Draft { added: blocks.to_vec(), removed, ..Draft::default() }))
}
