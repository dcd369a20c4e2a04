//! What boards need of the process: their folders, the documents that keep stored ones, and parsers.
//!
//! The crate of the UI knows neither the object store nor a query language; here are the two traits
//! through which it is given both. Folders are read again every few seconds and compared by what their
//! files say, as rule files are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use parking_lot::RwLock;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::limits::Limits;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_query::promql::ast::ParseOptions;
use tarn_query::promql::parse::{ParseLimits, parse};
use tarn_query::promql::query::QueryValue;
use tarn_query::{Engine, QueryOptions, search};
use tarn_storage::documents::{Change, Document, Documents, Id};
use tarn_storage::file::{self, RealDisk};
use tarn_ui::dashboards::api::{self, Api};
use tarn_ui::dashboards::load::{Loaded, load};
use tarn_ui::dashboards::{BoardStore, CheckQuery, Language, Mistake, Saved, StoreError, Stored};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::auth::principal::{Principal, Role};
use crate::routes::envelope;

#[cfg(test)]
mod tests;

/// How soon a change of a file is noticed.
const EVERY: Duration = Duration::from_secs(3);
/// The kind of the documents.
const KIND: &str = "dashboard";
/// Who changes boards, where nobody logs in.
const AUTHOR: &str = "api";
/// How long the list waits to know which metrics exist; without that nothing matches.
const NAMES_WAIT: Duration = Duration::from_secs(2);

/// Which route of the boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    List,
    Board,
    Import,
    Lint,
}

/// The boards of the folders, as they were when they were last looked at.
#[derive(Debug)]
pub(crate) struct Folders {
    folders: Vec<String>,
    loaded: RwLock<Arc<Loaded>>,
}

impl Folders {
    /// Takes over the folders of the settings; they are read by [`Folders::watch`].
    pub(crate) fn new(folders: Vec<String>) -> Self {
        Self { folders, loaded: RwLock::default() }
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read())
    }

    /// Reads the folders now.
    pub(crate) async fn read(&self) {
        let folders = self.folders.clone();
        let read = tokio::task::spawn_blocking(move || load(&folders)).await;
        let Ok(now) = read.inspect_err(|e| warn!(error = %e, "reading boards ended early")) else {
            return;
        };
        if *self.loaded() == now {
            return;
        }
        for problem in &now.problems {
            let what: Vec<String> = problem.problems.iter().map(ToString::to_string).collect();
            warn!(file = problem.file, problems = what.join("; "), "a board cannot be read");
        }
        *self.loaded.write() = Arc::new(now);
    }

    /// Reads the folders until the stop.
    pub(crate) async fn watch(&self, clock: &dyn Clock, stop: &CancellationToken) {
        if self.folders.is_empty() {
            return;
        }
        loop {
            self.read().await;
            if stop.run_until_cancelled(clock.sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }
}

/// Watches the folders of a process until the stop.
pub(crate) async fn watch(app: Arc<App>, stop: CancellationToken) {
    app.boards.watch(&*app.clock, &stop).await;
}

/// Says whether the query of a panel is one, as the engine would.
#[derive(Debug, Default)]
pub(crate) struct Parsers {
    promql: ParseLimits,
    search: search::parse::ParseLimits,
}

impl Parsers {
    /// Takes over the limits.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { promql: limits.into(), search: limits.into() }
    }
}

impl CheckQuery for Parsers {
    fn check(&self, language: Language, text: &str) -> Result<(), Mistake> {
        match language {
            Language::Promql => {
                let parsed = parse(text, &ParseOptions::default(), self.promql);
                parsed.map(drop).map_err(|e| Mistake {
                    message: e.message,
                    span: Some(e.span.start..e.span.end),
                })
            }
            Language::Logs | Language::Traces => {
                let parsed = search::parse::parse(text, self.search);
                parsed.map(drop).map_err(|e| Mistake {
                    message: e.message,
                    span: Some(e.span.start..e.span.end),
                })
            }
            // What SQL may say depends on the tables, which are looked at when it runs.
            Language::Sql => Ok(()),
            Language::Logql => {
                Err(Mistake { message: "LogQL is not answered yet".to_owned(), span: None })
            }
        }
    }
}

/// The stored boards of a tenant.
#[derive(Debug)]
struct Store {
    documents: Documents,
    tenant: TenantId,
    author: String,
}

impl Store {
    fn id<'a>(&'a self, name: &'a str) -> Id<'a> {
        Id { tenant: &self.tenant, kind: KIND, name }
    }

    async fn changed(&self, name: &str, change: Change) -> Result<Saved, StoreError> {
        match change {
            Change::Stored(revision) => Ok(Saved::Done(revision.number)),
            Change::Conflict(_) => Ok(Saved::Conflict(self.get(name).await?.map(Box::new))),
        }
    }
}

impl BoardStore for Store {
    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let documents = self.documents.list(&self.tenant, KIND).await.map_err(|e| failure(&e))?;
        documents.into_iter().map(stored).collect()
    }

    async fn get(&self, name: &str) -> Result<Option<Stored>, StoreError> {
        let document = self.documents.get(self.id(name)).await.map_err(|e| failure(&e))?;
        document.map(stored).transpose()
    }

    async fn put(
        &self,
        name: &str,
        expected: Option<u64>,
        board: &str,
    ) -> Result<Saved, StoreError> {
        let body = Bytes::copy_from_slice(board.as_bytes());
        let put = self.documents.put(self.id(name), expected, &self.author, body).await;
        self.changed(name, put.map_err(|e| failure(&e))?).await
    }

    async fn delete(&self, name: &str, expected: Option<u64>) -> Result<Saved, StoreError> {
        let deleted = self.documents.delete(self.id(name), expected, &self.author).await;
        self.changed(name, deleted.map_err(|e| failure(&e))?).await
    }

    async fn write_back(&self, path: &Path, text: &str) -> Result<(), StoreError> {
        let (path, text) = (path.to_owned(), text.to_owned());
        let write = move || {
            // Not a board's ending: whoever reads the folder meanwhile passes it over.
            let temp = path.with_extension("tarn-new");
            file::replace(&RealDisk, &temp, &path, text.as_bytes())
                .map_err(|e| format!("{} cannot be written: {e}", path.display()))
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.unwrap_or_else(|e| Err(format!("the write ended early: {e}")));
        written.map_err(|message| StoreError { unavailable: false, message })
    }
}

fn stored(document: Document) -> Result<Stored, StoreError> {
    let Document { name, revision, body } = document;
    let board = serde_json::from_slice(&body).map_err(|e| StoreError {
        unavailable: false,
        message: format!("what is stored as board {name:?} is not JSON: {e}"),
    })?;
    let (number, changed_ms, author) = (revision.number, revision.at_ms, revision.author);
    Ok(Stored { name, revision: number, board, changed_ms, author })
}

fn failure(error: &Error) -> StoreError {
    let unavailable = matches!(error.kind(), ErrorKind::Unavailable { .. });
    StoreError { unavailable, message: error.message().clone() }
}

/// Answers for boards.
pub(crate) async fn handle(
    app: &App,
    endpoint: Endpoint,
    (tenant, principal): (TenantId, &Principal),
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, api::BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) => {
            let max = api::BODY_BYTES_MAX;
            let message = format!("read the board, of {max} bytes at most: {e}");
            return envelope(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", &message);
        }
    };
    let author = if app.auth.login() { principal.name.clone() } else { AUTHOR.to_owned() };
    let store = Store { documents: app.storage.documents(), tenant, author };
    let (folder, checker) = (app.boards.loaded(), Parsers::new(&app.config.limits));
    let api = Api { store: &store, folder: &folder, checker: &checker };
    let name = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let is_file = folder.boards.iter().any(|file| file.board.name() == name);
    if parts.method == Method::PUT && is_file && !principal.may_everywhere(Role::Editor) {
        let message = format!(
            "board {name:?} is a file, which all tenants see: changing it takes the role editor for all \
             tenants"
        );
        return envelope(StatusCode::FORBIDDEN, "forbidden", &message);
    }
    match (endpoint, &parts.method) {
        (Endpoint::List, _) => api.list(&there(&app.engine, &store.tenant, &app.clock).await).await,
        (Endpoint::Import, _) => api.import(&body),
        (Endpoint::Lint, _) => api.lint(&parts.headers, &body),
        (Endpoint::Board, &Method::PUT) => {
            let response = api.put(name, &parts.headers, &body).await;
            // A file that was written is shown as it is now.
            app.boards.read().await;
            response
        }
        (Endpoint::Board, &Method::DELETE) => api.delete(name, &parts.headers).await,
        (Endpoint::Board, _) => api.get(name, parts.uri.query().unwrap_or_default()).await,
    }
    .into_response()
}

/// Returns which of the metrics that built-in boards ask about have samples now.
async fn there(engine: &Engine, tenant: &TenantId, clock: &Arc<dyn Clock>) -> BTreeSet<String> {
    let needed: Vec<&str> = api::needed().into_iter().collect();
    let names = needed.join("|");
    let text = format!("group by (__name__) ({{__name__=~\"{names}\"}})");
    let options = QueryOptions { timeout: Some(NAMES_WAIT), ..QueryOptions::default() };
    let answer = engine.instant(tenant, &text, clock.now().as_millis(), options).await;
    match answer.as_ref().map(|answer| &answer.value) {
        Ok(QueryValue::Vector { samples, .. }) => {
            let names = samples.iter().filter_map(|sample| sample.labels.get("__name__"));
            names.map(str::to_owned).collect()
        }
        Ok(_) => BTreeSet::new(),
        Err(e) => {
            warn!(error = %e, "which boards have data is not known");
            BTreeSet::new()
        }
    }
}
