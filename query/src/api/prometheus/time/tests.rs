use super::*;

#[test]
fn times_are_seconds_or_rfc_3339() {
    let rows = [
        ("0", 0),
        ("1435781451.781", 1_435_781_451_781),
        ("1435781451.7815", 1_435_781_451_782),
        ("-1.5", -1500),
        ("1e3", 1_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
        ("2015-07-01T20:10:51.781999999Z", 1_435_781_451_781),
        ("2015-07-01T22:10:51+02:00", 1_435_781_451_000),
        ("2015-07-01T14:40:51-05:30", 1_435_781_451_000),
        ("2024-02-29T23:59:59Z", 1_709_251_199_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        (MIN_TIME, i64::MIN),
        (MAX_TIME, i64::MAX),
    ];
    for (text, expected) in rows {
        assert_eq!(parse_time(text), Ok(expected), "{text}");
    }
    for bad in [
        "",
        "foo",
        "30s",
        "NaN",
        "Inf",
        "1e300",
        "2015-07-01",
        "2015-02-29T00:00:00Z",
        "2015-13-01T00:00:00Z",
        "2015-07-01T24:00:00Z",
        "2015-07-01T20:10:51",
        "2015-07-01T20:10:51.Z",
        "2015-07-01T20:10:51Zx",
        "2015-07-01T20:10:51+0200",
        "2015-07-ü1T20:10:51Z",
    ] {
        assert_eq!(
            parse_time(bad),
            Err(format!("cannot parse \"{bad}\" to a valid timestamp")),
            "{bad}"
        );
    }
}

#[test]
fn durations_are_seconds_or_prometheus_durations() {
    for (text, expected) in [
        ("15", 15_000),
        ("0.0005", 0),
        ("1e-3", 1),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("-1", -1000),
    ] {
        assert_eq!(parse_step(text), Ok(expected), "{text}");
    }
    assert_eq!(parse_step(""), Err("cannot parse \"\" to a valid duration".to_owned()));
    assert_eq!(parse_step("5"), Ok(5000));
    assert!(parse_step("1e20").expect_err("too long").contains("overflows int64"));
    assert!(parse_step("NaN").expect_err("no number").contains("overflows int64"));
    assert!(parse_step("5 m").expect_err("blank").contains("valid duration"));
}

#[test]
fn every_day_of_two_cycles_reads_back() {
    for day in -CYCLE_DAYS..CYCLE_DAYS {
        let text = format_rfc3339(day * DAY_MS + 1);
        assert_eq!(parse_time(&text), Ok(day * DAY_MS + 1), "{text}");
    }
    assert_eq!(format_rfc3339(1_435_781_451_000), "2015-07-01T20:10:51Z");
}
