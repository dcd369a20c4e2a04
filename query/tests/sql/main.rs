//! SQL over a real store in a temporary folder: scripts, the sandbox, pushdown.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where its world breaks")]

mod forms;
mod pinned;
mod pushdown;
mod sandbox;
mod scripts;
mod world;
