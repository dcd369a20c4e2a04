//! Which columns the outputs of a merge have: those that some input has, and attributes by how many
//! rows of all inputs have them.
//!
//! How many rows have an attribute that is a column the catalog knows, so no row is read for it: what
//! is no column in any input is on fewer rows than would get it one. Only for keys that queries ask for and that are
//! no column yet the maps are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use tarn_model::attributes::ValueKind;
use tarn_model::error::Result;

use super::input::{Input, Reading, Wanted};
use crate::block::promote::{self, ASKED_MAX, KeyUse, PromotedKey, Wishes, value_kind};
use crate::block::rows::{Form, field_ids};
use crate::compact::merge::{MergeContext, MergeJob};
use crate::schema::tables::{Promoted, Table, column};

/// The columns of all outputs.
#[derive(Debug)]
pub(super) struct RowForm {
    table: Table,
    promoted: Vec<PromotedKey>,
    present: Vec<bool>,
    level: u8,
}

impl RowForm {
    /// Returns the form of an output of about so many bytes.
    pub(super) fn of(&self, bytes: u64) -> Form {
        Form {
            table: self.table,
            promoted: self.promoted.clone(),
            present: self.present.clone(),
            level: self.level,
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }
}

/// Decides on the columns.
///
/// # Errors
/// As [`Reading::next`].
pub(super) async fn choose(
    table: Table,
    job: &MergeJob,
    context: &MergeContext<'_>,
    inputs: &[Arc<Input>],
) -> Result<RowForm> {
    let mut uses: BTreeMap<String, KeyUse> = BTreeMap::new();
    let known = table.schema();
    for input in inputs {
        for field in input.block.schema().fields() {
            let Some((kind, key)) = Promoted::parse(field.name()) else { continue };
            if known.field_with_name(field.name()).is_err() {
                let told = input.block.meta.attributes.iter().find(|own| own.name == *field.name());
                let told = told.map_or(0, |own| own.rows);
                // Blocks of the first version have it in their footers.
                let count = if told > 0 { told } else { input.block.values_in(field.name()) };
                let of_key = uses.entry(key.to_owned()).or_default();
                of_key.kinds[value_kind(kind) as usize] += count;
            }
        }
    }
    let asked = context.usage.keys(&job.tenant, job.signal, ASKED_MAX);
    let missing: Vec<&String> = asked.iter().filter(|key| !uses.contains_key(*key)).collect();
    if !missing.is_empty() {
        for (key, counted) in count(context, inputs, &missing).await? {
            uses.insert(key, counted);
        }
    }
    let rows: u64 = inputs.iter().map(|input| u64::from(input.rows())).sum();
    let keys: Vec<(&str, KeyUse)> = uses.iter().map(|(key, uses)| (key.as_str(), *uses)).collect();
    let wishes = Wishes { asked: &asked, kept: true };
    let promoted = promote::choose(&keys, rows, field_ids(table), wishes);
    // A number that goes back to the map brings its kind along.
    let is_column = |kind: Promoted, key: &str| {
        kind == Promoted::Text || promoted.iter().any(|p| p.key == key && p.kind == kind)
    };
    let gives_kinds = |input: &Arc<Input>| {
        let fields = input.block.schema().fields().iter();
        let mut own = fields.filter_map(|field| Promoted::parse(field.name()));
        own.any(|(kind, key)| !is_column(kind, key))
    };
    let present = known.fields().iter().map(|field| match field.name().as_str() {
        // Found by ordering.
        column::PROBLEMS => true,
        column::ATTRIBUTE_KINDS if inputs.iter().any(gives_kinds) => true,
        name => inputs.iter().any(|input| input.has(name)),
    });
    let present = present.collect();
    Ok(RowForm { table, promoted, present, level: job.level })
}

/// Counts keys in the maps of all rows.
async fn count(
    context: &MergeContext<'_>,
    inputs: &[Arc<Input>],
    keys: &[&String],
) -> Result<BTreeMap<String, KeyUse>> {
    let mut counts = BTreeMap::new();
    for input in inputs {
        let all = 0..input.rows();
        let wanted = Wanted {
            rows: &[all],
            columns: Some(&[column::ATTRIBUTES, column::ATTRIBUTE_KINDS]),
            leave_out: false,
        };
        let mut reading = Reading::begin(context, input, 1, &wanted);
        while let Some(batch) = reading.next(context).await? {
            add(&batch, keys, &mut counts);
        }
    }
    Ok(counts)
}

fn add(batch: &RecordBatch, wanted: &[&String], counts: &mut BTreeMap<String, KeyUse>) {
    let map = batch.column_by_name(column::ATTRIBUTES).and_then(|array| array.as_map_opt());
    let Some(map) = map else { return };
    let Some(keys) = map.keys().as_dictionary_opt::<Int32Type>() else { return };
    let names = keys.values().as_string::<i32>();
    let is_wanted: Vec<bool> =
        names.iter().map(|name| wanted.iter().any(|w| name == Some(w.as_str()))).collect();
    if !is_wanted.contains(&true) {
        return;
    }
    let kinds = batch.column_by_name(column::ATTRIBUTE_KINDS);
    let kinds = kinds.and_then(|array| array.as_binary_opt::<i32>());
    for (row, window) in map.value_offsets().windows(2).enumerate() {
        let told = kinds.filter(|kinds| kinds.is_valid(row)).map(|kinds| kinds.value(row));
        for (i, entry) in (window[0] as usize..window[1] as usize).enumerate() {
            let Some(key) = keys.key(entry).filter(|key| is_wanted[*key]) else { continue };
            let kind = told.and_then(|told| told.get(i)).copied();
            let kind = usize::from(kind.unwrap_or(ValueKind::Text as u8));
            let uses: &mut KeyUse = counts.entry(names.value(key).to_owned()).or_default();
            if let Some(count) = uses.kinds.get_mut(kind) {
                *count += 1;
            }
        }
    }
}
