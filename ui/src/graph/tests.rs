//! Links as Prometheus and its alerts write them.

use super::location;
use crate::base::BasePath;

#[test]
fn the_expression_and_its_time_arrive() {
    for (query, expected) in [
        ("", "/metrics"),
        ("g0.expr=&g0.tab=1", "/metrics"),
        ("g0.expr=up&g0.tab=1", "/metrics?q=up"),
        (
            "g0.expr=up%7Bjob%3D%22shop%22%7D+%3D%3D+1&g0.tab=0",
            "/metrics?q=up%7Bjob%3D%22shop%22%7D%20%3D%3D%201",
        ),
        ("g0.expr=%C3%A4&g0.range_input=1h30m", "/metrics?q=%C3%A4&from=now-5400s&to=now"),
        ("g0.range_input=90", "/metrics?from=now-90s&to=now"),
        (
            "g0.expr=up&g0.range_input=2h&g0.end_input=2026-01-31%2023%3A00%3A00",
            "/metrics?q=up&from=2026-01-31T21:00:00Z&to=2026-01-31T23:00:00Z",
        ),
        (
            "g0.expr=up&g0.moment_input=2026-03-01+00%3A30%3A00",
            "/metrics?q=up&from=2026-02-28T23:30:00Z&to=2026-03-01T00:30:00Z",
        ),
        ("g0.expr=a&g1.expr=b", "/metrics?q=a"),
        ("g0.expr=100%&g0.range_input=1 fortnight&g0.end_input=soon", "/metrics?q=100%25"),
        ("g0.range_input=99999999999999999y", "/metrics"),
        (
            "g0.range_input=-5&g0.end_input=2026-12-31",
            "/metrics?from=2026-12-30T23:00:00Z&to=2026-12-31T00:00:00Z",
        ),
    ] {
        assert_eq!(location(&BasePath::default(), query), expected, "{query}");
    }
}

#[test]
fn nobody_is_led_elsewhere() {
    let base = BasePath::parse("/tarn").unwrap();
    let hostile = "g0.expr=%0d%0aSet-Cookie:a%3Db%22%3E%3Cscript%3E&g0.expr=//evil.example.org";
    let to = location(&base, hostile);
    assert!(to.starts_with("/tarn/metrics?q="), "{to}");
    assert!(to.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>".contains(&b)), "{to}");
}
