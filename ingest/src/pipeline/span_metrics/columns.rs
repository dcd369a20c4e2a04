//! The columns of a batch of spans → one span after the other, as far as it is counted.
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
use tarn_storage::schema::tables::column;

use super::graph::{Half, Peer, Side};
use super::names::without_ids;

/// OTel status of a span that failed.
const ERROR: i32 = 2;

/// One span, as far as it is counted.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) service: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) kind: i32,
    pub(super) status: i32,
    pub(super) seconds: f64,
    pub(super) end_ms: i64,
    pub(super) weight: f64,
    pub(super) trace_id: u128,
}

/// The columns of a batch.
#[derive(Debug)]
pub(super) struct Spans<'a> {
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
    pub(super) fn of(rows: &'a RecordBatch) -> Result<Self> {
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

    pub(super) fn span(&mut self, row: usize) -> Span {
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
    pub(super) fn half(&mut self, row: usize, span: &Span) -> Option<(u64, Half)> {
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
        let (failed, weight, end_ms) = (span.status == ERROR, span.weight, span.end_ms);
        Some((caller, Half { side, own, seconds: span.seconds, failed, weight, end_ms }))
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
