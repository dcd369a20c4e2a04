//! Bodies: requests of the protocol's own crate, compressed and framed as clients do it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use prost::Message as _;
use tarn_model::signal::Signal;
use tarn_testkit::otlp;

use super::doors::NOW_NS;

/// A request with one row, as protobuf and as JSON. `text` makes it different from others.
pub(crate) fn request(signal: Signal, text: &str) -> (Vec<u8>, Vec<u8>) {
    let json = "serializes";
    match signal {
        Signal::Logs => {
            let message = logs(NOW_NS, text);
            (message.encode_to_vec(), serde_json::to_vec(&message).expect(json))
        }
        Signal::Traces => {
            let span = otlp::span(7, 8, 0, text, NOW_NS, 1000);
            let message = otlp::spans("shop", vec![span]);
            (message.encode_to_vec(), serde_json::to_vec(&message).expect(json))
        }
        Signal::Metrics => {
            let message = gauge(text);
            (message.encode_to_vec(), serde_json::to_vec(&message).expect(json))
        }
    }
}

/// A record at a time; 0 says nothing about it.
pub(crate) fn logs(time_ns: u64, text: &str) -> ExportLogsServiceRequest {
    let body = Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    let record = LogRecord { time_unix_nano: time_ns, body, ..LogRecord::default() };
    otlp::logs("shop", vec![record])
}

fn gauge(name: &str) -> ExportMetricsServiceRequest {
    let value = Some(number_data_point::Value::AsDouble(1.5));
    let point = NumberDataPoint { time_unix_nano: NOW_NS, value, ..NumberDataPoint::default() };
    let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: name.to_owned(), data, ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

/// Spans, the second of which has no id and is rejected.
pub(crate) fn half_bad() -> Vec<u8> {
    let good = otlp::span(7, 8, 0, "good", NOW_NS, 1000);
    let mut bad = otlp::span(7, 9, 0, "bad", NOW_NS, 1000);
    bad.trace_id = vec![0; 16];
    otlp::spans("shop", vec![good, bad]).encode_to_vec()
}

/// Compresses as an encoding of that name says; `raw-deflate` is deflate without its frame.
pub(crate) fn compress(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let level = Compression::best();
    match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect("compresses");
            encoder.finish().expect("compresses")
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect("compresses");
            encoder.finish().expect("compresses")
        }
        "raw-deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect("compresses");
            encoder.finish().expect("compresses")
        }
        "zstd" => zstd::bulk::compress(bytes, 3).expect("compresses"),
        _ => bytes.to_vec(),
    }
}

/// Puts the head of gRPC in front of a message.
pub(crate) fn frame(compressed: bool, message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("short");
    [&[u8::from(compressed)][..], &len.to_be_bytes(), message].concat()
}
