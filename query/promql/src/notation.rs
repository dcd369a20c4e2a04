//! Series notation: a metric and its values in one line, as in `up{job="a"} 1+1x3 _ stale`.
//!
//! Test scripts and unit tests of rules load data and state expectations in it. After the metric
//! come items divided by spaces; an item is one point or a run of points:
//!
//! | item | points |
//! |---|---|
//! | `5`, `-1e3`, `Inf`, `NaN`, `5m` | one number (a duration counts seconds) |
//! | `stale` | one staleness marker |
//! | `_`, `_x3` | one point missing, three points missing |
//! | `2x3` | 2 and three more of it |
//! | `2+5x3`, `2-5x3` | 2 and three more, each 5 away from the one before |
//! | `{{schema:1 buckets:[1 2]}}`, `{{…}}x3` | native histograms |
//! | `{{…}}+{{…}}x3`, `{{…}}-{{…}}x3` | a ramp of native histograms |
//!
//! Ramps are accumulated by repeated addition, because Prometheus does so and the sums differ in
//! the last bits from multiples.

use std::sync::Arc;

use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::sample::{Histogram, stale_nan};

use crate::ast::Span;
use crate::histogram::{Combined, Incompatible, add, sub};
use crate::lex::{Lexer, TokenKind};
use crate::parse::ParseError;
use crate::parse::literal::unquote;
use scan::Scanner;

mod histogram;
mod scan;

/// Points that one line may stand for, some 32 MB. What people write stays far below;
/// `0x1000000000` does not.
pub const POINTS_MAX: usize = 1_000_000;

/// Bytes that one ramp of histograms may take.
const RAMP_BYTES_MAX: usize = 64 << 20;

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number, or the staleness marker.
    Float(f64),
    /// A native histogram of float counts.
    Histogram {
        /// The histogram.
        histogram: Arc<Histogram>,
        /// Whether `counter_reset_hint` was written. If not, an expectation takes any hint.
        hint_given: bool,
    },
}

/// A line of values.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesLine {
    /// The metric.
    pub labels: LabelSet,
    /// Its points in order; `None` where one is missing.
    pub values: Vec<Option<Value>>,
}

/// A line of start timestamps, `metric@st items`, for the line of values that follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartLine {
    /// The metric.
    pub labels: LabelSet,
    /// Per point the distance in ms from the sample's time to its start; `None` where it has none.
    pub offsets_ms: Vec<Option<i64>>,
}

/// A line of a `load` command.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Values.
    Series(SeriesLine),
    /// Start timestamps.
    Starts(StartLine),
}

/// Parses a line of values or of start timestamps.
///
/// # Errors
/// The line is neither, or stands for more than [`POINTS_MAX`] points.
pub fn parse_line(text: &str) -> Result<Line, ParseError> {
    let (labels, at) = metric(text)?;
    let rest = text.get(at..).unwrap_or_default();
    if rest.starts_with("@st") {
        let mut scanner = Scanner::new(text, at + "@st".len());
        return Ok(Line::Starts(StartLine {
            labels,
            offsets_ms: items(&mut scanner, start_item)?,
        }));
    }
    let mut scanner = Scanner::new(text, at);
    Ok(Line::Series(SeriesLine { labels, values: items(&mut scanner, value_item)? }))
}

/// Parses a line of values.
///
/// # Errors
/// The line is no metric with values, or stands for more than [`POINTS_MAX`] points.
pub fn parse_series_line(text: &str) -> Result<SeriesLine, ParseError> {
    match parse_line(text)? {
        Line::Series(line) => Ok(line),
        Line::Starts(_) => {
            let span = Span::new(0, text.len());
            Err(ParseError::new("start timestamps are not expected here", span, text))
        }
    }
}

/// Parses the metric at the start of the line; returns its labels and where it ends.
fn metric(text: &str) -> Result<(LabelSet, usize), ParseError> {
    let mut lexer = Lexer::new(text);
    let mut labels = Vec::new();
    let mut token = lexer.next()?;
    if token.kind.is_metric_name() {
        labels.push(Label::new(METRIC_NAME, token.text));
        if text.as_bytes().get(token.span.end) != Some(&b'{') {
            return Ok((LabelSet::new(labels), token.span.end));
        }
        token = lexer.next()?;
    }
    if token.kind != TokenKind::LeftBrace {
        let message = format!("unexpected {} in series, expected a metric", token.describe());
        return Err(ParseError::new(message, token.span, text));
    }
    let fail = |token: crate::lex::Token<'_>, expected: &str| {
        let message = format!("unexpected {} in label set, expected {expected}", token.describe());
        Err(ParseError::new(message, token.span, text))
    };
    let string = |token: crate::lex::Token<'_>| {
        String::from_utf8(unquote(token.text))
            .map_err(|_| ParseError::new("invalid UTF-8 in label set", token.span, text))
    };
    token = lexer.next()?;
    while token.kind != TokenKind::RightBrace {
        let name = match token.kind {
            TokenKind::Identifier => token.text.to_owned(),
            TokenKind::String => string(token)?,
            _ => return fail(token, "identifier or \"}\""),
        };
        let is_quoted = token.kind == TokenKind::String;
        token = lexer.next()?;
        if token.kind == TokenKind::Assign {
            token = lexer.next()?;
            if token.kind != TokenKind::String {
                return fail(token, "string");
            }
            labels.push(Label::new(name, string(token)?));
            token = lexer.next()?;
        } else if is_quoted {
            labels.push(Label::new(METRIC_NAME, name));
        } else {
            return fail(token, "\"=\"");
        }
        match token.kind {
            TokenKind::Comma => token = lexer.next()?,
            TokenKind::RightBrace => {}
            _ => return fail(token, "\",\" or \"}\""),
        }
    }
    Ok((LabelSet::new(labels), token.span.end))
}

/// Parses items up to the end of the line.
fn items<T>(
    scanner: &mut Scanner<'_>,
    item: fn(&mut Scanner<'_>, &mut Vec<T>) -> Result<(), ParseError>,
) -> Result<Vec<T>, ParseError> {
    let mut points = Vec::new();
    loop {
        let had_space = scanner.skip_spaces();
        if scanner.is_at_end() {
            return Ok(points);
        }
        if !had_space {
            return scanner.fail("items of a series must be divided by spaces");
        }
        scanner.begin();
        item(scanner, &mut points)?;
    }
}

fn value_item(
    scanner: &mut Scanner<'_>,
    points: &mut Vec<Option<Value>>,
) -> Result<(), ParseError> {
    if scanner.accept("_") {
        return repeat(scanner, points, missing);
    }
    if scanner.accept("{{") {
        return histogram_item(scanner, points);
    }
    let float = |value| Some(Value::Float(value));
    if scanner.accept_word("stale") {
        points.push(float(stale_nan()));
        return Ok(());
    }
    let mut value = scanner.signed_number()?;
    let increment = scanner.increment()?;
    let times = match (scanner.times(points.len())?, increment) {
        (Some(times), _) => times,
        (None, None) => 0,
        (None, Some(_)) => return scanner.fail("an increment needs a repetition such as 1+2x5"),
    };
    points.push(float(value));
    for _ in 0..times {
        value += increment.unwrap_or_default();
        points.push(float(value));
    }
    Ok(())
}

fn missing<T>(times: usize, points: &mut Vec<Option<T>>) {
    points.extend(std::iter::repeat_with(|| None).take(times));
}

/// Repeats what is missing: as often as written, or once.
fn repeat<T>(
    scanner: &mut Scanner<'_>,
    points: &mut Vec<Option<T>>,
    push: fn(usize, &mut Vec<Option<T>>),
) -> Result<(), ParseError> {
    let times = scanner.times(points.len())?.unwrap_or(1);
    push(times, points);
    Ok(())
}

fn histogram_item(
    scanner: &mut Scanner<'_>,
    points: &mut Vec<Option<Value>>,
) -> Result<(), ParseError> {
    let (first, hint_given) = histogram::body(scanner)?;
    let combine: Combine = match () {
        () if scanner.accept("+{{") => add,
        () if scanner.accept("-{{") => sub,
        () => {
            let times = scanner.times(points.len())?.unwrap_or(0);
            let point = Value::Histogram { histogram: Arc::new(first), hint_given };
            points.extend(std::iter::repeat_n(Some(point), times + 1));
            return Ok(());
        }
    };
    // Whether the hint matters is what the second literal says, for all points.
    let (increment, hint_given) = histogram::body(scanner)?;
    let Some(times) = scanner.times(points.len())? else {
        return scanner.fail("an increment needs a repetition such as {{}}+{{sum:1}}x5");
    };
    if times.saturating_mul(first.bytes() + increment.bytes()) > RAMP_BYTES_MAX {
        return scanner.fail(format!("a ramp of histograms may take {RAMP_BYTES_MAX} bytes"));
    }
    let mut current = Arc::new(first);
    for at in 0..=times {
        if at > 0 {
            current = Arc::new(advance(scanner, &current, &increment, combine)?);
        }
        let histogram = Arc::clone(&current);
        points.push(Some(Value::Histogram { histogram, hint_given }));
    }
    Ok(())
}

type Combine = fn(&Histogram, &Histogram) -> Result<Combined, Incompatible>;

fn advance(
    scanner: &Scanner<'_>,
    current: &Histogram,
    increment: &Histogram,
    combine: Combine,
) -> Result<Histogram, ParseError> {
    if current.schema > increment.schema {
        let (from, to) = (increment.schema, current.schema);
        return scanner
            .fail(format!("error combining histograms: cannot merge from schema {from} to {to}"));
    }
    match combine(current, increment) {
        Ok(combined) => Ok(combined.histogram),
        Err(error) => scanner.fail(error.to_string()),
    }
}

fn start_item(scanner: &mut Scanner<'_>, points: &mut Vec<Option<i64>>) -> Result<(), ParseError> {
    if scanner.accept("_") {
        return repeat(scanner, points, missing);
    }
    let mut offset = scanner.signed_duration_ms()?;
    let increment = if scanner.is_at("+") || scanner.is_at("-") {
        Some(scanner.signed_duration_ms()?)
    } else {
        None
    };
    let times = match (scanner.times(points.len())?, increment) {
        (Some(times), _) => times,
        (None, None) => 0,
        (None, Some(_)) => return scanner.fail("an increment needs a repetition such as 1s-1mx5"),
    };
    points.push(Some(offset));
    for _ in 0..times {
        offset = offset.saturating_add(increment.unwrap_or_default());
        points.push(Some(offset));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
