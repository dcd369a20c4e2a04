use super::{Reader, parse, place_inside};

fn field(text: &str) -> (Reader, super::Node) {
    let root = parse(text).unwrap().root.unwrap();
    let mut reader = Reader::new("f", false);
    let node = reader.fields(&root, "it", &["v"]).get("v").cloned();
    (reader, node.unwrap_or(root))
}

#[test]
fn scalars_read_as_go_reads_them() {
    for (text, expected) in [
        ("v: 5", Some(5)),
        ("v: 0x10", Some(16)),
        ("v: 010", Some(8)),
        ("v: 0o17", Some(15)),
        ("v: 0b11", Some(3)),
        ("v: 1_000", Some(1000)),
        ("v: 1e3", Some(1000)),
        ("v: 08", Some(8)),
        ("v: -1", Some(-1)),
        ("v: \"5\"", None),
        ("v: yes", None),
        ("v: [1]", None),
    ] {
        let (mut reader, node) = field(text);
        assert_eq!(reader.integer(Some(&node), "v"), expected, "{text}");
        assert_eq!(reader.problems.is_empty(), expected.is_some(), "{text}");
    }
    for (text, expected) in [
        ("v: yes", Some(true)),
        ("v: OFF", Some(false)),
        ("v: True", Some(true)),
        ("v: 'yes'", None),
        ("v: 1", None),
    ] {
        let (mut reader, node) = field(text);
        assert_eq!(reader.boolean(Some(&node), "v"), expected, "{text}");
    }
    for (text, expected) in [
        ("v: 010", "010"),
        ("v: 1e3", "1e3"),
        ("v: yes", "yes"),
        ("v: 0x1F", "0x1F"),
        ("v: 2020-01-01", "2020-01-01"),
        ("v: 'it''s'", "it's"),
        ("v: |\n  a\n   b\n", "a\n b\n"),
        ("v: >-\n  a\n  b\n", "a b"),
        ("v: \"null\"", "null"),
    ] {
        let (mut reader, node) = field(text);
        assert_eq!(reader.text(Some(&node), "v"), expected, "{text}");
        assert!(reader.problems.is_empty(), "{text}");
    }
}

#[test]
fn durations_need_units() {
    for (text, ok) in [
        ("v: 5m", true),
        ("v: 0", true),
        ("v: 1h30m", true),
        ("v: 5", false),
        ("v: 1.5h", false),
        ("v: -5m", false),
        ("v: ''", false),
        ("v: {a: b}", false),
    ] {
        let (mut reader, node) = field(text);
        assert_eq!(reader.duration(Some(&node), "v").is_some(), ok, "{text}");
    }
}

#[test]
fn mistakes_have_places() {
    let root = parse("a: 1\nlables: {}\na: 2\n").unwrap().root.unwrap();
    let mut reader = Reader::new("f", false);
    reader.fields(&root, "a rule", &["a", "labels"]);
    let shown: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "f:3:1: key \"a\" is already there in line 1",
            "f:2:1: \"lables\" is no key of a rule; did you mean \"labels\"?",
        ]
    );
    for (text, place) in [("a: [1\nb: 2\n", "2:"), ("a: \"x\n", ":"), ("a: *nobody\n", "1:")] {
        let error = parse(text).unwrap_err();
        let shown = format!("{}:{}", error.line, error.column);
        assert!(shown.contains(place), "{text}: {shown}: {}", error.message);
    }
}

#[test]
fn aliases_and_merges_are_expanded_within_bounds() {
    let text = "base: &b {x: 1, y: 2}\nv:\n  <<: *b\n  y: 3\n";
    let root = parse(text).unwrap().root.unwrap();
    let mut reader = Reader::new("f", false);
    let fields = reader.fields(&root, "it", &["base", "v"]);
    let v = reader.fields(fields.get("v").unwrap(), "v", &["x", "y"]);
    assert_eq!((v.get("x").unwrap().text(), v.get("y").unwrap().text()), (Some("1"), Some("3")));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(parse(&bomb).unwrap_err().message.contains("stands for more than"));
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(parse(&deep).is_err());
}

#[test]
fn only_the_first_document_is_read() {
    let document = parse("a: 1\n---\nb: [\n").unwrap();
    assert_eq!(document.second_line, Some(2));
    assert!(parse("").unwrap().root.is_none());
    assert!(parse("# nothing\n").unwrap().root.is_none_or(|root| root.is_null()));
}

#[test]
fn places_inside_scalars_are_found() {
    for (text, needle, expected) in [
        ("v: a + bad", "bad", (1, 8)),
        ("v: 'a + bad'", "bad", (1, 9)),
        ("v: |\n  a\n    + bad\n", "bad", (3, 7)),
        ("v: >-\n  a\n  +\n  bad\n", "bad", (4, 3)),
        ("v: |2\n   a\n  bad\n", "bad", (3, 3)),
        ("v: a\n  + bad", "bad", (2, 5)),
        ("v: 'it''s bad'", "bad", (1, 4)),
        ("vv: {v: bad}", "none", (1, 1)),
    ] {
        let (_, node) = field(text);
        let offset = node.text().and_then(|text| text.find(needle)).unwrap_or(0);
        assert_eq!(place_inside(text, &node, offset), expected, "{text}");
    }
}
