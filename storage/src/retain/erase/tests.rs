//! What tombstones mean, over labels and over rows.

use arrow_array::RecordBatch;
use tarn_model::attributes::ValueKind;

use super::*;
use crate::append::rows::{LogRow, LogRows, TableRows};

fn tombstone(id: &str, matchers: &[&str], start_ms: i64, end_ms: i64) -> Arc<Tombstone> {
    Arc::new(Tombstone {
        id: id.to_owned(),
        tenant: "default".to_owned(),
        signal: "logs".to_owned(),
        matchers: matchers.iter().map(|text| (*text).to_owned()).collect(),
        start_ms,
        end_ms,
        positions: vec![("w".to_owned(), 10)],
        time_ms: 0,
    })
}

#[test]
fn times_of_a_series_are_united() {
    let tombstones = [
        tombstone("1", &[r#"job="a""#], 10, 20),
        tombstone("2", &[r#"job=~"a|b""#, r#"x="""#], 21, 30),
        tombstone("3", &[r#"job!="a""#], 0, i64::MAX),
        tombstone("4", &[r#"job="a""#], 40, 50),
    ];
    let erased = Erased::new(&tombstones).unwrap();
    for (pairs, expected) in [
        (&[("job", "a")][..], vec![(10, 30), (40, 50)]),
        (&[("job", "a"), ("x", "1")], vec![(10, 20), (40, 50)]),
        (&[("job", "b")], vec![(0, i64::MAX)]),
    ] {
        let times = erased.times(&LabelSet::from_pairs(pairs));
        let times: Vec<_> = times.iter().map(|range| (range.start_ms, range.end_ms)).collect();
        assert_eq!(times, expected, "{pairs:?}");
    }
    let unreadable = tombstone("5", &["job"], 0, 1);
    assert!(Erased::new(&[unreadable]).is_ok(), "a name alone is that of a metric");
    assert!(Erased::new(&[tombstone("6", &["="], 0, 1)]).is_err());
}

fn logs() -> RecordBatch {
    let mut rows = LogRows::default();
    let shop = rows.resource(r#"{"attributes":{"service.name":"shop","n":5,"user":"r"}}"#, "shop");
    let mail = rows.resource("{}", "mail");
    let scope = rows.scope("{}");
    for (at, (resource, user)) in
        [(shop, Some("ann")), (shop, None), (mail, Some("bob")), (mail, None)]
            .into_iter()
            .enumerate()
    {
        if let Some(user) = user {
            rows.attribute("user", ValueKind::Text, user);
        }
        rows.attribute("at", ValueKind::Int, &at.to_string());
        rows.push(&LogRow {
            resource,
            scope,
            time_ns: at as i64 * 1_000_000 + 999_999,
            observed_ns: 0,
            severity_number: 9 + at as i32,
            severity_text: "INFO",
            body: Some("hello"),
            body_kind: ValueKind::Text,
            trace_id: None,
            span_id: Some([at as u8 + 0xa0; 8]),
            flags: 0,
            event_name: "",
            dropped_attributes: 0,
        });
    }
    TableRows::Logs(rows).into_batch().unwrap()
}

#[test]
fn rows_are_matched_by_columns_attributes_and_resource() {
    let batch = logs();
    for (matchers, start_ms, end_ms, expected) in [
        (&[r#"service_name="shop""#][..], 0, 100, &[0, 1][..]),
        (&[r#""service.name"="shop""#], 0, 100, &[0, 1]),
        (&[r#"service_name="shop""#], 1, 100, &[1]),
        (&[r#"service_name=~".+""#], 1, 2, &[1, 2]),
        (&[r#"user="ann""#], 0, 100, &[0]),
        (&[r#"user="r""#], 0, 100, &[1]),
        (&[r#"user="""#], 0, 100, &[3]),
        (&[r#"user!="ann""#], 0, 100, &[1, 2, 3]),
        (&[r#"user!~"ann|bob""#, r#"service_name="mail""#], 0, 100, &[3]),
        (&[r#"n="5""#], 0, 100, &[0, 1]),
        (&[r#"at="2""#], 0, 100, &[2]),
        (&[r#"severity_number=~"1.*""#], 0, 100, &[1, 2, 3]),
        (&[r#"body=~"hel.*""#, r#"at=~"[13]""#], 0, 100, &[1, 3]),
        (&[r#"span_id="a1a1a1a1a1a1a1a1""#], 0, 100, &[1]),
        (&[r#"trace_id="""#], 0, 0, &[0]),
        (&[r#"nobody="x""#], 0, 100, &[]),
    ] {
        let erased = Erased::new(&[tombstone("1", matchers, start_ms, end_ms)]).unwrap();
        let kept = erased.kept(Table::Logs, &batch).unwrap();
        let gone: Vec<usize> = (0..4).filter(|row| !kept.value(*row)).collect();
        assert_eq!(gone, expected, "{matchers:?} {start_ms}..{end_ms}");
    }
}

#[test]
fn what_one_of_several_tombstones_means_is_gone() {
    let tombstones =
        [tombstone("1", &[r#"user="ann""#], 0, 100), tombstone("2", &[r#"at="3""#], 0, 100)];
    let kept = Erased::new(&tombstones).unwrap().kept(Table::Logs, &logs()).unwrap();
    assert_eq!(kept, BooleanArray::from(vec![false, true, true, false]));
}

#[test]
fn a_merged_block_names_what_was_applied() {
    let applied = [tombstone("b", &[], 0, 1), tombstone("a", &[], 0, 1)];
    assert_eq!(after_merge([], &applied), ["a", "b"]);
}
