//! What is made of rows after they are stored: series made of spans.

pub mod span_metrics;
