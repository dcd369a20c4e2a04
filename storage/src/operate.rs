//! What operators look at and put right, with no server running: library functions behind the
//! commands of the binary.
//!
//! - [`wal_dump`]: every record of the log, and what is wrong with it (`tarn wal dump`)
//! - [`quarantine`]: sets a damaged segment aside (`tarn wal quarantine`)

pub mod quarantine;
pub mod wal_dump;
