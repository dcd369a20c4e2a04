//! Runs test scripts in Prometheus' language: load series, evaluate queries, state what must come.
//!
//! A script is parsed as a whole and then run command by command against a [`store::MemoryStore`].
//! Evaluation expectations are checked in several ways, because each must hold in all of them: an
//! instant query also as the middle step of a range query, and, where nothing in it depends on the
//! time of the step, with all selectors fixed by `@` and the step moved elsewhere. The last form
//! runs the printed text, so the printer is tested too.

use std::fmt;

use crate::query::QueryError;

mod command;
mod compare;
mod load;
mod rewrite;
mod run;
pub mod store;

pub use run::{RunOptions, block_on};

use command::Command;

/// What became of a script's evaluations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// As expected, in all ways.
    pub passed: usize,
    /// Not as expected: what was run and what is wrong.
    pub failed: Vec<String>,
    /// Met something about native histograms that is not answered yet.
    pub histograms: usize,
    /// Met anything else that is not answered yet: the messages.
    pub unsupported: Vec<String>,
}

impl Report {
    /// Returns how many evaluations there were.
    pub fn total(&self) -> usize {
        self.passed + self.failed.len() + self.histograms + self.unsupported.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} passed, {} failed, {} later: native histograms, {} later: other",
            self.passed,
            self.total(),
            self.failed.len(),
            self.histograms,
            self.unsupported.len()
        )
    }
}

/// Runs a script.
///
/// # Errors
/// The script itself is wrong: a line is no command, or a load does not parse. The message names
/// the line.
pub fn run_script(text: &str, options: &RunOptions) -> Result<Report, String> {
    let commands = command::parse_script(text)?;
    let mut store = store::MemoryStore::with_slices_of(options.slice_samples);
    let mut report = Report::default();
    for command in &commands {
        match command {
            Command::Clear => store = store::MemoryStore::with_slices_of(options.slice_samples),
            Command::Load(load) => load.apply(&mut store),
            Command::Eval(eval) => match run::run(eval, &store, options) {
                Ok(()) => report.passed += 1,
                Err(failure) => note(&mut report, eval, failure),
            },
        }
    }
    Ok(report)
}

fn note(report: &mut Report, eval: &command::Eval, failure: run::Failure) {
    match failure.error {
        Some(QueryError::Unsupported(message)) if message.contains("native histograms") => {
            report.histograms += 1;
        }
        Some(QueryError::Unsupported(message)) => report.unsupported.push(message),
        _ => report.failed.push(format!("line {}: {}: {}", eval.line, eval.query, failure.text)),
    }
}

#[cfg(test)]
mod tests;
