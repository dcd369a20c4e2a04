//! Members of a log record in JSON, and which of them are wanted.

use arrow_array::RecordBatch;
use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;
use tarn_storage::schema::tables::column;
use tarn_storage::view::rows::RowColumn;

use crate::api::json::object::Object;
use crate::api::prometheus::time::format_rfc3339_ns;
use crate::records::{self, Attributes, Ids, Ints, Longs, Texts, Times};

/// Members and the columns they are made of, in the order in which they are written.
const MEMBERS: [(&str, &[&str]); 14] = [
    ("timestamp", &[]),
    ("observed_timestamp", &[column::OBSERVED_DELTA_MS]),
    ("severity_number", &[column::SEVERITY_NUMBER]),
    ("severity_text", &[column::SEVERITY_TEXT]),
    ("service", &[column::SERVICE_NAME]),
    ("body", &[column::BODY, column::BODY_KIND]),
    ("event_name", &[column::EVENT_NAME]),
    ("trace_id", &[column::TRACE_ID]),
    ("span_id", &[column::SPAN_ID]),
    ("flags", &[column::FLAGS]),
    (ATTRIBUTES, &[column::ATTRIBUTES, column::ATTRIBUTE_KINDS]),
    ("dropped_attributes", &[column::DROPPED_ATTRIBUTES]),
    ("resource", &[column::RESOURCE]),
    ("scope", &[column::SCOPE]),
];

const ATTRIBUTES: &str = "attributes";

/// Which members a row has. The time is always there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    /// `None`: all.
    members: Option<Vec<&'static str>>,
    /// Only these attributes; none named: all.
    keys: Vec<String>,
}

impl Fields {
    /// Reads a list with commas: members, and `attributes.` with a key. Empty: all.
    ///
    /// # Errors
    /// A member that there is not, with those that there are.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut fields = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let key = name.strip_prefix(ATTRIBUTES).and_then(|rest| rest.strip_prefix('.'));
            let wanted = if key.is_some() { ATTRIBUTES } else { name };
            let Some((member, _)) = MEMBERS.iter().find(|(member, _)| *member == wanted) else {
                let known: Vec<&str> = MEMBERS.iter().map(|(member, _)| *member).collect();
                let known = known.join(", ");
                return Err(format!("unknown field {name:?}; known are {known}, attributes.KEY"));
            };
            fields.members.get_or_insert_default().push(member);
            fields.keys.extend(key.map(str::to_owned));
        }
        Ok(fields)
    }

    fn wants(&self, member: &str) -> bool {
        self.members.as_ref().is_none_or(|members| members.contains(&member))
    }

    /// Returns the columns to be read.
    pub(crate) fn columns(&self) -> Vec<RowColumn> {
        let time = [column::TIMESTAMP, column::TIMESTAMP_NS];
        let wanted = MEMBERS.iter().filter(|(member, _)| self.wants(member));
        let names = time.iter().chain(wanted.flat_map(|(_, columns)| columns.iter()));
        names
            .map(|name| match *name {
                column::ATTRIBUTES => RowColumn::Attributes,
                column::ATTRIBUTE_KINDS => RowColumn::AttributeKinds,
                name => RowColumn::Stored(name.into()),
            })
            .collect()
    }
}

/// A batch of log records, ready to be written.
pub(crate) struct Rows<'a> {
    fields: &'a Fields,
    time: Times<'a>,
    time_ns: Ints<'a>,
    observed: Longs<'a>,
    ints: [(&'static str, Ints<'a>); 3],
    texts: [(&'static str, Texts<'a>); 3],
    ids: [(&'static str, Ids<'a>); 2],
    body: Texts<'a>,
    body_kind: Ints<'a>,
    attributes: Attributes<'a>,
    objects: [(&'static str, Texts<'a>); 2],
}

impl<'a> Rows<'a> {
    /// Finds the columns.
    ///
    /// # Errors
    /// A column has an unexpected type: a bug.
    pub(crate) fn new(batch: &'a RecordBatch, fields: &'a Fields) -> Result<Self> {
        let ints = |name| records::numbers(batch, name);
        let texts = |name| records::texts(batch, name);
        Ok(Self {
            fields,
            time: records::numbers(batch, column::TIMESTAMP)?,
            time_ns: ints(column::TIMESTAMP_NS)?,
            observed: records::numbers(batch, column::OBSERVED_DELTA_MS)?,
            ints: [
                ("severity_number", ints(column::SEVERITY_NUMBER)?),
                ("flags", ints(column::FLAGS)?),
                ("dropped_attributes", ints(column::DROPPED_ATTRIBUTES)?),
            ],
            texts: [
                ("severity_text", texts(column::SEVERITY_TEXT)?),
                ("service", texts(column::SERVICE_NAME)?),
                ("event_name", texts(column::EVENT_NAME)?),
            ],
            ids: [
                ("trace_id", records::ids(batch, column::TRACE_ID)?),
                ("span_id", records::ids(batch, column::SPAN_ID)?),
            ],
            body: texts(column::BODY)?,
            body_kind: ints(column::BODY_KIND)?,
            attributes: records::attributes(batch, column::ATTRIBUTES, column::ATTRIBUTE_KINDS)?,
            objects: [("resource", texts(column::RESOURCE)?), ("scope", texts(column::SCOPE)?)],
        })
    }

    /// Returns the time of a row, ns.
    pub(crate) fn time_ns(&self, row: usize) -> i64 {
        records::time_ns(self.time.get(row).unwrap_or(0), self.time_ns.get(row))
    }

    /// Writes a row. Members without a value are left out.
    pub(crate) fn write(&self, out: &mut Vec<u8>, row: usize) {
        let time_ns = self.time_ns(row);
        let mut object = Object::new(out);
        object.text("timestamp", &format_rfc3339_ns(time_ns));
        object.quoted_int("timestamp_unix_nano", time_ns);
        if let Some(delta_ms) = self.observed.get(row) {
            let observed_ns = time_ns.saturating_add(delta_ms.saturating_mul(1_000_000));
            object.text("observed_timestamp", &format_rfc3339_ns(observed_ns));
        }
        for (member, ints) in &self.ints {
            if let Some(int) = ints.get(row) {
                object.int(member, int.into());
            }
        }
        for (member, texts) in &self.texts {
            if let Some(text) = texts.get(row) {
                object.text(member, text);
            }
        }
        let [(trace, traces), (span, spans)] = &self.ids;
        if let Some(id) = traces.get::<16>(row) {
            records::hex(object.member(trace), &id);
        }
        if let Some(id) = spans.get::<8>(row) {
            records::hex(object.member(span), &id);
        }
        if let Some(body) = self.body.get(row) {
            let kind = self.body_kind.get(row).and_then(|kind| u8::try_from(kind).ok());
            let kind = kind.and_then(ValueKind::from_number).unwrap_or_default();
            records::any_value(object.member("body"), Some(body), kind);
        }
        if self.fields.wants(ATTRIBUTES) {
            let keys = &self.fields.keys;
            let wanted = |key: &str| keys.is_empty() || keys.iter().any(|k| k == key);
            self.attributes.write(object.member(ATTRIBUTES), row, wanted);
        }
        for (member, texts) in &self.objects {
            if let Some(text) = texts.get(row) {
                records::raw_object(object.member(member), text);
            }
        }
        object.close();
    }
}
