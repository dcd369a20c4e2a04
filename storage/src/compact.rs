//! 9. Small and sorted: many small blocks become few large ones.
//!
//! A pure planner ([`plan`]) looks at a catalog version and names jobs: neighbours, in the order of
//! commits, of one partition. A worker merges the inputs of a job ([`merge`]), stores the outputs
//! and commits `{add: outputs, remove: inputs}`. If meanwhile an input went, or came under a
//! tombstone that the merge did not know, the outputs are dropped: the work was wasteful, never
//! wrong. A merge changes nothing that a query sees (VIS-3).
//!
//! - [`plan`]: which blocks, and why
//! - [`worker`]: runs and commits; [`jobs`]: what waits, runs and failed

pub mod classes;
mod extras;
pub mod jobs;
pub mod merge;
mod metrics;
pub mod plan;
pub(crate) mod rows;
mod slices;
mod timeline;
mod work;
pub mod worker;
