//! The batches of a flush as one table: their dictionaries united, their rows addressed.
//!
//! Every batch has dictionaries of its own. Here each text of a column gets one number for the whole
//! build, so that services are ranked once, keys are counted by number, and a batch for the writer
//! is made of numbers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, Int32Array, MapArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;

use crate::schema::tables::{Table, column};

/// A row of the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowRef {
    pub(crate) batch: u32,
    pub(crate) row: u32,
}

/// A dictionary column over all batches.
#[derive(Debug)]
pub(crate) struct Texts {
    /// Every text once.
    pub(crate) values: ArrayRef,
    /// The numbers in each batch.
    keys: Vec<Int32Array>,
    /// For each batch the numbers here; −1 = NULL.
    numbers: Vec<Vec<i32>>,
}

impl Texts {
    fn unite(columns: &[&ArrayRef]) -> Result<Self> {
        let mut known: HashMap<&str, i32> = HashMap::default();
        let mut values: Vec<&str> = Vec::new();
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        for column in columns {
            let texts = column.as_dictionary_opt::<Int32Type>().ok_or_else(unexpected)?;
            let own = texts.values().as_string_opt::<i32>().ok_or_else(unexpected)?;
            let mut batch = Vec::with_capacity(own.len());
            for text in own {
                batch.push(text.map_or(-1, |text| {
                    *known.entry(text).or_insert_with(|| {
                        values.push(text);
                        values.len() as i32 - 1
                    })
                }));
            }
            keys.push(texts.keys().clone());
            numbers.push(batch);
        }
        let values = Arc::new(StringArray::from_iter_values(values));
        Ok(Self { values, keys, numbers })
    }

    /// Returns the number of a row's text; −1 = NULL.
    pub(crate) fn number(&self, at: RowRef) -> i32 {
        self.entry(at.batch as usize, at.row as usize)
    }

    /// As [`Texts::number`], of an entry of a batch's map.
    pub(crate) fn entry(&self, batch: usize, entry: usize) -> i32 {
        let keys = &self.keys[batch];
        if keys.is_null(entry) { -1 } else { self.numbers[batch][keys.value(entry) as usize] }
    }

    pub(crate) fn texts(&self) -> &StringArray {
        self.values.as_string()
    }

    /// Returns the rank of each text in the order of bytes.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let texts = self.texts();
        let mut sorted: Vec<u32> = (0..texts.len() as u32).collect();
        sorted.sort_unstable_by_key(|number| texts.value(*number as usize));
        let mut ranks = vec![0; sorted.len()];
        sorted.iter().enumerate().for_each(|(rank, number)| ranks[*number as usize] = rank as u32);
        ranks
    }
}

/// The batches of a table.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) table: Table,
    pub(crate) batches: &'a [RecordBatch],
    /// By column; `None` where it is no dictionary.
    texts: Vec<Option<Texts>>,
    /// Keys of the attributes.
    pub(crate) keys: Texts,
    /// Bytes of a row, on average, by batch.
    row_bytes: Vec<u64>,
}

impl<'a> Source<'a> {
    /// Unites batches of the table's schema.
    ///
    /// # Errors
    /// `Internal` where a batch has another schema.
    pub(crate) fn new(table: Table, batches: &'a [RecordBatch]) -> Result<Self> {
        let schema = table.schema();
        for batch in batches {
            let types = |s: &arrow_schema::Schema| -> Vec<DataType> {
                s.fields().iter().map(|f| f.data_type().clone()).collect()
            };
            if types(&batch.schema()) != types(&schema) {
                return Err(unexpected());
            }
        }
        let column = |index: usize| -> Vec<&ArrayRef> {
            batches.iter().map(|batch| batch.column(index)).collect()
        };
        let texts = schema.fields().iter().enumerate().map(|(index, field)| {
            let is_text = matches!(field.data_type(), DataType::Dictionary(_, _));
            is_text.then(|| Texts::unite(&column(index))).transpose()
        });
        let texts: Vec<Option<Texts>> = texts.collect::<Result<_>>()?;
        let attributes = schema.index_of(column::ATTRIBUTES).map_err(|_| unexpected())?;
        let keys: Vec<&ArrayRef> =
            column(attributes).into_iter().map(|array| array.as_map().keys()).collect();
        let keys = Texts::unite(&keys)?;
        let row_bytes = batches.iter().map(row_bytes).collect();
        Ok(Self { table, batches, texts, keys, row_bytes })
    }

    /// Returns about how many bytes a row has.
    pub(crate) fn row_bytes(&self, at: RowRef) -> u64 {
        self.row_bytes[at.batch as usize]
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.table.schema().index_of(name).map_err(|_| unexpected())
    }

    /// Returns a column that is a dictionary.
    pub(crate) fn texts(&self, name: &str) -> Result<&Texts> {
        self.texts[self.index(name)?].as_ref().ok_or_else(unexpected)
    }

    fn each<T>(&self, name: &str, get: impl Fn(&'a ArrayRef) -> Option<T>) -> Result<Vec<T>> {
        let index = self.index(name)?;
        let columns = self.batches.iter().map(|batch| get(batch.column(index)));
        columns.map(|column| column.ok_or_else(unexpected)).collect()
    }

    /// Returns a column by batch.
    pub(crate) fn arrays(&self, name: &str) -> Result<Vec<&'a ArrayRef>> {
        self.each(name, Some)
    }

    pub(crate) fn times(&self, name: &str) -> Result<Vec<&'a TimestampMicrosecondArray>> {
        self.each(name, |array| array.as_primitive_opt::<TimestampMicrosecondType>())
    }

    pub(crate) fn ints(&self, name: &str) -> Result<Vec<&'a Int32Array>> {
        self.each(name, |array| array.as_primitive_opt::<Int32Type>())
    }

    pub(crate) fn ids(&self, name: &str) -> Result<Vec<&'a FixedSizeBinaryArray>> {
        self.each(name, |array| array.as_fixed_size_binary_opt())
    }

    pub(crate) fn maps(&self) -> Result<Vec<&'a MapArray>> {
        self.each(column::ATTRIBUTES, |array| array.as_map_opt())
    }

    pub(crate) fn kinds(&self) -> Result<Vec<&'a BinaryArray>> {
        self.each(column::ATTRIBUTE_KINDS, |array| array.as_binary_opt())
    }
}

/// Returns about how many bytes a row of a batch has.
pub(crate) fn row_bytes(batch: &RecordBatch) -> u64 {
    let bytes: usize = batch.columns().iter().map(|column| raw_bytes(&**column)).sum();
    (bytes / batch.num_rows().max(1)) as u64
}

/// Returns the bytes of the values themselves, without texts that are shared.
fn raw_bytes(array: &dyn Array) -> usize {
    let range = |offsets: &[i32]| match offsets {
        [first, .., last] => (last - first) as usize,
        _ => 0,
    };
    match array.data_type() {
        DataType::Utf8 => range(array.as_string::<i32>().value_offsets()),
        DataType::Binary => range(array.as_binary::<i32>().value_offsets()),
        DataType::FixedSizeBinary(width) => array.len() * *width as usize,
        DataType::Map(_, _) => raw_bytes(array.as_map().entries()),
        DataType::List(_) => raw_bytes(&**array.as_list::<i32>().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(|c| raw_bytes(&**c)).sum(),
        other => array.len() * other.primitive_width().unwrap_or(size_of::<i32>()),
    }
}

fn unexpected() -> Error {
    Error::internal("a batch of logs or spans does not have the schema of its table")
}
