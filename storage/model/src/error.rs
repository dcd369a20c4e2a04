//! The one error that crosses crate boundaries, and the one table of replies.
//!
//! The kind says what the caller should do, not where it went wrong: each has one row in
//! [`ErrorKind::reply`]. Messages are lowercase without a full stop and say what was attempted, the
//! offending value and the limit; context is added in the infinitive, so that chains read
//! `start storage: read manifest: …`.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::limits::{Hits, Limit};

/// Result with the project's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Change the request.
    Invalid,
    /// Present a grant.
    Unauthenticated,
    /// Obtain a grant.
    Forbidden,
    /// Look elsewhere.
    NotFound,
    /// Send or ask for less; with `retry_after`: slow down.
    LimitExceeded {
        /// When the limit will have room again; `None` where it never will for this request.
        retry_after: Option<Duration>,
    },
    /// Send the same again.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// Call an operator: stored bytes are not what was written.
    Corrupt,
    /// Report a bug.
    Internal,
}

/// Whether a request wrote or read, which decides some codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The request carried rows to be stored.
    Write,
    /// The request asked a question.
    Read,
}

/// How an error is told to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub http: u16,
    /// gRPC status code.
    pub grpc: i32,
    /// Seconds for `Retry-After` and gRPC's RetryInfo.
    pub retry_after: Option<Duration>,
}

impl ErrorKind {
    /// Returns the row of the table of replies. A bug while writing is told as 503, because nothing
    /// was stored and senders drop what is answered with 500.
    pub fn reply(self, direction: Direction) -> Reply {
        let (http, grpc, retry_after) = match (self, direction) {
            (Self::Invalid, _) => (400, 3, None),
            (Self::Unauthenticated, _) => (401, 16, None),
            (Self::Forbidden, _) => (403, 7, None),
            (Self::NotFound, _) => (404, 5, None),
            (Self::LimitExceeded { retry_after: None }, Direction::Write) => (413, 8, None),
            (Self::LimitExceeded { retry_after: None }, Direction::Read) => (422, 8, None),
            (Self::LimitExceeded { retry_after }, _) => (429, 8, retry_after),
            (Self::Unavailable { retry_after }, _) => (503, 14, Some(retry_after)),
            (Self::Corrupt, _) => (500, 15, None),
            (Self::Internal, Direction::Write) => (503, 14, Some(Duration::from_secs(1))),
            (Self::Internal, Direction::Read) => (500, 13, None),
        };
        Reply { http, grpc, retry_after }
    }
}

/// The error of every crate of ours.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    limit: Option<Limit>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), limit: None, source: None }))
    }

    /// The request must change.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The request is too big, and always will be.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded { retry_after: None }, message)
    }

    /// The request is beyond a limit, and always will be while the limit stays.
    pub fn over(limit: Limit, message: impl Into<String>) -> Self {
        let mut error = Self::limit(message);
        error.0.limit = Some(limit);
        error
    }

    /// The same request may succeed later.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(ErrorKind::Unavailable { retry_after }, message)
    }

    /// Stored bytes are damaged.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A bug, or an environment that does what it must not.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts what was attempted in front of the message; the kind stays.
    #[must_use]
    pub fn context(mut self, attempted: impl fmt::Display) -> Self {
        self.0.message = format!("{attempted}: {}", self.0.message);
        self
    }

    /// Says which limit it was.
    #[must_use]
    pub fn because_of(mut self, limit: Limit) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// Counts the limit that it was, if it was one.
    pub fn count_in(&self, hits: &Hits) {
        if let Some(limit) = self.0.limit {
            hits.count(limit, 1);
        }
    }

    /// Returns what the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message with the chain of causes.
    pub fn message(&self) -> String {
        let mut text = self.0.message.clone();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }

    /// Returns the reply to a client.
    pub fn reply(&self, direction: Direction) -> Reply {
        self.0.kind.reply(direction)
    }

    /// Returns the same error again, its causes as text: one failure of a group commit answers
    /// many requests.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let mut same = Self::new(self.kind(), self.message());
        same.0.limit = self.0.limit;
        same
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.message())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn StdError + 'static))
    }
}

/// Adds what was attempted to a failing result.
pub trait Context<T> {
    /// Puts `attempted` in front of the error's message.
    fn context(self, attempted: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, attempted: impl fmt::Display) -> Self {
        self.map_err(|e| e.context(attempted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_replies() {
        let second = Duration::from_secs(1);
        let slow = ErrorKind::LimitExceeded { retry_after: Some(second) };
        let rows = [
            (ErrorKind::Invalid, 400, 400, 3, 3),
            (ErrorKind::Unauthenticated, 401, 401, 16, 16),
            (ErrorKind::Forbidden, 403, 403, 7, 7),
            (ErrorKind::NotFound, 404, 404, 5, 5),
            (ErrorKind::LimitExceeded { retry_after: None }, 413, 422, 8, 8),
            (slow, 429, 429, 8, 8),
            (ErrorKind::Unavailable { retry_after: second }, 503, 503, 14, 14),
            (ErrorKind::Corrupt, 500, 500, 15, 15),
            (ErrorKind::Internal, 503, 500, 14, 13),
        ];
        for (kind, write, read, grpc_write, grpc_read) in rows {
            let (w, r) = (kind.reply(Direction::Write), kind.reply(Direction::Read));
            assert_eq!((w.http, r.http, w.grpc, r.grpc), (write, read, grpc_write, grpc_read));
            assert_eq!(matches!(w.http, 429 | 503), w.retry_after.is_some(), "{kind:?}");
        }
    }

    #[test]
    fn chains_read_in_order() {
        let cause = std::io::Error::other("disk on fire");
        let error = Error::internal("read manifest").with_source(cause).context("start storage");
        assert_eq!(error.message(), "start storage: read manifest: disk on fire");
        assert_eq!(error.duplicate().message(), error.message());
    }
}
