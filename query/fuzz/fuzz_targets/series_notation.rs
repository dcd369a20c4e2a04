//! Any bytes as a line of series notation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tarn_promql::fuzz::series(data));
