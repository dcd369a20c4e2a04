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
    last: Option<(Box<str>, i32)>,
    len: i32,
}

impl Texts {
    /// Returns the number of a text.
    pub(super) fn intern(&mut self, text: &str) -> i32 {
        if let Some((last, number)) = &self.last
            && **last == *text
        {
            return *number;
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
        self.last = Some((text.into(), number));
        number
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
