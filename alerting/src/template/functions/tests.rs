use super::*;

#[test]
fn numbers_become_readable() {
    let cases = [
        (0.0, "0", "0", "0s", "0%"),
        (1.0, "1", "1", "1s", "100%"),
        (-1.0, "-1", "-1", "-1s", "-100%"),
        (0.001, "1m", "0.001", "1ms", "0.1%"),
        (1234.5678, "1.235k", "1.206ki", "20m 34s", "1.235e+05%"),
        (1e15, "1P", "909.5Ti", "11574074074d 1h 46m 40s", "1e+17%"),
        (f64::INFINITY, "+Inf", "+Inf", "+Inf", "+Inf%"),
        (f64::NAN, "NaN", "NaN", "NaN", "NaN%"),
        (90_061.5, "90.06k", "87.95ki", "1d 1h 1m 1s", "9.006e+06%"),
        (3600.0, "3.6k", "3.516ki", "1h 0m 0s", "3.6e+05%"),
        (59.9999, "60", "60", "60s", "6000%"),
        (0.000_000_000_123, "123p", "1.23e-10", "123ps", "1.23e-08%"),
    ];
    for (number, plain, binary, duration, percentage) in cases {
        assert_eq!(humanize(number), plain, "humanize {number}");
        assert_eq!(humanize_1024(number), binary, "humanize1024 {number}");
        assert_eq!(humanize_duration(number), duration, "humanizeDuration {number}");
        assert_eq!(humanize_percentage(number), percentage, "humanizePercentage {number}");
    }
}

#[test]
fn what_is_no_number_says_so() {
    assert_eq!(number(&"1.5e3".into()), Ok(1500.0));
    assert_eq!(number(&Value::Int(3)), Ok(3.0));
    assert_eq!(number(&Value::object(Duration(1_500_000_000))), Ok(1.5));
    let error = number(&"x".into()).expect_err("no number");
    assert_eq!(error, "strconv.ParseFloat: parsing \"x\": invalid syntax");
    let error = number(&Value::Bool(true)).expect_err("no number");
    assert_eq!(error, "can't convert bool to float");
}

#[test]
fn words_begin_with_capitals() {
    let text = "hello wORLD foo-bar it's 3d \u{e9}t\u{e9}";
    assert_eq!(title(text, true), "Hello World Foo-Bar It's 3d \u{c9}t\u{e9}");
    assert_eq!(title(text, false), "Hello WORLD Foo-Bar It'S 3d \u{c9}t\u{e9}");
}

#[test]
fn replacements_follow_go_and_end_early() {
    let replace = |pattern: &str, by: &str, text: &str| {
        replace_all(pattern, by, text).map(|value| value.as_text().unwrap_or_default().to_owned())
    };
    assert_eq!(replace("(a)b", "$1x ${1}x $2", "abab").as_deref(), Ok(" ax  ax "));
    assert_eq!(replace("(?P<n>a+)", "<$n>", "aab").as_deref(), Ok("<aa>b"));
    assert_eq!(replace("b*", "-", "abc").as_deref(), Ok("-a-c-"));
    assert!(replace("(", "", "x").expect_err("open").starts_with("error parsing regexp: "));
    let long = "x".repeat(1 << 12);
    assert!(replace("x", &long, &long).is_err());
    assert!(matches("(a{1000}){1000}", "a").is_err());
}
