use super::{ParseLimits, parse, parse_selector};
use crate::ast::{BinaryOp, Expr, ParseOptions, Span};

fn error(text: &str) -> String {
    match parse(text, &ParseOptions::ALL, ParseLimits::default()) {
        Ok(expr) => format!("parsed as {expr}"),
        Err(error) => error.to_string(),
    }
}

fn all(text: &str) -> Expr {
    parse(text, &ParseOptions::ALL, ParseLimits::default()).expect("the query is valid")
}

/// Prints with every operator in parentheses.
fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(e) => {
            format!("({} {} {})", grouped(&e.lhs), e.op.as_str(), grouped(&e.rhs))
        }
        Expr::Unary(e) => format!("({}{})", e.sign, grouped(&e.expr)),
        other => other.to_string(),
    }
}

#[test]
fn operators_group_by_precedence() {
    for (text, expected) in [
        ("a or b and c", "(a or (b and c))"),
        ("a unless b and c", "((a unless b) and c)"),
        ("a == b + c * d ^ e ^ f", "(a == (b + (c * (d ^ (e ^ f)))))"),
        ("a atan2 b % c / d", "(((a atan2 b) % c) / d)"),
        ("a - b - c", "((a - b) - c)"),
        ("a </ 1 >/ 2 + 3", "((a </ 1) >/ (2 + 3))"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("a ^ -b ^ c", "(a ^ (-(b ^ c)))"),
        ("- + a", "(-(+a))"),
        ("- + 1", "-1"),
        ("a offset 5m - 2", "(a offset 5m - 2)"),
        ("a offset -5m ^ 2", "(a offset -5m ^ 2)"),
        ("a offset +-5m * 2", "(a offset -5m * 2)"),
        ("a offset (5m) * 2", "a offset (5m) * 2"),
        ("a offset +(5m) * 2", "(a offset (5m) * 2)"),
        ("a > bool 1 == bool b", "((a > 1) == b)"),
    ] {
        assert_eq!(grouped(&all(text)), expected, "{text}");
    }
}

#[test]
fn words_are_reserved_only_where_they_must_be() {
    for text in [
        "sum",
        "by",
        "without + offset",
        "offset offset 5m",
        "start @ start()",
        "end",
        "step",
        "range[5m]",
        "min_of",
        "fill + fill",
        "a + fill_left",
        "anchored anchored",
        "and and and",
        "or or or",
        "unless",
        "limitk",
        "sum by (by, without, on, bool, inf, and, atan2) (avg)",
        "a{on='x', bool='y', inf='z'}",
        "step() + range() * min_of(1, 2)",
    ] {
        let expr = all(text);
        assert_eq!(all(&expr.to_string()), all(&expr.to_string()), "{text}");
    }
    for word in ["bool", "on", "ignoring", "group_left", "group_right"] {
        assert_eq!(error(word), format!("1:1: parse error: unexpected <{word}>"));
    }
    assert_eq!(error("atan2"), "1:1: parse error: unexpected <op:atan2>");
}

#[test]
fn spans_cover_what_was_written() {
    let text = "sum by (x) (rate(a{b='c'}[5m] offset 1h)) / (-b @ 3)";
    let mut seen = Vec::new();
    all(text).walk(&mut |expr| {
        let Span { start, end } = expr.span();
        seen.push(text.get(start..end).unwrap_or("outside").to_owned());
    });
    assert_eq!(
        seen,
        [
            text,
            "sum by (x) (rate(a{b='c'}[5m] offset 1h))",
            "rate(a{b='c'}[5m] offset 1h)",
            "a{b='c'}[5m] offset 1h",
            "(-b @ 3)",
            "-b @ 3",
            "b @ 3",
        ]
    );
}

/// Texts that are no queries and the errors they end in.
const WRONG: &[(&str, &str)] = &[
    ("rate(up[5m]) up", "1:14: parse error: unexpected identifier \"up\""),
    ("sum(up up)", "1:8: parse error: unexpected identifier \"up\" in aggregation"),
    ("sum by (a) up", "1:12: parse error: unexpected identifier \"up\" in aggregation"),
    ("abs(up 'a rather long string')", "1:8: parse error: unexpected string \"'a rather \"..."),
    (
        "sum by a (up)",
        "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\"",
    ),
    (
        "sum by (a b) (up)",
        "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
    ),
    ("sum by ('') (up)", "1:9: parse error: invalid label name for grouping: \"\""),
    ("sum by ('\\xff') (up)", "1:9: parse error: invalid label name for grouping: \"\\xff\""),
    ("a + on (b) fill(c) d", "1:17: parse error: unexpected identifier \"c\""),
    ("up[5m", "1:6: parse error: unclosed left bracket"),
    (
        "up[5m 3m]",
        "1:7: parse error: unexpected duration \"3m\" in subquery or range, expected \":\" or \"]\"",
    ),
    (
        "up[5m:*]",
        "1:7: parse error: unexpected <op:*> in subquery selector, expected number, duration, step(), range(), or \"]\"",
    ),
    (
        "up[5m:3m 1]",
        "1:10: parse error: unexpected number \"1\" in subquery selector, expected \"]\"",
    ),
    (
        "up[min_of(1s)]",
        "1:13: parse error: unexpected \")\" in subquery or range selector, expected number, duration, step(), or range()",
    ),
    (
        "up offset start()",
        "1:11: parse error: unexpected \"start\" in offset, expected number, duration, step(), or range()",
    ),
    ("up @ start", "1:11: parse error: unexpected end of input in @, expected timestamp"),
    ("up @ 1 @ end()", "1:1: parse error: @ <timestamp> may not be set multiple times"),
    (
        "up anchored smoothed",
        "1:1: parse error: anchored and smoothed modifiers cannot be used together",
    ),
    ("abs(up) anchored", "1:1: parse error: anchored modifier not implemented"),
    ("up[5m:] smoothed", "1:1: parse error: smoothed modifier is not supported for subqueries"),
    ("up{a=~'('}", "1:4: parse error: error parsing regexp: unclosed group"),
    ("up{a='\\xff'}", "1:6: parse error: invalid UTF-8 in label matching: \"\\xff\""),
    ("RATE(up[5m])", "1:1: parse error: unknown function with name \"RATE\""),
    ("up[1e-5]", "1:4: parse error: duration must be greater than 0"),
    ("1_", "1:1: parse error: bad number or duration syntax: \"1_\""),
    (
        "1e999",
        "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": value out of range",
    ),
    (
        "0xfffffffffffffffff",
        "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0xfffffffffffffffff\": invalid syntax",
    ),
    ("400y", "1:1: parse error: duration out of range"),
    ("5m5h", "1:1: parse error: not a valid duration string: \"5m5h\""),
];

#[test]
fn syntax_errors_name_what_was_expected() {
    for (text, expected) in WRONG {
        assert_eq!(error(text), *expected, "{text}");
    }
}

#[test]
fn options_gate_what_is_experimental() {
    let none = |text| {
        parse(text, &ParseOptions::NONE, ParseLimits::default()).map_err(|e| e.message).err()
    };
    for (text, message) in [
        ("up[5m * 2]", "experimental duration expression is not enabled"),
        ("up[range()]", "experimental duration expression is not enabled"),
        ("up smoothed", "smoothed modifier is experimental and not enabled"),
        ("a * fill(0) b", "binop fill modifiers are experimental and not enabled"),
        ("info(a)", "function \"info\" is not enabled"),
        (
            "limitk(1, a)",
            "limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
    ] {
        assert_eq!(none(text).as_deref(), Some(message), "{text}");
        all(text);
    }
    let shipped = ParseOptions::default();
    assert!(parse("up[5m * 2]", &shipped, ParseLimits::default()).is_ok());
    assert!(parse("up smoothed", &shipped, ParseLimits::default()).is_err());
}

#[test]
fn strings_keep_bytes_that_are_not_utf8() {
    let Expr::String(string) = all(r#""a\xff\u00e4\101""#) else { return };
    assert_eq!(&*string.value, "a\u{fffd}äA");
    assert_eq!(string.raw.as_deref(), Some(&b"a\xff\xc3\xa4A"[..]));
    let Expr::String(string) = all("`a\\n`") else { return };
    assert_eq!((&*string.value, string.raw), ("a\\n", None));
}

#[test]
fn depth_is_limited_before_the_stack_is() {
    let limit = ParseLimits::default().depth_max;
    let nested = [
        |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        |n: usize| format!("{}up{}", "abs(".repeat(n), ")".repeat(n)),
        |n: usize| format!("{}up", "-".repeat(n)),
        |n: usize| format!("up{}", " + up".repeat(n)),
        |n: usize| format!("2{}", " ^ 2".repeat(n)),
        |n: usize| format!("up{}", "[1m:]".repeat(n)),
        |n: usize| format!("up[{}1m{}]", "(1+".repeat(n), ")".repeat(n)),
        |n: usize| format!("up[1m{}]", " + 1m".repeat(n)),
        |n: usize| format!("up offset {}step()", "-".repeat(n)),
    ];
    let message = format!("expression is nested more than {limit} levels deep");
    for make in nested {
        for depth in [limit + 1, 20_000] {
            let text = make(depth);
            let refused = parse(&text, &ParseOptions::ALL, ParseLimits::default());
            let got = refused.map(|_| ()).map_err(|error| error.message);
            assert!(
                got == Err(message.clone())
                    || got.is_err_and(|got| got.starts_with("subquery is only allowed")),
                "{}",
                text.get(..40).unwrap_or_default()
            );
        }
    }
    // What is just within the limit can be parsed, checked, printed and dropped.
    for text in [nested[0](limit - 1), nested[1](limit - 1), nested[3](limit - 1)] {
        let expr = all(&text);
        assert_eq!(expr.to_string(), text);
        let pretty = crate::print::pretty(&expr);
        let limits = ParseLimits { bytes_max: pretty.len(), ..ParseLimits::default() };
        let again = parse(&pretty, &ParseOptions::ALL, limits);
        assert_eq!(again.map(|expr| expr.to_string()), Ok(text));
    }
}

#[test]
fn length_is_limited_before_anything_is_read() {
    let text = "(".repeat(10 << 20);
    assert_eq!(
        error(&text),
        "1:1: parse error: query of 10485760 bytes exceeds the limit of 262144"
    );
    assert_eq!(
        error(&"(".repeat(100_000)),
        "1:501: parse error: expression is nested more than 500 levels deep"
    );
}

#[test]
fn compiled_regular_expressions_are_limited_and_lists_are_not() {
    let many = |value: &str| {
        let one = format!("m{{l=~\"{value}\"}}");
        parse(&vec![one; 101].join(" or "), &ParseOptions::ALL, ParseLimits::default())
    };
    assert!(many("a|b").is_ok());
    let error = many("a.b|c").unwrap_err();
    assert!(error.message.contains("too many regular expressions, limit is 100"), "{error}");
}

#[test]
fn selectors_stand_alone() {
    let matchers = |text| {
        parse_selector(text, ParseLimits::default())
            .map(|matchers| matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .map_err(|error| error.to_string())
    };
    for (text, expected) in [
        ("up", Ok("__name__=\"up\"")),
        ("{a=\"b\",}", Ok("a=\"b\"")),
        ("{}", Ok("")),
        ("sum{a!~'b.*'}", Ok("a!~\"b.*\" __name__=\"sum\"")),
        ("{'my.metric', 'x.y'=''}", Ok("__name__=\"my.metric\" \"x.y\"=\"\"")),
        ("up offset 5m", Err("1:4: parse error: unexpected <offset>")),
        ("up[5m]", Err("1:3: parse error: unexpected \"[\"")),
        ("1", Err("1:1: parse error: unexpected number \"1\"")),
        ("", Err("unknown position: parse error: unexpected end of input")),
        ("abs(up)", Err("1:4: parse error: unexpected \"(\"")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(matchers(text), expected, "{text}");
    }
}

#[test]
fn set_operators_match_many_to_many() {
    let Expr::Binary(binary) = all("a unless on (x) b") else { return };
    assert_eq!(binary.op, BinaryOp::Unless);
    let matching = binary.matching.as_ref().map(|m| m.cardinality);
    assert_eq!(matching, Some(crate::ast::Cardinality::ManyToMany));
    let Expr::Binary(binary) = all("a * 2") else { return };
    assert_eq!(binary.matching, None);
}
