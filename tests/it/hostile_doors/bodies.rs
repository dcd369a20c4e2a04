//! Bodies that are small on the wire and large in memory, or large in both.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use tarn_testkit::remote_write::{Series, compress, encode_v1};

use crate::now_ms;

const MIB: usize = 1 << 20;

/// A field of wire type 2.
pub(super) fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut rest = content.len();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// Compresses with the named encoding.
pub(super) fn packed(encoding: &str, body: &[u8]) -> Bytes {
    let level = Compression::fast();
    let packed = match encoding {
        "gzip" => {
            let mut out = GzEncoder::new(Vec::new(), level);
            out.write_all(body).and_then(|()| out.finish())
        }
        "deflate" => {
            let mut out = DeflateEncoder::new(Vec::new(), level);
            out.write_all(body).and_then(|()| out.finish())
        }
        _ => zstd::encode_all(body, 3),
    };
    packed.unwrap_or_default().into()
}

/// A request of `mib` MiB of records of two bytes each.
pub(super) fn empty_records(mib: usize) -> Vec<u8> {
    message(1, &message(2, &message(2, &[]).repeat(mib * MIB / 2)))
}

/// A log record whose body is a text of `mib` MiB.
pub(super) fn huge_text(mib: usize) -> Vec<u8> {
    let text = message(5, &message(1, &vec![b'x'; mib * MIB]));
    message(1, &message(2, &message(2, &text)))
}

/// Values nested `levels` deep, in a log record.
pub(super) fn deep(levels: usize) -> Vec<u8> {
    let mut value = vec![0x08 << 1, 1];
    for _ in 0..levels {
        value = message(5, &message(1, &value));
    }
    message(1, &message(2, &message(2, &message(5, &value))))
}

/// The same as JSON.
pub(super) fn deep_json(levels: usize) -> Vec<u8> {
    let open = r#"{"arrayValue":{"values":["#.repeat(levels);
    let close = "]}}".repeat(levels);
    let record = format!(r#"{{"body":{open}{close}}}"#);
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#).into_bytes()
}

/// One series with `labels` labels.
pub(super) fn wide_series(labels: usize) -> Vec<u8> {
    let names: Vec<String> = (0..labels).map(|n| format!("l{n:07}")).collect();
    let mut pairs = vec![("__name__", "wide")];
    pairs.extend(names.iter().map(|name| (name.as_str(), "v")));
    compress(&encode_v1(&[Series::of(&pairs, vec![(now_ms(), 1.0)])])).unwrap_or_default()
}

/// Series with as many labels, as long, as are taken; none is like another.
pub(super) fn heavy_series(round: u64) -> Vec<u8> {
    let long = "y".repeat(3_900);
    let one = |n: u64| {
        let values: Vec<(String, String)> = (0..60)
            .map(|label| (format!("label_{label}"), format!("{round}-{n}-{label}-{long}")))
            .collect();
        let mut pairs = vec![("__name__", "heavy")];
        pairs.extend(values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Series::of(&pairs, vec![(now_ms(), 1.0)])
    };
    let series: Vec<Series> = (0..40).map(one).collect();
    compress(&encode_v1(&series)).unwrap_or_default()
}

/// Many series that nobody has seen before.
pub(super) fn new_series(round: u64) -> Vec<u8> {
    let one = |n: u64| {
        let id = format!("{round}-{n}");
        let labels = [("__name__", "explodes"), ("request_id", id.as_str()), ("job", "x")];
        Series::of(&labels, vec![(now_ms(), 1.0)])
    };
    let series: Vec<Series> = (0..20_000).map(one).collect();
    compress(&encode_v1(&series)).unwrap_or_default()
}
