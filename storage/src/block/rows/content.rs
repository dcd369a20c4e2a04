//! One number for all that a row holds: tells spans that share an id apart from those sent twice.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use xxhash_rust::xxh3::Xxh3;

/// Hashes all columns of a row.
pub(super) fn hash(batch: &RecordBatch, row: usize) -> u64 {
    let mut hasher = Xxh3::new();
    for column in batch.columns() {
        add(&**column, row, &mut hasher);
    }
    hasher.digest()
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
