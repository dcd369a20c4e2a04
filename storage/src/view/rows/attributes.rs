//! Attributes of rows as queries see them, from where a part keeps them.
//!
//! A part has a map of attributes, and maybe columns of promoted ones. The value of a key is that of
//! its column where there is one and it is not NULL, else the entry of the map. Values of columns
//! that are not text are written as the map would have them, so nobody can tell where a value was
//! kept. Keys of the map are a dictionary, so a key is compared once per distinct key of a batch,
//! and then by number.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Int32Array, MapArray, StringArray, StructArray,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use tarn_model::attributes::ValueKind;
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use crate::any_value;
use crate::block::promote::value_kind;
use crate::schema::tables::{Promoted, attributes_type};

/// Texts by number; what all attribute columns become.
pub(crate) type Texts = DictionaryArray<Int32Type>;

/// A promoted attribute's values in a batch, as text.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) key: &'a str,
    pub(super) kind: Promoted,
    pub(super) texts: Texts,
}

/// Writes the values of a promoted column as text.
///
/// # Errors
/// `Corrupt` where the column is not of its type.
pub(crate) fn own_texts(column: &ArrayRef, kind: Promoted) -> Result<Texts> {
    let wrong = || Error::corrupt(format!("promoted column holds {}", column.data_type()));
    match kind {
        Promoted::Text => column.as_dictionary_opt::<Int32Type>().cloned().ok_or_else(wrong),
        Promoted::Int => {
            let ints = column.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
            let values = ints.values();
            Ok(numbered(ints, |row| values[row] as u64, |bits| (bits as i64).to_string()))
        }
        Promoted::Double => {
            let doubles = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
            let values = doubles.values();
            let text = |bits| double_text(f64::from_bits(bits));
            Ok(numbered(doubles, |row| values[row].to_bits(), text))
        }
        Promoted::Bool => {
            let bools = column.as_boolean_opt().ok_or_else(wrong)?;
            Ok(numbered(bools, |row| u64::from(bools.value(row)), |bit| (bit == 1).to_string()))
        }
    }
}

/// Slots of the cache in [`numbered`]: values of a column that are promoted are mostly few.
const SLOTS: usize = 256;

/// Writes each distinct value once, told apart by its bits.
fn numbered(
    column: &dyn Array,
    bits: impl Fn(usize) -> u64,
    text: impl Fn(u64) -> String,
) -> Texts {
    let mut known: HashMap<u64, i32> = HashMap::default();
    // Most rows find their value here, without hashing it properly.
    let mut slots = [(0_u64, NONE); SLOTS];
    let mut texts = StringBuilder::new();
    let mut number = |row: usize| {
        let bits = bits(row);
        let slot = &mut slots[(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize];
        if slot.0 != bits || slot.1 == NONE {
            let next = known.len() as i32;
            let number = *known.entry(bits).or_insert_with(|| {
                texts.append_value(text(bits));
                next
            });
            *slot = (bits, number);
        }
        slot.1
    };
    let numbers: Vec<i32> = match column.nulls() {
        None => (0..column.len()).map(number).collect(),
        Some(nulls) => {
            nulls.iter().enumerate().map(|(row, some)| if some { number(row) } else { 0 }).collect()
        }
    };
    dictionary(Int32Array::new(numbers.into(), column.nulls().cloned()), texts)
}

fn dictionary(numbers: Int32Array, mut texts: StringBuilder) -> Texts {
    // Every number was given to a text of the builder.
    DictionaryArray::new(numbers, Arc::new(texts.finish()))
}

fn double_text(value: f64) -> String {
    let mut text = String::new();
    any_value::write_double_text(&mut text, value);
    text
}

/// The entries of a map column.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    offsets: &'a [i32],
    keys: Keys<'a>,
    values: &'a StringArray,
}

#[derive(Debug)]
enum Keys<'a> {
    Numbered { numbers: &'a [i32], texts: &'a StringArray },
    Plain(&'a StringArray),
}

impl<'a> Entries<'a> {
    /// Looks into a column.
    ///
    /// # Errors
    /// `Corrupt` where it is not a map of texts.
    pub(super) fn of(column: &'a ArrayRef) -> Result<Self> {
        let wrong = || Error::corrupt(format!("attributes are {}", column.data_type()));
        let map: &MapArray = column.as_map_opt().ok_or_else(wrong)?;
        let values = map.values().as_string_opt::<i32>().ok_or_else(wrong)?;
        let keys = match map.keys().as_dictionary_opt::<Int32Type>() {
            Some(keys) => Keys::Numbered {
                numbers: keys.keys().values(),
                texts: keys.values().as_string_opt::<i32>().ok_or_else(wrong)?,
            },
            None => Keys::Plain(map.keys().as_string_opt::<i32>().ok_or_else(wrong)?),
        };
        Ok(Self { offsets: map.value_offsets(), keys, values })
    }

    fn row(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    fn key(&self, entry: usize) -> &'a str {
        match &self.keys {
            Keys::Numbered { numbers, texts } => texts.value(numbers[entry] as usize),
            Keys::Plain(texts) => texts.value(entry),
        }
    }

    fn value(&self, entry: usize) -> Option<&'a str> {
        self.values.is_valid(entry).then(|| self.values.value(entry))
    }

    /// Calls `found` with every row that has the key, and its value.
    fn each(&self, key: &str, mut found: impl FnMut(usize, Option<&'a str>)) {
        match &self.keys {
            Keys::Numbered { numbers, texts } => {
                let known = texts.iter().map(|text| text == Some(key));
                let known: Vec<bool> = known.collect();
                match known.iter().filter(|known| **known).count() {
                    0 => {}
                    1 => {
                        let at = known.iter().position(|known| *known).unwrap_or(0) as i32;
                        self.each_entry(|entry| numbers[entry] == at, &mut found);
                    }
                    _ => self.each_entry(|entry| known[numbers[entry] as usize], &mut found),
                }
            }
            Keys::Plain(texts) => self.each_entry(|entry| texts.value(entry) == key, &mut found),
        }
    }

    fn each_entry(
        &self,
        is: impl Fn(usize) -> bool,
        found: &mut impl FnMut(usize, Option<&'a str>),
    ) {
        for row in 0..self.offsets.len() - 1 {
            for entry in self.row(row) {
                if is(entry) {
                    found(row, self.value(entry));
                }
            }
        }
    }
}

/// Gives distinct texts numbers.
#[derive(Default)]
struct Numbers<'a> {
    known: HashMap<&'a str, i32>,
    last: Option<(&'a str, i32)>,
    texts: StringBuilder,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, text: &'a str) -> i32 {
        if let Some((last, number)) = self.last
            && last == text
        {
            return number;
        }
        let next = self.known.len() as i32;
        let number = *self.known.entry(text).or_insert_with(|| {
            self.texts.append_value(text);
            next
        });
        self.last = Some((text, number));
        number
    }
}

/// Marks rows without a value; no text has this number.
const NONE: i32 = -1;

/// Returns the values of a key: of the first column that has one, else of the map.
pub(super) fn attribute(
    rows: usize,
    key: &str,
    own: &[Own<'_>],
    map: Option<&Entries<'_>>,
) -> ArrayRef {
    if let ([only], None) = (own, map) {
        return Arc::new(only.texts.clone());
    }
    let mut numbers = Numbers::default();
    let mut column = vec![NONE; rows];
    if let Some(map) = map {
        map.each(key, |row, value| column[row] = value.map_or(NONE, |text| numbers.of(text)));
    }
    for own in own.iter().rev() {
        let texts = own.texts.values().as_string::<i32>();
        let mut known = vec![NONE; texts.len()];
        for (row, at) in own.texts.keys_iter().enumerate() {
            let Some(at) = at else { continue };
            if known[at] == NONE {
                known[at] = numbers.of(texts.value(at));
            }
            column[row] = known[at];
        }
    }
    let column: Int32Array = column.into_iter().map(|n| (n != NONE).then_some(n)).collect();
    Arc::new(dictionary(column, numbers.texts))
}

/// Text of all attributes of one batch. Rows of ordinary size are far below; hostile ones, whose texts
/// a block keeps once and for many rows, must not grow without bound here.
const WHOLE_BYTES_MAX: usize = 256 << 20;

/// Returns all attributes: the entries of the map in their order, then promoted ones by key.
///
/// # Errors
/// `LimitExceeded` where the texts of a batch are larger than [`WHOLE_BYTES_MAX`].
pub(super) fn whole(rows: usize, own: &[Own<'_>], map: Option<&Entries<'_>>) -> Result<ArrayRef> {
    let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let mut entries = 0_i32;
    for row in 0..rows {
        if let Some(map) = map {
            for entry in map.row(row) {
                keys.append_value(map.key(entry));
                values.append_option(map.value(entry));
                entries += 1;
            }
        }
        for own in own {
            if let Some(text) = text(&own.texts, row) {
                keys.append_value(own.key);
                values.append_value(text);
                entries += 1;
            }
        }
        offsets.push(entries);
        if keys.values_slice().len() + values.values_slice().len() > WHOLE_BYTES_MAX {
            let message =
                format!("attributes of {rows} rows are larger than {WHOLE_BYTES_MAX} bytes");
            return Err(Error::limit(message));
        }
    }
    let DataType::Map(field, sorted) = attributes_type() else {
        return Err(Error::internal("the type of attributes is no map"));
    };
    let DataType::Struct(fields) = field.data_type() else {
        return Err(Error::internal("the entries of attributes are no structs"));
    };
    let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
    let entries = StructArray::new(fields.clone(), columns, None);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(MapArray::new(field, offsets, entries, None, sorted)))
}

/// Returns the kinds of the entries of [`whole`].
///
/// # Errors
/// `Corrupt` where `kinds` are no bytes.
pub(super) fn whole_kinds(
    rows: usize,
    own: &[Own<'_>],
    map: Option<&Entries<'_>>,
    kinds: Option<&ArrayRef>,
) -> Result<ArrayRef> {
    let kinds: Option<&BinaryArray> = match kinds {
        Some(column) => Some(
            column
                .as_binary_opt::<i32>()
                .ok_or_else(|| Error::corrupt(format!("kinds are {}", column.data_type())))?,
        ),
        None => None,
    };
    let mut column = BinaryBuilder::new();
    let mut row_kinds: Vec<u8> = Vec::new();
    for row in 0..rows {
        row_kinds.clear();
        let entries = map.map_or(0, |map| map.row(row).len());
        let told = kinds.filter(|kinds| kinds.is_valid(row)).map(|kinds| kinds.value(row));
        let of = |at: usize| told.and_then(|told| told.get(at)).copied();
        let of = |at: usize| of(at).unwrap_or(ValueKind::Text as u8);
        row_kinds.extend((0..entries).map(of));
        for own in own.iter().filter(|own| own.texts.is_valid(row)) {
            row_kinds.push(value_kind(own.kind) as u8);
        }
        if row_kinds.iter().all(|kind| *kind == ValueKind::Text as u8) {
            column.append_null();
        } else {
            column.append_value(&row_kinds);
        }
    }
    Ok(Arc::new(column.finish()))
}

fn text(texts: &Texts, row: usize) -> Option<&str> {
    texts.key(row).map(|key| texts.values().as_string::<i32>().value(key))
}

#[cfg(test)]
mod tests;
