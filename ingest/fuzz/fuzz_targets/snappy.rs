//! Any bytes as a compressed body.
#![no_main]

use tarn_ingest::fuzz::{self, Version};

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::snappy(Version::One, data));
