//! A view of the store, read.
//!
//! - `slices`: for PromQL, series by series as slices of samples

pub(crate) mod slices;
