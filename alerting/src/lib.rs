//! Evaluates rules on time, remembers alert state through everything, notifies once.
//!
//! The way from a sample to a page, in the order of the files:
//!
//! 1. [`rules`]: rule files as text become groups of rules, or problems with line and column;
//! 2. [`schedule`]: every group has slots; [`hot`] notices what need not wait for one;
//! 3. [`evaluate`]: the query engine answers the expression at the slot, over every row that was
//!    acknowledged before it;
//! 4. [`state`]: from the answer and what was before follow alerts, transitions and samples;
//! 5. [`template`]: labels and annotations are written out;
//! 6. [`route`]: alerts are routed, grouped, inhibited, silenced, and become flushes;
//! 7. [`store`]: what was decided becomes durable, in one sync;
//! 8. [`notify`]: the outbox delivers it, retries, gives up visibly; [`egress`] vets where to.
//!
//! [`slo`] turns objectives into rules and keeps their ledger. [`api`] speaks Prometheus' and
//! Alertmanager's interfaces and our own. [`alert`] is what travels.
//!
//! What always holds:
//! - Whatever decides is a pure function of configuration, state, input and time: `rules`, `state`,
//!   `template`, `route`, `slo` (its shell apart) read no clock, file, socket or random source.
//! - No page leaves before the decision to send it is durable, except where the log cannot be
//!   written at all; a crash can double a delivery, with the same idempotency handle, never lose it.
//! - A query that failed or may lack rows is never "no alert".
//! - Clients of HTTP are built in [`egress`] only.

pub mod alert;
pub mod api;
pub mod egress;
pub mod evaluate;
mod events;
pub mod hot;
mod metrics;
pub mod notify;
pub mod options;
pub mod problem;
pub mod route;
pub mod rules;
pub mod schedule;
mod shell;
pub mod slo;
pub mod state;
pub mod store;
pub mod template;

pub use crate::options::Options;
pub use crate::shell::load::check_sources;
pub use crate::shell::{Alerting, Handles, Parts, Status};
