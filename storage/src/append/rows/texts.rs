//! Texts that repeat, each kept once.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array};
use tarn_model::map::HashMap;

/// A dictionary column under construction.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// −1 = NULL.
    keys: Vec<i32>,
    values: StringBuilder,
    known: HashMap<Box<str>, i32>,
    /// The text before is likely the text again.
    last: i32,
    len: i32,
}

/// What a distinct text holds beside its bytes: an offset, and an entry of the map.
const ENTRY_BYTES: usize = 64;

impl Texts {
    /// Returns the number of a text.
    pub(super) fn intern(&mut self, text: &str) -> i32 {
        if self.is_last(text) {
            return self.last;
        }
        let number = match self.known.get(text) {
            Some(number) => *number,
            None => {
                self.values.append_value(text);
                self.known.insert(text.into(), self.len);
                self.len += 1;
                self.len - 1
            }
        };
        self.last = number;
        number
    }

    fn is_last(&self, text: &str) -> bool {
        let at = self.last as usize;
        let [start, end] = match self.values.offsets_slice().get(at..at + 2) {
            Some([start, end]) => [*start as usize, *end as usize],
            _ => return false,
        };
        self.values.values_slice().get(start..end) == Some(text.as_bytes())
    }

    /// Returns roughly what this holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = 2 * self.values.values_slice().len() + self.len as usize * ENTRY_BYTES;
        texts + self.keys.len() * size_of::<i32>()
    }

    /// Adds a row with a text by its number.
    pub(super) fn push(&mut self, number: i32) {
        self.keys.push(number);
    }

    /// Adds a row with a text; the empty one is NULL.
    pub(super) fn add(&mut self, text: &str) {
        let number = if text.is_empty() { -1 } else { self.intern(text) };
        self.keys.push(number);
    }

    /// Adds a row with a text, also the empty one.
    pub(super) fn add_always(&mut self, text: &str) {
        let number = self.intern(text);
        self.keys.push(number);
    }

    /// Makes the column.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let keys: Int32Array = if self.keys.iter().any(|key| *key < 0) {
            self.keys.iter().map(|key| (*key >= 0).then_some(*key)).collect()
        } else {
            std::mem::take(&mut self.keys).into()
        };
        let values = Arc::new(self.values.finish());
        Arc::new(DictionaryArray::try_new(keys, values).expect("numbers are those of the values"))
    }
}
