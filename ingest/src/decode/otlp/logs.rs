//! Logs: `ExportLogsServiceRequest` → rows of the log table.

use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_model::text;
use tarn_storage::append::rows::{LogRow, LogRows, ResourceRef, ScopeRef};

use super::attributes::Attributes;
use super::frame::{RESOURCES, ROWS, Resource, SCOPES, Scope, each};
use super::row::{self, Account, Buffers, Mark, short};
use super::value::{Caps, Changes, RawValue};
use super::{Context, Report};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};

/// Decodes a request of logs.
///
/// # Errors
/// `Invalid` with the byte offset where the bytes are not such a request; as
/// [`Permit::grow`](crate::admit::Permit::grow) where its rows take more memory than there is.
pub(crate) fn logs(body: &[u8], context: &mut Context<'_>) -> Result<(LogRows, Report)> {
    let mut decoder = Decoder {
        context,
        rows: LogRows::default(),
        report: Report::default(),
        account: Account::new(),
        attributes: Attributes::default(),
        buffers: Buffers::default(),
        texts: Default::default(),
    };
    each(Reader::new(body), RESOURCES, |group| {
        let resource = decoder.resource(group)?;
        each(group, SCOPES, |group| {
            let scope = decoder.scope(group)?;
            each(group, ROWS, |record| decoder.record(record, resource, scope))
        })
    })?;
    Ok((decoder.rows, decoder.report))
}

struct Decoder<'a, 'c, 'p> {
    context: &'c mut Context<'p>,
    rows: LogRows,
    report: Report,
    account: Account,
    /// Attributes of the record at hand.
    attributes: Attributes<'a>,
    buffers: Buffers,
    /// Severity text, event name and body, where they do not stand in the request as stored.
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

    fn record(
        &mut self,
        message: Reader<'a>,
        resource: ResourceRef,
        scope: ScopeRef,
    ) -> Result<()> {
        let wire = message.rest().len();
        self.account.before(wire, self.context)?;
        self.attributes.clear();
        let limits = self.context.limits;
        let raw = Record::of(message, &mut self.attributes, limits)?;
        let (time_ns, original) = self.time(&raw);
        let mut changes = Changes::default();
        let [severity_text, event_name, body_text] = &mut self.texts;
        let severity_text = short(raw.severity_text, limits, severity_text, &mut changes);
        let event_name = short(raw.event_name, limits, event_name, &mut changes);
        let body = match &raw.body {
            Some(body) => Some(body.text(Caps::body(limits), body_text, &mut changes)?),
            None => None,
        };
        let body_kind = raw.body.map_or(ValueKind::Text, |body| body.kind());
        let (severity_number, severity_from) = match raw.severity {
            0 => severity(severity_text, body.filter(|_| may_state_a_level(body_kind))),
            number => (number, None),
        };
        let rows = &mut self.rows;
        let push = |key: &str, kind, text: &str| rows.attribute(key, kind, text);
        let marks = [original, severity_from];
        let buffers = &mut self.buffers;
        row::attributes(&self.attributes, &marks, limits, buffers, &mut changes, push)?;
        self.rows.push(&LogRow {
            resource,
            scope,
            time_ns,
            observed_ns: i64::try_from(raw.observed).unwrap_or(i64::MAX),
            severity_number,
            severity_text,
            body,
            body_kind,
            trace_id: row::id(raw.trace_id),
            span_id: row::id(raw.span_id),
            flags: raw.flags,
            event_name,
            dropped_attributes: raw.dropped.saturating_add(self.attributes.dropped()),
        });
        self.report.taken(changes, self.attributes.dropped() > 0);
        self.report.untimed += u64::from(raw.time == 0 && raw.observed == 0);
        self.account.after(wire, self.rows.bytes(), self.context)
    }

    /// Returns the time of a record: its own, else when it was observed, else when it arrived.
    fn time(&self, raw: &Record<'_>) -> (i64, Option<Mark>) {
        let (time, original) = match raw.time {
            0 => row::time(raw.observed, self.context),
            time => row::time(time, self.context),
        };
        (time.unwrap_or(self.context.now.0), original)
    }
}

/// A level stands in text, or in the JSON of a map.
fn may_state_a_level(kind: ValueKind) -> bool {
    matches!(kind, ValueKind::Text | ValueKind::Map)
}

/// Returns the severity number that a record without one states otherwise, and where.
fn severity(severity_text: &str, body: Option<&str>) -> (i32, Option<Mark>) {
    if !severity_text.is_empty() {
        let number = text::severity_of_text(severity_text);
        return match number {
            Some(number) => (i32::from(number), Some(Mark::SeverityFrom("text"))),
            None => (0, None),
        };
    }
    match body.and_then(text::severity_of_body) {
        Some(number) => (i32::from(number), Some(Mark::SeverityFrom("body"))),
        None => (0, None),
    }
}

/// A `LogRecord` but for its attributes.
#[derive(Debug, Default)]
struct Record<'a> {
    time: u64,
    observed: u64,
    severity: i32,
    severity_text: &'a [u8],
    body: Option<RawValue<'a>>,
    dropped: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a [u8],
}

impl<'a> Record<'a> {
    /// Walks over a record.
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
                2 => raw.severity = message.uint32(wire)? as i32,
                3 => raw.severity_text = message.bytes(wire)?,
                5 => raw.body.get_or_insert_default().merge(message.message(wire)?)?,
                6 => attributes.add(message.message(wire)?, limits)?,
                7 => raw.dropped = message.uint32(wire)?,
                8 => raw.flags = message.fixed32(wire)?,
                9 => raw.trace_id = message.bytes(wire)?,
                10 => raw.span_id = message.bytes(wire)?,
                11 => raw.observed = message.fixed64(wire)?,
                12 => raw.event_name = message.bytes(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(raw)
    }
}
