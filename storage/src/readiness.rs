//! Which directions work, and why not.
//!
//! Several parts of the store may refuse writes at the same time, each for a reason of its own: the
//! log replays, the disk is full, another process took the identity. Each sets and clears its own
//! [`Cause`]; writes go on when none is left.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::RwLock;
use tarn_model::error::{Error, Result};

/// Which directions work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Why writes are refused, if they are.
    pub ingest: Option<String>,
    /// Why queries are refused or marked, if they are.
    pub query: Option<String>,
}

/// Who refuses writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The writer was superseded: never cleared.
    Fenced,
    /// The store stops: never cleared.
    Closing,
    /// The log is being replayed.
    Replaying,
    /// The log cannot be written.
    Log,
    /// The disk has no room.
    Disk,
}

impl Cause {
    /// When a sender should try again. A replay and a full disk take a while.
    fn retry_after(self) -> Duration {
        match self {
            Self::Disk => Duration::from_secs(30),
            Self::Fenced | Self::Closing => Duration::from_secs(10),
            Self::Replaying | Self::Log => Duration::from_secs(2),
        }
    }
}

/// Lets writes through while nobody objects.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    causes: RwLock<BTreeMap<Cause, String>>,
}

impl Gate {
    /// Refuses writes from now on; `why` is what senders are told.
    pub(crate) fn refuse(&self, cause: Cause, why: impl Into<String>) {
        self.causes.write().insert(cause, why.into());
    }

    /// Takes the objection back.
    pub(crate) fn allow(&self, cause: Cause) {
        self.causes.write().remove(&cause);
    }

    /// Returns why writes are refused, if they are; the gravest cause first.
    pub(crate) fn reason(&self) -> Option<String> {
        self.causes.read().values().next().cloned()
    }

    /// Answers a write.
    ///
    /// # Errors
    /// `Unavailable` with the reason.
    pub(crate) fn check(&self) -> Result<()> {
        match self.causes.read().iter().next() {
            None => Ok(()),
            Some((cause, why)) => Err(Error::unavailable(why.clone(), cause.retry_after())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_go_on_when_the_last_cause_is_gone() {
        let gate = Gate::default();
        assert!(gate.check().is_ok());
        gate.refuse(Cause::Disk, "disk is full");
        gate.refuse(Cause::Replaying, "log is replaying");
        assert_eq!(gate.reason().as_deref(), Some("log is replaying"));
        gate.allow(Cause::Replaying);
        assert_eq!(gate.check().map_err(|e| e.message()), Err("disk is full".to_owned()));
        gate.allow(Cause::Disk);
        assert!(gate.check().is_ok());
    }
}
