//! The column frame: numbers as a browser keeps them, so that nothing is parsed before it is drawn.
//!
//! `u32` length of the header, little-endian · the header, JSON, padded with spaces so that the
//! columns begin at a multiple of 8 · columns of little-endian `f64`, one behind the other. The
//! header names each column with its labels, unit, place (`offset` in bytes from where the columns
//! begin) and `length` in values; a column with a `dictionary` has numbers of its entries, -1 = none.
//! NaN is a gap. Numbers beyond 2⁵³ are split or told as offsets from a base that the header has as
//! text. Whoever sends `Accept: application/vnd.tarn.frame` gets it where an endpoint has one; errors
//! are JSON all the same.

use http::{HeaderMap, header};
use tarn_model::labels::LabelSet;

use super::json;
use super::json::object::Object;

/// Its media type.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.tarn.frame";

const VERSION: i64 = 1;

/// Returns whether a client takes frames.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = lists.flat_map(|list| list.split(','));
    types.any(|one| {
        let media_type = one.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE)
    })
}

/// What the header says of a column.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: Option<&'a LabelSet>,
    pub(crate) unit: &'a str,
    /// Name of the dictionary that its values number.
    pub(crate) dictionary: &'a str,
    pub(crate) length: usize,
}

/// The header, being written: columns in the order in which their values follow.
#[derive(Debug)]
pub(crate) struct Head {
    json: Vec<u8>,
    offset: u64,
    is_open: bool,
}

impl Head {
    pub(crate) fn new() -> Self {
        let mut json = Vec::new();
        let mut object = Object::new(&mut json);
        object.int("version", VERSION);
        object.member("columns").push(b'[');
        Self { json, offset: 0, is_open: true }
    }

    /// Adds a column.
    pub(crate) fn column(&mut self, column: &Column<'_>) {
        if self.offset > 0 || self.json.last() == Some(&b'}') {
            self.json.push(b',');
        }
        let mut object = Object::new(&mut self.json);
        object.text("name", column.name);
        if let Some(labels) = column.labels {
            json::labels(object.member("labels"), labels);
        }
        for (member, text) in [("unit", column.unit), ("dictionary", column.dictionary)] {
            if !text.is_empty() {
                object.text(member, text);
            }
        }
        object.count("offset", self.offset);
        object.count("length", column.length as u64);
        object.close();
        self.offset += column.length as u64 * 8;
    }

    /// Writes members behind the columns; after that there are no further columns.
    pub(crate) fn members(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        if std::mem::take(&mut self.is_open) {
            self.json.push(b']');
        }
        write(&mut Object::within(&mut self.json));
    }

    /// Returns everything in front of the values.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.members(|_| ());
        self.json.push(b'}');
        let padded = (self.json.len() + 4).next_multiple_of(8) - 4;
        self.json.resize(padded, b' ');
        // A header of 4 GiB would be far beyond the memory of a query.
        let length = u32::try_from(padded).unwrap_or(u32::MAX);
        let mut out = length.to_le_bytes().to_vec();
        out.append(&mut self.json);
        out
    }
}

/// Appends the values of a column.
pub(crate) fn values(out: &mut Vec<u8>, values: impl Iterator<Item = f64>) {
    out.reserve(values.size_hint().0 * 8);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
