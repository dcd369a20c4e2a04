//! One evaluation of a group: queries, states, recorded series.
//!
//! At its slot a group asks the engine for its rules, level by level (`levels`): rules of a level
//! together, a level when what the one above wrote is visible. The answers go through the pure steps
//! of [`crate::state`]; `expand` writes out templates, whose questions are asked between two passes
//! over the same step, so that the step stays pure; `recorder` writes the samples. What follows for
//! alerts is handed to the tenant (`shell/tenant.rs`), which decides and makes it durable.
//!
//! An evaluation that failed changes no state, writes nothing, and counts: a failed or partial answer
//! is never "no alert". Its alerts are told again in time, so that they do not end by themselves.

mod cell;
mod expand;
mod group;
mod levels;
mod query;
pub(crate) mod recorder;

pub use self::cell::Health;
pub(crate) use self::cell::{Cell, CellView};
pub(crate) use self::group::{Change, Group, GroupView, millis};
