//! Deterministic data for `tarn bench` and `tarn demo`: the same on every machine.
//!
//! - [`series`]: label sets and values in three shapes
//! - [`remote_write`]: the same as remote-write 1.0 bodies
//! - [`shop`], [`wire`]: the services of a small shop, and protobuf by hand; with them
//!   [`logs`], [`spans`] and [`points`]: OTLP requests
//! - [`sets`]: sets of series told piece by piece in the order of time
//! - [`corpus`]: real series, where a copy of the corpus is at hand
//! - [`demo`]: a shop whose signals belong together, with a story in them

pub(crate) mod corpus;
pub(crate) mod demo;
pub(crate) mod logs;
pub(crate) mod points;
pub(crate) mod remote_write;
pub(crate) mod series;
pub(crate) mod sets;
pub(crate) mod shop;
pub(crate) mod spans;
pub(crate) mod wire;
