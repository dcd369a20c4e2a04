use crate::ast::{ParseOptions, ValueType};
use crate::parse::{ParseLimits, parse};

#[test]
fn every_expression_has_a_type() {
    for (text, expected) in [
        ("1 + 2", ValueType::Scalar),
        ("-time()", ValueType::Scalar),
        ("1 > bool 2", ValueType::Scalar),
        ("(scalar(up))", ValueType::Scalar),
        ("1 + up", ValueType::Vector),
        ("up == 1", ValueType::Vector),
        ("hour()", ValueType::Vector),
        ("count_values('x', up)", ValueType::Vector),
        ("up[5m]", ValueType::Matrix),
        ("(up + 1)[5m:]", ValueType::Matrix),
        ("'text'", ValueType::String),
    ] {
        let expr = parse(text, &ParseOptions::ALL, ParseLimits::default());
        assert_eq!(expr.map(|expr| expr.value_type()), Ok(expected), "{text}");
    }
}

/// Queries and the errors they end in.
const WRONG: &[(&str, &str)] = &[
    (
        "up + up[5m]",
        "1:6: parse error: binary expression must contain only scalar and instant vector types",
    ),
    (
        "'a' == 'b'",
        "1:1: parse error: binary expression must contain only scalar and instant vector types",
    ),
    (
        "sum(up[5m])",
        "1:5: parse error: expected type instant vector in aggregation expression, got range vector",
    ),
    (
        "sum(1)",
        "1:5: parse error: expected type instant vector in aggregation expression, got scalar",
    ),
    (
        "quantile(up, up)",
        "1:10: parse error: expected type scalar in aggregation parameter, got instant vector",
    ),
    (
        "round(up, 1, 2)",
        "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3",
    ),
    (
        "label_join(up, 'a')",
        "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2",
    ),
    (
        "label_join(up, 'a', ',', 'b', 1)",
        "1:31: parse error: expected type string in call to function \"label_join\", got scalar",
    ),
    ("abs()", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 0"),
    (
        "rate(up[5m:] + 1)",
        "1:6: parse error: binary expression must contain only scalar and instant vector types",
    ),
    ("1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
    ("a * on (x) 2", "1:1: parse error: vector matching only allowed between instant vectors"),
    (
        "a * fill(1) 2",
        "1:1: parse error: filling in missing series only allowed between instant vectors",
    ),
    ("a or fill(1) b", "1:1: parse error: filling in missing series not allowed for set operators"),
    ("a\n  + bool\nb", "2:3: parse error: bool modifier can only be used on comparison operators"),
    ("time() <= 1", "1:8: parse error: comparisons between scalars must use BOOL modifier"),
    ("a{'b'}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""),
    (
        "sum({a=~'.*'})",
        "1:5: parse error: vector selector must contain at least one non-empty matcher",
    ),
    (
        "info(a, 1)",
        "1:1: parse error: expected type instant vector in call to function \"info\", got scalar",
    ),
    (
        "info({}, {})",
        "1:6: parse error: vector selector must contain at least one non-empty matcher",
    ),
];

#[test]
fn wrong_types_are_refused_where_they_stand() {
    for (text, expected) in WRONG {
        let got =
            parse(text, &ParseOptions::ALL, ParseLimits::default()).map_err(|e| e.to_string());
        assert_eq!(got.map(|e| e.to_string()), Err((*expected).to_owned()), "{text}");
    }
}

#[test]
fn the_filter_of_info_may_match_everything() {
    let expr = parse("info(a, {x=~'.*'})", &ParseOptions::ALL, ParseLimits::default());
    assert_eq!(expr.map(|e| e.to_string()), Ok("info(a, {x=~\".*\"})".to_owned()));
}
