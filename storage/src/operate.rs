//! What operators look at and put right, with no server running: library functions behind the
//! commands of the binary.
//!
//! - [`backup`](mod@backup): copies of a store elsewhere, and stores made of them (`tarn backup`, `tarn restore`)
//! - [`inspect`]: opens a data folder for looking, writes nothing (`tarn query --data`)
//! - [`catalog_log`]: every manifest, and what is wrong with it (`tarn catalog log`)
//! - [`block_list`]: the live blocks (`tarn block list`)
//! - [`block_show`]: what a block holds, and what each column costs (`tarn block show`)
//! - [`stats`]: what the store holds, as figures (`/api/v1/usage`)
//! - [`wal_dump`]: every record of the log, and what is wrong with it (`tarn wal dump`)
//! - [`quarantine`]: sets a damaged segment aside (`tarn wal quarantine`)
//! - [`verify`](mod@verify): every byte of every live block (`tarn block verify`)

pub mod backup;
pub mod block_list;
pub mod block_show;
pub mod catalog_log;
pub mod inspect;
pub mod quarantine;
pub mod stats;
pub mod verify;
pub mod wal_dump;
