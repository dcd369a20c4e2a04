//! `tarn block verify`: reads every object that the catalog names and compares all of its bytes with
//! what was written.
//!
//! A query reads only what it needs, so damage in a part that nobody asks for goes unseen until
//! somebody does. Here each block is read whole: its length, the checksum of the whole file, and that
//! of the tail must be those of the catalog.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use tarn_model::error::{ErrorKind, Result};

use crate::block::BlockMeta;
use crate::catalog::State;
use crate::object::Objects;

/// Blocks read at once: each is held whole, so few.
const READS: usize = 2;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks that were read.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that are not as they were written: key and what is wrong.
    pub damaged: Vec<(String, String)>,
}

/// Reads all live blocks; `each` is told after every one of them, with its bytes.
///
/// # Errors
/// `Unavailable` where the store cannot be read. Damage is no error: it is in the answer.
pub async fn verify(
    objects: &Objects,
    state: &State,
    mut each: impl FnMut(u64),
) -> Result<Verified> {
    let mut found = Verified::default();
    let blocks: Vec<Arc<BlockMeta>> = state.all_blocks().cloned().collect();
    let mut reads = stream::iter(blocks)
        .map(|meta| async move {
            let verdict = check(objects, &meta).await;
            (meta, verdict)
        })
        .buffered(READS);
    while let Some((meta, verdict)) = reads.next().await {
        found.blocks += 1;
        found.bytes += meta.bytes;
        if let Some(what) = verdict? {
            found.damaged.push((meta.object.clone(), what));
        }
        each(meta.bytes);
    }
    Ok(found)
}

/// Returns what is wrong with a block, if anything.
async fn check(objects: &Objects, meta: &BlockMeta) -> Result<Option<String>> {
    let range = meta.offset..meta.offset + meta.bytes;
    let bytes = match objects.get_range(&meta.object, range).await {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(Some(e.message())),
        Err(e) => return Err(e),
    };
    let tail = bytes.len().saturating_sub(usize::try_from(meta.tail_bytes).unwrap_or(usize::MAX));
    if crc32c::crc32c(&bytes[tail..]) != meta.tail_crc {
        return Ok(Some("its tail is not the one that was written".to_owned()));
    }
    let whole = crc32c::crc32c(&bytes);
    let differs = whole != meta.block_crc;
    Ok(differs.then(|| format!("its checksum is {whole:08x}, not {:08x}", meta.block_crc)))
}
