//! What a prefix of the manifests adds up to.
//!
//! A state is never changed: applying a manifest makes the next one, which shares everything that
//! the manifest did not touch. So a view pins a whole catalog version with one pointer (VIS-2).
//! [`State::apply`] checks every rule that the committer kept, so a manifest that breaks one is
//! found by the first reader, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::block::{BlockMeta, LsnRange};
use crate::catalog::format::{CheckpointRef, Manifest, PageRef, WriterRecord, WriterUpdate};
use crate::paths;
use crate::retain::erase::Tombstone;

/// One folder of blocks: what a catalog page covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// Whose rows.
    pub tenant: TenantId,
    /// Which signal.
    pub signal: Signal,
    /// `YYYY-MM-DD` or `late`.
    pub day: String,
}

/// The blocks of one partition, in commit order.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartitionBlocks {
    pub(crate) blocks: Vec<Arc<BlockMeta>>,
    /// The page that holds exactly these blocks, if a checkpoint wrote one.
    pub(crate) page: Option<PageRef>,
}

/// One version of the catalog. Immutable.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(crate) version: u64,
    /// Nonce of the manifest `version`; empty before the first.
    pub(crate) nonce: String,
    /// ETag of that manifest as it was read or written: tells it from another of that number.
    pub(crate) etag: Option<String>,
    pub(crate) writers: BTreeMap<String, Arc<WriterRecord>>,
    pub(crate) partitions: BTreeMap<Partition, Arc<PartitionBlocks>>,
    pub(crate) condemned: Arc<BTreeSet<String>>,
    pub(crate) erased: Arc<BTreeMap<String, Arc<Tombstone>>>,
    /// Keys of blocks that are live no longer, with the paced time at which they went.
    pub(crate) gone: Arc<BTreeMap<String, i64>>,
    /// The paced clock of retention and history, ms; 0 before it was first set.
    pub(crate) clock_ms: i64,
    pub(crate) checkpoint: Option<CheckpointRef>,
    /// The last manifest seen to condemn a catalog page: a checkpoint of a version before it may
    /// point to that page.
    pub(crate) pages_condemned: u64,
}

impl State {
    /// Returns the number of the newest manifest in it; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the nonce of the newest manifest; `None` before the first.
    pub fn nonce(&self) -> Option<&str> {
        (self.version > 0).then_some(&*self.nonce)
    }

    /// Returns the manifest of the newest checkpoint that counts.
    pub fn checkpoint_number(&self) -> Option<u64> {
        self.checkpoint.as_ref().map(|checkpoint| checkpoint.number)
    }

    /// Returns the live blocks of one tenant and signal: by day, within a day in commit order.
    pub fn blocks(
        &self,
        tenant: &TenantId,
        signal: Signal,
    ) -> impl Iterator<Item = &Arc<BlockMeta>> {
        let first = Partition { tenant: tenant.clone(), signal, day: String::new() };
        let of_tenant = first.clone();
        self.partitions
            .range(first..)
            .take_while(move |(p, _)| p.tenant == of_tenant.tenant && p.signal == of_tenant.signal)
            .flat_map(|(_, partition)| partition.blocks.iter())
    }

    /// Returns the tombstones in force, by id.
    pub fn erased(&self) -> impl Iterator<Item = &Arc<Tombstone>> {
        self.erased.values()
    }

    /// Returns the tombstones that may erase rows of a block.
    pub fn erased_in(&self, block: &BlockMeta) -> Vec<Arc<Tombstone>> {
        self.erased().filter(|tombstone| tombstone.covers(block)).cloned().collect()
    }

    /// Returns whether an object will be deleted, so that no commit may name it.
    pub fn is_condemned(&self, key: &str) -> bool {
        self.condemned.contains(key)
    }

    /// Returns the paced clock of retention and history, ms; 0 before it was first set.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// Returns all live blocks.
    pub fn all_blocks(&self) -> impl Iterator<Item = &Arc<BlockMeta>> {
        self.partitions.values().flat_map(|partition| partition.blocks.iter())
    }

    /// Returns every tenant and signal that has blocks, sorted.
    pub fn holders(&self) -> Vec<(TenantId, Signal)> {
        let mut holders: Vec<_> =
            self.partitions.keys().map(|p| (p.tenant.clone(), p.signal)).collect();
        holders.dedup();
        holders
    }

    /// Returns what is known of a writer.
    pub fn writer(&self, id: &str) -> Option<&WriterRecord> {
        self.writers.get(id).map(Arc::as_ref)
    }

    /// Returns all writers, by id.
    pub fn writers(&self) -> impl Iterator<Item = &WriterRecord> {
        self.writers.values().map(Arc::as_ref)
    }

    /// Returns how far the log of a writer is in blocks; 0 where nothing is.
    pub fn committed(&self, writer: &str) -> u64 {
        self.writer(writer).map_or(0, |record| record.committed)
    }

    /// Returns the state after `manifest`, which was stored with `etag`.
    ///
    /// # Errors
    /// `Corrupt` where the manifest does not continue this state or breaks a rule of the catalog;
    /// the message says which.
    pub fn apply(&self, manifest: &Manifest, etag: Option<String>) -> Result<Self> {
        let broken = |what: String| {
            Error::corrupt(format!("manifest {} does not fit: {what}", manifest.number))
        };
        if manifest.number != self.version + 1 || manifest.predecessor != self.nonce {
            let Manifest { predecessor, .. } = manifest;
            let here = format!("{} (nonce {:?})", self.version, self.nonce);
            return Err(broken(format!("it follows nonce {predecessor:?}, not {here}")));
        }
        let mut next = self.clone();
        next.version = manifest.number;
        next.nonce.clone_from(&manifest.nonce);
        next.etag = etag;
        for cut in &manifest.cuts {
            next.apply_cut(cut).map_err(broken)?;
        }
        for update in &manifest.writers {
            next.apply_writer(update).map_err(broken)?;
        }
        next.move_clock(manifest.clock_ms);
        self.check_merged(manifest).map_err(broken)?;
        next.remove(&manifest.removed).map_err(broken)?;
        if !manifest.removed.is_empty() {
            let clock = next.clock_ms;
            let gone = manifest.removed.iter().map(|key| (key.clone(), clock));
            Arc::make_mut(&mut next.gone).extend(gone);
        }
        // Before pages are condemned: whoever condemns some knows that its own checkpoint is without.
        next.move_checkpoint(manifest.checkpoint.as_ref()).map_err(broken)?;
        next.condemn(manifest).map_err(broken)?;
        for block in &manifest.added {
            next.add(block, manifest.number).map_err(broken)?;
        }
        next.erase(manifest).map_err(broken)?;
        Ok(next)
    }

    /// The paced clock never goes back. What went before it was first set counts from then.
    fn move_clock(&mut self, to: Option<i64>) {
        let first = self.clock_ms == 0;
        self.clock_ms = self.clock_ms.max(to.unwrap_or(0));
        if first && self.clock_ms > 0 && !self.gone.is_empty() {
            let clock = self.clock_ms;
            Arc::make_mut(&mut self.gone).values_mut().for_each(|at| *at = clock);
        }
    }

    /// A merge applies every tombstone that covers an input, and says so: rows of that input are
    /// among others now, and could not be told from them any more.
    fn check_merged(&self, manifest: &Manifest) -> Result<(), String> {
        if self.erased.is_empty() || manifest.removed.is_empty() {
            return Ok(());
        }
        let removed: BTreeSet<&str> = manifest.removed.iter().map(String::as_str).collect();
        for input in self.all_blocks().filter(|block| removed.contains(block.object.as_str())) {
            for tombstone in self.erased().filter(|tombstone| tombstone.covers(input)) {
                let mut mixed = manifest.added.iter().filter(|block| holds_rows_of(block, input));
                if let Some(block) = mixed.find(|block| !block.erased.contains(&tombstone.id)) {
                    let (block, id) = (&block.object, &tombstone.id);
                    return Err(format!("block {block} was merged without tombstone {id}"));
                }
            }
        }
        Ok(())
    }

    /// Cuts tile the log: each begins where the last one ended, in the epoch that the writer has.
    fn apply_cut(&mut self, cut: &LsnRange) -> Result<(), String> {
        let LsnRange { writer, epoch, lo, hi } = cut;
        let record =
            self.writers.get_mut(writer).ok_or_else(|| format!("writer {writer} is unknown"))?;
        let record = Arc::make_mut(record);
        if record.writer.epoch != *epoch {
            let current = record.writer.epoch;
            return Err(format!("cut of epoch {epoch}, writer {writer} is in epoch {current}"));
        }
        if *lo != record.committed + 1 || hi < lo {
            let committed = record.committed;
            return Err(format!("cut {lo}..{hi} of {writer}, committed are {committed}"));
        }
        record.committed = *hi;
        Ok(())
    }

    fn apply_writer(&mut self, update: &WriterUpdate) -> Result<(), String> {
        let (id, committed) = (update.id.clone(), self.committed(&update.id));
        if let Some(record) = self.writer(&id)
            && record.writer.epoch > update.epoch
        {
            let (from, to) = (record.writer.epoch, update.epoch);
            return Err(format!("epoch of {id} would go back from {from} to {to}"));
        }
        let record = WriterRecord { writer: update.clone(), committed };
        self.writers.insert(id, Arc::new(record));
        Ok(())
    }

    /// What is condemned is no longer only gone; what is swept need not be remembered.
    fn condemn(&mut self, manifest: &Manifest) -> Result<(), String> {
        let Manifest { condemned, swept, .. } = manifest;
        if condemned.is_empty() && swept.is_empty() {
            return Ok(());
        }
        let new: BTreeSet<&str> = condemned.iter().map(String::as_str).collect();
        if let Some(block) = self.all_blocks().find(|block| new.contains(block.object.as_str())) {
            return Err(format!("block {} is condemned but live", block.object));
        }
        let keys = Arc::make_mut(&mut self.condemned);
        keys.extend(condemned.iter().cloned());
        if let Some(key) = swept.iter().find(|key| !keys.remove(*key)) {
            return Err(format!("{key} is swept but was not condemned"));
        }
        Arc::make_mut(&mut self.gone).retain(|key, _| !new.contains(key.as_str()));
        if condemned.iter().any(|key| paths::is_page_key(key)) {
            self.pages_condemned = manifest.number;
            self.forget_pages(&new);
        }
        Ok(())
    }

    /// A partition whose page is condemned needs another one in the next checkpoint.
    fn forget_pages(&mut self, condemned: &BTreeSet<&str>) {
        let lost = |partition: &PartitionBlocks| {
            partition.page.as_ref().is_some_and(|page| condemned.contains(page.object.as_str()))
        };
        for partition in self.partitions.values_mut().filter(|partition| lost(partition)) {
            Arc::make_mut(partition).page = None;
        }
    }

    fn erase(&mut self, manifest: &Manifest) -> Result<(), String> {
        let Manifest { erased, erased_done, .. } = manifest;
        for tombstone in erased {
            let beyond = tombstone.positions.iter().find(|(writer, last)| {
                // Rows above are in no block, and readers apply tombstones to blocks only.
                *last > self.committed(writer)
            });
            if let Some((writer, last)) = beyond {
                let (id, committed) = (&tombstone.id, self.committed(writer));
                let what = format!("tombstone {id} reaches {last} of {writer}");
                return Err(format!("{what}, committed are {committed}"));
            }
            let all = Arc::make_mut(&mut self.erased);
            if all.insert(tombstone.id.clone(), Arc::clone(tombstone)).is_some() {
                return Err(format!("tombstone {} is set already", tombstone.id));
            }
        }
        for id in erased_done {
            let known = Arc::make_mut(&mut self.erased).remove(id);
            let tombstone = known.ok_or_else(|| format!("tombstone {id} is not in force"))?;
            if let Some(block) = self.all_blocks().find(|block| tombstone.covers(block)) {
                return Err(format!("tombstone {id} still covers block {}", block.object));
            }
        }
        Ok(())
    }

    /// Checkpoints go forward only: manifests below the newest one may be deleted.
    fn move_checkpoint(&mut self, named: Option<&CheckpointRef>) -> Result<(), String> {
        let (from, to) = (self.checkpoint_number().unwrap_or(0), named.map_or(0, |c| c.number));
        if to < from || to >= self.version {
            return Err(format!("it names checkpoint {to}, the newest is {from}"));
        }
        if to > from && to < self.pages_condemned {
            let condemned = self.pages_condemned;
            return Err(format!("it names checkpoint {to}, pages were condemned in {condemned}"));
        }
        self.checkpoint = named.cloned();
        Ok(())
    }

    /// Blocks of a partition stay in the order of [`rank`]: a merged one takes the place of its
    /// inputs.
    fn add(&mut self, block: &Arc<BlockMeta>, number: u64) -> Result<(), String> {
        if self.condemned.contains(&block.object) {
            return Err(format!("block {} is condemned", block.object));
        }
        let partition = partition_of(block).map_err(|e| e.message())?;
        let entry = Arc::make_mut(self.partitions.entry(partition).or_default());
        if entry.blocks.iter().any(|b| b.object == block.object && b.offset == block.offset) {
            return Err(format!("block {} is there already", block.object));
        }
        let block = match block.seq {
            0 => Arc::new(BlockMeta { seq: number, ..(**block).clone() }),
            _ => Arc::clone(block),
        };
        let at = entry.blocks.partition_point(|b| rank(b) <= rank(&block));
        entry.blocks.insert(at, block);
        entry.page = None;
        Ok(())
    }

    fn remove(&mut self, keys: &[String]) -> Result<(), String> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut wanted: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let mut emptied = Vec::new();
        for (name, partition) in &mut self.partitions {
            if !partition.blocks.iter().any(|b| wanted.contains(b.object.as_str())) {
                continue;
            }
            let partition = Arc::make_mut(partition);
            partition.blocks.retain(|b| !wanted.remove(b.object.as_str()));
            partition.page = None;
            if partition.blocks.is_empty() {
                emptied.push(name.clone());
            }
        }
        for name in &emptied {
            self.partitions.remove(name);
        }
        match wanted.first() {
            Some(key) => Err(format!("block {key} is removed but was not there")),
            None => Ok(()),
        }
    }
}

/// Returns the place of a block in the order in which rows count as sent (ORD-1): of two values for
/// one time the one of the higher rank wins.
pub(crate) fn rank(block: &BlockMeta) -> (u64, u64) {
    (block.seq, block.lsn.iter().map(|range| range.hi).max().unwrap_or(0))
}

/// Returns whether rows of `input` may be in a block that a merge made.
fn holds_rows_of(block: &BlockMeta, input: &BlockMeta) -> bool {
    let holds = |wanted: &LsnRange| {
        block.lsn.iter().any(|range| {
            range.writer == wanted.writer && range.lo <= wanted.lo && wanted.hi <= range.hi
        })
    };
    block.tenant == input.tenant
        && (&block.signal, &block.kind) == (&input.signal, &input.kind)
        && input.lsn.iter().all(holds)
}

/// Returns the partition of a block.
///
/// # Errors
/// `Corrupt` where its tenant or signal is none.
pub(crate) fn partition_of(block: &BlockMeta) -> Result<Partition> {
    parse_partition(&block.tenant, &block.signal, &block.day)
        .map_err(|e| e.context(format_args!("block {}", block.object)))
}

/// Parses the text forms of a partition.
pub(crate) fn parse_partition(tenant: &str, signal: &str, day: &str) -> Result<Partition> {
    let tenant = TenantId::parse(tenant).map_err(|e| Error::corrupt(e.message()))?;
    let signal = Signal::parse(signal)
        .ok_or_else(|| Error::corrupt(format!("signal {signal:?} is unknown")))?;
    Ok(Partition { tenant, signal, day: day.to_owned() })
}

#[cfg(test)]
mod tests;
