//! What Tarn says and does, caught on its way past: log lines at INFO and above, and spans.
//!
//! A layer of the subscriber turns events and closed spans into [`Line`]s and [`Span`]s and keeps
//! them, up to a bound, until [`own`](super::own) stores them. It never waits and never stores
//! itself, so that a line written deep inside the store cannot call the store again. What this very
//! module's folder says is not caught: storing it would give it more to say.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tarn_model::attributes::AnyValue;
use tarn_model::rng::Rng;
use tarn_model::time::Clock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::trace_parent::TraceParent;

/// What is kept of either until it is stored: some thousand lines, enough for a start.
const BYTES_MAX: usize = 1 << 20;
/// Bytes of one text; a line that is longer is cut.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// What a line or a span holds beside its texts.
const ROW_BYTES: usize = 256;
/// Where lines about storing lines come from.
const OWN_TARGET: &str = "tarn::telemetry";

/// Fields that are no attributes: the name of a span, its kind, where it continues a trace.
pub(crate) const NAME: &str = "otel.name";
pub(crate) const KIND: &str = "otel.kind";
pub(crate) const PARENT: &str = "otel.parent";
/// Present where what the span covers failed.
pub(crate) const ERROR: &str = "error";

/// Keys and values in order of appearance.
pub(crate) type Fields = Vec<(&'static str, AnyValue)>;

/// Where a line or a span belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanIds {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

/// A log line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) time_ns: i64,
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Fields,
    pub(crate) within: Option<SpanIds>,
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) ids: SpanIds,
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) target: &'static str,
    pub(crate) name: String,
    /// Number of OTel's kind of span.
    pub(crate) kind: i32,
    pub(crate) start_ns: i64,
    pub(crate) duration: Duration,
    pub(crate) fields: Fields,
    pub(crate) error: Option<String>,
}

/// What was caught and not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Caught {
    lines: Mutex<Held<Line>>,
    spans: Mutex<Held<Span>>,
}

/// Rows up to a bound. Later ones are dropped: the first of a flood say how it began.
#[derive(Debug)]
struct Held<T> {
    rows: Vec<T>,
    bytes: usize,
    dropped: u64,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), bytes: 0, dropped: 0 }
    }
}

impl<T> Held<T> {
    fn push(&mut self, row: T, bytes: usize) {
        if self.bytes + bytes > BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.rows.push(row);
    }
}

impl Caught {
    /// Takes all lines, and how many were dropped since the last time.
    pub(crate) fn take_lines(&self) -> (Vec<Line>, u64) {
        let held = std::mem::take(&mut *self.lines.lock());
        (held.rows, held.dropped)
    }

    /// Takes all spans, and how many were dropped since the last time.
    pub(crate) fn take_spans(&self) -> (Vec<Span>, u64) {
        let held = std::mem::take(&mut *self.spans.lock());
        (held.rows, held.dropped)
    }
}

/// The layer.
pub(crate) struct Capture {
    pub(crate) caught: Arc<Caught>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("caught", &self.caught).finish_non_exhaustive()
    }
}

/// What is to be caught.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    pub(crate) lines: bool,
    pub(crate) spans: bool,
}

impl Wants {
    /// Returns whether something of this kind is caught.
    pub(crate) fn admit(self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        if *metadata.level() > Level::INFO || target.starts_with(OWN_TARGET) {
            return false;
        }
        if metadata.is_span() { self.spans && target.starts_with("tarn") } else { self.lines }
    }
}

impl Capture {
    fn ids(&self, trace: Option<[u8; 16]>) -> SpanIds {
        // All zeros means no id, so one bit is always set.
        let trace = trace.unwrap_or_else(|| {
            let bits = u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64());
            (bits | 1).to_be_bytes()
        });
        SpanIds { trace, span: (self.rng.next_u64() | 1).to_be_bytes() }
    }
}

/// A span that has not ended.
struct Open {
    ids: SpanIds,
    parent: Option<[u8; 8]>,
    start_ns: i64,
    started: Duration,
    texts: Texts,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut texts = Texts::default();
        event.record(&mut texts);
        let within = context
            .event_span(event)
            .and_then(|span| span.extensions().get::<Open>().map(|open| open.ids));
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let Texts { message, fields, bytes, .. } = texts;
        let time_ns = self.clock.now().0;
        let line = Line { time_ns, level, target, message, fields, within };
        self.caught.lines.lock().push(line, ROW_BYTES + bytes);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut texts = Texts::default();
        attributes.record(&mut texts);
        let above = span.parent().and_then(|s| s.extensions().get::<Open>().map(|open| open.ids));
        let outside = || {
            let parent = TraceParent::parse(&texts.parent)?;
            Some(SpanIds { trace: parent.trace, span: parent.span })
        };
        let above = above.or_else(outside);
        let open = Open {
            ids: self.ids(above.map(|ids| ids.trace)),
            parent: above.map(|ids| ids.span),
            start_ns: self.clock.now().0,
            started: self.clock.monotonic(),
            texts,
        };
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.texts);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let Open { ids, parent, start_ns, started, texts } = open;
        let Texts { name, kind, error, fields, bytes, .. } = texts;
        let name = if name.is_empty() { span.name().to_owned() } else { name };
        let duration = self.clock.monotonic().saturating_sub(started);
        let target = span.metadata().target();
        let ended = Span { ids, parent, target, name, kind, start_ns, duration, fields, error };
        self.caught.spans.lock().push(ended, ROW_BYTES + bytes);
    }
}

/// Fields as they are recorded.
#[derive(Debug)]
struct Texts {
    message: String,
    name: String,
    parent: String,
    kind: i32,
    error: Option<String>,
    fields: Fields,
    bytes: usize,
}

impl Default for Texts {
    fn default() -> Self {
        // What has no other kind is internal: 1.
        let (message, name, parent) = (String::new(), String::new(), String::new());
        Self { message, name, parent, kind: 1, error: None, fields: Vec::new(), bytes: 0 }
    }
}

impl Texts {
    fn put(&mut self, field: &Field, value: AnyValue) {
        self.bytes += field.name().len() + 16;
        match self.fields.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, place)) => *place = value,
            None => self.fields.push((field.name(), value)),
        }
    }

    fn put_text(&mut self, field: &Field, mut text: String) {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        self.bytes += text.len();
        match field.name() {
            "message" => self.message = text,
            NAME => self.name = text,
            PARENT => self.parent = text,
            KIND => self.kind = if text == "server" { 2 } else { 1 },
            ERROR => {
                self.error = Some(text.clone());
                self.put(field, AnyValue::Text(text));
            }
            _ => self.put(field, AnyValue::Text(text)),
        }
    }
}

impl Visit for Texts {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, AnyValue::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, AnyValue::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, AnyValue::Double(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, AnyValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
