//! Log records of one request.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    FixedSizeBinaryBuilder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use tarn_model::attributes::ValueKind;

use super::texts::Texts;
use super::{ResourceRef, ScopeRef, Shared, id, split};

/// What a log record holds beside its texts and attributes: the numbers, ids and offsets of its
/// columns.
const LOG_BYTES: usize = 96;

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

    pub(super) fn into_columns(mut self) -> Vec<ArrayRef> {
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

fn round_to_ms(ns: i64) -> i64 {
    ns.div_euclid(1_000_000) + i64::from(ns.rem_euclid(1_000_000) >= 500_000)
}
