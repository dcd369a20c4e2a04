//! Log records that a search finds, newest first.
//!
//! - [`newest`]: keeps the newest rows of a scan, and names the place behind a page
//! - [`fields`]: members of a row that are wanted, and their JSON
//! - `search`: the scan

pub(crate) mod fields;
pub(crate) mod newest;
pub(crate) mod search;
