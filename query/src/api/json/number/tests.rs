use super::*;

fn text(value: f64) -> String {
    let mut out = Vec::new();
    float(&mut out, value);
    String::from_utf8(out).expect("numbers are ascii")
}

#[test]
fn floats_print_as_go_prints_them() {
    // Shortest digits after the rules of Go's strconv, formats f and e.
    let rows = [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.0, "-1"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1.0 / 3.0, "0.3333333333333333"),
        (100.0, "100"),
        (12345.678, "12345.678"),
        (9_007_199_254_740_991.0, "9007199254740991"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (-9_007_199_254_740_993.0, "-9007199254740992"),
        (1.2345678901234566e17, "123456789012345660"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e21, "-1.5e+21"),
        (123_456_789_012_345_680_000.0, "123456789012345680000"),
        (1e22, "1e+22"),
        (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
        (1e-5, "0.00001"),
        (1.5e-5, "0.000015"),
        (1e-6, "0.000001"),
        (1.234e-6, "0.000001234"),
        (9.99e-7, "9.99e-07"),
        (1e-7, "1e-07"),
        (-1e-7, "-1e-07"),
        (1e-10, "1e-10"),
        (1e100, "1e+100"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (0.5 + 9_007_199_254_740.0, "9007199254740.5"),
        (1e16, "10000000000000000"),
        (1.5e16, "15000000000000000"),
        (4.35, "4.35"),
    ];
    for (value, expected) in rows {
        assert_eq!(text(value), expected, "{value:e}");
    }
}

#[test]
fn any_finite_bits_read_back() {
    // A multiplicative walk over the bit patterns: reaches every exponent.
    let mut bits: u64 = 1;
    for _ in 0..20_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let printed = text(value);
            let back: f64 = printed.parse().expect("a number");
            assert_eq!(back.to_bits(), bits, "{printed}");
            let exponent = value.abs() < 1e-6 || value.abs() >= 1e21;
            assert_eq!(printed.contains('e'), exponent, "{printed}");
        }
    }
}

#[test]
fn integers_print() {
    for n in [0, 7, 10, 99, 100, 101, 12_345, 999_999, u64::MAX] {
        let mut out = Vec::new();
        integer(&mut out, n);
        assert_eq!(out, n.to_string().as_bytes());
    }
}
