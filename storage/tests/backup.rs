//! Backups: whole or absent beside a store that works, every flipped bit found, restored as a store
//! that holds the same rows; a restore overwrites nothing.
#![expect(clippy::disallowed_methods, reason = "real time and real tasks: the parts are real")]

#[path = "backup/damage.rs"]
mod damage;
#[path = "backup/faults.rs"]
mod faults;
#[path = "backup/golden.rs"]
mod golden;
#[path = "backup/kit.rs"]
mod kit;
#[path = "backup/races.rs"]
mod races;
#[path = "support/table_requests.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod requests;
#[path = "backup/restores.rs"]
mod restores;
#[path = "retain/world.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod world;
