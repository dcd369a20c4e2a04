//! Any bytes as a body in any encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tarn_ingest::fuzz::compressed(data));
