//! Any bytes as anything that is stored; the first byte says as what.
#![no_main]

use tarn_model::signal::Signal;
use tarn_storage::fuzz::{Stored, decode};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let kinds = [
        Stored::Manifest,
        Stored::Checkpoint,
        Stored::Page,
        Stored::Directory,
        Stored::Metrics,
        Stored::Requests,
        Stored::Identity,
        Stored::Payload(Signal::Logs, 16),
        Stored::Payload(Signal::Traces, 17),
        Stored::Entries,
        Stored::Snapshot,
        Stored::Document,
        Stored::Raw,
    ];
    let metrics = Stored::Payload(Signal::Metrics, u16::from(*kind) % 8);
    decode(kinds.get(usize::from(*kind) % 16).copied().unwrap_or(metrics), bytes);
});
