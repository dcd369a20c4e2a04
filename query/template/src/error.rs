//! What is wrong with a template, in Go's words, and where.

/// A mistake in a template, or one that came up while it was executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What and where, as Go words it: `template: name:line:column: executing "name" at <.X>: why`.
    pub message: String,
    /// What alone.
    pub reason: String,
    /// From 1.
    pub line: u32,
    /// From 1, in bytes; 0 where it is not known.
    pub column: u32,
    /// A limit of [`Limits`](crate::Limits) was reached: the template would not end or is too large.
    pub limit: bool,
}

impl Error {
    /// Makes an error about no place in particular.
    pub fn plain(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason: message.clone(), message, line: 0, column: 0, limit: false }
    }
}

/// Returns line (from 1) and offset in that line (from 0, in bytes) of a position.
pub(crate) fn place(text: &str, pos: usize) -> (u32, u32) {
    let before = &text.as_bytes()[..pos.min(text.len())];
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (narrow(line), narrow(before.len() - start))
}
