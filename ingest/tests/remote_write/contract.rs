//! The receiver's contract: exact codes and headers, and the data read back. The cases are those of
//! Prometheus' compliance suite for receivers, and those of the specifications beside it.

use std::sync::Arc;

use axum::body::Body;
use futures::stream;
use prost::Message as _;
use tarn_ingest::own;
use tarn_model::labels::LabelSet;
use tarn_model::limits::{Limits, Rate};
use tarn_model::sample::{Counts, Metadata, MetricType, STALE_NAN_BITS};
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_storage::file::RealDisk;
use tarn_testkit::sim_disk::SimDisk;

use super::oracle::{BucketSpan, Count, Histogram, MetricMetadata, WriteRequest};
use super::receiver::{Answer, Builder, NOW_MS, Receiver, compressed, exemplar1, series1};

async fn start(limits: Limits) -> Receiver {
    Receiver::start(limits, Arc::new(RealDisk)).await
}

fn stored(answer: &Answer, written: [u64; 3]) {
    let expected = (204, Some(written), "");
    assert_eq!((answer.status, answer.written, answer.text.as_str()), expected);
}

fn histogram(timestamp: i64) -> Histogram {
    Histogram {
        count: Some(Count::Int(3)),
        sum: 4.5,
        schema: 3,
        positive_spans: vec![BucketSpan { offset: 1, length: 2 }],
        positive_deltas: vec![1, 1],
        timestamp,
        ..Histogram::default()
    }
}

/// Histogram with custom bounds.
fn custom(timestamp: i64) -> Histogram {
    Histogram { schema: -53, custom_values: vec![1.0, 2.0, 5.0], ..histogram(timestamp) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_pass_bit_for_bit() {
    let receiver = start(Limits::default()).await;
    let bits = [
        1.0f64.to_bits(),
        0,
        0x8000_0000_0000_0000, // -0.0
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        0x7ff8_0000_0000_0001, // Go's NaN
        0xfff8_0000_dead_beef, // a NaN with a payload
        f64::MIN_POSITIVE.to_bits(),
        f64::MAX.to_bits(),
        STALE_NAN_BITS,
    ];
    let rows: Vec<(i64, u64)> = (NOW_MS..).zip(bits).collect();
    let floats: Vec<_> = rows.iter().map(|(t, b)| (*t, f64::from_bits(*b))).collect();
    // -0.0 counts as the default value for prost's encoder, so it goes out by 1.0 and as 0.
    let answer = receiver.send1(vec![series1(&[("__name__", "one")], &floats)]).await;
    assert_eq!((answer.status, answer.written), (204, None), "{}", answer.text);
    let request = floats
        .iter()
        .fold(Builder::new().series(&[("__name__", "two")]), |b, (t, v)| b.sample(*t, *v, 0));
    stored(&receiver.send2(request.0).await, [10, 0, 0]);
    let expected: Vec<_> =
        rows.iter().map(|(t, b)| (*t, if *b == 1 << 63 { 0 } else { *b })).collect();
    let found = receiver.read("default").await;
    assert_eq!(found.floats["one"], expected);
    assert_eq!(found.floats["two"], expected);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_of_every_kind_are_kept() {
    let receiver = start(Limits::default()).await;
    let request = Builder::new()
        .series(&[("zone", "x"), ("__name__", "m"), ("a", "line\nbreak"), ("empty", "")])
        .sample(NOW_MS, 1.0, 0)
        .series(&[("__name__", "http.server.duration"), ("service.name", "a b"), ("ü", "\"\\")])
        .sample(NOW_MS, 2.0, 0);
    stored(&receiver.send2(request.0).await, [2, 0, 0]);
    let found = receiver.read("default").await;
    let names: Vec<&str> = found.floats.keys().map(String::as_str).collect();
    let quoted =
        "{__name__=\"http.server.duration\", \"service.name\"=\"a b\", \"ü\"=\"\\\"\\\\\"}";
    let plain = "m{a=\"line\\nbreak\", zone=\"x\"}";
    assert_eq!(names, [plain, quoted]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_series_fails_the_request_and_not_the_others() {
    let receiver = start(Limits::default()).await;
    let request = Builder::new()
        .series(&[("__name__", "a")])
        .sample(NOW_MS, 1.0, 0)
        .series(&[("job", "no name")])
        .sample(NOW_MS, 1.0, 0)
        .series(&[("__name__", "b")])
        .sample(NOW_MS, 2.0, 0)
        .series(&[("__name__", "c")])
        .sample(NOW_MS, 3.0, 0);
    // The second time all labels are known.
    for _ in 0..2 {
        let answer = receiver.send2(request.0.clone()).await;
        assert_eq!((answer.status, answer.written), (400, Some([3, 0, 0])));
        assert_eq!(
            answer.text,
            "1 rows rejected, 3 stored\nseries 1 {job=\"no name\"}: label \"__name__\" is missing or \
             empty\n"
        );
    }
    // 1.0 never has the headers.
    let bad = vec![series1(&[("__name__", "d")], &[(NOW_MS, 1.0)]), series1(&[], &[(NOW_MS, 1.0)])];
    let answer = receiver.send1(bad).await;
    assert_eq!((answer.status, answer.written), (400, None));
    let found = receiver.read("default").await;
    assert_eq!(found.floats.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exemplars_and_metadata_need_a_sample_in_2_0() {
    let receiver = start(Limits::default()).await;
    for request in [
        Builder::new().series(&[("__name__", "a")]).exemplar("t1", 1.0, NOW_MS),
        Builder::new().series(&[("__name__", "a")]).metadata(1, "help", ""),
    ] {
        let answer = receiver.send2(request.0).await;
        assert_eq!((answer.status, answer.written), (400, Some([0, 0, 0])));
        let problem = "series 0 {__name__=\"a\"}: neither a sample nor a histogram";
        assert!(answer.text.contains(problem), "{}", answer.text);
    }
    assert_eq!(receiver.read("default").await.floats.len(), 0);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_histograms_and_exemplars_are_counted_apart() {
    let receiver = start(Limits::default()).await;
    let mut request = Builder::new()
        .series(&[("__name__", "requests_total")])
        .metadata(1, "Requests.", "")
        .exemplar("t1", 5.0, NOW_MS - 5)
        .exemplar("t2", 6.0, NOW_MS);
    for n in 0..100 {
        request = request.sample(NOW_MS - 99 + n, n as f64, NOW_MS - 1000);
    }
    request = request.series(&[("__name__", "latency")]).metadata(3, "Latency.", "seconds");
    for n in 0..20 {
        request = request.histogram(histogram(NOW_MS - 19 + n));
    }
    request = request
        .series(&[("__name__", "nhcb")])
        .histogram(custom(NOW_MS))
        .exemplar("t3", 1.5, NOW_MS);
    stored(&receiver.send2(request.0).await, [100, 21, 3]);

    let found = receiver.read("default").await;
    assert_eq!(found.floats["requests_total"].len(), 100);
    assert_eq!(found.starts["requests_total"], vec![NOW_MS - 1000; 100]);
    assert_eq!(found.histograms["latency"].len(), 20);
    let (time_ms, nhcb) = &found.histograms["nhcb"][0];
    assert_eq!(
        (*time_ms, nhcb.schema, nhcb.bounds.as_slice()),
        (NOW_MS, -53, &[1.0, 2.0, 5.0][..])
    );
    assert_eq!(nhcb.counts, Counts::Int { count: 3, zero: 0, buckets: vec![1, 2] });
    let families = receiver.families().await;
    assert_eq!(families["requests_total"].metric_type, MetricType::Counter);
    assert_eq!((&*families["latency"].unit, &*families["latency"].help), ("seconds", "Latency."));
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_histogram_that_does_not_add_up_is_rejected() {
    let receiver = start(Limits::default()).await;
    let bad = Histogram { count: Some(Count::Int(4)), ..histogram(NOW_MS) };
    let request =
        Builder::new().series(&[("__name__", "h")]).histogram(bad).histogram(histogram(NOW_MS));
    let answer = receiver.send2(request.0).await;
    assert_eq!((answer.status, answer.written), (400, Some([0, 1, 0])));
    let problem =
        "series 0 {__name__=\"h\"}: histogram count is 4, its buckets hold 3 observations";
    assert!(answer.text.contains(problem), "{}", answer.text);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_samples_come_together() {
    let receiver = start(Limits::default()).await;
    let hour = 3_600_000;
    let times = |times: &[i64]| times.iter().map(|t| (*t, 1.0)).collect::<Vec<_>>();
    let send =
        |samples: Vec<(i64, f64)>| receiver.send1(vec![series1(&[("__name__", "m")], &samples)]);
    // An hour back after now is inside the window of two hours; so is a back-fill of a new series.
    assert_eq!(send(times(&[NOW_MS, NOW_MS - hour])).await.status, 204);
    let answer = send(times(&[NOW_MS - 3 * hour, NOW_MS + 1])).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.starts_with("1 rows rejected, 1 stored\nseries 0"), "{}", answer.text);
    assert!(answer.text.contains("is out of order, oldest accepted is"), "{}", answer.text);
    let answer = send(times(&[NOW_MS + 600_001])).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("is in the future, newest accepted is"), "{}", answer.text);
    let answer = send(times(&[i64::MIN])).await;
    assert!(answer.status == 400 && answer.text.contains("is before"), "{}", answer.text);
    let ancient = vec![series1(&[("__name__", "ancient")], &times(&[1]))];
    assert_eq!(receiver.send1(ancient).await.status, 204);
    let found = receiver.read("default").await;
    let at: Vec<i64> = found.floats["m"].iter().map(|(t, _)| *t).collect();
    assert_eq!(at, [NOW_MS - hour, NOW_MS, NOW_MS + 1]);
    receiver.stop().await;
}

/// ORD-1, and that a request sent again changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resent_samples_collapse_and_the_last_value_wins() {
    let receiver = start(Limits::default()).await;
    let send = |value: f64| receiver.send1(vec![series1(&[("__name__", "m")], &[(NOW_MS, value)])]);
    for value in [1.0, 1.0, 2.0, 3.0] {
        assert_eq!(send(value).await.status, 204);
    }
    let found = receiver.read("default").await;
    assert_eq!(found.floats["m"], [(NOW_MS, 3.0f64.to_bits())]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exemplars_out_of_order_fail_2_0_only() {
    let receiver = start(Limits::default()).await;
    let series = || Builder::new().series(&[("__name__", "m")]).sample(NOW_MS, 1.0, 0);
    stored(&receiver.send2(series().exemplar("t1", 1.0, NOW_MS).0).await, [1, 0, 1]);
    let answer = receiver.send2(series().exemplar("t0", 1.0, NOW_MS - 1).0).await;
    assert_eq!((answer.status, answer.written), (400, Some([1, 0, 0])));
    assert!(answer.text.contains("exemplar: sample time"), "{}", answer.text);
    let mut one = series1(&[("__name__", "m")], &[(NOW_MS, 1.0)]);
    one.exemplars.push(exemplar1("t0", 1.0, NOW_MS - 1));
    assert_eq!(receiver.send1(vec![one]).await.status, 204);
    // Others never fail a request.
    let long = "x".repeat(2000);
    stored(&receiver.send2(series().exemplar(&long, 1.0, NOW_MS).0).await, [1, 0, 0]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_is_kept_by_family() {
    let receiver = start(Limits::default()).await;
    let metadata = |family: &str, kind: i32, help: &str| MetricMetadata {
        kind,
        family: family.as_bytes().to_vec(),
        help: help.as_bytes().to_vec(),
        unit: Vec::new(),
    };
    for help in ["first", "second", "second"] {
        let metadata = vec![metadata("up", 2, help), metadata("", 1, "no name")];
        let request = WriteRequest { timeseries: Vec::new(), metadata };
        let body = compressed(&request.encode_to_vec());
        assert_eq!(receiver.send("default", &[], body.into()).await.status, 204);
    }
    let mut request = Builder::new();
    for name in ["request_seconds_bucket", "request_seconds_count", "request_seconds_sum"] {
        request =
            request.series(&[("__name__", name)]).sample(NOW_MS, 1.0, 0).metadata(3, "Time.", "");
    }
    stored(&receiver.send2(request.0).await, [3, 0, 0]);
    let families = receiver.families().await;
    assert_eq!(families.keys().collect::<Vec<_>>(), ["request_seconds", "up"]);
    assert_eq!((&*families["up"].help, families["up"].metric_type), ("second", MetricType::Gauge));
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_encodings_and_bodies_that_are_none() {
    let receiver = start(Limits::default()).await;
    let good = WriteRequest {
        timeseries: vec![series1(&[("__name__", "m")], &[(NOW_MS, 1.0)])],
        metadata: Vec::new(),
    }
    .encode_to_vec();
    let good = compressed(&good);
    for (headers, status) in [
        (vec![("content-type", "application/json")], 415),
        (vec![("content-type", "image/png")], 415),
        (vec![("content-type", "application/x-protobuf;proto=a.B")], 415),
        (vec![("content-encoding", "gzip")], 415),
        (vec![("content-encoding", "deflate")], 415),
        (vec![("content-type", "application/x-protobuf"), ("content-encoding", "snappy")], 204),
        (vec![], 204),
    ] {
        let answer = receiver.send("default", &headers, good.clone().into()).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text);
    }
    let two = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    for body in [vec![], b"not snappy".to_vec(), compressed(b"not protobuf"), good[..20].to_vec()] {
        let one = receiver.send("default", &[], body.clone().into()).await;
        assert_eq!((one.status, one.written), (400, None), "{}", one.text);
        let two = receiver.send("default", &[two], body.into()).await;
        assert_eq!((two.status, two.written), (400, Some([0, 0, 0])), "{}", two.text);
    }
    let empty = receiver.send("default", &[two], compressed(b"").into()).await;
    stored(&empty, [0, 0, 0]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_over_the_limits() {
    let receiver = start(Limits::default()).await;
    let announced = [("content-length", "33554433")];
    let answer = receiver.send("default", &announced, Body::empty()).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert_eq!(answer.text, "request body is 33554433 bytes or more, limit is 32MiB\n");
    let frames = (0..33).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1 << 20]));
    let endless = Body::from_stream(stream::iter(frames));
    assert_eq!(receiver.send("default", &[], endless).await.status, 413);
    let zeros = compressed(&vec![0; (32 << 20) + 1]);
    let answer = receiver.send("default", &[], zeros.into()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("declares 33554433 decompressed bytes, limit is 32MiB"));
    assert_eq!(receiver.metrics("tarn_ingest_inflight_bytes "), ["tarn_ingest_inflight_bytes 0"]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_over_their_rate_are_told_when_to_come_again() {
    let limits = Limits {
        ingest_rate: Rate::PerSecond(ByteSize(10)),
        ingest_burst: ByteSize(50),
        ..Limits::default()
    };
    let receiver = start(limits).await;
    let send = || receiver.send1(vec![series1(&[("__name__", "m")], &[(NOW_MS, 1.0)]); 10]);
    assert_eq!(send().await.status, 204);
    let answer = send().await;
    assert_eq!(answer.status, 429);
    let told =
        "tenant \"default\" sends more than 10B/s (ingest.rate), this request has 350 bytes\n";
    assert_eq!(answer.text, told);
    let wait = answer.retry_after.expect("a wait");
    assert!((15..=35).contains(&wait), "{wait} s");
    receiver.clock.advance_to(std::time::Duration::from_secs(40));
    assert_eq!(send().await.status, 204);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_is_503_with_a_wait() {
    let receiver = start(Limits::default()).await;
    let mut others = receiver.ingest.admission().permit();
    others.grow((256 << 20) - 100).expect("fits");
    let answer = receiver.send1(vec![series1(&[("__name__", "m")], &[(NOW_MS, 1.0)])]).await;
    assert_eq!(answer.status, 503);
    assert!(answer.retry_after.is_some_and(|s| s >= 1), "{:?}", answer.retry_after);
    drop(others);
    let answer = receiver.send1(vec![series1(&[("__name__", "m")], &[(NOW_MS, 1.0)])]).await;
    assert_eq!(answer.status, 204);
    receiver.stop().await;
}

/// DUR-3, as a sender sees it: what could not be synced is refused for now, and sent again it is
/// there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_503_and_the_same_request_succeeds_later() {
    let disk = SimDisk::new(7);
    let receiver = Receiver::start(Limits::default(), Arc::new(disk.clone())).await;
    let send = |value| receiver.send1(vec![series1(&[("__name__", "m")], &[(NOW_MS, value)])]);
    assert_eq!(send(1.0).await.status, 204);
    // A sync of the background may take the failure; then the request is stored, and the next one
    // tries again.
    let (mut value, mut answer) = (1.0, None);
    while answer.is_none() {
        assert!(value < 50.0, "no sync of the log failed");
        disk.fail_syncs(1);
        value += 1.0;
        answer = Some(send(value).await).filter(|a| a.status != 204);
    }
    let answer = answer.expect("the loop ends with one");
    assert_eq!((answer.status, answer.written), (503, None), "{}", answer.text);
    assert!(answer.retry_after.is_some_and(|s| s >= 1), "{:?}", answer.retry_after);
    let stored = f64::to_bits(value - 1.0);
    assert_eq!(receiver.read("default").await.floats["m"], [(NOW_MS, stored)]);
    let mut tries = 0;
    while send(value).await.status != 204 {
        tries += 1;
        assert!(tries < 500, "writes never came back");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(receiver.read("default").await.floats["m"], [(NOW_MS, value.to_bits())]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_beyond_the_limit_are_rejected_and_known_ones_stay() {
    let receiver = start(Limits { series_max: Some(3), ..Limits::default() }).await;
    let series = |n: usize| series1(&[("__name__", "m"), ("n", &n.to_string())], &[(NOW_MS, 1.0)]);
    assert_eq!(receiver.send1((0..3).map(series).collect()).await.status, 204);
    for _ in 0..2 {
        let answer = receiver.send1((0..20).map(series).collect()).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.starts_with("17 rows rejected, 3 stored\n"), "{}", answer.text);
        assert!(
            answer.text.contains("active series, limit is 3 (metrics.series_max)"),
            "{}",
            answer.text
        );
    }
    assert_eq!(receiver.read("default").await.floats.len(), 3);
    let line = receiver.metrics("tarn_ingest_rejected_rows_total");
    let labels = "signal=\"metrics\",protocol=\"remote_write_1\",reason=\"series_limit\"";
    assert_eq!(line, [format!("tarn_ingest_rejected_rows_total{{{labels}}} 34")]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_do_not_see_each_other() {
    let receiver = start(Limits::default()).await;
    for (tenant, value) in [("a", 1.0), ("b", 2.0)] {
        let series = series1(&[("__name__", "m")], &[(NOW_MS, value)]);
        let request = WriteRequest { timeseries: vec![series], metadata: Vec::new() };
        let body = compressed(&request.encode_to_vec());
        assert_eq!(receiver.send(tenant, &[], body.into()).await.status, 204);
    }
    for (tenant, value) in [("a", 1.0f64), ("b", 2.0)] {
        let found = receiver.read(tenant).await;
        assert_eq!(found.floats["m"], [(NOW_MS, value.to_bits())]);
    }
    assert_eq!(receiver.read("default").await.floats.len(), 0);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_requests_are_decoded_aside_and_stored_whole() {
    let receiver = start(Limits::default()).await;
    let series = |n: usize| {
        let samples: Vec<_> = (0..20).map(|t| (NOW_MS - 20 + t, (n as i64 + t) as f64)).collect();
        series1(&[("__name__", "m"), ("instance", &format!("host-{n}"))], &samples)
    };
    let answer = receiver.send1((0..5_000).map(series).collect()).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let found = receiver.read("default").await;
    assert_eq!(found.floats.len(), 5_000);
    assert_eq!(found.floats.values().map(Vec::len).sum::<usize>(), 100_000);
    let rows = receiver.metrics("tarn_ingest_rows_total");
    let labels = "signal=\"metrics\",protocol=\"remote_write_1\"";
    assert_eq!(rows, [format!("tarn_ingest_rows_total{{{labels}}} 100000")]);
    let misses = receiver.metrics("tarn_ingest_key_cache_misses_total");
    assert_eq!(misses, ["tarn_ingest_key_cache_misses_total 5000"]);
    receiver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_this_process_take_the_same_way() {
    let receiver = start(Limits::default()).await;
    let metadata = Metadata { metric_type: MetricType::Gauge, unit: "".into(), help: "Up.".into() };
    let rows = || {
        let series = |pairs: &[(&str, &str)]| own::Series {
            labels: LabelSet::from_pairs(pairs),
            samples: vec![(NOW_MS - 1, 1.0), (NOW_MS, 2.0)],
            metadata: metadata.clone(),
        };
        vec![series(&[("__name__", "tarn_up")]), series(&[("job", "x")])]
    };
    let tenant = TenantId::parse("_tarn").expect("valid");
    for _ in 0..2 {
        let accepted = receiver.ingest.accept(&tenant, rows()).await.expect("accepted");
        assert_eq!((accepted.written.samples, accepted.rejected), (2, 2));
        let problems = accepted.problems.expect("problems");
        assert!(problems.contains("label \"__name__\" is missing"), "{problems}");
    }
    let found = receiver.read("_tarn").await;
    let expected = [(NOW_MS - 1, 1.0f64.to_bits()), (NOW_MS, 2.0f64.to_bits())];
    assert_eq!(found.floats["tarn_up"], expected);
    receiver.stop().await;
}
