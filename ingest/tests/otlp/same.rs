//! Random messages: the rows are what the message says, in protobuf and in JSON, and bytes changed
//! at random do no harm.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use tarn_ingest::fuzz::otlp::{self, Decoder};
use tarn_model::error::ErrorKind;
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;
use tarn_model::time::UnixNanos;

use super::{expect, generate, read};

pub(crate) fn decoder() -> Decoder {
    Decoder { limits: Limits::default(), now: UnixNanos(expect::NOW) }
}

/// Compares rows as text, in which NaNs are equal and zeros are not.
fn assert_same<T: std::fmt::Debug>(found: &[T], wanted: &[T]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(format!("{found:#?}"), format!("{wanted:#?}"));
    }
}

fn log_rows(body: &[u8]) -> Vec<read::Log> {
    let decoded = decoder().protobuf(Signal::Logs, body).expect("decodes");
    assert_eq!((decoded.rejected, decoded.truncated, decoded.repaired), (0, 0, 0));
    let rows = read::logs(&decoded.rows.into_batch().expect("a batch"));
    assert_eq!(rows.len() as u64, decoded.accepted);
    rows
}

fn span_rows(body: &[u8]) -> (Vec<read::Span>, u64) {
    let decoded = decoder().protobuf(Signal::Traces, body).expect("decodes");
    let rows = read::spans(&decoded.rows.into_batch().expect("a batch"));
    assert_eq!(rows.len() as u64, decoded.accepted);
    (rows, decoded.rejected)
}

/// Rewrites the JSON that the protocol's own library makes of a message.
fn from_json<M: serde::Serialize>(signal: Signal, message: &M) -> Vec<u8> {
    let json = serde_json::to_vec(message).expect("JSON");
    let (wire, unknown) = decoder().transcode(signal, &json).expect("is taken");
    assert_eq!(unknown, Vec::<String>::new(), "{}", String::from_utf8_lossy(&json));
    wire
}

/// Replaces what that library cannot write: doubles that are no JSON numbers, values that are
/// not set.
fn writable(value: &mut Option<AnyValue>) {
    let Some(AnyValue { value: Some(inner) }) = value else {
        *value = None;
        return;
    };
    match inner {
        Value::DoubleValue(double) if !double.is_finite() => *double = 0.5,
        Value::ArrayValue(array) => {
            for inner in &mut array.values {
                let mut value = Some(std::mem::take(inner));
                writable(&mut value);
                let zero = AnyValue { value: Some(Value::IntValue(0)) };
                *inner = value.unwrap_or(zero);
            }
        }
        Value::KvlistValue(list) => writable_all(&mut list.values),
        _ => {}
    }
}

fn writable_all(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        writable(&mut attribute.value);
    }
}

fn writable_logs(request: &mut ExportLogsServiceRequest) {
    for group in &mut request.resource_logs {
        if let Some(resource) = &mut group.resource {
            writable_all(&mut resource.attributes);
        }
        for group in &mut group.scope_logs {
            if let Some(scope) = &mut group.scope {
                writable_all(&mut scope.attributes);
            }
            for record in &mut group.log_records {
                writable(&mut record.body);
                writable_all(&mut record.attributes);
            }
        }
    }
}

fn writable_spans(request: &mut ExportTraceServiceRequest) {
    for group in &mut request.resource_spans {
        if let Some(resource) = &mut group.resource {
            writable_all(&mut resource.attributes);
        }
        for group in &mut group.scope_spans {
            if let Some(scope) = &mut group.scope {
                writable_all(&mut scope.attributes);
            }
            for span in &mut group.spans {
                writable_all(&mut span.attributes);
                span.events.iter_mut().for_each(|event| writable_all(&mut event.attributes));
                span.links.iter_mut().for_each(|link| writable_all(&mut link.attributes));
            }
        }
    }
}

/// Changes bytes at random places, or cuts the end off.
fn mutated(mut bytes: Vec<u8>, changes: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    for (index, byte) in changes {
        let at = index.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

fn changes() -> impl Strategy<Value = (Vec<(Index, u8)>, Option<Index>)> {
    (vec(any::<(Index, u8)>(), 0..4), proptest::option::weighted(0.3, any::<Index>()))
}

/// What the library of the protocol takes is never undecodable here. The reverse may be: text that
/// is not UTF-8 is repaired, and what is dropped is not looked at.
fn takes_what_prost_takes<M: Message + Default>(signal: Signal, bytes: &[u8]) {
    otlp::protobuf(signal, bytes);
    let verdict = decoder().protobuf(signal, bytes).map_err(|e| e.kind());
    if M::decode(bytes).is_ok() {
        assert_ne!(verdict.err(), Some(ErrorKind::Invalid));
    }
}

proptest! {
    #[test]
    fn log_rows_are_what_the_message_says(request in generate::logs()) {
        assert_same(&log_rows(&request.encode_to_vec()), &expect::logs(&request));
    }

    #[test]
    fn spans_are_what_the_message_says(request in generate::traces()) {
        let (rows, rejected) = span_rows(&request.encode_to_vec());
        assert_same(&rows, &expect::spans(&request));
        let spans = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
        let sent: usize = spans.map(|group| group.spans.len()).sum();
        prop_assert_eq!(rows.len() as u64 + rejected, sent as u64);
    }

    #[test]
    fn json_of_logs_says_the_same(mut request in generate::logs()) {
        writable_logs(&mut request);
        let wire = from_json(Signal::Logs, &request);
        assert_same(&log_rows(&wire), &expect::logs(&request));
    }

    #[test]
    fn json_of_traces_says_the_same(mut request in generate::traces()) {
        writable_spans(&mut request);
        let wire = from_json(Signal::Traces, &request);
        assert_same(&span_rows(&wire).0, &expect::spans(&request));
        prop_assert_eq!(ExportTraceServiceRequest::decode(&*wire).expect("is protobuf"), request);
    }

    #[test]
    fn json_of_metrics_says_the_same(request in generate::metrics()) {
        let wire = from_json(Signal::Metrics, &request);
        prop_assert_eq!(ExportMetricsServiceRequest::decode(&*wire).expect("is protobuf"), request);
    }

    #[test]
    fn changed_bytes_do_no_harm(
        logs in generate::logs(),
        traces in generate::traces(),
        (changes, cut) in changes(),
    ) {
        let bytes = mutated(logs.encode_to_vec(), &changes, cut);
        takes_what_prost_takes::<ExportLogsServiceRequest>(Signal::Logs, &bytes);
        let bytes = mutated(traces.encode_to_vec(), &changes, cut);
        takes_what_prost_takes::<ExportTraceServiceRequest>(Signal::Traces, &bytes);
        let json = serde_json::to_vec(&traces).unwrap_or_default();
        otlp::json(Signal::Traces, &mutated(json, &changes, cut));
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,80}") {
        otlp::protobuf(Signal::Logs, &bytes);
        otlp::protobuf(Signal::Traces, &bytes);
        otlp::json(Signal::Logs, &bytes);
        otlp::json(Signal::Logs, text.as_bytes());
    }
}
