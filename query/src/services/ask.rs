//! PromQL, asked from inside on behalf of a request.

use std::time::Duration;

use tarn_model::tenant::TenantId;
use tarn_promql::query::{MatrixSeries, QueryError, QueryValue};

use super::window::Window;
use crate::engine::{Engine, QueryOptions, Request};
use crate::govern::Cancel;

/// Asks one question after the other, so that a request never holds two slots.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) tenant: &'a TenantId,
    pub(crate) cancel: Cancel,
    pub(crate) timeout: Duration,
    /// Why rows may be missing in one of the answers.
    pub(crate) partial: Option<String>,
}

impl Asker<'_> {
    /// Evaluates an expression at every step of a window, and shows `see` each series while the
    /// answer is accounted for.
    ///
    /// # Errors
    /// Those of the query.
    pub(crate) async fn series(
        &mut self,
        text: String,
        window: &Window,
        mut see: impl FnMut(&MatrixSeries) + Send,
    ) -> Result<(), QueryError> {
        let (start_ms, end_ms, step_ms) = window.steps();
        let options = QueryOptions { timeout: Some(self.timeout), lookback: None };
        let tenant = self.tenant.clone();
        let request = Request { tenant, text, start_ms, end_ms, step_ms, options };
        let answer = Box::pin(self.engine.query(request, self.cancel.clone())).await?;
        if self.partial.is_none() {
            self.partial.clone_from(&answer.partial);
        }
        if let QueryValue::Matrix(series) = &answer.value {
            series.iter().for_each(&mut see);
        }
        Ok(())
    }
}

/// Writes a text as a PromQL string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes a matcher for one of some texts.
pub(crate) fn one_of(label: &str, texts: &[String]) -> String {
    let escaped: Vec<String> = texts.iter().map(|text| regex::escape(text)).collect();
    format!("{label}=~{}", quoted(&escaped.join("|")))
}

#[cfg(test)]
mod tests {
    use tarn_promql::ast::ParseOptions;
    use tarn_promql::parse::{ParseLimits, parse};

    use super::*;

    #[test]
    fn texts_survive_being_quoted() {
        for text in ["cart", "a\"b\\c\nd", "x|y.*", "ü{}", "\u{1}"] {
            let limits = ParseLimits::from(&tarn_model::limits::Limits::default());
            for query in [
                format!("m{{service={}}}", quoted(text)),
                format!("m{{{}}}", one_of("service", &[text.to_owned(), "b".to_owned()])),
            ] {
                parse(&query, &ParseOptions::NONE, limits)
                    .unwrap_or_else(|e| panic!("{query}: {e}"));
            }
        }
    }
}
