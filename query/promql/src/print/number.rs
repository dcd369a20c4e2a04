//! Numbers as Go writes them.

/// Writes the shortest decimal that reads back equal, never with an exponent (Go's `'f', -1`).
pub(crate) fn fixed(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value}")
    }
}

/// Writes the shortest decimal that reads back equal, with an exponent below 1e-4 and from 1e21 on
/// (Go's `%v`).
pub(crate) fn general(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 || (1e-4..1e21).contains(&size) {
        return fixed(value);
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{fixed, general};

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, plain, short) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (0.1, "0.1", "0.1"),
            (-23.0, "-23", "-23"),
            (1e-5, "0.00001", "1e-05"),
            (1.5e-300, &format!("0.{}15", "0".repeat(299)), "1.5e-300"),
            (1e20, "100000000000000000000", "100000000000000000000"),
            (1e21, "1000000000000000000000", "1e+21"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!((fixed(value).as_str(), general(value).as_str()), (plain, short));
        }
    }
}
