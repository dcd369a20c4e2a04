//! `tarn audit`: what was recorded of who did what.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::audit::chain::{Head, Verdict, verify};
use crate::cli::client::{Server, block_on};
use crate::cli::print;
use crate::cli::remote::succeeded;

/// Events of a page.
const PAGE: usize = 1_000;

/// `tarn audit …`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no recorded event was changed or taken out: number and hash of each follow from the
    /// one before.
    Verify(VerifyArgs),
}

/// `tarn audit verify`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Check lines that a server wrote to standard output (see audit.stdout) instead of asking it.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
///
/// # Errors
/// What was changed or is missing; what could not be read.
pub(crate) fn run(command: &AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify(VerifyArgs { file, server }) = command;
    let (events, ends) = match file {
        Some(path) => (of_file(path)?, Vec::new()),
        None => block_on(of_server(server))?,
    };
    let verdict = verify(events, &ends);
    print(report(&verdict));
    match verdict.problems.len() {
        0 => Ok(()),
        1 => bail!("the audit is not as it was recorded"),
        problems => bail!("the audit is not as it was recorded: {problems} problems"),
    }
}

fn report(verdict: &Verdict) -> String {
    let Verdict { events, chains, problems } = verdict;
    let mut lines = vec![format!("{events} events in {} chains", chains.len())];
    lines.extend(chains.iter().map(|(first, Head { chain, number, hash })| {
        format!("chain {chain}: events {first} to {number}, ends with {hash}")
    }));
    if chains.iter().any(|(first, _)| *first > 1) {
        lines.push("a chain that does not begin with 1 has lost its oldest events, by retention or otherwise".to_owned());
    }
    lines.extend(problems.iter().map(|problem| format!("PROBLEM {problem}")));
    lines.join("\n")
}

fn of_file(path: &std::path::Path) -> anyhow::Result<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Line {
        audit: Box<RawValue>,
        hash: String,
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut events = Vec::new();
    for (number, line) in text.lines().enumerate() {
        // Standard output may carry other things, too.
        if !line.starts_with("{\"audit\":") {
            continue;
        }
        let line: Line = serde_json::from_str(line)
            .with_context(|| format!("{} line {} is no event", path.display(), number + 1))?;
        events.push((line.audit.get().to_owned(), line.hash));
    }
    Ok(events)
}

async fn of_server(server: &Server) -> anyhow::Result<(Vec<(String, String)>, Vec<Head>)> {
    #[derive(Deserialize)]
    struct Reply {
        data: Data,
        #[serde(default)]
        warnings: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Data {
        events: Vec<Stored>,
        next_cursor: Option<String>,
        head: Option<Head>,
    }
    #[derive(Deserialize)]
    struct Stored {
        text: String,
        hash: String,
    }
    let (mut events, mut ends, mut cursor) = (Vec::new(), None, None);
    loop {
        let path = {
            // Gone before anything is waited for: it cannot be sent between threads.
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("limit", &PAGE.to_string());
            form.extend_pairs(cursor.iter().map(|cursor: &String| ("cursor", cursor)));
            format!("/api/v1/access/audit?{}", form.finish())
        };
        let answer = server.send(Method::GET, &path, None, "").await?;
        let reply: Reply =
            serde_json::from_str(&succeeded(&answer)?).context("read the list of events")?;
        if let Some(why) = reply.warnings.first() {
            bail!("events may be missing from the answer: {why}");
        }
        // The first page was asked for before anything newer: its end is what must be there.
        let head = reply.data.head;
        ends.get_or_insert_with(|| head.into_iter().collect::<Vec<_>>());
        events.extend(reply.data.events.into_iter().map(|event| (event.text, event.hash)));
        cursor = reply.data.next_cursor;
        if cursor.is_none() {
            return Ok((events, ends.unwrap_or_default()));
        }
    }
}
