//! When and how the process ends: signals, timers, exit codes.
//!
//! Order of a stop: `/readyz` turns false and `shutdown.delay` passes; the listener stops accepting
//! and requests finish within `shutdown.grace`; tasks end; storage flushes, syncs and seals. A second
//! signal ends the process at once, which is safe: what was acknowledged is in the log (DUR-1).

use std::fmt;
use std::process::ExitCode;

use anyhow::Context as _;
use tarn_model::error::{Error, ErrorKind};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::config::Problems;

/// Exit codes, after sysexits.h where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 64,
    /// Stored bytes are not what was written.
    Corrupt = 74,
    /// Try again: a taken port, a locked data folder.
    Temporary = 75,
    /// The configuration is wrong, or another writer took over.
    Configuration = 78,
    SecondSignal = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Returns the code that an error ends the process with.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.downcast_ref::<Problems>().is_some() {
            return Self::Configuration;
        }
        match error.downcast_ref::<Error>().map(Error::kind) {
            Some(ErrorKind::Corrupt) => Self::Corrupt,
            Some(ErrorKind::Unavailable { .. } | ErrorKind::LimitExceeded { .. }) => {
                Self::Temporary
            }
            Some(ErrorKind::Invalid) => Self::Configuration,
            _ => Self::Failed,
        }
    }
}

/// Why the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Interrupt,
    Terminate,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// The signals that end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from the system's default.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Completes at the first signal; the second one ends the process.
    pub(crate) async fn first(mut self) -> Reason {
        let reason = self.next().await;
        tokio::spawn(async move {
            self.next().await;
            warn!("second signal: leaving at once, what was acknowledged is in the log");
            leave(Exit::SecondSignal);
        });
        reason
    }

    async fn next(&mut self) -> Reason {
        tokio::select! {
            _ = self.interrupt.recv() => Reason::Interrupt,
            _ = self.terminate.recv() => Reason::Terminate,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that ends the process")]
fn leave(exit: Exit) {
    std::process::exit(exit as i32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_kind_of_error() {
        let soon = std::time::Duration::from_secs(1);
        for (error, exit) in [
            (anyhow::Error::new(Problems(Vec::new())), Exit::Configuration),
            (Error::corrupt("manifest").into(), Exit::Corrupt),
            (Error::unavailable("locked", soon).into(), Exit::Temporary),
            (Error::internal("bug").into(), Exit::Failed),
            (anyhow::anyhow!("other"), Exit::Failed),
        ] {
            assert_eq!(Exit::of(&error.context("open storage")), exit);
        }
    }
}
