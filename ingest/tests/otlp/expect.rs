//! What a message must become, said once more and differently: from the message as its own library
//! decodes it, for messages within the caps.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use tarn_model::attributes::AnyValue;
use tarn_model::text::{severity_of_body, severity_of_text};
use tarn_storage::any_value::{EntityRef, Origin, to_text};

use super::read::{Attributes, Event, Link, Log, Span};

/// When requests arrive.
pub(crate) const NOW: i64 = 1_790_000_000_123_456_789;
/// The latest time that is believed.
const NEWEST: u64 = NOW as u64 + 600_000_000_000;

pub(crate) fn logs(request: &ExportLogsServiceRequest) -> Vec<Log> {
    let mut rows = Vec::new();
    for group in &request.resource_logs {
        let (resource, service) = resource(group.resource.as_ref(), &group.schema_url);
        for inner in &group.scope_logs {
            let scope = scope(inner.scope.as_ref(), &inner.schema_url);
            for record in &inner.log_records {
                rows.push(Log {
                    service: service.clone(),
                    resource: resource.clone(),
                    scope: scope.clone(),
                    ..log(record)
                });
            }
        }
    }
    rows
}

fn log(record: &LogRecord) -> Log {
    let mut marks = Vec::new();
    let sent = [record.time_unix_nano, record.observed_time_unix_nano];
    let sent = sent.into_iter().find(|time| *time != 0);
    let time_ns = time(sent, &mut marks);
    let body = record.body.as_ref().map(value);
    let mut severity = record.severity_number;
    if severity == 0 {
        let from_text = severity_of_text(&record.severity_text);
        let from_body = match &body {
            Some(body @ (AnyValue::Text(_) | AnyValue::Map(_))) => severity_of_body(&to_text(body)),
            _ => None,
        };
        let (number, from) = match record.severity_text.is_empty() {
            true => (from_body, "body"),
            false => (from_text, "text"),
        };
        if let Some(number) = number {
            severity = i32::from(number);
            marks.push(("tarn.severity_from".to_owned(), AnyValue::Text(from.to_owned())));
        }
    }
    let observed = i64::try_from(record.observed_time_unix_nano).unwrap_or(i64::MAX);
    let delta = i128::from(observed) - i128::from(time_ns);
    Log {
        time_ns,
        observed_delta_ms: (observed != 0)
            .then(|| i64::try_from((delta + 500_000).div_euclid(1_000_000)).expect("fits")),
        severity: (severity != 0).then_some(severity),
        severity_text: text(&record.severity_text),
        trace_id: id(&record.trace_id, 16),
        span_id: id(&record.span_id, 8),
        flags: count(record.flags),
        event_name: text(&record.event_name),
        body,
        attributes: attributes(&record.attributes).into_iter().chain(marks).collect(),
        dropped: count(record.dropped_attributes_count),
        ..Log::default()
    }
}

pub(crate) fn spans(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let mut rows = Vec::new();
    for group in &request.resource_spans {
        let (resource, service) = resource(group.resource.as_ref(), &group.schema_url);
        for inner in &group.scope_spans {
            let scope = scope(inner.scope.as_ref(), &inner.schema_url);
            for sent in inner.spans.iter().filter_map(span) {
                rows.push(Span {
                    service: service.clone(),
                    resource: resource.clone(),
                    scope: scope.clone(),
                    ..sent
                });
            }
        }
    }
    rows
}

fn span(span: &trace::Span) -> Option<Span> {
    let mut marks = Vec::new();
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let sent = [start, end].into_iter().find(|time| *time != 0);
    let start_ns = time(sent, &mut marks);
    let base = i128::from(sent.unwrap_or(NOW as u64));
    let end = if end == 0 { base } else { i128::from(end) };
    let status = span.status.clone().unwrap_or_default();
    let links: Vec<Link> = span.links.iter().filter_map(link).collect();
    let lost_links = span.links.len() - links.len();
    let attributes = attributes(&span.attributes).into_iter().chain(marks).collect();
    let problems = i32::from(end < base) + if lost_links > 0 { 8 } else { 0 };
    let exception = span.events.iter().find(|event| event.name == "exception");
    let is_text = |a: &common::KeyValue| {
        let value = a.value.as_ref().and_then(|value| value.value.as_ref());
        a.key == "exception.type" && matches!(value, Some(Value::StringValue(_)))
    };
    Some(Span {
        trace_id: Some(id(&span.trace_id, 16)?),
        span_id: Some(id(&span.span_id, 8)?),
        parent: id(&span.parent_span_id, 8),
        start_ns,
        duration_ns: clamp(end - base),
        name: span.name.clone(),
        kind: span.kind,
        status: status.code,
        status_message: text(&status.message),
        trace_state: text(&span.trace_state),
        flags: count(span.flags),
        attributes,
        dropped: count(span.dropped_attributes_count),
        events: span.events.iter().map(|sent| event(sent, base)).collect(),
        links,
        dropped_events: count(span.dropped_events_count),
        dropped_links: count(
            span.dropped_links_count.saturating_add(u32::try_from(lost_links).expect("few")),
        ),
        weight: (span.trace_state == "ot=th:c").then_some(4.0),
        has_exception_group: exception.is_some_and(|e| {
            e.attributes.iter().rfind(|a| a.key == "exception.type").is_some_and(is_text)
        }),
        problems: (problems != 0).then_some(problems),
        ..Span::default()
    })
}

fn event(event: &trace::span::Event, base: i128) -> Event {
    let time = i128::from(event.time_unix_nano);
    Event {
        offset_ns: if time == 0 { 0 } else { clamp(time - base) },
        name: event.name.clone(),
        attributes: attributes(&event.attributes),
        dropped: count(event.dropped_attributes_count),
    }
}

fn link(link: &trace::span::Link) -> Option<Link> {
    Some(Link {
        trace_id: Some(id(&link.trace_id, 16)?),
        span_id: Some(id(&link.span_id, 8)?),
        trace_state: text(&link.trace_state),
        attributes: attributes(&link.attributes),
        dropped: count(link.dropped_attributes_count),
        flags: count(link.flags),
    })
}

fn time(sent: Option<u64>, marks: &mut Attributes) -> i64 {
    match sent {
        None => NOW,
        Some(time) if time <= NEWEST => time as i64,
        Some(time) => {
            let original = match i64::try_from(time) {
                Ok(time) => AnyValue::Int(time),
                Err(_) => AnyValue::Text(time.to_string()),
            };
            marks.push(("tarn.original_time".to_owned(), original));
            NOW
        }
    }
}

fn clamp(ns: i128) -> i64 {
    let clamped = ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(clamped).expect("clamped")
}

fn resource(resource: Option<&Resource>, schema_url: &str) -> (Origin, String) {
    let resource = resource.cloned().unwrap_or_default();
    let attributes = attributes(&resource.attributes);
    let service = attributes.iter().find(|(key, _)| key == "service.name");
    let service = match service {
        None | Some((_, AnyValue::Empty)) => "unknown_service".to_owned(),
        Some((_, AnyValue::Text(name))) if name.is_empty() => "unknown_service".to_owned(),
        Some((_, value)) => to_text(value),
    };
    let entity = |entity: common::EntityRef| EntityRef {
        schema_url: entity.schema_url,
        entity_type: entity.r#type,
        id_keys: entity.id_keys,
        description_keys: entity.description_keys,
    };
    let origin = Origin {
        attributes,
        dropped: resource.dropped_attributes_count,
        schema_url: schema_url.to_owned(),
        entity_refs: resource.entity_refs.into_iter().map(entity).collect(),
        ..Origin::default()
    };
    (origin, service)
}

fn scope(scope: Option<&common::InstrumentationScope>, schema_url: &str) -> Origin {
    let scope = scope.cloned().unwrap_or_default();
    Origin {
        name: scope.name,
        version: scope.version,
        attributes: attributes(&scope.attributes),
        dropped: scope.dropped_attributes_count,
        schema_url: schema_url.to_owned(),
        entity_refs: Vec::new(),
    }
}

/// Each key at its first place with its last value.
fn attributes(sent: &[common::KeyValue]) -> Attributes {
    let mut kept: Attributes = Vec::new();
    for attribute in sent {
        let new = attribute.value.as_ref().map_or(AnyValue::Empty, value);
        match kept.iter_mut().find(|(key, _)| *key == attribute.key) {
            Some((_, old)) => *old = new,
            None => kept.push((attribute.key.clone(), new)),
        }
    }
    kept
}

fn value(sent: &common::AnyValue) -> AnyValue {
    match &sent.value {
        None | Some(Value::StringValueStrindex(_)) => AnyValue::Empty,
        Some(Value::StringValue(text)) => AnyValue::Text(text.clone()),
        Some(Value::BoolValue(bool)) => AnyValue::Bool(*bool),
        Some(Value::IntValue(int)) => AnyValue::Int(*int),
        Some(Value::DoubleValue(double)) => AnyValue::Double(*double),
        Some(Value::BytesValue(bytes)) => AnyValue::Bytes(bytes.clone()),
        Some(Value::ArrayValue(array)) => AnyValue::Array(array.values.iter().map(value).collect()),
        Some(Value::KvlistValue(list)) => AnyValue::Map(attributes(&list.values)),
    }
}

fn id(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    (bytes.len() == len && bytes.iter().any(|byte| *byte != 0)).then(|| bytes.to_vec())
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn count(number: u32) -> Option<i32> {
    (number != 0).then(|| i32::try_from(number).unwrap_or(i32::MAX))
}
