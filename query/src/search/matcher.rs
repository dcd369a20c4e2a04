//! What a text must be, compiled: words, phrases, patterns, expressions, quantities.
//!
//! A *word* is found where it stands as a whole: what precedes and follows it is no letter, digit or
//! `_` (of any script) where the word itself begins or ends with one, so `10.0.0.1` is a word too and
//! `error` is not found in `errors`. ASCII letters fit in any case; other letters as they are. These
//! are the tokens of the word index. A *phrase* is found anywhere, exactly as written. Both are
//! literals to the regex engine, which hands them to `memmem` or its vector search, and are looked
//! for in the joined text of a whole column at once: a batch without a hit costs one pass.

use std::cmp::Ordering;

use arrow_array::{Array, StringArray};
use regex::bytes;

use super::ast::{Glob, Op};
use super::quantity::Quantity;

/// Compiled size of one regular expression at most; what a person writes is far below.
pub(crate) const REGEX_BYTES_MAX: usize = 1 << 20;

/// Compiled size of one literal at most. All literals of a search together are no longer than its
/// text, so this is room for the longest search, not for each of many.
const LITERAL_BYTES_MAX: usize = 64 << 20;

/// Decides about texts.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    /// Any text.
    Any,
    /// Exactly this.
    Equal(String),
    /// Exactly this, ASCII letters in any case.
    EqualAnyCase(String),
    /// This number, or exactly this text.
    EqualNumber(Quantity, String),
    /// More or less than this.
    Order(Op, Quantity),
    /// The whole text fits the pattern.
    Glob(Glob),
    /// A literal somewhere in the text.
    Literal(Literal),
    /// The expression fits somewhere.
    Regex(regex::Regex),
}

/// A word or a phrase.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    find: bytes::Regex,
    /// The character before must be none of a word.
    starts_word: bool,
    /// The character behind must be none of a word.
    ends_word: bool,
}

impl Literal {
    /// Makes a word.
    pub(crate) fn word(word: &str) -> Result<Self, regex::Error> {
        let pattern = format!("(?i-u:{})", regex::escape(word));
        Ok(Self {
            find: bytes::RegexBuilder::new(&pattern).size_limit(LITERAL_BYTES_MAX).build()?,
            starts_word: word.chars().next().is_some_and(is_word),
            ends_word: word.chars().next_back().is_some_and(is_word),
        })
    }

    /// Makes a phrase.
    pub(crate) fn phrase(phrase: &str) -> Result<Self, regex::Error> {
        let pattern = regex::escape(phrase);
        let find = bytes::RegexBuilder::new(&pattern).size_limit(LITERAL_BYTES_MAX).build()?;
        Ok(Self { find, starts_word: false, ends_word: false })
    }

    fn matches(&self, text: &str) -> bool {
        let mut from = 0;
        while let Some(found) = self.find.find_at(text.as_bytes(), from) {
            if self.stands_alone(text, found.start(), found.end()) {
                return true;
            }
            from = found.start() + 1;
        }
        false
    }

    fn stands_alone(&self, text: &str, start: usize, end: usize) -> bool {
        let before = || text.get(..start).and_then(|t| t.chars().next_back());
        let behind = || text.get(end..).and_then(|t| t.chars().next());
        let goes_on = (self.starts_word && before().is_some_and(is_word))
            || (self.ends_word && behind().is_some_and(is_word));
        !goes_on
    }

    /// Calls `found` with each row that matches, from the joined text of the rows.
    fn scan(&self, texts: &StringArray, mut found: impl FnMut(usize)) {
        let (joined, offsets) = (texts.value_data(), texts.value_offsets());
        let end_of = |row: usize| offsets.get(row + 1).map_or(0, |end| *end as usize);
        let mut row = 0;
        let mut from = offsets.first().map_or(0, |start| *start as usize);
        let end = offsets.last().map_or(0, |end| *end as usize);
        let Some(joined) = joined.get(..end) else { return };
        while row < texts.len() {
            let Some(hit) = self.find.find_at(joined, from) else { return };
            while row < texts.len() && end_of(row) <= hit.start() {
                row += 1;
            }
            if row == texts.len() {
                return;
            }
            let start = end_of(row) - texts.value(row).len();
            let is_within = hit.end() <= end_of(row);
            if is_within
                && texts.is_valid(row)
                && self.stands_alone(texts.value(row), hit.start() - start, hit.end() - start)
            {
                found(row);
                from = end_of(row);
                row += 1;
            } else {
                from = hit.start() + 1;
            }
        }
    }
}

impl Matcher {
    /// Returns whether a text is what is wanted.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(wanted) => text == wanted,
            Self::EqualAnyCase(wanted) => text.eq_ignore_ascii_case(wanted),
            Self::EqualNumber(quantity, wanted) => {
                text == wanted || quantity.compare(text) == Some(Ordering::Equal)
            }
            Self::Order(op, quantity) => quantity.compare(text).is_some_and(|o| fits(*op, o)),
            Self::Glob(glob) => glob_matches(glob, text),
            Self::Literal(literal) => literal.matches(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// Calls `found` with each row of a column whose text is what is wanted, in order.
    pub(crate) fn scan(&self, texts: &StringArray, mut found: impl FnMut(usize)) {
        if let Self::Literal(literal) = self {
            return literal.scan(texts, found);
        }
        for (row, text) in texts.iter().enumerate() {
            if text.is_some_and(|text| self.matches(text)) {
                found(row);
            }
        }
    }
}

/// Returns whether an operator is content with how a found value compares to the wanted one.
pub(crate) fn fits(op: Op, found: Ordering) -> bool {
    match op {
        Op::Is | Op::Equal => found.is_eq(),
        Op::NotEqual => found.is_ne(),
        Op::Greater => found.is_gt(),
        Op::GreaterEqual => found.is_ge(),
        Op::Less => found.is_lt(),
        Op::LessEqual => found.is_le(),
    }
}

/// Returns whether a character belongs to a word, as the word index has it.
fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Matches first and last piece at the ends, those between from left to right.
fn glob_matches(glob: &Glob, text: &str) -> bool {
    let [first, inner @ .., last] = glob.pieces() else {
        return glob.as_literal() == Some(text);
    };
    let Some(mut rest) =
        text.strip_prefix(first.as_str()).and_then(|t| t.strip_suffix(last.as_str()))
    else {
        return false;
    };
    for piece in inner {
        match rest.split_once(piece.as_str()) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}

/// Returns the expression that finds a word with wildcards: `*` stands for anything but spaces.
pub(crate) fn word_pattern(glob: &Glob) -> String {
    const NO_WORD: &str = r"[^\p{Alphabetic}\p{N}_]";
    let pieces: Vec<String> = glob.pieces().iter().map(|p| any_ascii_case(p)).collect();
    let first = glob.pieces().first().and_then(|p| p.chars().next());
    let last = glob.pieces().last().and_then(|p| p.chars().next_back());
    let edge = |c: Option<char>, end: char| match c.is_some_and(is_word) {
        true => format!("(?:{end}|{NO_WORD})"),
        false => String::new(),
    };
    let (start, end) = (edge(first, '^'), edge(last, '$'));
    format!("(?s){start}{}{end}", pieces.join(r"\S*?"))
}

/// Writes a literal as an expression in which ASCII letters fit in any case.
fn any_ascii_case(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphabetic() {
            out.extend(['[', c.to_ascii_lowercase(), c.to_ascii_uppercase(), ']']);
        } else {
            out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }
    out
}
