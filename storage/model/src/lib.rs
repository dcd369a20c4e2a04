//! The shared vocabulary of Tarn: words, no I/O.
//!
//! Every other crate speaks in these types. Nothing here opens a file or a socket, starts a task,
//! reads a clock or draws a random number: the [`time::Clock`], [`rng::Rng`] and [`tasks::Tasks`]
//! traits are declared here and implemented by the process (and by the test kit, in simulation).
//! Nothing here is `Serialize` either: wire and disk types live where the wire or the disk is.
//!
//! - [`signal`]: which of the three signals a row belongs to
//! - [`labels`], [`matcher`]: the identity of a series and how a query selects it
//! - [`attributes`]: values of any kind, as OTel's attributes and bodies have them
//! - [`text`]: what the text of a log record or of a stack trace says
//! - [`sample`]: what a metric row carries: floats, native histograms, exemplars, staleness
//! - [`slice`]: a run of samples of one series, as stored and as computed with
//! - [`time`], [`rng`], [`tasks`]: the handles through which time, chance and concurrency come
//! - [`tenant`], [`limits`]: whose data it is and how much of it is taken
//! - [`error`]: the one error that crosses crate boundaries, and its table of replies
//! - [`units`]: text forms of durations and byte sizes
//! - [`secret`]: values that are never printed
//! - [`metrics`]: the names of Tarn's own metrics
//! - [`map`]: the hash map everybody uses

pub mod attributes;
pub mod error;
pub mod labels;
pub mod limits;
pub mod map;
pub mod matcher;
pub mod metrics;
pub mod otel_names;
pub mod rng;
pub mod sample;
pub mod secret;
pub mod signal;
pub mod slice;
pub mod tasks;
pub mod tenant;
pub mod text;
pub mod time;
pub mod units;
