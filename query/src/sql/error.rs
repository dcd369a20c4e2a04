//! What goes wrong with SQL, between DataFusion's errors and ours.
//!
//! DataFusion wraps what its leaves and functions say; [`SqlError::from`] looks through the
//! wrapping. The distinction that matters is whose fault it is: the text of the query, a limit, the
//! store, or a bug.

use std::error::Error as StdError;
use std::fmt;

use datafusion::common::{DataFusionError, SchemaError};
use tarn_model::error::{Error, ErrorKind};
use tarn_promql::query::Interrupt;

/// A place in the text of a query, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Character in the line.
    pub column: u64,
}

/// Why a query has no answer.
#[derive(Debug)]
pub enum SqlError {
    /// The text must change.
    Invalid {
        /// What is wrong.
        message: String,
        /// Where, as far as known.
        position: Option<Position>,
    },
    /// The query is too big, or what it needs is.
    Limit {
        /// The limit and what exceeded it.
        message: String,
        /// Where, as far as known.
        position: Option<Position>,
    },
    /// It ran for too long.
    Timeout,
    /// Nobody waits for the answer any more.
    Canceled,
    /// The store could not be read, or there is a bug.
    Source(Error),
}

impl SqlError {
    /// The text must change.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), position: None }
    }

    /// A limit is exceeded.
    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::Limit { message: message.into(), position: None }
    }

    /// Says where.
    #[must_use]
    pub(crate) fn at(mut self, line: u64, column: u64) -> Self {
        if let Self::Invalid { position, .. } | Self::Limit { position, .. } = &mut self
            && line > 0
        {
            *position = Some(Position { line, column });
        }
        self
    }

    /// Returns where it went wrong, as far as known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Invalid { position, .. } | Self::Limit { position, .. } => *position,
            _ => None,
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { message, .. } | Self::Limit { message, .. } => f.write_str(message)?,
            Self::Timeout => return f.write_str("query timed out"),
            Self::Canceled => return f.write_str("query was canceled"),
            Self::Source(error) => return f.write_str(&error.message()),
        }
        match self.position() {
            Some(at) => write!(f, " (line {}, column {})", at.line, at.column),
            None => Ok(()),
        }
    }
}

impl StdError for SqlError {}

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Self::invalid(error.message()),
            ErrorKind::LimitExceeded { retry_after: None } => Self::limit(error.message()),
            _ => Self::Source(error),
        }
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let span = error.diagnostic().and_then(|d| d.span);
        let found = classify(error);
        match span {
            Some(span) if found.position().is_none() => {
                found.at(span.start.line, span.start.column)
            }
            _ => found,
        }
    }
}

fn classify(error: DataFusionError) -> SqlError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            classify(*inner)
        }
        DataFusionError::Shared(inner) => classify_shared(&inner),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => classify(first),
            None => SqlError::invalid("the query is wrong"),
        },
        DataFusionError::External(inner) => external_cause(&*inner),
        DataFusionError::ArrowError(inner, _) => match *inner {
            arrow_schema::ArrowError::ExternalError(inner) => external_cause(&*inner),
            other => SqlError::invalid(lower(&other.to_string())),
        },
        DataFusionError::ResourcesExhausted(message) => SqlError::limit(lower(&message)),
        DataFusionError::SQL(error, _) => parser_error(&error.to_string()),
        DataFusionError::SchemaError(error, _) => SqlError::invalid(schema_error(&error)),
        DataFusionError::Plan(message)
        | DataFusionError::Execution(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Configuration(message) => SqlError::invalid(lower(&message)),
        other => {
            let message = format!("run query: {}", other.strip_backtrace());
            SqlError::Source(Error::internal(message))
        }
    }
}

/// As [`classify`], for an error that several streams share.
fn classify_shared(error: &DataFusionError) -> SqlError {
    match error.find_root() {
        DataFusionError::External(inner) => external_cause(&**inner),
        DataFusionError::ResourcesExhausted(message) => SqlError::limit(lower(message)),
        DataFusionError::ArrowError(inner, _) => SqlError::invalid(lower(&inner.to_string())),
        DataFusionError::Plan(message)
        | DataFusionError::Execution(message)
        | DataFusionError::NotImplemented(message) => SqlError::invalid(lower(message)),
        other => {
            let message = format!("run query: {}", other.strip_backtrace());
            SqlError::Source(Error::internal(message))
        }
    }
}

fn external_cause(cause: &(dyn StdError + 'static)) -> SqlError {
    let mut next = Some(cause);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<Error>() {
            return error.duplicate().into();
        }
        if let Some(Stopped(why)) = cause.downcast_ref::<Stopped>() {
            return match why {
                Interrupt::Timeout => SqlError::Timeout,
                Interrupt::Canceled => SqlError::Canceled,
            };
        }
        if let Some(error) = cause.downcast_ref::<DataFusionError>() {
            return classify_shared(error);
        }
        next = cause.source();
    }
    SqlError::Source(Error::internal(format!("run query: {cause}")))
}

/// Takes the place out of the parser's text, which has it at its end.
fn parser_error(text: &str) -> SqlError {
    let text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    let Some((message, at)) = text.rsplit_once(" at Line: ") else {
        return SqlError::invalid(lower(text));
    };
    let mut numbers = at.split(", Column: ").map(|n| n.trim().parse::<u64>().unwrap_or(0));
    let (line, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    SqlError::invalid(lower(message)).at(line, column)
}

fn schema_error(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let mut names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
            names.dedup();
            names.truncate(40);
            format!("column {} does not exist; there are: {}", field.name, names.join(", "))
        }
        other => lower(&other.to_string()),
    }
}

/// Our messages begin in lower case; acronyms stay.
fn lower(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

/// A query was told to stop.
#[derive(Debug)]
struct Stopped(Interrupt);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Interrupt::Timeout => "query timed out",
            Interrupt::Canceled => "query was canceled",
        })
    }
}

impl StdError for Stopped {}

/// Tells DataFusion that the query must stop.
pub(crate) fn interrupted(why: Interrupt) -> DataFusionError {
    DataFusionError::External(Box::new(Stopped(why)))
}

/// Hands an error of ours through DataFusion.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A bug.
pub(crate) fn internal(message: impl Into<String>) -> DataFusionError {
    external(Error::internal(message))
}

/// A limit, told from inside DataFusion.
pub(crate) fn limit(message: impl Into<String>) -> DataFusionError {
    external(Error::limit(message))
}

/// Hands an error of DataFusion through storage.
pub(crate) fn into_model(error: DataFusionError) -> Error {
    match SqlError::from(error) {
        SqlError::Invalid { message, .. } => Error::invalid(message),
        SqlError::Limit { message, .. } => Error::limit(message),
        SqlError::Timeout => Error::invalid("query timed out"),
        SqlError::Canceled => Error::invalid("query was canceled"),
        SqlError::Source(error) => error,
    }
}
