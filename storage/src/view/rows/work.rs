//! What a scan does with the rows of a part: filters in their order, then the answer's columns.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{ArrowPredicate, ArrowPredicateFn};
use tarn_model::error::{Error, Result};

use super::layout::{Layout, Shape};
use super::{RowOrder, RowScan, RowTest, ScanStats};
use crate::block::reader::OpenBlock;

/// A scan, laid out over one part.
#[derive(Debug)]
pub(super) struct Work {
    output: Layout,
    filters: Vec<Arc<Filter>>,
    /// Columns of the part that anything needs.
    all: BTreeSet<String>,
}

#[derive(Debug)]
struct Filter {
    layout: Layout,
    test: Arc<dyn RowTest>,
}

impl Filter {
    fn keep(&self, rows: &RecordBatch) -> Result<BooleanArray> {
        let keep = self.test.test(&self.layout.make(rows)?)?;
        if keep.len() == rows.num_rows() {
            return Ok(keep);
        }
        let message = format!("a filter decided {} of {} rows", keep.len(), rows.num_rows());
        Err(Error::internal(message))
    }
}

/// Why a filter gave up: the decoder between it and us knows other errors than ours.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<Error>>>);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.0.lock().is_some()).finish()
    }
}

impl Failure {
    /// Returns what went wrong in a filter, else `error`.
    pub(super) fn or(&self, error: Error) -> Error {
        self.0.lock().take().unwrap_or(error)
    }
}

impl Work {
    /// Lays out a scan.
    ///
    /// # Errors
    /// `Invalid` where the table has no such column.
    pub(super) fn new(scan: &RowScan, shape: &Shape) -> Result<Self> {
        let filters = scan.filters.iter().map(|filter| {
            let layout = Layout::new(shape, &filter.columns)?;
            Ok(Arc::new(Filter { layout, test: Arc::clone(&filter.test) }))
        });
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let output = Layout::new(shape, &scan.columns)?;
        let mut all = BTreeSet::new();
        output.needs(&mut all);
        filters.iter().for_each(|filter: &Arc<Filter>| filter.layout.needs(&mut all));
        Ok(Self { output, filters, all })
    }

    /// Returns the columns of the part that the answer needs.
    pub(super) fn needs(&self) -> Vec<String> {
        let mut needed = BTreeSet::new();
        self.output.needs(&mut needed);
        needed.into_iter().collect()
    }

    /// Returns whether there are no filters.
    pub(super) fn takes_all(&self) -> bool {
        self.filters.is_empty()
    }

    /// Makes the answer's columns of rows that passed.
    ///
    /// # Errors
    /// As [`Layout::make`].
    pub(super) fn finish(&self, rows: &RecordBatch, stats: &ScanStats) -> Result<RecordBatch> {
        ScanStats::add(&stats.rows, rows.num_rows() as u64);
        self.output.make(rows)
    }

    /// Filters rows in memory; `None` where none passes.
    ///
    /// # Errors
    /// As [`Layout::make`], or what a filter said.
    pub(super) fn run(&self, rows: &RecordBatch, stats: &ScanStats) -> Result<Option<RecordBatch>> {
        ScanStats::add(&stats.rows_scanned, rows.num_rows() as u64);
        let mut rows = self.project(rows)?;
        for filter in &self.filters {
            let keep = filter.keep(&rows)?;
            match keep.true_count() {
                0 => return Ok(None),
                all if all == rows.num_rows() => {}
                _ => {
                    rows = filter_record_batch(&rows, &keep)
                        .map_err(|e| Error::internal("take rows that pass").with_source(e))?;
                }
            }
        }
        self.finish(&rows, stats).map(Some)
    }

    /// Leaves out columns that nobody asks for, so that they are not filtered along.
    fn project(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let schema = rows.schema();
        let fields = schema.fields().iter().enumerate();
        let wanted = fields.filter(|(_, f)| self.all.contains(f.name())).map(|(at, _)| at);
        rows.project(&wanted.collect::<Vec<_>>())
            .map_err(|e| Error::internal("choose columns").with_source(e))
    }

    /// Makes the filters for the decoder of a block. In an order of time, rows beyond the floor and the
    /// ceiling of the moment at which they are decoded go before all others: their other columns are
    /// not worth decoding.
    pub(super) fn predicates(
        &self,
        block: &OpenBlock,
        scan: &RowScan,
        stats: &Arc<ScanStats>,
        failure: &Failure,
    ) -> Vec<Box<dyn ArrowPredicate>> {
        let mut predicates: Vec<Box<dyn ArrowPredicate>> = Vec::new();
        if scan.order != RowOrder::Any {
            let mask = block.mask(&[scan.table.time_column().to_owned()]);
            let (floor, ceiling) = (Arc::clone(&scan.floor_us), Arc::clone(&scan.ceiling_us));
            predicates.push(Box::new(ArrowPredicateFn::new(mask, move |rows| {
                let needed = floor.load(Ordering::Relaxed)..=ceiling.load(Ordering::Relaxed);
                within(&rows, &needed)
            })));
        }
        for (at, filter) in self.filters.iter().enumerate() {
            let mut needed = BTreeSet::new();
            filter.layout.needs(&mut needed);
            let mask = block.mask(&needed.into_iter().collect::<Vec<_>>());
            let (filter, stats) = (Arc::clone(filter), Arc::clone(stats));
            let failure = failure.clone();
            predicates.push(Box::new(ArrowPredicateFn::new(mask, move |rows: RecordBatch| {
                if at == 0 {
                    ScanStats::add(&stats.rows_scanned, rows.num_rows() as u64);
                }
                filter.keep(&rows).map_err(|error| {
                    let told = ArrowError::ComputeError(error.to_string());
                    failure.0.lock().get_or_insert(error);
                    told
                })
            })));
        }
        predicates
    }
}

/// Returns which rows are of a range of times.
fn within(rows: &RecordBatch, range_us: &RangeInclusive<i64>) -> Result<BooleanArray, ArrowError> {
    let times = rows
        .columns()
        .first()
        .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| ArrowError::ComputeError("times of rows are no timestamps".to_owned()))?;
    Ok(BooleanArray::from_unary(times, |time| range_us.contains(&time)))
}
