//! An encoder of Prometheus remote write 1.0 and 2.0, written apart from the decoder under test.
//!
//! Field numbers are those of the public protobuf definitions. Bodies are snappy blocks.

use anyhow::Result;

use crate::http::{Answer, Http};
use tarn_model::labels::LabelSet;

/// One series of a request.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Names and values in the order in which they go on the wire.
    pub labels: Vec<(String, String)>,
    /// `(time ms, value)`.
    pub samples: Vec<(i64, f64)>,
    /// Start timestamp of all samples, ms; 0 = unset (2.0 only).
    pub start_ms: i64,
}

impl Series {
    /// Makes a series of a label set.
    pub fn new(labels: &LabelSet, samples: Vec<(i64, f64)>) -> Self {
        let labels = labels.iter().map(|l| (l.name.to_string(), l.value.to_string())).collect();
        Self { labels, samples, start_ms: 0 }
    }

    /// Makes a series of pairs, in their order.
    pub fn of(pairs: &[(&str, &str)], samples: Vec<(i64, f64)>) -> Self {
        let labels = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self { labels, samples, start_ms: 0 }
    }
}

/// Encodes a `prometheus.WriteRequest`, uncompressed.
pub fn encode_v1(series: &[Series]) -> Vec<u8> {
    let mut out = Vec::new();
    for s in series {
        let mut body = Vec::new();
        for (name, value) in &s.labels {
            let mut label = Vec::new();
            bytes_field(&mut label, 1, name.as_bytes());
            bytes_field(&mut label, 2, value.as_bytes());
            bytes_field(&mut body, 1, &label);
        }
        for (time_ms, value) in &s.samples {
            bytes_field(&mut body, 2, &sample(*time_ms, *value, 0));
        }
        bytes_field(&mut out, 1, &body);
    }
    out
}

/// Encodes an `io.prometheus.write.v2.Request`, uncompressed.
pub fn encode_v2(series: &[Series]) -> Vec<u8> {
    let mut symbols: Vec<String> = vec![String::new()];
    let mut out_series = Vec::new();
    for s in series {
        let mut refs = Vec::new();
        for text in s.labels.iter().flat_map(|(n, v)| [n, v]) {
            let at = symbols.iter().position(|x| x == text).unwrap_or_else(|| {
                symbols.push(text.clone());
                symbols.len() - 1
            });
            varint(&mut refs, at as u64);
        }
        let mut body = Vec::new();
        bytes_field(&mut body, 1, &refs);
        for (time_ms, value) in &s.samples {
            bytes_field(&mut body, 2, &sample(*time_ms, *value, s.start_ms));
        }
        bytes_field(&mut out_series, 5, &body);
    }
    let mut out = Vec::new();
    for symbol in &symbols {
        bytes_field(&mut out, 4, symbol.as_bytes());
    }
    out.extend(out_series);
    out
}

/// Compresses a body as remote write wants it.
///
/// # Errors
/// Where it is longer than snappy allows.
pub fn compress(body: &[u8]) -> Result<Vec<u8>> {
    Ok(snap::raw::Encoder::new().compress_vec(body)?)
}

/// Sends series by remote write 1.0.
///
/// # Errors
/// Where no whole answer came.
pub async fn send_v1(http: &Http, series: &[Series]) -> Result<Answer> {
    let headers = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ];
    http.send(http::Method::POST, "/api/v1/write", &headers, compress(&encode_v1(series))?).await
}

/// Sends series by remote write 2.0.
///
/// # Errors
/// Where no whole answer came.
pub async fn send_v2(http: &Http, series: &[Series]) -> Result<Answer> {
    let headers = [
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "2.0.0"),
    ];
    http.send(http::Method::POST, "/api/v1/write", &headers, compress(&encode_v2(series))?).await
}

fn sample(time_ms: i64, value: f64, start_ms: i64) -> Vec<u8> {
    let mut out = vec![0x09];
    out.extend(value.to_bits().to_le_bytes());
    out.push(0x10);
    varint(&mut out, time_ms as u64);
    if start_ms != 0 {
        out.push(0x18);
        varint(&mut out, start_ms as u64);
    }
    out
}

fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
