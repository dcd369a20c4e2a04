//! Spans of one trace as they come out of batches.
//!
//! What the tree needs of a span is kept in the open; all else is written as JSON at once, because
//! nothing but the reply will look at it. Texts that repeat are kept once.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StructArray};
use tarn_model::error::Result;
use tarn_model::map::HashSet;
use tarn_storage::schema::tables::column;
use tarn_storage::view::rows::RowColumn;
use xxhash_rust::xxh3::Xxh3;

use crate::api::json::object::Object;
use crate::api::prometheus::time::format_rfc3339_ns;
use crate::records::{self, Ids, Ints, Texts};

/// A span.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) start_ns: i64,
    pub(crate) duration_ns: i64,
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) kind: i32,
    pub(crate) status: i32,
    /// Canonical JSON.
    pub(crate) resource: Arc<str>,
    /// Canonical JSON.
    pub(crate) scope: Arc<str>,
    /// Bits of [`problem`](tarn_storage::schema::tables::problem).
    pub(crate) problems: i32,
    /// Further members of the span's JSON object, each with a comma in front.
    pub(crate) rest: Vec<u8>,
    /// Its events, where they are asked for without the rest: ns since its start, and name.
    pub(crate) events: Vec<(i64, Arc<str>)>,
}

impl Span {
    /// Returns a hash of all that was sent: equal for a span that was sent twice. Problems are
    /// found out later and may differ.
    pub(crate) fn fingerprint(&self) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&self.id);
        hash.update(self.parent.as_ref().map_or(&[][..], |id| id));
        for number in [self.start_ns, self.duration_ns, self.kind.into(), self.status.into()] {
            hash.update(&number.to_le_bytes());
        }
        for text in [&self.service, &self.name, &self.resource, &self.scope] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(&self.rest);
        hash.digest128()
    }

    /// Returns what the span takes; texts that repeat belong to [`Shared`].
    pub(crate) fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.rest.len() + size_of_val(self.events.as_slice())) as u64
    }
}

/// Texts that repeat, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    texts: HashSet<Arc<str>>,
    bytes: u64,
}

impl Shared {
    fn get(&mut self, text: Option<&str>) -> Arc<str> {
        let text = text.unwrap_or_default();
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        self.bytes += (text.len() + size_of::<Arc<str>>()) as u64;
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// Returns what they take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a trace of a list of traces needs.
const LIGHT: [&str; 10] = [
    column::TRACE_ID,
    column::SPAN_ID,
    column::PARENT_SPAN_ID,
    column::START,
    column::START_NS,
    column::DURATION_NS,
    column::SERVICE_NAME,
    column::NAME,
    column::KIND,
    column::STATUS,
];

/// What the view of a trace needs besides.
const FULL: [&str; 14] = [
    column::STATUS_MESSAGE,
    column::TRACE_STATE,
    column::FLAGS,
    column::RESOURCE,
    column::SCOPE,
    column::ATTRIBUTES,
    column::ATTRIBUTE_KINDS,
    column::DROPPED_ATTRIBUTES,
    column::EVENTS,
    column::LINKS,
    column::DROPPED_EVENTS,
    column::DROPPED_LINKS,
    column::WEIGHT,
    column::PROBLEMS,
];

/// What a drawing of a trace needs besides [`LIGHT`]: attributes are asked for span by span.
const DRAWN: [&str; 2] = [column::EVENTS, column::PROBLEMS];

/// How much is read of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What a list of traces needs.
    Light,
    /// What a drawing of a trace needs.
    Drawn,
    /// Everything.
    Full,
}

/// Returns the columns of spans.
pub(crate) fn columns(detail: Detail) -> Vec<RowColumn> {
    let more: &[&str] = match detail {
        Detail::Light => &[],
        Detail::Drawn => &DRAWN,
        Detail::Full => &FULL,
    };
    let names = LIGHT.iter().chain(more);
    names
        .map(|name| match *name {
            column::ATTRIBUTES => RowColumn::Attributes,
            column::ATTRIBUTE_KINDS => RowColumn::AttributeKinds,
            name => RowColumn::Stored(name.into()),
        })
        .collect()
}

/// A batch of spans, ready to be read. Columns that were not asked for are empty.
pub(crate) struct Rows<'a> {
    batch: &'a RecordBatch,
    trace: Ids<'a>,
    id: Ids<'a>,
    parent: Ids<'a>,
    start: records::Times<'a>,
    start_ns: Ints<'a>,
    duration: records::Longs<'a>,
    texts: [Texts<'a>; 4],
    kind: Ints<'a>,
    status: Ints<'a>,
    problems: Ints<'a>,
}

impl<'a> Rows<'a> {
    /// Finds the columns.
    ///
    /// # Errors
    /// A column has an unexpected type: a bug.
    pub(crate) fn new(batch: &'a RecordBatch) -> Result<Self> {
        let texts = |name| records::texts(batch, name);
        Ok(Self {
            batch,
            trace: records::ids(batch, column::TRACE_ID)?,
            id: records::ids(batch, column::SPAN_ID)?,
            parent: records::ids(batch, column::PARENT_SPAN_ID)?,
            start: records::numbers(batch, column::START)?,
            start_ns: records::numbers(batch, column::START_NS)?,
            duration: records::numbers(batch, column::DURATION_NS)?,
            texts: [
                texts(column::SERVICE_NAME)?,
                texts(column::NAME)?,
                texts(column::RESOURCE)?,
                texts(column::SCOPE)?,
            ],
            kind: records::numbers(batch, column::KIND)?,
            status: records::numbers(batch, column::STATUS)?,
            problems: records::numbers(batch, column::PROBLEMS)?,
        })
    }

    /// Returns the trace of a row.
    pub(crate) fn trace_id(&self, row: usize) -> [u8; 16] {
        self.trace.get(row).unwrap_or_default()
    }

    /// Returns the start of a row, ns.
    pub(crate) fn start_ns(&self, row: usize) -> i64 {
        records::time_ns(self.start.get(row).unwrap_or(0), self.start_ns.get(row))
    }

    /// Returns a row without the rest of its members.
    pub(crate) fn span(&self, row: usize, shared: &mut Shared) -> Span {
        let [service, name, resource, scope] =
            [0, 1, 2, 3].map(|i: usize| shared.get(self.texts[i].get(row)));
        Span {
            id: self.id.get(row).unwrap_or_default(),
            parent: self.parent.get(row),
            start_ns: self.start_ns(row),
            duration_ns: self.duration.get(row).unwrap_or(0),
            service,
            name,
            kind: self.kind.get(row).unwrap_or(0),
            status: self.status.get(row).unwrap_or(0),
            resource,
            scope,
            problems: self.problems.get(row).unwrap_or(0),
            rest: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Returns all rows, each with its events, to `take`.
    ///
    /// # Errors
    /// A column has an unexpected type: a bug.
    pub(crate) fn drawn_spans(
        &self,
        shared: &mut Shared,
        mut take: impl FnMut(Span),
    ) -> Result<()> {
        let events = Elements::new(self.batch, column::EVENTS)?;
        for row in 0..self.batch.num_rows() {
            let mut span = self.span(row, shared);
            if let Some(events) = &events {
                span.events = events.named(row, shared);
            }
            take(span);
        }
        Ok(())
    }

    /// Returns all rows, each with the rest of its members, to `take`.
    ///
    /// # Errors
    /// A column has an unexpected type: a bug.
    pub(crate) fn full_spans(&self, shared: &mut Shared, mut take: impl FnMut(Span)) -> Result<()> {
        let rest = Rest::new(self.batch)?;
        for row in 0..self.batch.num_rows() {
            let mut span = self.span(row, shared);
            rest.write(&mut span.rest, row, span.start_ns);
            take(span);
        }
        Ok(())
    }
}

/// Columns that are written as they are.
struct Rest<'a> {
    texts: [(&'static str, Texts<'a>); 2],
    ints: [(&'static str, Ints<'a>); 4],
    weight: records::Doubles<'a>,
    attributes: records::Attributes<'a>,
    events: Option<Elements<'a>>,
    links: Option<Elements<'a>>,
}

impl<'a> Rest<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self> {
        let ints = |name| records::numbers(batch, name);
        Ok(Self {
            texts: [
                ("status_message", records::texts(batch, column::STATUS_MESSAGE)?),
                ("trace_state", records::texts(batch, column::TRACE_STATE)?),
            ],
            ints: [
                ("flags", ints(column::FLAGS)?),
                ("dropped_attributes", ints(column::DROPPED_ATTRIBUTES)?),
                ("dropped_events", ints(column::DROPPED_EVENTS)?),
                ("dropped_links", ints(column::DROPPED_LINKS)?),
            ],
            weight: records::numbers(batch, column::WEIGHT)?,
            attributes: records::attributes(batch, column::ATTRIBUTES, column::ATTRIBUTE_KINDS)?,
            events: Elements::new(batch, column::EVENTS)?,
            links: Elements::new(batch, column::LINKS)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>, row: usize, start_ns: i64) {
        let mut object = Object::within(out);
        for (member, texts) in &self.texts {
            if let Some(text) = texts.get(row) {
                object.text(member, text);
            }
        }
        for (member, ints) in &self.ints {
            if let Some(int) = ints.get(row) {
                object.int(member, int.into());
            }
        }
        if let Some(weight) = self.weight.get(row).filter(|weight| weight.is_finite()) {
            object.member("weight").extend(weight.to_string().bytes());
        }
        self.attributes.write(object.member("attributes"), row, |_| true);
        if let Some(events) = &self.events {
            events.write(object.member("events"), row, |object, at| {
                events.event(object, at, start_ns)
            });
        }
        if let Some(links) = &self.links {
            links.write(object.member("links"), row, |object, at| links.link(object, at));
        }
    }
}

/// Events or links.
struct Elements<'a> {
    list: &'a arrow_array::ListArray,
    offset: records::Longs<'a>,
    texts: [(&'static str, Texts<'a>); 2],
    trace: Ids<'a>,
    span: Ids<'a>,
    attributes: records::Attributes<'a>,
    ints: [(&'static str, Ints<'a>); 2],
}

impl<'a> Elements<'a> {
    fn new(batch: &'a RecordBatch, name: &str) -> Result<Option<Self>> {
        let Some(list) = records::lists(batch, name)? else { return Ok(None) };
        let Some(elements) = list.values().as_struct_opt() else { return Ok(None) };
        let elements: &'a StructArray = elements;
        Ok(Some(Self {
            list,
            offset: records::numbers(elements, column::OFFSET_NS)?,
            texts: [
                ("name", records::texts(elements, column::NAME)?),
                ("trace_state", records::texts(elements, column::TRACE_STATE)?),
            ],
            trace: records::ids(elements, column::TRACE_ID)?,
            span: records::ids(elements, column::SPAN_ID)?,
            attributes: records::attributes(elements, column::ATTRIBUTES, column::ATTRIBUTE_KINDS)?,
            ints: [
                ("dropped_attributes", records::numbers(elements, column::DROPPED)?),
                ("flags", records::numbers(elements, column::FLAGS)?),
            ],
        }))
    }

    /// Writes the elements of a row as an array.
    fn write(&self, out: &mut Vec<u8>, row: usize, one: impl Fn(&mut Object<'_>, usize)) {
        out.push(b'[');
        if self.list.is_valid(row) {
            let offsets = self.list.value_offsets();
            for (i, at) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                let mut object = Object::new(out);
                one(&mut object, at);
                self.shared(&mut object, at);
                object.close();
            }
        }
        out.push(b']');
    }

    /// Returns when and what the elements of a row are.
    fn named(&self, row: usize, shared: &mut Shared) -> Vec<(i64, Arc<str>)> {
        if !self.list.is_valid(row) {
            return Vec::new();
        }
        let offsets = self.list.value_offsets();
        let [(_, names), _] = &self.texts;
        let at = offsets[row] as usize..offsets[row + 1] as usize;
        at.map(|at| (self.offset.get(at).unwrap_or(0), shared.get(names.get(at)))).collect()
    }

    fn event(&self, object: &mut Object<'_>, at: usize, start_ns: i64) {
        let offset_ns = self.offset.get(at).unwrap_or(0);
        let time_ns = start_ns.saturating_add(offset_ns);
        object.text("timestamp", &format_rfc3339_ns(time_ns));
        object.quoted_int("timestamp_unix_nano", time_ns);
        object.int("offset_ns", offset_ns);
    }

    fn link(&self, object: &mut Object<'_>, at: usize) {
        records::hex(object.member("trace_id"), &self.trace.get::<16>(at).unwrap_or_default());
        records::hex(object.member("span_id"), &self.span.get::<8>(at).unwrap_or_default());
    }

    fn shared(&self, object: &mut Object<'_>, at: usize) {
        for (member, texts) in &self.texts {
            if let Some(text) = texts.get(at) {
                object.text(member, text);
            }
        }
        self.attributes.write(object.member("attributes"), at, |_| true);
        for (member, ints) in &self.ints {
            if let Some(int) = ints.get(at) {
                object.int(member, int.into());
            }
        }
    }
}
