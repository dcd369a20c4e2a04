//! Batches of a block → batches as a flush has them: the columns of the table, with all attributes
//! of a row in its map, wherever the block keeps them.
//!
//! Entries come as every reader gives them: those of the map, then promoted ones by key.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Int32Array, MapArray, RecordBatch, StringArray,
    StructArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use tarn_model::attributes::ValueKind;
use tarn_model::error::{Error, Result};

use crate::block::promote::value_kind;
use crate::schema::tables::{Promoted, Table, column, row_attributes_type};
use crate::view::rows::own_texts;

/// Texts of attributes in one batch: a block keeps a text once that many rows have, and they must not
/// grow without bound when every row gets its own.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// A promoted attribute of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnColumn {
    pub(super) key: String,
    pub(super) kind: Promoted,
    pub(super) column: String,
}

/// How batches of one block are turned.
#[derive(Debug)]
pub(super) struct Whole {
    /// Sorted by key.
    pub(super) own: Vec<OwnColumn>,
    /// What batches are turned into.
    schema: SchemaRef,
}

impl Whole {
    /// Prepares for blocks with columns `stored`; `wanted` are columns of the table.
    pub(super) fn new(table: Table, stored: &Schema, wanted: &[&str]) -> Self {
        let known = table.schema();
        let others = stored.fields().iter().filter(|f| known.field_with_name(f.name()).is_err());
        let own = others.filter_map(|field| {
            let (kind, key) = Promoted::parse(field.name())?;
            Some(OwnColumn { key: key.to_owned(), kind, column: field.name().clone() })
        });
        let mut own: Vec<OwnColumn> = own.collect();
        own.sort_unstable_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
        let fields = known.fields().iter().filter(|field| wanted.contains(&field.name().as_str()));
        let fields: Vec<FieldRef> = fields.cloned().collect();
        if !wanted.contains(&column::ATTRIBUTES) {
            own.clear();
        }
        Self { own, schema: Arc::new(Schema::new(fields)) }
    }

    /// Returns the columns that must be decoded.
    pub(super) fn needs(&self, stored: &Schema) -> Vec<String> {
        let fields = self.schema.fields().iter().map(|field| field.name());
        let fields = fields.filter(|name| stored.field_with_name(name).is_ok()).cloned();
        fields.chain(self.own.iter().map(|own| own.column.clone())).collect()
    }

    /// Turns a batch, mostly into one.
    ///
    /// # Errors
    /// `Corrupt` where a column is not what its name says.
    pub(super) fn turn(
        &self,
        batch: &RecordBatch,
        mut each: impl FnMut(RecordBatch),
    ) -> Result<()> {
        let has = |name: &str| self.schema.field_with_name(name).is_ok();
        let attributes = has(column::ATTRIBUTES).then(|| Attributes::of(batch, &self.own));
        let attributes = attributes.transpose()?;
        let mut from = 0;
        while from < batch.num_rows() {
            let (rows, made) = match &attributes {
                None => (from..batch.num_rows(), None),
                Some(attributes) => {
                    let (rows, map, kinds) = attributes.make(from)?;
                    (rows, Some((map, kinds)))
                }
            };
            let columns =
                self.schema.fields().iter().map(|field| match (field.name().as_str(), &made) {
                    (column::ATTRIBUTES, Some((map, _))) => Ok(Arc::clone(map)),
                    (column::ATTRIBUTE_KINDS, Some((_, kinds))) => Ok(Arc::clone(kinds)),
                    (name, _) => stored(batch, name, field.data_type(), rows.clone()),
                });
            let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
            let turned = RecordBatch::try_new(Arc::clone(&self.schema), columns)
                .map_err(|e| Error::corrupt("columns do not fit together").with_source(e))?;
            each(turned);
            from = rows.end;
        }
        Ok(())
    }
}

fn stored(
    batch: &RecordBatch,
    name: &str,
    data_type: &DataType,
    rows: Range<usize>,
) -> Result<ArrayRef> {
    let Some(array) = batch.column_by_name(name) else {
        return Ok(new_null_array(data_type, rows.len()));
    };
    let array = array.slice(rows.start, rows.len());
    if array.data_type() == data_type {
        return Ok(array);
    }
    arrow_cast::cast(&array, data_type).map_err(|e| {
        Error::corrupt(format!("column {name} holds {}", array.data_type())).with_source(e)
    })
}

type Texts = DictionaryArray<Int32Type>;

/// All attributes of a batch.
struct Attributes<'a> {
    rows: usize,
    map: Option<(&'a MapArray, &'a Texts, &'a StringArray)>,
    kinds: Option<&'a BinaryArray>,
    own: Vec<(ValueKind, Texts)>,
    /// Those of promoted ones, then those of the map.
    keys: ArrayRef,
}

impl<'a> Attributes<'a> {
    fn of(batch: &'a RecordBatch, columns: &[OwnColumn]) -> Result<Self> {
        let wrong = |name: &str| Error::corrupt(format!("{name} is not what its name says"));
        let mut own = Vec::with_capacity(columns.len());
        let mut keys = StringBuilder::new();
        for OwnColumn { key, kind, column } in columns {
            let array = batch.column_by_name(column).ok_or_else(|| wrong(column))?;
            own.push((value_kind(*kind), own_texts(array, *kind)?));
            keys.append_value(key);
        }
        let mut map = None;
        if let Some(array) = batch.column_by_name(column::ATTRIBUTES) {
            let wrong = || wrong(column::ATTRIBUTES);
            let entries = array.as_map_opt().ok_or_else(wrong)?;
            let of_map: &Texts = entries.keys().as_dictionary_opt().ok_or_else(wrong)?;
            let values = entries.values().as_string_opt::<i32>().ok_or_else(wrong)?;
            let names = of_map.values().as_string_opt::<i32>().ok_or_else(wrong)?;
            names.iter().for_each(|name| keys.append_value(name.unwrap_or_default()));
            map = Some((entries, of_map, values));
        }
        let kinds = batch.column_by_name(column::ATTRIBUTE_KINDS).map(|array| {
            array.as_binary_opt::<i32>().ok_or_else(|| wrong(column::ATTRIBUTE_KINDS))
        });
        let (rows, keys) = (batch.num_rows(), Arc::new(keys.finish()));
        Ok(Self { rows, map, kinds: kinds.transpose()?, own, keys })
    }

    /// Makes the map and its kinds for rows from one on, as far as they are not too large.
    fn make(&self, from: usize) -> Result<(Range<usize>, ArrayRef, ArrayRef)> {
        let mut made = Made::default();
        let own = self
            .own
            .iter()
            .map(|(kind, texts)| (*kind as u8, texts, texts.values().as_string::<i32>()));
        let own: Vec<(u8, &Texts, &StringArray)> = own.collect();
        let before = own.len() as i32;
        let mut row = from;
        while row < self.rows && (row == from || made.values.values_slice().len() < TEXT_BYTES_MAX)
        {
            if let Some((map, keys, values)) = &self.map {
                let offsets = map.value_offsets();
                let told = self.kinds.filter(|kinds| kinds.is_valid(row));
                let told = told.map_or(&[][..], |kinds| kinds.value(row));
                for (i, entry) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    let kind = told.get(i).copied().unwrap_or(ValueKind::Text as u8);
                    let value = if values.is_valid(entry) { values.value(entry) } else { "" };
                    made.add(before + keys.keys().value(entry), kind, value);
                }
            }
            for (number, (kind, texts, values)) in own.iter().enumerate() {
                if let Some(text) = texts.key(row) {
                    made.add(number as i32, *kind, values.value(text));
                }
            }
            made.end_row();
            row += 1;
        }
        let (map, kinds) = made.finish(&self.keys)?;
        Ok((from..row, map, kinds))
    }
}

/// A map under construction.
#[derive(Debug, Default)]
struct Made {
    keys: Vec<i32>,
    values: StringBuilder,
    lengths: Vec<usize>,
    kinds: BinaryBuilder,
    row_kinds: Vec<u8>,
}

impl Made {
    fn add(&mut self, key: i32, kind: u8, value: &str) {
        self.keys.push(key);
        self.values.append_value(value);
        self.row_kinds.push(kind);
    }

    fn end_row(&mut self) {
        self.lengths.push(self.row_kinds.len());
        if self.row_kinds.iter().all(|kind| *kind == ValueKind::Text as u8) {
            self.kinds.append_null();
        } else {
            self.kinds.append_value(&self.row_kinds);
        }
        self.row_kinds.clear();
    }

    fn finish(mut self, keys: &ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
        let unexpected = || Error::internal("attributes do not fit into a map of texts");
        let DataType::Map(field, sorted) = row_attributes_type() else { return Err(unexpected()) };
        let DataType::Struct(fields) = field.data_type() else { return Err(unexpected()) };
        let numbers = Int32Array::from(self.keys);
        let keys = DictionaryArray::try_new(numbers, Arc::clone(keys));
        let keys: ArrayRef = Arc::new(keys.map_err(|e| unexpected().with_source(e))?);
        let values: ArrayRef = Arc::new(self.values.finish());
        let entries = StructArray::try_new(fields.clone(), vec![keys, values], None);
        let entries = entries.map_err(|e| unexpected().with_source(e))?;
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        let map = MapArray::try_new(field, offsets, entries, None, sorted);
        let map = map.map_err(|e| unexpected().with_source(e))?;
        Ok((Arc::new(map), Arc::new(self.kinds.finish())))
    }
}
