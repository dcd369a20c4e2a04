use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};

use super::{query, series};

/// Everything that means something somewhere, and some that means nothing.
const TOKENS: &[&str] = &[
    "a",
    "b:c",
    "up",
    "rate",
    "info",
    "label_replace",
    "histogram_quantile",
    "sum",
    "topk",
    "count_values",
    "limitk",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "anchored",
    "smoothed",
    "fill",
    "fill_left",
    "fill_right",
    "start",
    "end",
    "step",
    "range",
    "min_of",
    "max_of",
    "and",
    "or",
    "unless",
    "atan2",
    "inf",
    "NaN",
    "1",
    "0",
    "-1",
    ".5",
    "1e3",
    "0x1f",
    "0755",
    "1_000",
    "5m",
    "1h30m",
    "0s",
    "1ms",
    "9e9",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "=",
    "=~",
    "!=",
    "!~",
    "==",
    ">",
    "<",
    ">=",
    "<=",
    "</",
    ">/",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "@",
    "#",
    "\n",
    " ",
    "\"x\"",
    "'y'",
    "`z`",
    "\"\\xff\"",
    "\"\\u00e4\"",
    "\"a.b\"",
    "\".*\"",
    "\"(\"",
    "\\",
    "ü",
    "\u{fffd}",
    "{a=\"b\"}",
    "[5m]",
    "[1h:5m]",
    "()",
    "{{",
    "}}",
    "_",
    "x3",
    "stale",
    "@st",
];

/// Expressions to cut and splice.
const SEEDS: &[&str] = &[
    "sum by (job, \"a.b\") (rate(http_requests_total{code=~\"5..\"}[5m] offset -1h @ start()))",
    "topk(3, a and on (x) b) == bool 2 ^ -Inf ^ 2 % 0x1f",
    "a / on (x, y) group_left (z) fill_left (-1e-7) fill_right (0) b",
    "foo[(step() + 5m) * 2 ^ -1 : max_of(range(), 1s)] offset -(min_of(5m, 2) - 1)",
    "max_over_time((a + b)[1h:] @ 1609746000.123)[30m:1m] offset 5m",
    "delta(a[5m] anchored) or b smoothed unless {\"m.x\", le!=\"\", x!~`a|b`}",
    "info(a, {env=\"x\"}) </ 5 >/ -2 atan2 fill",
    "- - +a ^ --2 # a comment\n or +Inf ^ offset",
    "a offset (5) * 2 - min_of(3m, 1)",
    "-a offset (3m) @ 2 - (b offset +(5) * 2)",
];

fn soup() -> impl Strategy<Value = String> {
    let separator = select(vec!["", " "]);
    vec((select(TOKENS), separator), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(token, space)| [token, space]).collect())
}

/// A seed with a piece replaced by a piece of another seed or by tokens.
fn spliced() -> impl Strategy<Value = String> {
    let cut = (any::<Index>(), any::<Index>());
    let filling = prop_oneof![
        Just(String::new()),
        select(TOKENS).prop_map(str::to_owned),
        (select(SEEDS), cut).prop_map(|(seed, cut)| piece(seed, cut).1.to_owned()),
    ];
    let cut = (any::<Index>(), any::<Index>());
    (select(SEEDS), cut, filling).prop_map(|(seed, cut, filling)| {
        let (before, _, after) = piece(seed, cut);
        format!("{before}{filling}{after}")
    })
}

fn piece(text: &str, cut: (Index, Index)) -> (&str, &str, &str) {
    let (a, b) = (cut.0.index(text.len() + 1), cut.1.index(text.len() + 1));
    let (before, rest) = text.split_at(a.min(b));
    let (inner, after) = rest.split_at(a.max(b) - a.min(b));
    (before, inner, after)
}

fn with_options(options: u8, text: &str) -> Vec<u8> {
    [&[options], text.as_bytes()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn token_soup(options in any::<u8>(), text in soup()) {
        query(&with_options(options, &text));
        series(text.as_bytes());
    }

    #[test]
    fn spliced_expressions(options in any::<u8>(), text in spliced()) {
        query(&with_options(options, &text));
    }

    #[test]
    fn arbitrary_bytes(data in vec(any::<u8>(), 0..60)) {
        query(&data);
        series(&data);
    }
}

#[test]
fn seeds_are_valid() {
    for seed in SEEDS {
        query(&with_options(0xff, seed));
        let parsed = crate::parse::parse(seed, &crate::ast::ParseOptions::ALL, Default::default());
        assert_eq!(parsed.map(|_| ()), Ok(()), "{seed}");
    }
}
