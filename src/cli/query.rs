//! `tarn query`: an expression or SQL, answered by a server or straight from a data folder.
//!
//! Both ways end in the same handlers and the same JSON: a server is asked over HTTP, a data folder
//! is opened in this process and asked without a socket ([`local`]). What is printed is then made
//! from that answer ([`table`]), so the two cannot differ.

mod answer;
pub(crate) mod local;
mod sql;
mod table;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::Method;
use tarn_model::tenant::TenantId;
use tarn_query::api::prometheus::Endpoint;
use tarn_query::api::prometheus::time::{parse_step, parse_time};

use self::answer::Reply;
use crate::cli::client::Server;
use crate::cli::place::Access;
use crate::cli::terminal::printable;

/// How parameters are sent.
const FORM: &str = "application/x-www-form-urlencoded";

/// Rows per series that a table shows well; decides the step where none is given.
const STEPS: i64 = 60;

/// Evaluates a PromQL expression, or SQL.
#[derive(Debug, Clone, Args)]
pub(crate) struct QueryArgs {
    /// The expression, such as: sum by (job) (rate(http_requests_total[5m]))
    #[arg(required_unless_present = "sql")]
    expression: Option<String>,
    /// SQL instead, such as: SELECT service_name, count(*) FROM logs GROUP BY 1
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["expression", "time", "range"])]
    sql: Option<String>,
    #[command(flatten)]
    server: Server,
    /// A data folder or a bucket (s3://bucket/prefix) to read instead of asking a server; beside a
    /// running one, what is committed.
    #[arg(long, value_name = "DIR|URL")]
    data: Option<String>,
    #[command(flatten)]
    access: Access,
    /// The time of the query, or the end of the range: seconds or RFC 3339; now by default.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Evaluates from this long before the time, such as 1h.
    #[arg(long, value_name = "DURATION")]
    range: Option<String>,
    /// Distance of the steps of a range; a sixtieth of the range by default.
    #[arg(long, value_name = "DURATION", requires = "range")]
    step: Option<String>,
    /// What is printed; by default a table on a terminal and CSV into a pipe.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns.
    Table,
    /// One line per sample, after RFC 4180.
    Csv,
    /// The answer of the HTTP API as it is.
    Json,
}

/// A request in the terms of the HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    target: Target,
    /// The parameters as a form.
    form: String,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// PromQL.
    Promql(Endpoint),
    /// SQL.
    Sql,
}

impl Question {
    /// Asks for the value of an expression at a time.
    pub(crate) fn promql(expression: &str, time_ms: i64) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression).append_pair("time", &seconds(time_ms));
        Self { target: Target::Promql(Endpoint::Query), form: form.finish() }
    }

    /// Asks in SQL.
    pub(crate) fn sql(text: &str) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("q", text).append_pair("format", "json");
        Self { target: Target::Sql, form: form.finish() }
    }
}

impl Target {
    /// Returns the path below `/api/v1`.
    fn path(self) -> &'static str {
        match self {
            Self::Promql(endpoint) => endpoint.path(),
            Self::Sql => tarn_query::api::sql::PATH,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Where the arguments are no query, or no answer could be had.
pub(crate) async fn run(args: QueryArgs) -> anyhow::Result<ExitCode> {
    let question = args.question(now_ms())?;
    let target = question.target;
    let body = match &args.data {
        Some(data) => local::ask(&args.access.data(data)?, args.tenant()?, question).await?,
        None => {
            let path = format!("/api/v1{}", target.path());
            args.server.send(Method::POST, &path, Some(FORM), question.form).await?.body
        }
    };
    let terminal = io::stdout().is_terminal();
    let format = args.format.unwrap_or(if terminal { Format::Table } else { Format::Csv });
    match target {
        Target::Promql(_) => print(&body, format),
        Target::Sql => print_sql(&body, format),
    }
}

impl QueryArgs {
    fn tenant(&self) -> anyhow::Result<TenantId> {
        match &self.server.tenant {
            Some(id) => TenantId::parse(id).context("read --tenant"),
            None => Ok(TenantId::default_tenant()),
        }
    }

    fn question(&self, now_ms: i64) -> anyhow::Result<Question> {
        if let Some(sql) = &self.sql {
            return Ok(Question::sql(sql));
        }
        let argument = |name: &str| format!("read --{name}");
        let end_ms = match &self.time {
            Some(text) => parse_time(text).map_err(anyhow::Error::msg).context(argument("time"))?,
            None => now_ms,
        };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", self.expression.as_deref().unwrap_or_default());
        let Some(range) = &self.range else {
            form.append_pair("time", &seconds(end_ms));
            return Ok(Question { target: Target::Promql(Endpoint::Query), form: form.finish() });
        };
        let duration = |name: &str, text: &str| {
            let ms = parse_step(text).map_err(anyhow::Error::msg).context(argument(name))?;
            if ms <= 0 { bail!("read --{name}: {text} is not above zero") } else { Ok(ms) }
        };
        let range_ms = duration("range", range)?;
        let step_ms = match &self.step {
            Some(text) => duration("step", text)?,
            // Whole seconds, so that the times in the table are easy to read.
            None => (range_ms / STEPS / 1000).max(1) * 1000,
        };
        form.append_pair("start", &seconds(end_ms.saturating_sub(range_ms)));
        form.append_pair("end", &seconds(end_ms));
        form.append_pair("step", &seconds(step_ms));
        Ok(Question { target: Target::Promql(Endpoint::QueryRange), form: form.finish() })
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

/// Prints an answer: rows to the standard output, remarks and errors beside them.
fn print(body: &Bytes, format: Format) -> anyhow::Result<ExitCode> {
    let reply = Reply::parse(body)?;
    let mut notes = io::stderr().lock();
    for warning in reply.remarks() {
        writeln!(notes, "{}", printable(&warning)).context("write to the standard error")?;
    }
    if let Some(error) = reply.failure() {
        writeln!(notes, "error: {}", printable(&error)).context("write to the standard error")?;
        return Ok(ExitCode::FAILURE);
    }
    let text = match format {
        Format::Json => body.to_vec(),
        Format::Table => table::aligned(&reply.rows()?).into_bytes(),
        Format::Csv => table::csv(&reply.rows()?).into_bytes(),
    };
    put(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints an answer to SQL; one that was broken off is no answer.
fn print_sql(body: &Bytes, format: Format) -> anyhow::Result<ExitCode> {
    let reply = sql::Reply::parse(body)?;
    let error = reply.failure().map(|e| format!("error: {e}"));
    let mut notes = io::stderr().lock();
    for note in reply.remarks().chain(error) {
        writeln!(notes, "{}", printable(&note)).context("write to the standard error")?;
    }
    if reply.failure().is_none() {
        put(match format {
            Format::Json => body.to_vec(),
            Format::Table => reply.aligned().into_bytes(),
            Format::Csv => reply.csv().into_bytes(),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Writes to the standard output.
fn put(mut text: Vec<u8>) -> anyhow::Result<()> {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    match io::stdout().lock().write_all(&text) {
        // Whoever reads has seen enough, as `head` does.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to the standard output"),
    }
}

#[cfg(test)]
mod tests;
