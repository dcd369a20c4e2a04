use super::*;

fn metric(name: &str, unit: &str, instrument: Instrument) -> [String; 4] {
    Translation::ALL.map(|translation| {
        metric_name(name, unit, instrument, translation).unwrap_or_else(|e| format!("! {e}"))
    })
}

/// Name, unit, kind → escaped with and without suffixes, unescaped with suffixes.
type MetricCase =
    (&'static str, &'static str, Instrument, &'static str, &'static str, &'static str);

const METRICS: &[MetricCase] = &[
    (
        "http.server.duration",
        "s",
        Instrument::Other,
        "http_server_duration_seconds",
        "http_server_duration",
        "http.server.duration_seconds",
    ),
    (
        "http.requests",
        "{request}",
        Instrument::Counter,
        "http_requests_total",
        "http_requests",
        "http.requests_total",
    ),
    ("http.requests", "", Instrument::Gauge, "http_requests", "http_requests", "http.requests"),
    (
        "http.requests.total",
        "",
        Instrument::Counter,
        "http_requests_total",
        "http_requests_total",
        "http.requests_total",
    ),
    (
        "total.requests",
        "",
        Instrument::Counter,
        "requests_total",
        "total_requests",
        "total.requests_total",
    ),
    ("total", "", Instrument::Counter, "total", "total", "total_total"),
    (
        "network.io",
        "By",
        Instrument::Counter,
        "network_io_bytes_total",
        "network_io",
        "network.io_bytes_total",
    ),
    (
        "network.io",
        "By/s",
        Instrument::Gauge,
        "network_io_bytes_per_second",
        "network_io",
        "network.io_bytes_per_second",
    ),
    ("disk.bytes", "By", Instrument::Gauge, "disk_bytes", "disk_bytes", "disk.bytes"),
    (
        "bytes.on.disk",
        "By",
        Instrument::Gauge,
        "bytes_on_disk",
        "bytes_on_disk",
        "bytes.on.disk_bytes",
    ),
    (
        "cpu.utilization",
        "1",
        Instrument::Gauge,
        "cpu_utilization_ratio",
        "cpu_utilization",
        "cpu.utilization_ratio",
    ),
    ("cpu.ratio", "1", Instrument::Gauge, "cpu_ratio", "cpu_ratio", "cpu_ratio"),
    ("ratio.of.it", "1", Instrument::Gauge, "of_it_ratio", "ratio_of_it", "ratio.of.it_ratio"),
    ("things", "1", Instrument::Counter, "things_total", "things", "things_total"),
    ("things", "1", Instrument::Other, "things", "things", "things"),
    (
        "speed",
        "m/s",
        Instrument::Gauge,
        "speed_meters_per_second",
        "speed",
        "speed_meters_per_second",
    ),
    (
        "speed.per.second",
        "m/s",
        Instrument::Gauge,
        "speed_per_second_meters_per_second",
        "speed_per_second",
        "speed.per.second_meters_per_second",
    ),
    (
        "growth",
        "%/mo",
        Instrument::Gauge,
        "growth_percent_per_month",
        "growth",
        "growth_percent_per_month",
    ),
    ("calls", "{call}/min", Instrument::Gauge, "calls_per_min", "calls", "calls_per_min"),
    ("calls", "/s", Instrument::Gauge, "calls_per_second", "calls", "calls_per_second"),
    ("odd", "a/b/c", Instrument::Gauge, "odd_a_per_b_c", "odd", "odd_a_per_b/c"),
    ("odd", " s / d ", Instrument::Gauge, "odd_seconds_per_day", "odd", "odd_seconds_per_day"),
    ("odd", "°F", Instrument::Gauge, "odd_F", "odd", "odd_°F"),
    ("odd", "__x__y_", Instrument::Gauge, "odd_x_y_", "odd", "odd___x__y_"),
    ("odd", "x_/s", Instrument::Gauge, "odd_x_per_second", "odd", "odd_x__per_second"),
    ("odd", "€/€", Instrument::Gauge, "odd", "odd", "odd_€_per_€"),
    ("disk", "TiBy", Instrument::Gauge, "disk_tibibytes", "disk", "disk_tibibytes"),
    ("2xx.rate", "", Instrument::Gauge, "_2xx_rate", "_2xx_rate", "2xx.rate"),
    ("a..b__c", "", Instrument::Gauge, "a_b_c", "a_b__c", "a..b__c"),
    ("_private_", "", Instrument::Gauge, "private", "_private_", "_private_"),
    (".dots.", "", Instrument::Gauge, "dots", "dots", ".dots."),
    ("rule:job:rate", "", Instrument::Gauge, "rule:job:rate", "rule:job:rate", "rule:job:rate"),
    ("größe", "By", Instrument::Gauge, "gr_e_bytes", "gr_e", "größe_bytes"),
    ("大.cpu", "", Instrument::Gauge, "cpu", "cpu", "大.cpu"),
];

#[test]
fn metric_names() {
    for (name, unit, instrument, full, bare, utf8) in METRICS.iter().copied() {
        // Without translation the name is the name.
        assert_eq!(metric(name, unit, instrument), [full, bare, utf8, name], "{name} {unit}");
    }
}

#[test]
fn names_of_nothing_are_errors() {
    let error = |name, unit, translation| {
        metric_name(name, unit, Instrument::Gauge, translation).map_err(|e| e.to_string())
    };
    for translation in Translation::ALL {
        let empty = error("", "", translation).expect_err("empty");
        assert_eq!(empty, "nothing is left of name \"\" after translation");
    }
    let [full, bare, utf8, none] = Translation::ALL.map(|t| error("大.小", "", t));
    assert_eq!(full.expect_err("empty"), "nothing is left of name \"大.小\" after translation");
    assert!(bare.is_err());
    assert_eq!((utf8.as_deref(), none.as_deref()), (Ok("大.小"), Ok("大.小")));
    // Underscores alone: what came as such stays where nothing had to be changed.
    assert_eq!(
        Translation::ALL.map(|t| error("_._", "", t).ok()),
        [None, None, Some("_._".to_owned()), Some("_._".to_owned())]
    );
    assert_eq!(
        error("__", "", Translation::UnderscoreEscapingWithoutSuffixes),
        Ok("__".to_owned())
    );
    // A unit can be the whole name.
    assert_eq!(metric("é", "s", Instrument::Counter)[0], "seconds_total");
}

#[test]
fn units() {
    let cases = [
        ("", ""),
        ("1", ""),
        ("s", "seconds"),
        ("By", "bytes"),
        ("By/s", "bytes_per_second"),
        ("{packet}/s", "per_second"),
        ("{packet}", ""),
        ("1/y", "per_year"),
        ("furlong/fortnight", "furlong_per_fortnight"),
        ("m2", "m2"),
        ("_x_", "x"),
        ("Cel", "celsius"),
    ];
    for (unit, name) in cases {
        assert_eq!(unit_name(unit), name, "{unit}");
    }
}

#[test]
fn label_names() {
    // Key → by default; without `key` in front of an underscore; with single underscores.
    let cases = [
        ("host.name", "host_name", "host_name", "host_name"),
        ("plain_1", "plain_1", "plain_1", "plain_1"),
        ("1st", "key_1st", "key_1st", "key_1st"),
        ("_x", "key_x", "_x", "key_x"),
        (".x", "key_x", "_x", "key_x"),
        ("__x", "__x", "__x", "key_x"),
        ("__x__", "__x__", "__x__", "__x__"),
        ("__a..b__", "__a__b__", "__a__b__", "__a_b__"),
        ("a..b", "a__b", "a__b", "a_b"),
        ("a__b", "a__b", "a__b", "a_b"),
        ("a:b", "a_b", "a_b", "a_b"),
        ("größe", "gr__e", "gr__e", "gr_e"),
        ("_", "key_", "_", "key_"),
        ("__", "__", "__", "key_"),
    ];
    let default = LabelRules::default();
    let bare = LabelRules { key_before_underscore: false, ..default };
    let single = LabelRules { keep_underscores: false, ..default };
    for (key, a, b, c) in cases {
        let made = [default, bare, single]
            .map(|rules| rules.name(key).map_or_else(|e| format!("! {e}"), Cow::into_owned));
        assert_eq!(made, [a, b, c], "{key}");
        let raw = LabelRules { escape: false, ..default };
        assert_eq!(raw.name(key).as_deref(), Ok(key));
    }
    for (rules, key) in [(default, ""), (default, ".."), (bare, "."), (single, "")] {
        assert!(rules.name(key).is_err(), "{key:?}");
    }
    let raw = LabelRules { escape: false, ..default };
    assert_eq!((raw.name("é.é").as_deref(), raw.name("").is_err()), (Ok("é.é"), true));
}

#[test]
fn strategies_have_the_names_of_prometheus() {
    for translation in Translation::ALL {
        assert_eq!(Translation::parse(translation.as_str()), Some(translation));
    }
    assert_eq!(Translation::parse("underscores"), None);
    assert_eq!(Translation::default(), Translation::UnderscoreEscapingWithSuffixes);
}
