//! Log records and spans of one request on their way into a batch.
//!
//! Whoever decodes a request fills [`LogRows`] or [`SpanRows`] row by row: attributes, events and
//! links first, then the row that has them. Texts that repeat are kept once; a resource or a scope
//! is handed over once and referred to by number. What is capped, cut or refused is decided before,
//! by the decoder; here everything is taken.

use arrow_array::RecordBatch;
use arrow_array::builder::{FixedSizeBinaryBuilder, Int32Builder};
use tarn_model::error::{Error, Result};

use crate::schema::tables::Table;

mod lists;
mod logs;
mod spans;
mod texts;

use lists::Attributes;
pub use logs::{LogRow, LogRows};
pub use spans::{SpanEvent, SpanLink, SpanRow, SpanRows};
pub(crate) use texts::Dictionary;
use texts::Texts;

/// A resource of a request, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceRef {
    json: i32,
    service: i32,
}

/// A scope of a request, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeRef(i32);

/// Rows of one request, of either table.
#[expect(clippy::large_enum_variant, reason = "one per request, never many side by side")]
#[derive(Debug)]
pub enum TableRows {
    /// Log records.
    Logs(LogRows),
    /// Spans.
    Spans(SpanRows),
}

impl TableRows {
    /// Returns which table they belong to.
    pub fn table(&self) -> Table {
        match self {
            Self::Logs(_) => Table::Logs,
            Self::Spans(_) => Table::Spans,
        }
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Logs(rows) => rows.len(),
            Self::Spans(rows) => rows.len(),
        }
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the batch, in the schema of the table.
    ///
    /// # Errors
    /// `Internal` where the columns do not fit together: a bug.
    pub fn into_batch(self) -> Result<RecordBatch> {
        let table = self.table();
        let columns = match self {
            Self::Logs(rows) => rows.into_columns(),
            Self::Spans(rows) => rows.into_columns(),
        };
        RecordBatch::try_new(table.schema(), columns)
            .map_err(|e| Error::internal(format!("lay out {}", table.as_str())).with_source(e))
    }
}

/// What both tables have.
#[derive(Debug, Default)]
struct Shared {
    resources: Texts,
    services: Texts,
    scopes: Texts,
    flags: Int32Builder,
    dropped: Int32Builder,
    attributes: Attributes,
}

impl Shared {
    fn resource(&mut self, json: &str, service_name: &str) -> ResourceRef {
        ResourceRef {
            json: self.resources.intern(json),
            service: self.services.intern(service_name),
        }
    }

    fn push(&mut self, resource: ResourceRef, scope: ScopeRef, flags: u32, dropped: u32) {
        self.resources.push(resource.json);
        self.services.push(resource.service);
        self.scopes.push(scope.0);
        self.flags.append_option(nonzero(flags));
        self.dropped.append_option(nonzero(dropped));
        self.attributes.end_row();
    }

    fn bytes(&self) -> usize {
        let origins = self.resources.bytes() + self.services.bytes() + self.scopes.bytes();
        origins + self.attributes.bytes()
    }
}

/// Splits a time into µs and the ns below; 0 ns is NULL.
fn split(time_ns: i64) -> (i64, Option<i32>) {
    let nanos = time_ns.rem_euclid(1000) as i32;
    (time_ns.div_euclid(1000), (nanos != 0).then_some(nanos))
}

/// NULL for 0. A number beyond an i32 stays at its largest: it is a count of what was dropped, or
/// flags of which only the low bits have a meaning.
fn nonzero(number: u32) -> Option<i32> {
    (number != 0).then(|| i32::try_from(number).unwrap_or(i32::MAX))
}

fn id(builder: &mut FixedSizeBinaryBuilder, bytes: Option<&[u8]>) {
    match bytes {
        // The width is that of the builder: ids are arrays of that length.
        Some(bytes) => builder.append_value(bytes).expect("ids have the width of their column"),
        None => builder.append_null(),
    }
}

#[cfg(test)]
mod tests;
