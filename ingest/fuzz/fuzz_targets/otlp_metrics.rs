//! Any bytes as a decompressed body of OTLP metrics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tarn_ingest::fuzz::otlp_metrics(data));
