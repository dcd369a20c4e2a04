use super::*;

#[test]
fn a_namespace_may_hold_anything() {
    for (namespace, name) in [("a", "b"), ("a/b", "c/d"), ("100%", "%2F"), ("%2F/%25", "")] {
        let document = name_of(namespace, name);
        assert_eq!(of_name(&document), Some((namespace.to_owned(), name.to_owned())), "{document}");
    }
    assert_ne!(name_of("a/b", "c"), name_of("a", "b/c"));
    assert_eq!(of_name("no namespace"), None);
}
