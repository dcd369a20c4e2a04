//! Parameters in the query of a request.

use tarn_model::matcher::{MatchOp, Matcher};

use super::Answer;
use crate::route::{AlertFilter, SilenceState, matchers};

/// Names and values, in order.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn new(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> Result<bool, Answer> {
        match self.values(name).next() {
            None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(other) => Err(Answer::bad(format!("{name} must be true or false, not {other:?}"))),
        }
    }

    /// Returns the conditions of all `filter`s.
    pub(super) fn matchers(&self) -> Result<Vec<Matcher>, Answer> {
        let mut all = Vec::new();
        for text in self.values("filter").filter(|text| !text.is_empty()) {
            all.extend(matchers::parse(text).map_err(Answer::bad)?.matchers);
        }
        Ok(all)
    }

    /// Returns the condition on the name of a receiver.
    pub(super) fn receiver(&self) -> Result<Option<Matcher>, Answer> {
        let Some(text) = self.values("receiver").next().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let matcher = Matcher::new("receiver", MatchOp::Regex, text);
        matcher.map(Some).map_err(|error| {
            Answer::bad(format!("failed to parse receiver param: {}", error.message()))
        })
    }

    pub(super) fn alert_filter(&self) -> Result<AlertFilter, Answer> {
        // Every alert is looked at as soon as it is held, so that there are none to leave out here.
        self.flag("unprocessed")?;
        Ok(AlertFilter {
            matchers: self.matchers()?,
            receiver: self.receiver()?,
            active: self.flag("active")?,
            silenced: self.flag("silenced")?,
            inhibited: self.flag("inhibited")?,
            muted: self.flag("muted")?,
        })
    }

    pub(super) fn silence_states(&self) -> Result<Vec<SilenceState>, Answer> {
        let all = [
            ("active", SilenceState::Active),
            ("pending", SilenceState::Pending),
            ("expired", SilenceState::Expired),
        ];
        let mut wanted = Vec::new();
        for (name, state) in all {
            if self.flag(name)? {
                wanted.push(state);
            }
        }
        Ok(wanted)
    }
}
