//! `tarn rules test`.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tarn_alerting::problem::{Problem, any_error};
use tarn_alerting::rules::unit_test::{self, Failure, Filter, RunOptions, TestFile};
use tarn_alerting::rules::{self, RuleGroup};

use super::{TestArgs, expand, files, junit, options, read, shown};
use crate::cli::print;
use crate::cli::terminal::{Colour, Style, printable};

/// What became of a test file.
#[derive(Debug, Default)]
pub(super) struct FileResult {
    pub(super) name: String,
    /// Why its tests could not be run.
    pub(super) broken: Vec<Problem>,
    pub(super) tests: Vec<TestResult>,
}

/// What became of a test.
#[derive(Debug)]
pub(super) struct TestResult {
    pub(super) name: String,
    pub(super) failures: Vec<Failure>,
    record: Vec<String>,
    pub(super) took: Duration,
}

impl FileResult {
    fn passed(&self) -> bool {
        !any_error(&self.broken) && self.tests.iter().all(|test| test.failures.is_empty())
    }
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let style = Style::of_stdout();
    let filter = Filter::new(&args.run).map_err(|why| anyhow::anyhow!("--run: {why}"))?;
    let mut results = Vec::new();
    for path in files(&args.files)? {
        let result = file(&path, args, &filter);
        tell(&result, args, style);
        results.push(result);
    }
    if let Some(path) = &args.junit {
        junit::write(path, &results)?;
    }
    let passed = results.iter().all(FileResult::passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests of a file.
fn file(path: &Path, args: &TestArgs, filter: &Filter) -> FileResult {
    let mut result = FileResult { name: path.display().to_string(), ..FileResult::default() };
    let text = match read(path) {
        Ok(text) => text,
        Err(why) => {
            result.broken.push(problem(&result.name, why, false));
            return result;
        }
    };
    let (tests, problems) = unit_test::parse(&result.name, &text, args.ignore_unknown_fields);
    result.broken = problems;
    let Some(tests) = tests else { return result };
    let groups = groups(path, &tests, args, &mut result.broken);
    if any_error(&result.broken) {
        return result;
    }
    let rules = options(false, args.ignore_unknown_fields);
    let options = RunOptions { rules, expand: &expand, debug: args.debug };
    for test in tests.tests.iter().filter(|test| filter.takes(&test.name)) {
        let started = Instant::now();
        let verdict = unit_test::run(&tests, test, &groups, &options);
        result.tests.push(TestResult {
            name: test.name.clone(),
            failures: verdict.failures,
            record: verdict.record,
            took: started.elapsed(),
        });
    }
    result
}

/// Reads the rule files of a test file, which are named relative to it.
fn groups(
    path: &Path,
    tests: &TestFile,
    args: &TestArgs,
    problems: &mut Vec<Problem>,
) -> Vec<RuleGroup> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let options = options(false, args.ignore_unknown_fields);
    let mut groups = Vec::new();
    for pattern in &tests.rule_files {
        let found = crate::glob::expand(&folder.join(pattern)).unwrap_or_else(|e| {
            problems.push(problem(pattern, e.to_string(), false));
            Vec::new()
        });
        if found.is_empty() {
            problems.push(problem(&tests.file, format!("{pattern} matches no file"), true));
        }
        for path in found {
            let name = path.display().to_string();
            match read(&path) {
                Ok(text) => {
                    let parsed = rules::parse(&name, &text, &options);
                    problems.extend(parsed.problems);
                    groups.extend(parsed.groups);
                }
                Err(why) => problems.push(problem(&name, why, false)),
            }
        }
    }
    groups
}

fn problem(file: &str, message: String, warning: bool) -> Problem {
    Problem { file: file.to_owned(), line: 0, column: 0, message, warning }
}

/// Prints what became of a file.
fn tell(result: &FileResult, args: &TestArgs, style: Style) {
    let failed = result.tests.iter().filter(|test| !test.failures.is_empty()).count();
    let verdict = match (result.passed(), failed) {
        (true, _) => format!("{} tests passed", result.tests.len()),
        (false, 0) => style.paint(Colour::Red, "cannot be run"),
        (false, failed) => {
            let text = format!("{failed} of {} tests failed", result.tests.len());
            style.paint(Colour::Red, &text)
        }
    };
    print(format_args!("{}: {verdict}", result.name));
    for problem in &result.broken {
        print(printable(&shown(problem, Style { coloured: false })));
    }
    for test in &result.tests {
        if test.failures.is_empty() && !args.debug {
            continue;
        }
        let verdict = match test.failures.is_empty() {
            true => "passed".to_owned(),
            false => style.paint(Colour::Red, "failed"),
        };
        let took = test.took.as_millis();
        print(format_args!("  {}: {verdict} in {took} ms", printable(&test.name)));
        for line in &test.record {
            print(style.paint(Colour::Dim, &format!("    {}", printable(line))));
        }
        for failure in &test.failures {
            for line in lines(&result.name, failure, args.diff, style) {
                print(line);
            }
        }
    }
}

/// Returns a failure as lines: what was looked at, then what is not as expected.
fn lines(file: &str, failure: &Failure, diff: bool, style: Style) -> Vec<String> {
    let mut lines = vec![format!("    {file}:{}: {}", failure.line, printable(&failure.what))];
    let mut add = |sign: &str, colour: Option<Colour>, texts: &[String]| {
        for text in texts {
            let text = format!("{sign} {}", printable(text));
            let text = colour.map_or(text.clone(), |colour| style.paint(colour, &text));
            lines.push(format!("      {text}"));
        }
    };
    if diff {
        add(" ", None, &failure.matching);
        add("-", Some(Colour::Red), &failure.missing);
        add("+", Some(Colour::Cyan), &failure.unexpected);
    } else {
        add("expected, not there:", Some(Colour::Red), &failure.missing);
        add("there, not expected:", Some(Colour::Yellow), &failure.unexpected);
    }
    if let Some(note) = &failure.note {
        lines.push(format!("      note: {}", printable(note)));
    }
    lines
}
