//! What a fuzzer calls with arbitrary bytes: plain functions that panic where a promise is broken.
//!
//! The promises: no text panics or exhausts the stack; every error and every term points into the
//! text; what was parsed, printed and parsed again is the same tree.

use super::ast::{Query, TermKind};
use super::parse::{ParseLimits, parse};
use super::{SearchError, Span};

/// A search.
pub fn search(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text, ParseLimits::default()) {
        Ok(query) => check(query, text),
        Err(error) => check_error(&error, text),
    }
}

fn check(mut query: Query, text: &str) {
    visit(&mut query, &mut |span| {
        assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
        *span = Span::default();
    });
    let printed = query.to_string();
    // Escapes make a text longer.
    let limits = ParseLimits { bytes_max: usize::MAX, ..ParseLimits::default() };
    match parse(&printed, limits) {
        Ok(mut again) => {
            visit(&mut again, &mut |span| *span = Span::default());
            assert_eq!(again, query, "printed as {printed:?}");
        }
        Err(error) => assert_eq!(error.describe(&printed), "", "printed as {printed:?}"),
    }
}

/// Shows every span of a tree.
pub(crate) fn visit(query: &mut Query, see: &mut impl FnMut(&mut Span)) {
    match query {
        Query::All => {}
        Query::And(list) | Query::Or(list) => list.iter_mut().for_each(|q| visit(q, see)),
        Query::Not(inner) => visit(inner, see),
        Query::Term(term) => {
            see(&mut term.span);
            match &mut term.kind {
                TermKind::Text(_) => {}
                TermKind::Exists(key) => see(&mut key.span),
                TermKind::Field { key, value_span, .. } => {
                    see(&mut key.span);
                    see(value_span);
                }
            }
        }
    }
}

fn check_error(error: &SearchError, text: &str) {
    assert!(text.get(error.span.start..error.span.end).is_some(), "{error:?} in {text:?}");
    assert!(!error.message.is_empty());
    assert!(error.describe(text).starts_with("character "));
}
