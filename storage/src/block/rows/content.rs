//! One number for all that a row holds: tells spans that share an id apart from those sent twice.
//!
//! A row has the same number in every block: the order of its attributes does not count, for a block
//! keeps some of them in columns, nor do problems that were found by comparing it with others.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use tarn_model::attributes::ValueKind;
use xxhash_rust::xxh3::Xxh3;

use crate::schema::tables::{column, problem};

/// Hashes all columns of a row.
pub(super) fn hash(batch: &RecordBatch, row: usize) -> u64 {
    let mut hasher = Xxh3::new();
    let schema = batch.schema_ref();
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        match field.name().as_str() {
            column::ATTRIBUTE_KINDS => {}
            column::ATTRIBUTES => {
                let kinds = batch.column_by_name(column::ATTRIBUTE_KINDS);
                hasher.update(&attributes(array, kinds, row).to_le_bytes());
            }
            column::PROBLEMS => {
                let bits = array.as_primitive_opt::<Int32Type>().filter(|bits| bits.is_valid(row));
                let bits = bits.map_or(0, |bits| bits.value(row)) & !problem::FOUND;
                hasher.update(&bits.to_le_bytes());
            }
            _ => add(&**array, row, &mut hasher),
        }
    }
    hasher.digest()
}

/// Adds up the hashes of a row's attributes.
fn attributes(array: &ArrayRef, kinds: Option<&ArrayRef>, row: usize) -> u64 {
    let Some(map) = array.as_map_opt() else { return 0 };
    let kinds = kinds.and_then(|kinds| kinds.as_binary_opt::<i32>());
    let kinds = kinds.filter(|kinds| kinds.is_valid(row)).map_or(&[][..], |k| k.value(row));
    let offsets = map.value_offsets();
    let entries = offsets[row] as usize..offsets[row + 1] as usize;
    let each = entries.enumerate().map(|(i, entry)| {
        let mut hasher = Xxh3::new();
        hasher.update(&[kinds.get(i).copied().unwrap_or(ValueKind::Text as u8)]);
        add(&**map.keys(), entry, &mut hasher);
        add(&**map.values(), entry, &mut hasher);
        hasher.digest()
    });
    each.fold(0, u64::wrapping_add)
}

/// Adds a value: a byte that says whether it is there, then its length where that varies, then it.
fn add(array: &dyn Array, row: usize, hasher: &mut Xxh3) {
    if array.is_null(row) {
        hasher.update(&[0]);
        return;
    }
    hasher.update(&[1]);
    let list = |range: std::ops::Range<i32>, items: &dyn Array, hasher: &mut Xxh3| {
        hasher.update(&(range.end - range.start).to_le_bytes());
        range.for_each(|item| add(items, item as usize, hasher));
    };
    match array.data_type() {
        DataType::Int32 => {
            hasher.update(&array.as_primitive::<Int32Type>().value(row).to_le_bytes())
        }
        DataType::Int64 => {
            hasher.update(&array.as_primitive::<Int64Type>().value(row).to_le_bytes())
        }
        DataType::Timestamp(_, _) => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            hasher.update(&times.value(row).to_le_bytes());
        }
        DataType::Float64 => {
            let bits = array.as_primitive::<Float64Type>().value(row).to_bits();
            hasher.update(&bits.to_le_bytes());
        }
        DataType::FixedSizeBinary(_) => hasher.update(array.as_fixed_size_binary().value(row)),
        DataType::Utf8 => bytes(array.as_string::<i32>().value(row).as_bytes(), hasher),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), hasher),
        DataType::Dictionary(_, _) => {
            let texts = array.as_dictionary::<Int32Type>();
            let value = texts.keys().value(row) as usize;
            add(&**texts.values(), value, hasher);
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let offsets = lists.value_offsets();
            list(offsets[row]..offsets[row + 1], &**lists.values(), hasher);
        }
        DataType::Map(_, _) => {
            let maps = array.as_map();
            let offsets = maps.value_offsets();
            list(offsets[row]..offsets[row + 1], maps.entries(), hasher);
        }
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                add(&**column, row, hasher);
            }
        }
        // The tables have no other types; rows that differ in such a column would count as equal.
        _ => {}
    }
}

fn bytes(bytes: &[u8], hasher: &mut Xxh3) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
