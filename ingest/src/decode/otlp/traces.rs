//! Traces: `ExportTraceServiceRequest` → rows of the span table.

use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_storage::append::rows::{ResourceRef, ScopeRef, SpanEvent, SpanLink, SpanRow, SpanRows};
use tarn_storage::schema::tables::problem;

use super::attributes::Attributes;
use super::frame::{RESOURCES, ROWS, Resource, SCOPES, Scope, each};
use super::row::{self, Account, Buffers, Mark, short};
use super::value::Changes;
use super::{Context, Report};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};
use crate::validate::shown;

mod exception;
mod weight;

/// Why spans are not taken.
const INVALID_TRACE_ID: &str = "invalid_trace_id";
const INVALID_SPAN_ID: &str = "invalid_span_id";

/// Decodes a request of traces.
///
/// # Errors
/// `Invalid` with the byte offset where the bytes are not such a request; as
/// [`Permit::grow`](crate::admit::Permit::grow) where its rows take more memory than there is.
pub(crate) fn traces(body: &[u8], context: &mut Context<'_>) -> Result<(SpanRows, Report)> {
    let mut decoder = Decoder {
        context,
        rows: SpanRows::default(),
        report: Report::default(),
        account: Account::new(),
        span: Span::default(),
        inner: Attributes::default(),
        buffers: Buffers::default(),
        texts: Default::default(),
    };
    each(Reader::new(body), RESOURCES, |group| {
        let resource = decoder.resource(group)?;
        each(group, SCOPES, |group| {
            let scope = decoder.scope(group)?;
            each(group, ROWS, |span| decoder.span(span, resource, scope))
        })
    })?;
    Ok((decoder.rows, decoder.report))
}

struct Decoder<'a, 'c, 'p> {
    context: &'c mut Context<'p>,
    rows: SpanRows,
    report: Report,
    account: Account,
    /// The span at hand.
    span: Span<'a>,
    /// Attributes of the event or link at hand.
    inner: Attributes<'a>,
    buffers: Buffers,
    /// Name, status message and trace state, where they do not stand in the request as stored.
    texts: [String; 3],
}

impl<'a> Decoder<'a, '_, '_> {
    fn resource(&mut self, group: Reader<'a>) -> Result<ResourceRef> {
        let limits = self.context.limits;
        let resource = Resource::of(group, limits)?;
        let (json, service) = resource.texts(limits, &mut self.report)?;
        let row = self.rows.resource(&json, &service);
        self.report.source(service);
        self.account.after(0, self.rows.bytes(), self.context)?;
        Ok(row)
    }

    fn scope(&mut self, group: Reader<'a>) -> Result<ScopeRef> {
        let limits = self.context.limits;
        let json = Scope::of(group, limits)?.text(limits, &mut self.report)?;
        let row = self.rows.scope(&json);
        self.account.after(0, self.rows.bytes(), self.context)?;
        Ok(row)
    }

    fn span(&mut self, message: Reader<'a>, resource: ResourceRef, scope: ScopeRef) -> Result<()> {
        let wire = message.rest().len();
        self.account.before(wire, self.context)?;
        self.span.walk(message, self.context.limits)?;
        let (Some(trace_id), Some(span_id)) =
            (row::id(self.span.trace_id), row::id(self.span.span_id))
        else {
            self.reject();
            return self.account.after(wire, self.rows.bytes(), self.context);
        };
        self.push(trace_id, span_id, resource, scope)?;
        self.account.after(wire, self.rows.bytes(), self.context)
    }

    /// Counts a span without ids.
    fn reject(&mut self) {
        let raw = &self.span;
        let (reason, what, id) = match row::id::<16>(raw.trace_id) {
            None => (INVALID_TRACE_ID, "trace id", raw.trace_id),
            Some(_) => (INVALID_SPAN_ID, "span id", raw.span_id),
        };
        let detail = || {
            let why = match id.iter().all(|byte| *byte == 0) && !id.is_empty() {
                true => "is all zeros".to_owned(),
                false => format!("has {} bytes", id.len()),
            };
            format!("{what} {why} (span {})", shown(raw.name))
        };
        self.report.reject(reason, detail);
    }

    fn push(
        &mut self,
        trace_id: [u8; 16],
        span_id: [u8; 8],
        resource: ResourceRef,
        scope: ScopeRef,
    ) -> Result<()> {
        let times = Times::of(&self.span, self.context);
        let mut changes = Changes::default();
        let exception_group = self.events(times.base, &mut changes)?;
        let lost_links = self.links(&mut changes)?;
        let (raw, limits) = (&self.span, self.context.limits);
        let [name, message, state] = &mut self.texts;
        let name = short(raw.name, limits, name, &mut changes);
        let status_message = short(raw.status_message, limits, message, &mut changes);
        let trace_state = short(raw.trace_state, limits, state, &mut changes);
        let rows = &mut self.rows;
        let push = |key: &str, kind, text: &str| rows.attribute(key, kind, text);
        let buffers = &mut self.buffers;
        row::attributes(&raw.attributes, &[times.original], limits, buffers, &mut changes, push)?;
        let dropped = raw.attributes.dropped() > 0 || raw.lost_events > 0 || lost_links > 0;
        let truncated = self.report.taken(changes, dropped);
        self.report.untimed += u64::from(raw.start == 0 && raw.end == 0);
        self.rows.push(&SpanRow {
            resource,
            scope,
            trace_id,
            span_id,
            parent_span_id: row::id(raw.parent),
            start_ns: times.start_ns,
            duration_ns: times.duration_ns,
            name,
            kind: raw.kind,
            status: raw.status,
            status_message,
            trace_state,
            flags: raw.flags,
            dropped_attributes: raw.dropped.saturating_add(raw.attributes.dropped()),
            dropped_events: raw.dropped_events.saturating_add(raw.lost_events),
            dropped_links: raw.dropped_links.saturating_add(lost_links),
            weight: weight::of(trace_state),
            exception_group,
            problems: times.problems | if truncated { problem::TRUNCATED } else { 0 },
        });
        Ok(())
    }

    /// Adds the events of the span. Returns the group of its first exception.
    fn events(&mut self, base: u64, changes: &mut Changes) -> Result<Option<i64>> {
        let limits = self.context.limits;
        let mut group = None;
        for message in &self.span.events {
            self.inner.clear();
            let raw = Event::of(*message, &mut self.inner, limits)?;
            if group.is_none() && raw.name == exception::EVENT.as_bytes() {
                group = exception::group(&self.inner, limits);
            }
            let rows = &mut self.rows;
            let push = |key: &str, kind, text: &str| rows.event_attribute(key, kind, text);
            inner_attributes(&self.inner, limits, &mut self.buffers, changes, push)?;
            self.rows.event(&SpanEvent {
                offset_ns: if raw.time == 0 { 0 } else { distance(base, raw.time) },
                name: short(raw.name, limits, &mut self.texts[0], changes),
                dropped: raw.dropped.saturating_add(self.inner.dropped()),
            });
            changes.dropped |= self.inner.dropped() > 0;
        }
        Ok(group)
    }

    /// Adds the links of the span. Returns how many are not kept.
    fn links(&mut self, changes: &mut Changes) -> Result<u32> {
        let limits = self.context.limits;
        let mut lost = self.span.lost_links;
        for message in &self.span.links {
            self.inner.clear();
            let raw = Link::of(*message, &mut self.inner, limits)?;
            let (Some(trace_id), Some(span_id)) = (row::id(raw.trace_id), row::id(raw.span_id))
            else {
                lost = lost.saturating_add(1);
                continue;
            };
            let rows = &mut self.rows;
            let push = |key: &str, kind, text: &str| rows.link_attribute(key, kind, text);
            inner_attributes(&self.inner, limits, &mut self.buffers, changes, push)?;
            self.rows.link(&SpanLink {
                trace_id,
                span_id,
                trace_state: short(raw.trace_state, limits, &mut self.texts[0], changes),
                dropped: raw.dropped.saturating_add(self.inner.dropped()),
                flags: raw.flags,
            });
            changes.dropped |= self.inner.dropped() > 0;
        }
        Ok(lost)
    }
}

/// Hands over the attributes of an event or a link. What is cut of them is marked there.
fn inner_attributes(
    attributes: &Attributes<'_>,
    limits: &Limits,
    buffers: &mut Buffers,
    changes: &mut Changes,
    push: impl FnMut(&str, ValueKind, &str),
) -> Result<(), WireError> {
    let mut inner = Changes::default();
    row::attributes(attributes, &[], limits, buffers, &mut inner, push)?;
    changes.repaired += inner.repaired;
    changes.dropped |= inner.cut_bytes > 0;
    Ok(())
}

/// When a span was.
struct Times {
    start_ns: i64,
    duration_ns: i64,
    /// What the times of events are counted from.
    base: u64,
    original: Option<Mark>,
    problems: i32,
}

impl Times {
    /// A start in the future becomes the arrival, and the duration stays. A start or an end that is
    /// not set is taken to be the other.
    fn of(raw: &Span<'_>, context: &Context<'_>) -> Self {
        let arrival = u64::try_from(context.now.0).unwrap_or(0);
        let start = [raw.start, raw.end, arrival].into_iter().find(|time| *time != 0).unwrap_or(0);
        let end = if raw.end == 0 { start } else { raw.end };
        let (start_ns, original) = row::time(start, context);
        let duration_ns = distance(start, end);
        Self {
            start_ns: start_ns.unwrap_or(context.now.0),
            duration_ns,
            base: start,
            original,
            problems: if duration_ns < 0 { problem::NEGATIVE_DURATION } else { 0 },
        }
    }
}

/// Returns how far `to` lies after `from`.
fn distance(from: u64, to: u64) -> i64 {
    if to >= from {
        i64::try_from(to - from).unwrap_or(i64::MAX)
    } else {
        i64::try_from(from - to).map_or(i64::MIN, |ns| -ns)
    }
}

/// A `Span`. Buffers stay from span to span.
#[derive(Debug, Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    parent: &'a [u8],
    name: &'a [u8],
    kind: i32,
    start: u64,
    end: u64,
    attributes: Attributes<'a>,
    dropped: u32,
    events: Vec<Reader<'a>>,
    dropped_events: u32,
    /// Events beyond the cap.
    lost_events: u32,
    links: Vec<Reader<'a>>,
    dropped_links: u32,
    /// Links beyond the cap.
    lost_links: u32,
    status_message: &'a [u8],
    status: i32,
    flags: u32,
}

impl<'a> Span<'a> {
    /// Walks over the next span.
    fn walk(&mut self, mut message: Reader<'a>, limits: &Limits) -> Result<(), WireError> {
        self.clear();
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => self.trace_id = message.bytes(wire)?,
                2 => self.span_id = message.bytes(wire)?,
                3 => self.trace_state = message.bytes(wire)?,
                4 => self.parent = message.bytes(wire)?,
                5 => self.name = message.bytes(wire)?,
                6 => self.kind = message.uint32(wire)? as i32,
                7 => self.start = message.fixed64(wire)?,
                8 => self.end = message.fixed64(wire)?,
                9 => self.attributes.add(message.message(wire)?, limits)?,
                10 => self.dropped = message.uint32(wire)?,
                11 => {
                    let event = message.message(wire)?;
                    keep(event, &mut self.events, limits.span_events_max, &mut self.lost_events);
                }
                12 => self.dropped_events = message.uint32(wire)?,
                13 => {
                    let link = message.message(wire)?;
                    keep(link, &mut self.links, limits.span_links_max, &mut self.lost_links);
                }
                14 => self.dropped_links = message.uint32(wire)?,
                15 => self.status(message.message(wire)?)?,
                16 => self.flags = message.fixed32(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        let (mut attributes, mut events, mut links) = (
            std::mem::take(&mut self.attributes),
            std::mem::take(&mut self.events),
            std::mem::take(&mut self.links),
        );
        attributes.clear();
        events.clear();
        links.clear();
        *self = Self { attributes, events, links, ..Self::default() };
    }

    /// Walks over a `Status`: 2 message, 3 code.
    fn status(&mut self, mut message: Reader<'a>) -> Result<(), WireError> {
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                2 => self.status_message = message.bytes(wire)?,
                3 => self.status = message.uint32(wire)? as i32,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(())
    }
}

/// Keeps a message of a list up to the cap, and counts the others.
fn keep<'a>(message: Reader<'a>, kept: &mut Vec<Reader<'a>>, max: usize, lost: &mut u32) {
    if kept.len() < max {
        kept.push(message);
    } else {
        *lost = lost.saturating_add(1);
    }
}

/// A `Span.Event` but for its attributes.
#[derive(Debug, Default)]
struct Event<'a> {
    time: u64,
    name: &'a [u8],
    dropped: u32,
}

impl<'a> Event<'a> {
    fn of(
        mut message: Reader<'a>,
        attributes: &mut Attributes<'a>,
        limits: &Limits,
    ) -> Result<Self, WireError> {
        let mut raw = Self::default();
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => raw.time = message.fixed64(wire)?,
                2 => raw.name = message.bytes(wire)?,
                3 => attributes.add(message.message(wire)?, limits)?,
                4 => raw.dropped = message.uint32(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(raw)
    }
}

/// A `Span.Link` but for its attributes.
#[derive(Debug, Default)]
struct Link<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    dropped: u32,
    flags: u32,
}

impl<'a> Link<'a> {
    fn of(
        mut message: Reader<'a>,
        attributes: &mut Attributes<'a>,
        limits: &Limits,
    ) -> Result<Self, WireError> {
        let mut raw = Self::default();
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => raw.trace_id = message.bytes(wire)?,
                2 => raw.span_id = message.bytes(wire)?,
                3 => raw.trace_state = message.bytes(wire)?,
                4 => attributes.add(message.message(wire)?, limits)?,
                5 => raw.dropped = message.uint32(wire)?,
                6 => raw.flags = message.fixed32(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(raw)
    }
}
