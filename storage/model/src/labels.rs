//! Label sets: the identity of a series.
//!
//! A [`LabelSet`] is sorted by name, holds no empty value (an empty label is an absent one) and no
//! name twice. Strings are reference counted, so sets that share names and values share memory.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";
/// The upper bound of a classic histogram bucket.
pub const LE: &str = "le";

/// One name and value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Label name, UTF-8.
    pub name: Arc<str>,
    /// Label value, UTF-8, never empty inside a [`LabelSet`].
    pub value: Arc<str>,
}

impl Label {
    /// Makes a label of two strings.
    pub fn new(name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A sorted set of labels without duplicates and without empty values. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabelSet(Arc<[Label]>);

impl Default for LabelSet {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl LabelSet {
    /// Sorts the labels and drops empty values; of labels with equal names the last one stays.
    pub fn new(mut labels: Vec<Label>) -> Self {
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        labels.reverse();
        labels.dedup_by(|later, kept| later.name == kept.name);
        labels.reverse();
        labels.retain(|l| !l.value.is_empty());
        Self(labels.into())
    }

    /// Wraps labels that the caller knows to be sorted by name, unique and non-empty.
    pub fn from_sorted(labels: Vec<Label>) -> Self {
        debug_assert!(labels.windows(2).all(|w| w[0].name < w[1].name));
        debug_assert!(labels.iter().all(|l| !l.value.is_empty()));
        Self(labels.into())
    }

    /// Makes a set of string pairs; for tests and for sets written down in code.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self::new(pairs.iter().map(|(n, v)| Label::new(*n, *v)).collect())
    }

    /// Returns the value of `name`, or `None` where the label is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|l| (*l.name).cmp(name)).ok().map(|at| &*self.0[at].value)
    }

    /// Returns the value of `name`, or the empty string: PromQL sees absent labels as empty.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// Returns the metric name, empty where there is none.
    pub fn metric(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// Iterates over the labels in name order.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.0.iter()
    }

    /// Returns the labels in name order.
    pub fn as_slice(&self) -> &[Label] {
        &self.0
    }

    /// Returns how many labels there are, `__name__` included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the set with only the labels that `keep` accepts.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&Label) -> bool) -> Self {
        Self(self.0.iter().filter(|l| keep(l)).cloned().collect())
    }

    /// Returns the set with `name` set to `value`; an empty value removes the label.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut labels: Vec<Label> = self.0.iter().filter(|l| &*l.name != name).cloned().collect();
        if !value.is_empty() {
            let at = labels.partition_point(|l| *l.name < *name);
            labels.insert(at, Label::new(name, value));
        }
        Self(labels.into())
    }

    /// Returns the identity of the series with these labels.
    pub fn series_id(&self) -> SeriesId {
        SeriesId::of(self.0.iter().map(|l| (&*l.name, &*l.value)))
    }
}

impl PartialOrd for LabelSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LabelSet {
    /// Compares pair by pair, name before value; a prefix sorts first. This is the order in which
    /// Prometheus returns the series of a matrix.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().cmp(other.0.iter())
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(iter: I) -> Self {
        Self::new(iter.into_iter().collect())
    }
}

impl fmt::Display for LabelSet {
    /// Prints `name{label="value", …}` as Prometheus does; names that are not legacy names are
    /// quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric();
        let bare = is_legacy_metric_name(metric);
        if bare {
            f.write_str(metric)?;
        }
        let rest = self.0.iter().filter(|l| !(bare && &*l.name == METRIC_NAME));
        if bare && rest.clone().next().is_none() {
            return Ok(());
        }
        f.write_str("{")?;
        for (i, label) in rest.enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(&label.name) {
                write!(f, "{}={}", label.name, Quoted(&label.value))?;
            } else {
                write!(f, "{}={}", Quoted(&label.name), Quoted(&label.value))?;
            }
        }
        f.write_str("}")
    }
}

/// Prints a string in double quotes with Go's escapes for quotes, backslashes and controls.
#[derive(Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\u{7}' => f.write_str("\\a")?,
                '\u{8}' => f.write_str("\\b")?,
                '\u{b}' => f.write_str("\\v")?,
                '\u{c}' => f.write_str("\\f")?,
                c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(f, "\\x{:02x}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Returns whether the name can be written without quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    legacy(name, |b| b == b':')
}

/// Returns whether the name can be written without quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    legacy(name, |_| false)
}

fn legacy(name: &str, extra: impl Fn(u8) -> bool) -> bool {
    let ok = |b: u8| b.is_ascii_alphabetic() || b == b'_' || extra(b);
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|b| ok(*b)) && bytes.iter().all(|b| ok(*b) || b.is_ascii_digit())
}

/// The identity of a series within its tenant: xxh3_128 over its sorted labels.
///
/// The bytes hashed are, per label in name order, the length of the name as u32 little-endian, the
/// name, the length of the value, the value. The hash is part of the disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u128);

impl SeriesId {
    /// Hashes pairs that come sorted by name.
    pub fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hasher = Xxh3::new();
        for (name, value) in pairs {
            for part in [name, value] {
                hasher.update(&(part.len() as u32).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        Self(hasher.digest128())
    }

    /// Hashes raw bytes; only for identities that are not label sets.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(xxh3_128(bytes))
    }
}

#[cfg(test)]
mod tests;
