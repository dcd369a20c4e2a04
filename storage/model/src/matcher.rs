//! Label matchers: how a query selects series.
//!
//! Regular expressions are anchored and let `.` match a newline, as `^(?s:…)$`. Most regular
//! expressions in practice are literal alternations or literal prefixes, so those are recognised
//! and matched without the regex engine.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};
use crate::labels::{LabelSet, Quoted, is_legacy_label_name};

mod selector;

pub use selector::parse_selector;

/// The compiled program of one matcher may take this much memory; what a person writes stays far
/// below, a bomb such as `((a{100}){100}){100}` does not.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What the engine may remember while it matches; beyond it the engine begins anew, only slower.
const REGEX_CACHE_BYTES_MAX: usize = 256 << 10;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// Returns the operator as written in PromQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on one label. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Label name.
    pub name: Arc<str>,
    /// Comparison.
    pub op: MatchOp,
    /// The text on the right-hand side, unescaped.
    pub value: Arc<str>,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    Literal,
    /// Sorted.
    OneOf(Arc<[String]>),
    Prefix(Arc<str>),
    Contains(Arc<str>),
    NonEmpty,
    Anything,
    Regex(Arc<Regex>),
}

impl Matcher {
    /// Makes a matcher and compiles its regular expression.
    ///
    /// # Errors
    /// `Invalid` where the expression does not parse, or compiles to more than 1 MiB.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self> {
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => Pattern::Literal,
            MatchOp::Regex | MatchOp::NotRegex => Pattern::compile(value)?,
        };
        Ok(Self { name: name.into(), op, value: value.into(), pattern })
    }

    /// Makes the matcher `name = value`, which cannot fail.
    pub fn equal(name: &str, value: &str) -> Self {
        Self {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            pattern: Pattern::Literal,
        }
    }

    /// Returns whether the label value satisfies the condition; an absent label is `""`.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == &*self.value,
            MatchOp::NotEqual => value != &*self.value,
            MatchOp::Regex => self.pattern.is_match(value),
            MatchOp::NotRegex => !self.pattern.is_match(value),
        }
    }

    /// Returns whether series without the label satisfy the condition.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// Returns whether the series satisfies the condition.
    pub fn matches_labels(&self, labels: &LabelSet) -> bool {
        self.matches(labels.value(&self.name))
    }

    /// Returns whether the matcher holds a compiled program, of up to 1 MiB: how many of these a
    /// query may have is limited.
    pub fn is_compiled(&self) -> bool {
        matches!(self.pattern, Pattern::Regex(_))
    }

    /// Returns the only values that can match, where they are known without looking at data.
    pub fn values(&self) -> Option<Vec<&str>> {
        match (self.op, &self.pattern) {
            (MatchOp::Equal, _) => Some(vec![&*self.value]),
            (MatchOp::Regex, Pattern::OneOf(values)) => {
                Some(values.iter().map(String::as_str).collect())
            }
            _ => None,
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            write!(f, "{}{}{}", self.name, self.op.as_str(), Quoted(&self.value))
        } else {
            write!(f, "{}{}{}", Quoted(&self.name), self.op.as_str(), Quoted(&self.value))
        }
    }
}

impl Pattern {
    fn compile(text: &str) -> Result<Self> {
        // What has a simple shape is valid, and may be long: a list of two thousand pods would not
        // fit into the limit of a compiled program.
        if let Some(simple) = Self::shape(text) {
            return Ok(simple);
        }
        let build = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(REGEX_BYTES_MAX)
                .dfa_size_limit(REGEX_CACHE_BYTES_MAX)
                .build()
                .map_err(|e| Error::invalid(format!("error parsing regexp: {}", reason(&e))))
        };
        if text.contains(')') {
            // `a)|(b` is no expression, although it becomes one in the parentheses below.
            build(text)?;
        }
        Ok(Self::Regex(Arc::new(build(&format!("^(?s:{text})$"))?)))
    }

    fn shape(text: &str) -> Option<Self> {
        match text {
            ".*" => return Some(Self::Anything),
            ".+" => return Some(Self::NonEmpty),
            _ => {}
        }
        let plain = |s: &str| !s.bytes().any(|b| br"\.+*?()|[]{}^$".contains(&b));
        if let Some(inner) = text.strip_suffix(".*") {
            if let Some(middle) = inner.strip_prefix(".*") {
                return plain(middle).then(|| Self::Contains(middle.into()));
            }
            if plain(inner) {
                return Some(Self::Prefix(inner.into()));
            }
        }
        let body = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
        let parts: Vec<&str> = body.split('|').collect();
        parts.iter().all(|p| plain(p)).then(|| {
            let mut values: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
            values.sort_unstable();
            Self::OneOf(values.into())
        })
    }

    fn is_match(&self, value: &str) -> bool {
        match self {
            Self::Literal => false,
            Self::OneOf(values) => values.binary_search_by(|v| (**v).cmp(value)).is_ok(),
            Self::Prefix(prefix) => value.starts_with(&**prefix),
            Self::Contains(part) => value.contains(&**part),
            Self::NonEmpty => !value.is_empty(),
            Self::Anything => true,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("compiled program would take more than {limit} bytes")
        }
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
