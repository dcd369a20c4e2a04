//! Runs PromQL, SQL and searches over a view of the store, and answers over HTTP.
//!
//! The way of a query, from text to bytes:
//!
//! 1. [`api`] takes the request: method, parameters, limits of the form.
//! 2. A task is started on the query runtime; what follows happens there, so that a heavy query
//!    cannot hold up the reading of sockets. The task ends when its handle is dropped, which is what
//!    the server does with the response of a client that has gone away.
//! 3. `govern` gives the query a slot, a deadline and an account with the memory pool.
//! 4. The text is parsed, and a mistake is answered with its place: by [`promql`], by `sql`, or by
//!    [`search`].
//! 5. A view of the store is pinned: all that the query reads, it reads from there (VIS-2).
//! 6. PromQL: [`promql`] evaluates, and pulls series by series through `scan/slices`. SQL: `session`
//!    plans over the tables of `scan`, DataFusion runs the plan, and `rows` hands out batches. Searches: `logs` and [`traces`] read rows until they have enough.
//! 7. `api` renders the answer as it comes, and `api/reply` sends it in chunks.
//!
//! What always holds:
//! - A query reads one tenant's data: the tenant goes into every call on the view, and there is no
//!   call without one.
//! - An answer that may lack rows says so, in `warnings` and in a header (PAR-1).
//! - Every query has a bound in time, in memory, in the size of its answer, of its text and in the
//!   nesting of its expression; all queries together have one in number and memory (LIM-1).
//! - No query can name a file, an address or a setting: SQL has a session of its own, with functions
//!   and plan nodes from a list.
//! - A body that ends early ends with an error, never looks whole.
//!
//! What it leaves to others: PromQL is `tarn-promql`, the operators of SQL are DataFusion's, reading,
//! checking and merging is `tarn-storage`, sockets, compression and who may ask are the server's. It
//! keeps no cache of results yet.

pub mod api;
mod engine;
mod govern;
mod logs;
mod names;
mod records;
mod rows;
mod scan;
pub mod search;
mod services;
mod session;
mod sql;
mod task;
pub mod traces;

pub use tarn_promql as promql;

pub use crate::engine::{Answer, Engine, EngineOptions, Handles, QueryOptions};
pub use crate::govern::ProcessMemory;
pub use crate::rows::{RowStats, SqlAnswer};
pub use crate::sql::error::{Position, SqlError};
