//! Rows of logs and spans: what a scan asks for, and the parts that answer it.
//!
//! A scan names *logical* columns: those of the table, promoted attributes by their full name, or an
//! attribute by its key, wherever a block keeps it. It is answered by parts (a block, or the batches
//! of a head generation), each read on its own, by whatever thread. Pruning only ever leaves out
//! what cannot match; [`RowFilter`]s are exact, and run before the other columns are decoded.
//!
//! - [`plan`]: which parts there are
//! - [`head`], [`block`]: how they are read
//! - [`layout`], [`attributes`]: logical columns from those of a part; [`work`]: filters

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::stream::{self, BoxStream};
use tarn_model::error::{Error, Result};

use crate::block::BlockMeta;
use crate::block::reader::Blocks;
use crate::head::tables::TableBatch;
use crate::schema::tables::{Promoted, Table, attributes_type, column, text_type};

mod attributes;
mod block;
mod head;
mod layout;
mod plan;
mod work;

pub(crate) use attributes::own_texts;
use block::Share;
use head::HeadRows;
pub(crate) use layout::{Layout, Shape};

/// Rows of one batch at most.
pub const BATCH_ROWS: usize = 8192;

/// A column as a query sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowColumn {
    /// A column of the table, or a promoted attribute by its full name (`ai_http.status`); NULL in
    /// parts that do not have it.
    Stored(Arc<str>),
    /// An attribute by its key, as text, wherever it is kept; NULL where the row does not have it.
    Attribute(Arc<str>),
    /// All attributes of the row, promoted ones included, as text.
    Attributes,
    /// The kinds of [`RowColumn::Attributes`], entry by entry; NULL where all are text.
    AttributeKinds,
}

impl RowColumn {
    /// Returns the type in the batches of a scan; `None` where the table has no such column.
    pub fn data_type(&self, table: Table) -> Option<DataType> {
        match self {
            Self::Attribute(_) => Some(text_type()),
            Self::Attributes => Some(attributes_type()),
            Self::AttributeKinds => Some(DataType::Binary),
            Self::Stored(name) => match (&**name, Promoted::parse(name)) {
                (column::PARENT_BACK | column::SUBTREE, _) if table == Table::Spans => {
                    Some(DataType::Int32)
                }
                (_, Some((kind, _))) => Some(kind.data_type()),
                (name, None) => {
                    table.schema().field_with_name(name).ok().map(|f| f.data_type().clone())
                }
            },
        }
    }
}

/// What cannot match is not read. Bounds hold before filters do, and are no substitute for them.
#[derive(Debug, Clone)]
pub struct RowPrune {
    /// Earliest time, µs, inclusive.
    pub start_us: i64,
    /// Latest time, µs, inclusive.
    pub end_us: i64,
    /// Only these services; `None` = all.
    pub services: Option<Vec<String>>,
    /// Logs: only severity numbers in this range, inclusive; `None` = all, those without one too.
    pub severity: Option<(i32, i32)>,
    /// Spans: only these kinds.
    pub kinds: Option<Vec<i32>>,
    /// Spans: only these status codes.
    pub statuses: Option<Vec<i32>>,
    /// Spans: only these names.
    pub names: Option<Vec<String>>,
    /// Only these traces: answered from the index of trace ids.
    pub trace_ids: Option<Vec<[u8; 16]>>,
}

impl Default for RowPrune {
    fn default() -> Self {
        Self {
            start_us: i64::MIN,
            end_us: i64::MAX,
            services: None,
            severity: None,
            kinds: None,
            statuses: None,
            names: None,
            trace_ids: None,
        }
    }
}

/// Decides about rows by some of their columns.
pub trait RowTest: fmt::Debug + Send + Sync {
    /// Returns which rows stay; NULL is no. The batch has the columns of the filter, in their
    /// order.
    ///
    /// # Errors
    /// What went wrong; the scan ends with it.
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray>;
}

/// An exact condition. A scan runs its filters in the order given and decodes the columns of each
/// only for rows that passed the ones before.
#[derive(Debug, Clone)]
pub struct RowFilter {
    /// What the test reads.
    pub columns: Vec<RowColumn>,
    /// The test.
    pub test: Arc<dyn RowTest>,
}

/// A question for rows.
#[derive(Debug, Clone)]
pub struct RowScan {
    /// Which table.
    pub table: Table,
    /// Columns of the answer, in their order; may be empty, then only rows are counted.
    pub columns: Vec<RowColumn>,
    /// What need not be read.
    pub prune: RowPrune,
    /// All must hold.
    pub filters: Vec<RowFilter>,
    /// In which order parts come, and row ranges inside a part, as far as their order allows.
    pub order: RowOrder,
    /// Rows before this time (µs) are not needed any more, and need not be delivered; may rise while
    /// the scan runs.
    pub floor_us: Arc<AtomicI64>,
    /// Rows after this time (µs) are not needed any more either; may fall while the scan runs.
    pub ceiling_us: Arc<AtomicI64>,
}

/// What is read first. Rows of one batch go forward in time, as far as they were kept so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowOrder {
    /// Whatever is nearest: for those who want all rows.
    #[default]
    Any,
    /// The latest rows.
    NewestFirst,
    /// The earliest rows.
    OldestFirst,
}

impl RowScan {
    /// Makes a scan of a table without bounds.
    pub fn new(table: Table, columns: Vec<RowColumn>) -> Self {
        Self {
            table,
            columns,
            prune: RowPrune::default(),
            filters: Vec::new(),
            order: RowOrder::Any,
            floor_us: Arc::new(AtomicI64::new(i64::MIN)),
            ceiling_us: Arc::new(AtomicI64::new(i64::MAX)),
        }
    }

    /// Returns between which times rows are still needed, µs, both included.
    fn needed_us(&self) -> (i64, i64) {
        (self.floor_us.load(Ordering::Relaxed), self.ceiling_us.load(Ordering::Relaxed))
    }

    /// Returns whether rows between two times may still be needed.
    fn needs(&self, time_min_us: i64, time_max_us: i64) -> bool {
        let (floor, ceiling) = self.needed_us();
        time_max_us >= floor && time_min_us <= ceiling
    }

    /// Returns the schema of the answer's batches. Columns are named as stored, attributes
    /// `attributes['key']`.
    ///
    /// # Errors
    /// `Invalid` where the table has no such column.
    pub fn schema(&self) -> Result<SchemaRef> {
        let fields: Result<Vec<Field>> =
            self.columns.iter().map(|c| field(self.table, c)).collect();
        Ok(Arc::new(Schema::new(fields?)))
    }
}

/// Returns the field of a column in the answer's batches.
///
/// # Errors
/// `Invalid` where the table has no such column.
pub fn field(table: Table, column: &RowColumn) -> Result<Field> {
    let name = match column {
        RowColumn::Stored(name) => name.to_string(),
        RowColumn::Attribute(key) => format!("attributes['{key}']"),
        RowColumn::Attributes => column::ATTRIBUTES.to_owned(),
        RowColumn::AttributeKinds => column::ATTRIBUTE_KINDS.to_owned(),
    };
    let kind = column.data_type(table);
    let kind = kind
        .ok_or_else(|| Error::invalid(format!("table {} has no column {name}", table.as_str())))?;
    Ok(Field::new(name, kind, true))
}

/// What a scan has cost so far.
#[derive(Debug, Default)]
pub struct ScanStats {
    /// Blocks that may hold rows.
    pub blocks: AtomicU64,
    /// Blocks left out by what the catalog knows.
    pub blocks_pruned: AtomicU64,
    /// Pages of row ranges that were read (8,192 rows of all columns asked for).
    pub pages: AtomicU64,
    /// Such pages left out by statistics or index.
    pub pages_pruned: AtomicU64,
    /// Bytes read from the store, regions rounded out.
    pub bytes: AtomicU64,
    /// Reads from the store.
    pub reads: AtomicU64,
    /// Rows that the filters looked at.
    pub rows_scanned: AtomicU64,
    /// Rows delivered.
    pub rows: AtomicU64,
}

impl ScanStats {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// The answer to a scan: parts to be read, in the order in which they are best read.
#[derive(Debug)]
pub struct RowSource {
    /// The parts.
    pub parts: Vec<RowPart>,
    /// What reading them costs; shared by all parts.
    pub stats: Arc<ScanStats>,
}

/// Rows that are read in one go.
#[derive(Debug)]
pub struct RowPart {
    /// Rows before filters, about.
    pub rows: u64,
    /// Earliest time, µs.
    pub time_min_us: i64,
    /// Latest time, µs.
    pub time_max_us: i64,
    place: Place,
    scan: Arc<RowScan>,
    stats: Arc<ScanStats>,
}

/// Where the rows of a part are.
#[derive(Debug)]
enum Place {
    Head(Vec<Arc<TableBatch>>),
    Block { blocks: Arc<Blocks>, meta: Arc<BlockMeta>, share: Share },
}

impl RowPart {
    /// Returns whether rows of the part may still be needed: what the scan's floor and ceiling say now.
    pub fn is_needed(&self) -> bool {
        self.scan.needs(self.time_min_us, self.time_max_us)
    }

    /// Reads the part: batches in the scan's schema, of at most [`BATCH_ROWS`] rows. Dropping the
    /// stream ends the work.
    ///
    /// # Errors
    /// In the stream: `Corrupt`, `Unavailable`, `LimitExceeded` where attributes are asked for as a
    /// whole and are far too large, or what a filter said.
    pub fn read(self) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { place, scan, stats, .. } = self;
        match place {
            Place::Head(batches) => match HeadRows::new(scan, stats, batches) {
                Ok(rows) => Box::pin(stream::iter(rows)),
                Err(error) => Box::pin(stream::once(std::future::ready(Err(error)))),
            },
            Place::Block { blocks, meta, share } => block::read(blocks, meta, share, scan, stats),
        }
    }
}

/// What columns there are beside those that the table always has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSchema {
    /// Full names of promoted attributes over all blocks of the time range, sorted.
    pub promoted: Vec<String>,
    /// Rows of these blocks and of the head.
    pub rows: u64,
}
