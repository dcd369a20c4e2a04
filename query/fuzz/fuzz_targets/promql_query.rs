//! Any bytes as a query: parse, print, parse again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tarn_promql::fuzz::query(data));
