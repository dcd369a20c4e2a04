//! Values of columns as JSON and as text.
//!
//! Ids are hexadecimal, times RFC 3339, maps and structs objects, lists arrays. JSON has no NaN and
//! no infinity; they are texts there.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::api::json;
use crate::sql::error::SqlError;

/// The values of a batch.
pub(super) struct Values<'a>(Vec<Value<'a>>);

/// A column, taken apart once per batch.
enum Value<'a> {
    Null,
    Bool(&'a arrow_array::BooleanArray),
    Int(Vec<Option<i128>>),
    Float(Vec<Option<f64>>),
    Text(Box<dyn Fn(usize) -> Option<&'a str> + Send + Sync + 'a>),
    Hex(Box<dyn Fn(usize) -> Option<&'a [u8]> + Send + Sync + 'a>),
    /// Row → value of the dictionary.
    Dictionary(Vec<Option<usize>>, Box<Value<'a>>),
    List(Vec<Option<(usize, usize)>>, Box<Value<'a>>),
    Map(Vec<Option<(usize, usize)>>, Box<Value<'a>>, Box<Value<'a>>),
    Struct(&'a ArrayRef, Vec<(&'a str, Value<'a>)>),
    /// Anything else, as Arrow shows it: times, dates, intervals, decimals.
    Shown(Vec<Option<String>>),
}

const OPTIONS: FormatOptions<'static> = FormatOptions::new();

impl<'a> Values<'a> {
    pub(super) fn new(batch: &'a RecordBatch) -> Result<Self, SqlError> {
        Ok(Self(batch.columns().iter().map(value).collect::<Result<_, _>>()?))
    }

    pub(super) fn columns(&self) -> usize {
        self.0.len()
    }

    /// Appends a value as JSON.
    pub(super) fn json(&self, out: &mut Vec<u8>, column: usize, row: usize) {
        match self.0.get(column) {
            Some(value) => value.json(out, row),
            None => out.extend_from_slice(b"null"),
        }
    }

    /// Returns a value as text; NULL is the empty text.
    pub(super) fn text(&self, column: usize, row: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(value) = self.0.get(column) {
            value.text(&mut out, row);
        }
        out
    }
}

macro_rules! integers {
    ($array:expr, $kind:ty) => {
        Value::Int($array.as_primitive::<$kind>().iter().map(|v| v.map(i128::from)).collect())
    };
}

fn value(array: &ArrayRef) -> Result<Value<'_>, SqlError> {
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean()),
        DataType::Int8 => integers!(array, Int8Type),
        DataType::Int16 => integers!(array, Int16Type),
        DataType::Int32 => integers!(array, Int32Type),
        DataType::Int64 => integers!(array, Int64Type),
        DataType::UInt8 => integers!(array, UInt8Type),
        DataType::UInt16 => integers!(array, UInt16Type),
        DataType::UInt32 => integers!(array, UInt32Type),
        DataType::UInt64 => integers!(array, UInt64Type),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().iter();
            Value::Float(values.map(|v| v.map(f64::from)).collect())
        }
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().iter().collect()),
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Value::Text(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            Value::Text(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            Value::Text(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            Value::Hex(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        DataType::LargeBinary => {
            let array = array.as_binary::<i64>();
            Value::Hex(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        DataType::BinaryView => {
            let array = array.as_binary_view();
            Value::Hex(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            Value::Hex(Box::new(move |i| array.is_valid(i).then(|| array.value(i))))
        }
        _ => nested(array)?,
    })
}

fn nested(array: &ArrayRef) -> Result<Value<'_>, SqlError> {
    let range = |valid: bool, from: i32, to: i32| valid.then_some((from as usize, to as usize));
    Ok(match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            if dictionary.values().is_empty() {
                // All rows are NULL, and Arrow has no normalized keys for no values.
                return Ok(Value::Null);
            }
            let keys = dictionary.normalized_keys();
            let key = |(i, key): (usize, usize)| dictionary.keys().is_valid(i).then_some(key);
            let keys = keys.into_iter().enumerate().map(key).collect();
            Value::Dictionary(keys, Box::new(value(dictionary.values())?))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let row = |(i, w): (usize, &[i32])| range(list.is_valid(i), w[0], w[1]);
            let rows = offsets.windows(2).enumerate().map(row).collect();
            Value::List(rows, Box::new(value(list.values())?))
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let row = |(i, w): (usize, &[i32])| range(map.is_valid(i), w[0], w[1]);
            let rows = offsets.windows(2).enumerate().map(row).collect();
            Value::Map(rows, Box::new(value(map.keys())?), Box::new(value(map.values())?))
        }
        DataType::Struct(fields) => {
            let mut columns = Vec::new();
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                columns.push((field.name().as_str(), value(column)?));
            }
            Value::Struct(array, columns)
        }
        _ => {
            let formatter = ArrayFormatter::try_new(array, &OPTIONS)
                .map_err(|e| SqlError::invalid(format!("show a column: {e}")))?;
            let text = |i| array.is_valid(i).then(|| formatter.value(i).to_string());
            Value::Shown((0..array.len()).map(text).collect())
        }
    })
}

impl Value<'_> {
    fn json(&self, out: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match self {
            Self::Text(get) => json::string(out, get(row).unwrap_or("")),
            Self::Float(values) => match values.get(row).copied().flatten() {
                Some(v) if v.is_finite() => self.text(out, row),
                v => json::string(out, non_finite(v.unwrap_or(f64::NAN))),
            },
            Self::Hex(_) | Self::Shown(_) => {
                let mut text = Vec::new();
                self.text(&mut text, row);
                json::string(out, &String::from_utf8_lossy(&text));
            }
            Self::Dictionary(keys, values) => {
                if let Some(key) = keys.get(row).copied().flatten() {
                    values.json(out, key);
                }
            }
            _ => self.text(out, row),
        }
    }

    fn text(&self, out: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            return;
        }
        match self {
            Self::Null => {}
            Self::Bool(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" })
            }
            Self::Int(values) => {
                let value = values.get(row).copied().flatten().unwrap_or(0);
                out.extend_from_slice(value.to_string().as_bytes());
            }
            Self::Float(values) => {
                let value = values.get(row).copied().flatten().unwrap_or(f64::NAN);
                if value.is_finite() {
                    let mut buffer = zmij::Buffer::new();
                    out.extend_from_slice(buffer.format(value).as_bytes());
                } else {
                    out.extend_from_slice(non_finite(value).as_bytes());
                }
            }
            Self::Text(get) => out.extend_from_slice(get(row).unwrap_or("").as_bytes()),
            Self::Hex(get) => {
                let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                let bytes = get(row).unwrap_or(&[]).iter();
                out.extend(bytes.flat_map(|b| [digit(b >> 4), digit(*b)]));
            }
            Self::Dictionary(keys, values) => {
                if let Some(key) = keys.get(row).copied().flatten() {
                    values.text(out, key);
                }
            }
            Self::List(rows, values) => items(out, rows, row, b"[]", |out, i| values.json(out, i)),
            Self::Map(rows, keys, values) => items(out, rows, row, b"{}", |out, i| {
                let mut key = Vec::new();
                keys.text(&mut key, i);
                json::string(out, &String::from_utf8_lossy(&key));
                out.push(b':');
                values.json(out, i);
            }),
            Self::Struct(_, fields) => {
                out.push(b'{');
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    json::string(out, name);
                    out.push(b':');
                    value.json(out, row);
                }
                out.push(b'}');
            }
            Self::Shown(texts) => {
                let text = texts.get(row).and_then(Option::as_deref).unwrap_or("");
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(array) => array.is_null(row),
            Self::Int(values) => values.get(row).is_none_or(Option::is_none),
            Self::Float(values) => values.get(row).is_none_or(Option::is_none),
            Self::Text(get) => get(row).is_none(),
            Self::Hex(get) => get(row).is_none(),
            Self::Dictionary(keys, values) => {
                keys.get(row).copied().flatten().is_none_or(|key| values.is_null(key))
            }
            Self::List(rows, _) | Self::Map(rows, ..) => rows.get(row).is_none_or(Option::is_none),
            Self::Struct(array, _) => array.is_null(row),
            Self::Shown(texts) => texts.get(row).is_none_or(Option::is_none),
        }
    }
}

fn items(
    out: &mut Vec<u8>,
    rows: &[Option<(usize, usize)>],
    row: usize,
    brackets: &[u8; 2],
    item: impl Fn(&mut Vec<u8>, usize),
) {
    let (from, to) = rows.get(row).copied().flatten().unwrap_or_default();
    out.push(brackets[0]);
    for i in from..to {
        if i > from {
            out.push(b',');
        }
        item(out, i);
    }
    out.push(brackets[1]);
}

fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}
