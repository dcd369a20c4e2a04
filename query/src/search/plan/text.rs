//! Words, phrases and expressions without a key: where they are looked for.

use datafusion::logical_expr::Expr;
use tarn_storage::schema::tables::{Table, column as name};

use super::{Planner, Result, column};
use crate::search::ast::Value;
use crate::search::functions::{Part, Test};
use crate::search::matcher::{Literal, Matcher, word_pattern};
use crate::search::{SearchError, Span};

impl Planner {
    pub(super) fn text(&self, value: &Value, span: Span) -> Result<Expr> {
        let matcher = self.text_matcher(value, span)?;
        let test = |name: &str| Test::expr(column(name), Part::Text, matcher.clone(), false);
        Ok(match self.table {
            Table::Logs => test(name::BODY),
            Table::Spans => {
                let events =
                    Test::expr(column(name::EVENTS), Part::EventNames, matcher.clone(), false);
                let texts = test(name::NAME).or(test(name::STATUS_MESSAGE));
                texts.or(test(name::SERVICE_NAME).or(events))
            }
        })
    }

    pub(super) fn text_matcher(&self, value: &Value, span: Span) -> Result<Matcher> {
        let failed = |e: regex::Error| SearchError::new(super::regex_message(&e), span);
        Ok(match value {
            Value::Word(glob) => match glob.as_literal() {
                Some(word) => Matcher::Literal(Literal::word(word).map_err(failed)?),
                None => Matcher::Regex(self.regex(&word_pattern(glob), span)?),
            },
            Value::Phrase(phrase) => Matcher::Literal(Literal::phrase(phrase).map_err(failed)?),
            Value::Regex(pattern) => Matcher::Regex(self.regex(pattern, span)?),
        })
    }
}
