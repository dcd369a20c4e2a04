//! Silences: who shall not be heard for a while.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tarn_model::matcher::{MatchOp, Matcher};

/// A silence. It is never removed before it has been over for the time of retention; what is called
/// deleting one ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// UUID.
    pub id: String,
    /// Sets of conditions: an alert is silenced that satisfies all of one set.
    #[serde(with = "sets")]
    pub matcher_sets: Vec<Vec<Matcher>>,
    /// From when, ms.
    pub starts_ms: i64,
    /// Until when, ms.
    pub ends_ms: i64,
    /// When it was written, ms.
    pub updated_ms: i64,
    /// Who wrote it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Further texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Where a silence is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SilenceState {
    /// It holds.
    Active,
    /// It begins later.
    Pending,
    /// It is over.
    Expired,
}

impl fmt::Display for SilenceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        })
    }
}

/// Matchers as JSON: name, operator, value.
mod sets {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{MatchOp, Matcher};

    pub(super) fn serialize<S: Serializer>(
        sets: &[Vec<Matcher>],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(sets.iter().map(|set| {
            set.iter().map(|m| (&*m.name, m.op.as_str(), &*m.value)).collect::<Vec<_>>()
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Vec<Matcher>>, D::Error> {
        let sets = Vec::<Vec<(String, String, String)>>::deserialize(from)?;
        let one = |(name, op, value): (String, String, String)| {
            let op = match &*op {
                "=" => MatchOp::Equal,
                "!=" => MatchOp::NotEqual,
                "=~" => MatchOp::Regex,
                "!~" => MatchOp::NotRegex,
                _ => return Err(D::Error::custom(format!("{op:?} is not an operator"))),
            };
            Matcher::new(&name, op, &value).map_err(D::Error::custom)
        };
        sets.into_iter().map(|set| set.into_iter().map(one).collect()).collect()
    }
}
