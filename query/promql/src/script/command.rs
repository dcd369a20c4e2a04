//! Script text → commands. Everything is parsed before anything runs.

use std::sync::LazyLock;

use regex::Regex;
use tarn_model::units::parse_duration;

use super::load::Load;
use crate::ast::{Expr, ParseOptions};
use crate::notation::{SeriesLine, parse_series_line};
use crate::parse::{ParseLimits, parse};

/// A command of a script.
pub(super) enum Command {
    /// Start with an empty storage.
    Clear,
    /// Store series.
    Load(Load),
    /// Evaluate and compare.
    Eval(Box<Eval>),
}

/// An evaluation and what must come of it.
pub(super) struct Eval {
    pub(super) line: usize,
    pub(super) query: String,
    pub(super) expr: Expr,
    pub(super) at: When,
    pub(super) expected: Expected,
    pub(super) ordered: bool,
}

/// When a query is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Instant { time_ms: i64 },
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

/// What must come of an evaluation.
pub(super) enum Expected {
    Failure(FailureText),
    Text(String),
    Scalar(f64),
    /// Series with their values, in order.
    Series(Vec<SeriesLine>),
    /// A matrix with points at these times.
    Matrix {
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        series: Vec<SeriesLine>,
    },
}

/// What an expected failure must say.
pub(super) enum FailureText {
    Any,
    Exactly(String),
    Matching(Regex),
}

static EVAL_INSTANT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$")
        .expect("the pattern is constant")
});
static EVAL_RANGE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$",
    )
    .expect("the pattern is constant")
});
static EXPECT_MATRIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^expect\s+range\s+vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$")
        .expect("the pattern is constant")
});

/// Parses a script.
pub(super) fn parse_script(text: &str) -> Result<Vec<Command>, String> {
    let lines: Vec<&str> = text
        .split('\n')
        .map(str::trim)
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let number = at + 1;
        at += 1;
        if line.is_empty() {
            continue;
        }
        let end = lines[at..].iter().position(|l| l.is_empty()).map_or(lines.len(), |n| at + n);
        let block = &lines[at..end];
        let word = line.split_whitespace().next().unwrap_or_default().to_lowercase();
        let fail = |message: String| format!("line {number}: {message}");
        if word == "clear" {
            commands.push(Command::Clear);
        } else if word.starts_with("load") {
            commands.push(Command::Load(Load::parse(line, block).map_err(fail)?));
            at = end;
        } else if word.starts_with("eval") {
            let (eval, used) = eval(line, number, block).map_err(fail)?;
            commands.push(Command::Eval(Box::new(eval)));
            at += used;
        } else {
            return Err(fail(format!("invalid command {line:?}")));
        }
    }
    Ok(commands)
}

/// Parses a duration as milliseconds.
pub(super) fn millis(text: &str) -> Result<i64, String> {
    let duration = parse_duration(text.trim()).map_err(|e| e.message())?;
    i64::try_from(duration.as_millis()).map_err(|e| e.to_string())
}

/// Parses an evaluation; returns how many lines of the block belong to it.
fn eval(line: &str, number: usize, block: &[&str]) -> Result<(Eval, usize), String> {
    let (kind, at, query) = if let Some(found) = EVAL_RANGE.captures(line) {
        let (start_ms, end_ms) = (millis(&found[2])?, millis(&found[3])?);
        let at = When::Range { start_ms, end_ms, step_ms: millis(&found[4])? };
        (found.get(1).map(|m| m.as_str()), at, found[5].to_owned())
    } else if let Some(found) = EVAL_INSTANT.captures(line) {
        let time_ms = found.get(2).map_or(Ok(0), |m| millis(m.as_str()))?;
        (found.get(1).map(|m| m.as_str()), When::Instant { time_ms }, found[3].to_owned())
    } else {
        return Err(format!("invalid eval {line:?}"));
    };
    let expr = parse(&query, &ParseOptions::ALL, ParseLimits::default())
        .map_err(|e| format!("{query}: {e}"))?;
    let mut expectations = Expectations { ordered: kind == Some("ordered"), ..Default::default() };
    if kind == Some("fail") {
        expectations.failure = Some(FailureText::Any);
    }
    let mut used = 0;
    for line in block {
        used += 1;
        if expectations.line(line)? {
            break;
        }
    }
    let ordered = expectations.ordered;
    let expected = expectations.finish(at)?;
    Ok((Eval { line: number, query, expr, at, expected, ordered }, used))
}

/// Expectations while they are read.
#[derive(Default)]
struct Expectations {
    ordered: bool,
    failure: Option<FailureText>,
    text: Option<String>,
    scalar: Option<f64>,
    matrix: Option<(i64, i64, i64)>,
    series: Vec<SeriesLine>,
}

impl Expectations {
    /// Reads a line; `true` where it ends the block.
    fn line(&mut self, line: &str) -> Result<bool, String> {
        if let Some(text) = line.strip_prefix("expected_fail_message") {
            self.failure = Some(FailureText::Exactly(text.trim().to_owned()));
            return Ok(true);
        }
        if let Some(text) = line.strip_prefix("expected_fail_regexp") {
            self.failure = Some(failure_regex(text)?);
            return Ok(true);
        }
        if let Some(found) = EXPECT_MATRIX.captures(line) {
            self.matrix = Some((millis(&found[1])?, millis(&found[2])?, millis(&found[3])?));
            return Ok(false);
        }
        if let Some(rest) = line.strip_prefix("expect ") {
            self.expect(rest.trim())?;
            return Ok(false);
        }
        if let Some(number) = bare_number(line) {
            self.scalar = Some(number);
            return Ok(true);
        }
        self.series.push(parse_series_line(line).map_err(|e| e.to_string())?);
        Ok(false)
    }

    fn expect(&mut self, rest: &str) -> Result<(), String> {
        let (word, detail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let detail = detail.trim();
        match word {
            "ordered" => self.ordered = true,
            "fail" => {
                self.failure = Some(if let Some(text) = detail.strip_prefix("msg:") {
                    FailureText::Exactly(text.trim().to_owned())
                } else if let Some(text) = detail.strip_prefix("regex:") {
                    failure_regex(text)?
                } else {
                    FailureText::Any
                });
            }
            "string" => {
                let literal = parse(detail, &ParseOptions::ALL, ParseLimits::default());
                match literal.map_err(|e| e.to_string())? {
                    Expr::String(literal) => self.text = Some(literal.value.to_string()),
                    _ => return Err(format!("expect string {detail}: no string")),
                }
            }
            // Annotations are not checked yet.
            "warn" | "info" | "no_warn" | "no_info" => {}
            _ => return Err(format!("invalid expectation {rest:?}")),
        }
        Ok(())
    }

    fn finish(self, at: When) -> Result<Expected, String> {
        if let Some(failure) = self.failure {
            return Ok(Expected::Failure(failure));
        }
        if let Some(text) = self.text {
            return Ok(Expected::Text(text));
        }
        if let Some(scalar) = self.scalar {
            return Ok(Expected::Scalar(scalar));
        }
        if let Some((start_ms, end_ms, step_ms)) = self.matrix {
            return Ok(Expected::Matrix { start_ms, end_ms, step_ms, series: self.series });
        }
        if matches!(at, When::Instant { .. }) && self.series.iter().any(|s| s.values.len() != 1) {
            return Err("a series of an instant query has one value".to_owned());
        }
        Ok(Expected::Series(self.series))
    }
}

fn failure_regex(text: &str) -> Result<FailureText, String> {
    Regex::new(text.trim()).map(FailureText::Matching).map_err(|e| e.to_string())
}

/// Parses a line that is one number: Go's integers of any base, or a float.
fn bare_number(line: &str) -> Option<f64> {
    let digits = line.strip_prefix(['-', '+']).unwrap_or(line);
    let sign = if line.starts_with('-') { -1.0 } else { 1.0 };
    let integer = |prefix: &str, base| {
        let digits = digits.strip_prefix(prefix)?;
        i64::from_str_radix(digits, base).ok().map(|v| sign * v as f64)
    };
    integer("0x", 16)
        .or_else(|| integer("0b", 2))
        .or_else(|| integer("0o", 8))
        .or_else(|| line.parse().ok())
}
