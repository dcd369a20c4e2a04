//! The table of replies, row by row, over both doors.

use axum::body::Body;
use futures::stream;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use serde_json::Value;
use tarn_ingest::receive::otlp::SIGNALS;
use tarn_model::limits::{Limits, Rate};
use tarn_model::signal::Signal;
use tarn_model::units::ByteSize;

use super::bodies::{compress, frame, half_bad, request};
use super::doors::Doors;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const MIB: usize = 1 << 20;

#[tokio::test]
async fn every_signal_is_taken_in_every_form() {
    let doors = Doors::open(Limits::default()).await;
    let mut sent = 0;
    for signal in SIGNALS {
        for encoding in ["identity", "gzip", "zstd", "deflate", "raw-deflate"] {
            let name = format!("{encoding}_{signal}").replace('-', "_");
            let header = encoding.trim_start_matches("raw-");
            let (wire, _) = request(signal, &format!("{name}_wire"));
            let headers = [PROTOBUF, ("content-encoding", header)];
            let answer = doors.http(signal, &headers, compress(encoding, &wire)).await;
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{name}: {answer:?}");
            assert_eq!(answer.kind, "application/x-protobuf");
            let (_, json) = request(signal, &format!("{name}_json"));
            let headers = [JSON, ("content-encoding", header)];
            let answer = doors.http(signal, &headers, compress(encoding, &json)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!((answer.status, &*text), (200, "{}"), "{name}");
            assert_eq!(answer.kind, "application/json");
            let (wire, _) = request(signal, &format!("{name}_grpc"));
            let body = frame(true, &compress(encoding, &wire));
            let body = if encoding == "identity" { frame(false, &wire) } else { body };
            let answer = doors.grpc(signal, &[("grpc-encoding", header)], body).await;
            assert_eq!((&*answer.code, &answer.body[..]), ("0", &[0; 5][..]), "{name}: {answer:?}");
            sent += 3;
        }
    }
    assert_eq!(doors.rows(), sent);
    assert_eq!(doors.count("tarn_ingest_rows_total", &["otlp_grpc"]), sent / 3);
    doors.stop().await;
}

#[tokio::test]
async fn a_part_that_is_rejected_is_counted_and_the_rest_is_stored() {
    let doors = Doors::open(Limits::default()).await;
    let (grpc, http) = (frame(false, &half_bad()), half_bad());
    for (door, bytes) in [
        ("http", doors.http(Signal::Traces, &[PROTOBUF], http).await.body),
        // The same request is told the same when it is sent again, over whatever door.
        ("grpc", doors.grpc(Signal::Traces, &[], grpc).await.body.split_off(5)),
    ] {
        let response = ExportTraceServiceResponse::decode(&*bytes).expect("decodes");
        let partial = response.partial_success.expect("something was rejected");
        assert_eq!(partial.rejected_spans, 1, "{door}: {}", partial.error_message);
        assert!(!partial.error_message.is_empty(), "{door}");
    }
    assert_eq!(doors.rows(), 1);
    doors.stop().await;
}

#[tokio::test]
async fn unknown_names_in_json_are_told() {
    let doors = Doors::open(Limits::default()).await;
    let answer = doors.http(Signal::Logs, &[JSON], r#"{"resourceLogs":[],"colour":1}"#).await;
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let partial = &json["partialSuccess"];
    assert_eq!((answer.status, &partial["rejectedLogRecords"]), (200, &Value::from("0")));
    let message = partial["errorMessage"].as_str().unwrap_or_default();
    assert!(message.contains("colour"), "{json}");
    doors.stop().await;
}

/// Bodies that cannot be decoded, by what is sent over HTTP and how gRPC says it.
#[tokio::test]
async fn what_cannot_be_decoded_is_invalid() {
    let doors = Doors::open(Limits::default()).await;
    let (wire, json) = request(Signal::Logs, "x");
    let half = &wire[..wire.len() - 1];
    for (kind, encoding, body) in [
        (PROTOBUF, "", half.to_vec()),
        (PROTOBUF, "", b"not protobuf".to_vec()),
        (PROTOBUF, "gzip", wire.clone()),
        (PROTOBUF, "gzip", Vec::new()),
        (PROTOBUF, "gzip", compress("gzip", &wire)[..20].to_vec()),
        (PROTOBUF, "zstd", compress("zstd", &wire)[..20].to_vec()),
        (PROTOBUF, "zstd", wire.clone()),
        (PROTOBUF, "deflate", wire.clone()),
        (JSON, "", json[..json.len() - 1].to_vec()),
        (JSON, "", b"[]".to_vec()),
        (JSON, "", wire.clone()),
    ] {
        let headers = [kind, ("content-encoding", encoding)];
        let answer = doors.http(Signal::Logs, &headers, body.clone()).await;
        assert_eq!((answer.status, answer.retry_after), (400, None), "{encoding}: {answer:?}");
        assert!(kind.1.starts_with(&answer.kind), "{answer:?}");
        if kind == JSON {
            let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert!(json["code"] == 3 && json["message"].is_string(), "{json}");
            continue;
        }
        let call = doors
            .grpc(Signal::Logs, &[("grpc-encoding", encoding)], frame(!encoding.is_empty(), &body))
            .await;
        assert_eq!((&*call.code, call.details), ("3", false), "{encoding}: {call:?}");
    }
    assert_eq!(doors.rows(), 0);
    doors.stop().await;
}

#[tokio::test]
async fn types_and_encodings_that_are_not_known_are_named() {
    let doors = Doors::open(Limits::default()).await;
    for (kind, encoding) in [
        ("text/plain", ""),
        ("", ""),
        ("application/x-protobuf", "br"),
        ("application/json", "snappy"),
    ] {
        let headers = [("content-type", kind), ("content-encoding", encoding)];
        let answer = doors.http(Signal::Traces, &headers, "x").await;
        assert_eq!((answer.status, answer.retry_after), (415, None), "{kind} {encoding}");
    }
    let call = doors.grpc(Signal::Traces, &[("grpc-encoding", "snappy")], frame(true, b"x")).await;
    assert_eq!(call.code, "12", "{call:?}");
    assert!(call.message.contains("gzip"), "{call:?}");
    doors.stop().await;
}

/// Bombs and giants: told 413, and RESOURCE_EXHAUSTED without a time to come again.
#[tokio::test]
async fn bodies_over_the_limit_are_refused_in_either_state() {
    let limits = Limits { otlp_bytes_max: ByteSize(2 * MIB as u64), ..Limits::default() };
    let doors = Doors::open(limits).await;
    let zeros = vec![0; 16 * MIB];
    // Text that no encoding can halve, so that the size and not the ratio decides.
    let mut state = 1u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(2 * MIB + 100).collect();
    for (encoding, body) in [
        ("", noise.clone()),
        ("gzip", compress("gzip", &zeros)),
        ("zstd", compress("zstd", &zeros)),
        ("deflate", compress("deflate", &zeros)),
        // Below the limit of bytes, above the ratio.
        ("zstd", compress("zstd", &zeros[..MIB + MIB / 2])),
        ("gzip", compress("gzip", &noise)),
    ] {
        let headers = [PROTOBUF, ("content-encoding", encoding)];
        let answer = doors.http(Signal::Logs, &headers, body.clone()).await;
        assert_eq!((answer.status, answer.retry_after), (413, None), "{encoding}: {answer:?}");
        let framed = frame(!encoding.is_empty(), &body);
        let call = doors.grpc(Signal::Logs, &[("grpc-encoding", encoding)], framed).await;
        assert_eq!((&*call.code, call.details), ("8", false), "{encoding}: {call:?}");
    }
    assert_eq!(doors.rows(), 0);
    doors.stop().await;
}

/// A length that cannot be is refused by the head alone: nothing else ever comes.
#[tokio::test]
async fn a_message_is_refused_before_it_is_read() {
    let doors = Doors::open(Limits::default()).await;
    let head = [0, 0xff, 0xff, 0xff, 0xff].to_vec();
    let first = stream::iter([Ok::<_, std::io::Error>(head)]);
    let body = Body::from_stream(futures::StreamExt::chain(first, stream::pending()));
    let call = doors.grpc(Signal::Logs, &[], body).await;
    assert_eq!((&*call.code, call.details), ("8", false), "{call:?}");
    doors.stop().await;
}

#[tokio::test]
async fn frames_that_are_none_are_bugs_of_the_client() {
    let doors = Doors::open(Limits::default()).await;
    let good = frame(false, &request(Signal::Logs, "x").0);
    let two = [&good[..], &good[..]].concat();
    let mut odd = good.clone();
    odd[0] = 2;
    for (what, body) in [
        ("nothing", Vec::new()),
        ("half a head", good[..3].to_vec()),
        ("half a message", good[..good.len() - 2].to_vec()),
        ("two messages", two),
        ("an odd flag", odd),
        ("compressed without a name", frame(true, b"x")),
    ] {
        let call = doors.grpc(Signal::Logs, &[], body).await;
        assert_eq!((&*call.code, call.details), ("13", false), "{what}: {call:?}");
    }
    assert_eq!(doors.rows(), 0);
    doors.stop().await;
}

#[tokio::test]
async fn who_sends_too_fast_is_told_when_to_come_again() {
    let (ingest_rate, ingest_burst) = (Rate::PerSecond(ByteSize(100)), ByteSize(100));
    let doors = Doors::open(Limits { ingest_rate, ingest_burst, ..Limits::default() }).await;
    let (first, _) = request(Signal::Logs, &"x".repeat(1000));
    assert_eq!(doors.http(Signal::Logs, &[PROTOBUF], first).await.status, 200);
    let (wire, json) = request(Signal::Logs, "y");
    let answer = doors.http(Signal::Logs, &[JSON], json).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.retry_after.is_some_and(|s| (5..30).contains(&s)), "{answer:?}");
    let call = doors.grpc(Signal::Logs, &[], frame(false, &wire)).await;
    assert_eq!((&*call.code, call.details), ("8", true), "{call:?}");
    doors.stop().await;
}

#[tokio::test]
async fn where_memory_is_out_the_sender_comes_again() {
    let doors = Doors::open(Limits::default()).await;
    let limits = Limits::default();
    let share = limits.memory_share(limits.inflight_memory_percent).as_usize();
    let mut others = doors.ingest.admission().permit();
    others.grow(share - 50).expect("nothing else is in flight");
    let (wire, _) = request(Signal::Logs, "x");
    let answer = doors.http(Signal::Logs, &[PROTOBUF], wire.clone()).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.retry_after.is_some_and(|s| s >= 1), "{answer:?}");
    let call = doors.grpc(Signal::Logs, &[], frame(false, &wire)).await;
    assert_eq!((&*call.code, call.details), ("14", true), "{call:?}");
    drop(others);
    assert_eq!(doors.http(Signal::Logs, &[PROTOBUF], wire).await.status, 200);
    assert_eq!(doors.rows(), 1);
    doors.stop().await;
}
