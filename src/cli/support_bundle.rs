//! `tarn support-bundle`: what somebody who helps needs to see, as one file.
//!
//! Everything in it is asked of the running server through its API, so it holds what the caller may
//! see anyway: settings with secrets left out, what the server says of itself, its own metrics and log
//! lines. A part that cannot be had is named with the reason; the others are written.
//!
//! - [`tar`]: the form of the file

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;

use crate::cli::client::{Server, block_on};
use crate::cli::print;
use crate::telemetry::registry::VERSION;

mod tar;

/// A part over this is cut.
const PART_BYTES_MAX: usize = 8 << 20;
/// All parts before compression; what would be over it is left out.
const BYTES_MAX: usize = 64 << 20;

/// What is asked, under which name it is kept.
const PARTS: [(&str, &str); 14] = [
    ("status.json", "/status"),
    ("ready.txt", "/readyz?verbose"),
    ("metrics.txt", "/metrics"),
    ("settings.json", "/api/v1/status/runtimeinfo"),
    ("build.json", "/api/v1/status/buildinfo"),
    // Names of labels with most values; not the values.
    ("cardinality.json", "/api/v1/status/tsdb?limit=20"),
    ("nodes.json", "/api/v1/nodes"),
    ("usage.json", "/api/v1/usage"),
    ("tombstones.json", "/api/v1/tombstones"),
    ("queries.json", "/api/v1/queries"),
    ("alerting.json", "/api/v1/alerting/status"),
    ("problems.json", "/api/v1/alerting/problems"),
    ("log.json", "/api/v1/logs/search?q=service%3Atarn&limit=10000"),
    ("slow.json", "/api/v1/traces/search?q=service%3Atarn%20duration%3E%3D1s&limit=100"),
];

/// Facts of the machine on which the command runs; often the server's.
const FILES: [(&str, &str); 8] = [
    ("machine/kernel.txt", "/proc/version"),
    ("machine/meminfo.txt", "/proc/meminfo"),
    ("machine/loadavg.txt", "/proc/loadavg"),
    ("machine/pressure-io.txt", "/proc/pressure/io"),
    ("machine/pressure-memory.txt", "/proc/pressure/memory"),
    ("machine/cgroup.txt", "/proc/self/cgroup"),
    ("machine/cgroup-memory-max.txt", "/sys/fs/cgroup/memory.max"),
    ("machine/cgroup-cpu-max.txt", "/sys/fs/cgroup/cpu.max"),
];

/// `tarn support-bundle`
#[derive(Debug, Args)]
pub(crate) struct SupportBundleArgs {
    /// File to write; it must not exist yet.
    #[arg(long, value_name = "PATH", default_value = "tarn-support.tar.gz")]
    out: PathBuf,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
///
/// # Errors
/// Where the file cannot be written, or nothing at all could be had.
pub(crate) fn run(args: &SupportBundleArgs) -> anyhow::Result<()> {
    let SupportBundleArgs { out, server } = args;
    let (mut parts, failed) = block_on(asked(server))?;
    parts.extend(FILES.iter().filter_map(|(name, path)| {
        // Not every kernel has all of them.
        Some(((*name).to_owned(), std::fs::read(path).ok()?))
    }));
    let mut readme = format!("Tarn {VERSION} asked {}\n", server.url);
    readme.extend(failed.iter().map(|why| format!("missing: {why}\n")));
    parts.insert(0, ("README.txt".to_owned(), readme.into_bytes()));
    let bytes = packed(&parts)?;
    let file = std::fs::File::options().write(true).create_new(true).open(out);
    let mut file = file.with_context(|| format!("create {}", out.display()))?;
    std::io::Write::write_all(&mut file, &bytes)
        .with_context(|| format!("write {}", out.display()))?;
    failed.iter().for_each(|why| print(format_args!("missing: {why}")));
    print(format_args!("{}: {} parts, {} bytes", out.display(), parts.len(), bytes.len()));
    Ok(())
}

async fn asked(server: &Server) -> anyhow::Result<(Vec<(String, Vec<u8>)>, Vec<String>)> {
    let (mut parts, mut failed, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (name, path) in PARTS {
        match server.send(Method::GET, path, None, "").await {
            Ok(answer) if answer.status.is_success() || name == "ready.txt" => {
                let mut body = answer.body.to_vec();
                body.truncate(PART_BYTES_MAX.min(BYTES_MAX - bytes));
                bytes += body.len();
                parts.push((name.to_owned(), body));
            }
            Ok(answer) => failed.push(format!("{name}: the server answered {}", answer.status)),
            Err(e) => failed.push(format!("{name}: {e:#}")),
        }
    }
    match parts.is_empty() {
        true => bail!("the server gave nothing: {}", failed.join("; ")),
        false => Ok((parts, failed)),
    }
}

fn packed(parts: &[(String, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    tar::write(parts, &mut gzip).context("pack")?;
    gzip.finish().context("compress")
}
