//! Batches of log records and spans ↔ the payloads of the log.
//!
//! A payload is two messages, columns and dictionaries ([`apart`]):
//!
//! ```text
//! columns u32 · len u32 · dictionaries (len bytes) · rows
//! ```
//! `columns` has a bit per column of the table; columns in which every row is NULL are left out. The
//! dictionaries are a message of one row: a list of texts for each column that has one. Written in
//! the request's own task, read in replay, where everything that passes the checksum of its record
//! and is malformed all the same is `Corrupt`.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, new_null_array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use tarn_model::error::{Error, Result};

use crate::append::message::{self, Packing, damaged};
use crate::head::tables::TableBatch;
use crate::schema::tables::{Table, payload};
use crate::wal::Payload;
use apart::Apart;

pub(crate) mod apart;

/// Messages below this are not packed: a request of a hundred records is mostly the cost of setting
/// up lz4 some forty times, and the log is short-lived.
const PACK_FROM: usize = 64 << 10;
/// `columns` and `len`.
const PREFIX: usize = 8;

/// Encodes a batch.
///
/// # Errors
/// `Internal` where it cannot be encoded: a bug.
pub(crate) fn encode(batch: &TableBatch) -> Result<Payload> {
    let table = batch.table;
    let bytes = write(table, &batch.rows, batch.bytes).map_err(|e| {
        Error::internal(format!("encode {} for the log", table.as_str())).with_source(e)
    })?;
    let schema = match table {
        Table::Logs => payload::LOGS,
        Table::Spans => payload::SPANS,
    };
    Ok(Payload { signal: table.signal(), schema, bytes })
}

fn write(table: Table, batch: &RecordBatch, size: usize) -> std::result::Result<Bytes, ArrowError> {
    let Apart { mut columns, texts } = apart::take(batch)?;
    let packing = if size < PACK_FROM { Packing::None } else { Packing::Lz4 };
    let mut present = 0u32;
    for (at, column) in columns.iter().enumerate() {
        present |= u32::from(column.null_count() < column.len()) << at;
    }
    let mut at = 0;
    columns.retain(|_| {
        at += 1;
        present & (1 << (at - 1)) != 0
    });
    let lists = texts.iter().map(one_list).collect::<std::result::Result<_, _>>()?;
    let dictionaries = message::write(dictionaries_schema(table), lists, packing)?;
    let rows = message::write(&present_schema(table, present), columns, packing)?;
    let mut bytes = Vec::with_capacity(PREFIX + dictionaries.len() + rows.len());
    bytes.extend_from_slice(&present.to_le_bytes());
    bytes.extend_from_slice(&(dictionaries.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&dictionaries);
    bytes.extend_from_slice(&rows);
    Ok(bytes.into())
}

/// Decodes a batch.
///
/// # Errors
/// `Corrupt` where the payload is no batch of the table.
pub(crate) fn decode(bytes: &[u8], table: Table) -> Result<TableBatch> {
    let what = table.as_str();
    let (columns, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged(what))?;
    let present = u32::from_le_bytes(*columns);
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged(what))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (dictionaries, rows) = rest.split_at_checked(length).ok_or_else(|| damaged(what))?;
    let known = 1u64 << table.schema().fields().len();
    if u64::from(present) >= known {
        return Err(damaged(what));
    }
    let dictionaries = message::read(dictionaries, dictionaries_schema(table), what)?;
    let rows = message::read(rows, &present_schema(table, present), what)?;
    let batch = join(table, present, &dictionaries, &rows);
    TableBatch::new(table, batch.map_err(|e| damaged(what).with_source(e))?)?.detached()
}

fn join(
    table: Table,
    present: u32,
    dictionaries: &RecordBatch,
    rows: &RecordBatch,
) -> std::result::Result<RecordBatch, ArrowError> {
    if dictionaries.num_rows() != 1 || rows.num_rows() == 0 {
        return Err(ArrowError::InvalidArgumentError("a batch without rows".to_owned()));
    }
    let texts = dictionaries.columns().iter().map(|list| list.as_list::<i32>().value(0)).collect();
    let mut read = rows.columns().iter();
    let schema = apart::schema(table);
    let columns = schema.fields().iter().enumerate().map(|(at, field)| {
        let read = if present & (1 << at) == 0 { None } else { read.next() };
        read.map_or_else(|| new_null_array(field.data_type(), rows.num_rows()), Arc::clone)
    });
    let columns: Vec<ArrayRef> = columns.collect();
    apart::join(table, Apart { columns, texts })
}

/// The schema of the columns that are written.
fn present_schema(table: Table, present: u32) -> SchemaRef {
    let fields = apart::schema(table).fields().iter().enumerate();
    let kept = fields.filter(|(at, _)| present & (1 << at) != 0).map(|(_, f)| Arc::clone(f));
    Arc::new(Schema::new(kept.collect::<Vec<_>>()))
}

fn dictionaries_schema(table: Table) -> &'static SchemaRef {
    static LOGS: LazyLock<SchemaRef> = LazyLock::new(|| lists_of_texts(Table::Logs));
    static SPANS: LazyLock<SchemaRef> = LazyLock::new(|| lists_of_texts(Table::Spans));
    match table {
        Table::Logs => &LOGS,
        Table::Spans => &SPANS,
    }
}

fn lists_of_texts(table: Table) -> SchemaRef {
    let schema = table.schema();
    let with_texts = schema.fields().iter().filter(|field| apart::has_texts(field));
    let fields = with_texts.map(|field| {
        let item = Field::new("item", DataType::Utf8, false);
        Field::new(field.name(), DataType::List(Arc::new(item)), false)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn one_list(texts: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    let item = Arc::new(Field::new("item", DataType::Utf8, false));
    let offsets = OffsetBuffer::from_lengths([texts.len()]);
    Ok(Arc::new(ListArray::try_new(item, offsets, Arc::clone(texts), None)?))
}

#[cfg(test)]
mod tests;
