use super::*;

/// 2026-02-03T04:05:06.789Z, a Tuesday.
const MS: i64 = 1_770_091_506_789;

fn text(value: &Value) -> String {
    tarn_template::format::print(std::slice::from_ref(value)).expect("it is short")
}

fn method(value: &Value, name: &str, arguments: &[Value]) -> String {
    let Value::Object(object) = value else { panic!("no object: {value:?}") };
    let method = object.method(name).unwrap_or_else(|| panic!("no method {name}"));
    method.call(arguments).map_or_else(|why| why, |value| text(&value))
}

#[test]
fn times_are_written_as_layouts_show() {
    let time = Time::of_ms(MS);
    let cases = [
        ("2006-01-02T15:04:05Z07:00", "2026-02-03T04:05:06Z"),
        ("2006-01-02T15:04:05.999999999Z07:00", "2026-02-03T04:05:06.789Z"),
        ("2006-01-02 15:04:05.000000 -0700 MST", "2026-02-03 04:05:06.789000 +0000 UTC"),
        ("Mon, 02 Jan 2006 15:04:05 MST", "Tue, 03 Feb 2026 04:05:06 UTC"),
        ("Monday, January _2 2006 at 3:04pm", "Tuesday, February  3 2026 at 4:05am"),
        ("Jan 2 '06 03:04:05 PM -07:00", "Feb 3 '26 04:05:06 AM +00:00"),
        ("002 __2 1/2", "034  34 2/3"),
        ("15h04m5,00", "04h05m6,78"),
        ("no layout", "no layout"),
        ("Janet Monty", "Janet Monty"),
        ("", ""),
    ];
    for (layout, want) in cases {
        assert_eq!(layout::format(&time.0, layout), want, "{layout}");
    }
    assert_eq!(text(&time.value()), "2026-02-03 04:05:06.789 +0000 UTC");
    assert_eq!(text(&Time::zero().value()), "0001-01-01 00:00:00 +0000 UTC");
}

#[test]
fn times_in_zones_show_their_names() {
    let there = Time::of_ms(MS).with_zone("Europe/Berlin").expect("the zone is known");
    assert_eq!(text(&there.value()), "2026-02-03 05:05:06.789 +0100 CET");
    let there = Time::of_ms(MS).with_zone("Asia/Kolkata").expect("the zone is known");
    assert_eq!(layout::format(&there.0, "15:04 Z07:00"), "09:35 +05:30");
    let there = Time::of_ms(MS).with_zone("America/Sao_Paulo").expect("the zone is known");
    assert_eq!(layout::format(&there.0, "15:04 MST"), "01:05 -03");
    let error = Time::of_ms(MS).with_zone("Nowhere/Land").expect_err("there is none");
    assert_eq!(error, "unknown time zone Nowhere/Land");
}

#[test]
fn times_are_read_as_layouts_show() {
    let read =
        |layout: &str, text: &str| layout::parse(layout, text).map(|time| layout::string(&time));
    let cases = [
        ("2006-01-02", "2026-02-03", "2026-02-03 00:00:00 +0000 UTC"),
        ("2006-01-02 15:04:05", "2026-02-03 04:05:06.5", "2026-02-03 04:05:06.5 +0000 UTC"),
        ("Jan _2, 2006 3:04PM", "Feb  3, 2026 4:05PM", "2026-02-03 16:05:00 +0000 UTC"),
        ("2006-01-02T15:04:05Z07:00", "2026-02-03T04:05:06+02:00", "2026-02-03 04:05:06 +0200 +02"),
        ("January 2 06", "february 3 26", "2026-02-03 00:00:00 +0000 UTC"),
    ];
    for (layout, text, want) in cases {
        assert_eq!(read(layout, text).as_deref(), Ok(want), "{layout} {text}");
    }
    for (layout, text) in
        [("2006-01-02", "2026-13-01"), ("2006", "x"), ("2006", "2026x"), ("15:04", "25:00")]
    {
        assert!(read(layout, text).is_err(), "{layout} {text}");
    }
}

#[test]
fn methods_of_times() {
    let time = Time::of_ms(MS).value();
    let hour = Value::object(Duration(3_600_000_000_000));
    let cases: [(&str, &[Value], &str); 14] = [
        ("Unix", &[], "1770091506"),
        ("UnixMilli", &[], "1770091506789"),
        ("Year", &[], "2026"),
        ("Month", &[], "February"),
        ("Weekday", &[], "Tuesday"),
        ("Day", &[], "3"),
        ("YearDay", &[], "34"),
        ("Hour", &[], "4"),
        ("Nanosecond", &[], "789000000"),
        ("IsZero", &[], "false"),
        ("Format", &["15:04".into()], "04:05"),
        ("Add", &[hour], "2026-02-03 05:05:06.789 +0000 UTC"),
        ("AddDate", &[0.into(), 1.into(), 30.into()], "2026-04-02 04:05:06.789 +0000 UTC"),
        ("After", &[Time::zero().value()], "true"),
    ];
    for (name, arguments, want) in cases {
        assert_eq!(method(&time, name, arguments), want, "{name}");
    }
    assert_eq!(method(&time, "Sub", &[Time::of_ms(MS - 90_000).value()]), "1m30s");
    assert_eq!(method(&Time::zero().value(), "IsZero", &[]), "true");
    assert_eq!(method(&Time::of_ms(-500).value(), "Unix", &[]), "-1");
}

#[test]
fn durations_print_as_in_go() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5\u{b5}s"),
        (2_000_000, "2ms"),
        (1_234_567_890, "1.23456789s"),
        (60_000_000_000, "1m0s"),
        (-90_000_000_000, "-1m30s"),
        (3_723_500_000_000, "1h2m3.5s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanos, want) in cases {
        assert_eq!(text(&Value::object(Duration(nanos))), want);
    }
    let duration = Value::object(Duration(5_430_000_000_000));
    assert_eq!(method(&duration, "Hours", &[]), "1.5083333333333333");
    assert_eq!(method(&duration, "Seconds", &[]), "5430");
    let minute = Value::object(Duration(60_000_000_000));
    assert_eq!(method(&duration, "Round", std::slice::from_ref(&minute)), "1h31m0s");
    assert_eq!(method(&duration, "Truncate", std::slice::from_ref(&minute)), "1h30m0s");
}
