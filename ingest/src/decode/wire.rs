//! Protobuf on the wire, walked without copying.
//!
//! A [`Reader`] is a position in the body and the end of the message it is in. A message inside is a
//! reader over the same bytes with a nearer end, so offsets in errors always count from the start of
//! the body. Every length is checked against that end before it is used. What is accepted is what
//! the usual libraries accept: fields in any order and repeated, packed or not, unknown fields and
//! groups skipped up to [`DEPTH_MAX`]; a known field of another wire type is an error.

use std::fmt;

use tarn_model::error::Error;

/// How deep messages and groups may nest; the same in protobuf's own libraries.
pub(crate) const DEPTH_MAX: u32 = 100;

/// A place where the bytes are not protobuf of the expected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireError {
    /// Offset in the decompressed body.
    pub(crate) offset: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "protobuf is broken at byte {}: {}", self.offset, self.what)
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// How the value of a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Base-128 number.
    Varint,
    /// Eight bytes.
    Fixed64,
    /// Length, then as many bytes.
    Len,
    /// Start of a group, a form that only old senders have.
    StartGroup,
    /// End of a group.
    EndGroup,
    /// Four bytes.
    Fixed32,
}

/// A position inside a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// The body from its first byte to the end of this message.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of a body.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns whether the message ends here.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Returns the bytes from here to the end of the message.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Returns the next byte without consuming it.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Returns whether both stand at the same place.
    #[inline]
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.at == other.at
    }

    /// Returns a reader from here to where `later`, a reader of the same message, stands.
    #[inline]
    pub(crate) fn until(&self, later: &Self) -> Self {
        Self { bytes: self.bytes.get(..later.at).unwrap_or_default(), at: self.at }
    }

    /// Consumes `n` bytes.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) -> Result<(), WireError> {
        if n > self.bytes.len() - self.at.min(self.bytes.len()) {
            return Err(self.error("the message ends inside a field"));
        }
        self.at += n;
        Ok(())
    }

    /// Returns an error about the current place.
    pub(crate) fn error(&self, what: &'static str) -> WireError {
        WireError { offset: self.at, what }
    }

    /// Consumes a base-128 number.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        match self.peek() {
            Some(byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (i, &byte) in self.rest().iter().take(10).enumerate() {
            // The tenth byte holds the 64th bit and nothing else.
            if i == 9 && byte > 1 {
                return Err(self.error("a number is longer than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(self.error("the message ends inside a number"))
    }

    /// Consumes the number and wire type of the next field.
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<(u32, Wire), WireError> {
        let here = *self;
        let key = self.varint()?;
        let Ok(key) = u32::try_from(key) else {
            return Err(here.error("a field number is too large"));
        };
        let wire = match key & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Len,
            3 => Wire::StartGroup,
            4 => Wire::EndGroup,
            5 => Wire::Fixed32,
            _ => return Err(here.error("a wire type is unknown")),
        };
        if key >> 3 == 0 {
            return Err(here.error("a field number is 0"));
        }
        Ok((key >> 3, wire))
    }

    /// Consumes a field nobody asked for. `depth` is how much deeper groups may nest.
    pub(crate) fn skip(&mut self, number: u32, wire: Wire, depth: u32) -> Result<(), WireError> {
        if depth == 0 {
            return Err(self.error("groups are nested too deep"));
        }
        match wire {
            Wire::Varint => self.varint().map(drop),
            Wire::Fixed64 => self.advance(8),
            Wire::Fixed32 => self.advance(4),
            Wire::Len => self.len_bytes().map(drop),
            Wire::EndGroup => Err(self.error("a group ends that did not begin")),
            Wire::StartGroup => loop {
                let here = *self;
                let (inner, wire) = self.tag()?;
                if wire != Wire::EndGroup {
                    self.skip(inner, wire, depth - 1)?;
                } else if inner == number {
                    return Ok(());
                } else {
                    return Err(here.error("a group ends that did not begin"));
                }
            },
        }
    }

    /// Consumes a length and that many bytes, and returns those.
    #[inline]
    fn len_bytes(&mut self) -> Result<Self, WireError> {
        let here = *self;
        let len = self.varint()?;
        let left = self.bytes.len() - self.at.min(self.bytes.len());
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                let start = self.at;
                self.at += len;
                Ok(Self { bytes: self.bytes, at: start }.until(self))
            }
            _ => Err(here.error("a length points beyond the end of its message")),
        }
    }

    #[inline]
    fn expect(&self, wanted: Wire, found: Wire) -> Result<(), WireError> {
        if wanted == found {
            return Ok(());
        }
        Err(self.error("a field has another type than its number says"))
    }

    /// Consumes the value of a message field.
    #[inline]
    pub(crate) fn message(&mut self, wire: Wire) -> Result<Self, WireError> {
        self.expect(Wire::Len, wire)?;
        self.len_bytes()
    }

    /// Consumes the value of a string or bytes field. UTF-8 is not checked here.
    #[inline]
    pub(crate) fn bytes(&mut self, wire: Wire) -> Result<&'a [u8], WireError> {
        self.message(wire).map(|inner| inner.rest())
    }

    /// Consumes the value of a double field, its bits untouched.
    #[inline]
    pub(crate) fn double(&mut self, wire: Wire) -> Result<f64, WireError> {
        self.expect(Wire::Fixed64, wire)?;
        self.fixed_double()
    }

    #[inline]
    fn fixed_double(&mut self) -> Result<f64, WireError> {
        let Some(bytes) = self.rest().first_chunk::<8>() else {
            return Err(self.error("the message ends inside a double"));
        };
        self.at += 8;
        Ok(f64::from_bits(u64::from_le_bytes(*bytes)))
    }

    /// Consumes the value of a fixed64 field.
    #[inline]
    pub(crate) fn fixed64(&mut self, wire: Wire) -> Result<u64, WireError> {
        self.double(wire).map(f64::to_bits)
    }

    /// Consumes the value of a fixed32 field.
    #[inline]
    pub(crate) fn fixed32(&mut self, wire: Wire) -> Result<u32, WireError> {
        self.expect(Wire::Fixed32, wire)?;
        let Some(bytes) = self.rest().first_chunk::<4>() else {
            return Err(self.error("the message ends inside a number"));
        };
        self.at += 4;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Consumes the value of a uint64 field.
    #[inline]
    pub(crate) fn uint64(&mut self, wire: Wire) -> Result<u64, WireError> {
        self.expect(Wire::Varint, wire)?;
        self.varint()
    }

    /// Consumes the value of an int64 field.
    #[inline]
    pub(crate) fn int64(&mut self, wire: Wire) -> Result<i64, WireError> {
        self.uint64(wire).map(|n| n as i64)
    }

    /// Consumes the value of a uint32 field; higher bits are cut off, as libraries do.
    #[inline]
    pub(crate) fn uint32(&mut self, wire: Wire) -> Result<u32, WireError> {
        self.uint64(wire).map(low_half)
    }

    /// Consumes the value of an sint32 field.
    #[inline]
    pub(crate) fn sint32(&mut self, wire: Wire) -> Result<i32, WireError> {
        self.uint32(wire).map(|n| (n >> 1) as i32 ^ -((n & 1) as i32))
    }

    /// Consumes one value of a repeated number field, or a packed run of them.
    pub(crate) fn each_varint(
        &mut self,
        wire: Wire,
        mut each: impl FnMut(u64),
    ) -> Result<(), WireError> {
        if wire != Wire::Len {
            return self.uint64(wire).map(each);
        }
        let mut packed = self.len_bytes()?;
        while !packed.is_empty() {
            each(packed.varint()?);
        }
        Ok(())
    }

    /// Consumes one value of a repeated double field, or a packed run of them.
    pub(crate) fn each_double(
        &mut self,
        wire: Wire,
        mut each: impl FnMut(f64),
    ) -> Result<(), WireError> {
        if wire != Wire::Len {
            return self.double(wire).map(each);
        }
        let mut packed = self.len_bytes()?;
        while !packed.is_empty() {
            each(packed.fixed_double()?);
        }
        Ok(())
    }
}

/// Returns the lower 32 bits.
#[inline]
pub(crate) fn low_half(n: u64) -> u32 {
    let [a, b, c, d, ..] = n.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Undoes the zigzag of an sint64.
#[inline]
pub(crate) fn zigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests;
