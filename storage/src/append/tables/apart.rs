//! A batch without its dictionaries, and the dictionaries apart.
//!
//! Dictionaries are what makes two batches differ in more than their rows: they cannot be laid
//! together by copying, nor written without ids in every field. Taken apart, each dictionary column
//! is a column of numbers (the keys of `attributes` likewise) beside a list of texts, and both are
//! plain arrays.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, MapArray, RecordBatch, StringArray, StructArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::schema::tables::Table;

/// The columns of a batch, numbers in place of texts, and the texts of each dictionary column in
/// their order.
#[derive(Debug)]
pub(crate) struct Apart {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) texts: Vec<ArrayRef>,
}

type Result<T> = std::result::Result<T, ArrowError>;

/// Returns whether a column has a dictionary.
pub(crate) fn has_texts(field: &Field) -> bool {
    match field.data_type() {
        DataType::Dictionary(_, _) => true,
        DataType::Map(entry, _) => match entry.data_type() {
            DataType::Struct(pair) => pair.first().is_some_and(|key| has_texts(key)),
            _ => false,
        },
        _ => false,
    }
}

fn is_text(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Dictionary(_, _))
}

/// Returns the schema of the columns of [`Apart`].
pub(crate) fn schema(table: Table) -> &'static SchemaRef {
    static LOGS: LazyLock<SchemaRef> = LazyLock::new(|| numbers(Table::Logs));
    static SPANS: LazyLock<SchemaRef> = LazyLock::new(|| numbers(Table::Spans));
    match table {
        Table::Logs => &LOGS,
        Table::Spans => &SPANS,
    }
}

fn numbers(table: Table) -> SchemaRef {
    let schema = table.schema();
    let fields = schema.fields().iter().map(|field| {
        let kind = if is_text(field) {
            DataType::Int32
        } else if has_texts(field) {
            number_map()
        } else {
            field.data_type().clone()
        };
        Field::new(field.name(), kind, field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type of `attributes` with numbers in place of keys.
fn number_map() -> DataType {
    let fields =
        vec![Field::new("key", DataType::Int32, false), Field::new("value", DataType::Utf8, true)];
    let entry = Field::new("key_value", DataType::Struct(fields.into()), false);
    DataType::Map(Arc::new(entry), false)
}

/// Takes a batch apart. Copies nothing.
pub(crate) fn take(batch: &RecordBatch) -> Result<Apart> {
    let (mut columns, mut texts) = (Vec::with_capacity(batch.num_columns()), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let bare = if is_text(field) {
            let (keys, values) = text_parts(column)?;
            texts.push(values);
            Arc::new(keys)
        } else if has_texts(field) {
            let map = column.as_map();
            let (keys, values) = text_parts(map.keys())?;
            texts.push(values);
            let entries: Vec<ArrayRef> = vec![Arc::new(keys), Arc::clone(map.values())];
            map_of(&number_map(), map, entries)?
        } else {
            Arc::clone(column)
        };
        columns.push(bare);
    }
    Ok(Apart { columns, texts })
}

/// Puts a batch together again.
///
/// # Errors
/// Where columns and texts do not fit each other or the table.
pub(crate) fn join(table: Table, apart: Apart) -> Result<RecordBatch> {
    let mut texts = apart.texts.into_iter();
    let mut next = || texts.next().ok_or_else(|| odd("fewer dictionaries than columns"));
    let schema = table.schema();
    let mut columns = Vec::with_capacity(apart.columns.len());
    for (field, column) in schema.fields().iter().zip(apart.columns) {
        columns.push(if is_text(field) {
            dictionary(column.as_ref(), next()?)?
        } else if has_texts(field) {
            let map = column.as_map_opt().ok_or_else(|| odd("attributes are no map"))?;
            let keys = dictionary(map.keys(), next()?)?;
            map_of(field.data_type(), map, vec![keys, Arc::clone(map.values())])?
        } else {
            column
        });
    }
    RecordBatch::try_new(schema, columns)
}

fn text_parts(column: &dyn Array) -> Result<(Int32Array, ArrayRef)> {
    let texts = column.as_dictionary_opt::<Int32Type>();
    let texts = texts.ok_or_else(|| odd("a column of texts is no dictionary"))?;
    Ok((texts.keys().clone(), Arc::clone(texts.values())))
}

/// Checks that every number has its text.
fn dictionary(numbers: &dyn Array, texts: ArrayRef) -> Result<ArrayRef> {
    let numbers = numbers.as_primitive_opt::<Int32Type>();
    let numbers = numbers.ok_or_else(|| odd("a column of numbers is of another type"))?;
    if texts.as_any().downcast_ref::<StringArray>().is_none_or(|texts| texts.null_count() > 0) {
        return Err(odd("a dictionary of something else than texts"));
    }
    Ok(Arc::new(DictionaryArray::try_new(numbers.clone(), texts)?))
}

/// Makes a map with the shape of `like`.
fn map_of(kind: &DataType, like: &MapArray, entries: Vec<ArrayRef>) -> Result<ArrayRef> {
    let DataType::Map(field, sorted) = kind else { return Err(odd("a map of another type")) };
    let DataType::Struct(fields) = field.data_type() else { return Err(odd("a map of no pairs")) };
    let entries = StructArray::try_new(fields.clone(), entries, None)?;
    let (offsets, nulls) = (like.offsets().clone(), like.nulls().cloned());
    Ok(Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *sorted)?))
}

fn odd(what: &str) -> ArrowError {
    ArrowError::InvalidArgumentError(what.to_owned())
}
