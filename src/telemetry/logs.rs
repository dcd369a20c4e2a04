//! Tarn's own log lines on standard error: text for people, JSON or logfmt for machines.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::capture::{Capture, Caught, Wants};
use crate::clock::{SystemClock, SystemRng};
use crate::config::{Log, LogFormat};

/// Installs the subscriber of the process: lines to standard error, and what is to be stored into
/// the buffer that is returned.
///
/// # Errors
/// Where one is installed already.
pub(crate) fn install(log: &Log, wants: Wants) -> anyhow::Result<Arc<Caught>> {
    let filter: EnvFilter = log.filter.parse().context("read log.level")?;
    // Spans are for traces; on standard error they would be noise in front of each line.
    let filter = filter.and(filter_fn(|metadata| metadata.is_event()));
    let caught = Arc::new(Caught::default());
    let capture = Capture {
        caught: Arc::clone(&caught),
        clock: Arc::new(SystemClock::new()),
        rng: Arc::new(SystemRng::new()),
    };
    let wanted = filter_fn(move |metadata| wants.admit(metadata));
    tracing_subscriber::registry()
        .with(lines(log.format).with_filter(filter))
        .with(capture.with_filter(wanted.with_max_level_hint(LevelFilter::INFO)))
        .try_init()
        .context("install the log subscriber")?;
    Ok(caught)
}

/// Makes the layer that writes lines to standard error.
fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(terminal).with_target(false).boxed(),
        LogFormat::Auto if terminal => layer.with_target(false).boxed(),
        LogFormat::Auto | LogFormat::Logfmt => layer.event_format(Logfmt).boxed(),
    }
}

/// Writes `ts=… level=INFO target=… msg="…" key=value`.
#[derive(Debug)]
struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        writer.write_str("ts=")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, " level={} target={}", meta.level(), meta.target())?;
        let mut pairs = Pairs { message: String::new(), others: String::new() };
        event.record(&mut pairs);
        write!(writer, " msg={}", Value(&pairs.message))?;
        writeln!(writer, "{}", pairs.others)
    }
}

struct Pairs {
    message: String,
    others: String,
}

impl Pairs {
    fn put(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            self.others.push_str(&format!(" {}={}", field.name(), Value(&text)));
        }
    }
}

impl Visit for Pairs {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

/// A value, quoted where it needs to be.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '=';
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn values_are_quoted_where_needed() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("a=b", "\"a=b\""),
            ("line\nbreak", "\"line\\nbreak\""),
            ("quote\"", "\"quote\\\"\""),
        ] {
            assert_eq!(Value(text).to_string(), expected);
        }
    }
}
