//! Erased rows: refused until the matcher of rows is there.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use tarn_model::error::{Error, Result};

use crate::retain::erase::Tombstone;
use crate::schema::tables::Table;

/// What is erased in one block.
#[derive(Debug)]
pub(super) struct Erased(bool);

impl Erased {
    pub(super) fn new(tombstones: &[Arc<Tombstone>]) -> Result<Self> {
        Ok(Self(tombstones.is_empty()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0
    }

    pub(super) fn kept(&self, _: Table, _: &RecordBatch) -> Result<BooleanArray> {
        Err(Error::internal("erased rows cannot be left out of a merge"))
    }
}
