//! Log records that a search finds: page by page, or counted.
//!
//! - [`page`]: keeps the newest or oldest rows of a scan, and names the place behind a page
//! - [`fields`]: members of a row that are wanted, and their JSON
//! - `search`: the scan of a page; [`context`]: what its sender wrote around a record
//! - [`tail`]: records as they are stored; [`ring`]: on their way to someone who watches
//! - [`histogram`]: how many records there are when; [`levels`]: the words for their severity
//! - [`facets`]: which values keys have; [`tally`]: bounded counts of values; [`keys`]: which keys

pub(crate) mod context;
pub(crate) mod facets;
pub(crate) mod fields;
pub(crate) mod histogram;
pub(crate) mod keys;
pub(crate) mod levels;
pub(crate) mod page;
pub(crate) mod ring;
pub(crate) mod search;
pub(crate) mod tail;
pub(crate) mod tally;
