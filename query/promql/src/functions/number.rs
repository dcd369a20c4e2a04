//! Numbers as text, as Go prints them.

/// Prints like Go's `strconv.FormatFloat(v, 'f', -1, 64)`: the shortest digits that read back as
/// the same number, without an exponent.
pub(crate) fn decimal(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

/// Prints like OpenMetrics: the shortest form with an exponent where it is large or small, and with
/// `.0` where nothing else shows that it is a float.
pub(crate) fn open_metrics(value: f64) -> String {
    if !value.is_finite() {
        return decimal(value);
    }
    let exponent = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if (-4.0..21.0).contains(&exponent) {
        let text = decimal(value);
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}e{sign}{power:0>2}")
}

/// Parses the upper bound of a bucket.
pub(crate) fn bound(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{decimal, open_metrics};

    #[test]
    fn numbers_print_like_go() {
        for (value, plain, metrics) in [
            (1.0, "1", "1.0"),
            (-0.0, "-0", "-0.0"),
            (0.25, "0.25", "0.25"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1.5e-7, "0.00000015", "1.5e-07"),
            (f64::NAN, "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (f64::INFINITY, "+Inf", "+Inf"),
        ] {
            assert_eq!((decimal(value).as_str(), open_metrics(value).as_str()), (plain, metrics));
        }
    }
}
