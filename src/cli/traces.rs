//! `tarn traces`: the newest traces with a span that a search finds, as a table.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Deserialize;
use tarn_query::api::native::Endpoint;

use crate::cli::ask::{self, Range, Reply, Source};
use crate::cli::terminal::{Style, duration, printable, write_out};

/// Finds traces.
#[derive(Debug, Clone, Args)]
#[command(after_help = ask::LANGUAGE)]
pub(crate) struct TracesArgs {
    /// The search, such as: status:error duration>200ms service:checkout
    #[arg(default_value = "")]
    search: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    range: Range,
    /// How many traces, the newest first.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Prints the answer of the HTTP API as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Data {
    traces: Vec<Trace>,
}

#[derive(Debug, Deserialize)]
struct Trace {
    trace_id: String,
    start: String,
    duration_ns: i64,
    root: Option<Root>,
    first: Option<Root>,
    span_count: u64,
    error_count: u64,
    matched_count: u64,
}

#[derive(Debug, Deserialize)]
struct Root {
    service: String,
    name: String,
}

/// Runs the command.
///
/// # Errors
/// Where the arguments are no search, or no answer could be had.
pub(crate) async fn run(args: TracesArgs) -> anyhow::Result<ExitCode> {
    let mut parameters = args.range.parameters(ask::now_ms())?;
    parameters.push(("q", args.search.clone()));
    parameters.push(("limit", args.limit.to_string()));
    let endpoint = Endpoint::TracesSearch;
    let body = args.source.ask(endpoint, endpoint.path(), ask::form(&parameters)).await?;
    let reply = Reply::parse(&body)?;
    let Some(data) = reply.data::<Data>(&args.search)? else { return Ok(ExitCode::FAILURE) };
    let text = match args.json {
        true => String::from_utf8_lossy(&body).into_owned(),
        false => table(&data, Style::of_stdout()),
    };
    write_out(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn table(data: &Data, style: Style) -> String {
    if data.traces.is_empty() {
        return "no traces found".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["start", "duration", "service", "name", "spans", "errors", "found", "trace"]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for trace in &data.traces {
        let root = trace.root.as_ref().or(trace.first.as_ref());
        let (service, name) = root.map_or(("", ""), |root| (&root.service, &root.name));
        // A trace whose root is missing begins somewhere else.
        let mark = if trace.root.is_none() { "… " } else { "" };
        let start = trace.start.split('.').next().unwrap_or_default();
        table.add_row([
            Cell::new(printable(start)),
            right(duration(trace.duration_ns)),
            Cell::new(printable(service)),
            Cell::new(format!("{mark}{}", printable(name))),
            right(trace.span_count.to_string()),
            // The table counts escapes as text, so colours would break its columns.
            right(errors(trace.error_count, style)),
            right(trace.matched_count.to_string()),
            Cell::new(printable(&trace.trace_id)),
        ]);
    }
    table.trim_fmt()
}

fn errors(count: u64, style: Style) -> String {
    if count > 0 && style.coloured { format!("✗ {count}") } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_per_trace() {
        let data: Data = serde_json::from_str(
            r#"{"traces":[{"trace_id":"0a","start":"2026-01-02T03:04:05.5Z","duration_ns":1500000,
            "root":{"service":"web","name":"GET \u001b[31m"},"span_count":3,"error_count":1,
            "matched_count":2}]}"#,
        )
        .expect("parses");
        let text = table(&data, Style { coloured: false });
        let row = text.lines().nth(3).expect("a row");
        let cells: Vec<&str> = row.split(['│', '┆']).map(str::trim).collect();
        let expected =
            ["2026-01-02T03:04:05", "1.50ms", "web", "GET \\u{1b}[31m", "3", "1", "2", "0a"];
        assert_eq!(cells[1..9], expected, "{text}");
        assert_eq!(
            table(&Data { traces: Vec::new() }, Style { coloured: true }),
            "no traces found"
        );
    }
}
