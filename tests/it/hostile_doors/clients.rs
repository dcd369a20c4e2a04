//! The hostile clients: each goes on until its time is over, and says what it was answered.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use tarn_testkit::grpc::{Grpc, frame};
use tarn_testkit::http::Http;
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::compress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bodies;

/// No request of a hostile client is waited for longer.
const PATIENCE: Duration = Duration::from_secs(20);
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const SNAPPY: (&str, &str) = ("content-encoding", "snappy");

type Job = Pin<Box<dyn Future<Output = Told> + Send>>;

/// How often each answer came.
#[derive(Debug, Default)]
struct Told(BTreeMap<String, u64>);

impl Told {
    fn count(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }
}

/// One client with the address it goes to.
#[derive(Clone)]
struct Client {
    http: Http,
    address: String,
    grpc: String,
    time: Duration,
    until: Instant,
}

impl Client {
    /// Begins, its bodies made: packing them takes a while.
    fn ready(mut self) -> Self {
        self.until = Instant::now() + self.time;
        self
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    async fn send(
        &self,
        told: &mut Told,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: Bytes,
    ) {
        let asked = self.http.send(method, path, headers, body);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => told.count(&answer.status.to_string()),
            Ok(Err(_)) => told.count("closed"),
            Err(_) => told.count("no answer"),
        }
        // A client that comes back at once measures the test's own processor.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets all of them loose, and returns what each was told.
pub(super) async fn all(tarn: &Arc<Tarn>, time: Duration) -> Vec<(&'static str, String)> {
    let client = Client {
        http: Http::new(&tarn.address),
        address: tarn.address.clone(),
        grpc: tarn.otlp_grpc().to_owned(),
        time,
        until: Instant::now(),
    };
    let c = || client.clone();
    let jobs: Vec<(&'static str, Job)> = vec![
        ("bombs", Box::pin(bombs(c()))),
        ("bombs of snappy", Box::pin(snappy_bombs(c()))),
        ("empty records", Box::pin(empty_records(c()))),
        ("deep values", Box::pin(deep(c()))),
        ("wide and heavy series", Box::pin(series(c()))),
        ("huge texts", Box::pin(huge(c()))),
        ("trickles", Box::pin(trickles(c()))),
        ("half-open connections", Box::pin(half_open(c()))),
        ("PromQL", Box::pin(promql(c()))),
        ("SQL and searches", Box::pin(sql(c()))),
        ("streams", Box::pin(streams(c()))),
    ];
    let mut running = Vec::new();
    for (name, job) in jobs {
        running.push((name, tokio::spawn(job)));
    }
    let mut told = Vec::new();
    for (name, job) in running {
        told.push((name, job.await.map_or_else(|e| e.to_string(), |told| format!("{:?}", told.0))));
    }
    told
}

async fn bombs(client: Client) -> Told {
    let mut told = Told::default();
    let zeros = vec![0; 80 << 20];
    let bombs: Vec<(&str, Bytes)> =
        ["gzip", "deflate", "zstd"].map(|e| (e, bodies::packed(e, &zeros))).to_vec();
    let records = bodies::empty_records(60);
    let records: Vec<(&str, Bytes)> =
        ["gzip", "zstd"].map(|e| (e, bodies::packed(e, &records))).to_vec();
    drop(zeros);
    let grpc = Grpc::new(&client.grpc);
    let client = client.ready();
    while client.goes_on() {
        for (encoding, body) in bombs.iter().chain(&records) {
            let headers = [PROTOBUF, ("content-encoding", *encoding)];
            client.send(&mut told, (Method::POST, "/v1/logs"), &headers, body.clone()).await;
            let headers = [("content-type", "application/json"), ("content-encoding", *encoding)];
            client.send(&mut told, (Method::POST, "/v1/traces"), &headers, body.clone()).await;
            let headers = [("grpc-encoding", *encoding)];
            let call = grpc.call(LOGS, &headers, frame(true, body));
            match tokio::time::timeout(PATIENCE, call).await {
                Ok(Ok(ended)) => told.count(&format!("grpc {}", ended.code())),
                _ => told.count("closed"),
            }
        }
    }
    told
}

async fn snappy_bombs(client: Client) -> Told {
    let mut told = Told::default();
    let zeros = Bytes::from(compress(&vec![0; 31 << 20]).unwrap_or_default());
    // Declares 4 GiB.
    let liar = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    let client = client.ready();
    while client.goes_on() {
        for body in [&zeros, &liar] {
            let door = (Method::POST, "/api/v1/write");
            client.send(&mut told, door, &[SNAPPY], body.clone()).await;
        }
    }
    told
}

async fn empty_records(client: Client) -> Told {
    let mut told = Told::default();
    let body = Bytes::from(bodies::empty_records(63));
    let client = client.ready();
    while client.goes_on() {
        for path in ["/v1/logs", "/v1/traces", "/v1/metrics"] {
            client.send(&mut told, (Method::POST, path), &[PROTOBUF], body.clone()).await;
        }
    }
    told
}

async fn deep(client: Client) -> Told {
    let mut told = Told::default();
    let (wire, json) = (Bytes::from(bodies::deep(20_000)), Bytes::from(bodies::deep_json(100_000)));
    let query = format!("query={}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let client = client.ready();
    while client.goes_on() {
        let door = (Method::POST, "/v1/logs");
        client.send(&mut told, door.clone(), &[PROTOBUF], wire.clone()).await;
        let kind = ("content-type", "application/json");
        client.send(&mut told, door, &[kind], json.clone()).await;
        let door = (Method::POST, "/api/v1/query");
        client.send(&mut told, door, &[form], query.clone().into()).await;
    }
    told
}

async fn series(client: Client) -> Told {
    let mut told = Told::default();
    let wide = Bytes::from(bodies::wide_series(1_000_000));
    let mut round = 0;
    let client = client.ready();
    while client.goes_on() {
        let bodies =
            [wide.clone(), bodies::heavy_series(round).into(), bodies::new_series(round).into()];
        for body in bodies {
            client.send(&mut told, (Method::POST, "/api/v1/write"), &[SNAPPY], body).await;
        }
        round += 1;
    }
    told
}

async fn huge(client: Client) -> Told {
    let mut told = Told::default();
    let body = Bytes::from(bodies::huge_text(60));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let query = Bytes::from(format!("query={}", "x".repeat(900 << 10)));
    let client = client.ready();
    while client.goes_on() {
        client.send(&mut told, (Method::POST, "/v1/logs"), &[PROTOBUF], body.clone()).await;
        client.send(&mut told, (Method::POST, "/api/v1/query"), &[form], query.clone()).await;
    }
    told
}

/// Bodies that are announced as large and come a byte at a time.
async fn trickles(client: Client) -> Told {
    let mut told = Told::default();
    let mut open = Vec::new();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: tarn\r\ncontent-type: application/x-protobuf\r\n\
                content-length: 67000000\r\n\r\n";
    for _ in 0..40 {
        if let Ok(mut stream) = TcpStream::connect(&client.address).await {
            told.count(if stream.write_all(head.as_bytes()).await.is_ok() {
                "open"
            } else {
                "closed"
            });
            open.push(stream);
        }
    }
    let client = client.ready();
    while client.goes_on() {
        for stream in &mut open {
            if stream.write_all(&[0]).await.is_err() {
                told.count("cut");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    told
}

/// Connections that begin a request and leave it there, and heads that are too large.
async fn half_open(client: Client) -> Told {
    let mut told = Told::default();
    let large =
        format!("GET /api/v1/labels HTTP/1.1\r\nhost: tarn\r\nx: {}\r\n", "x".repeat(1 << 20));
    let client = client.ready();
    while client.goes_on() {
        let mut open = Vec::new();
        for _ in 0..200 {
            let Ok(mut stream) = TcpStream::connect(&client.address).await else { break };
            drop(stream.write_all(b"POST /v1/logs HTTP/1.1\r\nhost: ta").await);
            open.push(stream);
        }
        told.count(&format!("{} open", open.len()));
        if let Ok(mut stream) = TcpStream::connect(&client.address).await {
            drop(stream.write_all(large.as_bytes()).await);
            let mut answer = [0; 12];
            drop(tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await);
            told.count(&String::from_utf8_lossy(&answer));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    told
}

/// Each asks for everything, several at a time.
async fn together(client: &Client, told: &mut Told, path: &str, name: &str, queries: &[&str]) {
    let asked = queries.iter().map(|query| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair(name, query);
        let now = crate::seconds(crate::now_ms());
        let start = crate::seconds(crate::now_ms() - 600_000);
        form.extend_pairs([("start", start.as_str()), ("end", now.as_str()), ("step", "1")]);
        let body = form.finish();
        let (client, path) = (client.clone(), path.to_owned());
        tokio::spawn(async move {
            let mut told = Told::default();
            let form = ("content-type", "application/x-www-form-urlencoded");
            client.send(&mut told, (Method::POST, &path), &[form], body.into()).await;
            told
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        for (what, count) in asked.await.unwrap_or_default().0 {
            *told.0.entry(what).or_default() += count;
        }
    }
}

async fn promql(client: Client) -> Told {
    let mut told = Told::default();
    let queries = [
        "{__name__=~\".+\"}",
        "max_over_time({__name__=~\".+\"}[10m:1s])",
        "sum by (n, pod) (rate({__name__=~\".+\"}[5m]))",
        "{__name__=~\".+\"} * on (pod) group_left () count by (pod) (filler)",
        "quantile_over_time(0.9, (filler + on (n) filler)[5m:1s])",
        "label_join({__name__=~\".+\"}, \"x\", \"-\", \"n\", \"pod\", \"n\", \"pod\")",
    ];
    let client = client.ready();
    while client.goes_on() {
        together(&client, &mut told, "/api/v1/query_range", "query", &queries).await;
        together(&client, &mut told, "/api/v1/series", "match[]", &["{__name__=~\".+\"}"; 4]).await;
    }
    told
}

async fn sql(client: Client) -> Told {
    let mut told = Told::default();
    let queries = [
        "SELECT a.attributes, b.attributes FROM logs a JOIN logs b ON a.service_name = b.service_name",
        "SELECT body, attributes['k'], count(*) FROM logs GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT array_agg(body) FROM logs",
        "SELECT * FROM samples ORDER BY value, ts",
        "SELECT string_agg(body, ',') FROM logs, generate_series(1, 100000)",
        "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a) SELECT * FROM a",
        "SELECT repeat(body, 100000) FROM logs",
        "SELECT l_n, l_pod, count(*), array_agg(value) FROM samples GROUP BY l_n, l_pod",
    ];
    let client = client.ready();
    while client.goes_on() {
        together(&client, &mut told, "/api/v1/sql", "query", &queries).await;
        together(&client, &mut told, "/api/v1/logs/search", "q", &["a line", "", "k:value"]).await;
    }
    told
}

/// One HTTP/2 connection with as many streams as it gets, each with a large body.
async fn streams(client: Client) -> Told {
    let mut told = Told::default();
    let grpc = Grpc::new(&client.grpc);
    let body = Bytes::from(frame(false, &bodies::empty_records(1)));
    let client = client.ready();
    while client.goes_on() {
        let calls: Vec<_> = (0..300)
            .map(|_| {
                let (grpc, body) = (grpc.clone(), body.clone());
                tokio::spawn(async move {
                    tokio::time::timeout(PATIENCE, grpc.call(LOGS, &[], body)).await
                })
            })
            .collect();
        for call in calls {
            match call.await {
                Ok(Ok(Ok(ended))) => told.count(&format!("grpc {}", ended.code())),
                Ok(Ok(Err(_))) => told.count("closed"),
                _ => told.count("no answer"),
            }
        }
    }
    told
}
