//! What the three signals have in common: a request is resources that hold scopes that hold rows.
//!
//! ```text
//! request  { 1 resource groups }                        ExportLogsServiceRequest, …
//! group    { 1 resource, 2 scope groups, 3 schema URL } ResourceLogs, ResourceSpans, ResourceMetrics
//! group    { 1 scope, 2 rows, 3 schema URL }            ScopeLogs, ScopeSpans, ScopeMetrics
//! ```
//! Fields come in any order, and senders write the schema URL last. So a group is walked twice: for
//! the [`Resource`] or [`Scope`], then with [`each`] for what it holds.

use tarn_model::error::Result;
use tarn_model::limits::Limits;
use tarn_storage::any_value::{self, ObjectWriter, member};

use super::Report;
use super::attributes::Attributes;
use super::value::{Caps, Changes, RawValue, text};
use crate::decode::wire::{DEPTH_MAX, Reader, WireError};

/// The number under which a request holds its resource groups.
pub(crate) const RESOURCES: u32 = 1;
/// The number under which a resource group holds its scope groups.
pub(crate) const SCOPES: u32 = 2;
/// The number under which a scope group holds its rows.
pub(crate) const ROWS: u32 = 2;

/// Entities of a resource that are kept; real ones have two or three.
const ENTITY_REFS_MAX: usize = 64;
/// The resource attribute that names the service, and its value where it is absent.
const SERVICE_NAME: &str = "service.name";
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Hands over each message of a repeated field.
pub(crate) fn each<'a>(
    mut message: Reader<'a>,
    number: u32,
    mut each: impl FnMut(Reader<'a>) -> Result<()>,
) -> Result<()> {
    while !message.is_empty() {
        let (found, wire) = message.tag()?;
        if found == number {
            each(message.message(wire)?)?;
        } else {
            message.skip(found, wire, DEPTH_MAX)?;
        }
    }
    Ok(())
}

/// The resource of a group.
#[derive(Debug, Default)]
pub(crate) struct Resource<'a> {
    /// Attributes.
    pub(crate) attributes: Attributes<'a>,
    /// Dropped attributes, as sent.
    pub(crate) dropped: u32,
    /// URL of the schema, not yet known to be UTF-8.
    pub(crate) schema_url: &'a [u8],
    entity_refs: Vec<Reader<'a>>,
}

impl<'a> Resource<'a> {
    /// Finds the resource of a group: 1 resource, 3 schema URL.
    ///
    /// # Errors
    /// Where the bytes are no such message.
    pub(crate) fn of(mut group: Reader<'a>, limits: &Limits) -> Result<Self, WireError> {
        let mut resource = Self::default();
        while !group.is_empty() {
            let (number, wire) = group.tag()?;
            match number {
                1 => resource.merge(group.message(wire)?, limits)?,
                3 => resource.schema_url = group.bytes(wire)?,
                _ => group.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(resource)
    }

    /// Walks over a `Resource`: 1 attributes, 2 dropped attributes, 3 entity references.
    fn merge(&mut self, mut message: Reader<'a>, limits: &Limits) -> Result<(), WireError> {
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => self.attributes.add(message.message(wire)?, limits)?,
                2 => self.dropped = message.uint32(wire)?,
                3 => {
                    let entity = message.message(wire)?;
                    if self.entity_refs.len() < ENTITY_REFS_MAX {
                        self.entity_refs.push(entity);
                    }
                }
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    /// Returns the name of the service.
    pub(crate) fn service_name<'s>(
        &self,
        limits: &Limits,
        scratch: &'s mut String,
        changes: &mut Changes,
    ) -> Result<&'s str, WireError>
    where
        'a: 's,
    {
        match self.attributes.get(SERVICE_NAME) {
            None | Some(RawValue::Empty) => Ok(UNKNOWN_SERVICE),
            Some(value) => match value.text(Caps::attribute(limits), scratch, changes)? {
                "" => Ok(UNKNOWN_SERVICE),
                name => Ok(name),
            },
        }
    }

    /// Returns the canonical JSON of the column `resource`, and the name of the service.
    ///
    /// # Errors
    /// Where a value is no such message.
    pub(crate) fn texts(
        &self,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<(String, String), WireError> {
        let (mut json, mut scratch) = (String::new(), String::new());
        let mut changes = Changes::default();
        self.write_json(limits, &mut json, &mut changes)?;
        report.changed(changes, self.attributes.dropped() > 0);
        let service = self.service_name(limits, &mut scratch, &mut changes)?.to_owned();
        Ok((json, service))
    }

    /// Appends the canonical JSON of the column `resource`.
    fn write_json(
        &self,
        limits: &Limits,
        out: &mut String,
        changes: &mut Changes,
    ) -> Result<(), WireError> {
        let mut object = ObjectWriter::new(out);
        write_attributes(&mut object, &self.attributes, limits, changes)?;
        write_count(&mut object, self.dropped.saturating_add(self.attributes.dropped()));
        write_text(&mut object, member::SCHEMA_URL, self.schema_url, limits, changes);
        if !self.entity_refs.is_empty() {
            let out = object.member(member::ENTITY_REFS);
            out.push('[');
            for (i, entity) in self.entity_refs.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_entity(*entity, limits, out, changes)?;
            }
            out.push(']');
        }
        object.finish();
        Ok(())
    }
}

/// The scope of a group.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    /// Name, not yet known to be UTF-8.
    pub(crate) name: &'a [u8],
    /// Version, not yet known to be UTF-8.
    pub(crate) version: &'a [u8],
    /// Attributes.
    pub(crate) attributes: Attributes<'a>,
    /// Dropped attributes, as sent.
    pub(crate) dropped: u32,
    /// URL of the schema, not yet known to be UTF-8.
    pub(crate) schema_url: &'a [u8],
}

impl<'a> Scope<'a> {
    /// Finds the scope of a group: 1 scope, 3 schema URL.
    ///
    /// # Errors
    /// Where the bytes are no such message.
    pub(crate) fn of(mut group: Reader<'a>, limits: &Limits) -> Result<Self, WireError> {
        let mut scope = Self::default();
        while !group.is_empty() {
            let (number, wire) = group.tag()?;
            match number {
                1 => scope.merge(group.message(wire)?, limits)?,
                3 => scope.schema_url = group.bytes(wire)?,
                _ => group.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(scope)
    }

    /// Walks over an `InstrumentationScope`: 1 name, 2 version, 3 attributes, 4 dropped attributes.
    fn merge(&mut self, mut message: Reader<'a>, limits: &Limits) -> Result<(), WireError> {
        while !message.is_empty() {
            let (number, wire) = message.tag()?;
            match number {
                1 => self.name = message.bytes(wire)?,
                2 => self.version = message.bytes(wire)?,
                3 => self.attributes.add(message.message(wire)?, limits)?,
                4 => self.dropped = message.uint32(wire)?,
                _ => message.skip(number, wire, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    /// Returns the canonical JSON of the column `scope`.
    ///
    /// # Errors
    /// Where a value is no such message.
    pub(crate) fn text(&self, limits: &Limits, report: &mut Report) -> Result<String, WireError> {
        let mut json = String::new();
        let mut changes = Changes::default();
        self.write_json(limits, &mut json, &mut changes)?;
        report.changed(changes, self.attributes.dropped() > 0);
        Ok(json)
    }

    /// Appends the canonical JSON of the column `scope`.
    fn write_json(
        &self,
        limits: &Limits,
        out: &mut String,
        changes: &mut Changes,
    ) -> Result<(), WireError> {
        let mut object = ObjectWriter::new(out);
        write_text(&mut object, member::NAME, self.name, limits, changes);
        write_text(&mut object, member::VERSION, self.version, limits, changes);
        write_attributes(&mut object, &self.attributes, limits, changes)?;
        write_count(&mut object, self.dropped.saturating_add(self.attributes.dropped()));
        write_text(&mut object, member::SCHEMA_URL, self.schema_url, limits, changes);
        object.finish();
        Ok(())
    }
}

/// The attribute that says what was cut: bytes on the wire of the values that were longer or deeper
/// than the caps.
pub(crate) const TRUNCATED: &str = "tarn.truncated";

fn write_attributes(
    object: &mut ObjectWriter<'_>,
    attributes: &Attributes<'_>,
    limits: &Limits,
    changes: &mut Changes,
) -> Result<(), WireError> {
    if attributes.len() == 0 {
        return Ok(());
    }
    let caps = Caps::attribute(limits);
    let before = changes.cut_bytes;
    let mut scratch = String::new();
    let mut inner = ObjectWriter::new(object.member(member::ATTRIBUTES));
    for (key, value) in attributes.iter().filter(|(key, _)| *key != TRUNCATED.as_bytes()) {
        let key = text(key, usize::MAX, &mut scratch, changes);
        value.write_json(caps, inner.member(key), changes)?;
    }
    if changes.cut_bytes > before {
        let cut = i64::try_from(changes.cut_bytes - before).unwrap_or(i64::MAX);
        any_value::write_int(inner.member(TRUNCATED), cut);
    }
    inner.finish();
    Ok(())
}

fn write_count(object: &mut ObjectWriter<'_>, count: u32) {
    if count > 0 {
        any_value::write_int(object.member(member::DROPPED), i64::from(count));
    }
}

fn write_text(
    object: &mut ObjectWriter<'_>,
    key: &str,
    bytes: &[u8],
    limits: &Limits,
    changes: &mut Changes,
) {
    if !bytes.is_empty() {
        let mut scratch = String::new();
        let max = limits.attribute_value_bytes_max.as_usize();
        any_value::write_string(object.member(key), text(bytes, max, &mut scratch, changes));
    }
}

/// Writes an `EntityRef`: 1 schema URL, 2 type, 3 keys that identify, 4 keys that describe.
fn write_entity(
    mut message: Reader<'_>,
    limits: &Limits,
    out: &mut String,
    changes: &mut Changes,
) -> Result<(), WireError> {
    let (mut schema_url, mut kind) = (&[][..], &[][..]);
    let (mut ids, mut descriptions) = (Vec::new(), Vec::new());
    while !message.is_empty() {
        let (number, wire) = message.tag()?;
        let keys = match number {
            1 => {
                schema_url = message.bytes(wire)?;
                continue;
            }
            2 => {
                kind = message.bytes(wire)?;
                continue;
            }
            3 => &mut ids,
            4 => &mut descriptions,
            _ => {
                message.skip(number, wire, DEPTH_MAX)?;
                continue;
            }
        };
        let key = message.bytes(wire)?;
        if keys.len() < limits.attributes_max {
            keys.push(key);
        }
    }
    let mut object = ObjectWriter::new(out);
    write_text(&mut object, member::SCHEMA_URL, schema_url, limits, changes);
    write_text(&mut object, member::TYPE, kind, limits, changes);
    write_keys(&mut object, member::ID_KEYS, &ids, limits, changes);
    write_keys(&mut object, member::DESCRIPTION_KEYS, &descriptions, limits, changes);
    object.finish();
    Ok(())
}

fn write_keys(
    object: &mut ObjectWriter<'_>,
    name: &str,
    keys: &[&[u8]],
    limits: &Limits,
    changes: &mut Changes,
) {
    if keys.is_empty() {
        return;
    }
    let mut scratch = String::new();
    let out = object.member(name);
    out.push('[');
    for (i, key) in keys.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        let key = text(key, limits.attribute_key_bytes_max, &mut scratch, changes);
        any_value::write_string(out, key);
    }
    out.push(']');
}
