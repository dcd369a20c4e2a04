//! Logical columns → the columns of one part.
//!
//! A part says which columns it has ([`Shape`]); a [`Layout`] is made once per part and list of
//! columns, names the columns that must be decoded, and then turns every decoded batch into one of
//! the scan's schema.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Schema, SchemaRef};
use tarn_model::error::{Error, Result};

use super::attributes::{self, Entries, Own};
use super::{RowColumn, field};
use crate::schema::tables::{Promoted, Table, column};

/// A promoted attribute of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnColumn {
    pub(crate) key: Arc<str>,
    pub(crate) kind: Promoted,
    /// Full name.
    pub(crate) column: Arc<str>,
    /// Some row has the key in the map instead.
    pub(crate) also_in_map: bool,
}

/// The columns of a part.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) table: Table,
    pub(crate) schema: SchemaRef,
    /// Sorted by key.
    pub(crate) own: Vec<OwnColumn>,
}

impl Shape {
    /// Returns the shape of batches in memory.
    pub(crate) fn head(table: Table) -> Self {
        Self { table, schema: table.schema(), own: Vec::new() }
    }

    fn has(&self, column: &str) -> bool {
        self.schema.field_with_name(column).is_ok()
    }
}

/// How one logical column is made.
#[derive(Debug)]
enum Maker {
    Null(DataType),
    Column { name: Arc<str>, data_type: DataType },
    Attribute { key: Arc<str>, own: Vec<OwnColumn>, map: bool },
    Whole { own: Vec<OwnColumn>, map: bool },
    WholeKinds { own: Vec<OwnColumn>, map: bool, kinds: bool },
}

/// How the columns of a scan, or of a filter, are made from those of a part.
#[derive(Debug)]
pub(crate) struct Layout {
    schema: SchemaRef,
    makers: Vec<Maker>,
}

impl Layout {
    /// Lays out columns over a part.
    ///
    /// # Errors
    /// `Invalid` where the table has no such column.
    pub(crate) fn new(shape: &Shape, columns: &[RowColumn]) -> Result<Self> {
        let fields: Result<Vec<_>> = columns.iter().map(|c| field(shape.table, c)).collect();
        let fields = fields?;
        let makers = columns.iter().zip(&fields);
        let makers = makers.map(|(c, field)| maker(shape, c, field.data_type())).collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)), makers })
    }

    /// Adds the columns of the part that are needed.
    pub(super) fn needs(&self, into: &mut BTreeSet<String>) {
        for maker in &self.makers {
            let (own, map) = match maker {
                Maker::Null(_) => continue,
                Maker::Column { name, .. } => {
                    into.insert(name.to_string());
                    continue;
                }
                Maker::Attribute { own, map, .. } | Maker::Whole { own, map } => (own, *map),
                Maker::WholeKinds { own, map, kinds } => {
                    into.extend(kinds.then(|| column::ATTRIBUTE_KINDS.to_owned()));
                    (own, *map)
                }
            };
            into.extend(own.iter().map(|own| own.column.to_string()));
            into.extend(map.then(|| column::ATTRIBUTES.to_owned()));
        }
    }

    /// Makes the columns from a batch that has at least those needed.
    ///
    /// # Errors
    /// `Corrupt` where a column of the part is not what its name says.
    pub(crate) fn make(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns: Result<Vec<ArrayRef>> =
            self.makers.iter().map(|maker| make(maker, batch)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns?, &options)
            .map_err(|e| Error::corrupt("columns do not fit together").with_source(e))
    }
}

fn maker(shape: &Shape, wanted: &RowColumn, data_type: &DataType) -> Maker {
    let map = shape.has(column::ATTRIBUTES);
    match wanted {
        RowColumn::Stored(name) if shape.has(name) => {
            Maker::Column { name: Arc::clone(name), data_type: data_type.clone() }
        }
        RowColumn::Stored(_) => Maker::Null(data_type.clone()),
        RowColumn::Attribute(key) => {
            let own = shape.own.iter().filter(|own| own.key == *key).cloned();
            let own: Vec<OwnColumn> = own.collect();
            let elsewhere = own.is_empty() || own.iter().any(|own| own.also_in_map);
            match (own.is_empty(), map && elsewhere) {
                (true, false) => Maker::Null(data_type.clone()),
                (_, map) => Maker::Attribute { key: Arc::clone(key), own, map },
            }
        }
        RowColumn::Attributes => Maker::Whole { own: shape.own.clone(), map },
        RowColumn::AttributeKinds => {
            let kinds = shape.has(column::ATTRIBUTE_KINDS);
            Maker::WholeKinds { own: shape.own.clone(), map, kinds }
        }
    }
}

fn named<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::internal(format!("{name} was not decoded")))
}

fn make(maker: &Maker, batch: &RecordBatch) -> Result<ArrayRef> {
    let rows = batch.num_rows();
    let entries =
        |map: bool| map.then(|| named(batch, column::ATTRIBUTES).and_then(Entries::of)).transpose();
    match maker {
        Maker::Null(data_type) => Ok(new_null_array(data_type, rows)),
        Maker::Column { name, data_type } => {
            let column = named(batch, name)?;
            if column.data_type() == data_type {
                return Ok(Arc::clone(column));
            }
            arrow_cast::cast(column, data_type).map_err(|e| {
                Error::corrupt(format!("column {name} holds {}", column.data_type())).with_source(e)
            })
        }
        Maker::Attribute { key, own, map } => {
            let own = own_columns(batch, own)?;
            Ok(attributes::attribute(rows, key, &own, entries(*map)?.as_ref()))
        }
        Maker::Whole { own, map } => {
            attributes::whole(rows, &own_columns(batch, own)?, entries(*map)?.as_ref())
        }
        Maker::WholeKinds { own, map, kinds } => {
            let kinds = kinds.then(|| named(batch, column::ATTRIBUTE_KINDS)).transpose()?;
            let own = own_columns(batch, own)?;
            attributes::whole_kinds(rows, &own, entries(*map)?.as_ref(), kinds)
        }
    }
}

fn own_columns<'a>(batch: &RecordBatch, own: &'a [OwnColumn]) -> Result<Vec<Own<'a>>> {
    let texts = own.iter().map(|own| {
        let texts = attributes::own_texts(named(batch, &own.column)?, own.kind)?;
        Ok(Own { key: &own.key, kind: own.kind, texts })
    });
    texts.collect()
}
