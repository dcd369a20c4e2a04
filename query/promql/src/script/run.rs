//! Runs one evaluation in all the ways in which its expectation must hold.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::command::{Eval, Expected, FailureText, When};
use super::compare;
use super::rewrite::fix_time;
use super::store::MemoryStore;
use crate::ast::{Expr, ParseOptions, ValueType};
use crate::exec::eval;
use crate::parse::{ParseLimits, parse};
use crate::query::{QueryError, QueryOptions, QueryParams, QueryResult, QueryValue, VectorSample};

/// How scripts are run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Variants of the semantics. Upstream's scripts assume late removal of names.
    pub query: QueryOptions,
    /// Samples per slice of the store.
    pub slice_samples: usize,
}

impl Default for RunOptions {
    fn default() -> Self {
        let query = QueryOptions {
            delayed_name_removal: true,
            use_start_timestamps: true,
            ..QueryOptions::default()
        };
        Self { query, slice_samples: usize::MAX }
    }
}

/// Why an evaluation is not as expected.
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) error: Option<QueryError>,
}

/// Distance of the steps when an instant query runs as the middle of a range.
const AROUND_MS: i64 = 60_000;

/// Runs a future on this thread. Meant for those of the in-memory store, which never wait: a future
/// that does is polled again and again.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// Runs an evaluation.
pub(super) fn run(case: &Eval, store: &MemoryStore, options: &RunOptions) -> Result<(), Failure> {
    let runner = Runner { case, store, options };
    match case.at {
        When::Range { start_ms, end_ms, step_ms } => {
            let result = runner.eval(&case.expr, QueryParams::range(start_ms, end_ms, step_ms));
            runner.check(result, "as range", |value| match (value, &case.expected) {
                (QueryValue::Matrix(matrix), Expected::Series(lines)) => {
                    let steps = (end_ms - start_ms) / step_ms + 1;
                    let times = |at: usize| start_ms + at as i64 * step_ms;
                    compare::range(matrix, lines, &times, steps as usize)
                }
                (value, _) => Err(format!("result is of another kind: {value:?}")),
            })
        }
        When::Instant { time_ms } => {
            let time_ms = match case.expected {
                Expected::Matrix { end_ms, .. } => end_ms,
                _ => time_ms,
            };
            runner.instant(&case.expr, &case.query, time_ms)?;
            let mut fixed = case.expr.clone();
            if !fix_time(&mut fixed, time_ms) {
                return Ok(());
            }
            let text = fixed.to_string();
            let fixed = parse(&text, &ParseOptions::ALL, ParseLimits::default()).map_err(|e| {
                Failure { text: format!("printed as {text}, which fails: {e}"), error: None }
            })?;
            let others = match time_ms {
                0 => vec![-1000, 0, 1000],
                t => vec![-10 * t, 0, t / 5, t, 10 * t],
            };
            others.into_iter().try_for_each(|other| runner.instant(&fixed, &text, other))
        }
    }
}

struct Runner<'a> {
    case: &'a Eval,
    store: &'a MemoryStore,
    options: &'a RunOptions,
}

impl Runner<'_> {
    /// Runs as an instant query and, where the result allows it, as the middle of a range.
    fn instant(&self, expr: &Expr, text: &str, time_ms: i64) -> Result<(), Failure> {
        let way = format!("{text} at {time_ms} ms");
        let case = self.case;
        let result = self.eval(expr, QueryParams::instant(time_ms));
        self.check(result, &way, |value| compare::instant(value, &case.expected, case.ordered))?;
        let depends = ["start()", "end()", "range()", "step()"].iter().any(|f| text.contains(f));
        let plain = matches!(case.expected, Expected::Scalar(_) | Expected::Series(_));
        if depends || !plain || expr.value_type() == ValueType::Matrix {
            return Ok(());
        }
        let (start, end) = (time_ms - AROUND_MS, time_ms + AROUND_MS);
        let result = self.eval(expr, QueryParams::range(start, end, AROUND_MS));
        self.check(result, &format!("{way}, as range"), |value| {
            let QueryValue::Matrix(matrix) = value else {
                return Err(format!("result is of another kind: {value:?}"));
            };
            if case.ordered {
                return Ok(());
            }
            let mut samples = Vec::new();
            for series in matrix {
                let points = compare::points(series);
                let middle = points.into_iter().find(|(time, _)| *time == time_ms);
                if let Some((time_ms, value)) = middle {
                    samples.push(VectorSample { labels: series.labels.clone(), time_ms, value });
                }
            }
            match (&case.expected, &samples[..]) {
                (Expected::Scalar(expected), [VectorSample { value, .. }]) => match value {
                    crate::query::SampleValue::Float(got) => compare::scalar(*got, *expected),
                    other => Err(format!("expected {expected}, got {other:?}")),
                },
                (Expected::Series(lines), samples) => compare::vector(samples, lines, false),
                (_, samples) => Err(format!("result is of another kind: {samples:?}")),
            }
        })
    }

    fn eval(&self, expr: &Expr, mut params: QueryParams) -> Result<QueryResult, QueryError> {
        params.options = self.options.query;
        block_on(eval(self.store, expr, &params))
    }

    fn check(
        &self,
        result: Result<QueryResult, QueryError>,
        way: &str,
        compare: impl FnOnce(&QueryValue) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let fail = |text: String| Failure { text: format!("{way}: {text}"), error: None };
        match (result, &self.case.expected) {
            (Err(error @ QueryError::Unsupported(_)), _) => {
                Err(Failure { text: format!("{way}: {error}"), error: Some(error) })
            }
            (Err(error), Expected::Failure(expected)) => {
                let message = error.to_string();
                let fits = match expected {
                    FailureText::Any => true,
                    FailureText::Exactly(text) => *text == message,
                    FailureText::Matching(pattern) => pattern.is_match(&message),
                };
                if fits { Ok(()) } else { Err(fail(format!("fails with another text: {message}"))) }
            }
            (Err(error), _) => Err(Failure { text: format!("{way}: {error}"), error: Some(error) }),
            (Ok(result), Expected::Failure(_)) => {
                Err(fail(format!("expected a failure, got {:?}", result.value)))
            }
            (Ok(result), _) => compare(&result.value).map_err(fail),
        }
    }
}
