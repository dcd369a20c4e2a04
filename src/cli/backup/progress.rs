//! How far a copy is: a bar with bytes, rate and time left on a terminal, a line now and then
//! elsewhere.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use parking_lot::Mutex;
use tarn_model::time::Clock;
use tarn_model::units::ByteSize;
use tarn_storage::Handles;
use tarn_storage::operate::backup::Progress;

use crate::cli::terminal;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is shown.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    verb: &'static str,
    clock: Arc<dyn Clock>,
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    total: u64,
    done: u64,
    begun: Duration,
    told: Duration,
}

impl Bar {
    /// Begins to show something of which bytes are `verb`: copied, read.
    pub(crate) fn new(verb: &'static str, handles: &Handles) -> Self {
        let begun = handles.clock.monotonic();
        let bar = io::stderr().is_terminal().then(|| terminal::byte_bar(0));
        let lines = Mutex::new(Lines { total: 0, done: 0, begun, told: begun });
        Self { bar, verb, clock: Arc::clone(&handles.clock), lines }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn total(&self, bytes: u64) {
        let mut lines = self.lines.lock();
        // A copy that begins again counts from there.
        (lines.total, lines.done, lines.begun) = (bytes, 0, self.clock.monotonic());
        if let Some(bar) = &self.bar {
            bar.set_length(bytes);
            bar.set_position(0);
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
            return;
        }
        let now = self.clock.monotonic();
        let mut lines = self.lines.lock();
        lines.done = lines.done.saturating_add(bytes);
        if now.saturating_sub(lines.told) < LINE_EVERY {
            return;
        }
        lines.told = now;
        note(&line(self.verb, lines.done, lines.total, now.saturating_sub(lines.begun)));
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => note(line),
        }
    }
}

fn line(verb: &str, done: u64, total: u64, taken: Duration) -> String {
    let rate = done as f64 / taken.as_secs_f64().max(0.001);
    let left = total.saturating_sub(done) as f64 / rate.max(1.0);
    let percent = if total == 0 { 100.0 } else { done as f64 * 100.0 / total as f64 };
    let (done, total, rate) = (ByteSize(done), ByteSize(total), ByteSize(rate as u64));
    format!("{verb} {done} of {total} ({percent:.0} %), {rate}/s, {left:.0} s left")
}

#[expect(clippy::print_stderr, reason = "progress stands beside the result")]
fn note(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let text = line("copied", 1 << 20, 4 << 20, Duration::from_secs(2));
        assert_eq!(text, "copied 1MiB of 4MiB (25 %), 512KiB/s, 6 s left");
        assert_eq!(line("read", 0, 0, Duration::ZERO), "read 0B of 0B (100 %), 0B/s, 0 s left");
    }
}
