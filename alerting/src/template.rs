//! Text of labels, annotations and notifications. Pure.
//!
//! The language is [`tarn_template`]; here are its two dialects. [`rule`] has the functions and
//! variables of rule files: Prometheus', and what vmalert adds. [`notify`] has those of notification
//! templates, the data they see, and the templates that are shipped. Both share the functions on
//! texts (`functions`), and times and durations as Go has them (`time`).

mod functions;
mod json;
pub mod notify;
pub mod rule;
mod time;
