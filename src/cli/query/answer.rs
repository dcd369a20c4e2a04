//! The JSON of an answer, taken apart into rows.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The envelope of the API.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: Option<Point>,
    histogram: Option<HistogramPoint>,
    #[serde(default)]
    values: Vec<Point>,
    #[serde(default)]
    histograms: Vec<HistogramPoint>,
}

#[derive(Debug, Deserialize)]
struct Point(f64, String);

#[derive(Debug, Deserialize)]
struct HistogramPoint(f64, Histogram);

#[derive(Debug, Deserialize)]
struct Histogram {
    count: String,
    sum: String,
}

/// What is shown: a line per sample, label columns in name order with the metric name first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) labels: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// All rows have one time, which then needs no column.
    pub(super) instant: bool,
}

/// One sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) time_ms: i64,
    /// One value per label column, empty where the series lacks the label.
    pub(super) labels: Vec<String>,
    pub(super) value: String,
}

impl Reply {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).with_context(|| {
            let start = String::from_utf8_lossy(body.get(..80).unwrap_or(body)).into_owned();
            format!("read the answer, which begins {start:?}")
        })
    }

    /// Returns why there is no answer.
    pub(super) fn failure(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let kind = self.error_type.as_deref().unwrap_or("error");
        Some(format!("{kind}: {error}"))
    }

    /// Returns warnings and infos.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        let warnings = self.warnings.iter().map(|w| format!("warning: {w}"));
        warnings.chain(self.infos.iter().map(|i| format!("info: {i}")))
    }

    /// Returns the samples.
    pub(super) fn rows(&self) -> anyhow::Result<Rows> {
        let data = self.data.as_ref().context("the answer holds no data")?;
        let result = data.result.get();
        let context = || format!("read a {} in the answer", data.result_type);
        match data.result_type.as_str() {
            "scalar" | "string" => {
                let Point(time, value) = serde_json::from_str(result).with_context(context)?;
                let row = Row { time_ms: ms(time), labels: Vec::new(), value };
                Ok(Rows { labels: Vec::new(), rows: vec![row], instant: true })
            }
            kind => {
                let series: Vec<Series> = serde_json::from_str(result).with_context(context)?;
                Ok(rows(&series, kind == "vector"))
            }
        }
    }
}

fn rows(series: &[Series], instant: bool) -> Rows {
    let mut labels: Vec<String> = series.iter().flat_map(|s| s.metric.keys().cloned()).collect();
    // The metric name first: it is what people look for.
    labels.sort_by(|a, b| (a != "__name__", a).cmp(&(b != "__name__", b)));
    labels.dedup();
    let mut rows = Vec::new();
    for one in series {
        let own: Vec<String> =
            labels.iter().map(|l| one.metric.get(l).cloned().unwrap_or_default()).collect();
        let row = |time: f64, value: String| Row { time_ms: ms(time), labels: own.clone(), value };
        let floats = one.value.iter().chain(&one.values);
        let mut samples: Vec<Row> = floats.map(|p| row(p.0, p.1.clone())).collect();
        let histograms = one.histogram.iter().chain(&one.histograms);
        samples.extend(
            histograms.map(|p| row(p.0, format!("{{count:{}, sum:{}}}", p.1.count, p.1.sum))),
        );
        samples.sort_by_key(|r| r.time_ms);
        rows.append(&mut samples);
    }
    Rows { labels, rows, instant }
}

fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
