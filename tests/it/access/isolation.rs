//! Rows of one tenant are nowhere in the answers to another, whatever is asked: each tenant's rows
//! carry its own word, and no answer may hold the other's.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tarn_testkit::otlp;
use tarn_testkit::remote_write::{Series, compress, encode_v1};

use super::*;
use crate::{now_ms, seconds};

const TENANTS: [(&str, &str); 2] = [("green", "chlorophyll"), ("blue", "cobalt")];
/// A trace that both tenants have a span of.
const TRACE: u128 = 0xfeed_beef;

fn key(role: &str, tenant: &str) -> String {
    token_of(&format!("{role}{tenant}{role}{tenant}"))
}

fn write_keys_of_two(folder: &Path) -> Result<String> {
    let mut text = "keys:\n".to_owned();
    for (tenant, _) in TENANTS {
        for role in ROLES {
            let token = key(role, tenant);
            writeln!(
                text,
                "  - name: {role} {tenant}\n    token: {token}\n    grants: [{{role: {role}, tenants: [{tenant}]}}]"
            )?;
        }
    }
    let path = folder.join("auth.yaml");
    std::fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

async fn send(tarn: &Tarn, tenant: &str, word: &str, now: i64) -> Result<()> {
    let bearer = auth(&key("ingest", tenant));
    let labels = [("__name__", "shared"), ("word", word), ("job", word)];
    let body = compress(&encode_v1(&[Series::of(&labels, vec![(now, 1.0)])]))?;
    let headers = [("content-encoding", "snappy"), ("authorization", bearer.as_str())];
    let answer = tarn.http.send(Method::POST, "/api/v1/write", &headers, body).await?;
    ensure!(answer.status == 204, "{}", answer.text());
    let ns = u64::try_from(now)? * 1_000_000;
    let record = otlp::record(ns, &format!("the word is {word}"), vec![otlp::text(word, word)]);
    let logs: ExportLogsServiceRequest = otlp::logs(word, vec![record]);
    let span = otlp::span(TRACE, u64::from(word.len() as u32), 0, word, ns - 5_000_000, 4_000_000);
    let spans: ExportTraceServiceRequest = otlp::spans(word, vec![span]);
    for (path, body) in [("/v1/logs", logs.encode_to_vec()), ("/v1/traces", spans.encode_to_vec())]
    {
        let headers =
            [("content-type", "application/x-protobuf"), ("authorization", bearer.as_str())];
        let answer = tarn.http.send(Method::POST, path, &headers, body).await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    Ok(())
}

/// Paths to ask, and whether the tenant's own word must be in the answer.
fn questions(now: i64) -> Vec<(String, bool)> {
    let time = seconds(now);
    let range = format!("start={}&end={}", seconds(now - 60_000), seconds(now + 60_000));
    let sql = |table: &str| format!("/api/v1/sql?query=select%20*%20from%20{table}%20limit%20100");
    vec![
        (format!("/api/v1/query?query=shared&time={time}"), true),
        (format!("/api/v1/query_range?query=shared&{range}&step=15"), true),
        (format!("/api/v1/query_exemplars?query=shared&{range}"), false),
        (format!("/api/v1/labels?{range}"), false),
        (format!("/api/v1/label/word/values?{range}"), true),
        ("/api/v1/label/__name__/values".to_owned(), false),
        (format!("/api/v1/series?match[]=shared&{range}"), true),
        ("/api/v1/metadata".to_owned(), false),
        ("/api/v1/status/tsdb".to_owned(), true),
        (format!("/api/v1/logs/search?{range}"), true),
        (format!("/api/v1/logs/histogram?{range}"), false),
        (format!("/api/v1/logs/facets?{range}"), true),
        (format!("/api/v1/names?kind=attribute&{range}"), false),
        (format!("/api/v1/names?kind=service&{range}"), false),
        (format!("/api/v1/names?kind=label&prefix=w&{range}"), false),
        (format!("/api/v1/traces/search?{range}"), true),
        (format!("/api/v1/traces/histogram?{range}"), false),
        (format!("/api/v1/traces/stored?id={TRACE:032x}"), false),
        (format!("/api/v1/traces/{TRACE:032x}"), true),
        (format!("/api/v1/services?{range}"), true),
        (format!("/api/v1/services/graph?{range}"), false),
        (sql("logs"), true),
        (sql("spans"), true),
        ("/api/v1/sources".to_owned(), true),
        ("/api/v1/rules".to_owned(), false),
        ("/api/v1/alerts".to_owned(), false),
        ("/api/v1/slos".to_owned(), false),
        ("/api/v2/alerts".to_owned(), true),
        ("/api/v2/alerts/groups".to_owned(), true),
        ("/api/v2/silences".to_owned(), true),
        ("/api/v1/dashboards".to_owned(), true),
        ("/api/v1/alerting/deliveries".to_owned(), false),
        ("/api/v1/alerting/dead_letters".to_owned(), false),
        ("/api/v1/tombstones".to_owned(), true),
        ("/api/v1/queries".to_owned(), false),
        ("/api/v1/openapi.json".to_owned(), false),
    ]
}

/// What people of a tenant make: a silence, an alert, a board, an erasure.
async fn make(tarn: &Tarn, tenant: &str, word: &str, now: i64) -> Result<()> {
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).map(|at| at.to_string());
    let (editor, ingest, admin) =
        (auth(&key("editor", tenant)), auth(&key("ingest", tenant)), auth(&key("admin", tenant)));
    let silence = json!({
        "matchers": [{"name": "word", "value": "nothing", "isRegex": false, "isEqual": true}],
        "startsAt": time(now)?, "endsAt": time(now + 3_600_000)?, "createdBy": word, "comment": word,
    });
    let alert = json!([{"labels": {"alertname": word}}]);
    let board = json!({
        "apiVersion": "perses.dev/v1", "kind": "Dashboard", "metadata": {"name": word},
        "spec": {"display": {"name": word}, "panels": {}, "layouts": []},
    });
    let erase = json!({"signal": "logs", "match": format!("{{service_name=\"gone-{word}\"}}")});
    for (method, path, who, body) in [
        (Method::POST, "/api/v2/silences".to_owned(), &editor, silence),
        (Method::POST, "/api/v2/alerts".to_owned(), &ingest, alert),
        (Method::PUT, format!("/api/v1/dashboards/{word}"), &editor, board),
        (Method::POST, "/api/v1/erase".to_owned(), &admin, erase),
    ] {
        let headers = [("content-type", "application/json"), ("authorization", who.as_str())];
        let mut answer = tarn.http.send(method.clone(), &path, &headers, body.to_string()).await?;
        // Alerting begins a moment after writes are taken.
        while answer.status == 503 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer = tarn.http.send(method.clone(), &path, &headers, body.to_string()).await?;
        }
        ensure!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_tenant_is_in_any_answer_to_another() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let file = write_keys_of_two(temporary.path())?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--auth.file", &file]).await?;
    let now = now_ms();
    for (tenant, word) in TENANTS {
        send(&tarn, tenant, word, now).await?;
        make(&tarn, tenant, word, now).await?;
    }
    let mut asked = 0;
    for (tenant, word) in TENANTS {
        let other = TENANTS.iter().find(|(name, _)| *name != tenant).context("another tenant")?.1;
        let viewer = auth(&key("viewer", tenant));
        for (path, has_own) in questions(now) {
            let headers = [("authorization", viewer.as_str())];
            let answer = tarn.http.send(Method::GET, &path, &headers, "").await?;
            ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
            let text = answer.text();
            ensure!(!text.contains(other), "{path} shows {tenant} what is another's: {text}");
            ensure!(
                !has_own || text.contains(word),
                "{path} does not show {tenant} its own: {text}"
            );
            asked += 1;
        }
        let board = format!("/api/v1/dashboards/{other}");
        let editor = auth(&key("editor", tenant));
        for method in [Method::GET, Method::DELETE] {
            let headers = [("authorization", editor.as_str())];
            let answer = tarn.http.send(method.clone(), &board, &headers, "").await?;
            ensure!(answer.status == 404, "{method} {board}: {} {}", answer.status, answer.text());
        }
    }
    println!("{asked} answers hold nothing of another tenant");
    Ok(())
}

/// A tail shows rows of its tenant while both tenants send, and no query of another can be ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_is_its_tenants_and_so_is_the_list_of_queries() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let file = write_keys_of_two(temporary.path())?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--auth.file", &file]).await?;
    let mut stream = TcpStream::connect(&tarn.address).await?;
    let viewer = key("viewer", "green");
    let head = format!(
        "GET /api/v1/logs/tail?q= HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {viewer}\r\n\r\n",
        tarn.address
    );
    stream.write_all(head.as_bytes()).await?;
    let mut seen = String::new();
    let mut part = [0; 4096];
    while !seen.contains("\r\n\r\n") {
        let n = stream.read(&mut part).await?;
        seen.push_str(&String::from_utf8_lossy(&part[..n]));
    }
    for round in 0..50 {
        // The other tenant sends first: what it sent would be there before what is waited for.
        for (tenant, word) in [TENANTS[1], TENANTS[0]] {
            send(&tarn, tenant, word, now_ms()).await?;
        }
        let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut part)).await;
        if let Ok(read) = read {
            seen.push_str(&String::from_utf8_lossy(&part[..read?]));
        }
        if seen.contains("chlorophyll") && round > 5 {
            break;
        }
    }
    ensure!(seen.contains("chlorophyll"), "the tail shows nothing: {seen}");
    ensure!(!seen.contains("cobalt"), "the tail shows rows of another tenant: {seen}");
    Ok(())
}
