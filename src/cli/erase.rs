//! `tarn erase`: deletes rows by matcher, on a running server.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::cli::client::{Server, block_on};
use crate::cli::print;

/// Pause between two looks at what is left to be rewritten.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Deletes rows for good: they are invisible at once, rewritten soon, and gone from the bucket when
/// its history has passed. Rows sent later stay.
#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    server: Server,
    /// Of which signal.
    #[arg(long, value_enum)]
    signal: Which,
    /// Which rows, such as {job="x"}, or {service_name="shop",user="ann"} of logs and traces. May be
    /// given several times.
    #[arg(long = "match", value_name = "SELECTOR", required = true)]
    matches: Vec<String>,
    /// Earliest time: RFC 3339, or seconds since 1970. Without it from the beginning.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Latest time. Without it to the end.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Rewrites at once, and waits until no block holds the rows any more.
    #[arg(long)]
    wait: bool,
    /// Does not ask.
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Metrics,
    Logs,
    Traces,
}

impl Which {
    fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Reply {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    tombstones: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    data: Tombstones,
}

#[derive(Debug, Deserialize)]
struct Tombstones {
    tombstones: Vec<Tombstone>,
}

#[derive(Debug, Deserialize)]
struct Tombstone {
    id: String,
    blocks: u64,
    bytes: u64,
}

/// Runs the command.
///
/// # Errors
/// Where nobody agreed, or the server refused.
pub(crate) fn run(args: &EraseArgs) -> anyhow::Result<()> {
    let signal = args.signal.as_str();
    let tenant = args.server.tenant.as_deref().unwrap_or("default");
    let from = args.start.as_deref().unwrap_or("the beginning");
    let to = args.end.as_deref().unwrap_or("the end");
    let matches = args.matches.join(" or ");
    let what = format!("{signal} of tenant {tenant} that match {matches}, from {from} to {to}");
    print(format!("erasing {what}"));
    if !args.yes && !agreed()? {
        bail!("nothing was erased");
    }
    block_on(erase(args))
}

/// Asks whoever sits at the terminal.
fn agreed() -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked whether this is meant: say --yes");
    }
    let mut out = io::stderr();
    write!(out, "This cannot be taken back. Type \"yes\" to go on: ").context("ask")?;
    out.flush().context("ask")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    Ok(answer.trim() == "yes")
}

async fn erase(args: &EraseArgs) -> anyhow::Result<()> {
    let mut body = json!({ "signal": args.signal.as_str(), "match": args.matches });
    for (name, time) in [("start", &args.start), ("end", &args.end)] {
        if let Some(time) = time {
            body[name] = time.as_str().into();
        }
    }
    let json = Some("application/json");
    let answer = args.server.send(Method::POST, "/api/v1/erase", json, body.to_string()).await?;
    if !answer.status.is_success() {
        bail!("the server answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    let reply: Reply = serde_json::from_slice(&answer.body).context("read the answer")?;
    let ids = reply.data.tombstones;
    if ids.is_empty() {
        print("no block can hold such rows: nothing to erase");
        return Ok(());
    }
    print(format!("invisible now; to be rewritten under {}", ids.join(", ")));
    if args.wait { wait(args, &ids).await } else { Ok(()) }
}

async fn wait(args: &EraseArgs, ids: &[String]) -> anyhow::Result<()> {
    let path = "/api/v1/admin/tsdb/clean_tombstones";
    let cleaned = args.server.send(Method::POST, path, None, "").await?;
    if !cleaned.status.is_success() {
        let text = String::from_utf8_lossy(&cleaned.body).into_owned();
        bail!("invisible, but not rewritten: the server answered {}: {text}", cleaned.status);
    }
    let mut told = None;
    loop {
        let answer = args.server.send(Method::GET, "/api/v1/tombstones", None, "").await?;
        let listed: Listed = serde_json::from_slice(&answer.body).context("read the answer")?;
        let own = listed.data.tombstones.iter().filter(|tombstone| ids.contains(&tombstone.id));
        let (blocks, bytes, left) =
            own.fold((0, 0, 0), |(n, sum, left), t| (n + t.blocks, sum + t.bytes, left + 1));
        if left == 0 {
            print(
                "verified: no live block holds rows that were erased; their objects leave the \
                 bucket when retention.history has passed",
            );
            return Ok(());
        }
        if told != Some(blocks) {
            print(format!("{blocks} blocks ({bytes} bytes) left to be rewritten"));
            told = Some(blocks);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
