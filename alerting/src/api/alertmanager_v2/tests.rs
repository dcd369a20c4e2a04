use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::route::{Config, DispatchOptions};

const NOW_MS: i64 = 1_795_000_000_000;

const CONFIG: &str = "
route: {receiver: hook, group_by: [alertname]}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:9/?secret'}]}, {name: other}]
inhibit_rules: [{source_matchers: [s=critical], target_matchers: [s=warning]}]
";

#[derive(Debug)]
struct Owner(Mutex<Dispatcher>);

#[async_trait]
impl AlertmanagerState for Owner {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn started_ms(&self) -> i64 {
        NOW_MS
    }

    fn ask(&self, _tenant: &TenantId, question: &mut dyn FnMut(&Dispatcher)) {
        question(&self.0.lock());
    }

    async fn change(&self, _: &TenantId, change: Change) -> Result<Option<String>, NotChanged> {
        let id = uuid(7);
        let done = change.apply(&mut self.0.lock(), &id, NOW_MS);
        done.map(|(id, _)| id).map_err(NotChanged::Refused)
    }
}

fn owner() -> Arc<dyn AlertmanagerState> {
    let (config, problems) = Config::parse("am.yml", CONFIG, false);
    let config = Arc::new(config.unwrap_or_else(|| panic!("{problems:?}")));
    let dispatcher = Dispatcher::new(config, DispatchOptions::default(), NOW_MS);
    Arc::new(Owner(Mutex::new(dispatcher)))
}

async fn call(
    owner: &Arc<dyn AlertmanagerState>,
    method: Method,
    endpoint: Endpoint,
    tail: &str,
    body: &Value,
) -> (u16, Value) {
    let uri = format!("/api/v2{}{tail}", endpoint.path().trim_end_matches("{id}"));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(method).uri(uri).body(Body::from(body));
    let tenant = TenantId::default_tenant();
    let response = handle(Arc::clone(owner), endpoint, tenant, request.expect("request")).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn get(owner: &Arc<dyn AlertmanagerState>, endpoint: Endpoint, tail: &str) -> Value {
    let (status, body) = call(owner, Method::GET, endpoint, tail, &Value::Null).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn alerts_come_in_and_are_shown() {
    let owner = owner();
    let alerts = json!([
        {"labels": {"alertname": "A", "s": "critical", "empty": ""}, "annotations": {"x": "y"},
         "startsAt": "2026-11-17T10:00:00.5+01:00", "generatorURL": "http://p/g"},
        {"labels": {"alertname": "B", "s": "warning"}, "endsAt": "2030-01-01T00:00:00Z"},
        {"labels": {}},
    ]);
    let (status, body) = call(&owner, Method::POST, Endpoint::Alerts, "", &alerts).await;
    assert_eq!((status, body), (400, json!("at least one label pair required")));
    let shown = get(&owner, Endpoint::Alerts, "").await;
    let first = shown.as_array().expect("list").iter().find(|a| a["labels"]["alertname"] == "A");
    let first = first.expect("the good ones are in");
    assert_eq!(first["startsAt"], "2026-11-17T09:00:00.500Z");
    assert_eq!(first["labels"], json!({"alertname": "A", "s": "critical"}));
    assert_eq!(first["receivers"], json!([{"name": "hook"}]));
    let status = json!({"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"});
    assert_eq!(first["status"], status);
    for (query, names) in [
        ("?inhibited=false", "A"),
        ("?active=false", "B"),
        ("?filter=alertname%3DA", "A"),
        ("?filter=%7Bs%3D~%22crit.*%22%7D&receiver=ho.k", "A"),
        ("?receiver=hoo", ""),
    ] {
        let shown = get(&owner, Endpoint::Alerts, query).await;
        let shown = shown.as_array().expect("list").iter();
        let shown: Vec<_> = shown.filter_map(|a| a["labels"]["alertname"].as_str()).collect();
        assert_eq!(shown.join(","), names, "{query}");
    }
    let groups = get(&owner, Endpoint::Groups, "").await;
    assert_eq!(groups[0]["labels"], json!({"alertname": "A"}));
    assert_eq!(groups[0]["receiver"], json!({"name": "hook"}));
    assert_eq!(groups[1]["alerts"][0]["status"]["state"], "suppressed");
}

#[tokio::test]
async fn silences_are_made_shown_and_ended() {
    let owner = owner();
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "A|B", "isRegex": true}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2030-01-01T00:00:00.000Z",
        "createdBy": "me", "comment": "because",
    });
    let (status, made) = call(&owner, Method::POST, Endpoint::Silences, "", &silence).await;
    let id = "00000000-0000-4000-8000-000000000007";
    assert_eq!((status, made), (200, json!({"silenceID": id})));
    let shown = get(&owner, Endpoint::Silence, id).await;
    assert_eq!(shown["status"], json!({"state": "active"}));
    let matchers = json!([{"name": "alertname", "value": "A|B", "isRegex": true, "isEqual": true}]);
    assert_eq!(shown["matchers"], matchers);
    assert_eq!(get(&owner, Endpoint::Silences, "?active=false").await, json!([]));
    assert_eq!(get(&owner, Endpoint::Silences, "?filter=alertname%3Dx").await, json!([]));
    let (status, _) = call(&owner, Method::DELETE, Endpoint::Silence, id, &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(get(&owner, Endpoint::Silences, "").await[0]["status"]["state"], "expired");
    let (status, _) = call(&owner, Method::DELETE, Endpoint::Silence, "x", &Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn bad_input_is_told() {
    let owner = owner();
    for (endpoint, body) in [
        (Endpoint::Silences, json!({"matchers": []})),
        (Endpoint::Alerts, json!({"labels": {}})),
        (Endpoint::Alerts, json!([{"labels": {"a": "b"}, "startsAt": "noon"}])),
        (
            Endpoint::Silences,
            json!({"matchers": [], "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2030-01-01T00:00:00Z", "createdBy": "", "comment": ""}),
        ),
        (
            Endpoint::Silences,
            json!({"matchers": [{"name": "a", "value": "(", "isRegex": true}],
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2030-01-01T00:00:00Z",
            "createdBy": "", "comment": ""}),
        ),
    ] {
        let (status, reason) = call(&owner, Method::POST, endpoint, "", &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()), "{reason}");
    }
    for query in ["?filter=a%3D~(", "?receiver=(", "?active=maybe"] {
        let (status, _) = call(&owner, Method::GET, Endpoint::Alerts, query, &Value::Null).await;
        assert_eq!(status, 400, "{query}");
    }
    let (status, _) = call(&owner, Method::PUT, Endpoint::Alerts, "", &Value::Null).await;
    assert_eq!(status, 405);
    let status = get(&owner, Endpoint::Status, "").await;
    let original = status["config"]["original"].as_str().expect("text");
    assert!(original.contains("hook") && !original.contains("?secret"), "{original}");
    let names = get(&owner, Endpoint::Receivers, "").await;
    assert_eq!(names, json!([{"name": "hook"}, {"name": "other"}]));
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_its_limit() {
    let owner = owner();
    let text = "x".repeat(64 << 10);
    let alerts = json!([
        {"labels": {"alertname": "A"}, "annotations": {"text": text}},
        {"labels": {"alertname": "B"}},
    ]);
    let (status, body) = call(&owner, Method::POST, Endpoint::Alerts, "", &alerts).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.as_str().is_some_and(|body| body.contains("limit is 65536")), "{body}");
    let held = get(&owner, Endpoint::Alerts, "").await;
    assert_eq!(held.as_array().map(Vec::len), Some(1), "the other is taken: {held}");
    let silence = json!({
        "matchers": [{"name": "a", "value": "b", "isRegex": false}],
        "startsAt": "2026-11-17T10:00:00Z", "endsAt": "2030-01-01T00:00:00Z",
        "createdBy": "ann", "comment": text,
    });
    let (status, body) = call(&owner, Method::POST, Endpoint::Silences, "", &silence).await;
    assert_eq!(status, 400, "{body}");
}

#[test]
fn what_is_held_may_change_also_where_there_is_no_room() {
    let (config, _) = Config::parse("am.yml", CONFIG, false);
    let options = DispatchOptions { alerts_max: 1, ..DispatchOptions::default() };
    let mut dispatcher = Dispatcher::new(Arc::new(config.expect("parses")), options, NOW_MS);
    let mut post = |name: &str, ends_ms: i64| {
        let alert = Alert {
            labels: [tarn_model::labels::Label::new("alertname", name)].into_iter().collect(),
            annotations: tarn_model::labels::LabelSet::default(),
            starts_ms: NOW_MS - 1,
            ends_ms,
            timeout: false,
            updated_ms: NOW_MS,
            generator_url: String::new(),
        };
        Change::Alerts(vec![alert]).apply(&mut dispatcher, "", NOW_MS).is_ok()
    };
    assert!(post("A", NOW_MS + 60_000));
    assert!(!post("B", NOW_MS + 60_000), "there is no room");
    assert!(post("A", NOW_MS), "it ends");
}
