//! OTel attributes: values of any kind.
//!
//! A value that is not text is kept beside its attribute as text plus a [`ValueKind`], so that a
//! reader who knows nothing of kinds still sees every value. The text form and its inverse belong to
//! the disk and live in `storage/src/any_value.rs`.

/// A value of an attribute or the body of a log record (OTLP's `AnyValue`).
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AnyValue {
    /// No value was set.
    #[default]
    Empty,
    /// Text.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double; NaN and infinities are values.
    Double(f64),
    /// Values in order.
    Array(Vec<AnyValue>),
    /// Keys and values in order of appearance; of a key that repeats, the last counts.
    Map(Vec<(String, AnyValue)>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The kind of a value; the numbers are OTLP's field numbers and part of the disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum ValueKind {
    /// No value was set.
    Empty = 0,
    /// Text: what a value is where nothing else is said.
    #[default]
    Text = 1,
    /// `true` or `false`.
    Bool = 2,
    /// Decimal digits, maybe with a minus.
    Int = 3,
    /// A number with a point or an exponent, `NaN`, `Infinity` or `-Infinity`.
    Double = 4,
    /// A JSON array.
    Array = 5,
    /// A JSON object.
    Map = 6,
    /// Bytes, as JSON object with base64.
    Bytes = 7,
}

impl ValueKind {
    /// Returns the kind of a number on disk.
    pub fn from_number(number: u8) -> Option<Self> {
        let all = [
            Self::Empty,
            Self::Text,
            Self::Bool,
            Self::Int,
            Self::Double,
            Self::Array,
            Self::Map,
            Self::Bytes,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

impl AnyValue {
    /// Returns the kind.
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::Empty => ValueKind::Empty,
            Self::Text(_) => ValueKind::Text,
            Self::Bool(_) => ValueKind::Bool,
            Self::Int(_) => ValueKind::Int,
            Self::Double(_) => ValueKind::Double,
            Self::Array(_) => ValueKind::Array,
            Self::Map(_) => ValueKind::Map,
            Self::Bytes(_) => ValueKind::Bytes,
        }
    }
}
