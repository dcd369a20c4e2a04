//! Runs work that would hold up other tasks: file operations and long computations.

/// Runs `work` on the runtime's blocking threads; where there is no runtime (a simulation), at once.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is being shut down: whoever waits is dropped with it.
            Err(_) => std::future::pending().await,
        },
        Err(_) => work(),
    }
}
