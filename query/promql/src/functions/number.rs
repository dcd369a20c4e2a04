//! Numbers as label values.

use crate::print::number::general;

/// Prints like OpenMetrics: the shortest form, with `.0` where nothing else shows that it is a
/// float.
pub(crate) fn open_metrics(value: f64) -> String {
    let text = general(value);
    let plain = value.is_finite() && !text.contains(['.', 'e']);
    if plain { text + ".0" } else { text }
}

#[cfg(test)]
mod tests {
    use super::open_metrics;

    #[test]
    fn numbers_look_like_floats() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.25, "0.25"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-07"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(open_metrics(value), text);
        }
    }
}
