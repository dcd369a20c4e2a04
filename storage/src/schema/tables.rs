//! The tables of logs and spans: columns, Arrow types, payload numbers.
//!
//! A batch in memory and a block on disk have the same columns; a block may have *promoted
//! attributes* besides ([`Promoted`]), and leaves out columns in which every row is NULL. Readers
//! find the same value either way: the attribute's own column where the block has one and it is not
//! NULL, else the entry of `attributes`.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use tarn_model::signal::Signal;

/// Column names of the two tables; what they share has one name.
pub mod column {
    /// Time of a log record, µs.
    pub const TIMESTAMP: &str = "timestamp";
    /// Nanoseconds below the µs, 0–999; NULL = 0.
    pub const TIMESTAMP_NS: &str = "timestamp_ns";
    /// Observed time − timestamp, ms.
    pub const OBSERVED_DELTA_MS: &str = "observed_delta_ms";
    /// OTel severity number.
    pub const SEVERITY_NUMBER: &str = "severity_number";
    /// Severity as sent.
    pub const SEVERITY_TEXT: &str = "severity_text";
    /// `service.name` of the resource.
    pub const SERVICE_NAME: &str = "service_name";
    /// 16 bytes; NULL = none.
    pub const TRACE_ID: &str = "trace_id";
    /// 8 bytes; NULL = none.
    pub const SPAN_ID: &str = "span_id";
    /// Trace flags.
    pub const FLAGS: &str = "flags";
    /// Name of an event that is a log record.
    pub const EVENT_NAME: &str = "event_name";
    /// Body of a log record: text, or canonical JSON.
    pub const BODY: &str = "body";
    /// Kind of the body; NULL = text.
    pub const BODY_KIND: &str = "body_kind";
    /// Canonical JSON: `attributes`, `dropped`, `schema_url`.
    pub const RESOURCE: &str = "resource";
    /// Canonical JSON: `name`, `version`, `attributes`, `dropped`, `schema_url`.
    pub const SCOPE: &str = "scope";
    /// Attributes without a column of their own: key → text.
    pub const ATTRIBUTES: &str = "attributes";
    /// One byte per entry of `attributes`: its kind; NULL = all are text.
    pub const ATTRIBUTE_KINDS: &str = "attribute_kinds";
    /// As sent, plus those beyond our caps; NULL = 0.
    pub const DROPPED_ATTRIBUTES: &str = "dropped_attributes";
    /// 8 bytes; NULL = root.
    pub const PARENT_SPAN_ID: &str = "parent_span_id";
    /// Rows back to the parent; NULL = root, 0 = the parent is not in this block.
    pub const PARENT_BACK: &str = "parent_back";
    /// Descendants that follow directly.
    pub const SUBTREE: &str = "subtree";
    /// Start of a span, µs.
    pub const START: &str = "start";
    /// Nanoseconds below the µs, 0–999; NULL = 0.
    pub const START_NS: &str = "start_ns";
    /// End − start; may be negative.
    pub const DURATION_NS: &str = "duration_ns";
    /// Name of a span.
    pub const NAME: &str = "name";
    /// OTel span kind.
    pub const KIND: &str = "kind";
    /// OTel status code.
    pub const STATUS: &str = "status";
    /// Status message.
    pub const STATUS_MESSAGE: &str = "status_message";
    /// W3C trace state.
    pub const TRACE_STATE: &str = "trace_state";
    /// Events of a span.
    pub const EVENTS: &str = "events";
    /// Links of a span.
    pub const LINKS: &str = "links";
    /// As sent, plus those beyond our caps; NULL = 0.
    pub const DROPPED_EVENTS: &str = "dropped_events";
    /// As sent, plus those beyond our caps; NULL = 0.
    pub const DROPPED_LINKS: &str = "dropped_links";
    /// How many spans this one stands for; NULL = 1.
    pub const WEIGHT: &str = "weight";
    /// Hash of type and frames of the first exception event.
    pub const EXCEPTION_GROUP: &str = "exception_group";
    /// Bits: see [`super::problem`].
    pub const PROBLEMS: &str = "problems";
    /// In events: ns after the start of the span.
    pub const OFFSET_NS: &str = "offset_ns";
    /// In events and links: dropped attributes; NULL = 0.
    pub const DROPPED: &str = "dropped";
}

/// Bits of the column `problems`.
pub mod problem {
    /// The span ends before it starts.
    pub const NEGATIVE_DURATION: i32 = 1;
    /// Its parents form a circle, which was cut here.
    pub const CYCLE: i32 = 2;
    /// Another span of the trace has the same id and other content.
    pub const DUPLICATE_ID: i32 = 4;
    /// Something of it was cut or dropped by our caps.
    pub const TRUNCATED: i32 = 8;
    /// Those that putting a trace in order finds, anew in every block.
    pub const FOUND: i32 = CYCLE | DUPLICATE_ID;
}

/// Numbers of the log's payload schemas; part of the disk format.
pub mod payload {
    /// Log records.
    pub const LOGS: u16 = 16;
    /// Spans.
    pub const SPANS: u16 = 17;
}

/// One of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Log records.
    Logs,
    /// Spans.
    Spans,
}

impl Table {
    /// Returns the name in SQL, and the kind of the blocks: `logs` or `spans`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Spans => "spans",
        }
    }

    /// Returns the signal whose rows these are.
    pub fn signal(self) -> Signal {
        match self {
            Self::Logs => Signal::Logs,
            Self::Spans => Signal::Traces,
        }
    }

    /// Returns the column of the rows' time.
    pub fn time_column(self) -> &'static str {
        match self {
            Self::Logs => column::TIMESTAMP,
            Self::Spans => column::START,
        }
    }

    /// Returns the schema of a batch in memory: all columns but promoted attributes.
    pub fn schema(self) -> SchemaRef {
        match self {
            Self::Logs => Arc::clone(&LOGS),
            Self::Spans => Arc::clone(&SPANS),
        }
    }
}

/// The type of an attribute's own column. The prefix of its name is the type, so that one name has
/// one type for ever and blocks always unite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promoted {
    /// `a_`.
    Text,
    /// `ai_`.
    Int,
    /// `ad_`.
    Double,
    /// `ab_`.
    Bool,
}

impl Promoted {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Text, Self::Int, Self::Double, Self::Bool];

    /// Returns what the names of such columns begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Text => "a_",
            Self::Int => "ai_",
            Self::Double => "ad_",
            Self::Bool => "ab_",
        }
    }

    /// Returns the Arrow type of such columns.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => text_type(),
            Self::Int => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Bool => DataType::Boolean,
        }
    }

    /// Returns type and key of a column name, `None` where it is no promoted attribute's.
    pub fn parse(column: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|kind| Some((kind, column.strip_prefix(kind.prefix())?)))
    }
}

/// Returns the type of texts that repeat: in memory always as dictionary.
pub fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Returns the type of times: µs, UTC.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the type of `attributes`: keys as `keys`, values text.
fn map_type(keys: DataType) -> DataType {
    let entry = Fields::from(vec![
        Field::new("key", keys, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry), false)), false)
}

/// Returns the type of `attributes` of rows: their keys repeat, so they are a dictionary in memory.
pub fn row_attributes_type() -> DataType {
    map_type(text_type())
}

/// Returns the type of `attributes` as queries see them, and of events and links.
pub fn attributes_type() -> DataType {
    map_type(DataType::Utf8)
}

fn event_fields() -> Fields {
    Fields::from(vec![
        Field::new(column::OFFSET_NS, DataType::Int64, false),
        Field::new(column::NAME, DataType::Utf8, false),
        Field::new(column::ATTRIBUTES, attributes_type(), false),
        Field::new(column::ATTRIBUTE_KINDS, DataType::Binary, true),
        Field::new(column::DROPPED, DataType::Int32, true),
    ])
}

fn link_fields() -> Fields {
    Fields::from(vec![
        Field::new(column::TRACE_ID, DataType::FixedSizeBinary(16), false),
        Field::new(column::SPAN_ID, DataType::FixedSizeBinary(8), false),
        Field::new(column::TRACE_STATE, DataType::Utf8, true),
        Field::new(column::ATTRIBUTES, attributes_type(), false),
        Field::new(column::ATTRIBUTE_KINDS, DataType::Binary, true),
        Field::new(column::DROPPED, DataType::Int32, true),
        Field::new(column::FLAGS, DataType::Int32, true),
    ])
}

/// Returns the type of `events`: a list, NULL where there are none.
pub fn events_type() -> DataType {
    list_of(event_fields())
}

/// Returns the type of `links`: a list, NULL where there are none.
pub fn links_type() -> DataType {
    list_of(link_fields())
}

fn list_of(fields: Fields) -> DataType {
    DataType::List(Arc::new(Field::new("element", DataType::Struct(fields), false)))
}

static LOGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new(column::TIMESTAMP, time_type(), false),
        Field::new(column::TIMESTAMP_NS, DataType::Int32, true),
        Field::new(column::OBSERVED_DELTA_MS, DataType::Int64, true),
        Field::new(column::SEVERITY_NUMBER, DataType::Int32, true),
        Field::new(column::SEVERITY_TEXT, text_type(), true),
        Field::new(column::SERVICE_NAME, text_type(), false),
        Field::new(column::TRACE_ID, DataType::FixedSizeBinary(16), true),
        Field::new(column::SPAN_ID, DataType::FixedSizeBinary(8), true),
        Field::new(column::FLAGS, DataType::Int32, true),
        Field::new(column::EVENT_NAME, text_type(), true),
        Field::new(column::BODY, DataType::Utf8, true),
        Field::new(column::BODY_KIND, DataType::Int32, true),
        Field::new(column::RESOURCE, text_type(), false),
        Field::new(column::SCOPE, text_type(), false),
        Field::new(column::ATTRIBUTES, row_attributes_type(), false),
        Field::new(column::ATTRIBUTE_KINDS, DataType::Binary, true),
        Field::new(column::DROPPED_ATTRIBUTES, DataType::Int32, true),
    ]))
});

static SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new(column::TRACE_ID, DataType::FixedSizeBinary(16), false),
        Field::new(column::SPAN_ID, DataType::FixedSizeBinary(8), false),
        Field::new(column::PARENT_SPAN_ID, DataType::FixedSizeBinary(8), true),
        Field::new(column::START, time_type(), false),
        Field::new(column::START_NS, DataType::Int32, true),
        Field::new(column::DURATION_NS, DataType::Int64, false),
        Field::new(column::SERVICE_NAME, text_type(), false),
        Field::new(column::NAME, text_type(), false),
        Field::new(column::KIND, DataType::Int32, false),
        Field::new(column::STATUS, DataType::Int32, false),
        Field::new(column::STATUS_MESSAGE, text_type(), true),
        Field::new(column::TRACE_STATE, text_type(), true),
        Field::new(column::FLAGS, DataType::Int32, true),
        Field::new(column::RESOURCE, text_type(), false),
        Field::new(column::SCOPE, text_type(), false),
        Field::new(column::ATTRIBUTES, row_attributes_type(), false),
        Field::new(column::ATTRIBUTE_KINDS, DataType::Binary, true),
        Field::new(column::DROPPED_ATTRIBUTES, DataType::Int32, true),
        Field::new(column::EVENTS, events_type(), true),
        Field::new(column::LINKS, links_type(), true),
        Field::new(column::DROPPED_EVENTS, DataType::Int32, true),
        Field::new(column::DROPPED_LINKS, DataType::Int32, true),
        Field::new(column::WEIGHT, DataType::Float64, true),
        Field::new(column::EXCEPTION_GROUP, DataType::Int64, true),
        Field::new(column::PROBLEMS, DataType::Int32, true),
    ]))
});
