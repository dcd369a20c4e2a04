//! Searches over rows in memory: a table of examples, and random searches against a naive reading
//! of the language.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray};
use datafusion::logical_expr::Expr;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};
use proptest::sample::select;
use tarn_model::attributes::ValueKind;
use tarn_storage::append::rows::{LogRow, LogRows, SpanEvent, SpanRow, SpanRows, TableRows};
use tarn_storage::schema::tables::{Table, column};
use tarn_storage::view::rows::{RowColumn, RowPrune, RowScan};

use super::{Plan, plan};
use crate::search::ast::{Op, Owner, Query, Term, TermKind, Value};
use crate::search::filter::row_filter;
use crate::search::parse::{ParseLimits, parse};

/// A log record, as far as the tests look.
#[derive(Debug, Clone, Copy, Default)]
struct Log {
    service: &'static str,
    severity: i32,
    text: &'static str,
    body: Option<&'static str>,
    trace: Option<u8>,
    attributes: &'static [(&'static str, ValueKind, &'static str)],
    resource: &'static [(&'static str, &'static str)],
}

const T: ValueKind = ValueKind::Text;
const I: ValueKind = ValueKind::Int;

const LOGS: &[Log] = &[
    Log {
        service: "checkout",
        severity: 17,
        text: "ERROR",
        body: Some("Error: connection to 10.0.0.1:5432 refused"),
        trace: Some(1),
        attributes: &[("http.status", I, "500"), ("route", T, "/cart"), ("took", T, "1500ms")],
        resource: &[("k8s.pod", "web-1"), ("route", "none")],
    },
    Log {
        service: "checkout",
        severity: 9,
        text: "INFO",
        body: Some("no errors, error_count=0"),
        trace: None,
        attributes: &[("http.status", I, "200"), ("user", T, "Ana B")],
        resource: &[("k8s.pod", "web-2"), ("route", "/cart")],
    },
    Log {
        service: "cart",
        severity: 13,
        text: "Notice",
        body: Some("füße ERROR überlauf a.b*c"),
        trace: Some(2),
        attributes: &[("http.status", ValueKind::Double, "499.5"), ("service", T, "other")],
        resource: &[],
    },
    Log { service: "cart", severity: 0, body: None, ..EMPTY },
    Log {
        service: "db",
        severity: 21,
        text: "",
        body: Some(""),
        attributes: &[("took", T, "2s"), ("bytes", I, "2048"), ("my key", T, "x")],
        ..EMPTY
    },
];

const EMPTY: Log = Log {
    service: "",
    severity: 0,
    text: "",
    body: None,
    trace: None,
    attributes: &[],
    resource: &[],
};

fn log_batch(logs: &[Log]) -> RecordBatch {
    let mut rows = LogRows::default();
    let scope = rows.scope(r#"{"name":"lib","version":"1.2","attributes":{"tier":"gold"}}"#);
    for log in logs {
        let resource = rows.resource(&resource_json(log.resource), log.service);
        for (key, kind, text) in log.attributes {
            rows.attribute(key, *kind, text);
        }
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: 1,
            observed_ns: 0,
            severity_number: log.severity,
            severity_text: log.text,
            body: log.body,
            body_kind: ValueKind::Text,
            trace_id: log.trace.map(|n| [n; 16]),
            span_id: log.trace.map(|n| [n; 8]),
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableRows::Logs(rows).into_batch().expect("rows fit")
}

fn resource_json(resource: &[(&str, &str)]) -> String {
    let members: serde_json::Map<_, _> =
        resource.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    serde_json::json!({ "attributes": members }).to_string()
}

/// Gives a batch the columns that a scan would, attributes by key among them.
fn project(batch: &RecordBatch, columns: &[RowColumn], table: Table) -> RecordBatch {
    let arrays = columns.iter().map(|column| match column {
        RowColumn::Stored(name) => Arc::clone(batch.column_by_name(name).expect("column")),
        RowColumn::Attribute(key) => attribute(batch, key),
        other => panic!("{other:?} is not searched"),
    });
    let schema = RowScan::new(table, columns.to_vec()).schema().expect("schema");
    RecordBatch::try_new(schema, arrays.collect()).expect("columns fit")
}

fn attribute(batch: &RecordBatch, key: &str) -> ArrayRef {
    let map = batch.column_by_name(column::ATTRIBUTES).expect("attributes").as_map();
    let keys = map.keys().as_dictionary::<Int32Type>();
    let keys = keys.downcast_dict::<StringArray>().expect("texts");
    let values = map.values().as_string::<i32>();
    let found = |row: usize| {
        let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
        range.rev().find(|i| {
            use arrow_array::ArrayAccessor as _;
            keys.value(*i) == key
        })
    };
    let texts = (0..map.len()).map(|row| found(row).map(|i| values.value(i)));
    Arc::new(texts.collect::<DictionaryArray<Int32Type>>())
}

fn planned(text: &str, table: Table) -> Result<Plan, String> {
    let query = parse(text, ParseLimits::default()).map_err(|e| e.describe(text))?;
    plan(&query, table).map_err(|e| e.describe(text))
}

/// Returns the rows that meet all conditions.
fn run(conditions: &[Expr], batch: &RecordBatch, table: Table) -> Vec<usize> {
    let mut kept = vec![true; batch.num_rows()];
    for condition in conditions {
        let filter = row_filter(table, condition).expect("compiles");
        let verdicts = filter.test.test(&project(batch, &filter.columns, table)).expect("decides");
        for (kept, verdict) in kept.iter_mut().zip(&verdicts) {
            *kept &= verdict == Some(true);
        }
    }
    kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row).collect()
}

fn found(text: &str) -> Vec<usize> {
    let plan = planned(text, Table::Logs).unwrap_or_else(|e| panic!("{text}: {e}"));
    run(&plan.conditions, &log_batch(LOGS), Table::Logs)
}

/// Searches, and the numbers of the records that they find.
const FOUND: &[(&str, &[usize])] = &[
    ("", &[0, 1, 2, 3, 4]),
    ("error", &[0, 2]),
    ("ERROR", &[0, 2]),
    ("\"Error\"", &[0]),
    ("\"error\"", &[1]),
    ("errors", &[1]),
    ("error*", &[0, 1, 2]),
    ("err", &[]),
    ("error_count", &[1]),
    ("10.0.0.1", &[0]),
    ("0.0.1", &[0]),
    ("10.0.0", &[0]),
    ("0.0.0", &[]),
    ("FÜSSE", &[]),
    ("füße", &[2]),
    ("FüßE", &[2]),
    ("über*", &[2]),
    ("*lauf", &[2]),
    ("a.b\\*c", &[2]),
    ("con*ion", &[0]),
    ("con*refused", &[]),
    ("/con.*refused$/", &[0]),
    ("/(?i)ERROR/", &[0, 1, 2]),
    ("-error", &[1, 3, 4]),
    ("NOT error service:checkout", &[1]),
    ("error OR service:db", &[0, 2, 4]),
    ("body:error", &[0, 2]),
    ("body:*", &[0, 1, 2, 4]),
    ("body!=error", &[1, 4]),
    ("service:c*", &[0, 1, 2, 3]),
    ("service!=cart", &[0, 1, 4]),
    ("@attr.service:other", &[2]),
    ("@attr.service:*", &[2]),
    ("level:error", &[0]),
    ("level>=warn", &[0, 2, 4]),
    ("level>warn", &[0, 4]),
    ("level<warn", &[1]),
    ("level<=WARN", &[1, 2]),
    ("level!=error", &[1, 2, 4]),
    ("-level:error", &[1, 2, 3, 4]),
    ("level:17", &[0]),
    ("level:error2", &[]),
    ("level:notice", &[2]),
    ("level:/^(ERR|INF)/", &[0, 1]),
    ("level:*", &[0, 1, 2, 4]),
    ("trace:01010101010101010101010101010101", &[0]),
    ("span!=0101010101010101", &[2]),
    ("trace:*", &[0, 2]),
    ("http.status:500", &[0]),
    ("http.status=500.0", &[0]),
    ("http.status>=499", &[0, 2]),
    ("http.status<499.5", &[1]),
    ("http.status!=500", &[1, 2]),
    ("-http.status:500", &[1, 2, 3, 4]),
    ("http.status:*", &[0, 1, 2]),
    ("took>1s", &[0, 4]),
    ("took>=2s", &[4]),
    ("took=1.5s", &[0]),
    ("bytes=2KiB", &[4]),
    ("bytes>2kB", &[4]),
    ("\"my key\":x", &[4]),
    ("user:\"Ana B\"", &[1]),
    ("user:\"Ana\"", &[]),
    ("user:Ana*", &[1]),
    ("k8s.pod:web-1", &[0]),
    ("k8s.pod:web-*", &[0, 1]),
    ("k8s.pod!=web-1", &[1]),
    ("-k8s.pod:*", &[2, 3, 4]),
    ("route:/^\\/cart$/", &[0, 1]),
    ("route:none", &[]),
    ("@resource.route:none", &[0]),
    ("@scope.name:lib tier:gold", &[]),
    ("@scope.version:1.2 @scope.tier:gold", &[0, 1, 2, 3, 4]),
    ("@scope.tier:silver", &[]),
    ("duration:*", &[]),
];

#[test]
fn logs_are_found() {
    for (text, expected) in FOUND {
        assert_eq!(found(text), *expected, "{text}");
    }
}

#[test]
fn values_that_a_key_does_not_take_are_pointed_at() {
    let rows = [
        (
            Table::Logs,
            "a level>foo",
            "character 9: unknown level; known are trace, debug, info, warn, error and fatal",
        ),
        (
            Table::Logs,
            "trace:xyz",
            "character 7: an id of 32 hex digits is compared by ':' or '!='",
        ),
        (
            Table::Logs,
            "k>abc",
            "character 3: '>' takes a number, a time or a size, such as 5, 200ms or 10KiB",
        ),
        (Table::Logs, "/(/", "character 1: not a regular expression: unclosed group"),
        (Table::Logs, "body>5", "character 6: the body of a log record has no order"),
        (
            Table::Logs,
            "k:/\\w{1000}{1000}/",
            "character 3: the regular expression is too large, limit is 1048576 bytes when compiled",
        ),
        (
            Table::Spans,
            "status:bad",
            "character 8: a status is one of unset, ok, error, compared by ':' or '!='",
        ),
        (
            Table::Spans,
            "kind>2",
            "character 6: a kind is one of unspecified, internal, server, client, producer, consumer, compared by ':' or '!='",
        ),
        (
            Table::Spans,
            "duration>200",
            "character 10: a duration is a time with its unit, such as 200ms",
        ),
        (
            Table::Spans,
            "duration>5KiB",
            "character 10: a duration is a time with its unit, such as 200ms",
        ),
    ];
    for (table, text, message) in rows {
        assert_eq!(planned(text, table).map(|p| p.conditions.len()), Err(message.to_owned()));
    }
    let many = "/a/ ".repeat(101);
    let error = planned(&many, Table::Logs).map(|p| p.conditions.len()).expect_err("too many");
    assert!(error.ends_with("the search has too many patterns, limit is 100"), "{error}");
}

#[test]
fn hostile_searches_are_decided() {
    let wide = |separator: &str| vec!["k:v"; 1000].join(separator);
    assert_eq!(found(&wide(" ")), Vec::<usize>::new());
    assert_eq!(found(&wide(" OR ")), Vec::<usize>::new());
    let deep = format!("{}error{}", "-(".repeat(50), ")".repeat(50));
    assert_eq!(found(&deep), [0, 2]);
    assert_eq!(found(&format!("\"{}\"", "x".repeat(200_000))), Vec::<usize>::new());
}

/// A span: name, service, kind, status, its message, duration in ns, names of events.
type Span = (&'static str, &'static str, i32, i32, &'static str, i64, &'static [&'static str]);

const SPANS: &[Span] = &[
    ("GET /cart", "web", 2, 0, "", 1_500_000, &[]),
    ("charge", "payment", 3, 2, "card declined", 200_000_000, &["exception", "retry"]),
    ("charge", "payment", 3, 1, "", -5, &["retry"]),
];

fn span_batch() -> RecordBatch {
    let mut rows = SpanRows::default();
    let scope = rows.scope("{}");
    for (name, service, kind, status, message, duration_ns, events) in SPANS {
        let resource = rows.resource("{}", service);
        for name in *events {
            rows.event(&SpanEvent { offset_ns: 0, name, dropped: 0 });
        }
        rows.push(&SpanRow {
            resource,
            scope,
            trace_id: [1; 16],
            span_id: [2; 8],
            parent_span_id: None,
            start_ns: 1,
            duration_ns: *duration_ns,
            name,
            kind: *kind,
            status: *status,
            status_message: message,
            trace_state: "",
            flags: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            weight: None,
            exception_group: None,
            problems: 0,
        });
    }
    TableRows::Spans(rows).into_batch().expect("rows fit")
}

#[test]
fn spans_are_found() {
    let rows: &[(&str, &[usize])] = &[
        ("cart", &[0]),
        ("declined", &[1]),
        ("payment", &[1, 2]),
        ("retry", &[1, 2]),
        ("exception", &[1]),
        ("status:error", &[1]),
        ("status!=error", &[0, 2]),
        ("status:error duration>100ms", &[1]),
        ("duration>=1.5ms", &[0, 1]),
        ("duration>1.5ms", &[1]),
        ("duration<0", &[2]),
        ("duration=200ms", &[1]),
        ("duration!=200ms", &[0, 2]),
        ("duration>0.5ns", &[0, 1]),
        ("kind:client", &[1, 2]),
        ("kind:2", &[0]),
        ("name:charge", &[1, 2]),
        ("name:GET*", &[0]),
        ("event:retry -event:exception", &[2]),
        ("event:*", &[1, 2]),
        ("event:ex*", &[1]),
        ("parent:*", &[]),
        ("level:error", &[]),
    ];
    for (text, expected) in rows {
        let plan = planned(text, Table::Spans).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(run(&plan.conditions, &span_batch(), Table::Spans), *expected, "{text}");
    }
}

#[test]
fn what_a_search_says_about_indexed_columns_prunes() {
    let prune = |text: &str, table| planned(text, table).unwrap_or_else(|e| panic!("{e}")).prune;
    let services = |text: &str| prune(text, Table::Logs).services.map(|s| s.join(","));
    let all = [
        ("service:a x", Some("a")),
        ("service:a OR service:b", Some("a,b")),
        ("(service:a OR service:b) service:b", Some("b")),
        ("service:a service:b", Some("")),
        ("service=a", Some("a")),
        ("service=5", None),
        ("service!=a", None),
        ("service:a OR x", None),
        ("-service:a", None),
        ("service:a*", None),
        ("@attr.service:a", None),
    ];
    for (text, expected) in all {
        assert_eq!(services(text).as_deref(), expected, "{text}");
    }
    let severity = |text: &str| prune(text, Table::Logs).severity;
    assert_eq!(severity("level>=warn level<fatal"), Some((13, 20)));
    assert_eq!(severity("level:error OR level:info"), Some((9, 20)));
    assert_eq!(severity("level:notice"), None);
    let spans = prune("kind:server status:error name:x trace:1", Table::Spans);
    let RowPrune { kinds, statuses, names, trace_ids, .. } = spans;
    assert_eq!(
        (kinds, statuses, names),
        (Some(vec![2]), Some(vec![2]), Some(vec!["x".to_owned()]))
    );
    assert_eq!(trace_ids, Some(vec![1_u128.to_be_bytes()]));
}

#[test]
fn cheap_columns_are_read_first() {
    let plan = planned("word k:v service:a @resource.x:y level:error", Table::Logs).expect("plans");
    let columns = |e: &Expr| {
        let mut names: Vec<String> = e.column_refs().iter().map(|c| c.name.clone()).collect();
        names.sort();
        names.join(" ")
    };
    let order: Vec<String> = plan.conditions.iter().map(columns).collect();
    let expected =
        ["service_name", "severity_number", "resource", "attributes['k'] resource", "body"];
    assert_eq!(order, expected);
}

// The naive reading: one record at a time, no columns, no expressions.

fn naive(query: &Query, log: &Log) -> bool {
    match query {
        Query::All => true,
        Query::And(list) => list.iter().all(|q| naive(q, log)),
        Query::Or(list) => list.iter().any(|q| naive(q, log)),
        Query::Not(inner) => !naive(inner, log),
        Query::Term(Term { kind, .. }) => match kind {
            TermKind::Text(value) => log.body.is_some_and(|body| in_text(value, body)),
            TermKind::Exists(key) => value_of(log, key.owner, &key.name).is_some(),
            TermKind::Field { key, op, value, .. } => value_of(log, key.owner, &key.name)
                .is_some_and(|found| match op {
                    Op::Is => is_value(value, &found),
                    Op::NotEqual => !is_value(value, &found),
                    _ => match (value, found.parse::<f64>()) {
                        (Value::Word(glob), Ok(found)) => {
                            let wanted = glob.as_literal().and_then(|w| w.parse::<f64>().ok());
                            let wanted = wanted.expect("the strategy writes numbers");
                            if *op == Op::Greater { found > wanted } else { found <= wanted }
                        }
                        _ => false,
                    },
                }),
        },
    }
}

fn value_of(log: &Log, owner: Owner, key: &str) -> Option<String> {
    let own = log.attributes.iter().find(|(k, ..)| *k == key).map(|(_, _, v)| (*v).to_owned());
    let resource = log.resource.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned());
    match owner {
        Owner::Any if key == "service" => Some(log.service.to_owned()),
        Owner::Any => own.or(resource),
        Owner::Attribute => own,
        Owner::Resource => resource,
        Owner::Scope => None,
    }
}

fn is_value(value: &Value, found: &str) -> bool {
    match value {
        Value::Word(glob) => match glob.pieces() {
            [all] => found == all,
            [start, end] => {
                found.len() >= start.len() + end.len()
                    && found.starts_with(start.as_str())
                    && found.ends_with(end.as_str())
            }
            other => panic!("the strategy writes one wildcard, got {other:?}"),
        },
        Value::Phrase(text) => found == text,
        Value::Regex(pattern) => found.contains(pattern),
    }
}

fn in_text(value: &Value, body: &str) -> bool {
    match value {
        Value::Word(glob) => {
            let wanted: Vec<char> =
                glob.as_literal().expect("no wildcards").to_ascii_lowercase().chars().collect();
            let body: Vec<char> = body.to_ascii_lowercase().chars().collect();
            let is_word = |c: Option<&char>| c.is_some_and(|c| *c == '_' || c.is_alphanumeric());
            (0..body.len()).any(|at| {
                body.get(at..).is_some_and(|rest| rest.starts_with(&wanted))
                    && !(is_word(wanted.first()) && at > 0 && is_word(body.get(at - 1)))
                    && !(is_word(wanted.last()) && is_word(body.get(at + wanted.len())))
            })
        }
        Value::Phrase(text) => body.contains(text.as_str()),
        Value::Regex(pattern) => body.contains(pattern.as_str()),
    }
}

const BODIES: &[Option<&str>] = &[
    None,
    Some(""),
    Some("error"),
    Some("Error in a"),
    Some("errors_a b"),
    Some("a-b a.b ab"),
    Some("é a é"),
    Some("éa ba"),
    Some("b"),
];
const ATTRIBUTES: &[&[(&str, ValueKind, &str)]] = &[
    &[],
    &[("k", T, "a")],
    &[("k", I, "5")],
    &[("k", T, "")],
    &[("n", I, "-7"), ("k", T, "ab")],
    &[("n", ValueKind::Double, "5.5")],
    &[("service", T, "a")],
];
const RESOURCES: &[&[(&str, &str)]] = &[&[], &[("k", "a")], &[("r", "ab"), ("k", "5")]];

fn log() -> impl Strategy<Value = Log> {
    (select(BODIES), select(ATTRIBUTES), select(RESOURCES), select(vec!["a", "b"])).prop_map(
        |(body, attributes, resource, service)| Log {
            body,
            attributes,
            resource,
            service,
            ..EMPTY
        },
    )
}

fn search() -> impl Strategy<Value = String> {
    let words = ["a", "error", "ERRORS_A", "b", "é", "a-b", "a.b", "ab", "in", "-b"];
    let phrases = ["\"a\"", "\"a b\"", "\"r\"", "/a/", "/rr/", "*", "\"\\n\""];
    let values = [
        "k:a",
        "k:5",
        "k:\"\"",
        "k:*",
        "k:a*",
        "k:*b",
        "k!=a",
        "k:/b/",
        "@attr.k:a",
        "@resource.k:*",
        "@resource.k:a",
        "service:a",
        "@attr.service:a",
        "r:ab",
        "n>5",
        "n<=-7",
        "k>4",
        "k!=5*",
    ];
    let leaf = prop_oneof![
        select(words.to_vec()),
        select(phrases.to_vec()),
        select(values.to_vec()),
        Just("k:a")
    ];
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(|list| format!("({})", list.join(" "))),
            list.prop_map(|list| format!("({})", list.join(" OR "))),
            inner.prop_map(|one| format!("NOT {one}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn columns_and_records_agree(logs in proptest::collection::vec(log(), 0..24), text in search()) {
        let query = parse(&text, ParseLimits::default()).expect("parses");
        let plan = plan(&query, Table::Logs).expect("plans");
        let wanted = |(row, log): (usize, &Log)| naive(&query, log).then_some(row);
        let wanted: Vec<usize> = logs.iter().enumerate().filter_map(wanted).collect();
        assert_eq!(run(&plan.conditions, &log_batch(&logs), Table::Logs), wanted, "{text}");
        if let Some(services) = plan.prune.services {
            assert!(wanted.iter().all(|row| services.iter().any(|s| s == logs[*row].service)));
        }
    }
}
