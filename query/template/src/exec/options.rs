//! How to execute: limits, missing keys, escaping.

/// What one execution may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nodes, arguments and iterations; lists made count by their length, texts by 256 bytes.
    pub steps: u64,
    /// Bytes of the result.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 200_000, output: 1 << 20 }
    }
}

/// What a key that a map lacks gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// Nothing: `<no value>`.
    #[default]
    Default,
    /// The zero value of the elements' type.
    Zero,
    /// An error.
    Error,
}

/// How to execute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What a key that a map lacks gives.
    pub missing_key: MissingKey,
    /// What it may take.
    pub limits: Limits,
    /// Whether the text is HTML, and values are escaped for the place where they stand.
    pub html: bool,
}
