//! Silences: who shall not be heard for a while.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
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

impl Silence {
    /// Returns where it is in its life.
    pub fn state(&self, now_ms: i64) -> SilenceState {
        if self.ends_ms <= now_ms {
            SilenceState::Expired
        } else if self.starts_ms > now_ms {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Returns whether the labels satisfy all conditions of one of the sets.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.matcher_sets.iter().any(|set| set.iter().all(|m| m.matches_labels(labels)))
    }

    /// Returns what keeps it from being accepted, for people.
    pub fn mistake(&self, now_ms: i64) -> Option<String> {
        if self.matcher_sets.is_empty() {
            return Some("at least one matcher is required".to_owned());
        }
        for set in &self.matcher_sets {
            if set.is_empty() {
                return Some("at least one matcher is required in each set".to_owned());
            }
            if set.iter().all(Matcher::matches_empty) {
                return Some("at least one matcher must not match the empty string".to_owned());
            }
            if set.iter().any(|matcher| matcher.name.is_empty()) {
                return Some("the name of a matcher is empty".to_owned());
            }
        }
        if self.starts_ms >= self.ends_ms {
            return Some("start time must be before end time".to_owned());
        }
        (self.ends_ms < now_ms).then(|| "end time can't be in the past".to_owned())
    }

    /// Returns whether `next` may take the place of this one, under the same id: the conditions are
    /// the same, and nothing that happened already is changed.
    fn becomes(&self, next: &Self, now_ms: i64) -> bool {
        self.matcher_sets == next.matcher_sets
            && match self.state(now_ms) {
                // Clients see milliseconds at best, some only seconds.
                SilenceState::Active => {
                    next.starts_ms / 1000 == self.starts_ms / 1000 && next.ends_ms >= now_ms
                }
                SilenceState::Pending => next.starts_ms >= now_ms,
                SilenceState::Expired => false,
            }
    }
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

/// All silences of a tenant, found by the labels they silence.
///
/// Of every set of conditions, one equality is its entry in the index, so that an alert is compared
/// only with silences that may match; sets without one are compared with every alert.
#[derive(Debug, Default)]
pub struct Silences {
    by_id: BTreeMap<String, Arc<Silence>>,
    by_equal: HashMap<NameAndValue, Vec<Arc<Silence>>>,
    rest: Vec<Arc<Silence>>,
}

type NameAndValue = (Arc<str>, Arc<str>);

/// Why a silence was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is none with that id.
    Unknown(String),
    /// It cannot be, with the reason.
    Invalid(String),
    /// There are too many.
    Full(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "silence {id} not found"),
            Self::Invalid(text) | Self::Full(text) => f.write_str(text),
        }
    }
}

impl Silences {
    /// Returns the one with that id.
    pub fn get(&self, id: &str) -> Option<&Arc<Silence>> {
        self.by_id.get(id)
    }

    /// Iterates over all, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.by_id.values()
    }

    /// Returns how many there are, those that are over included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Returns the ids of those that hold now and match, sorted.
    pub fn matching(&self, labels: &LabelSet, now_ms: i64) -> Vec<String> {
        let mut ids = Vec::new();
        self.candidates(labels, |silence| {
            if silence.state(now_ms) == SilenceState::Active && silence.matches(labels) {
                ids.push(silence.id.clone());
            }
        });
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn candidates(&self, labels: &LabelSet, mut each: impl FnMut(&Silence)) {
        self.rest.iter().for_each(|silence| each(silence));
        if self.by_equal.is_empty() {
            return;
        }
        for label in labels.iter() {
            let found = self.by_equal.get(&(Arc::clone(&label.name), Arc::clone(&label.value)));
            found.into_iter().flatten().for_each(|silence| each(silence));
        }
    }

    /// Takes a new or changed silence. Where what was there cannot be changed in place, it is ended
    /// and the new one gets `new_id`. Returns its id and what changed.
    ///
    /// # Errors
    /// Where it names one that does not exist, cannot be, or there are `max` already.
    pub fn set(
        &mut self,
        mut silence: Silence,
        new_id: &str,
        max: usize,
        now_ms: i64,
    ) -> Result<(String, Vec<Silence>), Refused> {
        if let Some(mistake) = silence.mistake(now_ms) {
            return Err(Refused::Invalid(mistake));
        }
        let previous = match silence.id.as_str() {
            "" => None,
            id => Some(self.get(id).map(Arc::clone).ok_or(Refused::Unknown(id.to_owned()))?),
        };
        silence.updated_ms = now_ms;
        if let Some(previous) = &previous
            && previous.becomes(&silence, now_ms)
        {
            // What began, began then, to the millisecond.
            if previous.state(now_ms) == SilenceState::Active {
                silence.starts_ms = previous.starts_ms;
            }
            self.put(silence.clone());
            return Ok((silence.id.clone(), vec![silence]));
        }
        if self.by_id.len() >= max {
            let text = format!("there are {max} silences already, which is the limit");
            return Err(Refused::Full(text));
        }
        let mut changed = Vec::new();
        if let Some(previous) = previous {
            changed.extend(self.expire(&previous.id, now_ms).ok());
        }
        new_id.clone_into(&mut silence.id);
        silence.starts_ms = silence.starts_ms.max(now_ms);
        self.put(silence.clone());
        changed.push(silence);
        Ok((new_id.to_owned(), changed))
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// Where there is none, or it is over.
    pub fn expire(&mut self, id: &str, now_ms: i64) -> Result<Silence, Refused> {
        let previous = self.get(id).ok_or_else(|| Refused::Unknown(id.to_owned()))?;
        let mut silence = Silence::clone(previous);
        match silence.state(now_ms) {
            SilenceState::Active => {}
            SilenceState::Pending => silence.starts_ms = now_ms,
            SilenceState::Expired => {
                return Err(Refused::Invalid(format!("silence {id} already expired")));
            }
        }
        silence.ends_ms = now_ms;
        silence.updated_ms = now_ms;
        self.put(silence.clone());
        Ok(silence)
    }

    /// Takes a silence as it is; for replay.
    pub fn put(&mut self, silence: Silence) {
        self.remove(&silence.id);
        let silence = Arc::new(silence);
        for set in &silence.matcher_sets {
            let equal = set.iter().find(|m| m.op == MatchOp::Equal && !m.value.is_empty());
            let list = match equal {
                Some(m) => {
                    self.by_equal.entry((Arc::clone(&m.name), Arc::clone(&m.value))).or_default()
                }
                None => &mut self.rest,
            };
            list.push(Arc::clone(&silence));
        }
        self.by_id.insert(silence.id.clone(), silence);
    }

    /// Forgets a silence; returns whether there was one.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(silence) = self.by_id.remove(id) else { return false };
        self.rest.retain(|other| other.id != id);
        for matcher in silence.matcher_sets.iter().flatten() {
            let key = (Arc::clone(&matcher.name), Arc::clone(&matcher.value));
            if let Some(list) = self.by_equal.get_mut(&key) {
                list.retain(|other| other.id != id);
                if list.is_empty() {
                    self.by_equal.remove(&key);
                }
            }
        }
        true
    }

    /// Forgets those that ended before `before_ms`; returns their ids.
    pub fn collect(&mut self, before_ms: i64) -> Vec<String> {
        let over = self.by_id.values().filter(|silence| silence.ends_ms < before_ms);
        let ids: Vec<String> = over.map(|silence| silence.id.clone()).collect();
        ids.iter().for_each(|id| {
            self.remove(id);
        });
        ids
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

#[cfg(test)]
mod tests;
