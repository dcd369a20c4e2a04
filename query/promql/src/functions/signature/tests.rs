use super::{Arity, SIGNATURES, Signature};

#[test]
fn the_table_is_sorted_and_complete() {
    assert!(SIGNATURES.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert_eq!(SIGNATURES.len(), 90);
    assert_eq!(SIGNATURES.iter().filter(|row| row.experimental).count(), 17);
    for row in SIGNATURES {
        assert_eq!(Signature::of(row.name), Some(row));
        assert!(row.arity == Arity::Exact || !row.args.is_empty(), "{}", row.name);
    }
    assert_eq!(Signature::of("rates"), None);
}

#[test]
fn optional_arguments_widen_the_range() {
    for (name, least, most) in [
        ("time", 0, Some(0)),
        ("hour", 0, Some(1)),
        ("round", 1, Some(2)),
        ("label_replace", 5, Some(5)),
        ("label_join", 3, None),
        ("sort_by_label", 1, None),
        ("histogram_quantiles", 3, Some(12)),
        ("info", 1, Some(2)),
    ] {
        let row = Signature::of(name).expect("the function exists");
        assert_eq!((row.args_min(), row.args_max()), (least, most), "{name}");
    }
}
