//! The UI: the single-page app of `web/`, built into the binary and served hashed, compressed and under
//! a strict Content-Security-Policy; and boards as data.
//!
//! A leaf of the workspace: it uses no crate of ours, so that a change of the app never makes an engine
//! rebuild. What it needs of others comes through traits that the binary implements.

#![forbid(unsafe_code)]
