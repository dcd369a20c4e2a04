//! Spans of one request, with their events and links.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    FixedSizeBinaryBuilder, Float64Builder, Int32Builder, Int64Builder, TimestampMicrosecondBuilder,
};
use tarn_model::attributes::ValueKind;

use super::lists::{Events, Links};
use super::texts::Texts;
use super::{ResourceRef, ScopeRef, Shared, id, nonzero, split};

/// What a span holds beside its texts, attributes, events and links.
const SPAN_BYTES: usize = 144;

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

    pub(super) fn into_columns(mut self) -> Vec<ArrayRef> {
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
