//! Loading the catalog, and the checkpoints that make it short.
//!
//! A checkpoint is one object that points to pages, one page per partition that has blocks. Pages
//! are immutable, so a partition that did not change keeps its page from one checkpoint to the
//! next. A checkpoint is written beside the race for numbers and counts once a manifest names it;
//! every later manifest carries the name along. So a load is: list, read the newest manifest, its
//! checkpoint, the pages, and the manifests above it.
//!
//! Where a checkpoint is damaged and all manifests since the first still exist, they are read
//! instead: nothing is lost and the damage is reported.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::rng::Rng;

use crate::catalog::commit::read_manifest;
use crate::catalog::format::{
    self, Checkpoint, CheckpointRef, Magic, Manifest, Page, PageEntry, PageRef,
};
use crate::catalog::state::{Partition, PartitionBlocks, State, parse_partition};
use crate::object::{CreateError, Objects, is_not_found};
use crate::paths;

/// Old manifests may be deleted while they are read, and a sleeper may even put one of a dead branch
/// in their place; a new listing then begins further up. What is wrong every time is wrong.
const LOADS_MAX: usize = 3;
/// Objects read at once: enough to hide the latency of a bucket, few enough for any store.
const PARALLEL: usize = 16;

/// Returns the numbers of all manifests, sorted.
pub(crate) async fn list(objects: &Objects) -> Result<Vec<u64>> {
    let listed = objects.list(paths::CATALOG_PREFIX).await?;
    Ok(listed.iter().filter_map(|head| paths::parse_manifest_key(&head.key)).collect())
}

/// Loads the newest state.
pub(crate) async fn load(objects: &Objects) -> Result<State> {
    for _ in 1..LOADS_MAX {
        match load_once(objects).await {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {}
            done => return done,
        }
    }
    load_once(objects).await.map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::corrupt(e.message()),
        _ => e,
    })
}

async fn load_once(objects: &Objects) -> Result<State> {
    let numbers = list(objects).await?;
    let Some((last, newest)) = newest(objects, numbers.last().copied().unwrap_or(0)).await? else {
        return nothing(objects).await;
    };
    let state = base(objects, &newest, &numbers).await?;
    follow(objects, state, last).await
}

/// Nothing was committed yet; unless a restore has begun here, whose end must not be hidden below
/// the manifests of a new store.
async fn nothing(objects: &Objects) -> Result<State> {
    if objects.head(paths::RESTORING_KEY).await?.is_none() {
        return Ok(State::default());
    }
    Err(Error::invalid(
        "a restore into this place has not ended: run the same `tarn restore` again, which goes on \
         where it stopped, or empty the place",
    ))
}

/// Loads the state as of a manifest that the history still has.
///
/// # Errors
/// `NotFound` where it has not; `Corrupt` where what it needs is damaged.
pub(crate) async fn load_at(objects: &Objects, number: u64) -> Result<State> {
    let lapsed = |what: &str| {
        let message = format!(
            "manifest {number} cannot be brought back: {what}; `tarn catalog log` prints those \
             that are there"
        );
        Error::not_found(message)
    };
    let Some((manifest, _)) = fetch(objects, number).await? else {
        return Err(lapsed("there is no such manifest, or the history has passed it"));
    };
    let state = match &manifest.checkpoint {
        Some(reference) => read(objects, reference).await,
        None => Ok(State::default()),
    };
    let followed = match state {
        Ok(state) => follow(objects, state, number).await,
        Err(error) => Err(error),
    };
    followed.map_err(|e| match e.kind() {
        ErrorKind::NotFound => lapsed("what leads to it was deleted with the history"),
        _ => e,
    })
}

/// Applies the manifests above a state, up to `last`.
async fn follow(objects: &Objects, mut state: State, last: u64) -> Result<State> {
    let mut deltas = stream::iter(state.version + 1..=last)
        .map(|number| async move { Ok::<_, Error>((number, fetch(objects, number).await?)) })
        .buffered(PARALLEL);
    while let Some((number, found)) = deltas.try_next().await? {
        let Some((manifest, etag)) = found else {
            let message = format!("manifest {number} is missing, the newest is {last}");
            return Err(Error::not_found(message).context("load catalog"));
        };
        state = state.apply(&manifest, etag)?;
    }
    Ok(state)
}

/// Finds the newest manifest. A listing may lag behind, so what follows it is asked for by number.
async fn newest(objects: &Objects, listed: u64) -> Result<Option<(u64, Manifest)>> {
    let mut newest = None;
    let mut number = listed.max(1);
    while let Some((manifest, _)) = fetch(objects, number).await? {
        newest = Some((number, manifest));
        number += 1;
    }
    if newest.is_none() && listed > 0 {
        return Err(Error::corrupt(format!("manifest {listed} is listed but cannot be read")));
    }
    Ok(newest)
}

async fn fetch(objects: &Objects, number: u64) -> Result<Option<(Manifest, Option<String>)>> {
    match objects.get(&paths::manifest_key(number)).await {
        Ok(object) => {
            let manifest = read_manifest(number, &object)?;
            Ok(Some((manifest, object.etag)))
        }
        Err(e) if is_not_found(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Returns the state from which the deltas go on.
async fn base(objects: &Objects, newest: &Manifest, numbers: &[u64]) -> Result<State> {
    let Some(reference) = &newest.checkpoint else {
        // Manifests are deleted below a checkpoint only, so one that names none is of a dead branch
        // where some are gone: a sleeper put it there, and the listing has not shown the others.
        if objects.head(paths::COLLECTED_KEY).await?.is_some() {
            let message = format!("manifest {} is of a dead branch", newest.number);
            return Err(Error::not_found(message).context("load catalog"));
        }
        return Ok(State::default());
    };
    match read(objects, reference).await {
        Ok(state) => Ok(state),
        Err(error) => {
            let damaged = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound);
            if damaged && numbers.first() == Some(&1) {
                tracing::error!(%error, object = reference.object, "checkpoint is damaged, reading all manifests instead");
                return Ok(State::default());
            }
            Err(error.context("load catalog"))
        }
    }
}

/// Reads a checkpoint and its pages.
///
/// # Errors
/// `NotFound` or `Corrupt` naming the object.
pub(crate) async fn read(objects: &Objects, reference: &CheckpointRef) -> Result<State> {
    let object = objects.get(&reference.object).await?;
    let checkpoint: Checkpoint = format::open(Magic::Checkpoint, &reference.object, &object.bytes)?;
    if checkpoint.number != reference.number {
        let (inside, wanted) = (checkpoint.number, reference.number);
        let message = format!("{} is damaged: of {inside}, not {wanted}", reference.object);
        return Err(Error::corrupt(message));
    }
    let pages = checkpoint.pages.clone();
    let mut state = without_blocks(checkpoint);
    let mut pages = stream::iter(pages)
        .map(|entry| async move { read_page(objects, entry).await })
        .buffered(PARALLEL);
    while let Some((partition, blocks)) = pages.try_next().await? {
        state.partitions.insert(partition, Arc::new(blocks));
    }
    Ok(state)
}

/// Returns the state of a checkpoint, but for its blocks.
pub(crate) fn without_blocks(checkpoint: Checkpoint) -> State {
    let writers = checkpoint.writers.into_iter();
    State {
        version: checkpoint.number,
        nonce: checkpoint.nonce,
        writers: writers.map(|record| (record.writer.id.clone(), Arc::new(record))).collect(),
        // The manifests above say which checkpoint counted when.
        checkpoint: None,
        condemned: Arc::new(checkpoint.condemned.into_iter().collect()),
        erased: Arc::new(checkpoint.erased.into_iter().map(|t| (t.id.clone(), t)).collect()),
        gone: Arc::new(checkpoint.gone.into_iter().collect()),
        clock_ms: checkpoint.clock_ms,
        ..State::default()
    }
}

/// Returns the checkpoint of a state whose blocks are in `pages`.
pub(crate) fn of(state: &State, pages: Vec<PageEntry>) -> Checkpoint {
    Checkpoint {
        number: state.version,
        nonce: state.nonce.clone(),
        writers: state.writers().cloned().collect(),
        pages,
        condemned: state.condemned.iter().cloned().collect(),
        erased: state.erased().cloned().collect(),
        gone: state.gone.iter().map(|(key, at)| (key.clone(), *at)).collect(),
        clock_ms: state.clock_ms,
    }
}

async fn read_page(objects: &Objects, entry: PageEntry) -> Result<(Partition, PartitionBlocks)> {
    let partition = parse_partition(&entry.tenant, &entry.signal, &entry.day)?;
    let PageEntry { page, .. } = entry;
    let object = objects.get(&page.object).await?;
    let (bytes, crc) = (object.bytes.len() as u64, crc32c::crc32c(&object.bytes));
    if bytes != page.bytes || crc != page.crc {
        let message =
            format!("{} is damaged: not the bytes that its checkpoint names", page.object);
        return Err(Error::corrupt(message));
    }
    let Page { blocks } = format::open(Magic::Page, &page.object, &object.bytes)?;
    Ok((partition, PartitionBlocks { blocks, page: Some(page) }))
}

/// Writes a checkpoint of `state`; returns its name, and the state with its pages noted.
pub(crate) async fn write(
    objects: &Objects,
    rng: &dyn Rng,
    state: &State,
) -> Result<(CheckpointRef, State)> {
    let mut with_pages = state.clone();
    let mut pages = Vec::with_capacity(state.partitions.len());
    for (partition, content) in &state.partitions {
        let page = match &content.page {
            Some(page) => page.clone(),
            None => {
                let page = write_page(objects, rng, state.version, partition, content).await?;
                let noted =
                    PartitionBlocks { blocks: content.blocks.clone(), page: Some(page.clone()) };
                with_pages.partitions.insert(partition.clone(), Arc::new(noted));
                page
            }
        };
        pages.push(PageEntry {
            tenant: partition.tenant.to_string(),
            signal: partition.signal.to_string(),
            day: partition.day.clone(),
            page,
        });
    }
    let checkpoint = of(state, pages);
    let object = paths::checkpoint_key(state.version, rng.next_u64());
    let body = format::seal(Magic::Checkpoint, &checkpoint)?;
    objects.create(&object, &body).await.map_err(|e| not_created(&object, e))?;
    Ok((CheckpointRef { number: state.version, object }, with_pages))
}

async fn write_page(
    objects: &Objects,
    rng: &dyn Rng,
    number: u64,
    partition: &Partition,
    content: &PartitionBlocks,
) -> Result<PageRef> {
    let Partition { tenant, signal, day } = partition;
    let object = paths::page_key(tenant, *signal, day, number, rng.next_u64());
    let body = format::seal(Magic::Page, &Page { blocks: content.blocks.clone() })?;
    objects.create(&object, &body).await.map_err(|e| not_created(&object, e))?;
    Ok(PageRef { object, bytes: body.len() as u64, crc: crc32c::crc32c(&body) })
}

fn not_created(object: &str, error: CreateError) -> Error {
    match error {
        CreateError::Unknown(error) => error,
        // The name is random: this means a broken source of randomness.
        CreateError::Conflict(_) => Error::internal(format!("{object} exists already")),
    }
}
