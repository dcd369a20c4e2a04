//! Golden answers: every query of the official compliance suite and random ones, evaluated by
//! Prometheus 3.14 over the demo data of the corpus.

#![expect(clippy::print_stdout, reason = "differences are the report of this test")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tarn_model::labels::{Label, LabelSet};
use tarn_model::sample::stale_nan;
use tarn_promql::ast::ParseOptions;
use tarn_promql::eval;
use tarn_promql::parse::{ParseLimits, parse};
use tarn_promql::query::{QueryParams, QueryValue, SampleValue};
use tarn_promql::script::block_on;
use tarn_promql::script::store::{MemoryStore, Point};

/// Asked at run time: the program may be run in another clone than the one it was compiled in.
fn own_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests").into()
}

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("TARN_CORPUS")
        .map_or_else(|| own_folder().join("../../../shared/corpus"), PathBuf::from);
    let folder = root.join("promql");
    folder.is_dir().then_some(folder)
}

#[expect(clippy::disallowed_types, reason = "a file of ours, not the body of a request")]
fn rows(folder: &Path, name: &str) -> Vec<Value> {
    let bytes = std::fs::read(folder.join(name)).expect("corpus file reads");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("corpus is gzip");
    text.lines().map(|line| serde_json::from_str(line).expect("row is JSON")).collect()
}

fn labels(value: &Value) -> LabelSet {
    let pairs = value.as_object().expect("labels are an object").iter();
    pairs.map(|(name, value)| Label::new(name.as_str(), value.as_str().unwrap_or(""))).collect()
}

fn number(text: &str) -> f64 {
    if text == "StaleNaN" { stale_nan() } else { text.parse().expect("number") }
}

fn demo_data(folder: &Path, slice_samples: usize) -> MemoryStore {
    let mut store = MemoryStore::with_slices_of(slice_samples);
    for row in rows(folder, "demo-data.jsonl.gz") {
        let labels = labels(&row["labels"]);
        for sample in row["samples"].as_array().expect("samples") {
            let time_ms = sample[0].as_i64().expect("time");
            let value = number(sample[1].as_str().expect("value"));
            store.insert(&labels, time_ms, 0, Point::Float(value));
        }
    }
    store
}

/// A result in the form of the API: type, then labels and points, values as numbers.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    kind: String,
    series: Vec<(LabelSet, Vec<(i64, f64)>)>,
    error: Option<(String, String)>,
}

fn golden(response: &Value) -> Answer {
    if response["status"] == "error" {
        let text = |key: &str| response[key].as_str().unwrap_or_default().to_owned();
        let error = Some((text("errorType"), text("error")));
        return Answer { kind: "error".to_owned(), series: Vec::new(), error };
    }
    let kind = response["data"]["resultType"].as_str().expect("type").to_owned();
    let result = &response["data"]["result"];
    let point = |point: &Value| {
        let millis = (point[0].as_f64().expect("time") * 1000.0).round() as i64;
        (millis, number(point[1].as_str().expect("value")))
    };
    let series = if kind == "scalar" {
        vec![(LabelSet::default(), vec![point(result)])]
    } else {
        let rows = result.as_array().expect("series").iter();
        rows.map(|row| {
            let points = match row["values"].as_array() {
                Some(values) => values.iter().map(point).collect(),
                None => vec![point(&row["value"])],
            };
            (labels(&row["metric"]), points)
        })
        .collect()
    };
    Answer { kind, series, error: None }
}

fn ours(store: &MemoryStore, query: &str, params: &QueryParams) -> Answer {
    let failed = |kind: &str, text: String| Answer {
        kind: "error".to_owned(),
        series: Vec::new(),
        error: Some((kind.to_owned(), text)),
    };
    let expr = match parse(query, &ParseOptions::default(), ParseLimits::default()) {
        Ok(expr) => expr,
        Err(e) => return failed("bad_data", format!("invalid parameter \"query\": {e}")),
    };
    let result = match block_on(eval(store, &expr, params)) {
        Ok(result) => result,
        Err(e) => return failed(e.error_type(), e.to_string()),
    };
    let (kind, series) = match result.value {
        QueryValue::Scalar { time_ms, value } => {
            ("scalar", vec![(LabelSet::default(), vec![(time_ms, value)])])
        }
        QueryValue::Vector { samples, .. } => {
            let rows = samples.into_iter().map(|s| match s.value {
                SampleValue::Float(value) => (s.labels, vec![(s.time_ms, value)]),
                SampleValue::Histogram(_) => (s.labels, Vec::new()),
            });
            ("vector", rows.collect())
        }
        QueryValue::Matrix(matrix) => {
            ("matrix", matrix.into_iter().map(|s| (s.labels, s.floats)).collect())
        }
        QueryValue::String { .. } => ("string", Vec::new()),
    };
    Answer { kind: kind.to_owned(), series, error: None }
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * a.abs().max(b.abs())
}

/// Cuts the names out of an error about duplicates: where there are several, which ones are named
/// depends on the order in which a storage returns series.
fn without_names(error: Option<(String, String)>) -> Option<(String, String)> {
    error.map(|(kind, text)| match text.split_once(" for the match group ") {
        Some((start, rest)) => {
            let side = if rest.contains("} on the left ") { "left" } else { "right" };
            (kind, format!("{start} on the {side} side"))
        }
        None => (kind, text),
    })
}

/// Says what differs; `None`: nothing.
fn difference(mut got: Answer, mut want: Answer, by_value_only: bool) -> Option<String> {
    got.error = without_names(got.error);
    want.error = without_names(want.error);
    if got.kind != want.kind || got.error != want.error {
        return Some(format!(
            "{:?} {:?}, expected {:?} {:?}",
            got.kind, got.error, want.kind, want.error
        ));
    }
    if got.kind == "vector" {
        got.series.sort_by(|a, b| a.0.cmp(&b.0));
        want.series.sort_by(|a, b| a.0.cmp(&b.0));
    }
    if by_value_only {
        // Of equal values another one may have been picked.
        let values = |answer: &Answer| {
            let points = answer.series.iter().flat_map(|(_, points)| points.iter().copied());
            let mut points: Vec<(i64, f64)> = points.collect();
            points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            points
        };
        let (got, want) = (values(&got), values(&want));
        let same = got.len() == want.len()
            && got.iter().zip(&want).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
        return (!same).then(|| "values differ".to_owned());
    }
    if got.series.len() != want.series.len() {
        return Some(format!("{} series, expected {}", got.series.len(), want.series.len()));
    }
    for ((labels, points), (want_labels, want_points)) in got.series.iter().zip(&want.series) {
        if labels != want_labels {
            return Some(format!("series {labels}, expected {want_labels}"));
        }
        if points.len() != want_points.len() {
            return Some(format!(
                "{labels}: {} points, expected {}",
                points.len(),
                want_points.len()
            ));
        }
        let differs = |(a, b): &(&(i64, f64), &(i64, f64))| a.0 != b.0 || !close(a.1, b.1);
        if let Some((a, b)) = points.iter().zip(want_points).find(differs) {
            return Some(format!("{labels}: {a:?}, expected {b:?}"));
        }
    }
    None
}

/// Runs a file of queries and returns how many there are and how many answers agree.
fn check(file: &str, slice_samples: usize) -> Option<(usize, usize)> {
    let Some(folder) = corpus() else {
        println!("skipped: no corpus");
        return None;
    };
    let store = demo_data(&folder, slice_samples);
    let (mut total, mut agreed) = (0, 0);
    for row in rows(&folder, file) {
        let query = row["query"].as_str().expect("query");
        let params = match row["time_ms"].as_i64() {
            Some(time_ms) => QueryParams::instant(time_ms),
            None => {
                let get = |key: &str| row[key].as_i64().expect("time");
                QueryParams::range(get("start_ms"), get("end_ms"), get("step_ms"))
            }
        };
        total += 1;
        let ties = row["tie_sensitive"].as_bool().unwrap_or(false);
        match difference(ours(&store, query, &params), golden(&row["response"]), ties) {
            None => agreed += 1,
            Some(text) => println!("{} {query}: {text}", row["id"]),
        }
    }
    println!("{file}: {agreed} of {total} agree");
    Some((agreed, total))
}

#[test]
fn compliance_range_queries_agree() {
    if let Some(result) = check("compliance-range.jsonl.gz", usize::MAX) {
        assert_eq!(result, (539, 539));
    }
}

#[test]
fn compliance_instant_queries_agree() {
    if let Some(result) = check("compliance-instant.jsonl.gz", 50) {
        assert_eq!(result, (539, 539));
    }
}

#[test]
fn random_range_queries_agree() {
    if let Some(result) = check("fuzz-range-dev.jsonl.gz", usize::MAX) {
        assert_eq!(result, (750, 750));
    }
}

#[test]
fn random_instant_queries_agree() {
    if let Some(result) = check("fuzz-instant-dev.jsonl.gz", usize::MAX) {
        assert_eq!(result, (750, 750));
    }
}
