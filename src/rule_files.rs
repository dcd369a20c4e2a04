//! The files that the section `alerting` of the settings names: found, read, and looked at again.
//!
//! Files are compared by what they say, every few seconds: Kubernetes swaps links and leaves dates as
//! they like. What cannot be read is a problem of the new set, like a mistake in it, and leaves the
//! old one running.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tarn_alerting::options::{SourceFile, Sources};
use tarn_alerting::problem::Problem;
use tarn_alerting::route::config::Config as Routes;
use tarn_alerting::{Alerting, Options};
use tarn_model::time::Clock;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::glob;

/// How soon a change of a file is noticed.
const EVERY: Duration = Duration::from_secs(3);
/// Longest file that is read; the rules of large installations have a tenth of it.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most files of one setting.
const FILES_MAX: usize = 10_000;

/// Reads all files that the settings name.
pub(crate) fn read(options: &Options) -> Sources {
    let mut sources = Sources::default();
    sources.rules = each(&options.rule_files, Path::new(""), &mut sources.unreadable);
    sources.slos = each(&options.slo_files, Path::new(""), &mut sources.unreadable);
    let Some(path) = &options.alertmanager_config else {
        return sources;
    };
    sources.alertmanager = file(path, &mut sources.unreadable);
    if let Some(SourceFile { name, text }) = &sources.alertmanager {
        // Templates are named relative to the file that names them, as upstream does.
        let folder = path.parent().unwrap_or(Path::new(""));
        let (config, _) = Routes::parse(name, text, false);
        let patterns = config.map(|config| config.templates).unwrap_or_default();
        sources.templates = each(&patterns, folder, &mut sources.unreadable);
    }
    sources
}

fn each(patterns: &[String], folder: &Path, problems: &mut Vec<Problem>) -> Vec<SourceFile> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        match glob::expand(&folder.join(pattern)) {
            // A pattern may match nothing yet; a name without stars is meant to be there.
            Ok(found) => paths.extend(found),
            Err(e) => problems.push(problem(pattern, format!("cannot be looked for: {e}"))),
        }
    }
    paths.sort();
    paths.dedup();
    if paths.len() > FILES_MAX {
        let message = format!("{} files, limit is {FILES_MAX}", paths.len());
        problems.push(problem(&patterns.join(","), message));
        paths.truncate(FILES_MAX);
    }
    paths.iter().filter_map(|path| file(path, problems)).collect()
}

fn file(path: &Path, problems: &mut Vec<Problem>) -> Option<SourceFile> {
    let name = path.display().to_string();
    let text = std::fs::metadata(path).and_then(|found| {
        if found.len() > FILE_BYTES_MAX {
            let message = format!("{} bytes, limit is {FILE_BYTES_MAX}", found.len());
            return Err(std::io::Error::other(message));
        }
        std::fs::read_to_string(path)
    });
    match text {
        Ok(text) => Some(SourceFile { name, text }),
        Err(e) => {
            problems.push(problem(&name, format!("cannot be read: {e}")));
            None
        }
    }
}

fn problem(file: &str, message: String) -> Problem {
    Problem { file: file.to_owned(), line: 0, column: 0, message, warning: false }
}

/// Reads the files on a thread for it.
pub(crate) async fn read_apart(options: &Options) -> Option<Sources> {
    let options = options.clone();
    let read = tokio::task::spawn_blocking(move || read(&options)).await;
    read.inspect_err(|e| warn!(error = %e, "reading rule files ended early")).ok()
}

/// Looks at the files until the stop, and hands on what has changed.
pub(crate) async fn watch(
    alerting: Alerting,
    options: Options,
    first: Sources,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut last = first;
    while stop.run_until_cancelled(clock.sleep(EVERY)).await.is_some() {
        match read_apart(&options).await {
            Some(now) if now != last => {
                last = now.clone();
                // What is wrong with it is logged and shown by whoever takes it.
                alerting.reload(now).await;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
