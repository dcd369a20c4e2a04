//! Which columns a block of logs or spans has, in which order, with which encodings.
//!
//! The columns are those of the table without those in which every row is NULL, with the promoted
//! attributes before the map of all others. Texts go to the writer as dictionaries and are plain
//! texts in the file. Statistics are written only where they rule something out, those of pages for
//! the fewest: for all columns they made footers twice as large. Attributes have none: every row
//! group has nearly all of their values.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use tarn_model::error::{Error, Result};
use tarn_model::map::HashSet;

use crate::block::index::PAGE_ROWS;
use crate::block::promote::PromotedKey;
use crate::block::seal::refused;
use crate::schema::field_id;
use crate::schema::tables::{Table, column, text_type};

/// Dictionaries beyond this are given up: a value that is there once is cheaper in its place.
const DICTIONARY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a text in the statistics of a row group: more is footer that rules nothing out.
const STATISTICS_BYTES_MAX: usize = 16;
/// Effort of zstd by level of the block: flushed ones are soon merged, and of every further effort
/// the last merge, whose outputs stay, gets most.
const ZSTD: [i32; 3] = [1, 3, 6];

/// What a column of the file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A column of the batches, by its number.
    Stored(usize),
    /// The same, where it is a dictionary.
    Text(usize),
    /// A promoted attribute, by its number.
    Promoted(usize),
    /// Attributes without a column.
    Attributes,
    /// Their kinds.
    Kinds,
    /// Rows back to the parent.
    ParentBack,
    /// Descendants.
    Subtree,
    /// Problems as sent, and those found by ordering.
    Problems,
}

/// The columns of a block.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) table: Table,
    /// What the writer is given.
    pub(crate) schema: SchemaRef,
    pub(crate) contents: Vec<Content>,
}

impl Layout {
    /// Decides on the columns; `present` tells which columns of the table have a value.
    pub(crate) fn new(
        table: Table,
        promoted: &[PromotedKey],
        present: impl Fn(usize) -> bool,
    ) -> Self {
        let mut layout = Self { table, schema: table.schema(), contents: Vec::new() };
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut add = |field: FieldRef, content| {
            fields.push(field);
            layout.contents.push(content);
        };
        let int = |name: &str, nullable| Arc::new(Field::new(name, DataType::Int32, nullable));
        for (index, field) in table.schema().fields().iter().enumerate() {
            let name = field.name().as_str();
            if name == column::ATTRIBUTES {
                for (i, key) in promoted.iter().enumerate() {
                    let field = Field::new(&key.column, stored_type(key), true);
                    add(Arc::new(field), Content::Promoted(i));
                }
            }
            if field.is_nullable() && !present(index) {
                continue;
            }
            let content = match (name, field.data_type()) {
                (column::ATTRIBUTES, _) => Content::Attributes,
                (column::ATTRIBUTE_KINDS, _) => Content::Kinds,
                (column::PROBLEMS, _) => Content::Problems,
                (_, DataType::Dictionary(_, _)) => Content::Text(index),
                _ => Content::Stored(index),
            };
            add(Arc::clone(field), content);
            if name == column::PARENT_SPAN_ID {
                add(int(column::PARENT_BACK, true), Content::ParentBack);
                add(int(column::SUBTREE, false), Content::Subtree);
            }
        }
        layout.schema = Arc::new(Schema::new(fields));
        layout
    }

    /// Begins a block of a level, which will have about `bytes` bytes; 0 = nobody knows.
    ///
    /// # Errors
    /// `Internal` where Parquet refuses the schema: a bug.
    pub(crate) fn open(&self, level: u8, bytes: usize) -> Result<ArrowWriter<Vec<u8>>> {
        let fields = self.schema.fields().iter().map(|field| with_ids(field, field.name()));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let parquet = ArrowSchemaConverter::new().convert(&schema).map_err(refused)?;
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties(&parquet, level)?)
            .with_parquet_schema(parquet)
            .with_skip_arrow_metadata(true);
        let file = Vec::with_capacity(bytes);
        ArrowWriter::try_new_with_options(file, Arc::clone(&self.schema), options).map_err(refused)
    }

    fn properties(&self, parquet: &SchemaDescriptor, level: u8) -> Result<WriterProperties> {
        let effort = ZSTD[usize::from(level).min(ZSTD.len() - 1)];
        let level = ZstdLevel::try_new(effort)
            .map_err(|e| Error::internal("zstd level of blocks").with_source(e))?;
        let mut builder = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(format!("tarn {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::ZSTD(level))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
            .set_data_page_row_count_limit(PAGE_ROWS as usize)
            .set_statistics_truncate_length(Some(STATISTICS_BYTES_MAX))
            .set_max_row_group_row_count(None)
            .set_sorting_columns(self.sorting());
        for column in parquet.columns() {
            builder = self.column_properties(builder, column);
        }
        Ok(builder.build())
    }

    fn column_properties(
        &self,
        builder: WriterPropertiesBuilder,
        leaf: &ColumnDescriptor,
    ) -> WriterPropertiesBuilder {
        let path = leaf.path().clone();
        let parts: Vec<&str> = path.parts().iter().map(String::as_str).collect();
        let (root, last) = (parts.first().copied(), parts.last().copied());
        let builder = builder.set_column_statistics_enabled(path.clone(), self.statistics(&parts));
        let plain = |builder: WriterPropertiesBuilder, encoding| {
            builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), encoding)
        };
        let deltas = [
            column::TIMESTAMP,
            column::OBSERVED_DELTA_MS,
            column::START,
            column::DURATION_NS,
            column::PARENT_BACK,
            column::SUBTREE,
        ];
        match root {
            Some(column::BODY | column::SPAN_ID | column::PARENT_SPAN_ID) => {
                plain(builder, Encoding::PLAIN)
            }
            Some(column::TRACE_ID) if self.table == Table::Logs => plain(builder, Encoding::PLAIN),
            Some(column::ATTRIBUTES) if last == Some("value") => plain(builder, Encoding::PLAIN),
            Some(root) if deltas.contains(&root) => plain(builder, Encoding::DELTA_BINARY_PACKED),
            _ if last == Some(column::OFFSET_NS) => plain(builder, Encoding::DELTA_BINARY_PACKED),
            // What comes behind a dictionary that grew too large.
            _ => match leaf.physical_type() {
                Type::INT64 => builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
                Type::DOUBLE => builder.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT),
                _ => builder,
            },
        }
    }

    fn statistics(&self, path: &[&str]) -> EnabledStatistics {
        match (path, self.table) {
            ([column::SERVICE_NAME], _)
            | ([column::TIMESTAMP | column::SEVERITY_NUMBER], Table::Logs)
            | ([column::START | column::NAME | column::KIND | column::STATUS], Table::Spans) => {
                EnabledStatistics::Page
            }
            (
                [
                    column::SEVERITY_TEXT
                    | column::EVENT_NAME
                    | column::DURATION_NS
                    | column::STATUS_MESSAGE
                    | column::EXCEPTION_GROUP
                    | column::PROBLEMS,
                ],
                _,
            ) => EnabledStatistics::Chunk,
            _ => EnabledStatistics::None,
        }
    }

    /// States the part of the order that Parquet can state. The start of a trace is no column.
    fn sorting(&self) -> Option<Vec<SortingColumn>> {
        let names = match self.table {
            Table::Logs => [column::SERVICE_NAME, column::TIMESTAMP, column::TIMESTAMP_NS],
            Table::Spans => return None,
        };
        // All columns up to these are leaves, so fields are leaf columns.
        let columns = names.iter().filter_map(|name| self.schema.index_of(name).ok());
        let sorting = |column| SortingColumn {
            column_idx: column as i32,
            descending: false,
            nulls_first: true,
        };
        Some(columns.map(sorting).collect())
    }
}

/// Returns the type in which the writer is given a promoted attribute.
fn stored_type(key: &PromotedKey) -> DataType {
    let kind = key.kind.data_type();
    if kind == text_type() { DataType::Utf8 } else { kind }
}

/// Returns the field ids that columns of a table have.
pub(crate) fn ids(table: Table) -> HashSet<i32> {
    let mut ids = HashSet::default();
    for field in table.schema().fields() {
        collect_ids(&with_ids(field, field.name()), &mut ids);
    }
    ids.extend([column::PARENT_BACK, column::SUBTREE].map(field_id));
    ids
}

fn collect_ids(field: &Field, ids: &mut HashSet<i32>) {
    let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY);
    ids.extend(id.and_then(|id| id.parse::<i32>().ok()));
    match field.data_type() {
        DataType::List(inner) | DataType::Map(inner, _) => collect_ids(inner, ids),
        DataType::Struct(fields) => fields.iter().for_each(|field| collect_ids(field, ids)),
        _ => {}
    }
}

/// Gives a field and all in it their ids.
fn with_ids(field: &Field, path: &str) -> Field {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), field_id(path).to_string());
    let inner = |fields: &Fields, path: &str| -> Fields {
        fields.iter().map(|f| with_ids(f, &format!("{path}.{}", f.name()))).collect()
    };
    let kind = match field.data_type() {
        DataType::List(item) => {
            let path = format!("{path}.list.{}", item.name());
            DataType::List(Arc::new(with_ids(item, &path)))
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(fields) => {
                let fields = inner(fields, &format!("{path}.{}", entries.name()));
                let entries = Field::new(entries.name(), DataType::Struct(fields), false);
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => field.data_type().clone(),
        },
        DataType::Struct(fields) => DataType::Struct(inner(fields, path)),
        other => other.clone(),
    };
    Field::new(field.name(), kind, field.is_nullable()).with_metadata([id].into())
}
