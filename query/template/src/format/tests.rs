use super::*;
use crate::format::number::float;

#[test]
fn floats_are_written_as_go_writes_them() {
    let cases = [
        (0.0, 'g', None, "0"),
        (100_000.0, 'g', None, "100000"),
        (1_000_000.0, 'g', None, "1e+06"),
        (123_456_789.0, 'g', None, "1.23456789e+08"),
        (0.0001, 'g', None, "0.0001"),
        (0.000_01, 'g', None, "1e-05"),
        (5e-324, 'g', None, "5e-324"),
        (f64::MAX, 'g', None, "1.7976931348623157e+308"),
        (f64::INFINITY, 'g', None, "+Inf"),
        (f64::NEG_INFINITY, 'e', None, "-Inf"),
        (f64::NAN, 'f', None, "NaN"),
        (0.1, 'f', None, "0.1"),
        (1e21, 'f', None, "1000000000000000000000"),
        (1.0, 'e', None, "1e+00"),
        (0.0, 'e', Some(3), "0.000e+00"),
        (-1234.5, 'f', Some(1), "-1234.5"),
        (999.96, 'g', Some(4), "1000"),
        (99_999.0, 'g', Some(4), "1e+05"),
        (0.0, 'x', None, "0x0p+00"),
        (-0.1, 'x', None, "-0x1.999999999999ap-04"),
        (1.9999, 'x', Some(1), "0x1.0p+01"),
        (5e-324, 'x', None, "0x1p-1074"),
    ];
    for (number, verb, precision, want) in cases {
        assert_eq!(float(number, verb, precision), want, "{number} %{verb} {precision:?}");
    }
    assert_eq!(float(1.0, 'f', Some(70_000)).len(), 70_002);
}

#[test]
fn signs_and_zeros_stand_where_go_puts_them() {
    let inf =
        [Value::Float(f64::INFINITY), Value::Float(f64::NAN), Value::Float(f64::NEG_INFINITY)];
    let print = |format: &str, args: &[Value]| printf(format, args).expect("it is short");
    assert_eq!(print("%v %v %v", &inf), "+Inf NaN -Inf");
    assert_eq!(print("%06.1f|%+f|% f", &inf), "  +Inf|+NaN|-Inf");
    assert_eq!(print("%+06d|% 5d|%-+5d|", &[5.into(), 5.into(), 5.into()]), "+00005|    5|+5   |");
    assert_eq!(print("%c%c", &[0x1f600.into(), (-1).into()]), "\u{1f600}\u{fffd}");
}

#[test]
fn strings_are_quoted_as_go_quotes_them() {
    assert_eq!(
        quote("a\"b\\\n\t\u{7}\u{1}\u{7f}é\u{a0}\u{2028}\u{feff}"),
        r#""a\"b\\\n\t\a\x01\x7fé\u00a0\u2028\ufeff""#
    );
    assert_eq!(quote("e\u{301}"), "\"e\u{301}\"");
}
