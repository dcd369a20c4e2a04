use super::*;

#[test]
fn sets_are_sorted_unique_and_without_empty_values() {
    let set = LabelSet::from_pairs(&[("b", "1"), ("a", "x"), ("c", ""), ("b", "2")]);
    assert_eq!(set.to_string(), r#"{a="x", b="2"}"#);
    assert_eq!(set.get("b"), Some("2"));
    assert_eq!(set.value("c"), "");
}

#[test]
fn printing_quotes_what_needs_quotes() {
    let set = LabelSet::from_pairs(&[("__name__", "up"), ("job", "a\"b\n")]);
    assert_eq!(set.to_string(), "up{job=\"a\\\"b\\n\"}");
    let set = LabelSet::from_pairs(&[("__name__", "my.metric"), ("a.b", "x")]);
    assert_eq!(set.to_string(), r#"{__name__="my.metric", "a.b"="x"}"#);
    assert_eq!(LabelSet::from_pairs(&[("__name__", "up")]).to_string(), "up");
    assert_eq!(LabelSet::default().to_string(), "{}");
}

#[test]
fn the_last_of_two_equal_names_stays_and_may_remove() {
    let set = LabelSet::from_pairs(&[("a", "1"), ("a", "")]);
    assert!(set.is_empty());
    assert_eq!(set.with("z", "1").with("b", "2").to_string(), r#"{b="2", z="1"}"#);
    assert_eq!(set.with("z", "1").with("z", "").to_string(), "{}");
}

#[test]
fn identity_does_not_depend_on_where_a_boundary_lies() {
    let a = LabelSet::from_pairs(&[("ab", "c")]);
    let b = LabelSet::from_pairs(&[("a", "bc")]);
    assert_ne!(a.series_id(), b.series_id());
}
