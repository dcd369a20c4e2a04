//! The two runtimes and the tracked tasks.
//!
//! Requests, timers and the log's acknowledgements run on `io`. Queries compute on `query`, whose
//! threads have a lower priority: a kernel that does not yield cannot starve ingest.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tarn_model::tasks::{Task, Tasks};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// Steps of niceness that query threads stand behind the others: visible under load, harmless
/// without.
const QUERY_NICE: i32 = 5;

/// Deep expressions recurse in the planner; 8 MiB hold the deepest one that the parser accepts.
const QUERY_STACK_BYTES: usize = 8 << 20;

/// The runtimes of the process.
#[derive(Debug)]
pub(crate) struct Runtimes {
    pub(crate) io: Runtime,
    query: Runtime,
}

impl Runtimes {
    /// Starts both, with as many threads as cores each.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let io = Builder::new_multi_thread().enable_all().thread_name("tarn-io").build();
        let query = Builder::new_multi_thread()
            .enable_all()
            .thread_name("tarn-query")
            .thread_stack_size(QUERY_STACK_BYTES)
            .on_thread_start(lower_priority)
            .build();
        Ok(Self {
            io: io.context("start io runtime")?,
            query: query.context("start query runtime")?,
        })
    }

    /// Returns the handle on which queries compute.
    pub(crate) fn query(&self) -> Handle {
        self.query.handle().clone()
    }

    /// Ends both; what still runs gets a moment.
    pub(crate) fn stop(self) {
        self.query.shutdown_timeout(Duration::from_secs(1));
        self.io.shutdown_timeout(Duration::from_secs(1));
    }
}

fn lower_priority() {
    // On Linux the call concerns the calling thread only. Without the right to it, queries compete
    // at equal priority, which is no fault.
    if let Err(e) = rustix::process::setpriority_process(None, QUERY_NICE) {
        tracing::debug!(error = %e, "query thread keeps its priority");
    }
}

/// The tasks of the process: known by number, ended at the stop.
#[derive(Debug)]
pub(crate) struct ProcessTasks {
    handle: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
    threads: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl ProcessTasks {
    /// Makes the handle for tasks of a runtime.
    pub(crate) fn new(handle: Handle) -> Arc<Self> {
        Arc::new(Self {
            handle,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            threads: Mutex::new(Vec::new()),
        })
    }

    /// Drops all tasks and joins all threads; what does not end within `wait` is named in a warning.
    pub(crate) async fn stop(&self, wait: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(wait, self.tracker.wait()).await.is_err() {
            warn!(tasks = self.tracker.len(), "tasks did not end in time");
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        let names: Vec<&str> = threads.iter().map(|(name, _)| *name).collect();
        let join = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(|(_, t)| t.join()).filter(Result::is_err).count()
        });
        match tokio::time::timeout(wait, join).await {
            Ok(Ok(0)) => {}
            Ok(panicked) => warn!(?panicked, "threads ended by a panic"),
            Err(_) => warn!(?names, "threads did not end in time"),
        }
    }
}

impl Tasks for ProcessTasks {
    fn spawn(&self, name: &'static str, task: Task) {
        let stop = self.stop.clone();
        let run = async move {
            if stop.run_until_cancelled(task).await.is_none() {
                tracing::debug!(task = name, "task dropped by the stop");
            }
        };
        self.tracker.spawn_on(run, &self.handle);
    }

    fn spawn_thread(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        match started {
            Ok(thread) => {
                let mut threads = self.threads.lock();
                threads.retain(|(_, t)| !t.is_finished());
                threads.push((name, thread));
            }
            // The work is dropped, and whoever waits for it sees its channel closed.
            Err(e) => tracing::error!(thread = name, error = %e, "thread could not be started"),
        }
    }
}
