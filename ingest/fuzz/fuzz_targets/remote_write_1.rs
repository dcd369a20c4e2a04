//! Any bytes as a decompressed body of remote write 1.0.
#![no_main]

use tarn_ingest::fuzz::{self, Version};

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::remote_write(Version::One, data));
