//! OTLP metrics: messages that the OpenTelemetry protocol crate encodes → series and samples.

#[path = "otlp_metrics/build.rs"]
mod build;
#[path = "otlp_metrics/hostile.rs"]
mod hostile;
#[path = "otlp_metrics/mapping.rs"]
mod mapping;
