//! An object, member by member.

use super::{number, string};

/// Writes `{"key":value,…}`.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Goes on in an object that was opened, and has members, elsewhere.
    pub(crate) fn within(out: &'o mut Vec<u8>) -> Self {
        Self { out, first: false }
    }

    /// Writes a key; the caller writes its value.
    pub(crate) fn member(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        string(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// Writes a member that is text.
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        string(self.member(key), text);
    }

    /// Writes a member that is a number.
    pub(crate) fn int(&mut self, key: &str, number: i64) {
        integer(self.member(key), number);
    }

    /// Writes a member that counts something.
    pub(crate) fn count(&mut self, key: &str, number: u64) {
        number::integer(self.member(key), number);
    }

    /// Writes a member that is true or not.
    pub(crate) fn bool(&mut self, key: &str, value: bool) {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.member(key).extend_from_slice(text);
    }

    /// Writes a member that is a float; what JSON has no number for is null.
    pub(crate) fn float(&mut self, key: &str, number: f64) {
        super::float_or_null(self.member(key), number);
    }

    /// Writes a member that is a number too large for JavaScript: in quotes.
    pub(crate) fn quoted_int(&mut self, key: &str, number: i64) {
        let out = self.member(key);
        out.push(b'"');
        integer(out, number);
        out.push(b'"');
    }

    /// Closes the object.
    pub(crate) fn close(self) {
        self.out.push(b'}');
    }
}

fn integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    number::integer(out, number.unsigned_abs());
}
