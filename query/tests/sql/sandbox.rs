//! What a query must not be able to do, and that it says so and lives (LIM-1).

use std::time::{Duration, Instant};

use http::StatusCode;
use tarn_model::limits::Limits;
use tarn_model::rng::Rng;
use tarn_query::EngineOptions;
use tarn_testkit::sim::SimRng;

use crate::world::World;

/// Statement, and what its refusal contains.
#[rustfmt::skip]
const REFUSED: &[(&str, &str)] = &[
    // files and settings
    ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "only queries are answered"),
    ("COPY (SELECT 1) TO '/tmp/x.csv'", "only queries are answered"),
    ("EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'", "only queries are answered"),
    ("SELECT * FROM '/etc/passwd'", "not found"),
    ("SELECT * FROM '/tmp/x.csv'", "not found"),
    ("SET datafusion.execution.batch_size = 1", "only queries are answered"),
    ("RESET datafusion.execution.batch_size", "only queries are answered"),
    ("PREPARE p AS SELECT 1", "only queries are answered"),
    ("SHOW ALL", "only queries are answered"),
    ("SHOW TABLES", "only queries are answered"),
    ("SELECT * FROM information_schema.df_settings", "not found"),
    ("SELECT * FROM information_schema.routines", "not found"),
    // writing
    ("INSERT INTO logs SELECT * FROM logs", "only queries are answered"),
    ("DELETE FROM logs", "only queries are answered"),
    ("DROP TABLE logs", "only queries are answered"),
    ("CREATE TABLE t AS SELECT 1", "only queries are answered"),
    ("CREATE FUNCTION f() RETURNS INT RETURN 1", "only queries are answered"),
    ("SELECT 1 INTO t", "only queries are answered"),
    ("SELECT 1; SELECT 2", "only one is answered"),
    ("", "no query"),
    // much out of little
    ("SELECT length(repeat('x', 1500000000))", "limit for a constant"),
    ("SELECT count(repeat(body, 1000000)) FROM logs", "limit for a batch"),
    ("SELECT lpad('x', 2000000000)", "limit for a constant"),
    ("SELECT rpad(body, 2000000000) FROM logs", "limit for a batch"),
    ("SELECT generate_series(1, 1000000000)", "limit for a constant"),
    ("SELECT range(0, 9223372036854775807)", "limit for a constant"),
    ("SELECT array_repeat(1, 1000000000)", "limit for a constant"),
    ("SELECT replace(repeat('x', 10000), 'x', repeat('y', 10000))", "limit for a constant"),
    ("SELECT regexp_replace(repeat('x', 10000), 'x', repeat('y', 10000), 'g')", "limit for a constant"),
    ("SELECT count(*) FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 100000) b", "generate_series"),
    ("SELECT count(*) FROM logs a, logs b", "a join without a condition"),
    ("SELECT count(*) FROM logs a CROSS JOIN spans b", "a join without a condition"),
    ("SELECT count(*) FROM logs a JOIN spans b ON true", "a join without a condition"),
    ("SELECT * FROM logs NATURAL JOIN spans", "NATURAL JOIN"),
    ("SELECT regexp_like(body, '((a{100}){100}){100}') FROM logs", "regular expression"),
    ("SELECT body ~ '((a{100}){100}){100}' FROM logs", "regular expression"),
    ("SELECT body ~ body FROM logs", "must be a text"),
    ("SELECT named_struct('a', 1)", "named_struct"),
    ("SELECT version()", "version"),
    ("SELECT $1", "placeholder"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_says_why() {
    let world = World::new().await;
    for (sql, expected) in REFUSED {
        let began = Instant::now();
        let answer = world.ask(sql, "json").await;
        let text = answer.text();
        assert!(answer.status.is_client_error(), "{sql}: {} {text}", answer.status);
        assert!(text.to_lowercase().contains(&expected.to_lowercase()), "{sql}: {text}");
        assert!(began.elapsed() < Duration::from_secs(10), "{sql}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_long_and_wide_texts_are_refused() {
    let world = World::new().await;
    let nested = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let subqueries = format!("{}1{}", "SELECT (".repeat(200), ")".repeat(200));
    let doubled =
        (0..40).fold("SELECT 'x' AS s".to_owned(), |q, _| format!("SELECT s || s AS s FROM ({q})"));
    let rows: Vec<(String, &str)> = vec![
        (nested, "more than"),
        (subqueries, ""),
        (format!("SELECT 1{}", "+1".repeat(300)), "nested more than 100 deep"),
        (format!("SELECT 1{}", "+1".repeat(30_000)), "words and signs"),
        (format!("SELECT 1 FROM logs WHERE flags=1{}", " OR flags=1".repeat(3000)), ""),
        (format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(3000)), "set operations"),
        (format!("SELECT {}1", "- ".repeat(20_000)), ""),
        (format!("SELECT {} 1", "NOT ".repeat(10_000)), ""),
        (format!("SELECT {}", vec!["1"; 3000].join(",")), "more than 2000 parts"),
        (format!("SELECT '{}'", "x".repeat(70_000)), "limit is 64KiB"),
        (format!("SELECT '{}'", "x".repeat(20_000)), "text has 20000 bytes"),
        (format!("SELECT 1 FROM logs{}", " JOIN logs USING (flags)".repeat(9)), "8 joins"),
        (format!("SELECT 1 FROM {}", ["logs"; 10].join(",")), "8 joins"),
        (doubled, ""),
    ];
    for (sql, expected) in rows {
        let answer = world.ask(&sql, "json").await;
        let start: String = sql.chars().take(60).collect();
        let text = answer.text();
        assert!(answer.status.is_client_error(), "{start}: {} {text}", answer.status);
        assert!(text.contains(expected), "{start}: {text}");
    }
    assert_eq!(world.must("SELECT count(*) FROM logs").await, [["600"]], "the process is alive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recursion_without_end_stops_at_the_deadline() {
    let limits = Limits { sql_timeout: Duration::from_secs(2), ..Limits::default() };
    let world = World::with(EngineOptions { limits, ..EngineOptions::default() }).await;
    let began = Instant::now();
    let endless =
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT max(n) FROM t";
    let answer = world.ask(endless, "json").await;
    assert!(matches!(answer.status.as_u16(), 422 | 503), "{}", answer.text());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_rows_have_limits() {
    let limits = Limits { sql_rows_max: 100, ..Limits::default() };
    let world = World::with(EngineOptions { limits, ..EngineOptions::default() }).await;
    let error = world.rows("SELECT body FROM logs").await.unwrap_err();
    assert!(error.contains("more than 100 rows"), "{error}");
    assert_eq!(world.must("SELECT body FROM logs LIMIT 100").await.len(), 100);

    let limits = Limits { memory_budget: tarn_model::units::ByteSize::mib(2), ..Limits::default() };
    let world = World::with(EngineOptions { limits, ..EngineOptions::default() }).await;
    let hungry = "SELECT a.body, count(*) FROM logs a JOIN logs b ON a.service_name = b.service_name \
                  GROUP BY a.body, b.body, a.timestamp, b.timestamp";
    let answer = world.ask(hungry, "json").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    let text = answer.text();
    assert!(text.contains("query needs too much memory"), "{text}");
    assert!(text.contains("memory.budget") && !text.contains("datafusion"), "{text}");
}

/// What queries are made of at random.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "SELECT", "FROM", "logs", "spans", "samples", "WHERE", "body", "attributes",
    "['http.status']", "resource", "['port']", "=", "'x'", "1", "-1.5", "(", ")", ",", "*", "AND",
    "OR", "NOT", "GROUP BY", "ORDER BY", "LIMIT 3", "timestamp", "count(*)", "max(", "JOIN", "ON",
    "AS", "t", "UNION ALL", "WITH", "CASE WHEN", "THEN", "END", "IS NULL", "IN (1,2)", "trace_id",
    "hex(", "repeat(", "l_job", "\"ai_http.status\"", "attr('http.status')", "||", "::int",
    "now()", "INTERVAL '1 hour'", "[1]", "EXISTS (", "BETWEEN", "LIKE", "~", "\u{0}", "ü", "--",
    ";",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_words_never_end_the_process() {
    let world = World::new().await;
    let rng = SimRng::new(7);
    for _ in 0..400 {
        let words = 1 + rng.next_u64() % 14;
        let mut sql = String::from(if rng.next_u64().is_multiple_of(2) { "SELECT " } else { "" });
        for _ in 0..words {
            sql.push_str(WORDS[(rng.next_u64() % WORDS.len() as u64) as usize]);
            sql.push(' ');
        }
        let answer = world.ask(&sql, "json").await;
        let status = answer.status;
        assert!(
            status.is_success() || status.is_client_error(),
            "{sql}: {status} {}",
            answer.text()
        );
    }
}
