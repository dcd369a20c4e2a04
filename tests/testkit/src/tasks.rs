//! Tasks for tests: real ones on the runtime of the test, and a list of threads for tests that
//! drive everything themselves.

use std::sync::Arc;

use parking_lot::Mutex;
use tarn_model::tasks::{Task, Tasks};
use tokio::task::JoinHandle;

/// Work of a thread that was asked for.
pub type ThreadWork = Box<dyn FnOnce() + Send>;

/// Spawns on a tokio runtime and on real threads, and remembers both. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RealTasks(Arc<Spawned>);

#[derive(Debug)]
struct Spawned {
    runtime: tokio::runtime::Handle,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl RealTasks {
    /// Spawns on the runtime that the caller runs in.
    pub fn current() -> Self {
        Self(Arc::new(Spawned {
            runtime: tokio::runtime::Handle::current(),
            tasks: Mutex::default(),
            threads: Mutex::default(),
        }))
    }

    /// Drops all tasks and waits for the threads, which must have been told to end. Blocks.
    ///
    /// # Panics
    /// With the message of a thread that panicked.
    pub fn stop(&self) {
        for task in self.0.tasks.lock().drain(..) {
            task.abort();
        }
        let threads = std::mem::take(&mut *self.0.threads.lock());
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Tasks for RealTasks {
    fn spawn(&self, _name: &'static str, task: Task) {
        self.0.tasks.lock().push(self.0.runtime.spawn(task));
    }

    fn spawn_thread(&self, name: &'static str, work: ThreadWork) {
        let builder = std::thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(work).expect("a test can start a thread");
        self.0.threads.lock().push(thread);
    }
}

/// Runs nothing by itself: keeps what was asked for until the test takes it. Cheap to clone.
#[derive(Clone, Default)]
pub struct HeldTasks(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    tasks: Vec<(&'static str, Task)>,
    threads: Vec<(&'static str, ThreadWork)>,
}

impl std::fmt::Debug for HeldTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held = self.0.lock();
        let names = held.tasks.iter().map(|(name, _)| name);
        f.debug_list().entries(names.chain(held.threads.iter().map(|(name, _)| name))).finish()
    }
}

impl HeldTasks {
    /// Takes the tasks that were spawned, in order.
    pub fn take_tasks(&self) -> Vec<(&'static str, Task)> {
        std::mem::take(&mut self.0.lock().tasks)
    }

    /// Takes the threads that were spawned, in order.
    pub fn take_threads(&self) -> Vec<(&'static str, ThreadWork)> {
        std::mem::take(&mut self.0.lock().threads)
    }
}

impl Tasks for HeldTasks {
    fn spawn(&self, name: &'static str, task: Task) {
        self.0.lock().tasks.push((name, task));
    }

    fn spawn_thread(&self, name: &'static str, work: ThreadWork) {
        self.0.lock().threads.push((name, work));
    }
}
