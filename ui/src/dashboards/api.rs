//! `/api/v1/dashboards`: boards of all three places, under one list of names.
//!
//! A file of a folder owns its name, then comes what is built in, then what was stored. A board is
//! changed against the revision that was read (`If-Match`): who comes second is answered 409 with the
//! board as it is now and the difference. Built-in boards are copied, never changed.

use std::collections::BTreeSet;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::check::{CheckQuery, lint};
use super::load::{FileBoard, Loaded, revision};
use super::model::{self, BYTES_MAX, Dashboard, Format, Problem};
use super::store::{BoardStore, Saved, StoreError, Stored};
use super::{curated, diff, grafana};

#[cfg(test)]
mod tests;

/// Longest body that is taken.
pub const BODY_BYTES_MAX: usize = BYTES_MAX;

/// Where a board comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Built in.
    Curated,
    /// A file of a folder of the settings.
    Folder,
    /// Stored through this API.
    Stored,
}

/// A row of the list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    title: &'a str,
    description: &'a str,
    tags: Vec<&'a str>,
    panels: usize,
    origin: Origin,
    matches: bool,
    revision: u64,
}

/// A board with what is known of it.
#[derive(Debug, Clone)]
struct Found {
    board: Dashboard,
    origin: Origin,
    revision: u64,
    file: Option<FileBoard>,
    changed: Option<(i64, String)>,
}

/// What the handlers work with.
#[derive(Debug)]
pub struct Api<'a, S, C> {
    /// Stored boards of the tenant.
    pub store: &'a S,
    /// Boards of folders.
    pub folder: &'a Loaded,
    /// Knows the query languages.
    pub checker: &'a C,
}

/// Returns every metric that a built-in board asks about.
pub fn needed() -> BTreeSet<&'static str> {
    curated::boards().iter().flat_map(Dashboard::needs).collect()
}

impl<S: BoardStore, C: CheckQuery + Sync> Api<'_, S, C> {
    /// `GET /api/v1/dashboards`. `there` are those of [`needed`] that exist.
    pub async fn list(&self, there: &BTreeSet<String>) -> Response {
        let stored = match self.store.list().await {
            Ok(stored) => stored,
            Err(e) => return unavailable(&e),
        };
        let matches = |board: &Dashboard| {
            let needs = board.needs();
            needs.is_empty() || needs.iter().any(|metric| there.contains(*metric))
        };
        let folder = &self.folder.boards;
        let mut rows: Vec<Row<'_>> = Vec::new();
        for found in folder {
            rows.push(row(&found.board, Origin::Folder, true, found.revision));
        }
        for board in curated::boards() {
            rows.push(row(board, Origin::Curated, matches(board), 0));
        }
        let stored: Vec<(Dashboard, u64)> = stored
            .into_iter()
            .filter_map(|stored| Some((Dashboard::of(stored.board).ok()?, stored.revision)))
            .collect();
        for (board, revision) in &stored {
            rows.push(row(board, Origin::Stored, true, *revision));
        }
        // The first of a name has it.
        let mut names = BTreeSet::new();
        rows.retain(|row| names.insert(row.name));
        success(&json!({ "dashboards": rows, "problems": self.folder.problems }))
    }

    /// `GET /api/v1/dashboards/{name}`; with `format=json` or `yaml` the board alone, as a file.
    pub async fn get(&self, name: &str, query: &str) -> Response {
        let found = match self.find(name).await {
            Ok(Some(found)) => found,
            Ok(None) => return unknown(name),
            Err(e) => return unavailable(&e),
        };
        let format = query.split('&').find_map(|pair| pair.strip_prefix("format="));
        match format {
            None => {
                let problems = lint(&found.board, self.checker);
                let (changed_ms, author) = found.changed.clone().unzip();
                let mut response = success(&json!({
                    "dashboard": found.board.tree(),
                    "origin": found.origin,
                    "revision": found.revision,
                    "editable": found.origin != Origin::Curated,
                    "file": found.file.as_ref().map(|file| file.path.display().to_string()),
                    "changed_ms": changed_ms,
                    "author": author,
                    "problems": problems,
                }));
                tag(&mut response, found.revision);
                response
            }
            Some("json") => file(&found.board, Format::Json, "application/json"),
            Some("yaml") => file(&found.board, Format::Yaml, "application/yaml"),
            Some(other) => refuse(&format!("format {other:?} is none of json, yaml")),
        }
    }

    /// `PUT /api/v1/dashboards/{name}`. Without `If-Match` the board must be new.
    pub async fn put(&self, name: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let board = match read(headers, body) {
            Ok(board) => board,
            Err(problems) => return wrong(&problems),
        };
        if board.name() != name {
            let own = board.name();
            return refuse(&format!(
                "the board's metadata.name is {own:?}, the path says {name:?}"
            ));
        }
        let expected = match expected(headers) {
            Ok(expected) => expected,
            Err(message) => return refuse(&message),
        };
        if let Some(file) = self.in_folder(name) {
            return self.write_back(file, expected, &board).await;
        }
        if curated::board(name).is_some() {
            return read_only(name);
        }
        let text = Value::Object(board.tree().clone()).to_string();
        match self.store.put(name, expected.unwrap_or(Some(0)), &text).await {
            Ok(Saved::Done(revision)) => saved(revision),
            Ok(Saved::Conflict(now)) => conflict(now.as_deref(), &board),
            Err(e) => unavailable(&e),
        }
    }

    /// `DELETE /api/v1/dashboards/{name}`.
    pub async fn delete(&self, name: &str, headers: &HeaderMap) -> Response {
        if let Some(file) = self.in_folder(name) {
            let path = file.path.display();
            let message = format!("board {name:?} is the file {path}: remove the file");
            return error(StatusCode::FORBIDDEN, "forbidden", &message);
        }
        if curated::board(name).is_some() {
            return read_only(name);
        }
        let expected = match expected(headers) {
            Ok(expected) => expected.flatten(),
            Err(message) => return refuse(&message),
        };
        match self.store.get(name).await {
            Ok(Some(_)) => {}
            Ok(None) => return unknown(name),
            Err(e) => return unavailable(&e),
        }
        match self.store.delete(name, expected).await {
            Ok(Saved::Done(revision)) => saved(revision),
            Ok(Saved::Conflict(now)) => match now {
                Some(now) => {
                    let board = Dashboard::of(now.board.clone()).ok();
                    board.map_or_else(|| unknown(name), |board| conflict(Some(&now), &board))
                }
                None => unknown(name),
            },
            Err(e) => unavailable(&e),
        }
    }

    /// `POST /api/v1/dashboards/import`: makes a board of one of Grafana's, and says what was lost.
    /// Stores nothing.
    pub fn import(&self, body: &[u8]) -> Response {
        let tree = text(body).and_then(|text| model::parse(text, Format::Json));
        match tree.and_then(|tree| grafana::import(&tree, self.checker)) {
            Ok((board, report)) => success(&json!({ "dashboard": board.tree(), "report": report })),
            Err(problem) => wrong(&[problem]),
        }
    }

    /// `POST /api/v1/dashboards/lint`: says what is wrong with a board.
    pub fn lint(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let problems = match read(headers, body) {
            Ok(board) => lint(&board, self.checker),
            Err(problems) => problems,
        };
        let fine = problems.iter().all(|problem| problem.warning);
        success(&json!({ "ok": fine, "problems": problems }))
    }

    fn in_folder(&self, name: &str) -> Option<&FileBoard> {
        self.folder.boards.iter().find(|found| found.board.name() == name)
    }

    async fn find(&self, name: &str) -> Result<Option<Found>, StoreError> {
        if let Some(file) = self.in_folder(name) {
            let (board, revision) = (file.board.clone(), file.revision);
            let (origin, file) = (Origin::Folder, Some(file.clone()));
            return Ok(Some(Found { board, origin, revision, file, changed: None }));
        }
        if let Some(board) = curated::board(name) {
            let (board, origin) = (board.clone(), Origin::Curated);
            return Ok(Some(Found { board, origin, revision: 0, file: None, changed: None }));
        }
        let Some(stored) = self.store.get(name).await? else { return Ok(None) };
        let Stored { revision, board, changed_ms, author, .. } = stored;
        let board = Dashboard::of(board).map_err(|problems| StoreError {
            unavailable: false,
            message: format!("what is stored as {name:?} is no board: {}", joined(&problems)),
        })?;
        let changed = Some((changed_ms, author));
        Ok(Some(Found { board, origin: Origin::Stored, revision, file: None, changed }))
    }

    /// A folder board: the file is written anew, in the format that its name says.
    async fn write_back(
        &self,
        file: &FileBoard,
        expected: Option<Option<u64>>,
        board: &Dashboard,
    ) -> Response {
        match expected {
            Some(None) => {}
            Some(Some(number)) if number == file.revision => {}
            _ => return differs(&file.board, file.revision, board),
        }
        let format = Format::of_file(&file.path.to_string_lossy()).unwrap_or(Format::Yaml);
        let text = match board.write(format) {
            Ok(text) => text,
            Err(problem) => return wrong(&[problem]),
        };
        match self.store.write_back(&file.path, &text).await {
            Ok(()) => saved(revision(text.as_bytes())),
            Err(e) => unavailable(&e),
        }
    }
}

fn row(board: &Dashboard, origin: Origin, matches: bool, revision: u64) -> Row<'_> {
    Row {
        name: board.name(),
        title: board.title(),
        description: board.description(),
        tags: board.tags(),
        panels: board.panels(),
        origin,
        matches,
        revision,
    }
}

/// Reads `If-Match`: `None` where it is missing, `Some(None)` where anything is fine (`*`).
fn expected(headers: &HeaderMap) -> Result<Option<Option<u64>>, String> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(None));
    }
    let number = text.trim_matches('"').parse().ok();
    let number =
        number.ok_or_else(|| format!("If-Match is {text:?}, and no revision such as 3"))?;
    Ok(Some(Some(number)))
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    if body.len() > BODY_BYTES_MAX {
        let message = format!("the body is longer than {BODY_BYTES_MAX} bytes");
        return Err(Problem::error("", message));
    }
    std::str::from_utf8(body).map_err(|e| Problem::error("", format!("the body is not UTF-8: {e}")))
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Dashboard, Vec<Problem>> {
    let text = text(body).map_err(|problem| vec![problem])?;
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let format = if kind.contains("yaml") { Format::Yaml } else { Format::Json };
    model::read(text, format)
}

fn joined(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn success(data: &Value) -> Response {
    Json(json!({ "status": "success", "data": data })).into_response()
}

fn saved(revision: u64) -> Response {
    let mut response = success(&json!({ "revision": revision }));
    tag(&mut response, revision);
    response
}

fn tag(response: &mut Response, revision: u64) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}

fn file(board: &Dashboard, format: Format, mime: &'static str) -> Response {
    match board.write(format) {
        Ok(text) => ([(CONTENT_TYPE, HeaderValue::from_static(mime))], text).into_response(),
        Err(problem) => wrong(&[problem]),
    }
}

fn failure(status: StatusCode, error_type: &str, message: &str, data: &Value) -> Response {
    let body = json!({
        "status": "error", "errorType": error_type, "error": message, "data": data,
    });
    (status, Json(body)).into_response()
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Response {
    let body = json!({ "status": "error", "errorType": error_type, "error": message });
    (status, Json(body)).into_response()
}

fn refuse(message: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "bad_data", message)
}

fn unknown(name: &str) -> Response {
    error(StatusCode::NOT_FOUND, "not_found", &format!("there is no board {name:?}"))
}

fn read_only(name: &str) -> Response {
    let message = format!("board {name:?} is built in: save a copy under another name");
    error(StatusCode::FORBIDDEN, "forbidden", &message)
}

fn wrong(problems: &[Problem]) -> Response {
    let data = json!({ "problems": problems });
    failure(StatusCode::BAD_REQUEST, "bad_data", &joined(problems), &data)
}

fn unavailable(e: &StoreError) -> Response {
    if e.unavailable {
        return error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &e.message);
    }
    error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &e.message)
}

fn conflict(now: Option<&Stored>, board: &Dashboard) -> Response {
    let current = now.and_then(|now| Some((Dashboard::of(now.board.clone()).ok()?, now.revision)));
    match current {
        Some((current, revision)) => differs(&current, revision, board),
        None => {
            let message = "the board is not there any more: save it without If-Match";
            let data = json!({ "revision": 0 });
            failure(StatusCode::CONFLICT, "conflict", message, &data)
        }
    }
}

fn differs(current: &Dashboard, revision: u64, board: &Dashboard) -> Response {
    let yaml = |board: &Dashboard| board.write(Format::Yaml).unwrap_or_default();
    let name = board.name();
    let diff = diff::unified(&yaml(current), &yaml(board), &format!("{name} as it is"), "yours");
    let message = format!("board {name:?} is at revision {revision}, not the one that you changed");
    let data = json!({ "dashboard": current.tree(), "revision": revision, "diff": diff });
    failure(StatusCode::CONFLICT, "conflict", &message, &data)
}
