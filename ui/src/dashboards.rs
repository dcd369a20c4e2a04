//! Boards as data: the Perses format, read, checked, kept and written without losing anything.
//!
//! A board comes from one of three places: it is *curated* (built in, [`curated`]), its file stands in
//! a folder of the settings ([`load`]), or it was stored through the API (a [`BoardStore`] that the
//! binary gives). [`model`] reads and checks all of them; [`check`] looks at their queries with a
//! [`CheckQuery`] of the binary, because this crate knows no query language; [`grafana`] makes boards
//! of Grafana's; [`diff`] shows what a change changes; [`api`] answers for all of it.

pub mod api;
pub mod check;
pub mod curated;
pub mod diff;
pub mod grafana;
pub mod load;
pub mod model;
pub mod store;

pub use check::{CheckQuery, Language, Mistake};
pub use model::{Dashboard, Problem};
pub use store::{BoardStore, Saved, StoreError, Stored};
