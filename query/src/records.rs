//! Rows of logs and spans, read out of batches and written as JSON.
//!
//! Columns are looked up by name once per batch. A text is plain or a dictionary code, whichever
//! way the batch came; a column that was not asked for has no value in any row.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, BinaryArray, FixedSizeBinaryArray, ListArray, MapArray, PrimitiveArray, RecordBatch,
    StringArray, StructArray,
};
use serde_json::value::RawValue;
use tarn_model::attributes::ValueKind;
use tarn_model::error::{Error, Result};

use crate::api::json;
use crate::api::json::object::Object;

/// Columns by name: of a batch, or of the elements of a list.
pub(crate) trait Columns {
    /// Returns a column.
    fn find(&self, name: &str) -> Option<&dyn Array>;
}

impl Columns for RecordBatch {
    fn find(&self, name: &str) -> Option<&dyn Array> {
        self.column_by_name(name).map(|column| &**column)
    }
}

impl Columns for StructArray {
    fn find(&self, name: &str) -> Option<&dyn Array> {
        self.column_by_name(name).map(|column| &**column)
    }
}

/// A column of numbers.
pub(crate) struct Numbers<'a, T: arrow_array::ArrowPrimitiveType>(Option<&'a PrimitiveArray<T>>);

impl<T: arrow_array::ArrowPrimitiveType> Numbers<'_, T> {
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        self.0.filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }
}

pub(crate) type Ints<'a> = Numbers<'a, Int32Type>;
pub(crate) type Longs<'a> = Numbers<'a, Int64Type>;
pub(crate) type Doubles<'a> = Numbers<'a, Float64Type>;
pub(crate) type Times<'a> = Numbers<'a, TimestampMicrosecondType>;

/// Returns a column of numbers.
pub(crate) fn numbers<'a, T: arrow_array::ArrowPrimitiveType>(
    columns: &'a impl Columns,
    name: &str,
) -> Result<Numbers<'a, T>> {
    typed(columns, name, |array| array.as_primitive_opt::<T>()).map(Numbers)
}

/// A column of texts.
pub(crate) enum Texts<'a> {
    Missing,
    Plain(&'a StringArray),
    Codes(&'a PrimitiveArray<Int32Type>, &'a StringArray),
}

impl<'a> Texts<'a> {
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Missing => None,
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Codes(codes, texts) => {
                let code = codes.is_valid(row).then(|| codes.value(row) as usize)?;
                texts.is_valid(code).then(|| texts.value(code))
            }
        }
    }
}

/// Returns a column of texts.
pub(crate) fn texts<'a>(columns: &'a impl Columns, name: &str) -> Result<Texts<'a>> {
    Ok(typed(columns, name, as_texts)?.unwrap_or(Texts::Missing))
}

fn as_texts(array: &dyn Array) -> Option<Texts<'_>> {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(Texts::Plain(texts));
    }
    let codes = array.as_dictionary_opt::<Int32Type>()?;
    Some(Texts::Codes(codes.keys(), codes.values().as_string_opt::<i32>()?))
}

/// A column of ids.
pub(crate) struct Ids<'a>(Option<&'a FixedSizeBinaryArray>);

impl<'a> Ids<'a> {
    pub(crate) fn get<const N: usize>(&self, row: usize) -> Option<[u8; N]> {
        let ids: &'a FixedSizeBinaryArray = self.0?;
        if ids.is_valid(row) { ids.value(row).try_into().ok() } else { None }
    }
}

/// Returns a column of ids.
pub(crate) fn ids<'a>(columns: &'a impl Columns, name: &str) -> Result<Ids<'a>> {
    typed(columns, name, |array| array.as_fixed_size_binary_opt()).map(Ids)
}

/// Returns a column of lists of structures.
pub(crate) fn lists<'a>(columns: &'a impl Columns, name: &str) -> Result<Option<&'a ListArray>> {
    typed(columns, name, |array| array.as_list_opt::<i32>())
}

/// Attributes with their kinds.
pub(crate) struct Attributes<'a> {
    map: Option<&'a MapArray>,
    keys: Texts<'a>,
    values: Texts<'a>,
    kinds: Option<&'a BinaryArray>,
}

/// Returns the columns of attributes and their kinds.
pub(crate) fn attributes<'a>(
    columns: &'a impl Columns,
    name: &str,
    kinds: &str,
) -> Result<Attributes<'a>> {
    let map = typed(columns, name, |array| array.as_map_opt())?;
    let side = |array: Option<&'a dyn Array>| array.and_then(as_texts).unwrap_or(Texts::Missing);
    Ok(Attributes {
        keys: side(map.map(|map| &**map.keys())),
        values: side(map.map(|map| &**map.values())),
        map,
        kinds: typed(columns, kinds, |array| array.as_binary_opt::<i32>())?,
    })
}

impl<'a> Attributes<'a> {
    /// Returns the value of a key.
    pub(crate) fn get(&self, row: usize, key: &str) -> Option<&'a str> {
        let map = self.map.filter(|map| map.is_valid(row))?;
        let offsets = map.value_offsets();
        let mut entries = offsets[row] as usize..offsets[row + 1] as usize;
        let at = entries.find(|entry| self.keys.get(*entry) == Some(key))?;
        self.values.get(at)
    }

    /// Writes the attributes of a row as an object, those whose keys are `wanted`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, row: usize, wanted: impl Fn(&str) -> bool) {
        let mut object = Object::new(out);
        let kinds = self.kinds.filter(|kinds| kinds.is_valid(row)).map(|kinds| kinds.value(row));
        for (i, entry) in self.entries(row).enumerate() {
            let Some(key) = self.keys.get(entry).filter(|key| wanted(key)) else { continue };
            let kind = kinds.and_then(|kinds| kinds.get(i));
            let kind = kind.and_then(|n| ValueKind::from_number(*n)).unwrap_or_default();
            any_value(object.member(key), self.values.get(entry), kind);
        }
        object.close();
    }

    /// Calls `found` with each attribute of a row.
    pub(crate) fn each(&self, row: usize, mut found: impl FnMut(&str, Option<&str>)) {
        for entry in self.entries(row) {
            if let Some(key) = self.keys.get(entry) {
                found(key, self.values.get(entry));
            }
        }
    }

    fn entries(&self, row: usize) -> std::ops::Range<usize> {
        let Some(map) = self.map.filter(|map| map.is_valid(row)) else { return 0..0 };
        let offsets = map.value_offsets();
        offsets[row] as usize..offsets[row + 1] as usize
    }
}

/// Writes a value as what it was before it became text. What JSON has no number for stays text.
pub(crate) fn any_value(out: &mut Vec<u8>, text: Option<&str>, kind: ValueKind) {
    let Some(text) = text.filter(|_| kind != ValueKind::Empty) else {
        return out.extend_from_slice(b"null");
    };
    let is_json = match kind {
        ValueKind::Text | ValueKind::Empty => false,
        ValueKind::Bool => matches!(text, "true" | "false"),
        ValueKind::Int | ValueKind::Double => {
            text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && is_json(text)
        }
        ValueKind::Array | ValueKind::Map | ValueKind::Bytes => is_json(text),
    };
    if is_json { out.extend_from_slice(text.as_bytes()) } else { json::string(out, text) }
}

/// Writes the JSON of a resource or a scope, an empty object where it is none.
pub(crate) fn raw_object(out: &mut Vec<u8>, text: &str) {
    let is_object = text.starts_with('{') && is_json(text);
    out.extend_from_slice(if is_object { text.as_bytes() } else { b"{}" });
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Writes bytes as hex digits, in quotes.
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    out.push(b'"');
}

/// Puts µs and the ns below them together.
pub(crate) fn time_ns(micros: i64, nanos: Option<i32>) -> i64 {
    micros.saturating_mul(1000).saturating_add(i64::from(nanos.unwrap_or(0)))
}

fn typed<'a, C: Columns, T>(
    columns: &'a C,
    name: &str,
    cast: impl FnOnce(&'a dyn Array) -> Option<T>,
) -> Result<Option<T>> {
    let Some(array) = columns.find(name) else { return Ok(None) };
    let typed = cast(array).ok_or_else(|| {
        Error::internal(format!("read rows: column {name} is {}", array.data_type()))
    })?;
    Ok(Some(typed))
}
