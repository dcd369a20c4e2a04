//! The HTTP API, request by request, over a real store in a temporary folder.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where its world breaks")]
#![expect(clippy::print_stdout, reason = "figures of large traces are shown")]

mod columns;
mod completion;
mod counts;
mod hostile;
mod names;
mod paging;
mod promises;
mod queries;
mod searches;
mod services;
mod support;
mod tail;
mod traces;
