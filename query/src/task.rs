//! Work on the query runtime that ends when nobody waits for it.

use tarn_promql::query::Interrupt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::govern::Cancel;

/// A task that is stopped when its handle is dropped: at its next await, and where it computes
/// without awaiting, when it next asks its [`Cancel`].
#[derive(Debug)]
pub(crate) struct Task<T> {
    handle: JoinHandle<T>,
    cancel: Cancel,
}

impl<T: Send + 'static> Task<T> {
    /// Starts `work` on `runtime`.
    pub(crate) fn spawn(
        runtime: &Handle,
        cancel: Cancel,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self { handle: runtime.spawn(work), cancel }
    }

    /// Waits for the task; `None` where the runtime is shutting down. A panic of the task goes on
    /// in the caller, whose listener catches and counts it.
    pub(crate) async fn join(mut self) -> Option<T> {
        match (&mut self.handle).await {
            Ok(value) => Some(value),
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                None
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.handle.is_finished() {
            self.cancel.interrupt(Interrupt::Canceled);
            self.handle.abort();
        }
    }
}
