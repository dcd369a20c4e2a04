//! Merges blocks of log records and of spans.
//!
//! Inputs are opened and asked which columns they have, which settles the columns of the outputs
//! ([`form`]). Log records are one walk along all inputs, which are sorted alike ([`logs`]); spans
//! need to know the start of every trace first ([`spans`]). Rows come out of an input with all their
//! attributes in one map ([`input`], [`whole`]), as a flush has them, and go through the same writer
//! as a flush's, so a row is the same wherever an input kept its attributes. What belongs in
//! different blocks (days, retention classes, ranges of hours) is told apart by [`groups`]; outputs
//! are named, cut and handed over by [`output`].

use std::sync::Arc;

use futures::future::try_join_all;
use tarn_model::error::{Error, Result};

use crate::compact::classes::Classes;
use crate::compact::merge::{MergeContext, MergeJob};
use crate::schema::tables::Table;
use form::RowForm;
use input::Input;

mod form;
mod groups;
mod input;
mod logs;
mod output;
mod spans;
mod whole;

/// The partition of rows of older days; a merge takes it apart.
const LATE: &str = "late";

/// One merge under way.
struct Merging<'a> {
    table: Table,
    job: &'a MergeJob,
    context: &'a MergeContext<'a>,
    classes: Classes,
    inputs: Vec<Arc<Input>>,
    form: RowForm,
}

/// Returns whether blocks of a kind hold rows of a table.
pub(crate) fn is_kind(kind: &str) -> bool {
    table_of(kind).is_some()
}

fn table_of(kind: &str) -> Option<Table> {
    [Table::Logs, Table::Spans].into_iter().find(|table| table.as_str() == kind)
}

/// Merges the inputs of a job.
///
/// # Errors
/// As [`merge`](super::merge::merge).
pub(crate) async fn merge(job: &MergeJob, context: &MergeContext<'_>) -> Result<()> {
    let table = [Table::Logs, Table::Spans].into_iter().find(|table| table.as_str() == job.kind);
    let table =
        table.ok_or_else(|| Error::internal(format!("blocks of kind {} are no rows", job.kind)))?;
    let opening = job.inputs.iter().zip(&job.erased);
    let opening = opening.map(|(meta, erased)| Input::open(context, table, meta, erased));
    let inputs: Vec<Arc<Input>> = try_join_all(opening).await?;
    if inputs.is_empty() {
        return Ok(());
    }
    let classes = Classes::new(context.retention, &job.tenant, job.signal);
    let form = form::choose(table, job, context, &inputs).await?;
    let merging = Merging { table, job, context, classes, inputs, form };
    match table {
        Table::Logs => logs::merge(&merging).await,
        Table::Spans => spans::merge(&merging).await,
    }
}

impl Merging<'_> {
    fn input_bytes(&self) -> u64 {
        self.job.inputs.iter().map(|meta| meta.bytes).sum()
    }

    fn input_rows(&self) -> u64 {
        self.job.inputs.iter().map(|meta| meta.rows).sum()
    }
}
