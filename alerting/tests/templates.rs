//! Our templates beside those of promtool and amtool, where these are installed: the same texts over
//! the same data must give the same, mistakes included.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tarn_alerting::alert::Alert;
use tarn_alerting::route::{Flush, NEVER_MS, Reason};
use tarn_alerting::state::Sample;
use tarn_alerting::template::notify::{Data, Templates};
use tarn_alerting::template::rule::{self, More, RuleData};
use tarn_model::labels::LabelSet;
use tarn_query::promql::query::SampleValue;

fn installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

/// Values of series, as series notation writes them.
const VALUES: &[(&str, f64)] = &[
    ("0", 0.0),
    ("1", 1.0),
    ("-1", -1.0),
    ("0.5", 0.5),
    ("0.00001234", 0.000_012_34),
    ("0.0001", 0.0001),
    ("-0.3333333333333333", -0.333_333_333_333_333_3),
    ("59.9999", 59.9999),
    ("60", 60.0),
    ("999.96", 999.96),
    ("1000", 1000.0),
    ("1024", 1024.0),
    ("3725.25", 3725.25),
    ("100000", 100_000.0),
    ("123456", 123_456.0),
    ("999999", 999_999.0),
    ("1000000", 1_000_000.0),
    ("1500000", 1_500_000.0),
    ("123456789.125", 123_456_789.125),
    ("1435065584.128", 1_435_065_584.128),
    ("1e15", 1e15),
    ("1e21", 1e21),
    ("1e+100", 1e100),
    ("NaN", f64::NAN),
    ("Inf", f64::INFINITY),
    ("-Inf", f64::NEG_INFINITY),
];

/// Texts of annotations: each is expanded for each value.
const RULES: &[&str] = &[
    "plain",
    "{{ $value }}|{{ .Value }}|{{ print $value }}|{{ printf \"%v\" $value }}",
    "{{ printf \"%d %s %t %c\" $value $value $value $value }}",
    "{{ printf \"%f|%.2f|%8.3f|%-9.1f|%+.0f|%09.2f|% .1f\" $value $value $value $value $value $value $value }}",
    "{{ printf \"%e|%.3e|%E|%g|%.3g|%G|%.10g|%x|%b\" $value $value $value $value $value $value $value $value $value }}",
    "{{ humanize $value }} {{ $value | humanize1024 }}",
    // Above, upstream prints what its processor makes of an integer that overflows.
    "{{ if lt $value 1e18 }}{{ humanizeDuration $value }}{{ end }}",
    "{{ humanizePercentage $value }}",
    "{{ humanizeTimestamp $value }}",
    "{{ $value | toTime }}",
    "{{ ($value | toTime).Format \"Mon Jan _2 15:04:05.000 2006 -07:00 MST Z07:00 PM\" }}",
    "{{ $t := toTime $value }}{{ $t.Unix }} {{ $t.Year }} {{ $t.Month }} {{ $t.Weekday }} {{ $t.YearDay }} {{ $t.Hour }} {{ printf \"%d %s\" $t.Month $t.Month }}",
    "{{ if gt $value 1.0 }}high{{ else if lt $value 0.0 }}low{{ else }}fine{{ end }}",
    "{{ if $value }}yes{{ else }}no{{ end }} {{ not $value }} {{ and $value 1 }} {{ or $value 2 }}",
    "{{ eq $value 1 }}",
    "{{ eq $value 1.0 }} {{ ne $value 0.5 }} {{ le $value 60.0 }} {{ ge $value 60.0 }}",
    "{{ $labels.instance }} {{ $labels.nope }}| {{ $labels }} {{ len $labels }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
    "{{ $externalLabels.cluster }} {{ $externalURL }}",
    "{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripPort \"[::1]:80\" }} {{ stripDomain \"a.b.c\" }} {{ stripPort \"a:b:c\" }} {{ stripPort \"a\" }}",
    "{{ graphLink \"up{job=\\\"a\\\"} == 1\" }} {{ tableLink \"a b+c\" }}",
    "{{ title \"hello wORLD it's foo-bar\" }} {{ toUpper \"\u{e9}x\" }} {{ toLower \"\u{c4}B\" }}",
    "{{ reReplaceAll \"(.*):\\\\d+\" \"host $1\" $labels.instance }} {{ match \"^db\" $labels.instance }}",
    "{{ parseDuration \"1d2h3m4s5ms\" }}",
    "{{ parseDuration \"nonsense\" }}",
    "{{ safeHtml \"<b>&\" }} {{ html \"<b>&'\" }} {{ js \"it's\" }} {{ urlquery \"a b&\" }}",
    "{{ with query \"other\" }}{{ . | first | value }} {{ first . | label \"instance\" }} {{ len . }}{{ end }}",
    "{{ range query \"other\" }}{{ .Labels.instance }}={{ .Value }};{{ end }}",
    "{{ first (query \"nothing\") }}",
    "{{ range query \"nothing\" }}x{{ else }}none{{ end }}",
    "{{ range query \"other\" | sortByLabel \"zone\" }}{{ .Labels.zone }}{{ . | strvalue }}{{ end }}",
    "{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}-{{ .arg2 }}{{ end }}{{ template \"x\" (args $value \"b\") }}",
    "{{ $labels.job.x }}",
    "{{ $nope }}",
    "{{ nofunction 1 }}",
    "{{ if }}x{{ end }}",
    "{{ humanize \"x\" }}",
    "{{ humanize \"12345\" }} {{ humanizeDuration 90 }} {{ humanizePercentage \"0.25\" }}",
    "{{ humanize true }}",
    "{{ value 3 }}",
    "{{ label 3 4 }}",
    "{{ query 3 }}",
    "line one\n  {{- \" joined\" -}}  \n{{ $value }}\n",
];

fn other() -> Vec<Sample> {
    let sample = |labels: &[(&str, &str)], value| Sample {
        labels: LabelSet::from_pairs(labels),
        value: SampleValue::Float(value),
    };
    vec![sample(&[("__name__", "other"), ("instance", "a"), ("zone", "z")], 11.5)]
}

fn ours(text: &str, alert: &str, at: usize) -> String {
    let instance = format!("db{at}.example.org:9100");
    let pairs = [("__name__", "m"), ("instance", instance.as_str()), ("job", "db")];
    let labels = LabelSet::from_pairs(&pairs);
    let data = RuleData {
        alert,
        labels: &labels,
        external_labels: &LabelSet::from_pairs(&[("cluster", "eu")]),
        external_url: "https://tarn.example.org/mon",
        value: &SampleValue::Float(VALUES[at].1),
        more: More::default(),
    };
    let mut answer = |question: &str| match question {
        "other" => Ok(other()),
        _ => Ok(Vec::new()),
    };
    rule::expand_or_tell(text, &data, &mut answer, 0)
}

/// Writes the rules and the test of them, whose expectations are what we expand.
fn write_rules(folder: &Path, rules: &[&str]) {
    let rule = |(i, text): (usize, &&str)| json!({"alert": format!("A{i}"), "expr": "m", "annotations": {"text": text}});
    let rules_json: Vec<_> = rules.iter().enumerate().map(rule).collect();
    let file = json!({"groups": [{"name": "g", "rules": rules_json}]});
    let series = VALUES.iter().enumerate().map(|(i, (value, _))| {
        let series = format!("m{{instance=\"db{i}.example.org:9100\",job=\"db\"}}");
        json!({"series": series, "values": value})
    });
    let mut series: Vec<_> = series.collect();
    series.push(json!({"series": "other{instance=\"a\",zone=\"z\"}", "values": "11.5"}));
    let tests = rules.iter().enumerate().map(|(i, text)| {
        let name = format!("A{i}");
        let alerts = (0..VALUES.len()).map(|at| {
            let labels = json!({"instance": format!("db{at}.example.org:9100"), "job": "db"});
            json!({"exp_labels": labels, "exp_annotations": {"text": ours(text, &name, at)}})
        });
        let alerts: Vec<_> = alerts.collect();
        json!({"eval_time": "0s", "alertname": name, "exp_alerts": alerts})
    });
    let tests: Vec<_> = tests.collect();
    let test = json!({
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "external_labels": {"cluster": "eu"},
            "external_url": "https://tarn.example.org/mon",
            "input_series": series,
            "alert_rule_test": tests,
        }],
    });
    put(&folder.join("rules.yaml"), &file.to_string());
    put(&folder.join("test.yaml"), &test.to_string());
}

#[expect(clippy::disallowed_methods, reason = "a scratch file of a test, which no crash outlives")]
fn put(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the folder can be written to");
}

fn promtool(rules: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    write_rules(folder.path(), rules);
    let test = folder.path().join("test.yaml");
    let done = Command::new("promtool").args(["test", "rules"]).arg(test).output();
    let done = done.expect("promtool runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{}{}", text(&done.stdout), text(&done.stderr))),
    }
}

#[test]
fn texts_of_rules_are_those_of_promtool() {
    if !installed("promtool") {
        eprintln!("skipped: no promtool");
        return;
    }
    // Texts that cannot be parsed are refused when the file is loaded; `check` must refuse them too.
    let (parsed, refused): (Vec<&str>, Vec<&str>) =
        RULES.iter().partition(|text| rule::check(text).is_ok());
    for text in refused {
        let error = promtool(&[text]).expect_err(text);
        assert!(error.contains("template: __alert_A0:1"), "{text}: {error}");
    }
    let Err(told) = promtool(&parsed) else { return };
    // One by one, to say which.
    let wrong = parsed.iter().filter_map(|text| promtool(&[text]).err().map(|why| (text, why)));
    let wrong: Vec<String> = wrong.map(|(text, why)| format!("{text}\n{why}")).collect();
    panic!("{} differ\n{}\n{told}", wrong.len(), wrong.join("\n"));
}

fn alert(labels: &[(&str, &str)], annotations: &[(&str, &str)], ends_ms: i64) -> Alert {
    Alert {
        labels: LabelSet::from_pairs(labels),
        annotations: LabelSet::from_pairs(annotations),
        starts_ms: 1_770_091_506_789,
        ends_ms,
        timeout: false,
        updated_ms: 0,
        generator_url: "https://tarn.example.org/graph?g0.expr=up&g0.tab=1".to_owned(),
    }
}

/// A group of three alerts whose labels hold what is dangerous in HTML.
fn data() -> Data {
    let same = [
        ("alertname", "DiskFull"),
        ("color", "#c6352b"),
        ("css", "red; background: url(javascript:alert(1))"),
        ("html", "<b>\"O'Reilly\" & co+</b>"),
        ("js", "</script><script>alert('x')\n"),
        ("script", "javascript:alert(1)"),
        ("url", "https://example.org/a b?x=1&y=\"2\""),
        ("word", "a b"),
    ];
    let with = |instance: &'static str| [&same[..], &[("instance", instance)]].concat();
    let annotations =
        [("summary", "only 2% & less"), ("runbook_url", "https://r.example.org/?a=1&b=2")];
    let flush = Flush {
        group_key: "{}:{alertname=\"DiskFull\"}".to_owned(),
        receiver: "team.db".into(),
        integration: ("email".into(), 0),
        reason: Reason::First,
        alerts: vec![
            alert(&with("a"), &annotations, NEVER_MS),
            alert(&with("b"), &annotations, NEVER_MS),
            alert(&with("c"), &[], 1_770_095_106_000),
        ],
        group_labels: LabelSet::from_pairs(&[("alertname", "DiskFull")]),
        route_labels: LabelSet::default(),
        firing: vec![],
        resolved: vec![],
        at_ms: 1_770_095_107_000,
        flush_seq: 1,
        repeat_ms: 0,
    };
    Data::of(&flush, "https://tarn.example.org")
}

/// Texts over [`data`] that both kinds of executors see.
const TEXTS: &[&str] = &[
    "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }} {{ len .Alerts }} {{ len .Alerts.Firing }} {{ len .Alerts.Resolved }}",
    "{{ .CommonLabels.SortedPairs.Names | join \" \" }}|{{ .GroupLabels.Values }}|{{ .CommonLabels.nope }}|",
    "{{ (.CommonLabels.Remove .GroupLabels.Names).Names }} {{ len (.CommonLabels.Remove (stringSlice \"js\" \"css\")) }}",
    "{{ range .Alerts }}{{ .Status }}:{{ .Labels.instance }}:{{ .Fingerprint }}:{{ .GeneratorURL }}:{{ len .Annotations }};{{ end }}",
    "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $i }}={{ $a.Labels.instance }}{{ else }}none{{ end }}",
    "{{ range .Alerts.Resolved }}{{ .EndsAt.Format \"2006-01-02T15:04:05Z07:00\" }} {{ .StartsAt.Unix }} {{ .EndsAt.Sub .StartsAt }} {{ (.EndsAt.Sub .StartsAt).Minutes }} {{ .StartsAt.Weekday }}{{ end }}",
    "{{ range .Alerts }}{{ .StartsAt }}|{{ .EndsAt.IsZero }} {{ end }}",
    "{{ (index .Alerts 1).Labels.instance }} {{ index .CommonLabels \"word\" }} {{ slice .Receiver 1 3 }}",
    "{{ index .Alerts 3 }}",
    "{{ index .Alerts 4 }}",
    "{{ .Alerts.Firing.Nope }}",
    "{{ .Receiver.Nope }}",
    "{{ .Nope }}",
    "{{ range .Alerts }}{{ .Nope }}{{ end }}",
    "{{ printf \"%T %T %T %T\" .Alerts .GroupLabels .Alerts.Firing (index .Alerts 0).StartsAt }}",
    "{{ printf \"%d %v\" .GroupLabels.Names .CommonLabels.Names }} {{ printf \"%q\" .CommonLabels.Names }}",
    "{{ with .CommonAnnotations.summary }}{{ . }}{{ else }}no summary{{ end }}{{ with $x := .Status }}{{ $x | toUpper }}{{ end }}",
    "{{ define \"row\" }}[{{ .Name }}]{{ end }}{{ range .GroupLabels.SortedPairs }}{{ template \"row\" . }}{{ end }}",
    "{{ template \"row\" }}{{ define \"row\" }}<{{ . }}>{{ end }}",
    "{{ block \"b\" .Status }}({{ . }}){{ end }}",
    "{{ match \"^Disk\" .GroupLabels.alertname }} {{ reReplaceAll \"(D)isk\" \"$1\" .GroupLabels.alertname }} {{ title \"aB cD\" }}",
    "{{ .Status | printf \"%s-%d\" \"a\" }} {{ eq .Status \"firing\" \"resolved\" }} {{ lt (len .Alerts) 4 }}",
    "{{ join \",\" .Receiver }}",
    "{{ .CommonLabels.Remove .Receiver }}",
    "{{ $x := 1 }}{{ range .Alerts }}{{ $x = .Labels.instance }}{{ end }}{{ $x }}{{ $y }}",
    "{{- range .Alerts -}} {{ .Labels.instance }} {{- end -}} x",
    "{{ range .Alerts }}{{ if eq .Labels.instance \"b\" }}{{ continue }}{{ end }}{{ .Labels.instance }}{{ end }}",
];

/// Texts that are HTML.
const HTMLS: &[&str] = &[
    "<p>{{ .CommonLabels.html }}</p>{{ .CommonLabels.nope }}{{ 3 }}{{ true }}{{ 1.5e6 }}",
    "<p>{{ .CommonLabels.html | safeHtml }}</p><a title=\"{{ .CommonLabels.html | safeHtml }}\">",
    "<p>{{ .CommonLabels.html | html }}</p>",
    "<a title=\"{{ .CommonLabels.html }}\" class='{{ .CommonLabels.html }}' id={{ .CommonLabels.word }}>",
    "<a href=\"{{ .CommonLabels.url }}\">{{ .CommonLabels.word }}</a><a href='{{ .CommonLabels.script }}'>",
    "<a href=\"/x/{{ .CommonLabels.script }}\"><a href=\"/?q={{ .CommonLabels.url }}\"><a href=\"{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver }}\">",
    "<img src={{ .CommonLabels.url }}><a data-url=\"{{ .CommonLabels.script }}\">",
    "<p style=\"color: {{ .CommonLabels.color }}\"><p style=\"color: {{ .CommonLabels.css }}\">",
    "<p style=\"background: url({{ .CommonLabels.script }})\"><p style=\"background: url('/x?{{ .CommonLabels.script }}')\">",
    "<style>p { color: {{ .CommonLabels.color }}; x: {{ .CommonLabels.css }} }</style>{{ .CommonLabels.html }}",
    "<title>{{ .CommonLabels.html }}</title><textarea>{{ .CommonLabels.html }}</textarea>{{ .CommonLabels.word }}",
    "a<!-- {{ .CommonLabels.html }} -->b{{ .CommonLabels.word }}",
    "<input {{ .CommonLabels.word }}><input {{ \"checked\" }}>",
    "<script>var x = {{ .CommonLabels.word }}, y = {{ 1 }}, z = {{ true }};</script>{{ .CommonLabels.word }}",
    "<script>var x = '{{ .CommonLabels.word }}' / 2;</script>",
    "<a onclick=\"f('{{ .CommonLabels.word }}', {{ .CommonLabels.word }}, {{ 2 }})\">",
    "{{ define \"t\" }}{{ .CommonLabels.url }}{{ end }}<a href=\"{{ template \"t\" . }}\">{{ template \"t\" . }}",
    "<table>{{ range .Alerts }}<tr><td style=\"border:1px\">{{ .Labels.instance }}</td><td><a href=\"{{ .GeneratorURL }}\">x</a></td></tr>{{ end }}</table>",
];

/// Returns what amtool makes of a text, or its complaint.
fn amtool(folder: &Path, kind: &str, text: &str) -> Result<String, String> {
    let done = Command::new("amtool")
        .args(["template", "render", "--template.type", kind])
        .arg(format!("--template.glob={}", folder.join("none.tmpl").display()))
        .arg(format!("--template.data={}", folder.join("data.json").display()))
        .arg(format!("--template.text={text}"))
        .output();
    let done = done.expect("amtool runs");
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match done.status.success() {
        true => Ok(read(&done.stdout)),
        false => {
            let why = read(&done.stderr);
            Err(why.trim().trim_start_matches("amtool: error: ").to_owned())
        }
    }
}

fn compare(kind: &str, texts: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (templates, data) = (Templates::parse(&[]).expect("they are right"), data());
    put(&folder.path().join("none.tmpl"), "");
    let json = templates.text("{{ toJson . }}", &data, 0).expect("it is a template");
    put(&folder.path().join("data.json"), &json);
    let mut wrong = Vec::new();
    for text in texts {
        let theirs = amtool(folder.path(), kind, text);
        let ours = match kind {
            "html" => templates.html(text, &data, 0),
            _ => templates.text(text, &data, 0),
        };
        let ours = ours.map_err(|error| error.message);
        if ours != theirs {
            wrong.push(format!("{text}\n  theirs {theirs:?}\n    ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), texts.len(), wrong.join("\n"));
}

#[test]
fn texts_of_notifications_are_those_of_amtool() {
    match installed("amtool") {
        true => compare("text", TEXTS),
        false => eprintln!("skipped: no amtool"),
    }
}

#[test]
fn html_of_notifications_is_that_of_amtool() {
    match installed("amtool") {
        true => compare("html", HTMLS),
        false => eprintln!("skipped: no amtool"),
    }
}
