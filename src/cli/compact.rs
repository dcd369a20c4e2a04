//! `tarn compact`: merges the blocks of a running server, and shows how far it is.
//!
//! The request is answered when everything is merged; meanwhile the table of jobs is asked for. On a
//! terminal it becomes a bar, elsewhere a line per job.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use tarn_model::units::ByteSize;

use crate::cli::client::Server;
use crate::cli::print;
use crate::cli::remote::succeeded;

/// How often the table is asked for.
const POLL: Duration = Duration::from_millis(250);
/// How long everything may take, in seconds: a week. Whoever does not want to wait presses Ctrl-C.
const PATIENCE: u64 = 7 * 86_400;

/// `tarn compact`
#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// Merge the blocks of this signal only: metrics, logs or traces.
    #[arg(long, value_name = "SIGNAL", value_parser = ["metrics", "logs", "traces"])]
    signal: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// What is read of the table of jobs.
#[derive(Debug, Default, Deserialize)]
struct Table {
    running: Option<Job>,
    queued_bytes: u64,
    queued_total: u64,
    ended: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: u64,
    tenant: String,
    kind: String,
    day: String,
    level: u8,
    state: String,
    inputs: u64,
    bytes: u64,
    bytes_read: u64,
    outputs: u64,
    output_bytes: u64,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    took_ms: u64,
}

/// Asks for the merges, and waits.
///
/// # Errors
/// What the server answered, if it was not that all is merged.
pub(crate) async fn run(args: CompactArgs) -> anyhow::Result<()> {
    let CompactArgs { signal, server } = args;
    let form = {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(signal.iter().map(|signal| ("signal", signal)));
        form.extend_pairs(server.tenant.iter().map(|tenant| ("tenant", tenant)));
        form.finish()
    };
    let path = format!("/-/compact?{form}");
    let patient = Server { timeout: PATIENCE, ..server.clone() };
    // What ended before is not ours. A server that does not answer is told by the request itself.
    let before = table(&server).await.map_or(0, |table| newest(&table));
    let mut shown = Shown::new(before);
    let answer = {
        let mut answer = std::pin::pin!(patient.send(Method::POST, &path, None, ""));
        loop {
            match tokio::time::timeout(POLL, &mut answer).await {
                Ok(answer) => break answer,
                // The next look may succeed; what failed shows in the answer.
                Err(_) => table(&server).await.map_or((), |table| shown.show(&table)),
            }
        }
    };
    if let Ok(table) = table(&server).await {
        shown.show(&table);
    }
    shown.bar.finish_and_clear();
    print(succeeded(&answer?)?);
    Ok(())
}

async fn table(server: &Server) -> anyhow::Result<Table> {
    let answer = server.send(Method::GET, "/api/v1/usage/jobs", None, "").await?;
    serde_json::from_str(&succeeded(&answer)?).context("read the table of jobs")
}

fn newest(table: &Table) -> u64 {
    table.ended.iter().map(|job| job.id).max().unwrap_or(0)
}

/// What is on the screen.
struct Shown {
    bar: ProgressBar,
    terminal: bool,
    /// The last job that has its line.
    last: u64,
    done_bytes: u64,
}

impl Shown {
    fn new(last: u64) -> Self {
        let terminal = io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let form = "{bar:30} {bytes}/{total_bytes}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        Self { bar, terminal, last, done_bytes: 0 }
    }

    fn show(&mut self, table: &Table) {
        // The newest stands first.
        for job in table.ended.iter().rev().filter(|job| job.id > self.last) {
            self.done_bytes += job.bytes;
            let line = line(job);
            if self.terminal {
                self.bar.println(line);
            } else {
                note(&line);
            }
        }
        self.last = self.last.max(newest(table));
        let (read, left) = match &table.running {
            Some(job) => (job.bytes_read.min(job.bytes), job.bytes),
            None => (0, 0),
        };
        self.bar.set_length(self.done_bytes + left + table.queued_bytes);
        self.bar.set_position(self.done_bytes + read);
        self.bar.set_message(format!("{} wait", table.queued_total));
    }
}

fn line(job: &Job) -> String {
    let Job { tenant, kind, day, level, inputs, outputs, took_ms, .. } = job;
    let (bytes, output_bytes) = (ByteSize(job.bytes), ByteSize(job.output_bytes));
    let what = format!("{tenant} {kind} {day}: {inputs} blocks, {bytes}");
    match (job.state.as_str(), &job.error) {
        ("done", _) => {
            format!("{what} -> {outputs} of level {level}, {output_bytes}, in {took_ms} ms")
        }
        (state, error) => format!("{what}: {state}: {}", error.as_deref().unwrap_or_default()),
    }
}

#[expect(clippy::print_stderr, reason = "progress stands beside the result")]
fn note(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_line() {
        let table = r#"{"running":null,"queued_total":0,"queued_bytes":0,"queued":[],"trouble":[],
            "ended":[{"id":7,"tenant":"default","signal":"logs","kind":"logs","day":"2026-11-21",
            "level":2,"reason":"asked","inputs":3,"bytes":2048,"state":"done","rows_read":5,
            "bytes_read":2048,"outputs":1,"output_bytes":1024,"failures":0,"took_ms":12},
            {"id":6,"tenant":"default","signal":"logs","kind":"logs","day":"late","level":1,
            "reason":"late","inputs":1,"bytes":10,"state":"dropped","rows_read":0,"bytes_read":0,
            "outputs":0,"output_bytes":0,"failures":0,"error":"input x is gone"}]}"#;
        let table: Table = serde_json::from_str(table).unwrap();
        let lines: Vec<String> = table.ended.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "default logs 2026-11-21: 3 blocks, 2KiB -> 1 of level 2, 1KiB, in 12 ms",
                "default logs late: 1 blocks, 10B: dropped: input x is gone"
            ]
        );
        assert_eq!(newest(&table), 7);
    }
}
