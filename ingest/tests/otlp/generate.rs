//! Random messages of the protocol, within the caps.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::expect::NOW;

fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        3 => Just(String::new()),
        3 => "[a-z]{1,6}",
        1 => "[\\x00-\\x22\\\\é𝄞]{0,8}",
        1 => Just("ERROR".to_owned()),
        1 => Just("level=warn x".to_owned()),
    ]
}

fn key() -> impl Strategy<Value = String> + Clone {
    let known = ["a", "b", "service.name", "exception.type", "bytesValue", "kvlistValue", "é"];
    prop_oneof![3 => prop::sample::select(known.map(str::to_owned).to_vec()), 1 => text()]
}

fn double() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![any::<f64>(), Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::NEG_INFINITY)]
}

fn any_value() -> impl Strategy<Value = AnyValue> + Clone {
    let leaf = prop_oneof![
        1 => Just(None),
        4 => text().prop_map(|text| Some(Value::StringValue(text))),
        1 => any::<bool>().prop_map(|bool| Some(Value::BoolValue(bool))),
        1 => any::<i64>().prop_map(|int| Some(Value::IntValue(int))),
        1 => double().prop_map(|double| Some(Value::DoubleValue(double))),
        1 => vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Value::BytesValue(bytes))),
    ];
    let leaf = leaf.prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 12, 3, |inner| {
        let array = vec(inner.clone(), 0..3)
            .prop_map(|values| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) });
        let map = vec((key(), option::of(inner)), 0..3).prop_map(|entries| {
            let values = entries.into_iter().map(key_value).collect();
            AnyValue { value: Some(Value::KvlistValue(KeyValueList { values })) }
        });
        prop_oneof![array, map]
    })
}

fn key_value((key, value): (String, Option<AnyValue>)) -> KeyValue {
    KeyValue { key, value, key_strindex: 0 }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> + Clone {
    vec((key(), option::weighted(0.9, any_value())).prop_map(key_value), 0..4)
}

fn time() -> impl Strategy<Value = u64> + Clone {
    let now = NOW as u64;
    prop_oneof![
        3 => now - 1_000_000_000..now,
        1 => Just(0),
        1 => Just(1),
        1 => Just(now + 600_000_000_000),
        1 => Just(now + 600_000_000_001),
        1 => Just(u64::MAX),
        1 => Just(i64::MAX as u64 + 1),
    ]
}

fn id(len: usize) -> impl Strategy<Value = Vec<u8>> + Clone {
    prop_oneof![
        8 => vec(any::<u8>(), len),
        1 => Just(Vec::new()),
        1 => Just(vec![0; len]),
        1 => vec(1u8.., len - 1),
    ]
}

fn count() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![3 => Just(0), 1 => 1u32..9, 1 => Just(u32::MAX)]
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    let entity = (text(), text(), vec(key(), 0..2), vec(key(), 0..2)).prop_map(
        |(schema_url, r#type, id_keys, description_keys)| EntityRef {
            schema_url,
            r#type,
            id_keys,
            description_keys,
        },
    );
    let resource = (attributes(), count(), vec(entity, 0..2)).prop_map(
        |(attributes, dropped_attributes_count, entity_refs)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
        },
    );
    option::of(resource)
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let scope = (text(), text(), attributes(), count()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    );
    option::of(scope)
}

fn record() -> impl Strategy<Value = LogRecord> {
    let head = (time(), time(), prop_oneof![Just(0), 1..25, Just(-1)], text());
    let tail = (count(), count(), id(16), id(8), text());
    (head, option::of(any_value()), attributes(), tail).prop_map(
        |(head, body, attributes, tail)| LogRecord {
            time_unix_nano: head.0,
            observed_time_unix_nano: head.1,
            severity_number: head.2,
            severity_text: head.3,
            body,
            attributes,
            dropped_attributes_count: tail.0,
            flags: tail.1,
            trace_id: tail.2,
            span_id: tail.3,
            event_name: tail.4,
        },
    )
}

pub(crate) fn logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scope_logs = (scope(), vec(record(), 0..4), text())
        .prop_map(|(scope, log_records, schema_url)| ScopeLogs { scope, log_records, schema_url });
    let resource_logs = (resource(), vec(scope_logs, 0..3), text()).prop_map(
        |(resource, scope_logs, schema_url)| ResourceLogs { resource, scope_logs, schema_url },
    );
    vec(resource_logs, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

fn event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![text(), Just("exception".to_owned())];
    (time(), name, attributes(), count()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), text(), attributes(), count(), count()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let state = prop_oneof![text(), Just("ot=th:c".to_owned())];
    let status = option::of((text(), -1..3).prop_map(|(message, code)| Status { message, code }));
    let head = (id(16), id(8), state, id(8), count(), text(), -1..6, time(), time());
    let lists = (attributes(), vec(event(), 0..3), vec(link(), 0..3), status);
    (head, lists, (count(), count(), count())).prop_map(|(head, lists, dropped)| Span {
        trace_id: head.0,
        span_id: head.1,
        trace_state: head.2,
        parent_span_id: head.3,
        flags: head.4,
        name: head.5,
        kind: head.6,
        start_time_unix_nano: head.7,
        end_time_unix_nano: head.8,
        attributes: lists.0,
        dropped_attributes_count: dropped.0,
        events: lists.1,
        dropped_events_count: dropped.1,
        links: lists.2,
        dropped_links_count: dropped.2,
        status: lists.3,
    })
}

pub(crate) fn traces() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope_spans = (scope(), vec(span(), 0..4), text())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource_spans = (resource(), vec(scope_spans, 0..3), text()).prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    );
    vec(resource_spans, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn finite() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![any::<f64>().prop_filter("finite", |double| double.is_finite()), Just(0.0)]
}

fn exemplar() -> impl Strategy<Value = metrics::Exemplar> {
    let value = prop_oneof![
        finite().prop_map(metrics::exemplar::Value::AsDouble),
        any::<i64>().prop_map(metrics::exemplar::Value::AsInt),
    ];
    (time(), id(8), id(16), value).prop_map(|(time_unix_nano, span_id, trace_id, value)| {
        metrics::Exemplar {
            filtered_attributes: Vec::new(),
            time_unix_nano,
            span_id,
            trace_id,
            value: Some(value),
        }
    })
}

fn number() -> impl Strategy<Value = metrics::NumberDataPoint> {
    let value = prop_oneof![
        finite().prop_map(metrics::number_data_point::Value::AsDouble),
        any::<i64>().prop_map(metrics::number_data_point::Value::AsInt),
    ];
    (time(), time(), value, vec(exemplar(), 0..2), any::<u32>()).prop_map(
        |(start_time_unix_nano, time_unix_nano, value, exemplars, flags)| {
            metrics::NumberDataPoint {
                attributes: Vec::new(),
                start_time_unix_nano,
                time_unix_nano,
                exemplars,
                flags,
                value: Some(value),
            }
        },
    )
}

fn data() -> impl Strategy<Value = metrics::metric::Data> {
    use metrics::metric::Data;
    let numbers = || vec(number(), 0..3);
    let histogram = (time(), any::<u64>(), option::of(finite()), vec(any::<u64>(), 0..3)).prop_map(
        |(time_unix_nano, count, sum, bucket_counts)| metrics::HistogramDataPoint {
            time_unix_nano,
            count,
            sum,
            bucket_counts,
            explicit_bounds: vec![0.1, 1e300],
            min: sum,
            max: Some(-0.0),
            ..Default::default()
        },
    );
    let buckets = (any::<i32>(), vec(any::<u64>(), 0..3))
        .prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts });
    let exponential = (time(), any::<i32>(), option::of(buckets), finite()).prop_map(
        |(time_unix_nano, scale, positive, zero_threshold)| {
            metrics::ExponentialHistogramDataPoint {
                time_unix_nano,
                scale,
                negative: positive.clone(),
                positive,
                zero_threshold,
                zero_count: 7,
                ..Default::default()
            }
        },
    );
    let summary = (any::<u64>(), finite(), finite()).prop_map(|(count, sum, value)| {
        let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value }];
        metrics::SummaryDataPoint { count, sum, quantile_values, ..Default::default() }
    });
    prop_oneof![
        numbers().prop_map(|data_points| Data::Gauge(metrics::Gauge { data_points })),
        (numbers(), 0..3, any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| {
                Data::Sum(metrics::Sum { data_points, aggregation_temporality, is_monotonic })
            }
        ),
        histogram.prop_map(|point| Data::Histogram(metrics::Histogram {
            data_points: vec![point],
            aggregation_temporality: 1,
        })),
        exponential.prop_map(|point| Data::ExponentialHistogram(metrics::ExponentialHistogram {
            data_points: vec![point],
            aggregation_temporality: 2,
        })),
        summary.prop_map(|point| Data::Summary(metrics::Summary { data_points: vec![point] })),
    ]
}

pub(crate) fn metrics() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let metric =
        (text(), text(), text(), option::of(data())).prop_map(|(name, description, unit, data)| {
            metrics::Metric { name, description, unit, metadata: Vec::new(), data }
        });
    let scope_metrics = vec(metric, 0..3).prop_map(|metrics| metrics::ScopeMetrics {
        scope: None,
        metrics,
        schema_url: "s".to_owned(),
    });
    let resource_metrics = vec(scope_metrics, 0..2).prop_map(|scope_metrics| {
        metrics::ResourceMetrics { resource: None, scope_metrics, schema_url: String::new() }
    });
    vec(resource_metrics, 0..2)
        .prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}
