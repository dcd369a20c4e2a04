//! Batches read back, row by row.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::DataType;
use tarn_model::attributes::{AnyValue, ValueKind};
use tarn_storage::any_value::{Origin, from_text};
use tarn_storage::schema::tables::column;

/// Keys and values.
pub(crate) type Attributes = Vec<(String, AnyValue)>;

/// A log record as stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) time_ns: i64,
    pub(crate) observed_delta_ms: Option<i64>,
    pub(crate) severity: Option<i32>,
    pub(crate) severity_text: Option<String>,
    pub(crate) service: String,
    pub(crate) trace_id: Option<Vec<u8>>,
    pub(crate) span_id: Option<Vec<u8>>,
    pub(crate) flags: Option<i32>,
    pub(crate) event_name: Option<String>,
    pub(crate) body: Option<AnyValue>,
    pub(crate) resource: Origin,
    pub(crate) scope: Origin,
    pub(crate) attributes: Attributes,
    pub(crate) dropped: Option<i32>,
}

/// A span as stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) trace_id: Option<Vec<u8>>,
    pub(crate) span_id: Option<Vec<u8>>,
    pub(crate) parent: Option<Vec<u8>>,
    pub(crate) start_ns: i64,
    pub(crate) duration_ns: i64,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) status: i32,
    pub(crate) status_message: Option<String>,
    pub(crate) trace_state: Option<String>,
    pub(crate) flags: Option<i32>,
    pub(crate) resource: Origin,
    pub(crate) scope: Origin,
    pub(crate) attributes: Attributes,
    pub(crate) dropped: Option<i32>,
    pub(crate) events: Vec<Event>,
    pub(crate) links: Vec<Link>,
    pub(crate) dropped_events: Option<i32>,
    pub(crate) dropped_links: Option<i32>,
    pub(crate) weight: Option<f64>,
    pub(crate) has_exception_group: bool,
    pub(crate) problems: Option<i32>,
}

/// An event of a span as stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) offset_ns: i64,
    pub(crate) name: String,
    pub(crate) attributes: Attributes,
    pub(crate) dropped: Option<i32>,
}

/// A link of a span as stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Link {
    pub(crate) trace_id: Option<Vec<u8>>,
    pub(crate) span_id: Option<Vec<u8>>,
    pub(crate) trace_state: Option<String>,
    pub(crate) attributes: Attributes,
    pub(crate) dropped: Option<i32>,
    pub(crate) flags: Option<i32>,
}

/// Columns by name, of a batch or of structs in a list.
struct Columns(StructArray);

impl Columns {
    fn get(&self, name: &str) -> &ArrayRef {
        self.0.column_by_name(name).expect(name)
    }

    fn text(&self, name: &str, row: usize) -> Option<String> {
        text(self.get(name), row)
    }

    fn id(&self, name: &str, row: usize) -> Option<Vec<u8>> {
        let ids = self.get(name).as_fixed_size_binary();
        ids.is_valid(row).then(|| ids.value(row).to_vec())
    }

    fn i32(&self, name: &str, row: usize) -> Option<i32> {
        let numbers = self.get(name).as_primitive::<Int32Type>();
        numbers.is_valid(row).then(|| numbers.value(row))
    }

    fn i64(&self, name: &str, row: usize) -> Option<i64> {
        let numbers = self.get(name).as_primitive::<Int64Type>();
        numbers.is_valid(row).then(|| numbers.value(row))
    }

    fn time(&self, micros: &str, nanos: &str, row: usize) -> i64 {
        let times = self.get(micros).as_primitive::<TimestampMicrosecondType>();
        times.value(row) * 1000 + i64::from(self.i32(nanos, row).unwrap_or(0))
    }

    fn origin(&self, name: &str, row: usize) -> Origin {
        Origin::from_json(&self.text(name, row).expect("never NULL")).expect("canonical JSON")
    }

    fn attributes(&self, row: usize) -> Attributes {
        let map = self.get(column::ATTRIBUTES).as_map();
        let kinds = self.get(column::ATTRIBUTE_KINDS).as_binary::<i32>();
        let kinds = kinds.is_valid(row).then(|| kinds.value(row).to_vec());
        let start = usize::try_from(map.value_offsets()[row]).expect("an offset");
        let end = usize::try_from(map.value_offsets()[row + 1]).expect("an offset");
        let entry = |(i, at): (usize, usize)| {
            let kind = kinds.as_ref().map_or(1, |kinds| kinds[i]);
            let kind = ValueKind::from_number(kind).expect("a kind");
            let value = text(map.values(), at).expect("never NULL");
            let value = from_text(kind, &value).expect("a value of its kind");
            (text(map.keys(), at).expect("never NULL"), value)
        };
        (start..end).enumerate().map(entry).collect()
    }

    /// Returns the structs of a list, and where those of a row are.
    fn list(&self, name: &str, row: usize) -> Option<Columns> {
        let lists = self.get(name).as_list::<i32>();
        lists.is_valid(row).then(|| Columns(lists.value(row).as_struct().clone()))
    }
}

fn text(column: &ArrayRef, row: usize) -> Option<String> {
    let column = column.slice(row, 1);
    let texts = arrow_cast::cast(&column, &DataType::Utf8).expect("text");
    let texts = texts.as_string::<i32>();
    texts.is_valid(0).then(|| texts.value(0).to_owned())
}

/// Reads log records.
pub(crate) fn logs(batch: &RecordBatch) -> Vec<Log> {
    let columns = Columns(batch.clone().into());
    let row = |row| {
        let kind = columns.i32(column::BODY_KIND, row).map_or(1, |kind| kind as u8);
        let kind = ValueKind::from_number(kind).expect("a kind");
        let body = columns.text(column::BODY, row);
        Log {
            time_ns: columns.time(column::TIMESTAMP, column::TIMESTAMP_NS, row),
            observed_delta_ms: columns.i64(column::OBSERVED_DELTA_MS, row),
            severity: columns.i32(column::SEVERITY_NUMBER, row),
            severity_text: columns.text(column::SEVERITY_TEXT, row),
            service: columns.text(column::SERVICE_NAME, row).expect("never NULL"),
            trace_id: columns.id(column::TRACE_ID, row),
            span_id: columns.id(column::SPAN_ID, row),
            flags: columns.i32(column::FLAGS, row),
            event_name: columns.text(column::EVENT_NAME, row),
            body: body.map(|text| from_text(kind, &text).expect("a value of its kind")),
            resource: columns.origin(column::RESOURCE, row),
            scope: columns.origin(column::SCOPE, row),
            attributes: columns.attributes(row),
            dropped: columns.i32(column::DROPPED_ATTRIBUTES, row),
        }
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Reads spans.
pub(crate) fn spans(batch: &RecordBatch) -> Vec<Span> {
    let columns = Columns(batch.clone().into());
    let row = |row| Span {
        trace_id: columns.id(column::TRACE_ID, row),
        span_id: columns.id(column::SPAN_ID, row),
        parent: columns.id(column::PARENT_SPAN_ID, row),
        start_ns: columns.time(column::START, column::START_NS, row),
        duration_ns: columns.i64(column::DURATION_NS, row).expect("never NULL"),
        service: columns.text(column::SERVICE_NAME, row).expect("never NULL"),
        name: columns.text(column::NAME, row).expect("never NULL"),
        kind: columns.i32(column::KIND, row).expect("never NULL"),
        status: columns.i32(column::STATUS, row).expect("never NULL"),
        status_message: columns.text(column::STATUS_MESSAGE, row),
        trace_state: columns.text(column::TRACE_STATE, row),
        flags: columns.i32(column::FLAGS, row),
        resource: columns.origin(column::RESOURCE, row),
        scope: columns.origin(column::SCOPE, row),
        attributes: columns.attributes(row),
        dropped: columns.i32(column::DROPPED_ATTRIBUTES, row),
        events: columns.list(column::EVENTS, row).map_or(Vec::new(), |list| events(&list)),
        links: columns.list(column::LINKS, row).map_or(Vec::new(), |list| links(&list)),
        dropped_events: columns.i32(column::DROPPED_EVENTS, row),
        dropped_links: columns.i32(column::DROPPED_LINKS, row),
        weight: {
            let weights = columns.get(column::WEIGHT).as_primitive::<Float64Type>();
            weights.is_valid(row).then(|| weights.value(row))
        },
        has_exception_group: columns.i64(column::EXCEPTION_GROUP, row).is_some(),
        problems: columns.i32(column::PROBLEMS, row),
    };
    (0..batch.num_rows()).map(row).collect()
}

fn events(list: &Columns) -> Vec<Event> {
    let row = |row| Event {
        offset_ns: list.i64(column::OFFSET_NS, row).expect("never NULL"),
        name: list.text(column::NAME, row).expect("never NULL"),
        attributes: list.attributes(row),
        dropped: list.i32(column::DROPPED, row),
    };
    (0..list.0.len()).map(row).collect()
}

fn links(list: &Columns) -> Vec<Link> {
    let row = |row| Link {
        trace_id: list.id(column::TRACE_ID, row),
        span_id: list.id(column::SPAN_ID, row),
        trace_state: list.text(column::TRACE_STATE, row),
        attributes: list.attributes(row),
        dropped: list.i32(column::DROPPED, row),
        flags: list.i32(column::FLAGS, row),
    };
    (0..list.0.len()).map(row).collect()
}
