//! Log records that a search finds: newest first, or counted.
//!
//! - [`newest`]: keeps the newest rows of a scan, and names the place behind a page
//! - [`fields`]: members of a row that are wanted, and their JSON
//! - `search`: the scan of a page
//! - [`histogram`]: how many records there are when; [`levels`]: the words for their severity
//! - [`facets`]: which values keys have; [`tally`]: bounded counts of values; [`keys`]: which keys

pub(crate) mod facets;
pub(crate) mod fields;
pub(crate) mod histogram;
pub(crate) mod keys;
pub(crate) mod levels;
pub(crate) mod newest;
pub(crate) mod search;
pub(crate) mod tally;
