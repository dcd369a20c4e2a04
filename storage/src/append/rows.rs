//! Log records and spans of one request on their way into a batch.
//!
//! Whoever decodes a request fills [`LogRows`] or [`SpanRows`] row by row: attributes, events and
//! links first, then the row that has them. Texts that repeat are kept once; a resource or a scope
//! is handed over once and referred to by number. What is capped, cut or refused is decided before,
//! by the decoder; here everything is taken.

use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeBinaryBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use tarn_model::attributes::ValueKind;
use tarn_model::error::{Error, Result};

use crate::schema::tables::Table;

mod lists;
mod texts;

use lists::{Attributes, Events, Links};
pub(crate) use texts::Dictionary;
use texts::Texts;

/// What a log record holds beside its texts and attributes: the numbers, ids and offsets of its
/// columns.
const LOG_BYTES: usize = 96;
/// What a span holds beside its texts, attributes, events and links.
const SPAN_BYTES: usize = 144;

/// A resource of a request, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceRef {
    json: i32,
    service: i32,
}

/// A scope of a request, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeRef(i32);

/// Rows of one request, of either table.
#[expect(clippy::large_enum_variant, reason = "one per request, never many side by side")]
#[derive(Debug)]
pub enum TableRows {
    /// Log records.
    Logs(LogRows),
    /// Spans.
    Spans(SpanRows),
}

impl TableRows {
    /// Returns which table they belong to.
    pub fn table(&self) -> Table {
        match self {
            Self::Logs(_) => Table::Logs,
            Self::Spans(_) => Table::Spans,
        }
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Logs(rows) => rows.len(),
            Self::Spans(rows) => rows.len(),
        }
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the batch, in the schema of the table.
    ///
    /// # Errors
    /// `Internal` where the columns do not fit together: a bug.
    pub fn into_batch(self) -> Result<RecordBatch> {
        let table = self.table();
        let columns = match self {
            Self::Logs(rows) => rows.into_columns(),
            Self::Spans(rows) => rows.into_columns(),
        };
        RecordBatch::try_new(table.schema(), columns)
            .map_err(|e| Error::internal(format!("lay out {}", table.as_str())).with_source(e))
    }
}

/// One log record, its attributes apart. Empty texts and zeros mean: not set.
#[derive(Debug, Clone, Copy)]
pub struct LogRow<'a> {
    /// Its resource.
    pub resource: ResourceRef,
    /// Its scope.
    pub scope: ScopeRef,
    /// Time, ns since the epoch.
    pub time_ns: i64,
    /// Observed time, ns since the epoch; 0 = not set.
    pub observed_ns: i64,
    /// OTel severity number; 0 = not set.
    pub severity_number: i32,
    /// Severity as sent.
    pub severity_text: &'a str,
    /// Text, or canonical JSON of a body that is not text; `None` = no body.
    pub body: Option<&'a str>,
    /// Kind of the body.
    pub body_kind: ValueKind,
    /// Trace id, where it is one.
    pub trace_id: Option<[u8; 16]>,
    /// Span id, where it is one.
    pub span_id: Option<[u8; 8]>,
    /// Trace flags.
    pub flags: u32,
    /// Event name.
    pub event_name: &'a str,
    /// Dropped attributes.
    pub dropped_attributes: u32,
}

/// One span, its attributes, events and links apart. Empty texts and zeros mean: not set.
#[derive(Debug, Clone, Copy)]
pub struct SpanRow<'a> {
    /// Its resource.
    pub resource: ResourceRef,
    /// Its scope.
    pub scope: ScopeRef,
    /// Trace id, not all zero.
    pub trace_id: [u8; 16],
    /// Span id, not all zero.
    pub span_id: [u8; 8],
    /// Id of the parent; `None` = root.
    pub parent_span_id: Option<[u8; 8]>,
    /// Start, ns since the epoch.
    pub start_ns: i64,
    /// End − start, ns; may be negative.
    pub duration_ns: i64,
    /// Name.
    pub name: &'a str,
    /// OTel span kind.
    pub kind: i32,
    /// OTel status code.
    pub status: i32,
    /// Status message.
    pub status_message: &'a str,
    /// W3C trace state.
    pub trace_state: &'a str,
    /// Flags.
    pub flags: u32,
    /// Dropped attributes.
    pub dropped_attributes: u32,
    /// Dropped events.
    pub dropped_events: u32,
    /// Dropped links.
    pub dropped_links: u32,
    /// How many spans it stands for; `None` = 1.
    pub weight: Option<f64>,
    /// Hash of type and frames of the first exception event.
    pub exception_group: Option<i64>,
    /// Bits of [`problem`](crate::schema::tables::problem).
    pub problems: i32,
}

/// One event of a span; its attributes were pushed before.
#[derive(Debug, Clone, Copy)]
pub struct SpanEvent<'a> {
    /// Event time − start of the span, ns.
    pub offset_ns: i64,
    /// Name.
    pub name: &'a str,
    /// Dropped attributes.
    pub dropped: u32,
}

/// One link of a span; its attributes were pushed before.
#[derive(Debug, Clone, Copy)]
pub struct SpanLink<'a> {
    /// Trace id.
    pub trace_id: [u8; 16],
    /// Span id.
    pub span_id: [u8; 8],
    /// W3C trace state.
    pub trace_state: &'a str,
    /// Dropped attributes.
    pub dropped: u32,
    /// Flags.
    pub flags: u32,
}

/// What both tables have.
#[derive(Debug, Default)]
struct Shared {
    resources: Texts,
    services: Texts,
    scopes: Texts,
    flags: Int32Builder,
    dropped: Int32Builder,
    attributes: Attributes,
}

impl Shared {
    fn resource(&mut self, json: &str, service_name: &str) -> ResourceRef {
        ResourceRef {
            json: self.resources.intern(json),
            service: self.services.intern(service_name),
        }
    }

    fn push(&mut self, resource: ResourceRef, scope: ScopeRef, flags: u32, dropped: u32) {
        self.resources.push(resource.json);
        self.services.push(resource.service);
        self.scopes.push(scope.0);
        self.flags.append_option(nonzero(flags));
        self.dropped.append_option(nonzero(dropped));
        self.attributes.end_row();
    }

    fn bytes(&self) -> usize {
        let origins = self.resources.bytes() + self.services.bytes() + self.scopes.bytes();
        origins + self.attributes.bytes()
    }
}

/// Log records of one request.
#[derive(Debug)]
pub struct LogRows {
    shared: Shared,
    timestamp: TimestampMicrosecondBuilder,
    timestamp_ns: Int32Builder,
    observed: Int64Builder,
    severity: Int32Builder,
    severity_text: Texts,
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    event_name: Texts,
    body: StringBuilder,
    body_kind: Int32Builder,
    len: usize,
}

impl Default for LogRows {
    fn default() -> Self {
        Self {
            shared: Shared::default(),
            timestamp: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            timestamp_ns: Int32Builder::new(),
            observed: Int64Builder::new(),
            severity: Int32Builder::new(),
            severity_text: Texts::default(),
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            event_name: Texts::default(),
            body: StringBuilder::new(),
            body_kind: Int32Builder::new(),
            len: 0,
        }
    }
}

impl LogRows {
    /// Returns the number of a resource: its canonical JSON, and the name of its service.
    pub fn resource(&mut self, json: &str, service_name: &str) -> ResourceRef {
        self.shared.resource(json, service_name)
    }

    /// Returns the number of a scope, from its canonical JSON.
    pub fn scope(&mut self, json: &str) -> ScopeRef {
        ScopeRef(self.shared.scopes.intern(json))
    }

    /// Adds an attribute to the row that is pushed next.
    pub fn attribute(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.shared.attributes.push(key, kind, text);
    }

    /// Adds a row.
    pub fn push(&mut self, row: &LogRow<'_>) {
        self.shared.push(row.resource, row.scope, row.flags, row.dropped_attributes);
        let (micros, nanos) = split(row.time_ns);
        self.timestamp.append_value(micros);
        self.timestamp_ns.append_option(nanos);
        let observed = (row.observed_ns != 0).then(|| row.observed_ns.saturating_sub(row.time_ns));
        self.observed.append_option(observed.map(round_to_ms));
        self.severity.append_option((row.severity_number != 0).then_some(row.severity_number));
        self.severity_text.add(row.severity_text);
        id(&mut self.trace_id, row.trace_id.as_ref().map(|id| &id[..]));
        id(&mut self.span_id, row.span_id.as_ref().map(|id| &id[..]));
        self.event_name.add(row.event_name);
        self.body.append_option(row.body);
        let kind = row.body_kind;
        self.body_kind.append_option((kind != ValueKind::Text).then_some(kind as i32));
        self.len += 1;
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns roughly what the rows hold, in bytes, for whoever accounts for memory. Buffers double
    /// as they grow, so up to as much again is reserved.
    pub fn bytes(&self) -> usize {
        let texts = self.severity_text.bytes() + self.event_name.bytes();
        let body = self.body.values_slice().len();
        self.shared.bytes() + texts + body + self.len * LOG_BYTES
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn into_columns(mut self) -> Vec<ArrayRef> {
        let (attributes, kinds) = self.shared.attributes.finish();
        vec![
            Arc::new(self.timestamp.finish()),
            Arc::new(self.timestamp_ns.finish()),
            Arc::new(self.observed.finish()),
            Arc::new(self.severity.finish()),
            self.severity_text.finish(),
            self.shared.services.finish(),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.shared.flags.finish()),
            self.event_name.finish(),
            Arc::new(self.body.finish()),
            Arc::new(self.body_kind.finish()),
            self.shared.resources.finish(),
            self.shared.scopes.finish(),
            attributes,
            kinds,
            Arc::new(self.shared.dropped.finish()),
        ]
    }
}

/// Spans of one request.
#[derive(Debug)]
pub struct SpanRows {
    shared: Shared,
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    parent: FixedSizeBinaryBuilder,
    start: TimestampMicrosecondBuilder,
    start_ns: Int32Builder,
    duration: Int64Builder,
    name: Texts,
    kind: Int32Builder,
    status: Int32Builder,
    status_message: Texts,
    trace_state: Texts,
    events: Events,
    links: Links,
    dropped_events: Int32Builder,
    dropped_links: Int32Builder,
    weight: Float64Builder,
    exception_group: Int64Builder,
    problems: Int32Builder,
    len: usize,
}

impl Default for SpanRows {
    fn default() -> Self {
        Self {
            shared: Shared::default(),
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            parent: FixedSizeBinaryBuilder::new(8),
            start: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            start_ns: Int32Builder::new(),
            duration: Int64Builder::new(),
            name: Texts::default(),
            kind: Int32Builder::new(),
            status: Int32Builder::new(),
            status_message: Texts::default(),
            trace_state: Texts::default(),
            events: Events::default(),
            links: Links::default(),
            dropped_events: Int32Builder::new(),
            dropped_links: Int32Builder::new(),
            weight: Float64Builder::new(),
            exception_group: Int64Builder::new(),
            problems: Int32Builder::new(),
            len: 0,
        }
    }
}

impl SpanRows {
    /// Returns the number of a resource: its canonical JSON, and the name of its service.
    pub fn resource(&mut self, json: &str, service_name: &str) -> ResourceRef {
        self.shared.resource(json, service_name)
    }

    /// Returns the number of a scope, from its canonical JSON.
    pub fn scope(&mut self, json: &str) -> ScopeRef {
        ScopeRef(self.shared.scopes.intern(json))
    }

    /// Adds an attribute to the row that is pushed next.
    pub fn attribute(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.shared.attributes.push(key, kind, text);
    }

    /// Adds an attribute to the event that is added next.
    pub fn event_attribute(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.events.attribute(key, kind, text);
    }

    /// Adds an event to the row that is pushed next.
    pub fn event(&mut self, event: &SpanEvent<'_>) {
        self.events.push(event);
    }

    /// Adds an attribute to the link that is added next.
    pub fn link_attribute(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.links.attribute(key, kind, text);
    }

    /// Adds a link to the row that is pushed next.
    pub fn link(&mut self, link: &SpanLink<'_>) {
        self.links.push(link);
    }

    /// Adds a row.
    pub fn push(&mut self, row: &SpanRow<'_>) {
        self.shared.push(row.resource, row.scope, row.flags, row.dropped_attributes);
        id(&mut self.trace_id, Some(&row.trace_id));
        id(&mut self.span_id, Some(&row.span_id));
        id(&mut self.parent, row.parent_span_id.as_ref().map(|id| &id[..]));
        let (micros, nanos) = split(row.start_ns);
        self.start.append_value(micros);
        self.start_ns.append_option(nanos);
        self.duration.append_value(row.duration_ns);
        self.name.add_always(row.name);
        self.kind.append_value(row.kind);
        self.status.append_value(row.status);
        self.status_message.add(row.status_message);
        self.trace_state.add(row.trace_state);
        self.events.end_row();
        self.links.end_row();
        self.dropped_events.append_option(nonzero(row.dropped_events));
        self.dropped_links.append_option(nonzero(row.dropped_links));
        self.weight.append_option(row.weight);
        self.exception_group.append_option(row.exception_group);
        self.problems.append_option((row.problems != 0).then_some(row.problems));
        self.len += 1;
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns roughly what the rows hold, in bytes, for whoever accounts for memory. Buffers double
    /// as they grow, so up to as much again is reserved.
    pub fn bytes(&self) -> usize {
        let texts = self.name.bytes() + self.status_message.bytes() + self.trace_state.bytes();
        let lists = self.events.bytes() + self.links.bytes();
        self.shared.bytes() + texts + lists + self.len * SPAN_BYTES
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn into_columns(mut self) -> Vec<ArrayRef> {
        let (attributes, kinds) = self.shared.attributes.finish();
        vec![
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.parent.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.start_ns.finish()),
            Arc::new(self.duration.finish()),
            self.shared.services.finish(),
            self.name.finish(),
            Arc::new(self.kind.finish()),
            Arc::new(self.status.finish()),
            self.status_message.finish(),
            self.trace_state.finish(),
            Arc::new(self.shared.flags.finish()),
            self.shared.resources.finish(),
            self.shared.scopes.finish(),
            attributes,
            kinds,
            Arc::new(self.shared.dropped.finish()),
            self.events.finish(),
            self.links.finish(),
            Arc::new(self.dropped_events.finish()),
            Arc::new(self.dropped_links.finish()),
            Arc::new(self.weight.finish()),
            Arc::new(self.exception_group.finish()),
            Arc::new(self.problems.finish()),
        ]
    }
}

/// Splits a time into µs and the ns below; 0 ns is NULL.
fn split(time_ns: i64) -> (i64, Option<i32>) {
    let nanos = time_ns.rem_euclid(1000) as i32;
    (time_ns.div_euclid(1000), (nanos != 0).then_some(nanos))
}

fn round_to_ms(ns: i64) -> i64 {
    ns.div_euclid(1_000_000) + i64::from(ns.rem_euclid(1_000_000) >= 500_000)
}

/// NULL for 0. A number beyond an i32 stays at its largest: it is a count of what was dropped, or
/// flags of which only the low bits have a meaning.
fn nonzero(number: u32) -> Option<i32> {
    (number != 0).then(|| i32::try_from(number).unwrap_or(i32::MAX))
}

fn id(builder: &mut FixedSizeBinaryBuilder, bytes: Option<&[u8]>) {
    match bytes {
        // The width is that of the builder: ids are arrays of that length.
        Some(bytes) => builder.append_value(bytes).expect("ids have the width of their column"),
        None => builder.append_null(),
    }
}

#[cfg(test)]
mod tests;
