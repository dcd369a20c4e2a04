//! Variables and macros are replaced by what fits, and places are carried back.

use super::*;

#[test]
fn each_place_gets_what_fits_it() {
    for (text, stood, free) in [
        ("rate(x[$__rate_interval])", "rate(x[5m])", false),
        ("x{a=\"$a\", b=~'${b:regex}', c=~`[[c]]`}", "x{a=\"x\", b=~'x', c=~`x`}", false),
        ("x[$step:${res}]", "x[5m:5m]", false),
        ("x offset $back", "x offset 5m", false),
        ("x offset -$back", "x offset -5m", false),
        ("topk($n, $metric) * $__range_s / $__interval_ms", "topk(F, F) * 300 / 300000", true),
        (
            "label_replace(x, \"a\", \"$1\", \"b\", \"^(.*)$\")",
            "label_replace(x, \"a\", \"$1\", \"b\", \"^(.*)$\")",
            false,
        ),
        ("x{a=\"\\\"$a\"}", "x{a=\"\\\"x\"}", false),
        ("x{a=\"]$a[\"} + y[$r]", "x{a=\"]x[\"} + y[5m]", false),
        ("${unclosed", "${unclosed", false),
        ("$", "$", false),
        ("ä$x→${y.z}", "äF→F", true),
    ] {
        let standing = stand_in(text, "F");
        assert_eq!((&*standing.text, standing.has_free), (stood, free), "{text}");
    }
}

#[test]
fn places_are_those_of_the_board() {
    //               0         1         2         3
    //               0123456789012345678901234567890123
    let standing = stand_in("rate(x{j=\"$job\"}[$__interval]) + !", "x");
    assert_eq!(standing.text, "rate(x{j=\"x\"}[5m]) + !");
    assert_eq!(standing.back(&(21..22)), 33..34);
    assert_eq!(standing.back(&(0..6)), 0..6);
    assert_eq!(standing.back(&(10..11)), 10..14, "the whole variable");
    assert_eq!(standing.back(&(15..16)), 17..28, "part of one is all of it");
}

/// Knows one sentence.
struct Only(&'static str);

impl CheckQuery for Only {
    fn check(&self, _: Language, text: &str) -> Result<(), Mistake> {
        if text == self.0 {
            return Ok(());
        }
        Err(Mistake { message: format!("not {text}"), span: Some(0..text.len()) })
    }
}

#[test]
fn a_free_variable_may_be_a_name_a_number_or_a_time() {
    for fine in ["f(x)", "f(1)", "f(5m)"] {
        assert_eq!(check(&Only(fine), Language::Promql, "f($v)"), Ok(()));
    }
    let mistake = check(&Only("g"), Language::Promql, "f($var)").unwrap_err();
    assert_eq!((&*mistake.message, mistake.span), ("not f(x)", Some(0..7)));
}
