//! 8. Known: the catalog says which blocks exist and how far each writer's log is in them.
//!
//! It is a row of numbered, immutable manifests (`catalog/…42.manifest`), each a delta that is
//! created once with `PutMode::Create`: whoever creates a number wins it, everybody else applies
//! what is there and takes the next. [`State`] is what a prefix of that row adds up to: an
//! immutable snapshot that views share. [`checkpoint`] cuts the way short for a load.
//!
//! - [`format`](mod@format): the bytes of manifests, checkpoints and pages
//! - [`state`](mod@state): what they add up to
//! - [`commit`]: winning the next number
//! - [`checkpoint`]: loading, and the pages that make it short
//! - [`saved`]: a copy on the local disk, for a start while the bucket is away
//! - [`writers`]: who writes, in which epoch

pub mod checkpoint;
pub mod commit;
pub mod format;
mod metrics;
pub mod saved;
pub mod state;
pub mod writers;

pub use commit::{Catalog, CommitError, Draft};
pub use state::State;
pub use writers::Identity;
