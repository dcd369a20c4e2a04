//! Names for completion, and searches as SQL: the SQL finds what the search finds.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use serde_json::{Value, json};
use tarn_testkit::sim::SimRng;

use crate::counts::{data, encode, lines, rows};
use crate::searches::{SPANS, spans};
use crate::support::{NOW_MS, World, float};

async fn names(world: &World, query: &str) -> Vec<String> {
    let data = data(world, &format!("/names?{query}")).await;
    let names = data["names"].as_array().unwrap();
    names.iter().map(|name| name["name"].as_str().unwrap().to_owned()).collect()
}

async fn world() -> World {
    let world = World::new().await;
    let all = lines(&SimRng::new(31), 400);
    world.rows(rows(&all[..200])).await;
    world.rows(spans(&SPANS[..2])).await;
    world.flush().await;
    world.rows(rows(&all[200..])).await;
    world.rows(spans(&SPANS[2..])).await;
    world
        .write(|appender| {
            for name in ["http_requests_total", "up"] {
                float(appender, &[("__name__", name), ("job", "web")], &[(NOW_MS, 1.0)]);
            }
        })
        .await;
    world
}

#[tokio::test]
async fn names_of_every_kind() {
    let world = world().await;
    let rows: [(&str, &[&str]); 12] = [
        ("kind=metric", &["http_requests_total", "up"]),
        ("kind=metric&prefix=http", &["http_requests_total"]),
        ("kind=metric&prefix=requests", &["http_requests_total"]),
        ("kind=label", &["__name__", "job"]),
        ("kind=attribute&signal=logs", &["n", "route", "zone"]),
        ("kind=attribute&signal=traces", &["http.status"]),
        ("kind=attribute&prefix=htpt", &["http.status"]),
        ("kind=resource&prefix=p", &["pod"]),
        ("kind=service&prefix=w", &["web"]),
        ("kind=service&prefix=zzzz", &[]),
        ("kind=span", &["load", "GET /", "GET /cart", "SELECT"]),
        ("kind=span&prefix=sel", &["SELECT"]),
    ];
    for (query, expected) in rows {
        let mut found = names(&world, query).await;
        let mut expected: Vec<&str> = expected.to_vec();
        if query != "kind=span" {
            found.sort();
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "{query}");
    }
    let services = data(&world, "/names?kind=service&signal=traces").await;
    let expected = json!({"names": [
        {"name": "cart", "count": 2}, {"name": "web", "count": 2}, {"name": "db", "count": 1},
    ], "truncated": false});
    assert_eq!(services, expected);
    let cut = data(&world, "/names?kind=service&limit=1").await;
    assert_eq!((cut["names"].as_array().unwrap().len(), &cut["truncated"]), (1, &json!(true)));
    for (query, message) in [
        ("", "is none of metric, label, attribute, resource, service, span"),
        ("kind=foo", "is none of"),
        ("kind=span&signal=logs", "is not a signal that has such names"),
        ("kind=service&limit=0", "is not a number from 1 to 10000"),
    ] {
        let answer = world.native(&format!("/names?{query}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{query}");
        assert!(answer.body.contains(message), "{query}: {}", answer.body);
    }
}

const OF_LOGS: [&str; 28] = [
    "",
    "even",
    "EVEN line",
    "ev*",
    "eve",
    "\"odd l\"",
    "/^odd/",
    "service:cart level>=warn",
    "-service:cart",
    "level:unset",
    "level!=unset",
    "level!=error -level:info",
    "level:error2 OR level:9",
    "zone:a",
    "zone!=a",
    "-zone:a",
    "zone:*",
    "-zone:*",
    "@resource.zone:b",
    "@attr.zone:o*",
    "@scope.version=1",
    "route:\"/pay \\\"x\\\"\"",
    "route:/cart$/ OR (n>100 n<=110)",
    "n=17 OR n!=17 pod:pod-1",
    "n>=1.5 -(even zone:a)",
    "trace:*",
    "-body:even",
    "it\\'s OR 100%:* OR _under",
];

#[tokio::test]
async fn the_sql_of_a_search_of_logs_finds_the_same_records() {
    let world = world().await;
    for search in OF_LOGS {
        for range in ["", "&start=1700000020.005&end=1700000070.5"] {
            let question = format!("q={}&limit=10000{range}", encode(search));
            let found = data(&world, &format!("/logs/search?{question}")).await;
            let number = |row: &Value| row["attributes"]["n"].as_i64().unwrap();
            let found: BTreeSet<i64> =
                found["rows"].as_array().unwrap().iter().map(number).collect();
            let sql = data(&world, &format!("/sql/of?signal=logs&{question}")).await;
            assert_eq!(sql["notes"], json!([]), "{search}");
            let sql = sql["sql"].as_str().unwrap();
            let wanted = "SELECT attributes['n']::bigint AS n\n";
            let sql = sql.replacen("SELECT *\n", wanted, 1);
            let answer = world.engine.sql_whole(&world.tenant, &sql, true).await;
            let answer = answer.unwrap_or_else(|e| panic!("{search}: {e}\n{sql}"));
            let told: BTreeSet<i64> = answer
                .batches
                .iter()
                .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
                .collect();
            assert_eq!(told, found, "{search}\n{sql}");
        }
    }
}

const OF_SPANS: [(&str, usize); 14] = [
    ("", 5),
    ("load", 2),
    ("exception", 5),
    ("nowhere", 0),
    ("service:cart", 2),
    ("-service:cart", 3),
    ("name:GET*", 2),
    ("kind:server status:error", 1),
    ("status!=unset", 2),
    ("duration>25ms", 3),
    ("duration<=20ms OR duration=1s", 2),
    ("trace:01010101010101010101010101010101 span!=0202020202020202", 2),
    ("parent:*", 3),
    ("event:exception http.status=200", 5),
];

#[tokio::test]
async fn the_sql_of_a_search_of_traces_finds_its_spans() {
    let world = world().await;
    for (search, expected) in OF_SPANS {
        let path = format!("/sql/of?signal=traces&q={}", encode(search));
        let sql = data(&world, &path).await;
        let sql = sql["sql"].as_str().unwrap();
        let answer = world.engine.sql_whole(&world.tenant, sql, true).await;
        let answer = answer.unwrap_or_else(|e| panic!("{search}: {e}\n{sql}"));
        let rows: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(rows, expected, "{search}\n{sql}");
    }
}

#[tokio::test]
async fn sql_is_to_be_read_and_says_what_it_cannot_say() {
    let world = World::new().await;
    let query = encode("level>=warn took>1s service:it's");
    let path = format!("/sql/of?signal=logs&q={query}&start=1700000000&limit=5&direction=forward");
    let expected = json!({
        "sql": "SELECT *\nFROM logs\nWHERE timestamp >= TIMESTAMP '2023-11-14T22:13:20.000000Z'\n  \
                AND severity_number >= 13\n  \
                AND TRY_CAST(coalesce(attributes['took'], resource['took']) AS DOUBLE) > 1000000000\n  \
                AND service_name = 'it''s'\nORDER BY timestamp ASC\nLIMIT 5",
        "notes": ["values that are written with units, such as 1500ms, are compared in a search and \
                   not in the SQL"],
    });
    assert_eq!(data(&world, &path).await, expected);
    for (query, message) in [
        ("signal=metrics", "is not logs or traces"),
        ("signal=logs&q=%28", "expected a term"),
        ("signal=traces&q=kind:x", "a kind is one of"),
    ] {
        let answer = world.native(&format!("/sql/of?{query}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{query}");
        assert!(answer.body.contains(message), "{query}: {}", answer.body);
    }
}
