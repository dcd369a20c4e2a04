//! Which log records and spans a tombstone means.
//!
//! A matcher is about the column of its name, if it is one of texts, numbers or ids: ids are written
//! in hex. Any other name is that of an attribute of the row or, where the row has none of that
//! name, of its resource; `service.name` is the column `service_name`. What a row lacks is `""`.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use tarn_model::error::{Error, Result};
use tarn_model::matcher::Matcher;

use super::Compiled;
use crate::any_value::{self, Origin};
use crate::schema::tables::{Table, column};
use crate::view::rows::{Layout, RowColumn, RowFilter, RowTest, Shape};

/// The attribute that has a column of its own.
const SERVICE_ATTRIBUTE: &str = "service.name";

/// Makes the condition that rows satisfy which no tombstone means.
pub(super) fn filter(table: Table, tombstones: &[Compiled]) -> RowFilter {
    let mut columns = Vec::new();
    let time = place(&mut columns, RowColumn::Stored(table.time_column().into()));
    let conditions = tombstones.iter().map(|tombstone| {
        let fields = tombstone.matchers.iter();
        let fields = fields.map(|matcher| (field(table, matcher, &mut columns), matcher.clone()));
        Condition { fields: fields.collect(), range: tombstone.range }
    });
    let conditions = conditions.collect();
    RowFilter { columns, test: Arc::new(NotErased { time, conditions }) }
}

/// Runs the condition over a batch that has the schema of its table.
pub(super) fn kept(table: Table, filter: &RowFilter, batch: &RecordBatch) -> Result<BooleanArray> {
    let layout = Layout::new(&Shape::head(table), &filter.columns)?;
    filter.test.test(&layout.make(batch)?)
}

/// Returns the place of a column among those that the test reads.
fn place(columns: &mut Vec<RowColumn>, column: RowColumn) -> usize {
    columns.iter().position(|known| *known == column).unwrap_or_else(|| {
        columns.push(column);
        columns.len() - 1
    })
}

fn field(table: Table, matcher: &Matcher, columns: &mut Vec<RowColumn>) -> Field {
    let name = match &*matcher.name {
        SERVICE_ATTRIBUTE => column::SERVICE_NAME,
        name => name,
    };
    let schema = table.schema();
    let own = schema.field_with_name(name).ok();
    if own.is_some_and(|own| is_comparable(own.data_type())) {
        return Field::Column(place(columns, RowColumn::Stored(name.into())));
    }
    let row = place(columns, RowColumn::Attribute(name.into()));
    let resource = place(columns, RowColumn::Stored(column::RESOURCE.into()));
    Field::Attribute { row, resource }
}

fn is_comparable(kind: &DataType) -> bool {
    use DataType::{Dictionary, FixedSizeBinary, Int32, Int64, Utf8};
    matches!(kind, Dictionary(..) | FixedSizeBinary(_) | Int32 | Int64 | Utf8)
}

/// Where the value of a matcher is: places among the columns of the test.
#[derive(Debug)]
enum Field {
    Column(usize),
    Attribute { row: usize, resource: usize },
}

/// One tombstone.
struct Condition {
    fields: Vec<(Field, Matcher)>,
    range: tarn_model::time::TimeRange,
}

struct NotErased {
    time: usize,
    conditions: Vec<Condition>,
}

impl fmt::Debug for NotErased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotErased").field("tombstones", &self.conditions.len()).finish()
    }
}

impl RowTest for NotErased {
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let mut kept = vec![true; batch.num_rows()];
        for condition in &self.conditions {
            let erased = condition.erased(batch, self.time)?;
            kept.iter_mut().zip(erased).for_each(|(kept, erased)| *kept &= !erased);
        }
        Ok(kept.into())
    }
}

impl Condition {
    fn erased(&self, batch: &RecordBatch, time: usize) -> Result<Vec<bool>> {
        let times = batch.column(time).as_primitive_opt::<TimestampMicrosecondType>();
        let times = times.ok_or_else(|| Error::internal("times of rows are no timestamps"))?;
        // Whole milliseconds, as the range is told in them.
        let inside = |time: &i64| self.range.contains(time.div_euclid(1000));
        let mut erased: Vec<bool> = times.values().iter().map(inside).collect();
        for (field, matcher) in &self.fields {
            if !erased.contains(&true) {
                break;
            }
            let satisfied = field.satisfied(batch, matcher)?;
            erased.iter_mut().zip(satisfied).for_each(|(erased, is)| *erased &= is);
        }
        Ok(erased)
    }
}

impl Field {
    fn satisfied(&self, batch: &RecordBatch, matcher: &Matcher) -> Result<Vec<bool>> {
        let matches = |text: Option<&str>| Some(matcher.matches(text.unwrap_or("")));
        let (row, resource) = match self {
            Self::Column(at) => return verdicts(batch.column(*at), matches).map(decided),
            Self::Attribute { row, resource } => (batch.column(*row), batch.column(*resource)),
        };
        let of_row = verdicts(row, |text| text.map(|text| matcher.matches(text)))?;
        if of_row.iter().all(Option::is_some) {
            return Ok(decided(of_row));
        }
        let of_resource = verdicts(resource, |json| {
            let value = json.and_then(|json| member(json, &matcher.name));
            Some(matcher.matches(value.as_deref().unwrap_or("")))
        })?;
        Ok(of_row.into_iter().zip(of_resource).map(|(a, b)| a.or(b) == Some(true)).collect())
    }
}

fn decided(verdicts: Vec<Option<bool>>) -> Vec<bool> {
    verdicts.into_iter().map(|verdict| verdict == Some(true)).collect()
}

/// Returns an attribute of a resource as text. A resource that cannot be read has none.
fn member(json: &str, key: &str) -> Option<String> {
    let origin = Origin::from_json(json).ok()?;
    let value = origin.attributes.into_iter().rev().find(|(name, _)| name == key);
    value.map(|(_, value)| any_value::to_text(&value))
}

/// Asks once per distinct text, and once per row of what is no dictionary.
fn verdicts(
    column: &ArrayRef,
    verdict: impl Fn(Option<&str>) -> Option<bool>,
) -> Result<Vec<Option<bool>>> {
    if let Some(texts) = column.as_dictionary_opt::<Int32Type>() {
        let values = texts.values().as_string_opt::<i32>().ok_or_else(|| strange(column))?;
        // Dictionaries may be larger than the batch: only what is used is looked at.
        let mut known: Vec<Option<Option<bool>>> = vec![None; values.len()];
        let absent = verdict(None);
        let each = texts.keys_iter().map(|key| match key {
            None => absent,
            Some(key) => *known[key].get_or_insert_with(|| verdict(Some(values.value(key)))),
        });
        return Ok(each.collect());
    }
    let each = |text: &dyn Fn(usize) -> String| {
        let one = |row| match column.is_valid(row) {
            true => verdict(Some(&text(row))),
            false => verdict(None),
        };
        (0..column.len()).map(one).collect()
    };
    if let Some(texts) = column.as_string_opt::<i32>() {
        Ok(texts.iter().map(verdict).collect())
    } else if let Some(numbers) = column.as_primitive_opt::<Int32Type>() {
        Ok(each(&|row| numbers.value(row).to_string()))
    } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        Ok(each(&|row| numbers.value(row).to_string()))
    } else if let Some(bytes) = column.as_fixed_size_binary_opt() {
        Ok(each(&|row| bytes.value(row).iter().map(|byte| format!("{byte:02x}")).collect()))
    } else if column.null_count() == column.len() {
        Ok(vec![verdict(None); column.len()])
    } else {
        Err(strange(column))
    }
}

fn strange(column: &ArrayRef) -> Error {
    Error::internal(format!("a column of {} cannot be matched", column.data_type()))
}
