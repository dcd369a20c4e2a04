//! Plain series as remote-write 1.0 bodies: protobuf by hand, in snappy's block format.
//!
//! The label bytes of a series are encoded once; a body costs little more than copying them, so that
//! the sender does not become what is measured.

use anyhow::Context as _;

use tarn_model::labels::LabelSet;

use super::series::{Chance, plain_labels};

/// Makes bodies for a run of plain series.
#[derive(Debug)]
pub(crate) struct Sender {
    series: Vec<SenderSeries>,
    message: Vec<u8>,
}

#[derive(Debug)]
struct SenderSeries {
    labels: Vec<u8>,
    chance: Chance,
    value: u64,
}

impl Sender {
    /// Prepares the series numbered `range`.
    pub(crate) fn new(range: std::ops::Range<usize>) -> Self {
        let mut sender = Self::of(range.clone().map(plain_labels));
        for (series, at) in sender.series.iter_mut().zip(range) {
            series.chance = Chance::new(at as u64);
        }
        sender
    }

    /// Prepares series of any labels.
    pub(crate) fn of(sets: impl IntoIterator<Item = LabelSet>) -> Self {
        let series = sets.into_iter().map(|set| {
            let mut labels = Vec::new();
            for label in set.iter() {
                let mut pair = Vec::new();
                bytes_field(1, label.name.as_bytes(), &mut pair);
                bytes_field(2, label.value.as_bytes(), &mut pair);
                bytes_field(1, &pair, &mut labels);
            }
            SenderSeries { labels, chance: Chance::new(0), value: 0 }
        });
        Self { series: series.collect(), message: Vec::new() }
    }

    /// Makes one body: one sample of each series, all of the same value.
    ///
    /// # Errors
    /// Where the body is beyond snappy's 4 GiB.
    pub(crate) fn fixed(&mut self, time_ms: i64, value: f64) -> anyhow::Result<Vec<u8>> {
        self.message.clear();
        let mut series_bytes = Vec::new();
        for series in &self.series {
            series_bytes.clear();
            series_bytes.extend_from_slice(&series.labels);
            sample(value, time_ms, &mut series_bytes);
            bytes_field(1, &series_bytes, &mut self.message);
        }
        compressed(&self.message)
    }

    /// Makes one body: `count` samples of each series, every `step_ms` from `start_ms`.
    ///
    /// # Errors
    /// Where the body is beyond snappy's 4 GiB.
    pub(crate) fn body(
        &mut self,
        start_ms: i64,
        step_ms: i64,
        count: usize,
    ) -> anyhow::Result<Vec<u8>> {
        self.message.clear();
        let mut series_bytes = Vec::new();
        for series in &mut self.series {
            series_bytes.clear();
            series_bytes.extend_from_slice(&series.labels);
            for i in 0..count {
                series.value += series.chance.below(100);
                sample(series.value as f64, start_ms + i as i64 * step_ms, &mut series_bytes);
            }
            bytes_field(1, &series_bytes, &mut self.message);
        }
        compressed(&self.message)
    }
}

fn compressed(message: &[u8]) -> anyhow::Result<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(message).context("compress a body")
}

/// Field 2 of a series: value and time.
fn sample(value: f64, time_ms: i64, into: &mut Vec<u8>) {
    let mut inner = [0; 20];
    inner[0] = 0x09; // field 1, 64 bits
    inner[1..9].copy_from_slice(&value.to_le_bytes());
    inner[9] = 0x10; // field 2, varint
    let mut end = 10;
    let mut rest = time_ms as u64;
    while rest >= 0x80 {
        inner[end] = (rest & 0x7f) as u8 | 0x80;
        rest >>= 7;
        end += 1;
    }
    inner[end] = rest as u8;
    bytes_field(2, &inner[..=end], into);
}

fn bytes_field(number: u8, bytes: &[u8], into: &mut Vec<u8>) {
    into.push(number << 3 | 2);
    let mut rest = bytes.len();
    while rest >= 0x80 {
        into.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
    into.extend_from_slice(bytes);
}
