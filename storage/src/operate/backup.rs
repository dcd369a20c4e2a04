//! `tarn backup`, `tarn restore`: a copy of a store elsewhere, and a store made of such a copy.
//!
//! The object store is the database, so a backup is a copy of what one catalog version names: its
//! blocks, its checkpoint and pages, and the documents, each with length and SHA-256. It is read
//! beside whoever writes, without a lock and without writing: the history keeps what a version names
//! for an hour at least, 24 by default. Where an object goes nevertheless while it is copied, the
//! copy begins again from a newer version; what was copied stays copied.
//!
//! ```text
//! backups/20261121T120000Z-0123abcd.backup   the index of one backup, written last
//! objects/<key>                              blocks, pages, checkpoints: names are never used twice
//! objects/<key>.<digest>                     documents
//! underway/<id>                              a backup or a prune that is being made
//! ```
//!
//! A backup is there when its index is. Objects are shared between backups, so the next one copies
//! only what is new. A restore fills an empty place and commits one manifest as its last step: the
//! place holds the whole store then, and held none before. Writers of the old store are lost in it,
//! and their folders cannot join it.
//!
//! - [`index`]: what a backup says about itself; [`place`]: where backups are kept and stores are made
//! - [`create`](mod@create), [`verify`](mod@verify), [`restore`](mod@restore), [`prune`](mod@prune)
//! - `source`: what a version names; `copy`: one object from here to there

use std::fmt;

use bytes::Bytes;
use tarn_model::error::{Error, ErrorKind, Result};

use crate::object::is_not_found;
use crate::paths;

mod copy;
pub mod create;
pub mod index;
pub mod place;
pub mod prune;
pub mod restore;
mod source;
pub mod verify;

pub use create::{CreateOptions, Created, create};
pub use index::{Entry, Index};
pub use place::{Target, Vault};
pub use prune::{Pruned, prune};
pub use restore::{Origin, Restored, restore};
pub use verify::{Verified, verify};

/// Objects that are under way at once.
pub const JOBS: usize = 8;
/// Bytes that are under way at once; an object beyond that goes alone.
pub const MEMORY_BYTES: u64 = 256 << 20;

/// Who is told how far a long piece of work is.
pub trait Progress: Send + Sync + fmt::Debug {
    /// So many bytes are to be done in all.
    fn total(&self, bytes: u64);
    /// So many more are done.
    fn advance(&self, bytes: u64);
    /// Something worth a line happened.
    fn say(&self, line: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn say(&self, _line: &str) {}
}

/// Reads the indexes of backups, one after the other: each may name a million objects. A damaged one
/// is handed on as the error that it is; one that was pruned meanwhile is left out.
///
/// # Errors
/// `Unavailable` where the place cannot be read; those of `visit`.
pub async fn each(
    vault: &Vault,
    ids: impl IntoIterator<Item = String> + Send,
    mut visit: impl FnMut(String, Result<Index>) -> Result<()> + Send,
) -> Result<()> {
    // Whoever is not `Send` may not be held over an await.
    let ids: Vec<String> = ids.into_iter().collect();
    for id in ids {
        match read(vault, &id).await {
            Err(e) if is_not_found(&e) => {}
            Err(e) if matches!(e.kind(), ErrorKind::Unavailable { .. }) => return Err(e),
            read => visit(id, read)?,
        }
    }
    Ok(())
}

/// Returns the ids of all backups of a place, oldest first.
///
/// # Errors
/// `Unavailable` where the place cannot be read.
pub async fn ids(vault: &Vault) -> Result<Vec<String>> {
    let heads = vault.objects().list(paths::BACKUP_PREFIX).await?;
    let ids = heads.iter().filter_map(|head| paths::parse_backup_key(&head.key));
    Ok(ids.map(str::to_owned).collect())
}

/// Reads the index of one backup; without an id, of the newest.
///
/// # Errors
/// `NotFound` where there is none; `Corrupt` where its bytes are not what was written; `Invalid`
/// where another version of Tarn wrote a format that this one does not read.
pub async fn find(vault: &Vault, id: Option<&str>) -> Result<Index> {
    let id = match id {
        Some(id) if !paths::is_backup_id(id) => {
            return Err(Error::invalid(format!("{id:?} is no id of a backup")));
        }
        Some(id) => id.to_owned(),
        None => ids(vault).await?.pop().ok_or_else(|| {
            Error::not_found("no backup is there: `tarn backup create` makes one")
        })?,
    };
    match read(vault, &id).await {
        Err(e) if is_not_found(&e) => {
            let known = ids(vault).await?;
            let newest = known.last().map_or("none", String::as_str);
            Err(Error::not_found(format!("there is no backup {id}; the newest is {newest}")))
        }
        read => read,
    }
}

/// Returns what alerting remembered when a backup was made, if that is in it.
///
/// # Errors
/// `Corrupt` where the bytes are not what was written; `Unavailable` where the place cannot be read.
pub async fn alerts(vault: &Vault, index: &Index) -> Result<Option<Bytes>> {
    let Some(entry) = &index.alerts else { return Ok(None) };
    let place = entry.place();
    let body = copy::read(vault.objects(), &place).await?;
    let wrong = match &body {
        Some(body) => entry.differs(body).await,
        None => Some("it is gone".to_owned()),
    };
    match wrong {
        Some(what) => Err(Error::corrupt(format!("{place} is damaged: {what}"))),
        None => Ok(body),
    }
}

async fn read(vault: &Vault, id: &str) -> Result<Index> {
    let key = paths::backup_key(id);
    let object = vault.objects().get(&key).await?;
    Index::open(id, &key, &object.bytes)
}
