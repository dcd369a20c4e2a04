//! Where boards are kept that were made in the page: a trait, because the object store is not ours.

use std::fmt;
use std::future::Future;
use std::path::Path;

use serde_json::Value;

/// A stored board.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// Counts from 1.
    pub revision: u64,
    /// As it was stored.
    pub board: Value,
    /// When, Unix ms.
    pub changed_ms: i64,
    /// Who changed it.
    pub author: String,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "the change may not have been made"]
pub enum Saved {
    /// It is kept, as this revision.
    Done(u64),
    /// Somebody else changed the board in between: as it is now; `None` where it is gone.
    Conflict(Option<Box<Stored>>),
}

/// Why the store cannot answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    /// Whether asking again later may help.
    pub unavailable: bool,
    /// What happened.
    pub message: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Keeps boards as numbered revisions, of one tenant. Whoever creates the next number has changed the
/// board; nobody overwrites another's change.
pub trait BoardStore: Send + Sync {
    /// Returns all boards.
    fn list(&self) -> impl Future<Output = Result<Vec<Stored>, StoreError>> + Send;

    /// Returns a board; `None` where there is none.
    fn get(&self, name: &str) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Stores a board in place of revision `expected`; 0: it must not exist; `None`: whatever is there.
    fn put(
        &self,
        name: &str,
        expected: Option<u64>,
        board: &str,
    ) -> impl Future<Output = Result<Saved, StoreError>> + Send;

    /// Deletes a board likewise.
    fn delete(
        &self,
        name: &str,
        expected: Option<u64>,
    ) -> impl Future<Output = Result<Saved, StoreError>> + Send;

    /// Writes the file of a folder board anew, whole or not at all.
    fn write_back(
        &self,
        path: &Path,
        text: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
