use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use std::cmp::Ordering;

use super::ast::{Owner, Query, Term, TermKind, Value};
use super::parse::{ParseLimits, TERMS_MAX, parse};
use super::quantity::{Dimension, Number, Quantity};
use super::{Span, fuzz};

/// Writes a tree without its spans, with every choice visible.
fn dump(query: &Query) -> String {
    let list = |name: &str, list: &[Query]| {
        let inner: Vec<String> = list.iter().map(dump).collect();
        format!("{name}({})", inner.join(", "))
    };
    match query {
        Query::All => "all".to_owned(),
        Query::And(queries) => list("and", queries),
        Query::Or(queries) => list("or", queries),
        Query::Not(inner) => format!("not({})", dump(inner)),
        Query::Term(term) => dump_term(term),
    }
}

fn dump_term(term: &Term) -> String {
    match &term.kind {
        TermKind::Text(found) => value(found),
        TermKind::Exists(key) => format!("has {}{}", owner(key.owner), key.name),
        TermKind::Field { key, op, value: wanted, .. } => {
            format!("{}{} {} {}", owner(key.owner), key.name, op.as_str(), value(wanted))
        }
    }
}

fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Any => "",
        Owner::Attribute => "attribute ",
        Owner::Resource => "resource ",
        Owner::Scope => "scope ",
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Word(glob) => format!("<{}>", glob.pieces().join("|")),
        Value::Phrase(text) => format!("{text:?}"),
        Value::Regex(text) => format!("re({text})"),
    }
}

/// Text → tree; what is printed parses to the same tree (checked by `fuzz::search`).
const PARSED: &[(&str, &str)] = &[
    ("", "all"),
    ("   ", "all"),
    ("*", "all"),
    ("**", "all"),
    ("word", "<word>"),
    ("two words", "and(<two>, <words>)"),
    ("a AND b", "and(<a>, <b>)"),
    ("a OR b", "or(<a>, <b>)"),
    ("a b OR c d", "or(and(<a>, <b>), and(<c>, <d>))"),
    ("a (b OR c) d", "and(<a>, or(<b>, <c>), <d>)"),
    ("((a))", "<a>"),
    ("(a b) c", "and(and(<a>, <b>), <c>)"),
    ("a or b", "and(<a>, <or>, <b>)"),
    ("-a", "not(<a>)"),
    ("NOT a", "not(<a>)"),
    ("NOT a b", "and(not(<a>), <b>)"),
    ("--a", "not(not(<a>))"),
    ("-(a OR b) c", "and(not(or(<a>, <b>)), <c>)"),
    ("a -b", "and(<a>, not(<b>))"),
    ("a-b", "<a-b>"),
    ("NOT:x", "NOT : <x>"),
    ("\\NOT", "<NOT>"),
    ("\"a phrase\"", "\"a phrase\""),
    (r#""q\"\\\n\t\r""#, r#""q\"\\\n\t\r""#),
    ("err*", "<err|>"),
    ("*err", "<|err>"),
    ("a*b**c", "<a|b|c>"),
    ("a\\*b", "<a*b>"),
    ("10.0.0.1", "<10.0.0.1>"),
    ("50%!", "<50%!>"),
    ("user@example.com", "<user@example.com>"),
    ("@user", "<@user>"),
    ("füße 日本", "and(<füße>, <日本>)"),
    ("/a b/", "re(a b)"),
    ("/a\\/b\\d/", "re(a/b\\d)"),
    ("-/x/", "not(re(x))"),
    ("key:value", "key : <value>"),
    ("key:\"a b\"", "key : \"a b\""),
    ("key:\"\"", "key : \"\""),
    ("key:a*", "key : <a|>"),
    ("key:*", "has key"),
    ("key=*", "has key"),
    ("-key:*", "not(has key)"),
    ("key:/re x/", "key : re(re x)"),
    ("key:10:30:15", "key : <10:30:15>"),
    ("url:http://x/y", "url : <http://x/y>"),
    ("key=5", "key = <5>"),
    ("key!=5", "key != <5>"),
    ("key!=a*", "key != <a|>"),
    ("key>5", "key > <5>"),
    ("key>=1s", "key >= <1s>"),
    ("key<10KiB", "key < <10KiB>"),
    ("key<=-1.5", "key <= <-1.5>"),
    ("key>\"5\"", "key > \"5\""),
    ("a.b-c/d:x", "a.b-c/d : <x>"),
    ("\"my key\":x", "my key : <x>"),
    ("my\\ key:x", "my key : <x>"),
    ("a\\:b:x", "a:b : <x>"),
    ("@attr.service:x", "attribute service : <x>"),
    ("@resource.k8s.pod.name:a*", "resource k8s.pod.name : <a|>"),
    ("@scope.name:lib", "scope name : <lib>"),
    ("\\@x:1", "@x : <1>"),
    ("service:checkout level>=warn", "and(service : <checkout>, level >= <warn>)"),
    ("status:error duration>200ms", "and(status : <error>, duration > <200ms>)"),
    ("(key:a)", "key : <a>"),
    ("\u{3000}a\u{a0}b", "and(<a>, <b>)"),
];

#[test]
fn the_grammar() {
    for (text, tree) in PARSED {
        let query = parse(text, ParseLimits::default()).map_err(|e| e.describe(text));
        assert_eq!(query.as_ref().map(dump).as_deref(), Ok(*tree), "{text}");
        fuzz::search(text.as_bytes());
    }
}

/// Text → the message, and the part of the text it points at.
const REFUSED: &[(&str, &str, &str)] = &[
    ("(a", "this parenthesis is not closed", "("),
    ("a)", "no parenthesis is open here", ")"),
    ("()", "expected a term before ')'", ")"),
    ("a OR", "expected a term, the search ends here", ""),
    ("OR a", "OR stands between two terms; the word goes in quotes", "OR"),
    ("a AND AND b", "AND stands between two terms; the word goes in quotes", "AND"),
    ("NOT", "expected a term, the search ends here", ""),
    ("a - b", "'-' stands right before what it excludes; a dash goes in quotes", "-"),
    ("\"open", "the quote is not closed", "\"open"),
    ("\"\"", "the quotes are empty", "\"\""),
    ("\"a\\x\"", "unknown escape; known are \\\" \\\\ \\n \\r \\t", "\\x"),
    ("/open", "the regular expression is not closed by '/'; a path goes in quotes", "/open"),
    ("/api/v1", "a regular expression ends at '/'; a path goes in quotes", "v"),
    ("http://x", "the regular expression is empty; a text with slashes goes in quotes", "//"),
    ("key:", "expected a value right after ':'", ""),
    ("key: value", "expected a value right after ':'", " "),
    ("key:(a)", "expected a value right after ':'", "("),
    ("key:>5", "write key>5, key>=5, key<5 or key=5, without ':'", ">"),
    (":x", "':' stands right behind a key, as in key:5", ":"),
    ("a > 5", "'>' stands right behind a key, as in key>5", ">"),
    ("key>a*", "'>' compares with a number, not with a pattern", ">a*"),
    ("key</x/", "'<' compares with a number, not with a pattern", "</x/"),
    ("key!=*", "nothing differs from '*'; rows without a key are -key:*", "!=*"),
    ("@foo.x:1", "'@' names whose a key is: @attr.x, @resource.x or @scope.x", "@foo.x"),
    ("@attr.:1", "the key has no name", "@attr."),
    ("\"\":1", "the key has no name", "\"\""),
    ("k*:1", "a key has no wildcards", "k*"),
    ("a\\", "nothing stands behind '\\'", "\\"),
];

#[test]
fn mistakes_are_pointed_at() {
    for (text, message, at) in REFUSED {
        let error = parse(text, ParseLimits::default()).map(|q| dump(&q)).expect_err(text);
        assert_eq!(error.message, *message, "{text}");
        assert_eq!(text.get(error.span.start..error.span.end), Some(*at), "{text}");
    }
    let error = parse("füß :x", ParseLimits::default()).expect_err("no key");
    assert!(error.describe("füß :x").starts_with("character 5: "), "{error:?}");
}

#[test]
fn size_nesting_and_number_of_terms_are_limited() {
    let limits = ParseLimits { bytes_max: 10, depth_max: 3 };
    let refused = |text: &str| parse(text, limits).map(|q| dump(&q)).expect_err(text).message;
    assert_eq!(refused("0123456789a"), "the search has 11 bytes, limit is 10");
    assert_eq!(refused("((((a))))"), "the search is nested too deep, limit is 3");
    assert_eq!(refused("--(-a)"), "the search is nested too deep, limit is 3");
    assert!(parse("((-a)) (b)", limits).is_ok(), "depth counts what is open, not what was");

    let default = ParseLimits::default();
    let hostile = "(".repeat(default.bytes_max);
    assert_eq!(
        parse(&hostile, default).expect_err("too deep").message,
        "the search is nested too deep, limit is 100"
    );
    let wide = "a ".repeat(TERMS_MAX + 1);
    let error = parse(&wide, default).expect_err("too many");
    assert_eq!(error.message, "the search has too many terms, limit is 1000");
    assert!(parse(&"a ".repeat(TERMS_MAX), default).is_ok());
}

#[test]
fn quantities() {
    let parsed = |text: &str| {
        Quantity::parse(text).map(|q| match q.number {
            Number::Int(int) => (q.dimension, int.to_string()),
            Number::Float(float) => (q.dimension, format!("{float:?}")),
        })
    };
    let rows = [
        ("5", Some((Dimension::Number, "5"))),
        ("-5", Some((Dimension::Number, "-5"))),
        ("+5", Some((Dimension::Number, "5"))),
        ("9223372036854775807", Some((Dimension::Number, "9223372036854775807"))),
        ("9223372036854775808", Some((Dimension::Number, "9.223372036854776e18"))),
        ("1.5", Some((Dimension::Number, "1.5"))),
        ("1e3", Some((Dimension::Number, "1000.0"))),
        ("200ms", Some((Dimension::Time, "200000000"))),
        ("1.5s", Some((Dimension::Time, "1500000000"))),
        ("0.1µs", Some((Dimension::Time, "100"))),
        ("1h30m", Some((Dimension::Time, "5400000000000"))),
        ("-1m", Some((Dimension::Time, "-60000000000"))),
        ("10KiB", Some((Dimension::Size, "10240"))),
        ("1.5MB", Some((Dimension::Size, "1500000"))),
        ("10000w", Some((Dimension::Time, "6048000000000000000"))),
        ("100000w", Some((Dimension::Time, "6.048e19"))),
        ("", None),
        ("-", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("nan", None),
        ("5x", None),
        ("1h5", None),
        ("ms", None),
    ];
    for (text, expected) in rows {
        let expected = expected.map(|(dimension, number)| (dimension, number.to_owned()));
        assert_eq!(parsed(text), expected, "{text}");
    }
    let than = |text: &str, quantity: &str| Quantity::parse(quantity).and_then(|q| q.compare(text));
    assert_eq!(than("1200", "1s"), Some(Ordering::Less), "a bare number counts as ns");
    assert_eq!(than("2s", "1500ms"), Some(Ordering::Greater));
    assert_eq!(than("1KiB", "1024"), None, "a size is no plain number");
    assert_eq!(than("1KiB", "1s"), None);
    assert_eq!(than(" 7 ", "7.0"), Some(Ordering::Equal));
    assert_eq!(than("9007199254740993", "9007199254740992"), Some(Ordering::Greater));
    assert_eq!(than("abc", "1"), None);
}

const PIECES: &[&str] = &[
    "a",
    "key",
    "AND",
    "OR",
    "NOT",
    "-",
    "(",
    ")",
    "\"",
    "/",
    "\\",
    ":",
    "=",
    "!=",
    "!",
    ">",
    ">=",
    "<",
    "<=",
    "*",
    "@",
    "@attr.",
    "@resource.",
    "@scope.",
    " ",
    "\n",
    "5",
    "1s",
    "ü",
    "日",
    "\u{0}",
    "\\\"",
    "\\/",
    "[",
    ".",
    "service:",
    "level>=warn",
    "\"a b\"",
    "/x/",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        9 => select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(|c| c.to_string()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_is_the_identity(text in text()) {
        fuzz::search(text.as_bytes());
    }
}

#[test]
fn spans_cover_their_terms() {
    let text = "  service:x (\"a b\" -k>5)";
    let mut query = parse(text, ParseLimits::default()).expect("parses");
    let mut seen = Vec::new();
    fuzz::visit(&mut query, &mut |span: &mut Span| {
        seen.push(text.get(span.start..span.end).unwrap_or_default().to_owned());
    });
    assert_eq!(seen, ["service:x", "service", "x", "\"a b\"", "k>5", "k", "5"]);
}
