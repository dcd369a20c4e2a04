//! How an attempt to deliver ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, ErrorKind};

/// A message that can be changed later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// Where it is.
    pub channel: String,
    /// Its name there.
    pub ts: String,
}

/// How an attempt ended, and what the receiver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub verdict: Verdict,
    /// HTTP status or SMTP code, where there was one.
    pub status: Option<u16>,
    /// What the receiver said, shortened; nothing secret.
    pub said: String,
    /// Templates that could not be written out, and why. What stood in for them was sent.
    pub template_errors: Vec<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered {
        /// The message it became, where later ones change it.
        message: Option<MessageRef>,
    },
    /// It may work later.
    Transient {
        /// When, as the receiver asks.
        retry_after: Option<Duration>,
        /// The receiver is well and wants fewer messages.
        busy: bool,
    },
    /// It will never work.
    Permanent,
}

/// What is kept of an answer.
const SAID_CHARS_MAX: usize = 256;

impl Outcome {
    /// The receiver has it.
    pub fn delivered(status: Option<u16>, said: &str) -> Self {
        Self::new(Verdict::Delivered { message: None }, status, said)
    }

    /// It may work later.
    pub fn transient(status: Option<u16>, said: &str, retry_after: Option<Duration>) -> Self {
        Self::new(Verdict::Transient { retry_after, busy: false }, status, said)
    }

    /// The receiver is well and wants fewer messages.
    pub fn busy(status: Option<u16>, said: &str, retry_after: Option<Duration>) -> Self {
        Self::new(Verdict::Transient { retry_after, busy: true }, status, said)
    }

    /// It will never work.
    pub fn permanent(status: Option<u16>, said: &str) -> Self {
        Self::new(Verdict::Permanent, status, said)
    }

    /// Judges an error of ours: what the other side may mend is worth another try.
    pub fn failed(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Unavailable { .. } | ErrorKind::Internal => {
                Self::transient(None, &error.message(), None)
            }
            _ => Self::permanent(None, &error.message()),
        }
    }

    fn new(verdict: Verdict, status: Option<u16>, said: &str) -> Self {
        let said = said.trim().chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
        Self { verdict, status, said, template_errors: Vec::new() }
    }
}
