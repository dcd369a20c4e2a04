//! Requests, written down shortly, and what they decode to as a table.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    Summary, SummaryDataPoint, exemplar, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tarn_ingest::OtlpMetrics;
use tarn_ingest::fuzz::{Decoder, Recorded, Row};
use tarn_model::limits::Limits;
use tarn_model::sample::{Counts, is_stale};

pub(crate) const DELTA: i32 = AggregationTemporality::Delta as i32;
pub(crate) const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// ns in a ms.
pub(crate) const MS: u64 = 1_000_000;

pub(crate) fn value(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

pub(crate) fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

pub(crate) fn pair(key: &str, given: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value(given), ..KeyValue::default() }
}

/// Attributes that are texts.
pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| pair(key, text(value))).collect()
}

pub(crate) fn int(time: u64, value: i64) -> NumberDataPoint {
    let value = Some(number_data_point::Value::AsInt(value));
    NumberDataPoint { time_unix_nano: time * MS, value, ..NumberDataPoint::default() }
}

pub(crate) fn double(time: u64, value: f64) -> NumberDataPoint {
    let value = Some(number_data_point::Value::AsDouble(value));
    NumberDataPoint { time_unix_nano: time * MS, value, ..NumberDataPoint::default() }
}

pub(crate) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: format!("What {name} is."),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

pub(crate) fn gauge(name: &str, unit: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, unit, Data::Gauge(Gauge { data_points }))
}

pub(crate) fn sum(
    name: &str,
    (aggregation_temporality, is_monotonic): (i32, bool),
    data_points: Vec<NumberDataPoint>,
) -> Metric {
    metric(name, "", Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }))
}

pub(crate) fn histogram(
    name: &str,
    aggregation_temporality: i32,
    data_points: Vec<HistogramDataPoint>,
) -> Metric {
    metric(name, "s", Data::Histogram(Histogram { data_points, aggregation_temporality }))
}

/// A point with buckets up to 1 and 2.5 and beyond.
pub(crate) fn buckets(time: u64, counts: [u64; 3], sum: f64) -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: time * MS,
        count: counts.iter().sum(),
        sum: Some(sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![1.0, 2.5],
        ..HistogramDataPoint::default()
    }
}

pub(crate) fn exponential(
    name: &str,
    aggregation_temporality: i32,
    data_points: Vec<ExponentialHistogramDataPoint>,
) -> Metric {
    let data = ExponentialHistogram { data_points, aggregation_temporality };
    metric(name, "", Data::ExponentialHistogram(data))
}

pub(crate) fn summary(name: &str, data_points: Vec<SummaryDataPoint>) -> Metric {
    metric(name, "", Data::Summary(Summary { data_points }))
}

pub(crate) fn exemplar(time: u64, value: f64, trace: u8) -> Exemplar {
    Exemplar {
        time_unix_nano: time * MS,
        trace_id: vec![trace; 16],
        span_id: vec![trace; 8],
        value: Some(exemplar::Value::AsDouble(value)),
        ..Exemplar::default()
    }
}

pub(crate) fn scope(name: &str, metrics: Vec<Metric>) -> ScopeMetrics {
    let scope = InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() };
    ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }
}

pub(crate) fn resource(attributes: Vec<KeyValue>, scopes: Vec<ScopeMetrics>) -> ResourceMetrics {
    let resource = Resource { attributes, ..Resource::default() };
    ResourceMetrics { resource: Some(resource), scope_metrics: scopes, ..Default::default() }
}

/// A request of one service.
pub(crate) fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let service = attributes(&[("service.name", "shop")]);
    let resource_metrics = vec![resource(service, vec![scope("", metrics)])];
    ExportMetricsServiceRequest { resource_metrics }
}

/// Decodes a request, twice: the second time with every series known, which must not differ.
pub(crate) fn decode(request: &ExportMetricsServiceRequest, options: &OtlpMetrics) -> Recorded {
    let decoder = Decoder::new(Limits::default());
    let bytes = request.encode_to_vec();
    let recorded = decoder.otlp_metrics(options, &bytes).expect("decodes");
    let again = decoder.otlp_metrics(options, &bytes).expect("decodes");
    // As text, because NaN differs from itself.
    assert_eq!(format!("{:?}", recorded.rows), format!("{:?}", again.rows));
    assert_eq!(recorded.points, again.points);
    recorded
}

/// Decodes with the usual options and prints.
pub(crate) fn table(request: &ExportMetricsServiceRequest) -> String {
    print(&decode(request, &OtlpMetrics::default()))
}

/// Prints series with their rows, `time<start value`, then families and problems.
pub(crate) fn print(recorded: &Recorded) -> String {
    let mut out = String::new();
    for (at, labels) in recorded.series.iter().enumerate() {
        write!(out, "{labels}").expect("writes");
        for (_, row) in recorded.rows.iter().filter(|(of, _)| *of == at) {
            match row {
                Row::Float { time_ms, bits, start_ms } => {
                    let value = f64::from_bits(*bits);
                    let value =
                        if is_stale(value) { "stale".to_owned() } else { value.to_string() };
                    write!(out, " {time_ms}{} {value}", since(*start_ms)).expect("writes");
                }
                Row::Histogram { time_ms, value, start_ms } => {
                    write!(out, " {time_ms}{} {}", since(*start_ms), native(value))
                        .expect("writes");
                }
                Row::Exemplar(e) => {
                    write!(out, "\n  # {} {}{}", e.time_ms, e.value, e.labels).expect("writes");
                }
            }
        }
        out.push('\n');
    }
    for (family, metadata) in &recorded.families {
        let (kind, unit) = (metadata.metric_type.as_str(), &metadata.unit);
        writeln!(out, "family {family}: {kind} [{unit}] {}", metadata.help).expect("writes");
    }
    let (accepted, rejected) = recorded.points;
    writeln!(out, "{accepted} accepted, {rejected} rejected").expect("writes");
    if let Some(problems) = &recorded.problems {
        writeln!(out, "{problems}").expect("writes");
    }
    out
}

fn since(start_ms: i64) -> String {
    if start_ms == 0 { String::new() } else { format!("<{start_ms}") }
}

fn native(h: &tarn_model::sample::Histogram) -> String {
    if h.is_stale() {
        return format!("stale(schema {})", h.schema);
    }
    let Counts::Int { count, zero, buckets } = &h.counts else { return "floats".to_owned() };
    let mut text = format!("{{schema {}, count {count}, sum {}", h.schema, h.sum);
    if h.zero_threshold > 0.0 {
        write!(text, ", zero {zero} within {:e}", h.zero_threshold).expect("writes");
    }
    if !h.bounds.is_empty() {
        write!(text, ", bounds {:?}", h.bounds).expect("writes");
    }
    let indexes = h.positive.iter().map(|i| format!("{i}"));
    let indexes = indexes.chain(h.negative.iter().map(|i| format!("-({i})")));
    for (index, count) in indexes.zip(buckets) {
        write!(text, ", {index}: {count}").expect("writes");
    }
    write!(text, ", {:?}}}", h.reset_hint).expect("writes");
    text
}
