//! 10. Forgotten: what is too old or was erased goes, and whatever nothing names any more.
//!
//! - [`erase`]: rows that were asked to be deleted

pub mod erase;
