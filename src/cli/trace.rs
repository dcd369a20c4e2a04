//! `tarn trace`: one trace as a waterfall.
//!
//! A line per span: what it is, indented by its depth, then a bar that shows when it ran within the
//! trace, then how long. `█` is the critical path, `▒` the rest; `✗` marks errors.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde::Deserialize;
use tarn_query::api::native::Endpoint;

use crate::cli::ask::{self, Reply, Source};
use crate::cli::terminal::{Colour, Style, cut, duration, printable, write_out};

/// Shows a trace.
#[derive(Debug, Clone, Args)]
pub(crate) struct TraceArgs {
    /// The id of the trace: up to 32 hex digits.
    id: String,
    #[command(flatten)]
    source: Source,
    /// Columns of the terminal.
    #[arg(long, env = "COLUMNS", value_name = "N", default_value_t = 120)]
    width: usize,
    /// Prints the answer of the HTTP API as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Trace {
    trace_id: String,
    start: String,
    duration_ns: i64,
    error_count: u64,
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
struct Span {
    service: String,
    name: String,
    depth: usize,
    top: Option<String>,
    offset_ns: i64,
    duration_ns: i64,
    status: String,
    #[serde(default)]
    status_message: String,
    critical: bool,
    #[serde(default)]
    clock_shift_ns: i64,
}

/// Runs the command.
///
/// # Errors
/// Where the argument is no id, or no answer could be had.
pub(crate) async fn run(args: TraceArgs) -> anyhow::Result<ExitCode> {
    // The id becomes a part of the path.
    if args.id.is_empty() || !args.id.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("read the trace id: {:?} is not of hex digits", args.id);
    }
    let path = format!("/traces/{}", args.id);
    let body = args.source.ask(Endpoint::Trace, &path, ask::form(&[])).await?;
    let reply = Reply::parse(&body)?;
    let Some(trace) = reply.data::<Trace>("")? else { return Ok(ExitCode::FAILURE) };
    let text = match args.json {
        true => format!("{}\n", String::from_utf8_lossy(&body)),
        false => waterfall(&trace, args.width, Style::of_stdout()),
    };
    write_out(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Draws the trace in lines of at most `width` columns.
fn waterfall(trace: &Trace, width: usize, style: Style) -> String {
    let errors = match trace.error_count {
        0 => String::new(),
        n => style.paint(Colour::Red, &format!("  ✗ errors: {n}")),
    };
    let mut out = format!(
        "trace {}  {}  {}  spans: {}{errors}\n",
        printable(&trace.trace_id),
        printable(&trace.start),
        duration(trace.duration_ns),
        trace.spans.len(),
    );
    let width = width.clamp(60, 400);
    // Half of the line says what, a duration has ten columns, the bar has the rest.
    let label_width = width / 2;
    let bar_width = width - label_width - 11;
    for span in &trace.spans {
        let label = cut(&label(span, label_width), label_width);
        let padding = " ".repeat(label_width.saturating_sub(label.chars().count()));
        let bar = bar(span, trace.duration_ns, bar_width);
        let failed = span.status == "error";
        let (label, bar) = match failed {
            true => (style.paint(Colour::Red, &label), style.paint(Colour::Red, &bar)),
            false => (label, style.paint(Colour::Cyan, &bar)),
        };
        out.push_str(&format!("{label}{padding} {bar}{:>10}\n", duration(span.duration_ns)));
    }
    out
}

/// Says what a span is. A third of the width is for steps to the right; what lies deeper has its
/// depth in front.
fn label(span: &Span, width: usize) -> String {
    let steps_max = width / 6;
    let indent = if span.depth <= steps_max {
        "  ".repeat(span.depth)
    } else {
        format!("{}{} ", "  ".repeat(steps_max.saturating_sub(2)), span.depth)
    };
    let mark = match (span.status.as_str(), span.top.as_deref()) {
        ("error", _) => "✗ ",
        (_, Some("missing_parent")) => "… ",
        (_, Some("cycle")) => "↻ ",
        _ => "",
    };
    let shifted = if span.clock_shift_ns == 0 { "" } else { " ~" };
    let message = match span.status_message.as_str() {
        "" => String::new(),
        message => format!(": {}", printable(message)),
    };
    let (service, name) = (printable(&span.service), printable(&span.name));
    format!("{indent}{mark}{service}  {name}{shifted}{message}")
}

/// Draws when a span ran; every span has at least one column.
fn bar(span: &Span, total_ns: i64, width: usize) -> String {
    let scale = |ns: i64| {
        let share = if total_ns > 0 { ns.max(0) as f64 / total_ns as f64 } else { 0.0 };
        ((share * width as f64) as usize).min(width)
    };
    let start = scale(span.offset_ns).min(width.saturating_sub(1));
    let end = scale(span.offset_ns.saturating_add(span.duration_ns.max(0))).max(start + 1);
    let block = if span.critical { "█" } else { "▒" };
    let (before, length) = (" ".repeat(start), block.repeat(end - start));
    format!("{before}{length}{}", " ".repeat(width - end.min(width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(depth: usize, offset_ns: i64, duration_ns: i64, status: &str) -> Span {
        Span {
            service: "web".to_owned(),
            name: "GET\u{1b}[0m".to_owned(),
            depth,
            top: None,
            offset_ns,
            duration_ns,
            status: status.to_owned(),
            status_message: String::new(),
            critical: status == "error",
            clock_shift_ns: 0,
        }
    }

    #[test]
    fn spans_are_drawn_where_they_ran() {
        let trace = Trace {
            trace_id: "0a".to_owned(),
            start: "2026".to_owned(),
            duration_ns: 100,
            error_count: 1,
            spans: vec![
                span(0, 0, 100, "unset"),
                span(1, 50, 25, "error"),
                span(40, 100, -5, "unset"),
                Span {
                    top: Some("missing_parent".to_owned()),
                    clock_shift_ns: 4,
                    ..span(0, 99, 1000, "ok")
                },
            ],
        };
        let text = waterfall(&trace, 60, Style { coloured: false });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "trace 0a  2026  100ns  spans: 4  ✗ errors: 1");
        assert_eq!(lines[1], format!("{:<30} {}     100ns", "web  GET\\u{1b}[0m", "▒".repeat(19)));
        let half = format!("{}{}{}", " ".repeat(9), "█".repeat(5), " ".repeat(5));
        assert_eq!(lines[2], format!("{:<30} {half}      25ns", "  ✗ web  GET\\u{1b}[0m"));
        assert!(lines[3].trim_start().starts_with("40 "), "{text}");
        assert!(lines[4].starts_with("… web  GET\\u{1b}[0m ~"), "{text}");
        assert!(lines.iter().skip(1).all(|line| line.chars().count() == 60), "{text}");
        let coloured = waterfall(&trace, 0, Style { coloured: true });
        assert!(!coloured.contains("\x1b[0mm") && coloured.contains("\x1b[31m"), "{coloured:?}");
        let empty = Trace { duration_ns: 0, spans: vec![span(0, 0, 0, "ok")], ..trace };
        assert_eq!(waterfall(&empty, 80, Style { coloured: false }).lines().count(), 2);
    }
}
