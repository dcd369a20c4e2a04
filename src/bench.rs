//! `tarn bench`: figures of this machine, one line each: name, value, unit, profile, revision, rustc.
//!
//! Data is generated and the same everywhere ([`crate::generate`]); CPU time is that of the process
//! that does the work, fsync is on. Figures that are compared must be of one profile.
//!
//! - [`ingest`]: a server of its own, asked over loopback HTTP; [`otlp`]: the same for OTLP
//! - [`tables`]: logs and spans on disk, searches and SQL
//! - [`wal`]: the write-ahead log alone
//! - [`bucket`]: what questions ask of a bucket
//! - [`storage`]: replay, blocks, bytes per sample; [`compaction`]: the same after merges
//! - [`promql`]: evaluation from head and blocks, and JSON
//! - [`alerts`]: from a sample to a page

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::cli::print;
use crate::runtime::Runtimes;

mod alerts;
mod bucket;
mod compaction;
mod ingest;
mod lab;
mod otlp;
mod promql;
mod storage;
mod tables;
mod wal;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Parts to run; all without an argument.
    #[arg(value_enum)]
    what: Vec<Part>,
    /// How long each timed part runs, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Log records and spans of the parts that need them.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    rows: u64,
    /// Where the corpus lies; figures that need it are left out where it does not.
    #[arg(long, env = "TARN_CORPUS", default_value = "../shared/corpus")]
    corpus: PathBuf,
    /// Where temporary data goes: the disk that is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
}

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Remote write and OTLP over HTTP, ready times, memory.
    Ingest,
    /// Log records on disk, searches, SQL over them.
    Logs,
    /// Spans on disk, trace by id, SQL over them.
    Traces,
    /// The write-ahead log alone.
    Wal,
    /// Replay and bytes per sample.
    Storage,
    /// CPU time of queries.
    Promql,
    /// From a sample to a page, beside Prometheus and Alertmanager; many rules, many alerts.
    Alerts,
}

/// Runs the parts.
///
/// # Errors
/// Where one of them could not be measured.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let folder = Folder::make(&args.dir)?;
    let runtimes = Runtimes::start()?;
    let rows = args.rows as usize;
    let asked = |part| args.what.is_empty() || args.what.contains(&part);
    let done = runtimes.io.block_on(async {
        if asked(Part::Ingest) {
            ingest::run(&folder, args.seconds).await.context("bench ingest")?;
            otlp::run(&folder, rows).await.context("bench otlp")?;
        }
        if asked(Part::Logs) {
            tables::logs(&folder, rows).await.context("bench logs")?;
        }
        if asked(Part::Traces) {
            tables::traces(&folder, rows).await.context("bench traces")?;
        }
        if asked(Part::Wal) {
            wal::run(&folder, args.seconds).await.context("bench wal")?;
        }
        if asked(Part::Storage) {
            storage::run(&folder, &args.corpus).await.context("bench storage")?;
            compaction::run(&folder, &args.corpus).await.context("bench compaction")?;
            bucket::run(&folder).await.context("bench bucket")?;
        }
        if asked(Part::Promql) {
            promql::run(&folder, args.seconds, runtimes.query()).await.context("bench promql")?;
        }
        if asked(Part::Alerts) {
            alerts::run(&folder, args.seconds).await.context("bench alerts")?;
        }
        Ok(())
    });
    runtimes.stop();
    done
}

/// Prints one figure.
fn figure(name: &str, value: f64, unit: &str) {
    let digits = if value.abs() >= 100.0 { 0 } else { 3 };
    let build = (env!("TARN_BUILD_PROFILE"), env!("TARN_BUILD_REVISION"), env!("TARN_BUILD_RUSTC"));
    let rustc = build.2.split_ascii_whitespace().nth(1).unwrap_or("unknown");
    print(format_args!("{name} {value:.digits$} {unit} {} {} rustc-{rustc}", build.0, build.1));
}

/// Says why a figure is missing.
fn skipped(name: &str, why: impl Display) {
    print(format_args!("{name} skipped: {why}"));
}

/// A temporary folder that goes when it is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make(above: &Path) -> anyhow::Result<Self> {
        let path = above.join(format!("tarn-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(error = %e, folder = %self.0.display(), "temporary data stays");
        }
    }
}

/// Returns the bytes of all files below a folder.
fn bytes_below(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += if meta.is_dir() { bytes_below(&entry.path())? } else { meta.len() };
    }
    Ok(sum)
}
