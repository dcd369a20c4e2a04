use super::*;

fn read(text: &str) -> (String, bool) {
    match parse(text) {
        Ok(parsed) => {
            let texts: Vec<String> = parsed.matchers.iter().map(ToString::to_string).collect();
            (texts.join(","), parsed.warning.is_some())
        }
        Err(mistake) => (format!("! {mistake}"), false),
    }
}

#[test]
fn both_syntaxes_are_read() {
    let cases = [
        ("foo=bar", r#"foo="bar""#, false),
        (r#"foo="bar""#, r#"foo="bar""#, false),
        (r#"{foo="bar", dings!="bums",}"#, r#"foo="bar",dings!="bums""#, false),
        ("  foo =~ \"a|b\" , x!~y ", r#"foo=~"a|b",x!~"y""#, false),
        (r#"severity =~ "warning|critical""#, r#"severity=~"warning|critical""#, false),
        (r#""foo bar"="x""#, r#""foo bar"="x""#, false),
        ("Προμηθεύς=x", r#""Προμηθεύς"="x""#, false),
        // Only the classic syntax reads these.
        ("foo=", r#"foo="""#, true),
        ("foo=bar baz", r#"foo="bar baz""#, true),
        (r"foo=~a\d+", r#"foo=~"a\\d+""#, true),
        (r#"foo=~"a\.b""#, r#"foo=~"a\\.b""#, true),
        // The two read this differently.
        (r#"qux="\xf0\x9f\x99\x82""#, r#"qux="\\xf0\\x9f\\x99\\x82""#, true),
        ("{}", "", false),
    ];
    for (text, wanted, warns) in cases {
        assert_eq!(read(text), (wanted.to_owned(), warns), "{text}");
    }
}

#[test]
fn mistakes_are_told() {
    for text in
        ["", "foo", "foo==", "{foo=bar", "=bar", "foo=~(", "foo=\"a\"b\"", "{{foo=bar}}", "fo-o"]
    {
        let (read, _) = read(text);
        // What upstream's classic syntax reads, oddly, stays readable.
        let classic = matches!(text, "" | "foo==" | "{foo=bar");
        assert_eq!(read.starts_with('!'), !classic, "{text:?} gave {read:?}");
    }
}
