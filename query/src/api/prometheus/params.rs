//! Parameters of a request: from the query string, and with POST from a form.
//!
//! Where both name a parameter, the form comes first, as in upstream's reading. Errors carry
//! upstream's texts, because people and programs know them.

use std::time::Duration;

use tarn_model::time::TimeRange;

use super::time::{parse_step, parse_time};
use crate::api::reply::Failure;

type Result<T> = std::result::Result<T, Failure>;

/// All parameters, in their order.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn new(form: &[u8], query: &str) -> Self {
        let pairs = |text| url::form_urlencoded::parse(text).into_owned();
        Self(pairs(form).chain(pairs(query.as_bytes())).collect())
    }

    /// Adds a parameter that came another way; those that are there come first.
    pub(crate) fn add(&mut self, name: &str, value: Option<String>) {
        self.0.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Returns the first value of a parameter, or the empty string.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs(name).next().unwrap_or("")
    }

    /// Returns all values of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.pairs(name).collect()
    }

    fn pairs<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns `limit`; `None` where the answer is not to be cut.
    pub(crate) fn limit(&self) -> Result<Option<usize>> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit: i64 = text.parse().map_err(|_| {
            Failure::parameter("limit", format!("cannot parse \"{text}\" to a valid limit"))
        })?;
        if limit < 0 {
            return Err(Failure::parameter("limit", "limit must be non-negative"));
        }
        Ok(usize::try_from(limit).ok().filter(|n| *n > 0))
    }

    /// Returns a time that must be given.
    pub(crate) fn time(&self, name: &str) -> Result<i64> {
        parse_time(self.get(name)).map_err(|e| Failure::parameter(name, e))
    }

    /// Returns a time that may be absent.
    pub(crate) fn time_or(&self, name: &str, default_ms: i64) -> Result<i64> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(default_ms);
        }
        parse_time(text)
            .map_err(|e| Failure::parameter(name, format!("invalid time value for '{name}': {e}")))
    }

    /// Returns `start` and `end` of a call that works without them.
    pub(crate) fn range(&self) -> Result<TimeRange> {
        let start_ms = self.time_or("start", i64::MIN)?;
        let end_ms = self.time_or("end", i64::MAX)?;
        Ok(TimeRange { start_ms, end_ms })
    }

    /// Returns start, end and step of a range query with at most `points_max` steps.
    pub(crate) fn steps(&self, points_max: u64) -> Result<(i64, i64, i64)> {
        let (start_ms, end_ms) = (self.time("start")?, self.time("end")?);
        if end_ms < start_ms {
            return Err(Failure::parameter("end", "end timestamp must not be before start time"));
        }
        let step_ms = parse_step(self.get("step")).map_err(|e| Failure::parameter("step", e))?;
        if step_ms <= 0 {
            let message = "zero or negative query resolution step widths are not accepted. \
                           Try a positive integer";
            return Err(Failure::parameter("step", message));
        }
        let steps = (i128::from(end_ms) - i128::from(start_ms)) / i128::from(step_ms);
        if steps > i128::from(points_max) {
            let max = thousands(points_max);
            return Err(Failure::bad_data(format!(
                "exceeded maximum resolution of {max} points per timeseries. Try decreasing the \
                 query resolution (?step=XX)"
            )));
        }
        Ok((start_ms, end_ms, step_ms))
    }

    /// Returns `timeout`, where it is given. A timeout that is not positive has passed already.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>> {
        self.duration("timeout").map_err(|e| Failure::parameter("timeout", e))
    }

    /// Returns `lookback_delta`, where it is given.
    pub(crate) fn lookback(&self) -> Result<Option<Duration>> {
        self.duration("lookback_delta")
            .map(|lookback| lookback.filter(|d| !d.is_zero()))
            .map_err(|e| Failure::bad_data(format!("error parsing lookback delta duration: {e}")))
    }

    fn duration(&self, name: &str) -> std::result::Result<Option<Duration>, String> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let ms = parse_step(text)?;
        Ok(Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0))))
    }
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Turns `U__` names back into what they stand for: `_2e_` is `.`, `__` is `_`. A text that is no
/// valid escape stands for itself, as upstream has it.
pub(crate) fn unescape_name(name: &str) -> String {
    name.strip_prefix("U__").and_then(unescape).unwrap_or_else(|| name.to_owned())
}

fn unescape(escaped: &str) -> Option<String> {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        let behind = behind.strip_prefix('_')?;
        if let Some(behind) = behind.strip_prefix('_') {
            out.push('_');
            rest = behind;
            continue;
        }
        let (hex, behind) = behind.split_once('_')?;
        // Six hex digits hold every character.
        if hex.is_empty() || hex.len() > 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests;
