//! Tarn's own log lines on standard error: text for people, JSON or logfmt for machines.

use std::fmt;
use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Log, LogFormat};

/// Installs the subscriber of the process.
///
/// # Errors
/// Where one is installed already.
pub(crate) fn install(log: &Log) -> anyhow::Result<()> {
    let filter: EnvFilter = log.filter.parse().context("read log.level")?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(terminal).with_target(false).try_init(),
        LogFormat::Auto if terminal => builder.with_target(false).try_init(),
        LogFormat::Auto | LogFormat::Logfmt => builder.event_format(Logfmt).try_init(),
    };
    installed.map_err(|e| anyhow::anyhow!("install the log subscriber: {e}"))
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
