//! What a scan does with the rows of a part: filters in their order, then the answer's columns.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{ArrowPredicate, ArrowPredicateFn};
use tarn_model::error::{Error, Result};

use super::layout::{Layout, Shape};
use super::{RowScan, RowTest, ScanStats};
use crate::block::reader::OpenBlock;

/// A scan, laid out over one part.
#[derive(Debug)]
pub(super) struct Work {
    output: Layout,
    filters: Vec<Arc<Filter>>,
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
        let filters: Result<Vec<_>> = filters.collect();
        Ok(Self { output: Layout::new(shape, &scan.columns)?, filters: filters? })
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
        let mut needed = BTreeSet::new();
        self.output.needs(&mut needed);
        self.filters.iter().for_each(|filter| filter.layout.needs(&mut needed));
        let schema = rows.schema();
        let fields = schema.fields().iter().enumerate();
        let wanted = fields.filter(|(_, f)| needed.contains(f.name())).map(|(at, _)| at);
        rows.project(&wanted.collect::<Vec<_>>())
            .map_err(|e| Error::internal("choose columns").with_source(e))
    }

    /// Makes the filters for the decoder of a block.
    pub(super) fn predicates(
        &self,
        block: &OpenBlock,
        stats: &Arc<ScanStats>,
        failure: &Failure,
    ) -> Vec<Box<dyn ArrowPredicate>> {
        let predicates = self.filters.iter().enumerate().map(|(at, filter)| {
            let mut needed = BTreeSet::new();
            filter.layout.needs(&mut needed);
            let mask = block.mask(&needed.into_iter().collect::<Vec<_>>());
            let (filter, stats) = (Arc::clone(filter), Arc::clone(stats));
            let failure = failure.clone();
            let test = move |rows: RecordBatch| {
                if at == 0 {
                    ScanStats::add(&stats.rows_scanned, rows.num_rows() as u64);
                }
                filter.keep(&rows).map_err(|error| {
                    let told = arrow_schema::ArrowError::ComputeError(error.to_string());
                    failure.0.lock().get_or_insert(error);
                    told
                })
            };
            Box::new(ArrowPredicateFn::new(mask, test)) as Box<dyn ArrowPredicate>
        });
        predicates.collect()
    }
}
