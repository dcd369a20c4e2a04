//! OTLP requests for tests: built with the protocol's own messages, so that nothing of ours decides
//! how they look on the wire.

use anyhow::Result;
use http::Method;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use crate::http::{Answer, Http};

/// Makes an attribute with a text.
pub fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// Makes an attribute with an integer.
pub fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

/// Makes an attribute.
pub fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn resource(service: &str) -> Option<Resource> {
    let attributes = vec![text("service.name", service), text("host.name", "host-1")];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("testkit".to_owned(), "1.0".to_owned());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
}

/// Makes the request of one service with these records.
pub fn logs(service: &str, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }];
    let resource_logs =
        vec![ResourceLogs { resource: resource(service), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }
}

/// Makes a record with a body and attributes.
pub fn record(time_ns: u64, body: &str, attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        time_unix_nano: time_ns,
        observed_time_unix_nano: time_ns.saturating_add(5_000_000),
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) }),
        attributes,
        ..LogRecord::default()
    }
}

/// Makes the request of one service with these spans.
pub fn spans(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans {
        resource: resource(service),
        scope_spans,
        ..ResourceSpans::default()
    }];
    ExportTraceServiceRequest { resource_spans }
}

/// Makes a span of trace `trace` with id `id`; parent 0 is none.
pub fn span(
    trace: u128,
    id: u64,
    parent: u64,
    name: &str,
    start_ns: u64,
    duration_ns: u64,
) -> Span {
    let parent_span_id = if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() };
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id,
        name: name.to_owned(),
        kind: 2,
        start_time_unix_nano: start_ns,
        end_time_unix_nano: start_ns.saturating_add(duration_ns),
        ..Span::default()
    }
}

/// Sends log records as protobuf over HTTP.
///
/// # Errors
/// Where no whole answer came.
pub async fn send_logs(http: &Http, request: &ExportLogsServiceRequest) -> Result<Answer> {
    post(http, "/v1/logs", request.encode_to_vec()).await
}

/// Sends spans as protobuf over HTTP.
///
/// # Errors
/// Where no whole answer came.
pub async fn send_spans(http: &Http, request: &ExportTraceServiceRequest) -> Result<Answer> {
    post(http, "/v1/traces", request.encode_to_vec()).await
}

/// Posts a protobuf message.
///
/// # Errors
/// Where no whole answer came.
pub async fn post(http: &Http, path: &str, body: Vec<u8>) -> Result<Answer> {
    let headers = [("content-type", "application/x-protobuf")];
    http.send(Method::POST, path, &headers, body).await
}
