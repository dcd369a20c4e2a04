//! OTLP: the decoders of logs, traces and JSON against the published protocol, and bad input.

#[path = "otlp/bad_input.rs"]
mod bad_input;
#[path = "otlp/expect.rs"]
mod expect;
#[path = "otlp/generate.rs"]
mod generate;
#[path = "otlp/limits.rs"]
mod limits;
#[path = "otlp/read.rs"]
mod read;
#[path = "otlp/same.rs"]
mod same;
