//! Index parts: what rows of a block are found by, beside statistics.
//!
//! They lie between the last column and the directory, each with a version of its own. Foreign
//! readers skip them, and a block without them is only slower. A *page* of an index is a range of
//! [`PAGE_ROWS`] rows, whatever the pages of the columns are.

pub(crate) mod traces;

/// Rows of an index page: those of a column page of ordinary rows.
pub(crate) const PAGE_ROWS: u32 = 8192;
