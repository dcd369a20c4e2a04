//! Splits the attributes of rows into promoted columns and the map of all others.
//!
//! A value goes into the column of its key where it is of the column's type and the column gives
//! back the same text. A row that has a key twice keeps both in the map, so nothing is lost. Keys
//! have other numbers in each source, so columns are looked up by key once per source.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, MapArray, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use tarn_model::attributes::ValueKind;
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use super::gather::dictionary;
use crate::block::promote::{self, PromotedKey, value_kind};
use crate::schema::tables::{Promoted, row_attributes_type};

/// No column.
const NONE: u16 = u16::MAX;
/// No row was seen yet.
const NEVER: usize = usize::MAX;

/// Columns under construction.
#[derive(Debug)]
pub(crate) struct Splitter {
    /// The column of each key that has one.
    names: HashMap<String, u16>,
    /// The same by number of the key.
    column_of: Vec<u16>,
    columns: Vec<Column>,
    rows: usize,
    keys: Vec<i32>,
    values: StringBuilder,
    lengths: Vec<usize>,
    kinds: BinaryBuilder,
    row_kinds: Vec<u8>,
    scratch: String,
}

/// The attributes of some rows.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) promoted: Vec<ArrayRef>,
    pub(crate) attributes: ArrayRef,
    pub(crate) kinds: ArrayRef,
}

/// A promoted column under construction. NULLs are filled in when a value comes.
#[derive(Debug)]
struct Column {
    kind: ValueKind,
    values: Values,
    filled: usize,
    /// The last row that has the key, and the last one that has it twice.
    seen: usize,
    twice: usize,
    /// Values in the column, and those that stayed in the map.
    taken: u64,
    left: u64,
}

#[derive(Debug)]
enum Values {
    Text(StringBuilder),
    Int(Int64Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
}

impl Splitter {
    /// Prepares for keys with columns.
    pub(crate) fn new(promoted: &[PromotedKey]) -> Self {
        let names = promoted.iter().enumerate().map(|(i, key)| (key.key.clone(), i as u16));
        Self {
            names: names.collect(),
            column_of: Vec::new(),
            columns: promoted.iter().map(|key| Column::new(key.kind)).collect(),
            rows: 0,
            keys: Vec::new(),
            values: StringBuilder::new(),
            lengths: Vec::new(),
            kinds: BinaryBuilder::new(),
            row_kinds: Vec::new(),
            scratch: String::new(),
        }
    }

    /// Begins with rows of a source that has these keys.
    pub(crate) fn begin(&mut self, keys: &StringArray) {
        let column = |key: Option<&str>| key.and_then(|key| self.names.get(key)).copied();
        self.column_of = keys.iter().map(|key| column(key).unwrap_or(NONE)).collect();
    }

    /// Returns for each promoted key how many values are in its column, and how many in the map.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.columns.iter().map(|column| (column.taken, column.left))
    }

    /// Adds a row; `key` returns the number of the key of an entry.
    pub(crate) fn add(
        &mut self,
        map: &MapArray,
        kinds: &BinaryArray,
        row: usize,
        key: impl Fn(usize) -> i32,
    ) {
        let values = map.values().as_string::<i32>();
        let offsets = map.value_offsets();
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        let kinds = if kinds.is_null(row) { &[][..] } else { kinds.value(row) };
        self.find_repeats(entries.clone().map(&key));
        let before = self.keys.len();
        for (i, entry) in entries.enumerate() {
            let kind = kinds.get(i).copied().unwrap_or(ValueKind::Text as u8);
            let (number, text) = (key(entry), values.value(entry));
            let column = self.column_of.get(number as usize).copied().unwrap_or(NONE);
            if let Some(column) = self.columns.get_mut(column as usize) {
                if column.twice != self.rows
                    && column.take(self.rows, kind, text, &mut self.scratch)
                {
                    continue;
                }
                column.left += 1;
            }
            self.keys.push(number);
            self.values.append_value(text);
            self.row_kinds.push(kind);
        }
        self.lengths.push(self.keys.len() - before);
        self.end_kinds();
        self.rows += 1;
    }

    fn find_repeats(&mut self, keys: impl Iterator<Item = i32>) {
        for number in keys {
            let column = self.column_of.get(number as usize).copied().unwrap_or(NONE);
            if let Some(column) = self.columns.get_mut(column as usize) {
                if column.seen == self.rows {
                    column.twice = self.rows;
                }
                column.seen = self.rows;
            }
        }
    }

    fn end_kinds(&mut self) {
        if self.row_kinds.iter().all(|kind| *kind == ValueKind::Text as u8) {
            self.kinds.append_null();
        } else {
            self.kinds.append_value(&self.row_kinds);
        }
        self.row_kinds.clear();
    }

    /// Makes the columns of the rows added and begins anew; `texts` are those of the keys.
    ///
    /// # Errors
    /// `Internal` where they do not fit together: a bug.
    pub(crate) fn finish(&mut self, texts: &ArrayRef) -> Result<Split> {
        let rows = std::mem::take(&mut self.rows);
        let promoted = self.columns.iter_mut().map(|column| column.finish(rows)).collect();
        let keys = dictionary(self.keys.drain(..), texts)?;
        let values: ArrayRef = Arc::new(self.values.finish());
        let lengths = OffsetBuffer::from_lengths(self.lengths.drain(..));
        let attributes = map(lengths, vec![keys, values])?;
        Ok(Split { promoted, attributes, kinds: Arc::new(self.kinds.finish()) })
    }
}

fn map(offsets: OffsetBuffer<i32>, entries: Vec<ArrayRef>) -> Result<ArrayRef> {
    let unexpected = || Error::internal("the type of attributes is a map of texts");
    let DataType::Map(field, sorted) = row_attributes_type() else { return Err(unexpected()) };
    let DataType::Struct(fields) = field.data_type() else { return Err(unexpected()) };
    let entries = StructArray::try_new(fields.clone(), entries, None);
    let entries = entries.map_err(|e| unexpected().with_source(e))?;
    let map = MapArray::try_new(field, offsets, entries, None, sorted);
    Ok(Arc::new(map.map_err(|e| unexpected().with_source(e))?))
}

impl Column {
    fn new(kind: Promoted) -> Self {
        let values = match kind {
            Promoted::Text => Values::Text(StringBuilder::new()),
            Promoted::Int => Values::Int(Int64Builder::new()),
            Promoted::Double => Values::Double(Float64Builder::new()),
            Promoted::Bool => Values::Bool(BooleanBuilder::new()),
        };
        let kind = value_kind(kind);
        Self { kind, values, filled: 0, seen: NEVER, twice: NEVER, taken: 0, left: 0 }
    }

    /// Takes the value of a row, where the column can give back the same.
    fn take(&mut self, row: usize, kind: u8, text: &str, scratch: &mut String) -> bool {
        if kind != self.kind as u8 {
            return false;
        }
        let gap = row - self.filled;
        let taken = match &mut self.values {
            Values::Text(builder) => {
                builder.append_nulls(gap);
                builder.append_value(text);
                true
            }
            Values::Int(builder) => promote::int(text).is_some_and(|value| {
                builder.append_nulls(gap);
                builder.append_value(value);
                true
            }),
            Values::Double(builder) => promote::double(text, scratch).is_some_and(|value| {
                builder.append_nulls(gap);
                builder.append_value(value);
                true
            }),
            Values::Bool(builder) => promote::boolean(text).is_some_and(|value| {
                builder.append_nulls(gap);
                builder.append_value(value);
                true
            }),
        };
        if taken {
            self.filled = row + 1;
            self.taken += 1;
        }
        taken
    }

    fn finish(&mut self, rows: usize) -> ArrayRef {
        let gap = rows - std::mem::take(&mut self.filled);
        (self.seen, self.twice) = (NEVER, NEVER);
        match &mut self.values {
            Values::Text(builder) => {
                builder.append_nulls(gap);
                Arc::new(builder.finish())
            }
            Values::Int(builder) => {
                builder.append_nulls(gap);
                Arc::new(builder.finish())
            }
            Values::Double(builder) => {
                builder.append_nulls(gap);
                Arc::new(builder.finish())
            }
            Values::Bool(builder) => {
                builder.append_nulls(gap);
                Arc::new(builder.finish())
            }
        }
    }
}
