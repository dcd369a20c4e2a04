//! Lists of attributes on the wire, each key once.
//!
//! Of a key that repeats the last value counts, at the place of the first. Attributes beyond the cap
//! and those with keys that are too long are dropped and counted; their values are not looked at.

use tarn_model::limits::Limits;
use tarn_model::map::HashMap;

use super::value::{RawValue, key_value};
use crate::decode::wire::{Reader, WireError};

/// Up to so many attributes are compared one by one; most lists are shorter.
const LINEAR_MAX: usize = 16;

/// The attributes of one row, resource or scope. Buffers stay from list to list.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'a> {
    kept: Vec<(&'a [u8], RawValue<'a>)>,
    /// Places in `kept`, once there are more than [`LINEAR_MAX`].
    places: HashMap<&'a [u8], usize>,
    dropped: u32,
}

impl<'a> Attributes<'a> {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.places.clear();
        self.dropped = 0;
    }

    /// Adds a `KeyValue`.
    ///
    /// # Errors
    /// Where it is none.
    #[inline]
    pub(crate) fn add(&mut self, message: Reader<'a>, limits: &Limits) -> Result<(), WireError> {
        let (key, value) = key_value(message)?;
        if key.len() > limits.attribute_key_bytes_max {
            self.dropped = self.dropped.saturating_add(1);
        } else if let Some(known) = self.find(key) {
            known.1 = value;
        } else if self.kept.len() < limits.attributes_max {
            if self.kept.len() >= LINEAR_MAX {
                self.places.insert(key, self.kept.len());
            }
            self.kept.push((key, value));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        Ok(())
    }

    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<&mut (&'a [u8], RawValue<'a>)> {
        let place = self.kept.iter().take(LINEAR_MAX).position(|(known, _)| *known == key);
        let place = match place {
            Some(place) => place,
            None if self.places.is_empty() => return None,
            None => *self.places.get(key)?,
        };
        self.kept.get_mut(place)
    }

    /// Returns the value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&RawValue<'a>> {
        self.kept.iter().find(|(known, _)| *known == key.as_bytes()).map(|(_, value)| value)
    }

    /// Returns keys and values in order. Keys are not yet known to be UTF-8.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a [u8], RawValue<'a>)> + '_ {
        self.kept.iter().copied()
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns how many were dropped by our caps.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }
}
