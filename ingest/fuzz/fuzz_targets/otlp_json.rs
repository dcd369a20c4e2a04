//! Any bytes as a decompressed body of OTLP/JSON.
#![no_main]

use tarn_ingest::fuzz::otlp;
use tarn_model::signal::Signal;

libfuzzer_sys::fuzz_target!(|data: &[u8]| otlp::json(Signal::Traces, data));
