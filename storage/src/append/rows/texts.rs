//! Texts that repeat, each kept once.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use hashbrown::HashTable;
use tarn_model::map::HashMap;

/// Texts and their numbers, which begin at 0.
#[derive(Default)]
pub(crate) struct Dictionary {
    values: StringBuilder,
    index: HashTable<i32>,
    /// Holds nothing: its hasher is the project's, seeded for this dictionary.
    hasher: HashMap<(), ()>,
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary").field("texts", &self.index.len()).finish_non_exhaustive()
    }
}

impl Dictionary {
    /// Returns the number of a text.
    pub(crate) fn number(&mut self, text: &str) -> i32 {
        let Self { values, index, hasher } = self;
        let hash = |text: &[u8]| hasher.hasher().hash_one(text);
        let own = hash(text.as_bytes());
        let found = index.find(own, |number| bytes_of(values, *number) == text.as_bytes());
        if let Some(number) = found {
            return *number;
        }
        let number = index.len() as i32;
        values.append_value(text);
        index.insert_unique(own, number, |number| hash(bytes_of(values, *number)));
        number
    }

    /// Returns whether a number is that of a text.
    fn is(&self, number: i32, text: &str) -> bool {
        bytes_of(&self.values, number) == text.as_bytes()
    }

    /// Returns the texts in the order of their numbers, and begins anew.
    pub(crate) fn finish(&mut self) -> StringArray {
        self.index.clear();
        self.values.finish()
    }
}

/// The bytes of a text; of a number that nobody has, none.
fn bytes_of(values: &StringBuilder, number: i32) -> &[u8] {
    let offsets = values.offsets_slice();
    let bounds = offsets.get(number as usize).zip(offsets.get(number as usize + 1));
    let bytes =
        bounds.and_then(|(from, to)| values.values_slice().get(*from as usize..*to as usize));
    bytes.unwrap_or_default()
}

/// What a distinct text holds beside its bytes: offset, place in the index, follower, and spare room.
const ENTRY_BYTES: usize = 32;

/// A dictionary column under construction.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// −1 = NULL.
    keys: Vec<i32>,
    dictionary: Dictionary,
    /// The number that was asked for last.
    last: Option<i32>,
    /// By number: what was asked for after it. Rows are alike, so the guess is mostly right, and a
    /// comparison is cheaper than a hash.
    followers: Vec<i32>,
}

impl Texts {
    /// Returns the number of a text.
    pub(super) fn intern(&mut self, text: &str) -> i32 {
        let guess = self.last.and_then(|last| self.followers.get(last as usize)).copied();
        if let Some(guess) = guess
            && self.dictionary.is(guess, text)
        {
            self.last = Some(guess);
            return guess;
        }
        let number = self.dictionary.number(text);
        if number as usize == self.followers.len() {
            // Likely the same again.
            self.followers.push(number);
        }
        if let Some(follower) = self.last.and_then(|last| self.followers.get_mut(last as usize)) {
            *follower = number;
        }
        self.last = Some(number);
        number
    }

    /// Returns roughly what this holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.dictionary.values.values_slice().len();
        texts + self.followers.len() * ENTRY_BYTES + self.keys.len() * size_of::<i32>()
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
        let values = Arc::new(self.dictionary.finish());
        Arc::new(DictionaryArray::try_new(keys, values).expect("numbers are those of the values"))
    }
}
