//! Asks a data folder, without a server.
//!
//! The folder is opened as a server would open it, so that its lock keeps a running one out and the
//! log is replayed: what was acknowledged is in the answer. Then the request goes to the same
//! handler that a server would give it to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use prometheus_client::registry::Registry;
use tarn_model::tasks::Tasks;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_query::api::prometheus::handle;
use tarn_query::{Engine, EngineOptions};
use tarn_storage::file::RealDisk;
use tarn_storage::paths::DataDir;
use tarn_storage::{Handles, Options, Storage};
use tokio::runtime::Handle;

use super::{FORM, Question};
use crate::clock::{SystemClock, SystemRng};
use crate::config::load::{Sources, load};
use crate::runtime::ProcessTasks;

/// A larger answer is not read by a person.
const ANSWER_MAX: ByteSize = ByteSize::mib(256);

/// How long tasks and threads may take to end once nothing feeds them.
const TASKS_WAIT: Duration = Duration::from_secs(5);

/// Opens the folder, asks, and closes it again.
pub(super) async fn ask(
    folder: &Path,
    tenant: TenantId,
    question: Question,
) -> anyhow::Result<Bytes> {
    // Opening would begin a store in a folder that holds none; a mistyped name must not.
    std::fs::metadata(DataDir::new(folder).writer())
        .with_context(|| format!("{} is not the data folder of a Tarn", folder.display()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tasks = ProcessTasks::new(Handle::current());
    let mut registry = Registry::default();
    let handles = Handles {
        clock: Arc::clone(&clock),
        rng: Arc::new(SystemRng::new()),
        tasks: Arc::<ProcessTasks>::clone(&tasks) as Arc<dyn Tasks>,
        disk: Arc::new(RealDisk),
    };
    let options = options(folder)?;
    let limits = options.limits.clone();
    let storage = Storage::open(options, handles, &mut registry).await.context("open the store")?;
    let answer = async {
        storage.replayed().await.context("replay the log")?;
        let options = EngineOptions { limits, ..EngineOptions::default() };
        let handles = tarn_query::Handles { clock, query_runtime: Handle::current() };
        let engine = Engine::new(options, storage.reader(), handles, &mut registry);
        ask_engine(&engine, tenant, question).await
    }
    .await;
    let closed = storage.close().await.context("close the store");
    tasks.stop(TASKS_WAIT).await;
    let answer = answer?;
    closed?;
    Ok(answer)
}

fn options(folder: &Path) -> anyhow::Result<Options> {
    let flags = vec![("storage.path", folder.to_string_lossy().into_owned())];
    let config = load(&Sources { file: None, env: Vec::new(), flags })?;
    let store = config.storage;
    Ok(Options {
        path: folder.to_owned(),
        label: store.label,
        flush_age: store.flush_age,
        flush_bytes: store.flush_bytes,
        wal_sync: store.wal_sync,
        wal_segment_bytes: store.wal_segment_bytes,
        wal_bytes_max: store.wal_bytes_max,
        limits: config.limits,
    })
}

async fn ask_engine(
    engine: &Engine,
    tenant: TenantId,
    question: Question,
) -> anyhow::Result<Bytes> {
    let request = Request::post(question.endpoint.path())
        .header(header::CONTENT_TYPE, FORM)
        .body(Body::from(question.form))
        .context("make the request")?;
    let response = handle(engine, question.endpoint, tenant, request).await;
    match Limited::new(response.into_body(), ANSWER_MAX.as_usize()).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => bail!("read the answer: {error} (limit {ANSWER_MAX})"),
    }
}
