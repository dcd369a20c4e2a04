//! The search language for people: one line that finds log records or spans.
//!
//! | written | finds |
//! |---|---|
//! | `word` | the word, in any case, as a whole word: of a log record in its body, of a span in its name, status message, service and event names |
//! | `conn*` | words that begin so; `*` stands for any characters but spaces |
//! | `"a phrase"` | exactly this text, anywhere |
//! | `/re[g]ex/` | texts that the expression matches somewhere |
//! | `key:value` `key:"a b"` `key:a*` `key:/regex/` | rows whose `key` is exactly this, begins so, matches |
//! | `key:*` | rows that have `key` |
//! | `key>5` `key>=1s` `key<10KiB` `key=5` `key!=5` | comparison as numbers; units are converted |
//! | `-x` `NOT x` · `x y` `x AND y` · `x OR y` · `( )` | what is not found by `x`; both; either; grouping |
//!
//! AND binds closer than OR. Operators are written in capitals; `\` takes the meaning from the
//! character behind it.
//!
//! A level is `trace`, `debug`, `info`, `warn`, `error` or `fatal`, each with `2` to `4` behind it, a
//! number from 1 to 24, what the sender calls it, or `unset`.
//!
//! A key is first an *intrinsic* of its table (`service`, `level`, `trace`, `span`, `event`, and of
//! spans `name`, `kind`, `status`, `duration`, `parent`), then an attribute of the row, then of its
//! resource: the first that the row has decides. `@attr.x`, `@resource.x` and `@scope.x` name one
//! of them. `key!=value` wants rows that have the key; `-key:value` also those that lack it.
//!
//! The way of a search: [`lex`](self) → [`parse`] → [`ast`] → [`plan`], which turns it into
//! expressions over columns of the store and into bounds that prune. [`print`](self) turns a tree
//! back into text that parses to the same tree.

pub mod ast;
pub(crate) mod filter;
pub(crate) mod functions;
pub mod fuzz;
pub(crate) mod grid;
mod lex;
mod matcher;
pub mod parse;
pub mod plan;
mod print;
mod quantity;
pub(crate) mod scan;
pub(crate) mod to_sql;

#[cfg(test)]
mod tests;

use std::fmt;

pub use tarn_promql::ast::Span;

/// Why a text is no search, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchError {
    /// What is wrong: lowercase, one line.
    pub message: String,
    /// The part of the text that is meant, in bytes.
    pub span: Span,
}

impl SearchError {
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span }
    }

    /// Returns the message with the place in `text`, as people count: from 1, in characters.
    pub fn describe(&self, text: &str) -> String {
        let before = text.get(..self.span.start.min(text.len())).unwrap_or(text);
        format!("character {}: {}", before.chars().count() + 1, self.message)
    }
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SearchError {}
