//! Any bytes as a log segment.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| { tarn_storage::wal::fuzz_segment(data); });
