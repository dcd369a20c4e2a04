//! Runs PromQL over a view of the store, and answers over HTTP as Prometheus does.
//!
//! The way of a query, from text to bytes:
//!
//! 1. [`api::prometheus`] takes the request: method, parameters, limits of the form.
//! 2. A task is started on the query runtime; what follows happens there, so that a heavy query
//!    cannot hold up the reading of sockets. The task ends when its handle is dropped, which is what
//!    the server does with the response of a client that has gone away.
//! 3. `govern` gives the query a slot, a deadline and an account with the memory pool.
//! 4. [`promql`] parses the text; a mistake is answered with its line and column.
//! 5. [`Engine`] pins a view of the store: all selectors read from it (VIS-2).
//! 6. [`promql`] evaluates, and pulls series by series through `scan/slices`.
//! 7. `api/json` renders the answer series by series, and `api/reply` sends it in chunks.
//!
//! What always holds:
//! - A query reads one tenant's data: the tenant goes into every call on the view, and there is no
//!   call without one.
//! - An answer that may lack rows says so, in `warnings` and in a header (PAR-1).
//! - Every query has a bound in time, in memory, in series, in steps, in the size of its text and
//!   in the nesting of its expression; all queries together have one in number and memory (LIM-1).
//! - A body that ends early ends with an error, never looks whole.
//!
//! What it leaves to others: the language is `tarn-promql`, reading and merging is `tarn-storage`,
//! sockets, compression and who may ask are the server's. It keeps no cache of results yet.

pub mod api;
mod engine;
mod govern;
mod logs;
mod records;
mod rows;
mod scan;
pub mod search;
mod session;
mod sql;
mod task;
pub mod traces;

pub use tarn_promql as promql;

pub use crate::engine::{Answer, Engine, EngineOptions, Handles, QueryOptions};
pub use crate::rows::{RowStats, SqlAnswer};
pub use crate::sql::error::{Position, SqlError};
