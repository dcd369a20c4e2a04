//! The UI: the single-page app of `web/`, built into the binary and served hashed, compressed and under
//! a strict Content-Security-Policy; and boards as data.
//!
//! A leaf of the workspace: it uses no crate of ours, so that a change of the app never makes an engine
//! rebuild. What it needs of others comes through traits that the binary implements.
//!
//! Which paths are pages is decided by the binary's table of routes; here is how each is answered.

#![forbid(unsafe_code)]

pub mod accept;
pub mod base;
pub mod dashboards;
pub mod files;
pub mod graph;
pub mod headers;
pub mod page;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));
