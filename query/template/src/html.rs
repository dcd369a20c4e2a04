//! Contextual escaping.

use std::borrow::Cow;

use crate::escape;
use crate::format;
use crate::value::{Safe, Value};

/// Follows the HTML that is written.
#[derive(Debug)]
pub struct Escaper {}

impl Escaper {
    /// Starts in the text of an element.
    pub fn new() -> Self {
        Self {}
    }

    pub(crate) fn text<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }

    pub(crate) fn value(&mut self, value: &Value, _escaped: bool) -> Result<String, String> {
        match value {
            Value::Safe(Safe::Html, text) => Ok(text.as_ref().to_owned()),
            Value::Nil => Ok(String::new()),
            value => Ok(escape::html(&format::print(std::slice::from_ref(value))?)),
        }
    }
}
