//! Texts of notifications: Alertmanager's functions, and the shipped templates under its names.
//!
//! [`Templates`] holds the shipped templates and those of the operator's files, which may define any
//! of them anew. The text of a receiver's field is parsed into a copy of them and executed over
//! [`Data`], as text or, for mail, as HTML.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use tarn_template::{
    Error, Functions, Kind, Map, MissingKey, Options, Safe, Set, Signature, Value, escape,
};

use super::functions::{self, Table, argument, find, number, text};
use super::json;
use super::time::{TIME, Time, layout};
use crate::problem::Problem;

mod data;

pub use data::{AlertData, Data};

/// The shipped templates, in the order in which they are parsed.
const SHIPPED: [(&str, &str); 2] = [
    ("default.tmpl", include_str!("notify/default.tmpl")),
    ("email.tmpl", include_str!("notify/email.tmpl")),
];

const TEXTS: Kind = Kind::Type("[]string");
const LIST: Kind = Kind::Type("[]interface {}");

const TABLE: Table = &[
    ("toUpper", &[Kind::Text], None),
    ("toLower", &[Kind::Text], None),
    ("title", &[Kind::Text], None),
    ("trimSpace", &[Kind::Text], None),
    ("join", &[Kind::Text, TEXTS], None),
    ("match", &[Kind::Text, Kind::Text], None),
    ("safeHtml", &[Kind::Text], None),
    ("safeUrl", &[Kind::Text], None),
    ("urlUnescape", &[Kind::Text], None),
    ("reReplaceAll", &[Kind::Text, Kind::Text, Kind::Text], None),
    ("stringSlice", &[], Some(Kind::Text)),
    ("date", &[Kind::Text, TIME], None),
    ("tz", &[Kind::Text, TIME], None),
    ("now", &[], None),
    ("since", &[TIME], None),
    ("humanizeDuration", &[Kind::Any], None),
    ("toDate", &[Kind::Text, Kind::Text], None),
    ("mustToDate", &[Kind::Text, Kind::Text], None),
    ("toJson", &[Kind::Any], None),
    ("base64encode", &[Kind::Text], None),
    ("base64decode", &[Kind::Text], None),
    ("list", &[], Some(Kind::Any)),
    ("append", &[LIST], Some(Kind::Any)),
    ("dict", &[], Some(Kind::Any)),
    ("routeLabels", &[Kind::Text], None),
];

fn known(name: &str) -> bool {
    find(TABLE, name).is_some()
}

/// Templates that the texts of receivers can call.
#[derive(Debug, Clone)]
pub struct Templates {
    set: Set,
}

impl Templates {
    /// Parses the operator's files over the shipped templates.
    ///
    /// # Errors
    /// All mistakes in the files.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, Vec<Problem>> {
        let mut set = Set::new();
        let mut problems = Vec::new();
        for (name, text) in SHIPPED.iter().chain(files) {
            let Err(error) = set.parse(name, text, &known) else { continue };
            let Error { reason: message, line, column, .. } = error;
            problems.push(Problem {
                file: (*name).to_owned(),
                line,
                column,
                message,
                warning: false,
            });
        }
        if problems.is_empty() { Ok(Self { set }) } else { Err(problems) }
    }

    /// Returns the names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.names()
    }

    /// Checks that the text of a field is a template with known functions.
    ///
    /// # Errors
    /// What is wrong, with its place in the text.
    pub fn check(&self, template: &str) -> Result<(), Error> {
        self.set.clone().parse("", template, &known)
    }

    /// Expands the text of a field.
    ///
    /// # Errors
    /// What is wrong with the text, or came up with this data.
    pub fn text(&self, template: &str, data: &Data, now_ms: i64) -> Result<String, Error> {
        self.execute(template, data, now_ms, false)
    }

    /// Expands a text that is HTML: values are escaped for the place where they stand.
    ///
    /// # Errors
    /// What is wrong with the text, or came up with this data.
    pub fn html(&self, template: &str, data: &Data, now_ms: i64) -> Result<String, Error> {
        self.execute(template, data, now_ms, true)
    }

    fn execute(
        &self,
        template: &str,
        data: &Data,
        now_ms: i64,
        html: bool,
    ) -> Result<String, Error> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        let mut set = self.set.clone();
        set.parse("", template, &known)?;
        let options = Options { missing_key: MissingKey::Zero, html, ..Options::default() };
        set.execute("", data.value(), &mut NotifyFunctions { now_ms, data }, options)
    }
}

struct NotifyFunctions<'a> {
    now_ms: i64,
    data: &'a Data,
}

impl Functions for NotifyFunctions<'_> {
    fn signature(&self, name: &str) -> Option<Signature> {
        find(TABLE, name)
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let now = || Time::of_ms(self.now_ms);
        match name {
            "now" => Ok(now().value()),
            "since" => {
                let since = argument(arguments, 0).downcast::<Time>();
                since
                    .map(|time| Value::object(now().since(time)))
                    .ok_or_else(|| "not a time".into())
            }
            "routeLabels" => Ok(self.data.route_labels.value(text(arguments, 0)).into()),
            "date" | "tz" | "toDate" | "mustToDate" => times(name, arguments),
            "join" | "stringSlice" | "list" | "append" | "dict" => lists(name, arguments),
            _ => texts(name, arguments),
        }
    }
}

fn times(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = text(arguments, 0);
    if matches!(name, "toDate" | "mustToDate") {
        return match layout::parse(first, text(arguments, 1)) {
            Ok(time) => Ok(Time(time).value()),
            Err(_) if name == "toDate" => Ok(Time::zero().value()),
            Err(why) => Err(why),
        };
    }
    let Some(time) = argument(arguments, 1).downcast::<Time>() else {
        return Err("not a time".to_owned());
    };
    match name {
        "date" => Ok(layout::format(&time.0, first).into()),
        _ => time.with_zone(first).map(Time::value),
    }
}

fn lists(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match name {
        "join" => functions::join(text(arguments, 0), &argument(arguments, 1).items()),
        "stringSlice" => Ok(Value::list("[]string", arguments.to_vec())),
        "list" => Ok(functions::any_list(arguments.to_vec())),
        "append" => {
            let mut items = argument(arguments, 0).items();
            items.extend(arguments.iter().skip(1).cloned());
            Ok(functions::any_list(items))
        }
        _ => dict(arguments),
    }
}

fn dict(arguments: &[Value]) -> Result<Value, String> {
    let mut entries = BTreeMap::new();
    for pair in arguments.chunks(2) {
        let [Value::Text(name), value] = pair else {
            return Err("dict wants pairs of a string and a value".to_owned());
        };
        entries.insert(std::sync::Arc::clone(name), value.clone());
    }
    Ok(Value::Map(Map::new("map[string]interface {}", entries)))
}

fn texts(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = text(arguments, 0);
    let second = text(arguments, 1);
    Ok(match name {
        "toUpper" => first.to_uppercase().into(),
        "toLower" => first.to_lowercase().into(),
        "title" => functions::title(first, true).into(),
        "trimSpace" => first.trim().into(),
        "match" => return functions::matches(first, second),
        "reReplaceAll" => return functions::replace_all(first, second, text(arguments, 2)),
        "safeHtml" => Value::Safe(Safe::Html, first.into()),
        "safeUrl" => Value::Safe(Safe::Url, first.into()),
        "urlUnescape" => escape::url_unquery(first)?.into(),
        "humanizeDuration" => functions::humanize_duration(number(argument(arguments, 0))?).into(),
        "toJson" => json::encode(argument(arguments, 0))?.into(),
        "base64encode" => URL_SAFE.encode(first).into(),
        "base64decode" => {
            let bytes = URL_SAFE.decode(first).map_err(|_| "illegal base64 data".to_owned())?;
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
        _ => return Err(format!("function {name} not defined")),
    })
}

#[cfg(test)]
mod tests;
