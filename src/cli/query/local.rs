//! Asks a data folder or a bucket, without a server.
//!
//! The folder is only looked at: nothing is written. Where no server has it, the log is read too, so
//! that what was acknowledged is in the answer; beside a running server the answer holds what is
//! committed and says so. The request goes to the same handler that a server would give it to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use prometheus_client::registry::Registry;
use tarn_model::limits::Limits;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_query::api::prometheus::handle;
use tarn_query::{Engine, EngineOptions};
use tarn_storage::Handles;
use tarn_storage::file::RealDisk;
use tarn_storage::view::Reader;
use tokio::runtime::Handle;

use super::{FORM, Question, Target};
use crate::cli::place::Place;
use crate::clock::{SystemClock, SystemRng};
use crate::host;
use crate::runtime::ProcessTasks;

/// A larger answer is not read by a person.
const ANSWER_MAX: ByteSize = ByteSize::mib(256);

/// How long tasks and threads may take to end once nothing feeds them.
const TASKS_WAIT: Duration = Duration::from_secs(5);

/// Looks into the folder or bucket and asks.
pub(super) async fn ask(
    place: &Place,
    tenant: TenantId,
    question: Question,
) -> anyhow::Result<Bytes> {
    with_engine(place, async |engine| ask_engine(engine, tenant, question).await).await
}

/// Looks into the folder or bucket and lets `ask` do so.
///
/// # Errors
/// Where it is neither, or those of `ask`.
pub(crate) async fn with_engine<T>(
    place: &Place,
    ask: impl AsyncFnOnce(&Engine) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tasks = ProcessTasks::new(Handle::current());
    let handles = Handles {
        clock: Arc::clone(&clock),
        rng: Arc::new(SystemRng::new()),
        tasks: Arc::<ProcessTasks>::clone(&tasks) as Arc<dyn Tasks>,
        disk: Arc::new(RealDisk),
    };
    let limits = Limits { memory_budget: host::memory_budget(), ..Limits::default() };
    let found = place.look(limits.clone(), handles).await;
    let answer = match found {
        Ok(found) => ask(&engine(found.reader, limits, clock)).await,
        Err(error) => Err(error).context("read --data"),
    };
    tasks.stop(TASKS_WAIT).await;
    answer
}

/// Makes what answers from a reader.
pub(crate) fn engine(reader: Reader, limits: Limits, clock: Arc<dyn Clock>) -> Engine {
    let options = EngineOptions { limits, ..EngineOptions::default() };
    let handles = tarn_query::Handles { clock, query_runtime: Handle::current() };
    Engine::new(options, reader, handles, &mut Registry::default())
}

/// Reads a whole answer.
///
/// # Errors
/// Where it is too large, or ends early.
pub(crate) async fn body(response: http::Response<Body>) -> anyhow::Result<Bytes> {
    match Limited::new(response.into_body(), ANSWER_MAX.as_usize()).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => bail!("read the answer: {error} (limit {ANSWER_MAX})"),
    }
}

/// Asks a question; the body of the answer is that of the HTTP API.
///
/// # Errors
/// As [`body`]; an answer that is an error is none.
pub(crate) async fn ask_engine(
    engine: &Engine,
    tenant: TenantId,
    question: Question,
) -> anyhow::Result<Bytes> {
    let request = Request::post(question.target.path())
        .header(header::CONTENT_TYPE, FORM)
        .body(Body::from(question.form))
        .context("make the request")?;
    let response = match question.target {
        Target::Promql(endpoint) => handle(engine, endpoint, tenant, request).await,
        Target::Sql => tarn_query::api::sql::handle(engine, tenant, request).await,
    };
    body(response).await
}
