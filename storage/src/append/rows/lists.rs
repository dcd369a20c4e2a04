//! Attributes, events and links: lists inside rows.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, FixedSizeBinaryBuilder, Int32Builder, Int64Builder, StringBuilder,
};
use arrow_array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields};
use tarn_model::attributes::ValueKind;

use super::texts::Texts;
use super::{SpanEvent, SpanLink, nonzero};
use crate::schema::tables::{attributes_type, events_type, links_type, row_attributes_type};

/// What an attribute holds beside its texts: an offset and a kind.
const ENTRY_BYTES: usize = 5;
/// What an event or a link holds beside its attributes and texts: numbers, ids, offsets.
const ITEM_BYTES: usize = 56;

/// Where a list of each row ends.
#[derive(Debug)]
struct Offsets(Vec<i32>);

impl Default for Offsets {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Offsets {
    fn end(&mut self, entries: usize) {
        // A request is at most 64 MiB, an entry at least two bytes of it.
        self.0.push(i32::try_from(entries).expect("entries of a request fit an i32"));
    }

    fn buffer(&mut self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(std::mem::take(&mut self.0)))
    }
}

/// Kinds of the attributes of each row; NULL where all are text.
#[derive(Debug, Default)]
struct Kinds {
    row: Vec<u8>,
    column: BinaryBuilder,
}

impl Kinds {
    fn end_row(&mut self) {
        if self.row.iter().all(|kind| *kind == ValueKind::Text as u8) {
            self.column.append_null();
        } else {
            self.column.append_value(&self.row);
        }
        self.row.clear();
    }
}

/// The attributes of rows.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    keys: Texts,
    values: StringBuilder,
    offsets: Offsets,
    kinds: Kinds,
    entries: usize,
}

impl Attributes {
    pub(super) fn push(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.keys.add_always(key);
        self.values.append_value(text);
        self.kinds.row.push(kind as u8);
        self.entries += 1;
    }

    pub(super) fn end_row(&mut self) {
        self.offsets.end(self.entries);
        self.kinds.end_row();
    }

    /// Returns roughly what this holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.values_slice().len() + self.entries * ENTRY_BYTES
    }

    /// Makes `attributes` and `attribute_kinds`.
    pub(super) fn finish(&mut self) -> (ArrayRef, ArrayRef) {
        let entries = vec![self.keys.finish(), Arc::new(self.values.finish()) as ArrayRef];
        let map = map(&row_attributes_type(), self.offsets.buffer(), entries);
        (map, Arc::new(self.kinds.column.finish()))
    }
}

/// Attributes of events and links, whose keys stay text.
#[derive(Debug, Default)]
struct InnerAttributes {
    keys: StringBuilder,
    values: StringBuilder,
    offsets: Offsets,
    kinds: Kinds,
    entries: usize,
}

impl InnerAttributes {
    fn push(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.keys.append_value(key);
        self.values.append_value(text);
        self.kinds.row.push(kind as u8);
        self.entries += 1;
    }

    fn end(&mut self) {
        self.offsets.end(self.entries);
        self.kinds.end_row();
    }

    fn bytes(&self) -> usize {
        let texts = self.keys.values_slice().len() + self.values.values_slice().len();
        texts + self.entries * 2 * ENTRY_BYTES
    }

    fn finish(&mut self) -> (ArrayRef, ArrayRef) {
        let entries: Vec<ArrayRef> =
            vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())];
        let map = map(&attributes_type(), self.offsets.buffer(), entries);
        (map, Arc::new(self.kinds.column.finish()))
    }
}

fn map(kind: &DataType, offsets: OffsetBuffer<i32>, entries: Vec<ArrayRef>) -> ArrayRef {
    let DataType::Map(field, sorted) = kind else {
        unreachable!("the type of attributes is a map")
    };
    let DataType::Struct(fields) = field.data_type() else {
        unreachable!("the entries of a map are structs")
    };
    let entries = StructArray::new(fields.clone(), entries, None);
    Arc::new(MapArray::new(Arc::clone(field), offsets, entries, None, *sorted))
}

/// Lists of the rows: NULL where a row has none.
#[derive(Debug, Default)]
struct Lists {
    offsets: Offsets,
    present: Vec<bool>,
    entries: usize,
    before: usize,
}

impl Lists {
    fn end_row(&mut self) {
        self.offsets.end(self.entries);
        self.present.push(self.entries > self.before);
        self.before = self.entries;
    }

    fn finish(&mut self, kind: &DataType, columns: Vec<ArrayRef>) -> ArrayRef {
        let (field, fields) = item(kind);
        let items = StructArray::new(fields, columns, None);
        let nulls = NullBuffer::from(std::mem::take(&mut self.present));
        Arc::new(ListArray::new(field, self.offsets.buffer(), Arc::new(items), Some(nulls)))
    }
}

fn item(kind: &DataType) -> (FieldRef, Fields) {
    match kind {
        DataType::List(field) => match field.data_type() {
            DataType::Struct(fields) => (Arc::clone(field), fields.clone()),
            _ => unreachable!("events and links are structs"),
        },
        _ => unreachable!("events and links are lists"),
    }
}

/// The events of spans.
#[derive(Debug, Default)]
pub(super) struct Events {
    lists: Lists,
    offset_ns: Int64Builder,
    name: StringBuilder,
    attributes: InnerAttributes,
    dropped: Int32Builder,
}

impl Events {
    pub(super) fn attribute(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.attributes.push(key, kind, text);
    }

    pub(super) fn push(&mut self, event: &SpanEvent<'_>) {
        self.offset_ns.append_value(event.offset_ns);
        self.name.append_value(event.name);
        self.dropped.append_option(nonzero(event.dropped));
        self.attributes.end();
        self.lists.entries += 1;
    }

    pub(super) fn end_row(&mut self) {
        self.lists.end_row();
    }

    /// Returns roughly what this holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.attributes.bytes() + self.name.values_slice().len();
        texts + self.lists.entries * ITEM_BYTES
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (attributes, kinds) = self.attributes.finish();
        let columns = vec![
            Arc::new(self.offset_ns.finish()) as ArrayRef,
            Arc::new(self.name.finish()),
            attributes,
            kinds,
            Arc::new(self.dropped.finish()),
        ];
        self.lists.finish(&events_type(), columns)
    }
}

/// The links of spans.
#[derive(Debug)]
pub(super) struct Links {
    lists: Lists,
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    trace_state: StringBuilder,
    attributes: InnerAttributes,
    dropped: Int32Builder,
    flags: Int32Builder,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            lists: Lists::default(),
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            trace_state: StringBuilder::new(),
            attributes: InnerAttributes::default(),
            dropped: Int32Builder::new(),
            flags: Int32Builder::new(),
        }
    }
}

impl Links {
    pub(super) fn attribute(&mut self, key: &str, kind: ValueKind, text: &str) {
        self.attributes.push(key, kind, text);
    }

    pub(super) fn push(&mut self, link: &SpanLink<'_>) {
        super::id(&mut self.trace_id, Some(&link.trace_id));
        super::id(&mut self.span_id, Some(&link.span_id));
        let state = link.trace_state;
        self.trace_state.append_option((!state.is_empty()).then_some(state));
        self.dropped.append_option(nonzero(link.dropped));
        self.flags.append_option(nonzero(link.flags));
        self.attributes.end();
        self.lists.entries += 1;
    }

    pub(super) fn end_row(&mut self) {
        self.lists.end_row();
    }

    /// Returns roughly what this holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.attributes.bytes() + self.trace_state.values_slice().len();
        texts + self.lists.entries * ITEM_BYTES
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (attributes, kinds) = self.attributes.finish();
        let columns = vec![
            Arc::new(self.trace_id.finish()) as ArrayRef,
            Arc::new(self.span_id.finish()),
            Arc::new(self.trace_state.finish()),
            attributes,
            kinds,
            Arc::new(self.dropped.finish()),
            Arc::new(self.flags.finish()),
        ];
        self.lists.finish(&links_type(), columns)
    }
}
