//! Traces: spans put together.
//!
//! - [`tree`]: parents and children, whatever the spans say of each other
//! - `span`, `assemble`: rows of one trace → the view of the trace: what was sent twice shown once,
//!   clocks put right, the critical path
//! - `read`: all spans of a trace; `search`: the newest traces with a span that is wanted
//! - `histogram`: how many spans there are when, by duration

pub(crate) mod assemble;
pub(crate) mod histogram;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod span;
pub mod tree;

/// OTel's number of the span kind `server`.
pub const SERVER: i32 = 2;
/// OTel's number of the span kind `client`.
pub const CLIENT: i32 = 3;
/// OTel's number of the status `error`.
pub const ERROR: i32 = 2;

/// Returns the word for a span kind.
pub(crate) fn kind_word(kind: i32) -> &'static str {
    match kind {
        1 => "internal",
        SERVER => "server",
        CLIENT => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    }
}

/// Returns the word for a status.
pub(crate) fn status_word(status: i32) -> &'static str {
    match status {
        1 => "ok",
        ERROR => "error",
        _ => "unset",
    }
}
