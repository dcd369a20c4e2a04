use super::*;

fn labels(text: &str) -> LabelSet {
    let pairs: Vec<(&str, &str)> = text.split(' ').filter_map(|p| p.split_once('=')).collect();
    LabelSet::from_pairs(&pairs)
}

#[test]
fn series_are_ordered_by_name_class_then_value() {
    let ascending = [
        "",
        "zone=a",
        "__name__=a",
        "__name__=a le=1",
        "__name__=a alpha=1",
        "__name__=a alpha=1 le=1",
        "__name__=a alpha=1 le=2",
        "__name__=a instance=h1",
        "__name__=a instance=h2",
        "__name__=a job=x instance=h1",
        "__name__=a job=x instance=h1 alpha=1",
        "__name__=a job=y",
        "__name__=a cluster=c",
        "__name__=b",
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            let (a, b) = (labels(a), labels(b));
            assert_eq!(SortKey::new(&a).cmp(&SortKey::new(&b)), i.cmp(&j), "{a} against {b}");
            let key = |labels: &LabelSet| {
                SeriesKey::new(labels.iter().map(|l| (rank(&l.name).0, l.clone())).collect())
            };
            assert_eq!(key(&a).cmp(&key(&b)), i.cmp(&j), "{a} against {b}");
            assert_eq!(key(&a).label_set(), a);
        }
    }
}

#[test]
fn field_ids_stay_below_those_of_iceberg_and_never_change() {
    for path in ["metric", "l_job", "vi", "vi.list.element"] {
        assert!((1..=1 << 30).contains(&field_id(path)), "{path}");
    }
    assert_eq!(field_id("metric"), 1 + (crc32c::crc32c(b"metric") & 0x3fff_ffff) as i32);
}
