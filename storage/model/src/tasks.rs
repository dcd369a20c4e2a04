//! Tracked work in the background.
//!
//! No crate below the binary starts a runtime or detaches a task: it is handed this trait. The
//! implementation tracks what it started, and ends it at the stop.

use std::future::Future;
use std::pin::Pin;

/// A boxed task.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts background work. `name` shows up in task dumps and thread names (15 bytes at most).
pub trait Tasks: Send + Sync + std::fmt::Debug {
    /// Runs a task that is mostly waiting; it is dropped at the stop.
    fn spawn(&self, name: &'static str, task: Task);
    /// Runs blocking work on a thread of its own. The work ends by itself when what it serves is
    /// dropped; the stop waits for it.
    fn spawn_thread(&self, name: &'static str, work: Box<dyn FnOnce() + Send>);
}
