use super::*;

const OURS: &str = r#"
slos:
- name: checkout-availability
  service: checkout
  description: Orders can be placed.
  labels: {team: shop}
  objective: 99.9
  sli:
    ratio:
      bad: http_requests_total{job="checkout", code=~"5.."}
      valid: http_requests_total{job="checkout"} - http_probes_total{job="checkout"}
  alerting:
    page: {labels: {pager: phone}}
    ticket: {disable: true}
- name: checkout-latency
  service: checkout
  objective: 99
  window: 28d
  sli:
    latency: {histogram: 'http_request_duration_seconds{job="checkout"}', below: 300ms}
- name: checkout-spans
  service: checkout
  objective: 99.5
  group_by: [route]
  sli:
    events: {table: spans, valid: "service_name = 'checkout'", good: "status_code <> 2"}
"#;

#[test]
fn a_file_of_ours_is_read() {
    let (objectives, problems) = parse("slo.yaml", OURS);
    assert_eq!(problems, []);
    let names: Vec<&str> = objectives.iter().map(|o| &*o.name).collect();
    assert_eq!(names, ["checkout-availability", "checkout-latency", "checkout-spans"]);
    let first = &objectives[0];
    assert!((first.target - 0.999).abs() < 1e-12 && first.alerting.ticket.disable);
    assert_eq!((first.line, first.window), (3, Duration::from_secs(30 * 86_400)));
    let Sli::Counters { part, is_bad: true, valid } = &first.sli else { panic!("{:?}", first.sli) };
    assert_eq!((part.terms.len(), valid.terms.len()), (1, 2));
    assert!(valid.terms[1].negative && !valid.terms[0].negative);
    let Sli::Counters { part, is_bad: false, valid } = &objectives[1].sli else { panic!() };
    let text = |counter: &Counter| -> Vec<String> {
        counter.terms[0].matchers.iter().map(ToString::to_string).collect()
    };
    let bucket = text(part);
    assert!(
        bucket.contains(&r#"__name__="http_request_duration_seconds_bucket""#.to_owned()),
        "{bucket:?}"
    );
    assert!(part.terms[0].matchers.iter().any(|m| *m.name == *LE && m.matches("0.3")));
    assert!(text(valid).contains(&r#"__name__="http_request_duration_seconds_count""#.to_owned()));
    assert!(matches!(&objectives[2].sli, Sli::Events { table, .. } if table == "spans"));
}

#[test]
fn bounds_are_found_in_both_spellings() {
    let one = le(1.0).unwrap();
    assert!(one.matches("1") && one.matches("1.0") && !one.matches("10") && !one.matches("1.05"));
    let half = le(0.5).unwrap();
    assert!(half.matches("0.5") && !half.matches("0x5"));
}

#[test]
fn sloths_files_are_read() {
    let text = r#"
version: "prometheus/v1"
service: myservice
labels: {owner: team}
slos:
  - name: requests-availability
    objective: 99.9
    description: d
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="m",code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="m"}[{{.window}}])) - sum(rate(probes_total[{{.window}}]))
    alerting:
      name: MyServiceHighErrorRate
      page_alert: {labels: {severity: pageteam}}
      ticket_alert: {disable: true}
  - name: raw
    objective: 95
    sli: {raw: {error_ratio_query: 'avg_over_time(bad_ratio[{{ .window }}])'}}
  - name: grouped
    objective: 95
    sli:
      events:
        error_query: sum by (x) (rate(a[{{.window}}]))
        total_query: sum by (x) (rate(b[{{.window}}]))
"#;
    let (objectives, problems) = parse("sloth.yaml", text);
    assert_eq!(problems, []);
    let Sli::Counters { part, is_bad: true, valid } = &objectives[0].sli else { panic!() };
    assert_eq!((part.terms.len(), valid.terms.len()), (1, 2));
    assert_eq!(&*objectives[0].name, "myservice-requests-availability");
    assert_eq!(objectives[0].labels["owner"], "team");
    assert!(matches!(&objectives[1].sli, Sli::Ratio { query } if query.contains("{{ .window }}")));
    assert!(matches!(&objectives[2].sli, Sli::Ratio { .. }), "{:?}", objectives[2].sli);
}

/// What is wrong, the place that is told, and words of the message.
#[test]
fn mistakes_are_told_with_their_place() {
    let one = |body: &str| format!("slos:\n- name: a\n  service: s\n{body}");
    let sli = "  sli: {ratio: {bad: b, valid: v}}\n";
    let mut wrong = Vec::new();
    for (text, place, words) in [
        ("slos: 1\n".to_owned(), (1, 7), "sequence"),
        (one(sli), (4, 3), "missing field `objective`"),
        (one(&format!("  objective: 100\n{sli}")), (4, 14), "objective 100 must be"),
        (one(&format!("  objective: 0\n{sli}")), (4, 14), "objective 0 must be"),
        (one(&format!("  objective: 99\n  wndow: 30d\n{sli}")), (5, 3), "wndow"),
        (one(&format!("  objective: 99\n  window: 5m\n{sli}")), (5, 11), "between 1d and 366d"),
        (one("  objective: 99\n  sli: {ratio: {bad: 'rate(b[5m])', valid: v}}\n"), (5, 22), "must be a selector"),
        (one("  objective: 99\n  sli: {ratio: {bad: 'b{', valid: v}}\n"), (5, 22), "inside braces"),
        (one("  objective: 99\n  sli: {ratio: {valid: v}}\n"), (5, 24), "exactly one of good, bad"),
        (one("  objective: 99\n  sli: {}\n"), (5, 8), "exactly one of ratio, latency, events"),
        (one("  objective: 99\n  sli: {latency: {histogram: h, below: fast}}\n"), (5, 40), "fast"),
        (one("  objective: 99\n  sli: {events: {table: metrics, good: x}}\n"), (5, 25), "logs or spans"),
        ("slos:\n- name: a b\n  service: s\n  objective: 99\n  sli: {ratio: {bad: b, valid: v}}\n".to_owned(), (2, 9), "letters"),
        ("version: openslo/v1\n".to_owned(), (0, 0), "openslo/v1"),
        ("version: prometheus/v1\nservice: s\nslos: [{name: a, objective: 9, sli: {plugin: {id: p/q}}}]\n".to_owned(), (3, 51), "Go code"),
    ] {
        let (_, problems) = parse("f.yaml", &text);
        let [problem] = problems.as_slice() else { panic!("{text}: {problems:?}") };
        if !problem.message.contains(words) || (problem.line, problem.column) != place {
            wrong.push(format!("{text}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let twice = format!("{OURS}- name: checkout-spans\n  service: b\n  objective: 9\n{sli}");
    let (objectives, problems) = parse("f.yaml", &twice);
    assert_eq!((objectives.len(), problems.len()), (3, 1));
}
