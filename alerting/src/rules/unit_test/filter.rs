//! Which tests of a file are run.

use regex::Regex;

/// Regular expressions over the names of tests.
#[derive(Debug, Clone, Default)]
pub struct Filter(Vec<Regex>);

impl Filter {
    /// Compiles expressions; a test is run if one of them matches a part of its name, or if there is
    /// none.
    ///
    /// # Errors
    /// An expression that is none.
    pub fn new(expressions: &[String]) -> Result<Self, String> {
        let compiled = expressions.iter().map(|text| Regex::new(text).map_err(|e| e.to_string()));
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether a test of this name is run.
    pub fn takes(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|expression| expression.is_match(name))
    }
}
