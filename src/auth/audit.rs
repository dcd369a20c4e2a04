//! Who did what: logins, keys, roles, rules, boards, silences, erasures, and whatever was refused.
//!
//! An event is a row of the signal logs of tenant [`TENANT`], and a line on standard output where
//! that is wanted. Events form a [`chain`]: each carries its number and the hash of the one before, so that
//! a row that was changed or removed shows. They wait in memory until the store takes them; where
//! that is full an event is dropped, counted, and told by the next one.
//!
//! - [`chain`]: numbers and hashes, and their check
//! - [`stream`]: from here into the store
//! - [`refused`]: how many refusals of one address are worth an event each
//! - [`list`]: reads events back

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tarn_model::metrics::{AUDIT_DROPPED, AUDIT_EVENTS};
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;

use self::refused::Refusals;

pub(crate) mod chain;
pub(crate) mod list;
pub(crate) mod refused;
pub(crate) mod stream;

#[cfg(test)]
mod tests;

/// Whose rows events are. Roles for another tenant do not reach them.
pub(crate) const TENANT: &str = super::decide::AUDIT_TENANT;
/// Events that wait for the store, in number and in bytes: minutes of a busy day.
const WAITING_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 8 << 20;
/// A text of an event is cut here: whatever a caller chose is part of it.
const TEXT_BYTES_MAX: usize = 512;

/// What became of what somebody wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done.
    Done,
    /// Who asked may not do it, or is not known.
    Denied,
    /// It went wrong.
    Failed,
}

impl Outcome {
    /// Returns the word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Something that somebody did, or tried to. It must hold no secret.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// What, such as `login` or `key.create`.
    pub(crate) action: &'static str,
    /// Who; empty: nobody known.
    pub(crate) principal: String,
    /// How they showed who they are, such as `password`; empty: not at all.
    pub(crate) how: &'static str,
    /// From where.
    pub(crate) from: Option<IpAddr>,
    /// For whose data.
    pub(crate) tenant: Option<TenantId>,
    /// To what: a path, or the name of a key, a user, a board.
    pub(crate) target: String,
    /// With what end.
    pub(crate) outcome: Outcome,
    /// What else is worth knowing.
    pub(crate) detail: String,
    /// Hash of what was there before, where that is known.
    pub(crate) before: Option<String>,
    /// Hash of what is there now.
    pub(crate) after: Option<String>,
}

impl Event {
    /// Makes an event that says nothing but what was done to what.
    pub(crate) fn new(action: &'static str, target: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            action,
            principal: String::new(),
            how: "",
            from: None,
            tenant: None,
            target: target.into(),
            outcome,
            detail: String::new(),
            before: None,
            after: None,
        }
    }

    fn bytes(&self) -> usize {
        let hash = |hash: &Option<String>| hash.as_ref().map_or(0, String::len);
        let texts = self.principal.len() + self.target.len() + self.detail.len();
        size_of::<Self>() + texts + hash(&self.before) + hash(&self.after)
    }

    fn cut(mut self) -> Self {
        for text in [&mut self.principal, &mut self.target, &mut self.detail] {
            let end = text.floor_char_boundary(TEXT_BYTES_MAX);
            text.truncate(end);
        }
        self
    }
}

/// An event and when it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    /// ns since the epoch.
    pub(crate) time_ns: i64,
    /// Events that were dropped just before it.
    pub(crate) dropped_before: u64,
    /// What happened.
    pub(crate) event: Event,
}

/// Takes events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit(Arc<Shared>);

struct Shared {
    enabled: bool,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
    refusals: Mutex<Refusals>,
    events: Counter,
    dropped: Counter,
    head: Mutex<Option<chain::Head>>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Noted>,
    bytes: usize,
    /// Events dropped since the newest that waits.
    dropped: u64,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("enabled", &self.0.enabled).finish_non_exhaustive()
    }
}

impl Audit {
    /// Makes it; where it is not enabled events go nowhere.
    pub(crate) fn register(enabled: bool, clock: Arc<dyn Clock>, registry: &mut Registry) -> Self {
        let (events, dropped) = (Counter::default(), Counter::default());
        registry.register(AUDIT_EVENTS.name, AUDIT_EVENTS.help, events.clone());
        registry.register(AUDIT_DROPPED.name, AUDIT_DROPPED.help, dropped.clone());
        Self(Arc::new(Shared {
            enabled,
            clock,
            waiting: Mutex::default(),
            refusals: Mutex::default(),
            events,
            dropped,
            head: Mutex::default(),
        }))
    }

    /// Returns whether anything is recorded.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Records an event. It never waits. Refusals beyond some of one address in a minute are counted
    /// instead, and told as one event when the minute is over.
    pub(crate) fn record(&self, event: Event) {
        if !self.0.enabled {
            return;
        }
        let now = self.0.clock.monotonic();
        if event.outcome == Outcome::Denied {
            let is_told = self.0.refusals.lock().is_told(event.from, now);
            if !is_told {
                return;
            }
        }
        self.note(event);
    }

    /// Records what was only counted until now, of minutes that are over.
    fn tell_refusals(&self) {
        let told = self.0.refusals.lock().take_over(self.0.clock.monotonic());
        for (from, count) in told {
            let mut event = Event::new("refused", "", Outcome::Denied);
            event.from = from;
            event.detail = format!("{count} more requests were refused within a minute");
            self.note(event);
        }
    }

    fn note(&self, event: Event) {
        let event = event.cut();
        let time_ns = self.0.clock.now().0;
        self.0.events.inc();
        let mut waiting = self.0.waiting.lock();
        let bytes = event.bytes();
        if waiting.events.len() >= WAITING_MAX || waiting.bytes + bytes > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            self.0.dropped.inc();
            return;
        }
        waiting.bytes += bytes;
        let dropped_before = std::mem::take(&mut waiting.dropped);
        waiting.events.push_back(Noted { time_ns, dropped_before, event });
    }

    fn take(&self) -> Vec<Noted> {
        let mut waiting = self.0.waiting.lock();
        waiting.bytes = 0;
        waiting.events.drain(..).collect()
    }

    /// Returns where the chain of this process ends; `None` before its first event is stored.
    pub(crate) fn head(&self) -> Option<chain::Head> {
        self.0.head.lock().clone()
    }

    fn set_head(&self, head: chain::Head) {
        *self.0.head.lock() = Some(head);
    }
}

/// Returns the tenant of events.
pub(crate) fn tenant() -> TenantId {
    TenantId::parse(TENANT).expect("it is a valid id")
}
