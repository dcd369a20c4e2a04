//! Reads test files.

use tarn_model::labels::{Label, LabelSet};
use tarn_query::promql;
use tarn_query::promql::notation::{Value as Point, parse_series_line};

use super::{AlertTest, ExprTest, Test, TestFile};
use crate::problem::{Problem, any_error};
use crate::rules::yaml::{self, Fields, Node, Reader, place_inside};
use crate::state::ALERT_NAME;

const FILE_KEYS: &[&str] =
    &["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];
const TEST_KEYS: &[&str] = &[
    "name",
    "interval",
    "start_timestamp",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
];
const SERIES_KEYS: &[&str] = &["series", "values"];
const ALERT_KEYS: &[&str] = &["eval_time", "alertname", "groupname", "exp_alerts"];
const EXPECTED_ALERT_KEYS: &[&str] = &["exp_labels", "exp_annotations"];
const EXPR_KEYS: &[&str] = &["expr", "eval_time", "exp_samples"];
const EXPECTED_SAMPLE_KEYS: &[&str] = &["labels", "value", "histogram"];

/// How far apart evaluations are that a file does not tell.
const INTERVAL_MS: i64 = 60_000;

/// Evaluations of one test: 100 000 are 69 days of minutes.
const STEPS_MAX: i64 = 100_000;

/// Reads a test file. There is none where a problem is more than a warning.
pub fn parse(file: &str, text: &str, ignore_unknown: bool) -> (Option<TestFile>, Vec<Problem>) {
    let mut reader = Reader::new(file, ignore_unknown);
    let document = match yaml::parse(text) {
        Ok(document) => document,
        Err(e) => {
            reader.error_at(e.line, e.column, e.message);
            return (None, reader.problems);
        }
    };
    let Some(root) = document.root else {
        reader.warn_at(1, 1, "the file is empty");
        return (None, reader.problems);
    };
    let mut parser = Parser { reader, text };
    let tests = parser.file(file, &root);
    let mut problems = parser.reader.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    (Some(tests).filter(|_| !any_error(&problems)), problems)
}

struct Parser<'a> {
    reader: Reader,
    text: &'a str,
}

impl Parser<'_> {
    fn file(&mut self, name: &str, root: &Node) -> TestFile {
        let fields = self.reader.fields(root, "a test file", FILE_KEYS);
        let interval_ms = self.interval(&fields, "evaluation_interval").unwrap_or(INTERVAL_MS);
        let mut group_order: Vec<String> = Vec::new();
        for (node, group) in self.texts(&fields, "group_eval_order") {
            if group_order.contains(&group) {
                self.reader.error(node, format!("group {group:?} is already there"));
            }
            group_order.push(group);
        }
        let rule_files = self.texts(&fields, "rule_files").into_iter().map(|(_, f)| f).collect();
        let reader = &mut self.reader;
        let fuzzy = reader.boolean(fields.get("fuzzy_compare"), "fuzzy_compare").unwrap_or(false);
        let list = reader.list(fields.get("tests"), "tests");
        let mut tests = Vec::with_capacity(list.len());
        for (at, node) in list.iter().enumerate() {
            tests.push(self.test(node, at + 1, interval_ms));
            self.reader.context.clear();
        }
        TestFile { file: name.into(), rule_files, interval_ms, group_order, fuzzy, tests }
    }

    fn test(&mut self, node: &Node, number: usize, evaluation_ms: i64) -> Test {
        let fields = self.reader.fields(node, "a test", TEST_KEYS);
        let name = match self.reader.text(fields.get("name"), "name") {
            "" => format!("#{number}"),
            name => name.to_owned(),
        };
        self.reader.context = format!("test {name:?}: ");
        let interval_ms = self.interval(&fields, "interval").unwrap_or(evaluation_ms);
        let list = self.reader.list(fields.get("input_series"), "input_series");
        let series = list.iter().filter_map(|node| self.series(node)).collect();
        let list = self.reader.list(fields.get("alert_rule_test"), "alert_rule_test");
        let alerts: Vec<AlertTest> = list.iter().map(|node| self.alert(node)).collect();
        let list = self.reader.list(fields.get("promql_expr_test"), "promql_expr_test");
        let exprs: Vec<ExprTest> = list.iter().map(|node| self.expr(node)).collect();
        let last = alerts.iter().map(|a| a.at_ms).chain(exprs.iter().map(|e| e.at_ms)).max();
        let steps = last.unwrap_or(0) / evaluation_ms.max(1);
        if steps > STEPS_MAX {
            let message = format!("{steps} evaluations exceed the limit of {STEPS_MAX}");
            self.reader.error(node, message);
        }
        let reader = &mut self.reader;
        Test {
            name,
            line: node.line,
            interval_ms,
            start_ms: start(reader, fields.get("start_timestamp")),
            series,
            alerts,
            exprs,
            external_labels: label_set(reader, fields.get("external_labels"), "external_labels"),
            external_url: reader.text(fields.get("external_url"), "external_url").to_owned(),
        }
    }

    /// Returns an interval; zero is as good as nothing.
    fn interval(&mut self, fields: &Fields<'_>, key: &str) -> Option<i64> {
        let duration = self.reader.duration(fields.get(key), key)?;
        Some(crate::state::millis(duration)).filter(|ms| *ms > 0)
    }

    fn texts<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Vec<(&'n Node, String)> {
        let list = self.reader.list(fields.get(key), key);
        list.into_iter().map(|node| (node, self.reader.text(Some(node), key).to_owned())).collect()
    }

    fn series(&mut self, node: &Node) -> Option<(LabelSet, Vec<Option<Point>>)> {
        let fields = self.reader.fields(node, "an input series", SERIES_KEYS);
        let series = self.reader.text(fields.get("series"), "series").trim();
        let values = self.reader.text(fields.get("values"), "values");
        if series.is_empty() {
            self.reader.error(node, "an input series needs a series");
            return None;
        }
        // The notation is one line; values may be folded over several.
        let line = format!("{series} {}", values.replace(['\n', '\r', '\t'], " "));
        match parse_series_line(line.trim_end()) {
            Ok(line) => Some((line.labels, line.values)),
            Err(e) => {
                let in_values = e.span.start.checked_sub(series.len() + 1);
                let (line, column) = match (in_values, fields.get("series"), fields.get("values")) {
                    (Some(at), _, Some(node)) => place_inside(self.text, node, at),
                    (None, Some(node), _) => place_inside(self.text, node, e.span.start),
                    _ => (node.line, node.column),
                };
                self.reader.error_at(line, column, e.message);
                None
            }
        }
    }

    fn at(&mut self, fields: &Fields<'_>) -> i64 {
        let at = self.reader.duration(fields.get("eval_time"), "eval_time");
        at.map_or(0, crate::state::millis)
    }

    fn alert(&mut self, node: &Node) -> AlertTest {
        let fields = self.reader.fields(node, "an alert test", ALERT_KEYS);
        let at_ms = self.at(&fields);
        let name = self.reader.text(fields.get("alertname"), "alertname").to_owned();
        if name.is_empty() {
            self.reader.error(node, "an alert test needs an alertname");
        }
        let group = self.reader.text(fields.get("groupname"), "groupname").to_owned();
        let list = self.reader.list(fields.get("exp_alerts"), "exp_alerts");
        let mut expected = Vec::with_capacity(list.len());
        for node in list {
            let fields = self.reader.fields(node, "an expected alert", EXPECTED_ALERT_KEYS);
            let reader = &mut self.reader;
            let labels = label_set(reader, fields.get("exp_labels"), "exp_labels");
            let texts = label_set(reader, fields.get("exp_annotations"), "exp_annotations");
            expected.push((labels.with(ALERT_NAME, &name), texts));
        }
        let group = Some(group).filter(|group| !group.is_empty());
        AlertTest { line: node.line, at_ms, name, group, expected }
    }

    fn expr(&mut self, node: &Node) -> ExprTest {
        let fields = self.reader.fields(node, "an expression test", EXPR_KEYS);
        let at_ms = self.at(&fields);
        let expr = self.reader.text(fields.get("expr"), "expr").to_owned();
        let language = promql::ast::ParseOptions::ALL;
        match promql::parse::parse(&expr, &language, promql::parse::ParseLimits::default()) {
            Ok(_) => {}
            Err(e) => {
                let at = fields.get("expr").unwrap_or(node);
                let (line, column) = place_inside(self.text, at, e.span.start);
                self.reader.error_at(line, column, format!("expr cannot be parsed: {}", e.message));
            }
        }
        let list = self.reader.list(fields.get("exp_samples"), "exp_samples");
        let expected = list.iter().filter_map(|node| self.expected_sample(node)).collect();
        ExprTest { line: node.line, at_ms, expr, expected }
    }

    fn expected_sample(&mut self, node: &Node) -> Option<(LabelSet, Point)> {
        let fields = self.reader.fields(node, "an expected sample", EXPECTED_SAMPLE_KEYS);
        let written = self.reader.text(fields.get("labels"), "labels").trim();
        let labels = match parse_series_line(if written.is_empty() { "{}" } else { written }) {
            Ok(line) if line.values.is_empty() => line.labels,
            Ok(_) => {
                self.reader.error(node, "labels hold values, too");
                return None;
            }
            Err(e) => {
                let at = fields.get("labels").unwrap_or(node);
                let (line, column) = place_inside(self.text, at, e.span.start);
                self.reader.error_at(line, column, e.message);
                return None;
            }
        };
        let histogram = self.reader.text(fields.get("histogram"), "histogram").trim();
        if histogram.is_empty() {
            let value = self.reader.float(fields.get("value"), "value");
            return Some((labels, Point::Float(value.unwrap_or(0.0))));
        }
        let line = parse_series_line(&format!("{{}} {histogram}"));
        let values = line.map(|line| line.values).map_err(|e| e.message);
        match values.as_deref() {
            Ok([Some(point @ Point::Histogram { .. })]) => Some((labels, point.clone())),
            Ok(_) => {
                self.reader.error(node, format!("{histogram:?} is not one native histogram"));
                None
            }
            Err(why) => {
                self.reader.error(node, format!("histogram: {why}"));
                None
            }
        }
    }
}

/// Reads a time: seconds since the epoch, or RFC 3339.
fn start(reader: &mut Reader, node: Option<&Node>) -> i64 {
    let Some(node) = node else { return 0 };
    let text = node.text().unwrap_or_default();
    let parsed = match text.parse::<f64>() {
        Ok(seconds) if seconds.abs() < 1e12 => Some((seconds * 1e3).round() as i64),
        Ok(_) => None,
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    };
    match parsed {
        Some(ms) => ms,
        None => {
            let message = format!("start_timestamp {text:?} is neither seconds nor RFC 3339");
            reader.error(node, message);
            0
        }
    }
}

fn label_set(reader: &mut Reader, node: Option<&Node>, what: &str) -> LabelSet {
    let texts = reader.texts(node, what);
    let labels = texts.iter().map(|(key, text, _)| Label::new(key.text().unwrap_or(""), *text));
    labels.collect()
}
