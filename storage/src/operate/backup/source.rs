//! What a catalog version names: everything that a copy of it must hold.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tarn_model::error::Result;
use tarn_model::rng::Rng;

use crate::block::BlockMeta;
use crate::catalog::State;
use crate::catalog::checkpoint;
use crate::catalog::format::{self, CheckpointRef, Magic, Page, PageEntry, PageRef};
use crate::object::Objects;
use crate::paths;

/// One object to copy.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: String,
    /// Its length, where the catalog or a listing knows it; of a document a listing says it.
    pub(super) bytes: Option<u64>,
    /// Parts whose checksums the catalog knows.
    pub(super) parts: Vec<Part>,
    /// A document: its name may stand for another content in another store.
    pub(super) document: bool,
    pub(super) etag: Option<String>,
}

/// A part of an object, and its CRC32C.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) crc: u32,
}

impl Wanted {
    /// Returns what is wrong with a body, as far as the catalog knows.
    pub(super) fn differs(&self, body: &Bytes) -> Option<String> {
        let bytes = body.len() as u64;
        if self.bytes.is_some_and(|wanted| wanted != bytes) {
            return Some(format!("it has {bytes} bytes of {}", self.bytes.unwrap_or_default()));
        }
        for Part { range, crc } in &self.parts {
            let of_body = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let part = of_body.and_then(|(start, end)| body.get(start..end));
            let Some(part) = part else {
                return Some(format!("it ends at {bytes}, before byte {}", range.end));
            };
            let found = crc32c::crc32c(part);
            if found != *crc {
                return Some(format!("its checksum is {found:08x}, not {crc:08x}"));
            }
        }
        None
    }
}

/// Catalog objects that are made for a copy, because the store has none that say just this.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) checkpoint: CheckpointRef,
    pub(super) objects: Vec<(String, Bytes)>,
}

/// Returns the objects that a version names: blocks, and pages that hold just what it says.
pub(super) fn named(state: &State) -> Vec<Wanted> {
    let mut objects: BTreeMap<&str, Vec<&Arc<BlockMeta>>> = BTreeMap::new();
    for block in state.all_blocks() {
        objects.entry(block.object.as_str()).or_default().push(block);
    }
    let blocks = objects.into_iter().map(|(key, blocks)| {
        let part = |block: &&Arc<BlockMeta>| Part {
            range: block.offset..block.offset.saturating_add(block.bytes),
            crc: block.block_crc,
        };
        let parts: Vec<Part> = blocks.iter().map(part).collect();
        // Blocks that share an object may leave room beside them.
        let alone = matches!(&*parts, [only] if only.range.start == 0);
        let bytes = parts.first().filter(|_| alone).map(|part| part.range.end);
        Wanted { key: key.to_owned(), bytes, parts, document: false, etag: None }
    });
    let pages = state.partitions.values().filter_map(|partition| partition.page.as_ref());
    let pages = pages.map(|PageRef { object, bytes, crc }| Wanted {
        key: object.clone(),
        bytes: Some(*bytes),
        parts: vec![Part { range: 0..*bytes, crc: *crc }],
        document: false,
        etag: None,
    });
    blocks.chain(pages).collect()
}

/// Returns all revisions of all documents.
pub(super) async fn documents(objects: &Objects) -> Result<Vec<Wanted>> {
    let listed = objects.list(paths::DOCUMENT_PREFIX).await?;
    let ours = listed.into_iter().filter(|head| paths::parse_document_key(&head.key).is_some());
    let wanted = ours.map(|head| Wanted {
        key: head.key,
        bytes: Some(head.bytes),
        parts: Vec::new(),
        document: true,
        etag: head.etag,
    });
    Ok(wanted.collect())
}

/// Makes the checkpoint of a version, with pages for the partitions that have none. What the store
/// is about to delete stays behind, and need not be remembered where it never was.
pub(super) fn make(state: &State, rng: &dyn Rng) -> Result<Made> {
    let mut objects = Vec::new();
    let mut pages = Vec::with_capacity(state.partitions.len());
    for (partition, content) in &state.partitions {
        let page = match &content.page {
            Some(page) => page.clone(),
            None => {
                let (tenant, day) = (&partition.tenant, &partition.day);
                let attempt = rng.next_u64();
                let object = paths::page_key(tenant, partition.signal, day, state.version, attempt);
                let body = format::seal(Magic::Page, &Page { blocks: content.blocks.clone() })?;
                let (bytes, crc) = (body.len() as u64, crc32c::crc32c(&body));
                objects.push((object.clone(), body));
                PageRef { object, bytes, crc }
            }
        };
        pages.push(PageEntry {
            tenant: partition.tenant.to_string(),
            signal: partition.signal.to_string(),
            day: partition.day.clone(),
            page,
        });
    }
    let mut alone = checkpoint::of(state, pages);
    alone.condemned.clear();
    alone.gone.clear();
    let object = paths::checkpoint_key(state.version, rng.next_u64());
    objects.push((object.clone(), format::seal(Magic::Checkpoint, &alone)?));
    Ok(Made { checkpoint: CheckpointRef { number: state.version, object }, objects })
}
