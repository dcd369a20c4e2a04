//! `tarn logs`: log records that a search finds, as lines.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use tarn_query::api::native::Endpoint;

use crate::cli::ask::{self, Range, Reply, Source};
use crate::cli::terminal::{Colour, Style, printable, write_out};

/// Finds log records.
#[derive(Debug, Clone, Args)]
#[command(after_help = ask::LANGUAGE)]
pub(crate) struct LogsArgs {
    /// The search, such as: error service:checkout "connection refused" http.status>=500
    #[arg(default_value = "")]
    search: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    range: Range,
    /// How many records: the newest, printed oldest first.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Prints the answer of the HTTP API as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Data {
    rows: Vec<Row>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    timestamp: String,
    #[serde(default)]
    severity_number: i64,
    #[serde(default)]
    severity_text: String,
    #[serde(default)]
    service: String,
    body: Option<Value>,
    #[serde(default)]
    event_name: String,
    #[serde(default)]
    attributes: serde_json::Map<String, Value>,
    trace_id: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Where the arguments are no search, or no answer could be had.
pub(crate) async fn run(args: LogsArgs) -> anyhow::Result<ExitCode> {
    let mut parameters = args.range.parameters(ask::now_ms())?;
    parameters.push(("q", args.search.clone()));
    parameters.push(("limit", args.limit.to_string()));
    let endpoint = Endpoint::LogsSearch;
    let body = args.source.ask(endpoint, endpoint.path(), ask::form(&parameters)).await?;
    let reply = Reply::parse(&body)?;
    let Some(data) = reply.data::<Data>(&args.search)? else { return Ok(ExitCode::FAILURE) };
    if args.json {
        write_out(&format!("{}\n", String::from_utf8_lossy(&body)))?;
        return Ok(ExitCode::SUCCESS);
    }
    write_out(&lines(&data, Style::of_stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the records, the oldest first, as a terminal scrolls.
fn lines(data: &Data, style: Style) -> String {
    let mut out = String::new();
    if data.rows.is_empty() {
        out.push_str("no log records found\n");
    }
    if data.next_cursor.is_some() {
        out.push_str(&style.paint(Colour::Dim, "… older records are not shown, see --limit"));
        out.push('\n');
    }
    for row in data.rows.iter().rev() {
        line(&mut out, row, style);
    }
    out
}

fn line(out: &mut String, row: &Row, style: Style) {
    out.push_str(&style.paint(Colour::Dim, &millis(&row.timestamp)));
    let level = format!(" {:<5}", level(row));
    let painted = match row.severity_number {
        17.. => style.paint(Colour::Red, &level),
        13..=16 => style.paint(Colour::Yellow, &level),
        _ => level,
    };
    out.push_str(&painted);
    out.push(' ');
    out.push_str(&style.paint(Colour::Cyan, &printable(&row.service)));
    let body = row.body.as_ref().map(text).unwrap_or_default();
    let what = if body.is_empty() { &row.event_name } else { &body };
    if !what.is_empty() {
        out.push_str("  ");
        out.push_str(&printable(what));
    }
    let trace = row.trace_id.as_ref().map(|id| ("trace".to_owned(), id.clone()));
    let attributes = row.attributes.iter().map(|(key, value)| (key.clone(), text(value)));
    let pairs: Vec<String> = attributes.chain(trace).map(|(k, v)| pair(&k, &v)).collect();
    if !pairs.is_empty() {
        out.push_str("  ");
        out.push_str(&style.paint(Colour::Dim, &pairs.join(" ")));
    }
    out.push('\n');
}

/// Returns the level as the sender calls it, else by its number.
fn level(row: &Row) -> String {
    if !row.severity_text.is_empty() {
        return printable(&row.severity_text);
    }
    let word = match row.severity_number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "-",
    };
    word.to_owned()
}

/// Cuts a time to milliseconds.
fn millis(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, rest)) => {
            format!(
                "{}.{}Z",
                printable(seconds),
                printable(&rest.chars().take(3).collect::<String>())
            )
        }
        None => printable(time),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pair(key: &str, value: &str) -> String {
    let (key, value) = (printable(key), printable(value));
    let is_plain = !value.is_empty() && !value.contains([' ', '"', '=']);
    if is_plain {
        format!("{key}={value}")
    } else {
        format!("{key}=\"{}\"", value.replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = r#"{"rows":[
        {"timestamp":"2026-01-02T03:04:05.678901234Z","severity_number":17,"service":"web",
         "body":"no\u001b[2J route","attributes":{"status":500,"path":"/a b","x":"\u0007"},
         "trace_id":"0102"},
        {"timestamp":"2026-01-02T03:04:04.000000000Z","severity_text":"Notice","service":"db",
         "body":{"a":[1]},"attributes":{}},
        {"timestamp":"2026-01-02T03:04:03.000000000Z","event_name":"started"}
    ],"next_cursor":"1_0_0"}"#;

    #[test]
    fn records_are_lines_and_harmless() {
        let data: Data = serde_json::from_str(DATA).expect("parses");
        let expected = concat!(
            "… older records are not shown, see --limit\n",
            "2026-01-02T03:04:03.000Z -       started\n",
            "2026-01-02T03:04:04.000Z Notice db  {\"a\":[1]}\n",
            "2026-01-02T03:04:05.678Z ERROR web  no\\u{1b}[2J route  ",
            "path=\"/a b\" status=500 x=\\u{7} trace=0102\n",
        );
        assert_eq!(lines(&data, Style { coloured: false }), expected);
        let coloured = lines(&data, Style { coloured: true });
        assert!(coloured.contains("\x1b[31m ERROR\x1b[0m"), "{coloured:?}");
        let none = Data { rows: Vec::new(), next_cursor: None };
        assert_eq!(lines(&none, Style { coloured: false }), "no log records found\n");
    }
}
