//! Which rows of logs and spans satisfy matchers.
//!
//! A matcher named `service_name` is about the column, any other about an attribute of the row, or,
//! where the row has none of that name, of its resource. Columns of texts are dictionaries, so a
//! matcher is evaluated once per distinct text; the JSON of a resource is read once per batch.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, RecordBatch};
use tarn_model::error::{Error, Result};
use tarn_model::matcher::Matcher;

use super::Classes;
use crate::any_value::{self, Origin};
use crate::schema::tables::column;

impl Classes {
    /// Returns the class of each row of a batch, which has the schema of its table.
    ///
    /// # Errors
    /// `Internal` where it has another schema.
    pub(crate) fn of_rows(&self, batch: &RecordBatch) -> Result<Vec<u16>> {
        let none = self.classes.len() as u16;
        let mut classes = vec![none; batch.num_rows()];
        for (number, class) in self.classes.iter().enumerate() {
            for rule in &class.rules {
                let satisfied = satisfying(batch, rule)?;
                for (class, _) in classes.iter_mut().zip(satisfied).filter(|(_, is)| *is) {
                    *class = (*class).min(number as u16);
                }
            }
        }
        Ok(classes)
    }
}

/// Returns which rows of a batch, which has the schema of its table, satisfy all matchers.
///
/// # Errors
/// `Internal` where it has another schema.
pub(crate) fn satisfying(batch: &RecordBatch, matchers: &[Matcher]) -> Result<Vec<bool>> {
    let mut all = vec![true; batch.num_rows()];
    for matcher in matchers {
        let satisfied = match &*matcher.name {
            column::SERVICE_NAME => by_text(texts(batch, column::SERVICE_NAME)?, |text| {
                matcher.matches(text.unwrap_or(""))
            }),
            _ => by_attribute(batch, matcher)?,
        };
        all.iter_mut().zip(satisfied).for_each(|(all, one)| *all &= one);
    }
    Ok(all)
}

type Texts = DictionaryArray<Int32Type>;

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Texts> {
    let column = batch.column_by_name(name).and_then(|c| c.as_dictionary_opt());
    column.ok_or_else(|| Error::internal(format!("{name} of a table is not a column of texts")))
}

fn by_text(column: &Texts, verdict: impl Fn(Option<&str>) -> bool) -> Vec<bool> {
    let values = column.values().as_string::<i32>();
    // Dictionaries may be larger than the batch: only what is used is looked at.
    let mut known: Vec<Option<bool>> = vec![None; values.len()];
    let absent = verdict(None);
    let each = column.keys_iter().map(|key| match key {
        None => absent,
        Some(key) => *known[key].get_or_insert_with(|| verdict(Some(values.value(key)))),
    });
    each.collect()
}

fn by_attribute(batch: &RecordBatch, matcher: &Matcher) -> Result<Vec<bool>> {
    let mut satisfied = by_text(texts(batch, column::RESOURCE)?, |json| {
        matcher.matches(&json.and_then(|json| of_resource(json, &matcher.name)).unwrap_or_default())
    });
    let wrong = || Error::internal("attributes of a table are not a map of texts");
    let map = batch.column_by_name(column::ATTRIBUTES).and_then(|c| c.as_map_opt());
    let map = map.ok_or_else(wrong)?;
    let keys = map.keys().as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
    let values = map.values().as_string_opt::<i32>().ok_or_else(wrong)?;
    let names = keys.values().as_string_opt::<i32>().ok_or_else(wrong)?;
    let is_meant: Vec<bool> = names.iter().map(|name| name == Some(&*matcher.name)).collect();
    if !is_meant.contains(&true) {
        return Ok(satisfied);
    }
    for (row, window) in map.value_offsets().windows(2).enumerate() {
        // Of a key that repeats, the last value counts.
        let entries = window[0] as usize..window[1] as usize;
        let meant = entries.rev().find(|entry| {
            keys.key(*entry).and_then(|key| is_meant.get(key)).is_some_and(|meant| *meant)
        });
        if let Some(entry) = meant {
            let value = if values.is_valid(entry) { values.value(entry) } else { "" };
            satisfied[row] = matcher.matches(value);
        }
    }
    Ok(satisfied)
}

/// Returns an attribute of a resource as text. A resource that cannot be read has none.
fn of_resource(json: &str, key: &str) -> Option<String> {
    let origin = Origin::from_json(json).ok()?;
    let value = origin.attributes.into_iter().rev().find(|(name, _)| name == key);
    value.map(|(_, value)| any_value::to_text(&value))
}
