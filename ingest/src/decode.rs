//! Bytes → rows: one decoder per wire format, and what they share.
//!
//! Decoders walk the bytes where they lie: nothing is copied, no message object is built, and labels
//! are parsed only when the [`key_cache`] has not seen their bytes before. They return errors and
//! never panic, whatever the bytes; [`crate::fuzz`] has the functions that prove it.
#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub(crate) mod key_cache;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod wire;
