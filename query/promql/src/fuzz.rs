//! What a fuzzer calls with arbitrary bytes: plain functions that panic where a promise is broken.
//!
//! The promises: no input panics or exhausts the stack; every error and every node points into the
//! text; what was parsed, printed and parsed again prints the same, on one line and on several.

use crate::ast::{At, Expr, ParseOptions, Span, TimeShift};
use crate::notation::parse_line;
use crate::parse::{ParseError, ParseLimits, parse, parse_selector};
use crate::print::pretty;

/// The first byte selects the parser's options, the rest is the text of a query.
pub fn query(data: &[u8]) {
    let Some((options, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let options = ParseOptions {
        experimental_functions: options & 1 != 0,
        duration_expressions: options & 2 != 0,
        extended_selectors: options & 4 != 0,
        fill: options & 8 != 0,
    };
    match parse(text, &options, ParseLimits::default()) {
        Ok(expr) => {
            check_spans(&expr, text, Span::new(0, text.len()));
            check_printing(&expr);
        }
        Err(error) => check_error(&error, text),
    }
    if let Err(error) = parse_selector(text, ParseLimits::default()) {
        check_error(&error, text);
    }
}

/// A line of series notation.
pub fn series(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = parse_line(text) {
        check_error(&error, text);
    }
}

fn check_printing(expr: &Expr) {
    if has_coarse_timestamp(expr) {
        return;
    }
    // Numbers such as 1e300 grow when they are printed.
    let limits = ParseLimits { bytes_max: usize::MAX, ..ParseLimits::default() };
    let printed = expr.to_string();
    for text in [&printed, &pretty(expr)] {
        // With all options: `offset +(5)` is allowed without any, but printed as `offset (5)`.
        match parse(text, &ParseOptions::ALL, limits) {
            Ok(again) => assert_eq!(again.to_string(), printed, "printed as {text:?}"),
            Err(error) => assert_eq!(error.to_string(), "", "printed as {text:?}"),
        }
    }
}

/// Returns whether an `@` lies so far out that seconds as floats cannot tell its milliseconds
/// apart.
fn has_coarse_timestamp(expr: &Expr) -> bool {
    let is_far = |ms: i64| ms.unsigned_abs() >= 1 << 50;
    let is_coarse = |shift: &TimeShift| matches!(shift.at, Some(At::Timestamp(ms)) if is_far(ms));
    let mut found = false;
    expr.walk(&mut |expr| {
        found |= match expr {
            Expr::Vector(e) => is_coarse(&e.shift),
            Expr::Matrix(e) => is_coarse(&e.selector.shift),
            Expr::Subquery(e) => is_coarse(&e.shift),
            _ => false,
        };
    });
    found
}

fn check_spans(expr: &Expr, text: &str, parent: Span) {
    let span = expr.span();
    assert!(parent.start <= span.start && span.end <= parent.end, "{expr} leaves its parent");
    assert!(text.get(span.start..span.end).is_some_and(|part| !part.is_empty()), "{expr}");
    for child in expr.children() {
        check_spans(child, text, span);
    }
}

fn check_error(error: &ParseError, text: &str) {
    assert!(text.get(error.span.start..error.span.end).is_some(), "{error:?} in {text:?}");
    assert!(!error.message.is_empty());
}

#[cfg(test)]
mod tests;
