//! Any bytes as a search: parse, print, parse again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tarn_query::search::fuzz::search(data));
