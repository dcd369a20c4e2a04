//! Histograms and facets of logs, against a plain list of rows: what is counted is what a search of
//! the same question pages through.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tarn_model::attributes::ValueKind;
use tarn_storage::append::rows::{LogRow, LogRows, TableRows};
use tarn_testkit::sim::SimRng;

use crate::support::{NOW_MS, World};

/// Rows lie within so many ms.
const SPAN_MS: i64 = 100_000;

#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) service: &'static str,
    pub(crate) pod: &'static str,
    /// Of the resource; the attribute of the same name decides where there is one.
    pub(crate) zone: Option<&'static str>,
    pub(crate) own_zone: Option<&'static str>,
    pub(crate) severity: i32,
    pub(crate) route: Option<&'static str>,
    pub(crate) n: u64,
    pub(crate) time_ns: i64,
}

const LEVELS: [&str; 7] = ["unset", "trace", "debug", "info", "warn", "error", "fatal"];

impl Line {
    fn level(&self) -> usize {
        if (1..=24).contains(&self.severity) { (self.severity as usize - 1) / 4 + 1 } else { 0 }
    }

    fn value(&self, key: &str) -> Option<String> {
        let text = match key {
            "level" => LEVELS[self.level()],
            "service" => self.service,
            "route" | "@attr.route" => self.route?,
            "zone" => self.own_zone.or(self.zone)?,
            "@resource.zone" => self.zone?,
            "@attr.zone" => self.own_zone?,
            "pod" => self.pod,
            "@scope.version" => "1",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Makes random lines, some of the same time.
pub(crate) fn lines(rng: &SimRng, count: u64) -> Vec<Line> {
    fn pick<T: Copy>(rng: &SimRng, list: &[T]) -> T {
        list[rng.below(list.len() as u64) as usize]
    }
    let one = |n| {
        let service = pick(rng, &["web", "cart", "db"]);
        Line {
            service,
            pod: pick(rng, &["pod-1", "pod-2"]),
            zone: pick(rng, &[Some("a"), Some("b"), None]),
            own_zone: pick(rng, &[None, None, Some("a"), Some("own")]),
            severity: pick(rng, &[0, 1, 5, 9, 10, 13, 17, 21, 24, 25]),
            route: pick(rng, &[None, Some("/"), Some("/cart"), Some("/pay \"x\"")]),
            n,
            time_ns: (NOW_MS + rng.below(SPAN_MS as u64) as i64 / 10 * 10) * 1_000_000
                + pick(rng, &[0, 7, 500_000]),
        }
    };
    (0..count).map(one).collect()
}

pub(crate) fn rows(lines: &[Line]) -> TableRows {
    let mut rows = LogRows::default();
    let scope = rows.scope(r#"{"name":"lib","version":"1"}"#);
    for line in lines {
        let mut attributes = json!({"service.name": line.service, "pod": line.pod});
        if let Some(zone) = line.zone {
            attributes["zone"] = json!(zone);
        }
        let resource = rows.resource(&json!({"attributes": attributes}).to_string(), line.service);
        rows.attribute("n", ValueKind::Int, &line.n.to_string());
        for (key, value) in [("route", line.route), ("zone", line.own_zone)] {
            if let Some(value) = value {
                rows.attribute(key, ValueKind::Text, value);
            }
        }
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: line.time_ns,
            observed_ns: line.time_ns,
            severity_number: line.severity,
            severity_text: "",
            body: Some(if line.n % 2 == 0 { "even line" } else { "odd line" }),
            body_kind: ValueKind::Text,
            trace_id: None,
            span_id: None,
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableRows::Logs(rows)
}

pub(crate) fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A search and what it means.
type Question = (&'static str, fn(&Line) -> bool);

pub(crate) const QUESTIONS: [Question; 6] = [
    ("", |_| true),
    ("even", |line| line.n % 2 == 0),
    ("service:cart level>=warn", |line| line.service == "cart" && line.severity >= 13),
    ("-level:error zone:a", |line| line.level() != 5 && line.own_zone.or(line.zone) == Some("a")),
    ("level:unset OR route:*", |line| line.level() == 0 || line.route.is_some()),
    ("nowhere", |_| false),
];

pub(crate) async fn data(world: &World, path: &str) -> Value {
    let answer = world.native(path).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.body);
    let mut answer = answer.json();
    assert_eq!(answer["warnings"], Value::Null, "{path}");
    answer["data"].take()
}

/// Returns the world with a part of the lines in memory: all, none, half.
async fn worlds(lines: &[Line]) -> [World; 3] {
    let (old, new) = lines.split_at(lines.len() / 2);
    let worlds = [World::new().await, World::new().await, World::new().await];
    for (at, world) in worlds.iter().enumerate() {
        world.rows(rows(old)).await;
        if at == 2 {
            world.flush().await;
        }
        world.rows(rows(new)).await;
    }
    worlds[1].flush().await;
    worlds
}

const KEYS: [&str; 9] = [
    "level",
    "service",
    "route",
    "zone",
    "pod",
    "@attr.zone",
    "@resource.zone",
    "@scope.version",
    "nothing",
];

#[tokio::test]
async fn histogram_facets_and_search_of_a_question_add_up() {
    let rng = SimRng::new(7);
    let lines = lines(&rng, 1500);
    for world in worlds(&lines).await {
        for (search, wants) in QUESTIONS {
            for (start_ms, end_ms) in
                [(NOW_MS, NOW_MS + SPAN_MS), (NOW_MS + 20_005, NOW_MS + 60_010)]
            {
                let within = |line: &&Line| {
                    wants(line)
                        && line.time_ns >= start_ms * 1_000_000
                        && line.time_ns < end_ms * 1_000_000
                };
                let wanted: Vec<&Line> = lines.iter().filter(within).collect();
                let range = format!(
                    "q={}&start={}.{:03}&end={}.{:03}",
                    encode(search),
                    start_ms / 1000,
                    start_ms % 1000,
                    end_ms / 1000,
                    end_ms % 1000
                );
                let found = data(&world, &format!("/logs/search?{range}&limit=10000")).await;
                assert_eq!(found["rows"].as_array().unwrap().len(), wanted.len(), "{search}");
                histogram(&world, &range, &wanted).await;
                facets(&world, &range, &wanted).await;
            }
        }
    }
}

async fn histogram(world: &World, range: &str, wanted: &[&Line]) {
    for buckets in [1, 7, 60, 1000] {
        let data = data(world, &format!("/logs/histogram?{range}&buckets={buckets}")).await;
        let (start, step) = (data["start_ms"].as_i64().unwrap(), data["step_ms"].as_i64().unwrap());
        assert_eq!(data["levels"], json!(LEVELS));
        let len = data["counts"][0].as_array().unwrap().len();
        assert!(len <= buckets.max(2) && start % step == 0, "{len} of {buckets}");
        let mut expected = vec![vec![0; len]; LEVELS.len()];
        for line in wanted {
            let bucket = (line.time_ns / 1_000_000 - start) / step;
            expected[line.level()][bucket as usize] += 1;
        }
        assert_eq!(data["counts"], json!(expected), "{range}");
        assert_eq!(data["total"], wanted.len(), "{range}");
    }
}

async fn facets(world: &World, range: &str, wanted: &[&Line]) {
    let keys = encode(&KEYS.join(","));
    let data = data(world, &format!("/logs/facets?{range}&keys={keys}")).await;
    assert_eq!(data["rows"], wanted.len());
    for (key, facet) in KEYS.iter().zip(data["facets"].as_array().unwrap()) {
        let mut counts = BTreeMap::<String, u64>::new();
        for value in wanted.iter().filter_map(|line| line.value(key)) {
            *counts.entry(value).or_default() += 1;
        }
        let mut expected: Vec<(String, u64)> = counts.into_iter().collect();
        expected.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rows: u64 = expected.iter().map(|(_, n)| n).sum();
        let values: Vec<Value> =
            expected.iter().map(|(value, n)| json!({"value": value, "count": n})).collect();
        let facet_expected = json!({
            "key": key, "distinct": values.len(), "values": values, "truncated": false, "rows": rows,
        });
        assert_eq!(*facet, facet_expected, "{range} {key}");
    }
}

#[tokio::test]
async fn a_value_of_a_facet_is_a_search() {
    let rng = SimRng::new(8);
    let lines = lines(&rng, 300);
    let world = World::new().await;
    world.rows(rows(&lines)).await;
    let answer = data(&world, "/logs/facets").await;
    let keys: Vec<&str> =
        answer["facets"].as_array().unwrap().iter().map(|f| f["key"].as_str().unwrap()).collect();
    // `n` names rows; `pod` is in all of them, `route` and `zone` in some.
    assert_eq!(keys, ["level", "service", "pod", "route", "zone"]);
    for facet in answer["facets"].as_array().unwrap() {
        for value in facet["values"].as_array().unwrap() {
            let text = value["value"].as_str().unwrap().replace('"', "\\\"");
            let search = format!("{}:\"{text}\"", facet["key"].as_str().unwrap());
            let found = data(&world, &format!("/logs/histogram?q={}", encode(&search))).await;
            assert_eq!(found["total"], value["count"], "{search}");
        }
    }
}

#[tokio::test]
async fn an_open_range_is_that_of_the_store() {
    let world = World::new().await;
    let empty = data(&world, "/logs/histogram").await;
    assert_eq!(empty["total"], 0);
    let lines = lines(&SimRng::new(9), 50);
    world.rows(rows(&lines)).await;
    for flushed in [false, true] {
        if flushed {
            world.flush().await;
        }
        let all = data(&world, "/logs/histogram?buckets=200").await;
        assert_eq!(all["total"], 50, "{all}");
        let first = lines.iter().map(|line| line.time_ns / 1_000_000).min().unwrap();
        assert_eq!(all["start_ms"], first / 500 * 500, "{all}");
    }
}

#[tokio::test]
async fn wrong_numbers_and_keys_are_told() {
    let world = World::new().await;
    let many = vec!["k"; 31].join(",");
    let rows = [
        ("histogram?buckets=0", "\"0\" is not a number from 1 to 2000"),
        ("histogram?buckets=2001", "\"2001\" is not a number from 1 to 2000"),
        ("histogram?buckets=-1", "is not a number"),
        ("histogram?start=2&end=1", "end timestamp must not be before start time"),
        ("histogram?q=%2F(%2F", "not a regular expression"),
        ("facets?keys=@foo.x", "\"@foo.x\" is no key"),
        ("facets?keys=trace", "values of \"trace\" are not counted"),
        ("facets?keys=body", "values of \"body\" are not counted"),
        (&format!("facets?keys={many}"), "31 keys are named, limit is 30"),
        ("facets?limit=0", "is not a number from 1 to"),
    ];
    for (query, message) in rows {
        let answer = world.native(&format!("/logs/{query}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{query}");
        assert!(answer.body.contains(&message.replace('"', "\\\"")), "{query}: {}", answer.body);
    }
    // A range of all times there are is cut too.
    let huge = "histogram?start=-9000000000000&end=9000000000000&buckets=3";
    let answer = data(&world, &format!("/logs/{huge}")).await;
    assert_eq!(answer["total"], 0, "{answer}");
}

#[tokio::test]
async fn many_values_are_bounded() {
    let world = World::new().await;
    let mut lines = lines(&SimRng::new(10), 1);
    let line = lines.remove(0);
    let lines: Vec<Line> = (0..40_000).map(|n| Line { n, ..line.clone() }).collect();
    for part in lines.chunks(10_000) {
        world.rows(rows(part)).await;
    }
    let answer = data(&world, "/logs/facets?keys=n,service&limit=5").await;
    let [n, service] = answer["facets"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&n["truncated"], &n["rows"]), (&json!(true), &json!(40_000)));
    assert_eq!(n["values"].as_array().unwrap().len(), 5);
    assert!(n["distinct"].as_u64().unwrap() <= 10_000, "{}", n["distinct"]);
    assert_eq!(service["values"][0]["count"], 40_000);
}
