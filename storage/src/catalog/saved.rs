//! A copy of the catalog in the data folder: what a start goes on from while the bucket is away.
//!
//! It is one file in the envelope of [`format`](mod@format), replaced after every commit of our own
//! and whenever a poll found others. It is not the truth: it serves only a folder whose writer is
//! live in it, so that nobody else may have committed anything of that log meanwhile, and once the
//! bucket is back whatever is there counts.
//!
//! A start without the bucket raises the epoch in the folder alone. Two copies of one folder could
//! do so at the same time; so such an epoch goes up by a random step, and the copy of the catalog
//! keeps those that this folder has drawn ([`Saved::drawn`]). An epoch in the bucket that is none of
//! them is another process's, and ours must not go on (FEN-1).

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};

use crate::block::BlockMeta;
use crate::catalog::checkpoint;
use crate::catalog::format::{self, Checkpoint, CheckpointRef, Magic, WriterState};
use crate::catalog::state::{PartitionBlocks, State, partition_of};
use crate::file::{self, Disk};
use crate::paths::DataDir;

/// A copy beyond this is not written by this program: the envelope bounds what is in it, and
/// compression makes it smaller.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The catalog version but for its blocks.
    pub state: Checkpoint,
    /// ETag of its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The newest checkpoint that counts in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointRef>,
    /// All live blocks.
    pub blocks: Vec<Arc<BlockMeta>>,
    /// Epochs that this folder has drawn since and may have committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<u64>,
}

impl Saved {
    /// Copies a catalog version.
    pub fn of(state: &State) -> Self {
        Self {
            state: checkpoint::of(state, Vec::new()),
            etag: state.etag.clone(),
            checkpoint: state.checkpoint.clone(),
            blocks: state.all_blocks().cloned().collect(),
            drawn: Vec::new(),
        }
    }

    /// Returns the catalog version.
    ///
    /// # Errors
    /// `Corrupt` where a block is of no tenant or signal.
    pub fn into_state(self) -> Result<State> {
        let Self { state, etag, checkpoint, blocks, .. } = self;
        let mut state = State { etag, checkpoint, ..checkpoint::without_blocks(state) };
        for block in blocks {
            let partition = state.partitions.entry(partition_of(&block)?).or_default();
            let partition: &mut PartitionBlocks = Arc::make_mut(partition);
            // They were listed in their order.
            partition.blocks.push(block);
        }
        Ok(state)
    }

    /// Returns whether a start may go on from this copy: everything of the writer's log that is in
    /// blocks was put there by this folder.
    pub fn names_live(&self, writer: &str) -> bool {
        let live = |state| state == WriterState::Live;
        self.state.writers.iter().any(|w| w.writer.id == writer && live(w.writer.state))
    }

    /// Returns whether an epoch that the bucket gives the writer is one that this folder has drawn;
    /// `newest` is the one in the folder.
    pub fn is_ours(&self, writer: &str, epoch: u64, newest: u64) -> bool {
        let saved = self.state.writers.iter().find(|w| w.writer.id == writer);
        epoch == newest
            || saved.is_none_or(|record| record.writer.epoch == epoch)
            || self.drawn.contains(&epoch)
    }

    /// Replaces the copy in a folder.
    ///
    /// # Errors
    /// What the disk says; the old copy is there then.
    pub fn write(&self, dir: &DataDir, disk: &dyn Disk) -> Result<()> {
        let bytes = format::seal(Magic::Saved, self)?;
        let (temp, path) = (dir.saved_catalog_temp(), dir.saved_catalog());
        file::replace(disk, &temp, &path, &bytes)
            .map_err(|e| Error::internal(format!("write {}", path.display())).with_source(e))
    }

    /// Reads the copy of a folder; `None` where there is none.
    ///
    /// # Errors
    /// `Corrupt` where it is not what was written.
    pub fn read(dir: &DataDir, disk: &dyn Disk) -> Result<Option<Self>> {
        let path = dir.saved_catalog();
        match file::read_whole(disk, &path, FILE_BYTES_MAX) {
            Ok(bytes) => format::open(Magic::Saved, &path.display().to_string(), &bytes).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::internal(format!("read {}", path.display())).with_source(e)),
        }
    }
}
