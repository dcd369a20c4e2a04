//! A small deterministic world: one seed decides chance, time and the order in which tasks run.
//!
//! [`Sim`] polls its tasks one step at a time, in an order drawn from the seed. Time stands still
//! while anybody can run, and jumps to the next timer when nobody can. A task can be killed at any
//! point between two polls (a crash), or left unpolled for a while (a suspended process) while time
//! goes on for the others. A failing seed repeats exactly.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::rng::Rng;
use tarn_model::time::{Clock, Sleep, UnixNanos};

/// Simulated time begins here: 2026-11-21T12:00:00Z.
const BEGIN_NANOS: i64 = 1_795_262_400_000_000_000;

/// Seeded chance (splitmix64). Cheap to clone; clones continue the same stream.
#[derive(Debug, Clone)]
pub struct SimRng(Arc<Mutex<u64>>);

impl SimRng {
    /// Begins the stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    /// Returns a number below `n`, which must not be 0.
    pub fn below(&self, n: u64) -> u64 {
        self.next_u64() % n
    }

    /// Returns true in `permille` of 1000 cases.
    pub fn chance(&self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

impl Rng for SimRng {
    fn next_u64(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Simulated time. Cheap to clone; all clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct SimClock(Arc<Mutex<Timers>>);

#[derive(Debug, Default)]
struct Timers {
    now: Duration,
    next: u64,
    waiting: BTreeMap<(Duration, u64), Waker>,
}

impl SimClock {
    /// Moves time on and wakes whoever waited for it.
    pub fn advance_to(&self, to: Duration) {
        let mut timers = self.0.lock();
        timers.now = timers.now.max(to);
        let later = timers.waiting.split_off(&(to + Duration::from_nanos(1), 0));
        let due = std::mem::replace(&mut timers.waiting, later);
        drop(timers);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    fn next_timer(&self) -> Option<Duration> {
        self.0.lock().waiting.keys().next().map(|(at, _)| *at)
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixNanos {
        let since = i64::try_from(self.monotonic().as_nanos()).unwrap_or(i64::MAX);
        UnixNanos(BEGIN_NANOS.saturating_add(since))
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.monotonic() + duration;
        Box::pin(SimSleep { clock: self.clone(), until, id: None })
    }
}

struct SimSleep {
    clock: SimClock,
    until: Duration,
    id: Option<u64>,
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut timers = clock.0.lock();
        if timers.now >= self.until {
            return Poll::Ready(());
        }
        let id = *self.id.get_or_insert_with(|| {
            timers.next += 1;
            timers.next
        });
        timers.waiting.insert((self.until, id), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.0.lock().waiting.remove(&(self.until, id));
        }
    }
}

/// A task of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimTask(u64);

/// Runs tasks in an order drawn from a seed.
pub struct Sim {
    clock: SimClock,
    rng: SimRng,
    next: u64,
    tasks: BTreeMap<SimTask, Running>,
}

struct Running {
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    suspended_until: Duration,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Sim {
    /// Begins a world.
    pub fn new(seed: u64) -> Self {
        let (clock, rng) = (SimClock::default(), SimRng::new(seed));
        Self { clock, rng, next: 0, tasks: BTreeMap::new() }
    }

    /// Returns the clock of this world.
    pub fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    /// Returns the chance of this world.
    pub fn rng(&self) -> SimRng {
        self.rng.clone()
    }

    /// Adds a task.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> SimTask {
        self.next += 1;
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let running = Running { future: Box::pin(future), woken, suspended_until: Duration::ZERO };
        self.tasks.insert(SimTask(self.next), running);
        SimTask(self.next)
    }

    /// Ends a task where it stands: nothing of it runs any more.
    pub fn kill(&mut self, task: SimTask) {
        self.tasks.remove(&task);
    }

    /// Leaves a task unpolled for a while.
    pub fn suspend(&mut self, task: SimTask, duration: Duration) {
        let until = self.clock.monotonic() + duration;
        if let Some(running) = self.tasks.get_mut(&task) {
            running.suspended_until = until;
        }
    }

    /// Returns whether a task has not ended.
    pub fn is_running(&self, task: SimTask) -> bool {
        self.tasks.contains_key(&task)
    }

    /// Polls one task, or moves time on; `false` when nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        let now = self.clock.monotonic();
        let woken = |r: &Running| r.woken.0.load(Ordering::Acquire);
        let ready: Vec<SimTask> = self
            .tasks
            .iter()
            .filter(|(_, r)| woken(r) && r.suspended_until <= now)
            .map(|(task, _)| *task)
            .collect();
        if ready.is_empty() {
            let resumes = self.tasks.values().filter(|r| woken(r)).map(|r| r.suspended_until);
            let Some(next) = resumes.chain(self.clock.next_timer()).min() else {
                return false;
            };
            self.clock.advance_to(next);
            return true;
        }
        let chosen = ready[self.rng.below(ready.len() as u64) as usize];
        let Some(running) = self.tasks.get_mut(&chosen) else {
            return true;
        };
        running.woken.0.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&running.woken));
        if running.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&chosen);
        }
        true
    }

    /// Runs until all tasks have ended or wait for what never comes.
    pub fn run(&mut self) {
        while !self.tasks.is_empty() && self.step() {}
    }
}
