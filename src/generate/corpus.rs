//! The real series of the corpus, which never enters the repository.
//!
//! `metrics/node-10min.tar.zst` holds `series.jsonl`, one `{n, labels}` a line, and `samples.bin`: per
//! series in the same order n little-endian i64 milliseconds, then n little-endian f64.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tarn_model::labels::{Label, LabelSet};

use super::series::Generated;

/// Unit of a tar archive.
const TAR_BLOCK: usize = 512;

#[derive(Debug, Deserialize)]
struct Line {
    n: usize,
    labels: BTreeMap<String, String>,
}

/// Reads `metrics/node-10min.tar.zst` of a corpus folder; `None` where there is none.
///
/// # Errors
/// Where the archive is not what its README says.
pub(crate) fn node_10min(corpus: &Path) -> anyhow::Result<Option<Vec<Generated>>> {
    let path = corpus.join("metrics/node-10min.tar.zst");
    let Ok(packed) = std::fs::read(&path) else { return Ok(None) };
    let mut archive = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(packed.as_slice())?;
    decoder.read_to_end(&mut archive).with_context(|| path.display().to_string())?;
    let (mut lines, mut samples) = (None, None);
    for (name, bytes) in entries(&archive)? {
        if name.ends_with("series.jsonl") {
            lines = Some(bytes);
        } else if name.ends_with("samples.bin") {
            samples = Some(bytes);
        }
    }
    let lines = lines.context("the archive has no series.jsonl")?;
    let samples = samples.context("the archive has no samples.bin")?;
    series(std::str::from_utf8(lines)?, samples).map(Some)
}

/// Lists names and contents of a tar archive.
fn entries(archive: &[u8]) -> anyhow::Result<Vec<(String, &[u8])>> {
    let mut rest = archive;
    let mut entries = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(TAR_BLOCK) {
        if header.first().is_none_or(|b| *b == 0) {
            break;
        }
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
        };
        let size =
            usize::from_str_radix(&text(&header[124..136]), 8).context("read a tar header")?;
        let padded = size.next_multiple_of(TAR_BLOCK);
        ensure!(after.len() >= size, "the tar archive is cut short");
        entries.push((text(&header[..100]), &after[..size]));
        rest = after.get(padded..).unwrap_or_default();
    }
    Ok(entries)
}

fn series(lines: &str, mut samples: &[u8]) -> anyhow::Result<Vec<Generated>> {
    let mut all = Vec::new();
    for line in lines.lines() {
        let Line { n, labels } = serde_json::from_str(line).context("read series.jsonl")?;
        ensure!(samples.len() >= n * 16, "samples.bin is cut short");
        let (own, rest) = samples.split_at(n * 16);
        samples = rest;
        let (times, values) = own.split_at(n * 8);
        let number = |chunk: &[u8]| <[u8; 8]>::try_from(chunk).unwrap_or_default();
        let times = times.chunks_exact(8).map(|c| i64::from_le_bytes(number(c)));
        let values = values.chunks_exact(8).map(|c| f64::from_le_bytes(number(c)));
        let labels = labels.iter().map(|(n, v)| Label::new(n.as_str(), v.as_str())).collect();
        all.push(Generated { labels: LabelSet::new(labels), samples: times.zip(values).collect() });
    }
    Ok(all)
}
