//! Requests that nobody means well: random parameters, clients that go away, too many at once.

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use std::time::Duration;
use tarn_model::limits::Limits;

use crate::support::{NOW_MS, World, float};

/// A generator of numbers for random requests; the seed is in the message of a failure.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const PATHS: [&str; 11] = [
    "/query",
    "/query_range",
    "/format_query",
    "/labels",
    "/label/job/values",
    "/label/U___2e_/values",
    "/label/%ff%00/values",
    "/series",
    "/metadata",
    "/status/buildinfo",
    "/status/runtimeinfo",
];

const NAMES: [&str; 13] = [
    "query",
    "time",
    "start",
    "end",
    "step",
    "timeout",
    "limit",
    "match[]",
    "lookback_delta",
    "stats",
    "metric",
    "limit_per_metric",
    "unknown",
];

const VALUES: [&str; 30] = [
    "",
    "0",
    "-1",
    "1",
    "1e308",
    "-1e308",
    "NaN",
    "Inf",
    "1700000000",
    "1700000000.123",
    "15s",
    "5m",
    "1y",
    "9999999999y",
    "2023-11-14T22:13:20Z",
    "9999-12-31T23:59:59.999999999+14:00",
    "-292273086-05-16T16:47:06Z",
    "292277025-08-18T07:12:54.999999999Z",
    "up",
    "up[5m]",
    "rate(up[5m])",
    "sum by (job) (up) + 1",
    "{}",
    "{job=~\".+\"}",
    "up offset 10000y",
    "up @ 1e300",
    "((((",
    "\u{0}",
    "%ff",
    "18446744073709551616",
];

#[tokio::test]
async fn random_parameters_never_break_anything() {
    let world = World::new().await;
    world.write(|a| float(a, &[("__name__", "up"), ("job", "a")], &[(NOW_MS, 1.0)])).await;
    for seed in 0..600 {
        let mut dice = Dice(seed);
        let path = dice.pick(&PATHS);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for _ in 0..dice.roll(8) {
            form.append_pair(dice.pick(&NAMES), dice.pick(&VALUES));
        }
        let request = format!("{path}?{}", form.finish());
        let answer = world.get(&request).await;
        let allowed = [200, 400, 422, 503];
        assert!(allowed.contains(&answer.status.as_u16()), "{seed}: {request}: {}", answer.line());
        let ok = answer.status == StatusCode::OK;
        assert_eq!(answer.json()["status"], if ok { "success" } else { "error" }, "{request}");
    }
}

/// A world with an answer that is larger than all buffers on its way.
async fn large(limits: Limits) -> (World, String) {
    (series(limits, 40).await, request("m"))
}

async fn series(limits: Limits, count: usize) -> World {
    let world = World::with(limits).await;
    let samples = [(NOW_MS - 60_000, 1.0)];
    world
        .write(|a| {
            for i in 0..count {
                float(a, &[("__name__", "m"), ("i", &i.to_string())], &samples);
            }
        })
        .await;
    world
}

fn request(query: &str) -> String {
    let (start, end) = (NOW_MS / 1000 - 60, NOW_MS / 1000 + 200);
    format!("/query_range?query={query}&start={start}&end={end}&step=0.1")
}

#[tokio::test]
async fn a_large_answer_comes_in_chunks_and_whole() {
    let (world, request) = large(Limits::default()).await;
    let response = world.send(Method::GET, &request, &[], axum::body::Body::empty()).await;
    let mut body = response.into_body();
    let (mut chunks, mut text) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
        chunks += 1;
    }
    assert!(chunks > 4, "{chunks}");
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let result = json["data"]["result"].as_array().unwrap();
    assert_eq!(result.len(), 40);
    assert!(result.iter().all(|s| s["values"].as_array().unwrap().len() == 2601));
}

#[tokio::test]
async fn memory_comes_back_when_a_client_stops_reading() {
    let (world, request) = large(Limits::default()).await;
    let response = world.send(Method::GET, &request, &[], axum::body::Body::empty()).await;
    assert!(!world.has_metric("tarn_query_memory_bytes 0"), "the answer waits to be read");
    assert!(world.has_metric("tarn_query_inflight 0"), "but needs no slot any more");
    drop(response);
    for _ in 0..200 {
        if world.has_metric("tarn_query_memory_bytes 0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("memory is still held");
}

#[tokio::test]
async fn a_query_beyond_its_memory_is_refused_with_the_limit() {
    // A quarter of it is a query's; the answer alone takes 1.7 MB.
    let memory_budget = tarn_model::units::ByteSize::mib(4);
    let (world, request) = large(Limits { memory_budget, ..Limits::default() }).await;
    let answer = world.get(&request).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.line());
    assert_eq!(answer.json()["errorType"], "execution");
    assert!(world.has_metric("tarn_query_memory_bytes 0"), "nothing stays reserved");
}

/// A world and a query that computes for seconds in it, series by series.
async fn heavy() -> (World, String) {
    let world = series(Limits::default(), 3000).await;
    (world, request("count(quantile_over_time(0.5,m%5B10m:1s%5D))"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_when_its_client_has_gone() {
    let (world, request) = heavy().await;
    let sent = world.send(Method::GET, &request, &[], axum::body::Body::empty());
    let gone = tokio::time::timeout(Duration::from_millis(50), sent).await;
    assert!(gone.is_err(), "the query is too light for this test");
    for _ in 0..1000 {
        if world.has_metric("tarn_query_cancelled_total{reason=\"canceled\"} 1") {
            assert!(world.has_metric("tarn_query_inflight 0"), "its slot is free");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the query runs on: {}", world.metrics("tarn_query"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_at_its_time_limit() {
    let (world, request) = heavy().await;
    let answer = world.get(&format!("{request}&timeout=50ms")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.line());
    assert_eq!(answer.json()["errorType"], "timeout");
    assert!(world.has_metric("tarn_query_cancelled_total{reason=\"timeout\"} 1"));
}
