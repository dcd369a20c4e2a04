//! Quantiles of plain numbers, by linear interpolation between ranks.

/// Orders floats with NaN as the smallest.
pub(crate) fn nan_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => a.total_cmp(b),
    }
}

/// Returns the `q` quantile and leaves `values` in another order.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    // Only the two neighbouring ranks are needed, so selecting them is enough.
    let (_, low, above) = values.select_nth_unstable_by(lower as usize, nan_first);
    let low = *low;
    let high = above.iter().copied().min_by(nan_first).unwrap_or(low);
    low * (1.0 - weight) + high * weight
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn interpolates_between_ranks() {
        let nan = f64::NAN;
        for (q, values, expected) in [
            (0.5, vec![1.0, 0.0], 0.5),
            (0.8, vec![4.0, 0.0, 1.0], 2.8),
            (1.0, vec![4.0, 0.0, 1.0], 4.0),
            (0.0, vec![4.0, 0.0, 1.0], 0.0),
            (-0.1, vec![1.0], f64::NEG_INFINITY),
            (1.1, vec![1.0], f64::INFINITY),
            (0.2, vec![0.0, nan, 1.0], nan),
            (0.8, vec![0.0, nan, 1.0], 0.6),
            (nan, vec![0.0], nan),
            (0.5, vec![], nan),
        ] {
            let got = quantile(q, &mut values.clone());
            let same = (got.is_nan() && expected.is_nan())
                || got == expected
                || (got - expected).abs() < 1e-12;
            assert!(same, "{q} of {values:?}: {got}");
        }
    }
}
