//! Forgetting: rows that were erased, rows beyond their retention, objects that nothing names. The
//! test moves the clocks.
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]

#[path = "retain/erase.rs"]
mod erase;
#[path = "retain/garbage.rs"]
mod garbage;
#[path = "support/table_requests.rs"]
mod requests;
#[path = "retain/retention.rs"]
mod retention;
#[path = "retain/rewrite.rs"]
mod rewrite;
#[path = "retain/world.rs"]
mod world;
