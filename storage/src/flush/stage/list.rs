//! The list of a staged cut: what makes its files count.
//!
//! One file per cut in the envelope of [`format`](mod@crate::catalog::format): the log positions,
//! and per block its file and its entry for the catalog. It is renamed into place when all files are
//! synced, so a cut is staged wholly or not at all.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};

use crate::block::{BlockMeta, LsnRange};
use crate::catalog::format::{self, Magic};
use crate::file::{self, Disk};
use crate::paths::DataDir;

/// Entries of some thousand blocks, packed.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagedList {
    /// The log positions of the cut.
    pub cut: LsnRange,
    /// Wall time at which it was staged, ms.
    pub time_ms: i64,
    /// Its blocks.
    pub blocks: Vec<StagedBlock>,
}

/// One block of a staged cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagedBlock {
    /// Name of its file in the same folder.
    pub file: String,
    /// Its entry for the catalog.
    pub meta: Arc<BlockMeta>,
}

impl StagedList {
    /// Puts the list in its place, over an older one of the same cut.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn write(&self, dir: &DataDir, disk: &dyn Disk) -> Result<()> {
        let bytes = format::seal(Magic::Staged, self)?;
        let (path, temp) = (dir.staged_list(self.cut.lo), dir.staged_list_temp(self.cut.lo));
        file::replace(disk, &temp, &path, &bytes)
            .map_err(|e| Error::internal(format!("write {}", path.display())).with_source(e))
    }

    /// Reads a list.
    ///
    /// # Errors
    /// `Corrupt` where it is not what was written.
    pub fn read(path: &Path, disk: &dyn Disk) -> Result<Self> {
        let shown = path.display().to_string();
        let bytes = file::read_whole(disk, path, LIST_BYTES_MAX)
            .map_err(|e| Error::internal(format!("read {shown}")).with_source(e))?;
        format::open(Magic::Staged, &shown, &bytes)
    }

    /// Returns the bytes of all its blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.meta.bytes).sum()
    }
}
