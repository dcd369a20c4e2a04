//! Templates of receivers become text. One that cannot be written out never costs a page: what
//! stands in for it says what fires, and the error is shown with the delivery.

use std::fmt;

use tarn_model::error::Result;

use crate::route::Flush;

/// Writes templates out.
pub trait Render: fmt::Debug + Send + Sync {
    /// Writes plain text.
    ///
    /// # Errors
    /// Where the template is none, fails, or writes too much.
    fn text(&self, template: &str, flush: &Flush) -> Result<String>;

    /// Writes HTML, escaped as the place needs.
    ///
    /// # Errors
    /// As [`Render::text`].
    fn html(&self, template: &str, flush: &Flush) -> Result<String>;
}

/// Writes the fields of one message, and remembers what failed.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    render: &'a dyn Render,
    flush: &'a Flush,
    pub(super) errors: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(render: &'a dyn Render, flush: &'a Flush) -> Self {
        Self { render, flush, errors: Vec::new() }
    }

    /// Writes a field; one that fails is left out.
    pub(super) fn text(&mut self, field: &str, template: &str) -> String {
        self.text_or(field, template, String::new)
    }

    /// Writes a field that people must see something in.
    pub(super) fn summary(&mut self, field: &str, template: &str) -> String {
        let flush = self.flush;
        self.text_or(field, template, || summary(flush))
    }

    pub(super) fn text_or(
        &mut self,
        field: &str,
        template: &str,
        instead: impl FnOnce() -> String,
    ) -> String {
        if !template.contains("{{") {
            return template.to_owned();
        }
        let written = self.render.text(template, self.flush);
        self.or(field, written, instead)
    }

    pub(super) fn html(&mut self, field: &str, template: &str) -> String {
        let written = self.render.html(template, self.flush);
        let flush = self.flush;
        self.or(field, written, || format!("<p>{}</p>", escaped(&summary(flush))))
    }

    fn or(
        &mut self,
        field: &str,
        written: Result<String>,
        instead: impl FnOnce() -> String,
    ) -> String {
        written.unwrap_or_else(|error| {
            self.errors.push(format!("{field}: {}", error.message()));
            instead()
        })
    }
}

/// Says what a flush is about without any template.
pub(super) fn summary(flush: &Flush) -> String {
    let firing = flush.alerts.iter().filter(|alert| !alert.is_resolved(flush.at_ms)).count();
    let status = match firing {
        0 => "[RESOLVED]".to_owned(),
        firing => format!("[FIRING:{firing}]"),
    };
    let mut names: Vec<&str> = flush.alerts.iter().map(crate::alert::Alert::name).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<&str> = names.into_iter().take(5).collect();
    format!("{status} {} {}", names.join(", "), flush.group_labels).trim_end().to_owned()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Cuts a text to so many characters, with a mark where something is missing.
pub(super) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars.saturating_sub(1)).chain(['…']).collect(),
    }
}
