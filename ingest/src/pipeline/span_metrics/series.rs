//! Groups of spans and edges → samples of their series.
//!
//! A group has a fixed row of series; it keeps their references, so that labels are put together once.
//! The first sample of a new group is preceded by zeros one interval earlier: a counter that begins
//! with its first spans would hide them from `rate`. A group without spans for a quarter of an hour
//! ends with markers of staleness.

use std::sync::Arc;

use tarn_model::labels::{Label, LabelSet, METRIC_NAME};
use tarn_model::sample::{Exemplar, Metadata, MetricType, stale_nan};
use tarn_storage::append::{Appender, Rejection, SeriesRef};

use super::graph::EdgeKey;
use super::latency::Latency;

/// Spans counted.
pub(super) const CALLS: &str = "traces_spanmetrics_calls_total";
/// How long spans took.
pub(super) const LATENCY: &str = "traces_spanmetrics_latency";
/// Calls between services.
pub(super) const REQUESTS: &str = "traces_service_graph_request_total";
/// Of those, the failed ones.
pub(super) const FAILED: &str = "traces_service_graph_request_failed_total";
/// How long calls took, as the caller saw it.
pub(super) const CLIENT_SECONDS: &str = "traces_service_graph_request_client_seconds";
/// How long calls took, as the callee saw it.
pub(super) const SERVER_SECONDS: &str = "traces_service_graph_request_server_seconds";

/// What spans are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SpanKey {
    pub(super) service: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
}

/// Returns the label of a span kind.
pub(super) fn kind(number: i32) -> &'static str {
    match number {
        1 => "SPAN_KIND_INTERNAL",
        2 => "SPAN_KIND_SERVER",
        3 => "SPAN_KIND_CLIENT",
        4 => "SPAN_KIND_PRODUCER",
        5 => "SPAN_KIND_CONSUMER",
        _ => "SPAN_KIND_UNSPECIFIED",
    }
}

/// Returns the label of a status code.
pub(super) fn status(number: i32) -> &'static str {
    match number {
        1 => "STATUS_CODE_OK",
        2 => "STATUS_CODE_ERROR",
        _ => "STATUS_CODE_UNSET",
    }
}

/// A span by which a group can be looked into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) trace_id: u128,
    pub(super) seconds: f64,
    pub(super) time_ms: i64,
}

impl Seen {
    fn exemplar(self) -> Exemplar {
        let labels = LabelSet::new(vec![Label::new("trace_id", format!("{:032x}", self.trace_id))]);
        Exemplar { labels, value: self.seconds, time_ms: self.time_ms }
    }
}

/// Spans that are counted together, or calls along one edge.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) count: f64,
    /// Of calls only.
    pub(super) failed: f64,
    /// Of spans; of calls, as the caller saw them.
    pub(super) latency: Latency,
    /// Of calls only, as the callee saw them.
    pub(super) server: Latency,
    pub(super) exemplar: Option<Seen>,
    /// When the last span came.
    pub(super) last_ms: i64,
    /// It has samples in the store.
    pub(super) is_known: bool,
    /// The record that is being written begins it.
    pub(super) is_begun: bool,
    /// Its samples stand in the past: see [`late`](super::late).
    pub(super) is_late: bool,
    /// Spans were counted since its last samples.
    pub(super) is_counted: bool,
    series: Vec<Option<SeriesRef>>,
}

/// What the samples of one record are written with.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub(super) appender: &'a mut Appender,
    /// Time of the samples.
    pub(super) time_ms: i64,
    /// So long before them stand the zeros of a new group.
    pub(super) interval_ms: i64,
    pub(super) classic: bool,
    pub(super) rejected: u64,
}

/// The labels of a group; each series adds its name.
#[derive(Debug)]
pub(super) struct Labels(Vec<Label>);

impl Labels {
    pub(super) fn of_spans(key: &SpanKey) -> Self {
        Self(vec![
            Label::new("service", Arc::clone(&key.service)),
            Label::new("span_kind", key.kind),
            Label::new("span_name", Arc::clone(&key.name)),
            Label::new("status_code", key.status),
        ])
    }

    pub(super) fn of_edge(key: &EdgeKey) -> Self {
        Self(vec![
            Label::new("client", Arc::clone(&key.client.service)),
            Label::new("client_service_namespace", Arc::clone(&key.client.namespace)),
            Label::new("connection_type", key.connection),
            Label::new("server", Arc::clone(&key.server.service)),
            Label::new("server_service_namespace", Arc::clone(&key.server.namespace)),
        ])
    }

    fn named(&self, metric: &str, suffix: &str, le: Option<&str>) -> LabelSet {
        let mut labels = self.0.clone();
        labels.push(Label::new(METRIC_NAME, format!("{metric}{suffix}")));
        labels.extend(le.map(|le| Label::new("le", le)));
        LabelSet::new(labels)
    }
}

/// What is written of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Its values.
    Values,
    /// That it has ended.
    Ended,
}

impl Group {
    /// Writes the samples of spans.
    pub(super) fn write_spans(&mut self, key: &SpanKey, mode: Mode, output: &mut Output<'_>) {
        let (labels, exemplar) = (Labels::of_spans(key), self.exemplar.map(Seen::exemplar));
        let is_known = self.is_known || self.is_begun;
        self.is_begun = true;
        let mut row = Row { series: &mut self.series, at: 0, is_known, mode, output };
        row.float(&labels, (CALLS, "", None), self.count);
        row.latency(&labels, LATENCY, &self.latency, exemplar.as_ref());
    }

    /// Writes the samples of calls.
    pub(super) fn write_edge(&mut self, key: &EdgeKey, mode: Mode, output: &mut Output<'_>) {
        let (labels, exemplar) = (Labels::of_edge(key), self.exemplar.map(Seen::exemplar));
        let is_known = self.is_known || self.is_begun;
        self.is_begun = true;
        let mut row = Row { series: &mut self.series, at: 0, is_known, mode, output };
        row.float(&labels, (REQUESTS, "", None), self.count);
        row.float(&labels, (FAILED, "", None), self.failed);
        row.latency(&labels, CLIENT_SECONDS, &self.latency, exemplar.as_ref());
        row.latency(&labels, SERVER_SECONDS, &self.server, None);
    }

    /// Notes a span by which it can be looked into: the slowest since the last samples.
    pub(super) fn see(&mut self, seen: Seen) {
        if self.exemplar.is_none_or(|other| other.seconds < seen.seconds) {
            self.exemplar = Some(seen);
        }
    }

    /// Begins one of now, or one whose samples stand in the past.
    pub(super) fn begin(is_late: bool) -> Self {
        Self { is_late, ..Self::default() }
    }

    /// Says that its samples are stored.
    pub(super) fn written(&mut self) {
        // A late group may have had none to write.
        self.is_known |= self.is_begun;
        self.is_begun = false;
        self.is_counted = false;
        self.exemplar = None;
    }

    /// Returns its values as they are now, to be written later.
    pub(super) fn past(&mut self) -> Self {
        self.is_counted = false;
        Self {
            count: self.count,
            failed: self.failed,
            latency: self.latency.clone(),
            server: self.server.clone(),
            exemplar: self.exemplar.take(),
            ..Self::default()
        }
    }

    /// Lends its series to values of its past, or takes them back.
    pub(super) fn swap_series(&mut self, past: &mut Self) {
        std::mem::swap(&mut self.series, &mut past.series);
        std::mem::swap(&mut self.is_begun, &mut past.is_begun);
        past.is_known = self.is_known;
    }
}

/// The series of one group, in order.
struct Row<'a, 'b> {
    series: &'a mut Vec<Option<SeriesRef>>,
    at: usize,
    is_known: bool,
    mode: Mode,
    output: &'a mut Output<'b>,
}

impl Row<'_, '_> {
    fn latency(
        &mut self,
        labels: &Labels,
        metric: &str,
        latency: &Latency,
        mut exemplar: Option<&Exemplar>,
    ) {
        let of_group = self.series(labels, (metric, "", None));
        if let Some(series) = of_group {
            self.histogram(series, latency);
            self.exemplar(series, exemplar);
        }
        if !self.output.classic {
            return;
        }
        for (le, count) in latency.cumulative() {
            let series = self.float(labels, (metric, "_bucket", Some(le)), count);
            let fits = exemplar.is_some_and(|e| le.parse().is_ok_and(|le: f64| e.value <= le));
            if let (Some(series), true) = (series, fits) {
                // In its own bucket, not in those above.
                self.exemplar(series, exemplar.take());
            }
        }
        self.float(labels, (metric, "_bucket", Some("+Inf")), latency.count);
        self.float(labels, (metric, "_sum", None), latency.sum);
        self.float(labels, (metric, "_count", None), latency.count);
    }

    fn float(
        &mut self,
        labels: &Labels,
        name: (&str, &str, Option<&str>),
        value: f64,
    ) -> Option<SeriesRef> {
        let series = self.series(labels, name)?;
        let Output { time_ms, interval_ms, .. } = *self.output;
        if !self.is_known {
            // Refused where the series has been there before, and that is as good.
            drop(self.output.appender.float(series, time_ms - interval_ms, 0.0, 0));
        }
        let value = if self.mode == Mode::Ended { stale_nan() } else { value };
        let taken = self.output.appender.float(series, time_ms, value, 0);
        self.count(taken);
        Some(series)
    }

    fn histogram(&mut self, series: SeriesRef, latency: &Latency) {
        let Output { time_ms, interval_ms, .. } = *self.output;
        if !self.is_known {
            let empty = Latency::default().histogram();
            drop(self.output.appender.histogram(series, time_ms - interval_ms, empty, 0));
        }
        let taken = if self.mode == Mode::Ended {
            self.output.appender.float(series, time_ms, stale_nan(), 0)
        } else {
            self.output.appender.histogram(series, time_ms, latency.histogram(), 0)
        };
        self.count(taken);
    }

    fn exemplar(&mut self, series: SeriesRef, exemplar: Option<&Exemplar>) {
        if let Some(exemplar) = exemplar {
            // One that is older than the last is not worth a word.
            drop(self.output.appender.exemplar(series, exemplar.clone()));
        }
    }

    /// Returns the next series of the group.
    fn series(
        &mut self,
        labels: &Labels,
        (metric, suffix, le): (&str, &str, Option<&str>),
    ) -> Option<SeriesRef> {
        let at = self.at;
        self.at += 1;
        if self.series.len() <= at {
            self.series.resize(at + 1, None);
        }
        if self.series[at].is_none() {
            match self.output.appender.series(&labels.named(metric, suffix, le)) {
                Ok(series) => self.series[at] = Some(series),
                Err(_) => self.output.rejected += 1,
            }
        }
        self.series[at]
    }

    fn count(&mut self, taken: Result<(), Rejection>) {
        if let Err(rejection) = taken {
            self.output.rejected += 1;
            if rejection == Rejection::StaleReference {
                // Asked for again with the next samples.
                self.series[self.at - 1] = None;
            }
        }
    }
}

/// Says what the metrics are; the store keeps only news.
pub(super) fn describe(appender: &mut Appender) {
    let mut say = |family: &str, metric_type, unit: &str, help: &str| {
        let metadata = Metadata { metric_type, unit: unit.into(), help: help.into() };
        appender.metadata(family, &metadata);
    };
    let (counter, histogram) = (MetricType::Counter, MetricType::Histogram);
    say(CALLS, counter, "", "Spans by service, name, kind and status");
    say(LATENCY, histogram, "seconds", "How long spans took");
    say(REQUESTS, counter, "", "Calls between services");
    say(FAILED, counter, "", "Calls between services that failed");
    say(CLIENT_SECONDS, histogram, "seconds", "How long calls took, as the caller saw it");
    say(SERVER_SECONDS, histogram, "seconds", "How long calls took, as the callee saw it");
}
