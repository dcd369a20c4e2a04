//! Deterministic data for `tarn bench`: the same bytes on every machine.
//!
//! - [`series`]: label sets and values in three shapes
//! - [`remote_write`]: the same as remote-write 1.0 bodies
//! - [`corpus`]: real series, where a copy of the corpus is at hand

pub(crate) mod corpus;
pub(crate) mod remote_write;
pub(crate) mod series;
