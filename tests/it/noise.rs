//! Random and mutated requests at every endpoint of every signal. The routes are read from the table
//! in the source, so a new one is among them without being named here: whatever comes, the answer is
//! a documented code with a body in the endpoint's own form; the process neither panics nor ends.
//!
//! The seed is printed; `TARN_SEED` repeats a run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use http::Method;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use std::io::Write as _;
use tarn_testkit::grpc::{Grpc, frame};
use tarn_testkit::http::Answer;
use tarn_testkit::otlp;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, compress, encode_v1, encode_v2};

use crate::{TARN, data_folder, now_ms, seconds};

/// Requests per path.
const CASES: u64 = 60;

/// Codes that are documented; each endpoint uses some.
const CODES: [u16; 19] =
    [200, 204, 302, 400, 401, 403, 404, 405, 408, 413, 414, 415, 421, 422, 429, 431, 499, 503, 505];

/// A row of `src/routes.rs`.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) methods: Vec<Method>,
    handler: String,
}

/// Reads the table. A row is one line: `route("/path", Methods::X, Role::Y, BodyLimit::Z, Handler::H),`.
pub(crate) fn routes() -> Result<Vec<Route>> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("cargo runs the tests")?;
    let text = std::fs::read_to_string(PathBuf::from(here).join("src/routes.rs"))?;
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("route(\""));
    let routes: Vec<Route> = rows
        .filter_map(|row| {
            let (path, rest) = row.split_once('"')?;
            let (_, handler) = rest.split_once("Handler::")?;
            let methods = match rest {
                _ if rest.contains("Methods::GetAndPost") => vec![Method::GET, Method::POST],
                _ if rest.contains("Methods::Post") => vec![Method::POST],
                _ => vec![Method::GET],
            };
            Some(Route { path: path.to_owned(), methods, handler: handler.to_owned() })
        })
        .collect();
    ensure!(routes.len() > 30, "the table of routes has {} rows", routes.len());
    Ok(routes)
}

/// xorshift: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    /// Flips, cuts, repeats, splices or puts bytes in.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let (from, to) = (self.below(bytes.len()), self.below(bytes.len()));
            let (from, to) = (from.min(to), from.max(to));
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[from] ^= 1 << self.below(8),
                1 => bytes.truncate(to),
                2 => {
                    let again = bytes[from..to].to_vec();
                    bytes.splice(to..to, again);
                }
                3 => {
                    bytes.truncate(from);
                    bytes.extend_from_slice(&other[self.below(other.len())..]);
                }
                4 => {
                    let noise = self.bytes(12);
                    bytes.splice(from..from, noise);
                }
                _ => drop(bytes.drain(from..to)),
            }
        }
    }
}

const TEXTS: &[&str] = &[
    "",
    "up",
    "{}",
    "sum by (a) (rate(x[5m]))",
    "x offset -5m @ end()",
    "{__name__=~\".*\"}",
    "((((",
    "1/0",
    "quantile(0.9, x)",
    "\"\\u0000\"",
    "SELECT * FROM logs",
    "SELECT 1/0",
    "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM a) SELECT * FROM a LIMIT 3",
    "SELECT * FROM samples, logs",
    "EXPLAIN ANALYZE SELECT count(*) FROM spans",
    "; DROP TABLE logs",
    "service:x -error",
    "status>=500 \"a b\"",
    "duration>1s",
    "/a{1000}{1000}/",
    "0",
    "-1",
    "1e999",
    "NaN",
    "2026-01-01T00:00:00Z",
    "9223372036854775807",
    "-9223372036854775808",
    "5m",
    "1y",
    "0s",
    "00000000000000000000000000000001",
    "%00",
    "%ff%fe",
    "🦀",
    "true",
    "all",
    "*",
    "a=b&c",
    "[]",
];

const NAMES: &[&str] = &[
    "query",
    "q",
    "time",
    "start",
    "end",
    "step",
    "timeout",
    "limit",
    "match[]",
    "metric",
    "format",
    "lookback_delta",
    "stats",
    "sql",
    "tenant",
    "signal",
    "older_than",
    "dry_run",
    "verbose",
    "x",
    "explain",
    "limit_per_metric",
];

const TYPES: &[&str] = &[
    "application/x-protobuf",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/grpc",
    "application/grpc+json",
    "text/plain",
    "text/plain; charset=utf-16",
    "",
    "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "multipart/form-data",
    "*/*",
    "application/x-protobuf;proto=unknown.Message",
    "application/json; charset=\"",
    ";;;",
];

const ENCODINGS: &[&str] =
    &["", "gzip", "zstd", "deflate", "snappy", "identity", "br", "gzip, gzip", "GZIP", "\t"];

/// Bodies that are right, by handler.
fn seeds(handler: &str) -> Vec<Vec<u8>> {
    let (ms, ns) = (now_ms(), now_ms() as u64 * 1_000_000);
    let series = [
        Series::of(&[("__name__", "noise"), ("a", "b")], vec![(ms, 1.0), (ms + 1, f64::NAN)]),
        Series::of(&[("__name__", "other"), ("le", "0.5")], vec![(ms, -0.0)]),
    ];
    let record = otlp::record(ns, "text", vec![otlp::text("k", "v"), otlp::int("n", 7)]);
    let logs = otlp::logs("noise", vec![record]);
    let spans = otlp::spans("noise", vec![otlp::span(9, 1, 0, "root", ns, 10)]);
    let mut seeds = vec![
        encode_v1(&series),
        encode_v2(&series),
        logs.encode_to_vec(),
        spans.encode_to_vec(),
        metrics(ns).encode_to_vec(),
    ];
    if handler.starts_with("Otlp") {
        let texts = [
            serde_json::to_vec(&logs),
            serde_json::to_vec(&spans),
            serde_json::to_vec(&metrics(ns)),
        ];
        seeds.extend(texts.into_iter().flatten());
    }
    seeds.push(b"query=sum(noise)&time=0&start=0&end=10&step=1&match[]=noise".to_vec());
    seeds.push(b"SELECT * FROM logs WHERE attributes['k'] = 'v' LIMIT 5".to_vec());
    let asked =
        json!({ "query": "SELECT 1", "params": [1, "x"], "format": "json", "timeout": "1s" });
    seeds.push(asked.to_string().into_bytes());
    seeds
}

/// One gauge, one histogram, one exponential histogram.
fn metrics(ns: u64) -> ExportMetricsServiceRequest {
    let point = json!({ "timeUnixNano": ns.to_string(), "asDouble": 1.5,
        "attributes": [{ "key": "a", "value": { "stringValue": "b" } }] });
    let histogram = json!({ "timeUnixNano": ns.to_string(), "count": "3", "sum": 4.0,
        "bucketCounts": ["1", "2"], "explicitBounds": [1.0] });
    let exponential = json!({ "timeUnixNano": ns.to_string(), "count": "3", "sum": 4.0, "scale": 2,
        "zeroCount": "1", "positive": { "offset": 1, "bucketCounts": ["1", "1"] } });
    let text = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
        { "name": "g", "gauge": { "dataPoints": [point] } },
        { "name": "h", "histogram": { "aggregationTemporality": 2, "dataPoints": [histogram] } },
        { "name": "e", "exponentialHistogram":
            { "aggregationTemporality": 2, "dataPoints": [exponential] } },
    ] }] }] });
    serde_json::from_value(text).unwrap_or_default()
}

fn packed(dice: &mut Dice, encoding: &str, body: &[u8]) -> Vec<u8> {
    let level = Compression::fast();
    let packed = match encoding {
        "gzip" | "GZIP" => {
            let mut out = GzEncoder::new(Vec::new(), level);
            out.write_all(body).and_then(|()| out.finish()).unwrap_or_default()
        }
        "deflate" => {
            let mut out = DeflateEncoder::new(Vec::new(), level);
            out.write_all(body).and_then(|()| out.finish()).unwrap_or_default()
        }
        "zstd" => zstd::encode_all(body, 1).unwrap_or_default(),
        "snappy" => compress(body).unwrap_or_default(),
        _ => body.to_vec(),
    };
    // Sometimes the header lies.
    if dice.one_in(8) { body.to_vec() } else { packed }
}

/// One request.
#[derive(Debug, Clone)]
struct Noise {
    method: Method,
    pub(crate) path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

fn noise(dice: &mut Dice, route: &Route, seeds: &[Vec<u8>]) -> Noise {
    let odd = [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH];
    let method = if dice.one_in(12) { dice.pick(&odd) } else { dice.pick(&route.methods) }.clone();
    let mut headers =
        vec![("x-scope-orgid", *dice.pick(&["noise", "noise", "noise", "../x", "a|b"]))];
    let (kind, mut encoding) = (*dice.pick::<&str>(TYPES), *dice.pick::<&str>(ENCODINGS));
    let kind = match route.handler.as_str() {
        _ if dice.one_in(3) => kind,
        h if h.starts_with("Otlp") => *dice.pick(&["application/x-protobuf", "application/json"]),
        h if h.starts_with("RemoteWrite") => "application/x-protobuf",
        _ => *dice.pick(&["application/x-www-form-urlencoded", "application/json"]),
    };
    if route.handler.starts_with("RemoteWrite") && !dice.one_in(4) {
        encoding = "snappy";
    }
    headers.extend([("content-type", kind), ("content-encoding", encoding)]);
    if dice.one_in(6) {
        headers.push(*dice.pick(&[
            ("accept", "application/openmetrics-text;version=1.0.0"),
            ("accept-encoding", "identity;q=0.5, *;q=0"),
            ("traceparent", "00-00000000000000000000000000000000-0000000000000000-01"),
            ("host", "evil.example.org"),
            ("origin", "http://evil.example.org"),
            ("expect", "100-continue"),
            ("grpc-timeout", "1n"),
        ]));
    }
    let mut body = dice.pick(seeds).clone();
    match dice.below(4) {
        0 => body = dice.bytes(300),
        1 => {}
        _ => {
            let other = dice.pick(seeds).clone();
            dice.mutate(&mut body, &other);
        }
    }
    body = packed(dice, encoding, &body);
    if dice.one_in(4) {
        dice.mutate(&mut body, &[0xff; 16]);
    }
    let path = filled(dice, &route.path);
    Noise { method, path, headers, body }
}

/// Fills the placeholders of a path, and adds a query string.
fn filled(dice: &mut Dice, path: &str) -> String {
    let part = |text: &str| -> String {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
    };
    let mut full = String::new();
    for (number, piece) in path.split(['{', '}']).enumerate() {
        full.push_str(&if number % 2 == 0 {
            piece.to_owned()
        } else {
            part(dice.pick::<&str>(TEXTS))
        });
    }
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for _ in 0..dice.below(5) {
        let name = *dice.pick::<&str>(NAMES);
        form.append_pair(name, dice.pick::<&str>(TEXTS));
    }
    let query = form.finish();
    if dice.one_in(20) { format!("{full}?%zz&=&&&{query}=%") } else { format!("{full}?{query}") }
}

/// Checks code and form of an answer.
fn check(route: &Route, asked: &Noise, answer: &Answer) -> Result<()> {
    let told = || format!("{asked:?}: {} {:?}", answer.status, answer.text());
    ensure!(CODES.contains(&answer.status), "an undocumented code: {}", told());
    // A query that ran out of time is told as upstream tells it.
    let slow = answer.text().contains("\"errorType\":\"timeout\"");
    if (answer.status == 503 && !slow) || answer.status == 429 {
        ensure!(answer.headers.contains_key("retry-after"), "no Retry-After: {}", told());
    }
    if answer.status < 400 {
        return Ok(());
    }
    ensure!(!answer.body.is_empty() && answer.body.len() < 64 << 10, "an odd body: {}", told());
    let refused = [403, 405, 414, 421].contains(&answer.status);
    let kind = answer.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
    let handler = route.handler.as_str();
    if handler.starts_with("OtlpGrpc") || handler.starts_with("GrpcHealth") {
        return Ok(());
    }
    // A browser follows these as links, so what is wrong is a page.
    if !refused && handler.contains("Oidc") {
        ensure!(kind.starts_with("text/html"), "{kind}: {}", told());
        return Ok(());
    }
    if !refused && handler.starts_with("RemoteWrite") && answer.status != 401 {
        ensure!(kind.starts_with("text/plain") || kind.contains("json"), "{kind}: {}", told());
    } else if !refused && handler.starts_with("OtlpHttp") {
        if kind.contains("json") {
            ensure!(answer.json()?["message"].is_string(), "no message: {}", told());
        } else {
            ensure!(kind == "application/x-protobuf", "{kind}: {}", told());
        }
    } else if !matches!(
        handler.split(['(', ')']).next(),
        Some("Ready" | "Live" | "Healthy" | "Root")
    ) {
        let json: Value = answer.json().with_context(told)?;
        // Alertmanager's interface answers the text alone.
        if handler.starts_with("Alertmanager(") && json.is_string() {
            return Ok(());
        }
        ensure!(json["status"] == "error" && json["error"].is_string(), "no error: {}", told());
    }
    Ok(())
}

/// What ends only when the client goes.
const TAIL: &str = "/logs/tail";

fn patience(route: &Route) -> Duration {
    Duration::from_millis(if route.path.ends_with(TAIL) { 100 } else { 60_000 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_survives_noise() -> Result<()> {
    let seed = std::env::var_os("TARN_SEED").and_then(|text| text.to_str()?.parse().ok());
    let seed = seed.unwrap_or(now_ms() as u64 | 1);
    println!("TARN_SEED={seed}");
    let temporary = tempfile::tempdir()?;
    let flags = ["--query.sql-timeout", "2s", "--query.timeout", "2s"];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    let now = now_ms();
    let keeper = [("content-encoding", "snappy"), ("x-scope-orgid", "keeper")];
    let good = compress(&encode_v1(&[Series::of(&[("__name__", "kept")], vec![(now, 42.0)])]))?;
    ensure!(tarn.http.send(Method::POST, "/api/v1/write", &keeper, good).await?.status == 204);

    let mut dice = Dice(seed);
    let grpc = Grpc::new(&tarn.address);
    for route in routes()? {
        let seeds = seeds(&route.handler);
        for _ in 0..CASES {
            let asked = noise(&mut dice, &route, &seeds);
            let Noise { method, path, headers, body } = asked.clone();
            let sent = tarn.http.send(method, &path, &headers, body);
            let Ok(answer) = tokio::time::timeout(patience(&route), sent).await else {
                ensure!(route.path.ends_with(TAIL), "no answer: {asked:?}");
                continue;
            };
            check(&route, &asked, &answer.with_context(|| format!("{asked:?}"))?)?;
        }
        if route.handler.starts_with("OtlpGrpc") || route.handler.starts_with("GrpcHealth") {
            calls(&mut dice, &grpc, &route, &seeds).await?;
        }
    }
    let path = format!("/api/v1/query?query=kept&time={}", seconds(now));
    let kept = tarn.http.send(Method::GET, &path, &[("x-scope-orgid", "keeper")], "").await?;
    ensure!(kept.json()?["data"]["result"][0]["value"][1] == "42", "{}", kept.text());
    let metrics = tarn.http.get("/metrics", &[]).await?.text();
    ensure!(metrics.contains("\ntarn_http_panics_total 0\n"), "a handler panicked");
    let lines = tarn.unexpected_lines(&["limits", "slow"]);
    ensure!(lines.is_empty(), "unexpected lines in the log: {lines:#?}");
    Ok(())
}

/// Mutated calls: each ends with a status of gRPC that is not a bug of ours.
async fn calls(dice: &mut Dice, grpc: &Grpc, route: &Route, seeds: &[Vec<u8>]) -> Result<()> {
    for _ in 0..CASES {
        let encoding = *dice.pick(&["identity", "gzip", "zstd", "br", ""]);
        let mut message = dice.pick(seeds).clone();
        if !dice.one_in(4) {
            let other = dice.pick(seeds).clone();
            dice.mutate(&mut message, &other);
        }
        let message = packed(dice, encoding, &message);
        let mut frames = frame(encoding != "identity" && !dice.one_in(8), &message);
        if dice.one_in(4) {
            dice.mutate(&mut frames, &[0; 16]);
        }
        let headers = [("grpc-encoding", encoding), ("x-scope-orgid", "noise")];
        let ended = grpc.call(&route.path, &headers, Bytes::from(frames.clone())).await;
        let ended = ended.with_context(|| format!("{} {headers:?} {frames:?}", route.path))?;
        // OK, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE; and
        // INTERNAL, which gRPC wants for frames that are none.
        let fine = [0, 3, 5, 8, 12, 13, 14].contains(&ended.code());
        ensure!(ended.http == 200 && fine, "{} {frames:?}: {ended:?}", route.path);
    }
    Ok(())
}
