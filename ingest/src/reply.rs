//! What the sender is told: written counts, the first problems, and when to come again.
//!
//! Some rows rejected: 400 after the rest is stored, with a text that says what, where and which
//! limit for the first few and counts the others; 2.0 adds the counts of what was written, 1.0 never
//! has these headers. Nothing stored: the row of `tarn_model::error`'s table. `Retry-After` is
//! spread by a quarter to each side, so that senders that were turned away together do not come back
//! together.

use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tarn_model::error::{Direction, Error};
use tarn_model::rng::Rng;

pub(crate) mod otlp;

/// Problems that are told in full.
const DETAILS_MAX: usize = 8;
/// Bytes of one problem.
const DETAIL_BYTES_MAX: usize = 480;
/// Bytes of a reply's body.
const BODY_BYTES_MAX: usize = 4096;

const WRITTEN_SAMPLES: &str = "x-prometheus-remote-write-samples-written";
const WRITTEN_HISTOGRAMS: &str = "x-prometheus-remote-write-histograms-written";
const WRITTEN_EXEMPLARS: &str = "x-prometheus-remote-write-exemplars-written";

/// Rows that were stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Float samples.
    pub samples: u64,
    /// Native histogram samples.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

impl Written {
    /// Returns all of them.
    pub fn rows(self) -> u64 {
        self.samples + self.histograms + self.exemplars
    }
}

/// What was not taken of an accepted request.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    details: Vec<String>,
    rejected: Vec<(&'static str, u64)>,
    /// Series and rows that make the request fail.
    failing: u64,
    failing_rows: u64,
}

impl Problems {
    /// Returns whether the next problem would be told in full.
    pub(crate) fn want_detail(&self) -> bool {
        self.details.len() < DETAILS_MAX
    }

    /// Adds a problem that makes the request fail: 400 instead of 204.
    pub(crate) fn add(&mut self, reason: &'static str, rows: u64, detail: impl FnOnce() -> String) {
        self.count(reason, rows);
        self.failing += 1;
        self.failing_rows += rows;
        if self.want_detail() {
            let mut text = detail();
            cut(&mut text, DETAIL_BYTES_MAX);
            self.details.push(text);
        }
    }

    /// Counts rows that are not taken, which alone does not make the request fail.
    pub(crate) fn count(&mut self, reason: &'static str, rows: u64) {
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += rows,
            None => self.rejected.push((reason, rows)),
        }
    }

    /// Returns whether the request fails.
    pub(crate) fn fail(&self) -> bool {
        self.failing > 0
    }

    /// Returns how many rows were rejected, by reason.
    pub(crate) fn rejected(&self) -> &[(&'static str, u64)] {
        &self.rejected
    }

    /// Counts what was rejected in the sender's own unit, where that is not the row.
    pub(crate) fn recount(&mut self, rejected: u64) {
        self.failing_rows = rejected;
    }

    /// Returns how many rows were rejected that the sender is told about.
    pub(crate) fn failing_rows(&self) -> u64 {
        self.failing_rows
    }

    /// Returns the text for the sender.
    pub(crate) fn text(&self, stored: u64) -> String {
        let mut text = format!("{} rows rejected, {stored} stored", self.failing_rows);
        for detail in &self.details {
            text.push('\n');
            text.push_str(detail);
        }
        let more = self.failing - self.details.len() as u64;
        if more > 0 {
            text.push_str(&format!("\nand {more} more problems"));
        }
        cut(&mut text, BODY_BYTES_MAX);
        text
    }
}

/// Shortens a text to `max` bytes, at a character.
pub(crate) fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max - '…'.len_utf8()));
        text.push('…');
    }
}

/// Replies that something was stored, or that there was nothing to store. `counted`: with the
/// headers of 2.0.
pub(crate) fn stored(written: Written, problems: &Problems, counted: bool) -> Response<Body> {
    let (status, text) = match problems.fail() {
        true => (StatusCode::BAD_REQUEST, problems.text(written.rows())),
        false => (StatusCode::NO_CONTENT, String::new()),
    };
    let mut response = with_text(status, text);
    if counted {
        count(&mut response, written);
    }
    response
}

/// Replies that nothing was stored.
pub(crate) fn refused(error: &Error, counted: bool, rng: &dyn Rng) -> Response<Body> {
    let reply = error.reply(Direction::Write);
    let status = StatusCode::from_u16(reply.http).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut text = error.message();
    cut(&mut text, BODY_BYTES_MAX);
    let mut response = with_text(status, text);
    if let Some(after) = reply.retry_after {
        let seconds = HeaderValue::from(retry_seconds(after, rng));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    if counted {
        count(&mut response, Written::default());
    }
    response
}

/// Replies that the body is of no known type or encoding.
pub(crate) fn unsupported(message: String) -> Response<Body> {
    with_text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

fn with_text(status: StatusCode, mut text: String) -> Response<Body> {
    let empty = text.is_empty();
    if !empty {
        text.push('\n');
    }
    let mut response = Response::new(if empty { Body::empty() } else { Body::from(text) });
    *response.status_mut() = status;
    if !empty {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
    }
    response
}

fn count(response: &mut Response<Body>, written: Written) {
    for (name, count) in [
        (WRITTEN_SAMPLES, written.samples),
        (WRITTEN_HISTOGRAMS, written.histograms),
        (WRITTEN_EXEMPLARS, written.exemplars),
    ] {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
}

/// Returns whole seconds, at least one, spread by a quarter to each side.
fn retry_seconds(after: Duration, rng: &dyn Rng) -> u64 {
    let spread = 0.75 + 0.5 * ((rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64);
    let seconds = Duration::from_secs_f64(after.as_secs_f64().clamp(1.0, 86_400.0) * spread);
    seconds.as_secs() + u64::from(seconds.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(u64);
    impl Rng for Fixed {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn retry_after_is_spread_and_never_zero() {
        for (ms, low, high) in [(0, 1, 2), (1_000, 1, 2), (10_000, 8, 13), (30_000, 23, 38)] {
            let after = Duration::from_millis(ms);
            assert_eq!(retry_seconds(after, &Fixed(0)), low, "{ms}");
            assert_eq!(retry_seconds(after, &Fixed(u64::MAX)), high, "{ms}");
        }
    }

    #[test]
    fn texts_are_bounded() {
        let mut problems = Problems::default();
        for n in 0..1000 {
            problems.add("nul", 2, || format!("{n}{}", "é".repeat(10_000)));
        }
        let text = problems.text(5);
        assert!(text.starts_with("2000 rows rejected, 5 stored\n0éé"));
        assert!(text.ends_with("é…\nand 992 more problems"), "{text}");
        assert!(text.len() <= BODY_BYTES_MAX);
        assert_eq!(problems.rejected(), [("nul", 2000)]);
    }
}
