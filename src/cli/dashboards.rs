//! `tarn dashboards`: boards as files, with the same code as the server's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;
use tarn_storage::file::{RealDisk, replace};
use tarn_ui::dashboards::check::lint;
use tarn_ui::dashboards::grafana::{self, Line, Outcome, Report};
use tarn_ui::dashboards::model::{self, BYTES_MAX, Format};
use tarn_ui::dashboards::{Dashboard, Problem, diff};

use crate::boards::Parsers;
use crate::cli::client::Server;
use crate::cli::print;
use crate::cli::remote::succeeded;
use crate::cli::terminal::{Colour, Style, printable};

/// What can be done with boards.
#[derive(Debug, Subcommand)]
pub(crate) enum DashboardsCommand {
    /// List the boards of a running server.
    List(Server),
    /// Read board files and print everything that is wrong with them.
    Lint(LintArgs),
    /// Make a board of one of Grafana's, and print what was lost.
    Import(ImportArgs),
    /// Print a board of a running server.
    Export(ExportArgs),
    /// Print what is different between a file and another, or the board of a running server.
    Diff(DiffArgs),
}

/// `tarn dashboards lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Board files, .yaml or .json: names, or patterns such as 'boards/*.yaml'.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// `tarn dashboards import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file that Grafana exported.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Writes the board to this file; its ending says how. Without it only the report is printed.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `tarn dashboards export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The board's name, as `tarn dashboards list` shows it.
    name: String,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Written::Yaml)]
    format: Written,
    #[command(flatten)]
    server: Server,
}

/// `tarn dashboards diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The board as it should be.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The board as it is; without it the one of the same name on the server.
    #[arg(value_name = "OTHER")]
    other: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// How a board is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Written {
    Yaml,
    Json,
}

/// Runs a command. Exits 1 where a board is wrong, or two are different.
///
/// # Errors
/// A file cannot be read or written, or the server did not do it.
pub(crate) async fn run(command: &DashboardsCommand) -> anyhow::Result<ExitCode> {
    match command {
        DashboardsCommand::List(server) => list(server).await,
        DashboardsCommand::Lint(args) => lint_files(args),
        DashboardsCommand::Import(args) => import(args),
        DashboardsCommand::Export(args) => export(args).await,
        DashboardsCommand::Diff(args) => different(args).await,
    }
}

async fn list(server: &Server) -> anyhow::Result<ExitCode> {
    let answer = server.send(Method::GET, "/api/v1/dashboards", None, "").await?;
    let answer: Value = serde_json::from_str(&succeeded(&answer)?)?;
    let boards = answer["data"]["dashboards"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |board: &Value, key: &str| board[key].as_str().unwrap_or_default().to_owned();
    let width = boards.iter().map(|board| text(board, "name").len()).max().unwrap_or_default();
    for board in boards {
        let (name, origin) = (text(board, "name"), text(board, "origin"));
        let note = if board["matches"] == false { "  (no data)" } else { "" };
        let line = format!("{name:width$}  {origin:7}  {}{note}", text(board, "title"));
        print(printable(&line));
    }
    Ok(ExitCode::SUCCESS)
}

fn lint_files(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let style = Style::of_stdout();
    let parsers = Parsers::default();
    let mut wrong = false;
    for pattern in &args.files {
        let files = crate::glob::expand(pattern)?;
        anyhow::ensure!(!files.is_empty(), "{} matches no file", pattern.display());
        for path in files {
            let name = path.display();
            let problems = match read(&path) {
                Ok(board) => {
                    let problems = lint(&board, &parsers);
                    let (panels, queries) = (board.panels(), board.queries().len());
                    if problems.is_empty() {
                        print(format_args!("{name}: {panels} panels, {queries} queries"));
                    }
                    problems
                }
                Err(problems) => problems,
            };
            if !problems.is_empty() {
                print(format_args!("{name}:"));
            }
            for problem in &problems {
                wrong |= !problem.warning;
                print(shown(problem, style));
            }
        }
    }
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn shown(problem: &Problem, style: Style) -> String {
    let (colour, kind) =
        if problem.warning { (Colour::Yellow, "warning") } else { (Colour::Red, "error") };
    format!("  {}: {}", style.paint(colour, kind), printable(&problem.to_string()))
}

fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let text = text(&args.file).map_err(|e| anyhow::anyhow!("{}: {e}", args.file.display()))?;
    let tree = model::parse(&text, Format::Json);
    let made = tree.and_then(|tree| grafana::import(&tree, &Parsers::default()));
    let (board, report) = made.map_err(|e| anyhow::anyhow!("{}: {e}", args.file.display()))?;
    for line in printed(&report) {
        print(printable(&line));
    }
    if let Some(path) = &args.output {
        let name = path.display().to_string();
        let format = Format::of_file(&name)
            .with_context(|| format!("{name} ends neither in .yaml nor in .json"))?;
        let text = board.write(format).map_err(|e| anyhow::anyhow!("{e}"))?;
        let temp = path.with_extension("tarn-new");
        replace(&RealDisk, &temp, path, text.as_bytes())
            .with_context(|| format!("write {name}"))?;
        print(format_args!("written to {name}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a report as lines for people.
fn printed(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let parts = [
        ("panels", &report.panels),
        ("variables", &report.variables),
        ("annotations", &report.annotations),
    ];
    for (what, all) in parts {
        if all.is_empty() {
            continue;
        }
        let (kept, count) = Report::coverage(all);
        let exact = all.iter().filter(|line| line.outcome == Outcome::Exact).count();
        lines.push(format!("{kept} of {count} {what} kept, {exact} of them exactly"));
        let told = all.iter().filter(|line| line.outcome != Outcome::Exact);
        lines.extend(told.map(of_line));
    }
    let wrong: Vec<_> = report.queries.iter().filter(|query| !query.parsed).collect();
    let count = report.queries.len();
    lines.push(format!("{} of {count} queries can be answered", count - wrong.len()));
    for query in wrong {
        let why = query.message.as_deref().unwrap_or_default();
        lines.push(format!("  {} {}: {why}: {}", query.of, query.reference, query.text));
    }
    lines
}

fn of_line(line: &Line) -> String {
    let Line { name, from, becomes, reasons, lost, .. } = line;
    let why: Vec<&str> = reasons.iter().chain(lost).map(String::as_str).collect();
    format!("  {from} {name:?} becomes {becomes}: {}", why.join("; "))
}

async fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let format = match args.format {
        Written::Yaml => "yaml",
        Written::Json => "json",
    };
    print(fetched(&args.server, &args.name, format).await?.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn fetched(server: &Server, name: &str, format: &str) -> anyhow::Result<String> {
    model::check_name(name).map_err(|e| anyhow::anyhow!("{e}"))?;
    let path = format!("/api/v1/dashboards/{name}?format={format}");
    let answer = server.send(Method::GET, &path, None, "").await?;
    succeeded(&answer)
}

async fn different(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let mine = board(&args.file)?;
    let (other, of) = match &args.other {
        Some(path) => (board(path)?, path.display().to_string()),
        None => {
            let text = fetched(&args.server, mine.name(), "json").await?;
            let board = model::read(&text, Format::Json).map_err(joined)?;
            (board, format!("{} on {}", mine.name(), args.server.url))
        }
    };
    let yaml = |board: &Dashboard| board.write(Format::Yaml).map_err(|e| anyhow::anyhow!("{e}"));
    let text = diff::unified(&yaml(&other)?, &yaml(&mine)?, &of, &args.file.display().to_string());
    if text.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for line in text.lines() {
        print(printable(line));
    }
    Ok(ExitCode::FAILURE)
}

fn board(path: &Path) -> anyhow::Result<Dashboard> {
    read(path).map_err(|problems| joined(problems).context(path.display().to_string()))
}

fn joined(problems: Vec<Problem>) -> anyhow::Error {
    let all: Vec<String> = problems.into_iter().map(|problem| problem.to_string()).collect();
    anyhow::anyhow!("{}", all.join("; "))
}

fn read(path: &Path) -> Result<Dashboard, Vec<Problem>> {
    let wrong = |message: String| vec![Problem::error("", message)];
    let format = Format::of_file(&path.to_string_lossy())
        .ok_or_else(|| wrong("ends neither in .yaml nor in .json".to_owned()))?;
    model::read(&text(path).map_err(wrong)?, format)
}

fn text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > BYTES_MAX as u64 {
        return Err(format!("{size} bytes, limit is {BYTES_MAX}"));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}
