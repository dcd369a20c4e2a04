//! Which columns a block has, with their types and field ids.
//!
//! The label names used most become columns, the rest goes into one map. Two names that differ only
//! in case clash in engines that ignore case, and two paths may share a field id: the less used
//! name goes into the map. Only types that every table format has are used, and no Arrow schema is
//! written: what a column is follows from Parquet alone.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use tarn_model::labels::METRIC_NAME;
use tarn_model::map::{HashMap, HashSet};

use crate::schema::{column, field_id, is_always_column, rank};

/// Label names with a column of their own, beside those that always have one. Each costs about
/// 180 bytes of footer and page index per row group.
const LABEL_COLUMNS_MAX: usize = 200;

/// Where the labels of a block are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelColumns {
    /// Names with a column, in the order in which series are compared.
    pub(crate) columns: Vec<Arc<str>>,
    /// Names that live in the map, sorted.
    pub(crate) in_map: Vec<Arc<str>>,
}

impl LabelColumns {
    /// Decides by how many series use each name.
    pub(crate) fn choose(used: &HashMap<Arc<str>, u64>) -> Self {
        let mut names: Vec<(&Arc<str>, u64)> =
            used.iter().filter(|(name, _)| &***name != METRIC_NAME).map(|(n, c)| (n, *c)).collect();
        names.sort_unstable_by_key(|(name, count)| {
            (!is_always_column(name), std::cmp::Reverse(*count), Arc::clone(name))
        });
        let mut taken_names = HashSet::default();
        let mut taken_ids: HashSet<i32> = FIXED.iter().map(|name| field_id(name)).collect();
        let mut chosen = Self::default();
        let mut free = LABEL_COLUMNS_MAX;
        for (name, _) in names {
            let always = is_always_column(name);
            let fits = (always || free > 0)
                && !taken_names.contains(&name.to_ascii_lowercase())
                && !taken_ids.contains(&field_id(&label_column(name)));
            if fits {
                free -= usize::from(!always);
                taken_names.insert(name.to_ascii_lowercase());
                taken_ids.insert(field_id(&label_column(name)));
                chosen.columns.push(Arc::clone(name));
            } else {
                chosen.in_map.push(Arc::clone(name));
            }
        }
        chosen.columns.sort_unstable_by(|a, b| rank(a).cmp(&rank(b)));
        chosen.in_map.sort_unstable();
        chosen
    }
}

/// Columns whose ids no label may have.
const FIXED: &[&str] = &[
    column::METRIC,
    column::LABELS_MORE,
    column::TYPE,
    column::UNIT,
    column::ROW_ID,
    column::TIMELINE,
    column::TS_OFFSET,
    column::N,
    column::TS_FIRST,
    column::TS_LAST,
    column::STALE,
    column::SCALE,
    column::TEMPORALITY,
    column::START_TS,
    column::START_RULE,
    column::START_LAG_MS,
    column::TS,
    column::VI,
    column::VF,
];

/// Returns the column of a label.
pub(crate) fn label_column(name: &str) -> String {
    format!("{}{name}", column::LABEL_PREFIX)
}

/// Optional columns that a block has values for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Present {
    pub(crate) unit: bool,
    pub(crate) starts: bool,
    pub(crate) start_lags: bool,
    pub(crate) int_histograms: bool,
    pub(crate) float_histograms: bool,
}

fn field(name: &str, kind: DataType, nullable: bool) -> Field {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), field_id(name).to_string());
    Field::new(name, kind, nullable).with_metadata([id].into())
}

fn nested(name: &str, path: &str, kind: DataType, nullable: bool) -> Field {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), field_id(path).to_string());
    Field::new(name, kind, nullable).with_metadata([id].into())
}

/// Returns the type of whole-millisecond times that carry statistics.
pub(crate) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the type of ticks.
pub(crate) fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// Returns a list column with required items.
pub(crate) fn list(name: &str, item: DataType) -> Field {
    let item = nested("element", &format!("{name}.list.element"), item, false);
    field(name, DataType::List(Arc::new(item)), true)
}

/// Returns the key and value fields of a map column of texts.
pub(crate) fn map_parts(name: &str) -> (Field, Field) {
    let part = |part: &str, nullable| {
        nested(part, &format!("{name}.key_value.{part}"), DataType::Utf8, nullable)
    };
    (part("key", false), part("value", true))
}

fn map(name: &str) -> Field {
    let (key, value) = map_parts(name);
    let entries = Fields::from(vec![key, value]);
    let entries = Field::new("key_value", DataType::Struct(entries), false);
    field(name, DataType::Map(Arc::new(entries), false), true)
}

fn label_fields(labels: &LabelColumns) -> Vec<Field> {
    let mut fields = vec![field(column::METRIC, DataType::Utf8, true)];
    fields.extend(labels.columns.iter().map(|n| field(&label_column(n), DataType::Utf8, true)));
    if !labels.in_map.is_empty() {
        fields.push(map(column::LABELS_MORE));
    }
    fields
}

/// Returns the schema of a block of slices.
pub(crate) fn slices(labels: &LabelColumns, present: Present) -> SchemaRef {
    let mut fields = label_fields(labels);
    let mut add = |on: bool, field: Field| fields.extend(on.then_some(field));
    let Present { unit, starts, start_lags, int_histograms, float_histograms } = present;
    let histograms = int_histograms || float_histograms;
    add(true, field(column::TYPE, DataType::Utf8, true));
    add(unit, field(column::UNIT, DataType::Utf8, true));
    add(true, field(column::ROW_ID, DataType::Int32, false));
    add(true, field(column::TIMELINE, DataType::Int32, true));
    add(true, field(column::TS_OFFSET, DataType::Int32, true));
    add(true, field(column::N, DataType::Int32, false));
    add(true, field(column::TS_FIRST, micros(), true));
    add(true, field(column::TS_LAST, micros(), true));
    add(true, field(column::STALE, DataType::Boolean, true));
    add(true, field(column::SCALE, DataType::Int32, true));
    add(starts, field(column::START_TS, micros(), true));
    add(starts, field(column::START_RULE, DataType::Int32, true));
    add(start_lags, list(column::START_LAG_MS, DataType::Int32));
    add(true, list(column::TS, millis()));
    add(true, list(column::VI, DataType::Int64));
    add(true, list(column::VF, DataType::Float64));
    add(histograms, field(column::H_SCHEMA, DataType::Int32, true));
    add(histograms, field(column::H_ZERO_THRESHOLD, DataType::Float64, true));
    add(histograms, list(column::H_BOUNDS, DataType::Float64));
    add(histograms, list(column::H_POS_INDEX, DataType::Int32));
    add(histograms, list(column::H_NEG_INDEX, DataType::Int32));
    add(histograms, field(column::H_GAUGE, DataType::Boolean, true));
    add(histograms, list(column::H_SUM, DataType::Float64));
    add(int_histograms, list(column::H_COUNT, DataType::Int64));
    add(int_histograms, list(column::H_ZERO, DataType::Int64));
    add(int_histograms, list(column::H_BUCKETS, DataType::Int64));
    add(float_histograms, list(column::H_COUNT_F, DataType::Float64));
    add(float_histograms, list(column::H_ZERO_F, DataType::Float64));
    add(float_histograms, list(column::H_BUCKETS_F, DataType::Float64));
    Arc::new(Schema::new(fields))
}

/// Returns the schema of a block of exemplars.
pub(crate) fn exemplars(labels: &LabelColumns) -> SchemaRef {
    let mut fields = label_fields(labels);
    fields.push(field(column::TS, micros(), false));
    fields.push(field(column::VALUE, DataType::Float64, false));
    fields.push(field(column::TRACE_ID, DataType::FixedSizeBinary(16), true));
    fields.push(field(column::SPAN_ID, DataType::FixedSizeBinary(8), true));
    fields.push(map(column::ATTRIBUTES));
    Arc::new(Schema::new(fields))
}

/// Returns the schema of a block of metric families.
pub(crate) fn families() -> SchemaRef {
    Arc::new(Schema::new(vec![
        field(column::METRIC, DataType::Utf8, false),
        field(column::TYPE, DataType::Utf8, true),
        field(column::UNIT, DataType::Utf8, true),
        field(column::HELP, DataType::Utf8, true),
        field(column::FIRST_SEEN, micros(), false),
        field(column::LAST_SEEN, micros(), false),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(used: &[(&str, u64)]) -> (Vec<String>, Vec<String>) {
        let used = used.iter().map(|(n, c)| (Arc::from(*n), *c)).collect();
        let LabelColumns { columns, in_map } = LabelColumns::choose(&used);
        let text = |names: Vec<Arc<str>>| names.iter().map(|n| n.to_string()).collect();
        (text(columns), text(in_map))
    }

    #[test]
    fn names_get_columns_by_use_and_order_by_class() {
        let (columns, in_map) =
            chosen(&[("__name__", 9), ("le", 1), ("zone", 5), ("pod", 1), ("job", 2), ("a", 9)]);
        assert_eq!(columns, ["job", "pod", "a", "zone", "le"]);
        assert!(in_map.is_empty());
    }

    #[test]
    fn the_less_used_of_two_spellings_goes_into_the_map() {
        let (columns, in_map) =
            chosen(&[("Zone", 1), ("zone", 2), ("ZONE", 1), ("Job", 99), ("job", 1)]);
        assert_eq!(columns, ["job", "zone"]);
        assert_eq!(in_map, ["Job", "ZONE", "Zone"]);
    }

    #[test]
    fn beyond_the_limit_names_go_into_the_map() {
        let names: Vec<String> = (0..205).map(|i| format!("x{i:03}")).collect();
        let mut used: Vec<(&str, u64)> = names.iter().map(|n| (n.as_str(), 1)).collect();
        used.push(("instance", 1));
        let (columns, in_map) = chosen(&used);
        assert_eq!(columns.len(), 201);
        assert_eq!(in_map, ["x200", "x201", "x202", "x203", "x204"]);
    }

    #[test]
    fn all_field_ids_of_a_block_differ() {
        let labels = LabelColumns { columns: vec!["job".into()], in_map: vec!["x".into()] };
        let present = Present {
            unit: true,
            starts: true,
            start_lags: true,
            int_histograms: true,
            float_histograms: true,
        };
        let mut ids = Vec::new();
        for field in slices(&labels, present).fields() {
            ids.push(field.metadata()[PARQUET_FIELD_ID_META_KEY].clone());
            if let DataType::List(item) = field.data_type() {
                ids.push(item.metadata()[PARQUET_FIELD_ID_META_KEY].clone());
            }
        }
        let distinct: HashSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
