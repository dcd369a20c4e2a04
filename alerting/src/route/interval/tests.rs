use super::*;

fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("time").as_millisecond()
}

fn range(unit: Unit, text: &str) -> (i16, i16) {
    parse_range(unit, text).expect("range")
}

#[test]
fn a_time_is_in_where_every_condition_holds() {
    let office = TimeInterval {
        times: vec![(parse_minute("09:00").expect("time"), parse_minute("17:00").expect("time"))],
        weekdays: vec![range(Unit::Weekday, "monday:friday")],
        ..TimeInterval::default()
    };
    // 2026-11-20 is a Friday.
    let cases = [
        ("2026-11-20T09:00:00Z", true),
        ("2026-11-20T08:59:59Z", false),
        ("2026-11-20T16:59:59Z", true),
        ("2026-11-20T17:00:00Z", false),
        ("2026-11-21T12:00:00Z", false),
    ];
    for (text, wanted) in cases {
        assert_eq!(office.contains(ms(text)), wanted, "{text}");
    }
    let sydney = jiff::tz::TimeZone::get("Australia/Sydney").expect("zone");
    let sydney = TimeInterval { zone: Some(sydney), ..office };
    assert!(sydney.contains(ms("2026-11-19T22:30:00Z")), "09:30 on Friday there");
    assert!(!sydney.contains(ms("2026-11-20T09:30:00Z")), "20:30 there");
}

#[test]
fn days_are_counted_from_both_ends_and_cut_off() {
    let on = |days: &str, date: &str| {
        let days_of_month = vec![range(Unit::DayOfMonth, days)];
        TimeInterval { days_of_month, ..TimeInterval::default() }
            .contains(ms(&format!("{date}T12:00:00Z")))
    };
    assert!(on("-1", "2026-01-31") && !on("-1", "2026-01-30"));
    assert!(on("-3:-1", "2026-02-26") && !on("-3:-1", "2026-02-25"));
    assert!(on("1:31", "2026-02-28"));
    assert!(on("29:31", "2028-02-29") && !on("29:31", "2026-02-28"));
    assert!(on("20:-1", "2026-02-28") && !on("20:-1", "2026-02-19"));
}

#[test]
fn ranges_are_checked() {
    assert_eq!(
        parse_range(Unit::Month, "Jan"),
        Err("\"jan\" is not a month such as may or 5".into())
    );
    assert_eq!(range(Unit::Month, "May:8"), (5, 8));
    assert_eq!(range(Unit::Year, "2020:2022"), (2020, 2022));
    for (unit, text) in [
        (Unit::Weekday, "friday:monday"),
        (Unit::DayOfMonth, "0"),
        (Unit::DayOfMonth, "32"),
        (Unit::DayOfMonth, "-5:5"),
        (Unit::DayOfMonth, "-1:-5"),
        (Unit::Month, "13"),
        (Unit::Year, "2030:2020"),
    ] {
        assert!(parse_range(unit, text).is_err(), "{text}");
    }
    for text in ["24:00", "00:00", "23:59"] {
        assert!(parse_minute(text).is_ok(), "{text}");
    }
    for text in ["24:01", "9:00", "12:60", "noon", "12:0x"] {
        assert!(parse_minute(text).is_err(), "{text}");
    }
}
