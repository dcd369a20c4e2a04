use super::*;
use crate::alert::Alert;
use crate::route::{Flush, NEVER_MS, Reason};
use tarn_model::labels::LabelSet;

const NOW_MS: i64 = 1_770_091_506_000;

fn alert(pairs: &[(&str, &str)], ends_ms: i64) -> Alert {
    Alert {
        labels: LabelSet::from_pairs(pairs),
        annotations: LabelSet::from_pairs(&[
            ("summary", "disk of db is <full>"),
            ("description", "only 2% & less"),
            ("runbook_url", "https://runbooks.example.org/disk?a=1&b=2"),
        ]),
        starts_ms: NOW_MS - 600_000,
        ends_ms,
        timeout: false,
        updated_ms: NOW_MS,
        generator_url: "https://tarn.example.org/graph?g0.expr=up".to_owned(),
    }
}

fn data() -> Data {
    let flush = Flush {
        group_key: "{}:{alertname=\"DiskFull\"}".to_owned(),
        receiver: "team.db".into(),
        integration: ("email".into(), 0),
        reason: Reason::First,
        alerts: vec![
            alert(&[("alertname", "DiskFull"), ("instance", "a"), ("severity", "page")], NEVER_MS),
            alert(
                &[("alertname", "DiskFull"), ("instance", "b"), ("severity", "page")],
                NOW_MS - 1,
            ),
        ],
        group_labels: LabelSet::from_pairs(&[("alertname", "DiskFull")]),
        route_labels: LabelSet::from_pairs(&[("team", "db")]),
        firing: vec![],
        resolved: vec![],
        at_ms: NOW_MS,
        flush_seq: 1,
        repeat_ms: 0,
    };
    Data::of(&flush, "https://tarn.example.org")
}

fn text(template: &str) -> Result<String, String> {
    let templates = Templates::parse(&[]).expect("the shipped templates are right");
    templates.text(template, &data(), NOW_MS).map_err(|error| error.message)
}

#[test]
fn data_and_functions() {
    let cases = [
        (
            "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }} {{ .NotificationReason }}",
            "team\\.db firing https://tarn.example.org first notification",
        ),
        ("{{ len .Alerts }} {{ len .Alerts.Firing }} {{ len .Alerts.Resolved }}", "2 1 1"),
        (
            "{{ .CommonLabels }}|{{ .CommonLabels.SortedPairs.Names }}|{{ .GroupLabels.Values }}",
            "alertname=DiskFull, severity=page|[alertname severity]|[DiskFull]",
        ),
        (
            "{{ .CommonLabels.Remove .GroupLabels.Names }}|{{ (.CommonLabels.Remove (stringSlice \"severity\")).Names | join \",\" }}",
            "severity=page|alertname",
        ),
        (
            "{{ range .Alerts }}{{ .Status }} {{ .Labels.instance }} {{ .Fingerprint | len }} {{ .EndsAt }};{{ end }}",
            "firing a 16 0001-01-01 00:00:00 +0000 UTC;resolved b 16 2026-02-03 04:05:05.999 +0000 UTC;",
        ),
        (
            "{{ range .CommonLabels.SortedPairs }}{{ .Name }}:{{ .Value }} {{ end }}",
            "alertname:DiskFull severity:page ",
        ),
        (
            "{{ printf \"%#v %T\" .GroupLabels .Alerts }}",
            "template.KV{\"alertname\":\"DiskFull\"} template.Alerts",
        ),
        ("{{ printf \"%d\" .GroupLabels }}", "map[%!d(string=alertname):%!d(string=DiskFull)]"),
        ("{{ .CommonLabels.nope }}|{{ .RouteLabels.team }} {{ routeLabels \"team\" }}", "|db db"),
        (
            "{{ (index .Alerts 0).StartsAt | since | humanizeDuration }} {{ since (index .Alerts 0).StartsAt }}",
            "10m 0s 10m0s",
        ),
        (
            "{{ date \"15:04\" now }} {{ now | tz \"Europe/Berlin\" | date \"15:04 MST\" }}",
            "04:05 05:05 CET",
        ),
        (
            "{{ (toDate \"2006-01-02\" \"2026-02-03\").Unix }} {{ (toDate \"2006\" \"x\").Year }}",
            "1770076800 1",
        ),
        (
            "{{ toJson .GroupLabels }} {{ toJson (list 1 \"a\" true) }} {{ dict \"b\" 1 \"a\" 2 | toJson }} {{ append (list 1) 2 | toJson }}",
            "{\"alertname\":\"DiskFull\"} [1,\"a\",true] {\"a\":2,\"b\":1} [1,2]",
        ),
        (
            "{{ base64encode \"a?>\" }} {{ base64decode \"YT8-\" }} {{ urlUnescape \"a+b%26\" }}",
            "YT8- a?> a b&",
        ),
        (
            "{{ title \"foo BAR\" }} {{ trimSpace \" x \" }} {{ safeUrl \"http://x\" }} {{ match \"^D\" .GroupLabels.alertname }}",
            "Foo Bar x http://x true",
        ),
        ("{{ template \"__subject\" . }}", "FIRING 1: DiskFull · page"),
        (
            "{{ template \"slack.default.titlelink\" . }}",
            "https://tarn.example.org/#/alerts?receiver=team%5C.db",
        ),
    ];
    for (template, want) in cases {
        assert_eq!(text(template).as_deref(), Ok(want), "{template}");
    }
}

#[test]
fn json_of_an_alert_is_that_of_webhooks() {
    let json = text("{{ toJson (index .Alerts 0) }}").expect("it is a template");
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(value["status"], "firing");
    assert_eq!(value["startsAt"], "2026-02-03T03:55:06Z");
    assert_eq!(value["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(value["generatorURL"], "https://tarn.example.org/graph?g0.expr=up");
    assert_eq!(value["labels"]["instance"], "a");
}

#[test]
fn mistakes_name_what_and_where() {
    let cases = [
        (
            "{{ .Nope }}",
            "template: :1:3: executing \"\" at <.Nope>: can't evaluate field Nope in type template.Data",
        ),
        (
            "{{ .Alerts.Nope }}",
            "template: :1:10: executing \"\" at <.Alerts.Nope>: can't evaluate field Nope in type template.Alerts",
        ),
        (
            "{{ .CommonLabels.Remove \"a\" }}",
            "template: :1:24: executing \"\" at <\"a\">: can't handle \"a\" for arg of type []string",
        ),
        (
            "{{ .CommonLabels.Remove }}",
            "template: :1:16: executing \"\" at <.CommonLabels.Remove>: wrong number of args for Remove: want 1 got 0",
        ),
        (
            "{{ mustToDate \"2006\" \"x\" }}",
            "template: :1:3: executing \"\" at <mustToDate \"2006\" \"x\">: error calling mustToDate: parsing time \"x\" as \"2006\": cannot parse \"x\" as \"2006\"",
        ),
        (
            "{{ list \"a\" | join \",\" }}",
            "template: :1:19: executing \"\" at <\",\">: wrong type for value; expected []string; got []interface {}",
        ),
    ];
    for (template, want) in cases {
        assert_eq!(text(template), Err(want.to_owned()), "{template}");
    }
}

#[test]
fn every_shipped_template_can_be_executed() {
    let templates = Templates::parse(&[]).expect("the shipped templates are right");
    let list = ["__text_alert_list", "__text_alert_list_markdown", "pagerduty.default.instances"];
    let one = ["__alert_title", "__alert_labels", "__email_alert"];
    for name in templates.names().filter(|name| !name.contains(".tmpl")) {
        let argument = match name {
            name if list.contains(&name) => ".Alerts",
            name if one.contains(&name) => "(index .Alerts 0)",
            _ => ".",
        };
        let call = format!("{{{{ template \"{name}\" {argument} }}}}");
        for html in [false, true] {
            let done = templates.execute(&call, &data(), NOW_MS, html);
            let text = done.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!text.contains("no value"), "{name}: {text}");
        }
    }
}

#[test]
fn mail_is_escaped_for_the_place_where_values_stand() {
    let templates = Templates::parse(&[]).expect("the shipped templates are right");
    let mail = templates.html("{{ template \"email.default.html\" . }}", &data(), NOW_MS);
    let mail = mail.expect("it is a template");
    assert!(mail.contains("disk of db is &lt;full&gt;"), "{mail}");
    assert!(mail.contains("only 2% &amp; less"), "{mail}");
    assert!(mail.contains("href=\"https://runbooks.example.org/disk?a=1&amp;b=2\""), "{mail}");
    assert!(mail.contains("background:#c6352b"), "{mail}");
}

#[test]
fn files_of_the_operator_come_over_the_shipped_ones() {
    let own = "{{ define \"__subject\" }}own{{ end }}{{ define \"mine\" }}{{ .Status }}{{ end }}";
    let templates = Templates::parse(&[("own.tmpl", own)]).expect("it is right");
    let text = |template: &str| templates.text(template, &data(), NOW_MS).map_err(|e| e.message);
    assert_eq!(
        text("{{ template \"slack.default.title\" . }} {{ template \"mine\" . }}").as_deref(),
        Ok("own firing")
    );
    let files = [("a.tmpl", "x\n{{ nope }}"), ("b.tmpl", "{{ if }}")];
    let problems = Templates::parse(&files).expect_err("both are wrong");
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["a.tmpl:2:4: function \"nope\" not defined", "b.tmpl:1:7: missing value for if"]
    );
}
