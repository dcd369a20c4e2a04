use super::*;

const MONTH: Duration = Duration::from_secs(30 * DAY);

#[test]
fn factors_are_the_workbooks() {
    let factors = |days: u64| -> Vec<f64> {
        let tiers = tiers(0.999, Duration::from_secs(days * DAY));
        tiers.iter().skip(1).map(|t| (t.factor * 100.0).round() / 100.0).collect()
    };
    assert_eq!(factors(30), [14.4, 6.0, 3.0, 1.0]);
    assert_eq!(factors(28), [13.44, 5.6, 2.8, 0.93]);
}

/// Seconds to the first page at a constant share of errors.
#[test]
fn detection_takes_as_long_as_computed() {
    let first = |target: f64, share: f64, outage: bool| {
        let tiers = tiers(target, MONTH);
        let times =
            tiers.iter().skip(usize::from(!outage)).filter(|t| t.severity == Severity::Page);
        times
            .filter_map(|t| t.time_to_fire(target, share))
            .map(|t| t.as_secs_f64().round())
            .min_by(f64::total_cmp)
    };
    // The workbook's tiers alone.
    assert_eq!(first(0.99, 1.0, false), Some(518.0));
    assert_eq!(first(0.999, 1.0, false), Some(52.0));
    assert_eq!(first(0.999, 0.1, false), Some(518.0));
    assert_eq!(first(0.9999, 0.02, false), Some(259.0));
    assert_eq!(first(0.99, 0.02, false), None);
    // With the outage tier in front.
    assert_eq!(first(0.99, 1.0, true), Some(60.0));
    assert_eq!(first(0.999, 1.0, true), Some(12.0));
    assert_eq!(first(0.999, 0.5, true), Some(24.0));
    assert_eq!(first(0.9999, 1.0, true), Some(1.0));
}

#[test]
fn few_events_speak_for_little() {
    for (bad, valid, low, high) in [
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 1000.0, 0.0, 1e-9),
        (1.0, 1.0, 0.2, 0.21),
        (3.0, 3.0, 0.43, 0.44),
        (2.0, 3.0, 0.2, 0.21),
        (500.0, 1000.0, 0.46, 0.48),
        (1000.0, 1000.0, 0.996, 1.0),
    ] {
        let bound = wilson_lower(bad, valid);
        assert!((low..=high).contains(&bound), "{bad} of {valid}: {bound}");
    }
}

#[test]
fn a_budget_is_used_in_proportion() {
    assert_eq!(budget_left(0.99, 0.0, 0.0), 1.0);
    assert!((budget_left(0.99, 995.0, 1000.0) - 0.5).abs() < 1e-9);
    assert!(budget_left(0.99, 980.0, 1000.0) < 0.0);
}
