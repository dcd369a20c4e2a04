//! What travels from rules to receivers: an alert, known by the fingerprint of its labels.

use serde::{Deserialize, Serialize};
use tarn_model::labels::LabelSet;

/// FNV-1a, 64 bits, over `name 0xff value 0xff` of the sorted labels: Alertmanager's identity of an
/// alert, which its clients see as 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub u64);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

impl Fingerprint {
    /// Returns that of a label set.
    pub fn of(labels: &LabelSet) -> Self {
        let mut hash = FNV_OFFSET;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        for label in labels.iter() {
            for part in [&label.name, &label.value] {
                part.bytes().for_each(&mut add);
                add(0xff);
            }
        }
        Self(hash)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An alert as a notifier sees it: firing until its end has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Identity, `alertname` included.
    #[serde(with = "pairs")]
    pub labels: LabelSet,
    /// Text for people.
    #[serde(with = "pairs")]
    pub annotations: LabelSet,
    /// When it began to fire, ms.
    pub starts_ms: i64,
    /// When it ends or has ended, ms.
    pub ends_ms: i64,
    /// The end was not told, it is `starts + resolve_timeout` and moves with every resend.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timeout: bool,
    /// When it was told last, ms.
    pub updated_ms: i64,
    /// Where the expression can be looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
}

impl Alert {
    /// Returns the identity.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.labels)
    }

    /// Returns whether it has ended.
    pub fn is_resolved(&self, now_ms: i64) -> bool {
        self.ends_ms <= now_ms
    }

    /// Returns `alertname`, or nothing.
    pub fn name(&self) -> &str {
        self.labels.value("alertname")
    }
}

/// Label sets as JSON objects.
pub mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serializer};
    use tarn_model::labels::{Label, LabelSet};

    /// Writes an object, sorted by name.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(labels: &LabelSet, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(labels.iter().map(|label| (&*label.name, &*label.value)))
    }

    /// Reads an object of strings; empty values are left out.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LabelSet, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(from)?;
        Ok(map.into_iter().map(|(name, value)| Label::new(name, value)).collect())
    }
}

#[cfg(test)]
mod tests;
