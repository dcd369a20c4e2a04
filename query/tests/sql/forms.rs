//! The forms of an answer, and the ways to ask.

use arrow_ipc::reader::StreamReader;
use axum::body::Body;
use http::{Request, StatusCode};

use crate::world::World;

const SQL: &str = "SELECT trace_id, severity_number, body, CAST(NULL AS DOUBLE) AS n, \
                   timestamp FROM logs ORDER BY timestamp LIMIT 2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_has_the_same_rows() {
    let world = World::new().await;
    let json = world.ask(SQL, "json").await;
    assert_eq!(json.content_type, "application/json");
    let json = json.json();
    let columns = serde_json::json!(["trace_id", "severity_number", "body", "n", "timestamp"]);
    assert_eq!(json["data"]["columns"], columns);
    let first = serde_json::json!([
        "00000000000000000000000000001000",
        17,
        "request 0 took 0 ms",
        null,
        "2023-11-14T22:03:21Z"
    ]);
    assert_eq!(json["data"]["rows"][0], first);
    let types = serde_json::json!(["blob", "integer", "text", "double", "timestamp"]);
    assert_eq!(json["data"]["types"], types);
    assert_eq!(json["data"]["stats"]["rows"], 2);
    assert!(json["data"]["stats"]["seconds"].as_f64().unwrap() > 0.0, "{json}");

    let ndjson = world.ask(SQL, "ndjson").await;
    assert_eq!(ndjson.content_type, "application/x-ndjson");
    let lines: Vec<serde_json::Value> =
        ndjson.text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["body"], "request 0 took 0 ms");

    let csv = world.ask(SQL, "csv").await.text();
    let expected = "trace_id,severity_number,body,n,timestamp\r\n\
        00000000000000000000000000001000,17,request 0 took 0 ms,,2023-11-14T22:03:21Z\r\n\
        ,9,request 1 took 1 ms,,2023-11-14T22:03:22Z\r\n";
    assert_eq!(csv, expected);

    let arrow = world.ask(SQL, "arrow").await;
    assert_eq!(arrow.content_type, "application/vnd.apache.arrow.stream");
    let reader = StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!(reader.schema().fields().len(), 5);
    assert_eq!(reader.map(|b| b.unwrap().num_rows()).sum::<usize>(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_comes_as_parameter_form_or_json() {
    let world = World::new().await;
    let form = "application/x-www-form-urlencoded";
    let requests = [
        Request::get("/api/v1/sql?q=SELECT%201").body(Body::empty()),
        Request::get("/api/v1/sql?query=SELECT+1").body(Body::empty()),
        Request::post("/api/v1/sql").header("content-type", form).body(Body::from("q=SELECT+1")),
        Request::post("/api/v1/sql")
            .header("content-type", "application/json; charset=utf-8")
            .body(Body::from("{\"query\":\"SELECT 1\",\"timeout\":\"5s\"}")),
    ];
    for request in requests {
        let answer = world.send(request.unwrap()).await;
        assert_eq!(answer.json()["data"]["rows"], serde_json::json!([[1]]));
    }
    let request = Request::get("/api/v1/sql?q=SELECT%201").header("accept", "text/csv");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.text().lines().nth(1), Some("1"));
    for uri in ["/api/v1/sql", "/api/v1/sql?q=SELECT%201&format=xml"] {
        let answer = world.send(Request::get(uri).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_answered_with_their_place() {
    let world = World::new().await;
    let rows = [
        ("SELECT\n  FROM logs WHERE", "(line 2, column 18)"),
        ("SELECT nothing FROM logs", "nothing"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT 'open", "line 1"),
        ("SELECT body FROM logs WHERE trace_id = 'abc'", "32 hex digits (line 1, column 40)"),
        ("SELECT attr(body) FROM logs", "attr takes one key"),
        ("SELECT 1/0", "divide by zero"),
    ];
    for (sql, expected) in rows {
        let answer = world.ask(sql, "csv").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{sql}: {}", answer.text());
        assert_eq!(answer.content_type, "application/json");
        assert!(answer.text().to_lowercase().contains(expected), "{sql}: {}", answer.text());
    }
}
