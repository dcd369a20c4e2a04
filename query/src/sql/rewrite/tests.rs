use tarn_model::limits::Limits;

use super::*;
use crate::sql::guard;

struct Store;

impl Known for Store {
    fn promoted(&self, table: Table) -> &[String] {
        static LOGS: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
            vec![
                "ai_http.status".to_owned(),
                "a_route".to_owned(),
                "ad_mixed".to_owned(),
                "ai_mixed".to_owned(),
            ]
        });
        match table {
            Table::Logs => &LOGS,
            Table::Spans => &[],
        }
    }
}

fn rewritten(sql: &str) -> (String, Extra) {
    let mut statement = guard::parse(sql, &Limits::default()).expect("a query");
    let query = guard::query_of(&mut statement).expect("a query");
    let extra = rewrite(query, &Store).expect("can be rewritten");
    (query.to_string(), extra)
}

#[test]
fn attributes_become_columns() {
    let rows = [
        ("SELECT attributes['k'] FROM logs", "SELECT \"attributes['k']\" FROM logs"),
        (
            "SELECT 1 FROM logs AS l WHERE l.attributes['k'] = 'x'",
            "SELECT 1 FROM logs AS l WHERE l.\"attributes['k']\" = 'x'",
        ),
        (
            "SELECT 1 FROM (SELECT * FROM logs) t WHERE attributes['k'] = 'x'",
            "SELECT 1 FROM (SELECT * FROM logs) t WHERE attributes['k'] = 'x'",
        ),
        (
            "WITH logs AS (SELECT 1) SELECT attributes['k'] FROM logs",
            "WITH logs AS (SELECT 1) SELECT attributes['k'] FROM logs",
        ),
        (
            "SELECT attr('http.status') FROM logs",
            "SELECT TRY_CAST(\"attributes['http.status']\" AS BIGINT) AS \"attr('http.status')\" FROM logs",
        ),
        (
            "SELECT 1 FROM logs WHERE attr('mixed') = '1'",
            "SELECT 1 FROM logs WHERE \"attributes['mixed']\" = '1'",
        ),
        (
            "SELECT resource['k'] FROM logs",
            "SELECT resource_attribute(resource, 'k') AS \"resource['k']\" FROM logs",
        ),
        (
            "SELECT 1 FROM spans s GROUP BY s.scope['name']",
            "SELECT 1 FROM spans s GROUP BY scope_attribute(s.scope, 'name')",
        ),
        (
            "SELECT 1 FROM logs ORDER BY attributes['k']",
            "SELECT 1 FROM logs ORDER BY \"attributes['k']\"",
        ),
        (
            "SELECT * FROM logs WHERE attributes['k'] = 'x'",
            "SELECT * EXCLUDE (\"attributes['k']\") FROM logs WHERE \"attributes['k']\" = 'x'",
        ),
        (
            "SELECT span_id = '00000000000000ff' FROM spans",
            "SELECT span_id = X'00000000000000ff' FROM spans",
        ),
    ];
    for (sql, expected) in rows {
        let (text, _) = rewritten(sql);
        assert_eq!(text.replace(" AS t ", " t "), expected.replace(" AS t ", " t "), "{sql}");
    }
}

#[test]
fn tables_get_what_is_named() {
    let (_, extra) = rewritten(
        "SELECT l.attributes['a'], \"a_route\", s.attributes['b'], l_job FROM logs l \
         JOIN spans s ON l.trace_id = s.trace_id JOIN samples m ON m.l_instance = l.body",
    );
    let attribute = |key: &str| RowColumn::Attribute(key.into());
    assert_eq!(extra.logs, [attribute("a"), RowColumn::Stored("a_route".into())]);
    assert!(extra.spans.contains(&attribute("b")) && !extra.spans.contains(&attribute("a")));
    assert_eq!(extra.labels, ["l_job", "l_instance"]);
    let (_, extra) = rewritten("SELECT upper(body) AS a_new FROM logs ORDER BY a_new");
    assert_eq!(extra, Extra::default(), "a name that the query gives is no column");
}

#[test]
fn what_is_no_id_is_refused_with_its_place() {
    let mut statement = guard::parse("SELECT 1 FROM logs WHERE trace_id = 'x'", &Limits::default())
        .expect("parses");
    let query = guard::query_of(&mut statement).expect("a query");
    let error = rewrite(query, &Store).expect_err("no id");
    assert_eq!(
        error.to_string(),
        "trace_id is compared with 'x', which is not 32 hex digits (line 1, column 37)"
    );
}
