//! `tarn catalog log`: one line per manifest, oldest first, with every damaged one where it stands.

use std::io::Write;

use tarn_model::error::{Error, Result};

use crate::catalog::commit::read_manifest;
use crate::catalog::format::Manifest;
use crate::flush::cut::{day_name, day_of};
use crate::object::Objects;
use crate::paths;

/// What was come across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSummary {
    /// Manifests printed.
    pub manifests: u64,
    /// Manifests that cannot be read, or do not follow the one before.
    pub problems: u64,
}

/// Prints the manifests of a bucket: number, time, writer, epoch, and what each changed.
///
/// # Errors
/// `Unavailable` where the bucket cannot be read, `Internal` where `out` cannot be written; damage
/// is no error.
pub async fn print(objects: &Objects, out: &mut (impl Write + Send)) -> Result<LogSummary> {
    let mut summary = LogSummary::default();
    let mut before: Option<Manifest> = None;
    for head in objects.list(paths::CATALOG_PREFIX).await? {
        let Some(number) = paths::parse_manifest_key(&head.key) else { continue };
        let object = objects.get(&head.key).await?;
        let line = match read_manifest(number, &object) {
            Ok(manifest) => {
                summary.manifests += 1;
                let gap = gap(before.as_ref(), &manifest);
                summary.problems += u64::from(gap.is_some());
                let line = line(&manifest, gap);
                before = Some(manifest);
                line
            }
            Err(error) => {
                summary.problems += 1;
                before = None;
                format!("{number} PROBLEM: {}", error.message())
            }
        };
        writeln!(out, "{line}").map_err(failed)?;
    }
    let LogSummary { manifests, problems } = summary;
    writeln!(out, "{manifests} manifests, {problems} problems").map_err(failed)?;
    Ok(summary)
}

fn gap(before: Option<&Manifest>, manifest: &Manifest) -> Option<String> {
    let before = before?;
    let next = before.number + 1;
    if manifest.number != next {
        Some(format!("{next} is missing"))
    } else if manifest.predecessor != before.nonce {
        Some(format!("it does not follow {}", before.number))
    } else {
        None
    }
}

fn line(manifest: &Manifest, gap: Option<String>) -> String {
    let Manifest { number, time_ms, writer, epoch, added, removed, .. } = manifest;
    let time = time(*time_ms);
    let short = writer.get(..8).unwrap_or(writer);
    let mut line = format!("{number} {time} writer {short} epoch {epoch}");
    for cut in &manifest.cuts {
        line.push_str(&format!(" lsn {}..{}", cut.lo, cut.hi));
    }
    if !added.is_empty() {
        let samples: u64 = added.iter().map(|block| block.samples).sum();
        let bytes: u64 = added.iter().map(|block| block.bytes).sum();
        line.push_str(&format!(" +{} blocks ({samples} samples, {bytes} bytes)", added.len()));
    }
    if !removed.is_empty() {
        line.push_str(&format!(" -{} blocks", removed.len()));
    }
    for update in &manifest.writers {
        let state = format!("{:?}", update.state).to_lowercase();
        line.push_str(&format!(" {state} {:?}", update.label));
    }
    if let Some(gap) = gap {
        line.push_str(&format!(" PROBLEM: {gap}"));
    }
    line
}

/// Prints a time as RFC 3339 in UTC, to the second.
fn time(time_ms: i64) -> String {
    let second = time_ms.div_euclid(1000).rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", day_name(day_of(time_ms)))
}

fn failed(error: std::io::Error) -> Error {
    Error::internal("print the catalog").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(1_795_262_400_999), "2026-11-21T12:00:00Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59Z");
    }
}
