//! Conditions given to storage change what is read, never what is answered.

use tarn_model::rng::Rng;
use tarn_query::SqlAnswer;
use tarn_testkit::sim::SimRng;

use crate::world::{NOW_MS, ROWS, World};

/// Conditions on logs, and on spans.
const LOGS: &[&str] = &[
    "service_name = 'cart'",
    "service_name IN ('cart', 'web')",
    "service_name <> 'web'",
    "severity_number >= 17",
    "severity_number = 9",
    "severity_number BETWEEN 10 AND 20",
    "severity_text = 'ERROR'",
    "timestamp >= '2023-11-14T22:10:00Z'",
    "timestamp < now() - INTERVAL '2 minutes'",
    "timestamp BETWEEN '2023-11-14T22:05:00Z' AND '2023-11-14T22:08:20Z'",
    "body LIKE '%took 3 ms'",
    "body ~ 'request 1[0-9]+ '",
    "attributes['http.status'] = '500'",
    "attr('http.status') > 300",
    "attributes['rare'] IS NOT NULL",
    "attributes['missing'] IS NULL",
    "resource['k8s.pod.name'] = 'cart-1'",
    "resource['port'] = '8080'",
    "scope['name'] = 'lib'",
    "trace_id IS NULL",
    "trace_id = '00000000000000000000000000001010'",
    "hex(trace_id) = '00000000000000000000000000001010'",
    "trace_id IN ('00000000000000000000000000001010', '00000000000000000000000000001011')",
    "false",
    "event_name IS NULL",
];

const SPANS: &[&str] = &[
    "service_name = 'checkout'",
    "name = 'query'",
    "name IN ('GET /', 'none')",
    "kind = 2",
    "kind IN (2, 3)",
    "status = 2",
    "status <> 2",
    "duration_ns > 50000000",
    "start >= '2023-11-14T22:10:00Z'",
    "start < now() - INTERVAL '3 minutes'",
    "attributes['http.route'] = '/cart'",
    "resource['service.name'] = 'web'",
    "parent_span_id IS NULL",
    "parent_span_id = '0000000000000001'",
    "trace_id = '00000000000000000000000000001010'",
    "span_id = '0000000000000042'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_the_same_with_and_without() {
    let world = World::new().await;
    let rng = SimRng::new(3);
    let pick = |list: &'static [&'static str]| list[(rng.next_u64() % list.len() as u64) as usize];
    for i in 0..150_usize {
        let logs = i.is_multiple_of(2);
        let list = if logs { LOGS } else { SPANS };
        // Each condition alone at least once, then combinations.
        let condition = match list.get(i / 2) {
            Some(alone) => (*alone).to_owned(),
            None => {
                let op = if rng.next_u64().is_multiple_of(3) { "OR" } else { "AND" };
                let not = if rng.next_u64().is_multiple_of(4) { "NOT " } else { "" };
                format!("({} {op} {}) AND {not}({})", pick(list), pick(list), pick(list))
            }
        };
        let (table, key) = if logs { ("logs", "body") } else { ("spans", "hex(span_id)") };
        let sql = format!("SELECT {key} FROM {table} WHERE {condition} ORDER BY 1");
        let whole = |pushdown| world.engine.sql_whole(&world.tenant, &sql, pushdown);
        let with = whole(true).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let without = whole(false).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(texts(&with), texts(&without), "{sql}");
    }
}

fn texts(answer: &SqlAnswer) -> Vec<String> {
    use arrow_array::cast::AsArray;
    let column = |b: &arrow_array::RecordBatch| {
        let column = b.column(0).as_string::<i32>();
        column.iter().map(|t| t.unwrap_or("NULL").to_owned()).collect::<Vec<_>>()
    };
    answer.batches.iter().flat_map(column).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newest_first_with_a_limit_finds_the_newest() {
    let world = World::new().await;
    for limit in [1_i64, 7, 100, 599] {
        let sql = format!(
            "SELECT CAST(timestamp AS BIGINT) / 1000 FROM logs WHERE service_name <> 'x' \
             ORDER BY timestamp DESC LIMIT {limit}"
        );
        let rows = world.must(&sql).await;
        let expected: Vec<Vec<String>> =
            (0..limit).map(|i| vec![(NOW_MS - i * 1000).to_string()]).collect();
        assert_eq!(rows, expected);
    }
    let plan = world.must("EXPLAIN SELECT body FROM logs ORDER BY timestamp DESC LIMIT 5").await;
    let plan = format!("{plan:?}");
    assert!(plan.contains("newest first"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_analyze_shows_what_was_read_and_what_was_not() {
    let world = World::new().await;
    let rows = world
        .must("EXPLAIN ANALYZE SELECT body FROM logs WHERE service_name = 'zebra' AND attributes['rare'] = 'r50'")
        .await;
    let plan = format!("{rows:?}");
    for shown in
        ["RowExec: table=logs", "pruned by=[1 services]", "bytes=", "reads=", "pages_pruned=1"]
    {
        assert!(plan.contains(shown), "{shown}: {plan}");
    }
    let whole = world.engine.sql_whole(&world.tenant, "SELECT count(body) FROM logs", true).await;
    let few = "SELECT count(body) FROM logs WHERE service_name = 'zebra'";
    let few = world.engine.sql_whole(&world.tenant, few, true).await.unwrap();
    let whole = whole.unwrap();
    assert_eq!(whole.stats.rows_scanned.max(ROWS as u64), ROWS as u64);
    assert!(few.stats.pages < whole.stats.pages, "{:?} {:?}", few.stats, whole.stats);
    assert!(few.stats.pages_pruned + few.stats.blocks_pruned > 0, "{:?}", few.stats);
}
