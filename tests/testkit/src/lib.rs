//! What tests stand on: a Tarn process that can be killed, clients that speak the real protocols,
//! and simulated parts with faults.
//!
//! - [`process`]: a server under test, its log and its end
//! - [`prometheus`]: a real one, scraping and sending
//! - [`http`], [`grpc`], [`remote_write`], [`otlp`]: clients
//! - [`sim`]: seeded time, chance and order of tasks; [`fault_store`]: a bucket that misbehaves;
//!   [`s3_server`]: one that speaks S3
//! - [`sim_disk`]: a disk that loses power; [`clock`]: the machine's time; [`tasks`]: tasks on a runtime, or held for the test
//! - [`certificates`]: authorities and what they sign
//! - [`receiver`]: receivers of notifications that misbehave as told
//! - [`store`]: a whole store, to write to and read from; [`merge`]: merges of chosen blocks
//! - [`tree`]: where the source tree is; [`tidy`]: the rules of the house over it
//!
//! Tests that use this crate live in `<crate>/tests/`: a crate under test and the copy that this
//! one links are two crates to the compiler.

pub mod certificates;
pub mod clock;
pub mod fault_store;
pub mod grpc;
pub mod http;
pub mod merge;
pub mod otlp;
pub mod process;
pub mod prometheus;
pub mod receiver;
pub mod remote_write;
pub mod s3_server;
pub mod sim;
pub mod sim_disk;
pub mod store;
pub mod tasks;
pub mod tidy;
pub mod tree;
