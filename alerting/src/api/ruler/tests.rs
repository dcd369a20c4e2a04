use super::*;

#[test]
fn names_come_from_the_path_whatever_stands_before() {
    for (path, names) in [
        ("/config/v1/rules", &[][..]),
        ("/config/v1/rules/shop", &["shop"][..]),
        ("/prometheus/config/v1/rules/a%2Fb/c%20d", &["a/b", "c d"]),
        ("/api/v1/rules/a+b/c%26d", &["a+b", "c&d"]),
    ] {
        assert_eq!(names_of(path), names, "{path}");
    }
}

#[test]
fn what_is_shown_reads_back_as_what_was_set() {
    let group = "name: g # the shop\ninterval: 1m\nlabels: {}\nrules:\n  - alert: A\n    expr: |\n      a\n      > 1\n    \
                 labels: {n: \"1\", m: 2}\n  - record: 'x:y'\n    expr: \"a\\n or\\n b\"\n";
    let mut shown = String::new();
    print(group, 0, &mut shown);
    let mut again = String::new();
    print(&shown, 0, &mut again);
    assert_eq!(shown, again);
    expect_test::expect![[r#"
        name: g
        interval: 1m
        labels: {}
        rules:
        - alert: A
          expr: "a\n> 1\n"
          labels:
            n: "1"
            m: 2
        - record: "x:y"
          expr: |-
            a
             or
             b
    "#]]
    .assert_eq(&shown);
}
