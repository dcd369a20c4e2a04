//! `tarn rules`: looks at rule files before a server does.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tarn_alerting::problem::Problem;
use tarn_alerting::rules::{ParseOptions, unit_test};
use tarn_alerting::template::rule as template;

use crate::cli::terminal::{Colour, Style};

mod check;
mod junit;
mod test;

/// Files larger than this are no rule files.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What can be done with rule files.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Read rule files and print everything that is wrong with them.
    Check(CheckArgs),
    /// Run unit tests of rules, in promtool's format.
    Test(TestArgs),
}

/// `tarn rules check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Rule files: names, or patterns such as 'rules/*.yaml'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Refuses what Prometheus does not know.
    #[arg(long)]
    strict: bool,
    /// Passes over keys that are not known.
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Exits 3 where there are warnings.
    #[arg(long)]
    lint_fatal: bool,
    /// Prints nothing about files that are right.
    #[arg(long, short)]
    quiet: bool,
}

/// `tarn rules test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files: names, or patterns such as 'tests/*.yaml'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Runs only tests whose name matches. May be given several times.
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// Prints what happened during each test.
    #[arg(long)]
    debug: bool,
    /// Prints differences line by line, with what is as expected.
    #[arg(long)]
    diff: bool,
    /// Writes the results to this file, too, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Passes over keys that are not known.
    #[arg(long)]
    ignore_unknown_fields: bool,
}

/// Runs a command. The exit code is promtool's: 1 where anything is wrong.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn run(command: &RulesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RulesCommand::Check(args) => check::run(args),
        RulesCommand::Test(args) => test::run(args),
    }
}

/// Reads a file as text.
fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{size} bytes exceed the limit of {FILE_BYTES_MAX}"));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

/// Returns the files that names and patterns stand for.
fn files(patterns: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let found = crate::glob::expand(pattern)?;
        anyhow::ensure!(!found.is_empty(), "{} matches no file", pattern.display());
        files.extend(found);
    }
    Ok(files)
}

/// How rule files are read.
fn options(strict: bool, ignore_unknown: bool) -> ParseOptions<'static> {
    ParseOptions { strict, ignore_unknown, check: &template::check, ..ParseOptions::default() }
}

/// Prints a problem on a line of its own.
fn shown(problem: &Problem, style: Style) -> String {
    let colour = if problem.warning { Colour::Yellow } else { Colour::Red };
    let kind = style.paint(colour, if problem.warning { "warning" } else { "error" });
    format!("  {kind}: {problem}")
}

/// Writes out templates as the server does.
fn expand(text: &str, around: &unit_test::Surroundings<'_>) -> Result<String, String> {
    unit_test::expand(text, around)
}
