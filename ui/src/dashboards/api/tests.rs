//! What each call answers, over a store in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
#[expect(clippy::disallowed_types, reason = "a lock of a test, which needs no other crate")]
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use axum::body::HttpBody as _;

use super::*;
use crate::dashboards::check::{Language, Mistake};

struct Any;

impl CheckQuery for Any {
    fn check(&self, _: Language, text: &str) -> Result<(), Mistake> {
        match text {
            "bad" => Err(Mistake { message: "no query".to_owned(), span: Some(0..3) }),
            _ => Ok(()),
        }
    }
}

/// Boards with their revisions, and whether the bucket is away.
#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "a lock of a test, which needs no other crate")]
struct Memory {
    boards: Mutex<BTreeMap<String, Stored>>,
    away: bool,
}

impl Memory {
    fn change(&self, name: &str, expected: Option<u64>, board: Option<&str>) -> Saved {
        let mut boards = self.boards.lock().unwrap();
        let now = boards.get(name).cloned();
        let revision = now.as_ref().map_or(0, |now| now.revision);
        if expected.is_some_and(|expected| expected != revision) {
            return Saved::Conflict(now.map(Box::new));
        }
        match board {
            None => drop(boards.remove(name)),
            Some(board) => {
                let board = serde_json::from_str(board).unwrap();
                let (name, author) = (name.to_owned(), "me".to_owned());
                let stored = Stored {
                    name: name.clone(),
                    revision: revision + 1,
                    board,
                    changed_ms: 7,
                    author,
                };
                boards.insert(name, stored);
            }
        }
        Saved::Done(revision + 1)
    }
}

impl BoardStore for Memory {
    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        if self.away {
            return Err(StoreError { unavailable: true, message: "the bucket is away".to_owned() });
        }
        Ok(self.boards.lock().unwrap().values().cloned().collect())
    }

    async fn get(&self, name: &str) -> Result<Option<Stored>, StoreError> {
        Ok(self.boards.lock().unwrap().get(name).cloned())
    }

    async fn put(
        &self,
        name: &str,
        expected: Option<u64>,
        board: &str,
    ) -> Result<Saved, StoreError> {
        Ok(self.change(name, expected, Some(board)))
    }

    async fn delete(&self, name: &str, expected: Option<u64>) -> Result<Saved, StoreError> {
        Ok(self.change(name, expected, None))
    }

    async fn write_back(&self, _: &Path, _: &str) -> Result<(), StoreError> {
        Err(StoreError { unavailable: false, message: "the disk is read-only".to_owned() })
    }
}

/// Nothing here waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("waits"),
    }
}

fn answer(response: impl Future<Output = Response>) -> (u16, Value) {
    let response = now(response);
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = pin!(&mut body).poll_frame(&mut context) {
        bytes.extend(frame.unwrap().into_data().unwrap_or_default());
    }
    let value = serde_json::from_slice(&bytes);
    (status, value.unwrap_or_else(|_| String::from_utf8(bytes).unwrap().into()))
}

fn board(name: &str, title: &str) -> String {
    json!({ "kind": "Dashboard", "metadata": { "name": name }, "spec": { "display": { "name": title } } })
        .to_string()
}

fn revision_is(number: &str) -> HeaderMap {
    HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_str(number).unwrap())])
}

fn folder() -> Loaded {
    let text = board("file", "File");
    let found = model::read(&text, Format::Json).unwrap();
    let boards = vec![FileBoard { path: "/b/file.json".into(), revision: 9, board: found }];
    Loaded { boards, problems: Vec::new() }
}

#[test]
fn a_board_lives_through_its_revisions() {
    let (store, folder, none) = (Memory::default(), folder(), HeaderMap::new());
    let api = Api { store: &store, folder: &folder, checker: &Any };
    let put = |headers: &HeaderMap, title: &str| {
        answer(api.put("mine", headers, board("mine", title).as_bytes()))
    };
    assert_eq!(put(&none, "One").0, 200);
    let (status, twice) = put(&none, "Two");
    assert_eq!((status, &twice["data"]["revision"]), (409, &json!(1)), "{twice}");
    assert_eq!(put(&revision_is("\"1\""), "Two").1["data"]["revision"], 2);
    let (status, late) = put(&revision_is("1"), "Three");
    assert_eq!((status, &late["errorType"]), (409, &json!("conflict")));
    let diff = late["data"]["diff"].as_str().unwrap();
    assert!(diff.contains("-    name: Two\n+    name: Three\n"), "{diff}");
    assert_eq!(put(&revision_is("*"), "Four").0, 200);
    assert_eq!(put(&revision_is("x"), "Five").0, 400);
    assert_eq!(answer(api.get("mine", "")).1["data"]["author"], "me");
    let (_, yaml) = answer(api.get("mine", "format=yaml"));
    assert!(yaml.as_str().unwrap().contains("name: Four"), "{yaml}");
    assert_eq!(answer(api.get("mine", "format=xml")).0, 400);
    assert_eq!(answer(api.delete("mine", &revision_is("1"))).0, 409);
    assert_eq!(answer(api.delete("mine", &revision_is("3"))).0, 200);
    assert_eq!(answer(api.delete("mine", &none)).0, 404);
    assert_eq!(answer(api.get("mine", "")).0, 404);
    assert_eq!(put(&revision_is("3"), "Six").0, 409, "it is gone");
}

#[test]
fn files_own_their_names_and_built_in_boards_stay() {
    let (store, folder, none) = (Memory::default(), folder(), HeaderMap::new());
    let api = Api { store: &store, folder: &folder, checker: &Any };
    let put = |name: &str, headers: &HeaderMap| {
        answer(api.put(name, headers, board(name, "Other").as_bytes()))
    };
    assert_eq!(put("tarn", &none).0, 403);
    assert_eq!(answer(api.delete("tarn", &none)).0, 403);
    assert_eq!(put("file", &none).0, 409, "without a revision");
    assert_eq!(put("file", &revision_is("8")).1["data"]["revision"], 9);
    let (status, refused) = put("file", &revision_is("9"));
    assert_eq!((status, &refused["error"]), (500, &json!("the disk is read-only")));
    assert_eq!(answer(api.delete("file", &none)).0, 403);
    assert!(matches!(store.change("file", None, Some(&board("file", "Hidden"))), Saved::Done(_)));
    let found = answer(api.get("file", "")).1;
    assert_eq!(
        (&found["data"]["origin"], &found["data"]["editable"]),
        (&json!("folder"), &json!(true))
    );
    assert_eq!(answer(api.get("tarn", "")).1["data"]["editable"], false);
}

#[test]
fn the_list_says_where_boards_are_from_and_which_have_data() {
    let (store, folder) = (Memory::default(), folder());
    assert!(matches!(store.change("mine", None, Some(&board("mine", "Mine"))), Saved::Done(_)));
    assert!(matches!(
        store.change("host", None, Some(&board("host", "Hides nothing"))),
        Saved::Done(_)
    ));
    let api = Api { store: &store, folder: &folder, checker: &Any };
    let there = BTreeSet::from(["tarn_build_info".to_owned()]);
    assert!(needed().contains("tarn_build_info"));
    let (_, listed) = answer(api.list(&there));
    let rows = listed["data"]["dashboards"].as_array().unwrap();
    let of = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        (row["origin"].as_str().unwrap(), row["matches"].as_bool().unwrap())
    };
    assert_eq!(of("file"), ("folder", true));
    assert_eq!(of("tarn"), ("curated", true));
    assert_eq!(of("kafka"), ("curated", false));
    assert_eq!(of("mine"), ("stored", true));
    assert_eq!(of("host"), ("curated", false), "the name is taken once");
    assert_eq!(rows.len(), curated::boards().len() + 2);
    let away = Memory { away: true, ..Memory::default() };
    let api = Api { store: &away, folder: &folder, checker: &Any };
    assert_eq!(answer(api.list(&there)).0, 503);
}

#[test]
fn what_is_no_board_is_refused_with_its_place() {
    let (store, folder, none) = (Memory::default(), folder(), HeaderMap::new());
    let api = Api { store: &store, folder: &folder, checker: &Any };
    let (status, refused) = answer(api.put("x", &none, b"{\"kind\": 3}"));
    assert_eq!((status, &refused["data"]["problems"][0]["path"]), (400, &json!("kind")));
    assert_eq!(answer(api.put("x", &none, b"\xff")).0, 400);
    assert_eq!(answer(api.put("x", &none, board("y", "Y").as_bytes())).0, 400);
    assert_eq!(answer(std::future::ready(api.import(b"{}"))).0, 400);
    let yaml = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/yaml"))]);
    let text = "kind: Dashboard\nmetadata: {name: x}\nspec:\n  panels:\n    a:\n      kind: Panel\n      spec:\n        plugin: {kind: StatChart}\n        queries:\n          - kind: TimeSeriesQuery\n            spec: {plugin: {kind: PrometheusTimeSeriesQuery, spec: {query: bad}}}\n";
    let (_, told) = answer(std::future::ready(api.lint(&yaml, text.as_bytes())));
    assert_eq!(told["data"]["ok"], false);
    assert_eq!(told["data"]["problems"][0]["message"], "no query (bytes 0–3)");
    let (_, fine) = answer(std::future::ready(api.lint(&none, board("x", "X").as_bytes())));
    assert_eq!(fine["data"], json!({ "ok": true, "problems": [] }));
}
