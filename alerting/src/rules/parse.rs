//! From the tree of a file to groups of rules, or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::labels::Label;
use tarn_model::map::HashMap;
use tarn_query::promql;
use tarn_query::promql::ast::Expr;

use super::validate::{self, Name};
use super::yaml::{self, Fields, Node, Reader, place_inside};
use super::{Alerting, NoData, ParseOptions, Parsed, Rule, RuleGroup, RuleKind};
use crate::problem::{Problem, any_error};

const GROUP_KEYS: &[&str] =
    &["name", "interval", "query_offset", "limit", "labels", "rules", "lang", "type", "on_arrival"];
const GROUP_EXTENSIONS: &[&str] = &["lang", "type", "on_arrival"];
const RULE_KEYS: &[&str] =
    &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations", "no_data"];
const RULE_EXTENSIONS: &[&str] = &["no_data"];

/// Reads a rule file.
pub fn parse(file: &str, text: &str, options: &ParseOptions<'_>) -> Parsed {
    let mut reader = Reader::new(file, options.ignore_unknown);
    let document = match yaml::parse(text) {
        Ok(document) => document,
        Err(e) => {
            reader.error_at(e.line, e.column, e.message);
            return Parsed { groups: Vec::new(), problems: reader.problems };
        }
    };
    if let Some(line) = document.second_line {
        reader.warn_at(line, 1, "only the first document of the file is read");
    }
    let mut file = File { file: file.into(), text, options, reader };
    let mut groups = document.root.map_or_else(Vec::new, |root| file.groups(&root));
    let mut problems = file.reader.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    if any_error(&problems) {
        groups.clear();
    }
    Parsed { groups, problems }
}

/// Reads a text that is one group.
pub fn parse_group(file: &str, text: &str, options: &ParseOptions<'_>) -> Parsed {
    let mut reader = Reader::new(file, options.ignore_unknown);
    let root = match yaml::parse(text) {
        Ok(document) => document.root,
        Err(e) => {
            reader.error_at(e.line, e.column, e.message);
            None
        }
    };
    let mut file = File { file: file.into(), text, options, reader };
    let mut groups = Vec::new();
    if let Some(root) = &root {
        let group = file.group(root);
        file.reader.context.clear();
        if group.name.is_empty() {
            file.reader.error(root, "a group needs a name");
        }
        groups.push(group);
    } else if file.reader.problems.is_empty() {
        file.reader.error_at(1, 1, "there is no group");
    }
    let mut problems = file.reader.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    if any_error(&problems) {
        groups.clear();
    }
    Parsed { groups, problems }
}

/// Finds rules of a file that are there twice: the same name with the same labels.
pub fn duplicates(groups: &[RuleGroup]) -> Vec<Problem> {
    type Labels<'a> = &'a [(Arc<str>, Arc<str>)];
    let mut first: HashMap<(&str, Labels<'_>), u32> = HashMap::default();
    let mut problems = Vec::new();
    for group in groups {
        for rule in &group.rules {
            let key = (&*rule.name, &rule.labels[..]);
            let Some(line) = first.get(&key) else {
                first.insert(key, rule.line);
                continue;
            };
            let message = format!(
                "group {:?}: {:?} with the same labels is already there in line {line}",
                group.name, rule.name
            );
            problems.push(Problem {
                file: group.file.to_string(),
                line: rule.line,
                column: rule.column,
                message,
                warning: true,
            });
        }
    }
    problems
}

struct File<'a> {
    file: Arc<str>,
    text: &'a str,
    options: &'a ParseOptions<'a>,
    reader: Reader,
}

impl File<'_> {
    fn groups(&mut self, root: &Node) -> Vec<RuleGroup> {
        let fields = self.reader.fields(root, "a rule file", &["groups"]);
        let list = self.reader.list(fields.get("groups"), "groups");
        let mut lines: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        let mut groups = Vec::with_capacity(list.len());
        for node in list {
            let group = self.group(node);
            self.reader.context.clear();
            if group.name.is_empty() {
                self.reader.error(node, "a group needs a name");
            } else if let Some(line) = lines.insert(Arc::clone(&group.name), node.line) {
                let name = &group.name;
                let message = format!("group name {name:?} is already there in line {line}");
                self.reader.error(node, message);
            }
            groups.push(group);
        }
        groups
    }

    fn group(&mut self, node: &Node) -> RuleGroup {
        let fields = self.reader.fields(node, "a group", GROUP_KEYS);
        let name = self.reader.text(fields.get("name"), "name").to_owned();
        self.reader.context = format!("group {name:?}: ");
        self.refuse_extensions(&fields, GROUP_EXTENSIONS);
        self.language(&fields);
        let reader = &mut self.reader;
        let interval = reader.duration(fields.get("interval"), "interval");
        let query_offset = reader.duration(fields.get("query_offset"), "query_offset");
        let limit = reader.integer(fields.get("limit"), "limit").unwrap_or(0);
        if let Some(node) = fields.get("limit").filter(|_| limit < 0) {
            // Upstream takes it for no limit.
            reader.warn_at(node.line, node.column, format!("limit {limit} is no limit"));
        }
        let on_arrival = reader.boolean(fields.get("on_arrival"), "on_arrival");
        let labels = self.labels(fields.get("labels"), false);
        let list = self.reader.list(fields.get("rules"), "rules");
        let mut rules = Vec::with_capacity(list.len());
        for (at, node) in list.iter().enumerate() {
            self.reader.context = format!("group {name:?}, rule {}: ", at + 1);
            rules.extend(self.rule(node, &name, at + 1, &labels).map(Arc::new));
        }
        RuleGroup {
            file: Arc::clone(&self.file),
            name: name.into(),
            interval: interval.filter(|interval| !interval.is_zero()),
            query_offset,
            limit: usize::try_from(limit.max(0)).unwrap_or(usize::MAX),
            labels: labels.iter().map(|(n, v)| Label::new(Arc::clone(n), Arc::clone(v))).collect(),
            on_arrival,
            rules,
        }
    }

    /// Refuses a group in a language that nothing here evaluates.
    fn language(&mut self, fields: &Fields<'_>) {
        for key in ["lang", "type"] {
            let node = fields.get(key);
            match (node, self.reader.text(node, key)) {
                (None, _) | (_, "promql" | "prometheus") => {}
                (Some(node), "logql" | "sql" | "traceql") => {
                    let text = node.text().unwrap_or_default();
                    self.reader.error(
                        node,
                        format!("rules in {text:?} are not evaluated by this version, only promql"),
                    );
                }
                (Some(node), other) => {
                    self.reader.error(node, format!("{key} {other:?} is not known, only promql"));
                }
            }
        }
    }

    fn refuse_extensions(&mut self, fields: &Fields<'_>, extensions: &[&str]) {
        for key in extensions.iter().filter(|_| self.options.strict) {
            if let Some(node) = fields.get(key) {
                self.reader.error(
                    node,
                    format!("{key:?} is an extension of Tarn, refused because of strict"),
                );
            }
        }
    }

    fn rule(
        &mut self,
        node: &Node,
        group: &str,
        number: usize,
        group_labels: &[(Arc<str>, Arc<str>)],
    ) -> Option<Rule> {
        let fields = self.reader.fields(node, "a rule", RULE_KEYS);
        let record = self.reader.text(fields.get("record"), "record");
        let alert = self.reader.text(fields.get("alert"), "alert");
        let name = if alert.is_empty() { record } else { alert };
        if !name.is_empty() {
            self.reader.context = format!("group {group:?}, rule {number}, {name:?}: ");
        }
        match (record.is_empty(), alert.is_empty()) {
            (true, true) => self.reader.error(node, "one of record and alert must be set"),
            (false, false) => {
                self.reader.error(node, "only one of record and alert may be set");
            }
            (false, true) => self.recording(&fields, record),
            (true, false) => {}
        }
        self.refuse_extensions(&fields, RULE_EXTENSIONS);
        let is_alert = !alert.is_empty();
        let mut labels = self.labels(fields.get("labels"), is_alert);
        for label in group_labels {
            if !labels.iter().any(|(name, _)| *name == label.0) {
                labels.push(label.clone());
            }
        }
        labels.sort();
        let kind = self.kind(&fields, is_alert);
        let expr = self.expr(node, &fields)?;
        Some(Rule {
            name: name.into(),
            query: expr.to_string().into(),
            expr: Arc::new(expr),
            labels,
            kind,
            line: node.line,
            column: node.column,
        })
    }

    fn recording(&mut self, fields: &Fields<'_>, record: &str) {
        let Some(node) = fields.get("record") else { return };
        if let Err(why) = validate::record_name(record, self.options.legacy_names) {
            self.reader.error(node, why);
        }
        let annotations = fields.get("annotations").filter(|node| !node.is_empty_map());
        for (key, node) in [("annotations", annotations), ("no_data", fields.get("no_data"))] {
            if let Some(node) = node {
                self.reader.error(node, format!("a recording rule has no {key:?}"));
            }
        }
        for key in ["for", "keep_firing_for"] {
            let node = fields.get(key);
            // Zero is as good as nothing, for upstream as well.
            let written = node.and_then(|node| node.text()).unwrap_or_default();
            let is_zero = tarn_model::units::parse_duration(written).is_ok_and(|d| d.is_zero());
            if let Some(node) = node.filter(|_| !is_zero) {
                self.reader.error(node, format!("a recording rule has no {key:?}"));
            }
        }
    }

    fn kind(&mut self, fields: &Fields<'_>, is_alert: bool) -> RuleKind {
        if !is_alert {
            return RuleKind::Recording;
        }
        let mut annotations = Vec::new();
        for (key, text, value) in self.reader.texts(fields.get("annotations"), "annotations") {
            let name = key.text().unwrap_or_default();
            if let Err(why) = validate::name(name, Name::Annotation, self.options.legacy_names) {
                self.reader.error(key, why);
            }
            self.template(value, text, &format!("annotation {name:?}"));
            annotations.push((Arc::from(name), Arc::from(text)));
        }
        annotations.sort();
        let reader = &mut self.reader;
        let duration = |reader: &mut Reader, key: &str| -> Duration {
            reader.duration(fields.get(key), key).unwrap_or_default()
        };
        RuleKind::Alerting(Alerting {
            hold: duration(reader, "for"),
            keep_firing_for: duration(reader, "keep_firing_for"),
            annotations,
            no_data: no_data(reader, fields.get("no_data")),
        })
    }

    /// Reads the expression; a mistake in it is told with its place in the file.
    fn expr(&mut self, rule: &Node, fields: &Fields<'_>) -> Option<Expr> {
        let node = fields.get("expr");
        let text = self.reader.text(node, "expr");
        let Some(node) = node.filter(|_| !text.is_empty()) else {
            self.reader.error(node.unwrap_or(rule), "expr must be set");
            return None;
        };
        match promql::parse::parse(text, &self.options.language, self.options.limits) {
            Ok(expr) => Some(expr),
            Err(error) => {
                let (line, column) = place_inside(self.text, node, error.span.start);
                let message = format!("expr cannot be parsed: {}", error.message);
                self.reader.error_at(line, column, message);
                None
            }
        }
    }

    /// Reads labels; those of alerting rules are templates.
    fn labels(&mut self, node: Option<&Node>, templates: bool) -> Vec<(Arc<str>, Arc<str>)> {
        let mut labels = Vec::new();
        for (key, text, value) in self.reader.texts(node, "labels") {
            let name = key.text().unwrap_or_default();
            if let Err(why) = validate::name(name, Name::Label, self.options.legacy_names) {
                self.reader.error(key, why);
            }
            if templates {
                self.template(value, text, &format!("label {name:?}"));
            }
            labels.push((Arc::from(name), Arc::from(text)));
        }
        labels.sort();
        labels
    }

    fn template(&mut self, node: &Node, text: &str, what: &str) {
        let Err(why) = (self.options.check)(text) else { return };
        let placed = template_place(text, &why);
        let (offset, why) = placed.unwrap_or((0, &why));
        let (line, column) = match placed {
            Some(_) => place_inside(self.text, node, offset),
            None => (node.line, node.column),
        };
        self.reader.error_at(line, column, format!("{what}: {why}"));
    }
}

/// Takes `line:column: ` off a mistake in a template; returns the byte it means, and the rest.
fn template_place<'a>(text: &str, why: &'a str) -> Option<(usize, &'a str)> {
    let (line, rest) = why.split_once(':')?;
    let (column, rest) = rest.split_once(": ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let inside = text.get(before..)?.char_indices().nth(column.checked_sub(1)?)?;
    Some((before + inside.0, rest))
}

fn no_data(reader: &mut Reader, node: Option<&Node>) -> NoData {
    match (node, reader.text(node, "no_data")) {
        (None, _) | (_, "resolve") => NoData::Resolve,
        (_, "keep") => NoData::Keep,
        (_, "alert") => NoData::Alert,
        (Some(node), other) => {
            let message = format!("no_data {other:?} is not one of resolve, keep, alert");
            reader.error(node, message);
            NoData::Resolve
        }
    }
}
