//! Any bytes as a template: parse, execute as text and as HTML.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tarn_template::fuzz::template(data));
