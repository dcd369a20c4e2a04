//! The value of an alert: a number, or the text of a native histogram.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tarn_query::promql::print;
use tarn_query::promql::query::SampleValue;

/// What an expression answered, as it is kept. JSON has no NaN and no infinity, so that numbers are
/// written as text.
#[derive(Debug, Clone)]
pub enum Value {
    /// A float.
    Float(f64),
    /// A native histogram, as upstream prints it.
    Histogram(String),
}

impl Value {
    /// Keeps a value.
    pub fn of(value: &SampleValue) -> Self {
        match value {
            SampleValue::Float(value) => Self::Float(*value),
            SampleValue::Histogram(histogram) => Self::Histogram(print::histogram(histogram)),
        }
    }

    /// Returns the number; of a histogram 0, as upstream.
    pub fn number(&self) -> f64 {
        match self {
            Self::Float(value) => *value,
            Self::Histogram(_) => 0.0,
        }
    }
}

/// Two NaN are equal: what is replayed must compare equal to what was.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => a == b,
            (Self::Float(_), Self::Histogram(_)) | (Self::Histogram(_), Self::Float(_)) => false,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Float(value) => f.write_str(&print::value(*value)),
            Self::Histogram(text) => f.write_str(text),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            // Rust's own shortest form, which reads back to the same bits.
            Self::Float(value) => to.collect_str(value),
            Self::Histogram(text) => to.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(match text.parse() {
            Ok(value) => Self::Float(value),
            Err(_) => Self::Histogram(text),
        })
    }
}
