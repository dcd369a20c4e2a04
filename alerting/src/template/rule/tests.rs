use super::*;

fn expand_with(text: &str, value: f64, query: &mut Query<'_>) -> Result<String, String> {
    let labels = LabelSet::from_pairs(&[("instance", "db1.example.org:9100"), ("job", "db")]);
    let external = LabelSet::from_pairs(&[("cluster", "eu")]);
    let data = RuleData {
        alert: "Test",
        labels: &labels,
        external_labels: &external,
        external_url: "https://tarn.example.org/mon/",
        value: &SampleValue::Float(value),
        more: More {
            expr: "up == 0",
            alert_id: 7,
            group_id: 8,
            active_ms: Some(60_000),
            hold: std::time::Duration::from_secs(90),
            interval: std::time::Duration::from_secs(60),
            partial: false,
        },
    };
    expand(text, &data, query, 1_435_065_584_128).map_err(|error| error.message)
}

fn answer(question: &str) -> Result<Vec<QuerySample>, String> {
    let sample = |labels: &[(&str, &str)], value| QuerySample {
        labels: LabelSet::from_pairs(labels),
        value: SampleValue::Float(value),
    };
    match question {
        "metric" => Ok(vec![
            sample(&[("__name__", "metric"), ("instance", "b")], 21.0),
            sample(&[("__name__", "metric"), ("instance", "a"), ("__value__", "x")], 11.0),
        ]),
        "nothing" => Ok(vec![]),
        other => Err(format!("no answer to {other}")),
    }
}

/// Text, value, what comes out.
const CASES: &[(&str, f64, &str)] = &[
    ("plain {text}", 0.0, "plain {text}"),
    (
        "{{ $labels.instance }} {{ .Labels.job }} {{ $labels.nope }}|",
        0.0,
        "db1.example.org:9100 db |",
    ),
    (
        "{{ $externalLabels.cluster }} {{ $externalURL }} {{ externalURL }}{{ pathPrefix }}",
        0.0,
        "eu https://tarn.example.org/mon/ https://tarn.example.org/mon//mon",
    ),
    (
        "{{ $value }} {{ .Value }} {{ printf \"%.2f\" $value }}",
        1_500_000.0,
        "1.5e+06 1.5e+06 1500000.00",
    ),
    ("{{ $value }}", f64::NAN, "NaN"),
    ("{{ $value }}", f64::INFINITY, "+Inf"),
    ("{{ printf \"%d\" $value }}", 1.0, "%!d(float64=1)"),
    ("{{ $labels }}", 0.0, "map[instance:db1.example.org:9100 job:db]"),
    (
        "{{ $value | humanize }} {{ humanize1024 $value }} {{ humanizePercentage 0.5 }}",
        2048.0,
        "2.048k 2ki 50%",
    ),
    ("{{ humanizeDuration 3723 }} {{ humanizeDuration \"90\" }}", 0.0, "1h 2m 3s 1m 30s"),
    ("{{ humanizeTimestamp $value }}", 1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
    (
        "{{ (toTime $value).Format \"2006-01-02\" }} {{ ($value | toTime).Year }}",
        1_435_065_584.0,
        "2015-06-23 2015",
    ),
    (
        "{{ toDuration 90 }} {{ (toDuration 3600).Hours }} {{ parseDuration \"1h30m\" }}",
        0.0,
        "1m30s 1 5400",
    ),
    ("{{ now }} {{ (toTime now).Unix }}", 0.0, "1.435065584128e+09 1435065584"),
    (
        "{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripPort \"[::1]:80\" }}",
        0.0,
        "db1.example.org db1:9100 10.0.0.1:80 ::1",
    ),
    (
        "{{ graphLink \"up == 1\" }} {{ tableLink \"up\" }}",
        0.0,
        "/graph?g0.expr=up+%3D%3D+1&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
    ),
    (
        "{{ toUpper \"a\" }}{{ toLower \"B\" }} {{ title \"foo bar\" }} {{ match \"a+\" \"baa\" }} {{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}",
        0.0,
        "Ab Foo Bar true xa",
    ),
    ("{{ urlQueryEscape \"a b&c\" }} {{ safeHtml \"<b>\" }}", 0.0, "a+b%26c <b>"),
    (
        "{{ with query \"metric\" }}{{ . | first | value }} {{ first . | label \"instance\" }}{{ end }}",
        0.0,
        "21 b",
    ),
    (
        "{{ range query \"metric\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }}{{ strvalue . }};{{ end }}",
        0.0,
        "a=11x;b=21;",
    ),
    ("{{ range query \"nothing\" }}x{{ else }}none{{ end }}", 0.0, "none"),
    (
        "{{ query \"nothing\" }} {{ first (query \"metric\") }}",
        0.0,
        "[] {map[__name__:metric instance:b] 21}",
    ),
    (
        "{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"b\") }}",
        0.0,
        "1-b",
    ),
    ("{{ if gt $value 1.0 }}high{{ else }}low{{ end }}", 2.0, "high"),
    (
        "{{ $activeAt.Unix }} {{ $type }} {{ $alertID }} {{ $groupID }} {{ $expr }} {{ $for }} {{ $interval }} {{ $isPartial }}",
        0.0,
        "60 prometheus 7 8 up == 0 1m30s 1m0s false",
    ),
    (
        "{{ htmlEscape \"<\" }} {{ jsonEscape \"a\\\"\" }} {{ quotesEscape \"a\\\"\" }} {{ queryEscape \"a b\" }} {{ pathEscape \"a b/c\" }} {{ parseDurationTime \"90s\" }} {{ formatTime \"2006\" 0 }}",
        0.0,
        "&lt; \"a\\\"\" a\\\" a+b a%20b%2Fc 1m30s 1970",
    ),
];

#[test]
fn variables_and_functions() {
    for (text, value, want) in CASES {
        assert_eq!(expand_with(text, *value, &mut answer).as_deref(), Ok(*want), "{text}");
    }
}

#[test]
fn mistakes_are_told_as_upstream_tells_them() {
    let head = "error executing template __alert_Test: template: __alert_Test:1:";
    let cases = [
        (
            "{{ eq $value 1 }}",
            "executing \"__alert_Test\" at <eq $value 1>: error calling eq: incompatible types for comparison",
        ),
        (
            "{{ first (query \"nothing\") }}",
            "error calling first: first() called on vector with no elements",
        ),
        ("{{ query \"broken\" }}", "error calling query: no answer to broken"),
        (
            "{{ humanize \"x\" }}",
            "error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax",
        ),
        ("{{ $labels.job.x }}", "can't evaluate field x in type string"),
        ("{{ value $value }}", "wrong type for value; expected *template.sample; got float64"),
    ];
    for (text, want) in cases {
        let error = expand_with(text, 1.0, &mut answer).expect_err(text);
        assert!(error.starts_with(head) && error.ends_with(want), "{text}: {error}");
    }
    let error = expand_with("{{ .Nope }}", 1.0, &mut answer).expect_err("no such field");
    assert!(error.ends_with("type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"), "{error}");
    let error = expand_with("{{ nope }}", 1.0, &mut answer).expect_err("no such function");
    let want = "error parsing template __alert_Test: template: __alert_Test:1: function \"nope\" not defined";
    assert_eq!(error, want);
}

#[test]
fn files_are_checked_with_places_in_the_text() {
    assert_eq!(check("{{ $labels.x }} {{ $value | humanize }} {{ $expr }}"), Ok(()));
    assert_eq!(check("ab {{ nope }}"), Err("1:7: function \"nope\" not defined".to_owned()));
    assert_eq!(check("a\n{{ $x }}"), Err("2:4: undefined variable \"$x\"".to_owned()));
    assert_eq!(check("{{ if true }}"), Err("1:14: unexpected EOF".to_owned()));
}

#[test]
fn questions_are_asked_in_two_passes() {
    let text = "{{ with query \"metric\" }}{{ . | first | value }}{{ end }}";
    let mut asked = Vec::new();
    let pending = expand_with(text, 1.0, &mut |question| {
        asked.push(question.to_owned());
        Err("pending".to_owned())
    });
    assert!(pending.expect_err("no answer yet").contains("pending"));
    assert_eq!(asked, ["metric"]);
    assert_eq!(expand_with(text, 1.0, &mut answer).as_deref(), Ok("21"));
}
