//! What tests stand on: a Tarn process that can be killed, clients that speak the real protocols,
//! and simulated parts with faults.
//!
//! - [`process`]: a server under test, its log and its end
//! - [`prometheus`]: a real one, scraping and sending
//! - [`http`], [`remote_write`]: clients
//!
//! Tests that use this crate live in `<crate>/tests/`: a crate under test and the copy that this
//! one links are two crates to the compiler.

pub mod http;
pub mod process;
pub mod prometheus;
pub mod remote_write;
