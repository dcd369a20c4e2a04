//! What is wrong with a rule file, a route configuration or an objective, and where.

use std::fmt;

/// A mistake in a file, for people: where and what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Name of the file as it was given.
    pub file: String,
    /// From 1; 0 where it is not known.
    pub line: u32,
    /// From 1, in characters; 0 where it is not known.
    pub column: u32,
    /// What, with the offending value, and what would be right.
    pub message: String,
    /// The file can be used all the same.
    pub warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, .. } = self;
        match line {
            0 => write!(f, "{file}: {message}"),
            _ => write!(f, "{file}:{line}:{column}: {message}"),
        }
    }
}

/// Returns whether any of the problems keeps the file from being used.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| !problem.warning)
}
