//! `/api/v1/sql`: rows in the form that was asked for.
//!
//! The query comes as parameter `q` (or `query`), in the query string or a form, as the body itself
//! (`text/plain`, `application/sql`), or as JSON `{"query": "…"}`. The form of the answer follows
//! `format=`, else `Accept`:
//!
//! - `json`: the envelope of the other APIs around columns, types, rows and what it cost
//! - `ndjson`: an object per row and line
//! - `csv`: after RFC 4180, with a header
//! - `arrow`: a stream of Arrow IPC
//!
//! Rows are sent while the query runs. An error behind the first rows is told inside JSON and
//! NDJSON; CSV and Arrow have no place for it, so their body ends with a broken connection, never
//! looking whole.

mod form;
mod request;
mod value;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use tarn_model::tenant::TenantId;
use tarn_promql::query::QueryError;

use self::form::{Form, Writer};
use self::request::Asked;
use super::prometheus::GRACE;
use super::reply::{self, Failure, Gone, Sink, Terms};
use crate::engine::Engine;
use crate::govern::Cancel;
use crate::govern::metrics::Language;
use crate::rows::{Rows, RowsRequest};
use crate::sql::error::SqlError;

/// The path below `/api/v1`.
pub const PATH: &str = "/sql";

/// Answers a request.
pub async fn handle(engine: &Engine, tenant: TenantId, request: Request<Body>) -> Response<Body> {
    let asked = match request::read(engine, request).await {
        Ok(asked) => asked,
        Err(failure) => return failure.response(),
    };
    let limits = engine.limits_of(&tenant);
    let limit = limits.sql_timeout.min(limits.query_timeout);
    let patience = asked.timeout.unwrap_or(limit).min(limit) + GRACE;
    let (runtime, clock) = (engine.runtime(), engine.clock());
    let cancel = Cancel::default();
    let terms = Terms { runtime, clock, cancel: cancel.clone(), patience };
    let engine = engine.clone();
    reply::run(terms, move |sink| async move {
        // The only error is that nobody listens any more, and the task ends here anyway.
        answer(&engine, tenant, asked, cancel, sink).await.ok();
    })
    .await
}

async fn answer(
    engine: &Engine,
    tenant: TenantId,
    asked: Asked,
    cancel: Cancel,
    sink: Sink,
) -> Result<(), Gone> {
    let request = RowsRequest {
        tenant,
        text: asked.query,
        language: Language::Sql,
        timeout: asked.timeout,
        pushdown: true,
        over: None,
    };
    match engine.sql(request, cancel).await {
        Ok(rows) => write(rows, asked.form, sink).await,
        Err(error) => sink.fail(&error.into()).await,
    }
}

/// Sends rows. The first batch is waited for before anything is sent, so that a query that fails at
/// once is answered with its status.
async fn write(mut rows: Rows, form: Form, mut sink: Sink) -> Result<(), Gone> {
    let mut next = match rows.next().await {
        Ok(batch) => batch,
        Err(error) => return sink.fail(&error.into()).await,
    };
    let mut writer = match Writer::new(form, rows.schema()) {
        Ok(writer) => writer,
        Err(error) => return sink.fail(&error.into()).await,
    };
    sink.content_type(form.content_type());
    if rows.partial().is_some() {
        sink.mark_partial();
    }
    writer.open(&mut sink.out);
    let error = loop {
        let Some(batch) = next else { break None };
        if let Err(error) = writer.batch(&mut sink, &batch).await? {
            break Some(error);
        }
        next = match rows.next().await {
            Ok(batch) => batch,
            Err(error) => break Some(error),
        };
    };
    match error {
        Some(error) if !writer.tells_errors() => {
            tracing::debug!(error = %error, "answer to SQL was broken off");
            Err(Gone)
        }
        error => {
            writer.close(&mut sink.out, &rows, error.as_ref());
            sink.end().await
        }
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let message = error.to_string();
        match error {
            SqlError::Invalid { .. } => Self::bad_data(message),
            SqlError::Limit { .. } => {
                Self::of(StatusCode::UNPROCESSABLE_ENTITY, "execution", message)
            }
            SqlError::Timeout => Self::of(StatusCode::SERVICE_UNAVAILABLE, "timeout", message),
            SqlError::Canceled => QueryError::Canceled.into(),
            SqlError::Source(error) => error.into(),
        }
    }
}
