//! What values a label has in a block, and whether a matcher can find one there.
//!
//! Up to 32 values are listed; beyond that a bloom filter of 10 bits per value answers for exact
//! values. The summary is in the catalog, so a block is ruled out without being opened.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use tarn_model::matcher::Matcher;
use xxhash_rust::xxh3::xxh3_128;

use crate::block::ValueSummary;

/// Values that are listed one by one.
const LIST_MAX: usize = 32;
/// Bits of the filter per value: about 1 % false positives.
const BITS_PER_VALUE: usize = 10;
/// Probes that suit 10 bits per value.
const PROBES: u64 = 7;
/// Largest filter.
const BLOOM_BYTES_MAX: usize = 8 << 10;

/// Collects the values of one label.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) values: BTreeSet<Arc<str>>,
    pub(crate) absent: bool,
}

impl Values {
    /// Notes the value of one series.
    pub(crate) fn add(&mut self, value: Option<&Arc<str>>) {
        match value {
            Some(value) if self.values.contains(value) => {}
            Some(value) => {
                self.values.insert(Arc::clone(value));
            }
            None => self.absent = true,
        }
    }

    /// Sums up; `None` where no series has the label.
    pub(crate) fn summary(&self, label: &str) -> Option<ValueSummary> {
        let (min, max) = (self.values.first()?, self.values.last()?);
        let listed = self.values.len() <= LIST_MAX;
        Some(ValueSummary {
            label: label.to_owned(),
            min: min.to_string(),
            max: max.to_string(),
            list: listed.then(|| self.values.iter().map(|v| v.to_string()).collect()),
            bloom: (!listed).then(|| self.bloom()),
            absent: self.absent,
        })
    }

    fn bloom(&self) -> String {
        let bytes = (self.values.len() * BITS_PER_VALUE).div_ceil(8).min(BLOOM_BYTES_MAX);
        let mut filter = vec![0_u8; bytes];
        for value in &self.values {
            for bit in probes(value, bytes) {
                filter[bit / 8] |= 1 << (bit % 8);
            }
        }
        filter.iter().fold(String::with_capacity(bytes * 2), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    }
}

fn probes(value: &str, bytes: usize) -> impl Iterator<Item = usize> {
    let hash = xxh3_128(value.as_bytes());
    let (a, b) = (hash as u64, (hash >> 64) as u64);
    let bits = (bytes as u64 * 8).max(1);
    (0..PROBES).map(move |i| (a.wrapping_add(i.wrapping_mul(b)) % bits) as usize)
}

/// Returns whether some series of the block may satisfy the matcher.
pub(crate) fn may_match(summary: &ValueSummary, matcher: &Matcher) -> bool {
    if summary.absent && matcher.matches_empty() {
        return true;
    }
    if let Some(list) = &summary.list {
        return list.iter().any(|value| matcher.matches(value));
    }
    let Some(wanted) = matcher.values() else { return true };
    wanted.into_iter().any(|value| {
        let inside = *summary.min <= *value && *value <= *summary.max;
        inside && summary.bloom.as_ref().is_none_or(|hex| contains(hex, value))
    })
}

fn contains(hex: &str, value: &str) -> bool {
    let hex = hex.as_bytes();
    let digit = |at: usize| hex.get(at).and_then(|d| char::from(*d).to_digit(16)).unwrap_or(15);
    probes(value, hex.len() / 2).all(|bit| {
        let byte = digit(bit / 8 * 2) << 4 | digit(bit / 8 * 2 + 1);
        byte >> (bit % 8) & 1 == 1
    })
}

#[cfg(test)]
mod tests {
    use tarn_model::matcher::MatchOp;

    use super::*;

    fn values(n: usize, absent: bool) -> Values {
        let mut values = Values::default();
        (0..n).for_each(|i| values.add(Some(&format!("v{i:04}").into())));
        if absent {
            values.add(None);
        }
        values
    }

    #[test]
    fn summaries_never_rule_out_what_is_there() {
        for n in [1, 32, 33, 1000, 20_000] {
            let summary = values(n, false).summary("job").unwrap();
            assert_eq!(summary.list.is_some(), n <= 32);
            for i in 0..n {
                assert!(may_match(&summary, &Matcher::equal("job", &format!("v{i:04}"))));
            }
        }
    }

    #[test]
    fn summaries_rule_out_most_of_what_is_not_there() {
        for (n, most) in [(32, 0), (1000, 50)] {
            let summary = values(n, false).summary("job").unwrap();
            let wrong = (0..1000)
                .filter(|i| may_match(&summary, &Matcher::equal("job", &format!("v0{i:03}x"))))
                .count();
            assert!(wrong <= most, "{wrong} of 1000 with {n} values");
        }
    }

    #[test]
    fn absent_labels_match_what_matches_the_empty_text() {
        for (op, value, absent, expected) in [
            (MatchOp::Equal, "", true, true),
            (MatchOp::Equal, "", false, false),
            (MatchOp::NotEqual, "v0000", false, false),
            (MatchOp::NotEqual, "v0000", true, true),
            (MatchOp::Regex, "v.*", false, true),
            (MatchOp::Regex, "w.*", false, false),
        ] {
            let summary = values(1, absent).summary("job").unwrap();
            let matcher = Matcher::new("job", op, value).unwrap();
            assert_eq!(may_match(&summary, &matcher), expected, "{matcher} {absent}");
        }
    }
}
