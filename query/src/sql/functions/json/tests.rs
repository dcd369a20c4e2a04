use super::*;

#[test]
fn members_are_shown_as_attributes_are() {
    let resource = r#"{"attributes":{"service.name":"a\"b","n":5,"d":1.0,"x":{"doubleValue":"NaN"},"l":[1,"a"],"none":null,"t":true},"dropped":1}"#;
    let scope = r#"{"name":"lib","version":"1.2","attributes":{"version":"own"}}"#;
    let rows = [
        (resource, Source::Resource, "service.name", Some("a\"b")),
        (resource, Source::Resource, "n", Some("5")),
        (resource, Source::Resource, "d", Some("1.0")),
        (resource, Source::Resource, "x", Some("NaN")),
        (resource, Source::Resource, "l", Some(r#"[1,"a"]"#)),
        (resource, Source::Resource, "t", Some("true")),
        (resource, Source::Resource, "none", None),
        (resource, Source::Resource, "dropped", None),
        (scope, Source::Scope, "name", Some("lib")),
        (scope, Source::Scope, "version", Some("own")),
        (scope, Source::Resource, "name", None),
        ("{}", Source::Resource, "a", None),
        ("no json", Source::Scope, "name", None),
    ];
    for (json, source, key, expected) in rows {
        assert_eq!(member(json, source, key).as_deref(), expected, "{json} {key}");
    }
}
