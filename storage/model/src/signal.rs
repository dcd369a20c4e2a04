//! The three signals.

use std::fmt;

/// What kind of telemetry a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// A row is one sample (on disk: a slice of many samples of one series).
    Metrics,
    /// A row is one log record.
    Logs,
    /// A row is one span.
    Traces,
}

impl Signal {
    /// Returns the name used in keys and labels: `metrics`, `logs` or `traces`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
        }
    }

    /// Parses the form of [`Signal::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Metrics, Self::Logs, Self::Traces].into_iter().find(|s| s.as_str() == text)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
