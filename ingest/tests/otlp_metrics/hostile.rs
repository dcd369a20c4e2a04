//! Bytes that no sender means well with, and valid ones in unusual order.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, exponential_histogram_data_point::Buckets,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message as _;
use tarn_ingest::OtlpMetrics;
use tarn_ingest::fuzz::{Decoder, otlp_metrics};
use tarn_model::limits::Limits;

use super::build::{
    CUMULATIVE, DELTA, attributes, buckets, exemplar, exponential, gauge, histogram, int, request,
    resource, scope, sum,
};

/// A request with something of everything.
fn sample() -> Vec<u8> {
    let mut wait = HistogramDataPoint {
        attributes: attributes(&[("path", "/a"), ("path", "/b"), ("..", "x")]),
        ..buckets(2000, [1, 2, 3], 7.0)
    };
    wait.exemplars = vec![exemplar(1, 1.0, 1), exemplar(2, 2.0, 2)];
    let size = ExponentialHistogramDataPoint {
        time_unix_nano: 1,
        count: 4,
        zero_count: 1,
        scale: 9,
        positive: Some(Buckets { offset: -5, bucket_counts: vec![1, 0, 2] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let metrics = vec![
        gauge("g", "1", vec![int(1000, 1)]),
        sum("s", (DELTA, true), vec![int(1000, 1)]),
        histogram("h", CUMULATIVE, vec![wait]),
        exponential("e", CUMULATIVE, vec![size]),
    ];
    let service = attributes(&[("service.name", "shop"), ("host", "h")]);
    let resource_metrics = vec![resource(service, vec![scope("meter", metrics)])];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_are_decoded_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        otlp_metrics(&bytes);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        otlp_metrics(&bytes);
    }
}

/// Splits a message into its fields, each with its tag.
fn fields(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let before = bytes;
        let (tag, wire) = prost::encoding::decode_key(&mut bytes).expect("a tag");
        let context = prost::encoding::DecodeContext::default();
        prost::encoding::skip_field(wire, tag, &mut bytes, context).expect("a field");
        fields.push(&before[..before.len() - bytes.len()]);
    }
    fields
}

#[test]
fn the_order_of_fields_makes_no_difference() {
    let point = HistogramDataPoint {
        attributes: attributes(&[("a", "1"), ("b", "2")]),
        exemplars: vec![exemplar(1, 1.0, 1)],
        ..buckets(2000, [1, 2, 3], 7.0)
    };
    let metric = histogram("h", CUMULATIVE, vec![point.clone()]).encode_to_vec();
    let reversed =
        |bytes: &[u8]| fields(bytes).into_iter().rev().flatten().copied().collect::<Vec<u8>>();
    // A histogram metric whose fields, and those of its point, stand the other way round.
    let data = [nested(0x0a, &reversed(&point.encode_to_vec())), vec![0x10, 2]].concat();
    let head: Vec<u8> =
        fields(&metric).into_iter().filter(|f| f[0] != 0x4a).rev().flatten().copied().collect();
    let turned = [nested(0x4a, &data), head].concat();
    let service = attributes(&[("service.name", "shop")]);
    let service =
        nested(0x0a, &Resource { attributes: service, ..Resource::default() }.encode_to_vec());
    let decoded = [metric, turned].map(|metric| {
        let scope = nested(0x12, &metric);
        let request = nested(0x0a, &[nested(0x12, &scope), service.clone()].concat());
        let decoder = Decoder::new(Limits::default());
        let recorded = decoder.otlp_metrics(&OtlpMetrics::default(), &request);
        let recorded = recorded.map_err(|e| e.message()).expect("decodes");
        assert_eq!(recorded.points, (1, 0), "{:?}", recorded.problems);
        (recorded.series, recorded.rows)
    });
    assert_eq!(decoded[0], decoded[1]);
}

#[test]
fn broken_bytes_name_their_place() {
    let decoder = Decoder::new(Limits::default());
    let options = OtlpMetrics::default();
    let bytes = sample();
    let error = decoder.otlp_metrics(&options, &bytes[..bytes.len() - 1]).expect_err("broken");
    let message = error.message();
    assert!(message.contains("decode OTLP metrics: protobuf is broken at byte 1"), "{message}");
    // The empty request is one.
    let nothing = decoder.otlp_metrics(&options, &[]).expect("decodes");
    assert_eq!((nothing.points, nothing.problems), ((0, 0), None));
}

#[test]
fn one_point_cannot_ask_for_much() {
    let decoder = Decoder::new(Limits::default());
    let wide = HistogramDataPoint {
        explicit_bounds: (0..5000).map(f64::from).collect(),
        bucket_counts: vec![1; 5001],
        ..buckets(1000, [0; 3], 0.0)
    };
    let mut ages = vec![int(1, 1), int(253_000_000_000, 1)];
    ages.push(int(1_700_000_000_000, 1));
    let bytes = request(vec![histogram("wide", CUMULATIVE, vec![wide]), gauge("ages", "", ages)]);
    let mut bytes = bytes;
    bytes.resource_metrics[0].resource.as_mut().expect("a resource").attributes =
        attributes(&[("service.name", "s"), ("a", "b")]);
    let recorded = decoder.otlp_metrics(&OtlpMetrics::default(), &bytes.encode_to_vec());
    let recorded = recorded.expect("decodes");
    // Time is not checked without a store: three ages, and target_info at a bounded number of times.
    assert_eq!(recorded.points, (3, 1));
    assert_eq!(recorded.rejected, [("too_many_buckets", 1)]);
    assert!(recorded.rows.len() <= 3 + 101, "{} rows", recorded.rows.len());
}

#[test]
fn exemplars_and_scattered_attributes_are_bounded() {
    let decoder = Decoder::new(Limits::default());
    let mut point = int(1000, 1);
    point.exemplars = (0..3000).map(|n| exemplar(n, 1.0, 1)).collect();
    let many = request(vec![gauge("g", "", vec![point])]).encode_to_vec();
    let recorded = decoder.otlp_metrics(&OtlpMetrics::default(), &many).expect("decodes");
    assert_eq!((recorded.points, recorded.written.exemplars), ((1, 0), 1024));
    assert_eq!(recorded.rejected, [("too_many_exemplars", 3000 - 1024)]);
    // An attribute, then a flag, and so on.
    let attribute = attributes(&[("k", "v")])[0].encode_to_vec();
    let mut point = int(1000, 1).encode_to_vec();
    for _ in 0..3000 {
        point.extend([0x3a, attribute.len() as u8]);
        point.extend_from_slice(&attribute);
        point.extend([0x40, 0]);
    }
    let metric = [nested(0x0a, b"g"), nested(0x2a, &nested(0x0a, &point))].concat();
    let bytes = nested(0x0a, &nested(0x12, &nested(0x12, &metric)));
    let recorded = decoder.otlp_metrics(&OtlpMetrics::default(), &bytes).expect("decodes");
    assert_eq!((recorded.points, recorded.rejected), ((0, 1), vec![("too_many_labels", 1)]));
}

/// Makes a field of bytes.
fn nested(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}
