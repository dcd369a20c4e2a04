//! The doors: what clients ask over HTTP, and how answers are written.
//!
//! - [`prometheus`]: the HTTP API of Prometheus, as Grafana and its kin speak it
//! - [`native`]: Tarn's own: searches of logs and traces
//! - [`sql`]: rows, as JSON, CSV and Arrow
//! - `json`: numbers, labels and results as Prometheus writes them
//! - `frame`: numbers in columns, for charts and waterfalls
//! - `reply`: from the query runtime to the client, in chunks, with the envelope around

pub(crate) mod frame;
pub(crate) mod json;
pub mod native;
pub mod prometheus;
pub(crate) mod reply;
pub mod sql;
