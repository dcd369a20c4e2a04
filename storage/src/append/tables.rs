//! Batches of log records and spans ↔ the payloads of the log.
//!
//! - [`apart`]: a batch without its dictionaries, and the dictionaries

pub(crate) mod apart;
