//! Batches of spans → groups and edges of one tenant.
//!
//! Services, names and resources are dictionaries in a batch, so that what is made of a text is made
//! once per batch; attributes are read only for spans that call somebody.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, MapArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashMap;
use tarn_storage::append::Appender;
use tarn_storage::schema::tables::column;
use tarn_storage::wal::Lsn;

use super::Options;
use super::graph::{Calls, Edge, EdgeKey, Half, Peer, Side};
use super::names::{Names, OTHER, without_ids};
use super::series::{Group, Mode, Output, Seen, SpanKey, describe, kind, status};

/// A group without spans for this long ends.
const IDLE_MS: i64 = 15 * 60 * 1000;
/// OTel status of a span that failed.
const ERROR: i32 = 2;

/// What is counted of one tenant.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    /// Its samples in the store count everything up to here.
    pub(super) covered: Lsn,
    pub(super) spans: HashMap<SpanKey, Group>,
    pub(super) edges: HashMap<EdgeKey, Group>,
    calls: Calls,
    names: Names,
}

impl Tenant {
    /// Begins with nothing, though everything up to here is counted.
    pub(super) fn covering(covered: Lsn) -> Self {
        Self { covered, ..Self::default() }
    }

    /// Counts the spans of a batch.
    ///
    /// # Errors
    /// `Internal` where the batch is not one of spans.
    pub(super) fn fold(
        &mut self,
        rows: &RecordBatch,
        now_ms: i64,
        groups_max: usize,
    ) -> Result<()> {
        let mut spans = Spans::of(rows)?;
        for row in 0..rows.num_rows() {
            let span = spans.span(row);
            let (service, name) = self.names.bounded(&span.service, &span.name);
            let (kind, status) = (kind(span.kind), status(span.status));
            let mut key = SpanKey { service, name, kind, status };
            if self.groups() >= groups_max && !self.spans.contains_key(&key) {
                key = SpanKey { service: OTHER.into(), name: OTHER.into(), ..key };
            }
            let group = self.spans.entry(key).or_default();
            group.count += span.weight;
            group.latency.observe(span.seconds, span.weight);
            group.last_ms = now_ms;
            group.see(Seen {
                trace_id: span.trace_id,
                seconds: span.seconds,
                time_ms: span.end_ms.min(now_ms),
            });
            if let Some((caller, half)) = spans.half(row, &span)
                && let Some(edge) = self.calls.take((span.trace_id, caller), half, now_ms)
            {
                self.count(&edge, now_ms, groups_max);
            }
        }
        Ok(())
    }

    /// Gives up spans whose other half never came; returns how many.
    pub(super) fn expire(&mut self, now_ms: i64, groups_max: usize) -> u64 {
        let (edges, unpaired) = self.calls.expire(now_ms);
        edges.iter().for_each(|edge| self.count(edge, now_ms, groups_max));
        unpaired
    }

    fn count(&mut self, edge: &Edge, now_ms: i64, groups_max: usize) {
        let mut key = edge.key.clone();
        if self.groups() >= groups_max && !self.edges.contains_key(&key) {
            let other = Peer { service: OTHER.into(), namespace: "".into() };
            key = EdgeKey { client: other.clone(), server: other, ..key };
        }
        let group = self.edges.entry(key).or_default();
        group.count += edge.weight;
        group.failed += if edge.failed { edge.weight } else { 0.0 };
        group.latency.observe(edge.client_seconds, edge.weight);
        group.server.observe(edge.server_seconds, edge.weight);
        group.last_ms = now_ms;
        let (trace_id, seconds) = (edge.trace_id, edge.client_seconds);
        group.see(Seen { trace_id, seconds, time_ms: now_ms });
    }

    /// Writes the samples of all groups; returns how many were not taken.
    pub(super) fn write(&mut self, appender: &mut Appender, options: &Options, now_ms: i64) -> u64 {
        if self.groups() > 0 {
            describe(appender);
        }
        let before_ms = now_ms - options.interval.as_millis() as i64;
        let classic = options.classic;
        let mut output = Output { appender, now_ms, before_ms, classic, rejected: 0 };
        for (key, group) in &mut self.spans {
            group.write_spans(key, mode(group, now_ms), &mut output);
        }
        for (key, group) in &mut self.edges {
            group.write_edge(key, mode(group, now_ms), &mut output);
        }
        output.rejected
    }

    /// Says that what [`Tenant::write`] wrote at this time is stored.
    pub(super) fn written(&mut self, covered: Lsn, now_ms: i64) {
        self.covered = covered;
        let before = self.groups();
        self.spans.retain(|_, group| mode(group, now_ms) == Mode::Values);
        self.edges.retain(|_, group| mode(group, now_ms) == Mode::Values);
        self.spans.values_mut().chain(self.edges.values_mut()).for_each(Group::written);
        if self.groups() < before {
            self.names.retain(self.spans.keys().map(|key| (&key.service, &key.name)));
        }
    }

    /// Returns how many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.spans.len() + self.edges.len()
    }

    /// Returns whether there is nothing to remember.
    pub(super) fn is_over(&self) -> bool {
        self.groups() == 0 && self.calls.is_empty()
    }
}

fn mode(group: &Group, now_ms: i64) -> Mode {
    if now_ms.saturating_sub(group.last_ms) >= IDLE_MS { Mode::Ended } else { Mode::Values }
}

/// One span, as far as it is counted.
#[derive(Debug)]
struct Span {
    service: Arc<str>,
    name: Arc<str>,
    kind: i32,
    status: i32,
    seconds: f64,
    end_ms: i64,
    weight: f64,
    trace_id: u128,
}

/// The columns of a batch.
#[derive(Debug)]
struct Spans<'a> {
    trace_id: &'a FixedSizeBinaryArray,
    span_id: &'a FixedSizeBinaryArray,
    parent: &'a FixedSizeBinaryArray,
    start: &'a PrimitiveArray<TimestampMicrosecondType>,
    duration: &'a PrimitiveArray<Int64Type>,
    kind: &'a PrimitiveArray<Int32Type>,
    status: &'a PrimitiveArray<Int32Type>,
    weight: &'a PrimitiveArray<Float64Type>,
    service: Texts<'a>,
    name: Texts<'a>,
    namespace: Texts<'a>,
    attributes: &'a MapArray,
}

impl<'a> Spans<'a> {
    fn of(rows: &'a RecordBatch) -> Result<Self> {
        let missing = |name: &str| Error::internal(format!("spans without a column {name}"));
        let column = |name: &'static str| rows.column_by_name(name).ok_or_else(|| missing(name));
        let id = |name| column(name)?.as_fixed_size_binary_opt().ok_or_else(|| missing(name));
        let int = |name| column(name)?.as_primitive_opt().ok_or_else(|| missing(name));
        let text = |name, make| Texts::of(column(name)?, make).ok_or_else(|| missing(name));
        let start = column(column::START)?.as_primitive_opt();
        let duration = column(column::DURATION_NS)?.as_primitive_opt();
        let weight = column(column::WEIGHT)?.as_primitive_opt();
        let attributes = column(column::ATTRIBUTES)?.as_map_opt();
        Ok(Self {
            trace_id: id(column::TRACE_ID)?,
            span_id: id(column::SPAN_ID)?,
            parent: id(column::PARENT_SPAN_ID)?,
            start: start.ok_or_else(|| missing(column::START))?,
            duration: duration.ok_or_else(|| missing(column::DURATION_NS))?,
            kind: int(column::KIND)?,
            status: int(column::STATUS)?,
            weight: weight.ok_or_else(|| missing(column::WEIGHT))?,
            service: text(column::SERVICE_NAME, |text| text.into())?,
            name: text(column::NAME, without_ids)?,
            namespace: text(column::RESOURCE, namespace)?,
            attributes: attributes.ok_or_else(|| missing(column::ATTRIBUTES))?,
        })
    }

    fn span(&mut self, row: usize) -> Span {
        let nanos = self.duration.value(row).max(0);
        let end_us = self.start.value(row).saturating_add(nanos / 1000);
        let weight = if self.weight.is_null(row) { 1.0 } else { self.weight.value(row) };
        Span {
            service: self.service.get(row),
            name: self.name.get(row),
            kind: self.kind.value(row),
            status: self.status.value(row),
            seconds: nanos as f64 / 1e9,
            end_ms: end_us / 1000,
            // What is no number of spans stands for itself.
            weight: if weight.is_finite() && weight > 0.0 { weight } else { 1.0 },
            trace_id: self
                .trace_id
                .value(row)
                .iter()
                .fold(0, |id, byte| id << 8 | u128::from(*byte)),
        }
    }

    /// Returns the span as one side of a call, with the span id of the caller.
    fn half(&mut self, row: usize, span: &Span) -> Option<(u64, Half)> {
        let id = |ids: &FixedSizeBinaryArray| {
            ids.value(row).iter().fold(0, |id, byte| id << 8 | u64::from(*byte))
        };
        let (caller, side) = match span.kind {
            3 | 4 => (id(self.span_id), self.client(row, span.kind == 4)),
            2 | 5 => {
                let (messaging, root) = (span.kind == 5, self.parent.is_null(row));
                if root && messaging {
                    return None;
                }
                let parent = if root { 0 } else { id(self.parent) };
                (parent, Side::Server { messaging, root })
            }
            _ => return None,
        };
        let own = Peer { service: Arc::clone(&span.service), namespace: self.namespace.get(row) };
        let (failed, weight) = (span.status == ERROR, span.weight);
        Some((caller, Half { side, own, seconds: span.seconds, failed, weight }))
    }

    /// Reads whom a span calls.
    fn client(&self, row: usize, messaging: bool) -> Side {
        let database = ["db.system.name", "db.system"];
        let called = ["db.namespace", "db.name", "peer.service", "server.address", "net.peer.name"];
        let queue = ["messaging.destination.name", "messaging.system"];
        let first = |keys: &[&str]| keys.iter().find_map(|key| self.attribute(row, key));
        let system = first(&database);
        Side::Client {
            messaging,
            peer: if messaging { first(&queue).or_else(|| first(&called)) } else { first(&called) }
                .map(Arc::from),
            database: system.map(|system| first(&called).unwrap_or(system).into()),
        }
    }

    fn attribute(&self, row: usize, wanted: &str) -> Option<&'a str> {
        let offsets = self.attributes.value_offsets();
        let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
        let keys = self.attributes.keys().as_dictionary_opt::<Int32Type>()?;
        let texts = keys.values().as_string_opt::<i32>()?;
        let values = self.attributes.values().as_string_opt::<i32>()?;
        let is_wanted = |at: &usize| {
            let key = keys.keys().value(*at) as usize;
            texts.value(key) == wanted && values.is_valid(*at) && !values.value(*at).is_empty()
        };
        (from..to).find(is_wanted).map(|at| values.value(at))
    }
}

/// A column of texts that repeat, and what is made of each.
#[derive(Debug)]
struct Texts<'a> {
    keys: &'a PrimitiveArray<Int32Type>,
    values: &'a StringArray,
    make: fn(&str) -> Arc<str>,
    made: Vec<Option<Arc<str>>>,
}

impl<'a> Texts<'a> {
    fn of(column: &'a ArrayRef, make: fn(&str) -> Arc<str>) -> Option<Self> {
        let texts: &DictionaryArray<Int32Type> = column.as_dictionary_opt()?;
        let values: &StringArray = texts.values().as_string_opt()?;
        Some(Self { keys: texts.keys(), values, make, made: vec![None; values.len()] })
    }

    fn get(&mut self, row: usize) -> Arc<str> {
        let at = self.keys.value(row) as usize;
        let (values, make) = (self.values, self.make);
        Arc::clone(self.made[at].get_or_insert_with(|| make(values.value(at))))
    }
}

/// Returns `service.namespace` of a resource.
fn namespace(resource: &str) -> Arc<str> {
    if !resource.contains("service.namespace") {
        return "".into();
    }
    let parsed: Option<serde_json::Value> = serde_json::from_str(resource).ok();
    let found =
        parsed.as_ref().and_then(|r| r.get("attributes")?.get("service.namespace")?.as_str());
    found.unwrap_or_default().into()
}
