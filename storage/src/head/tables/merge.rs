//! Several batches become one: rows in their order, each text of a dictionary once.
//!
//! Only the dictionaries need thought: the texts of each batch get numbers in a common one, and the
//! numbers of the rows follow. That costs a look-up per text of a dictionary, not per row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, MapArray, StructArray};
use arrow_schema::ArrowError;
use arrow_select::concat::concat;
use tarn_model::error::{Error, Result};

use super::TableBatch;
use crate::append::rows::Dictionary;
use crate::append::tables::apart::{self, Apart};

/// Lays batches of one table together.
///
/// # Errors
/// `Internal` where they do not fit together: a bug.
pub(super) fn merge(batches: &[Arc<TableBatch>]) -> Result<TableBatch> {
    let last = batches.last().ok_or_else(|| Error::internal("lay no batches together"))?;
    let rows = joined(batches).map_err(|e| Error::internal("lay batches").with_source(e))?;
    let rows = apart::join(last.table, rows)
        .map_err(|e| Error::internal("lay batches together").with_source(e))?;
    Ok(TableBatch { lsn: last.lsn, ..TableBatch::new(last.table, rows)? })
}

fn joined(batches: &[Arc<TableBatch>]) -> std::result::Result<Apart, ArrowError> {
    let mut parts = Vec::with_capacity(batches.len());
    for batch in batches {
        parts.push(apart::take(&batch.rows)?);
    }
    let Some(schema) = batches.first().map(|batch| batch.rows.schema()) else {
        return Ok(Apart { columns: Vec::new(), texts: Vec::new() });
    };
    let mut united = Apart { columns: Vec::new(), texts: Vec::new() };
    for (at, field) in schema.fields().iter().enumerate() {
        let pieces: Vec<ArrayRef> = if apart::has_texts(field) {
            let mut common = Dictionary::default();
            let number = united.texts.len();
            let renumbered = parts.iter().map(|part| {
                let numbers = numbers_of(part.texts[number].as_ref(), &mut common)?;
                renumber(&part.columns[at], &numbers)
            });
            let pieces = renumbered.collect::<std::result::Result<_, _>>()?;
            united.texts.push(Arc::new(common.finish()));
            pieces
        } else {
            parts.iter().map(|part| Arc::clone(&part.columns[at])).collect()
        };
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        united.columns.push(concat(&pieces)?);
    }
    Ok(united)
}

/// Returns the common number of each text of a batch.
fn numbers_of(
    texts: &dyn Array,
    common: &mut Dictionary,
) -> std::result::Result<Vec<i32>, ArrowError> {
    let texts = texts
        .as_string_opt::<i32>()
        .ok_or_else(|| ArrowError::CastError("a dictionary of no texts".to_owned()))?;
    Ok(texts.iter().map(|text| common.number(text.unwrap_or_default())).collect())
}

/// Puts the common numbers in place of a batch's own.
fn renumber(column: &ArrayRef, numbers: &[i32]) -> std::result::Result<ArrayRef, ArrowError> {
    let same = numbers.iter().enumerate().all(|(own, common)| own as i32 == *common);
    if same {
        return Ok(Arc::clone(column));
    }
    let Some(map) = column.as_map_opt() else {
        return Ok(Arc::new(renumbered(column.as_primitive(), numbers)));
    };
    let keys = renumbered(map.keys().as_primitive(), numbers);
    let (field, offsets, entries, nulls, sorted) = map.clone().into_parts();
    let (fields, _, _) = entries.into_parts();
    let entries: Vec<ArrayRef> = vec![Arc::new(keys), Arc::clone(map.values())];
    let entries = StructArray::try_new(fields, entries, None)?;
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, nulls, sorted)?))
}

fn renumbered(own: &Int32Array, numbers: &[i32]) -> Int32Array {
    // What stands where a value is NULL has no meaning, and may be no number of a text.
    own.unary::<_, Int32Type>(|number| numbers.get(number as usize).copied().unwrap_or(0))
}
