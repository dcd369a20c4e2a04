use arrow_array::{BooleanArray, Float64Array, Int64Array};
use tarn_model::attributes::ValueKind;

use super::*;
use crate::append::rows::{LogRow, LogRows, TableRows};
use crate::schema::tables::column;

/// Log records with the attributes given.
fn map_of(rows: &[&[(&str, ValueKind, &str)]]) -> arrow_array::RecordBatch {
    let mut logs = LogRows::default();
    let (resource, scope) = (logs.resource("{}", "shop"), logs.scope("{}"));
    for attributes in rows {
        attributes.iter().for_each(|(key, kind, text)| logs.attribute(key, *kind, text));
        logs.push(&LogRow {
            resource,
            scope,
            time_ns: 0,
            observed_ns: 0,
            severity_number: 0,
            severity_text: "",
            body: None,
            body_kind: ValueKind::Text,
            trace_id: None,
            span_id: None,
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableRows::Logs(logs).into_batch().unwrap()
}

fn texts_of(column: &ArrayRef) -> Vec<Option<String>> {
    let column = column.as_dictionary::<Int32Type>();
    (0..column.len()).map(|row| text(column, row).map(str::to_owned)).collect()
}

fn own<'a>(key: &'a str, kind: Promoted, column: &ArrayRef) -> Own<'a> {
    Own { key, kind, texts: own_texts(column, kind).unwrap() }
}

#[test]
fn typed_columns_read_as_their_text() {
    for (kind, column, expected) in [
        (
            Promoted::Int,
            Arc::new(Int64Array::from(vec![Some(-7), None, Some(i64::MAX), Some(-7)])) as ArrayRef,
            vec![Some("-7"), None, Some("9223372036854775807"), Some("-7")],
        ),
        (
            Promoted::Double,
            Arc::new(Float64Array::from(vec![1.0, -0.0, f64::NAN, f64::NEG_INFINITY, 0.1])),
            vec![Some("1.0"), Some("-0.0"), Some("NaN"), Some("-Infinity"), Some("0.1")],
        ),
        (
            Promoted::Bool,
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            vec![Some("true"), None, Some("false")],
        ),
    ] {
        let read = attribute(column.len(), "k", &[own("k", kind, &column)], None);
        let read = texts_of(&read);
        assert_eq!(read.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_value_comes_from_its_column_or_else_from_the_map() {
    let batch = map_of(&[
        &[("a", ValueKind::Text, "map"), ("b", ValueKind::Int, "2")],
        &[("b", ValueKind::Text, "x")],
        &[],
        &[("b", ValueKind::Text, "2"), ("c", ValueKind::Text, "2")],
    ]);
    let map = Entries::of(batch.column_by_name(column::ATTRIBUTES).unwrap()).unwrap();
    let values = |column: ArrayRef| texts_of(&column);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(values(attribute(4, "b", &[], Some(&map))), [some("2"), some("x"), None, some("2")]);
    assert_eq!(values(attribute(4, "z", &[], Some(&map))), [None, None, None, None]);
    let column: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(5), Some(5), None]));
    let own = [own("b", Promoted::Int, &column)];
    let both = attribute(4, "b", &own, Some(&map));
    assert_eq!(both.as_dictionary::<Int32Type>().values().len(), 3, "a text has one number");
    assert_eq!(values(both), [some("2"), some("5"), some("5"), some("2")]);
}

#[test]
fn slices_of_batches_keep_their_entries() {
    let batch = map_of(&[
        &[("a", ValueKind::Text, "0")],
        &[("a", ValueKind::Text, "1"), ("b", ValueKind::Bool, "true")],
        &[("a", ValueKind::Text, "2")],
    ]);
    let batch = batch.slice(1, 2);
    let map = Entries::of(batch.column_by_name(column::ATTRIBUTES).unwrap()).unwrap();
    assert_eq!(
        texts_of(&attribute(2, "a", &[], Some(&map))),
        [Some("1".to_owned()), Some("2".to_owned())]
    );
    let whole = whole(2, &[], Some(&map)).unwrap();
    assert_eq!(whole.as_map().value_offsets(), [0, 2, 3]);
    let kinds = batch.column_by_name(column::ATTRIBUTE_KINDS);
    let kinds = whole_kinds(2, &[], Some(&map), kinds).unwrap();
    let kinds: &BinaryArray = kinds.as_binary();
    assert_eq!((kinds.value(0), kinds.is_null(1)), (&[1, 2][..], true));
}

#[test]
fn promoted_attributes_are_put_back_behind_the_others() {
    let batch = map_of(&[&[("z", ValueKind::Text, "1")], &[]]);
    let map = Entries::of(batch.column_by_name(column::ATTRIBUTES).unwrap()).unwrap();
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false)]));
    let own = [own("a", Promoted::Int, &ints), own("b", Promoted::Bool, &flags)];
    let whole = whole(2, &own, Some(&map)).unwrap();
    let map_array = whole.as_map();
    let entries = |row: usize| {
        let entry = map_array.value(row);
        let (keys, values) =
            (entry.column(0).as_string::<i32>(), entry.column(1).as_string::<i32>());
        keys.iter()
            .flatten()
            .zip(values.iter().flatten())
            .map(|(k, v)| format!("{k}={v}"))
            .collect()
    };
    let rows: Vec<Vec<String>> = vec![entries(0), entries(1)];
    assert_eq!(rows, [vec!["z=1", "a=5", "b=true"], vec!["b=false"]]);
    let kinds = whole_kinds(2, &own, Some(&map), None).unwrap();
    let kinds: &BinaryArray = kinds.as_binary();
    assert_eq!((kinds.value(0), kinds.value(1)), (&[1, 3, 2][..], &[2][..]));
}
