use super::*;
use crate::problem::any_error;

const GOOD: &str = r#"
global:
  resolve_timeout: 6m
  smtp_smarthost: 'mail.example.org:587'
  smtp_from: alerts@example.org
  slack_api_url: https://hooks.slack.example/T/secret-in-url
  opsgenie_api_key: secret-key
templates: ['templates/*.tmpl']
route:
  receiver: default
  group_by: [alertname, cluster]
  group_interval: 1m
  labels: {team: base}
  routes:
    - matchers: ['severity="critical"', team=~"a|b"]
      receiver: pager
      group_wait: 0s
      continue: true
      labels: {tier: one}
    - match: {service: mail}
      match_re: {owner: team-.*}
      receiver: mail
      group_by: ['...']
      mute_time_intervals: [weekend]
      routes:
        - matchers: [deep = "1"]
receivers:
  - name: default
    slack_configs: [{channel: '#alerts'}]
  - name: pager
    pagerduty_configs: [{routing_key: 01234567890123456789012345678901, details: {a: b, n: {x: 1}}}]
    webhook_configs:
      - url: http://127.0.0.1:9/hook?token=secret-token
        http_config: {basic_auth: {username: u, password: secret-password}}
        max_alerts: 3
    opsgenie_configs: [{priority: P1}]
  - name: mail
    email_configs: [{to: you@example.org, headers: {subject: Hi}, require_tls: no}]
inhibit_rules:
  - source_match: {severity: critical}
    target_matchers: [severity="warning"]
    equal: [cluster]
time_intervals:
  - name: weekend
    time_intervals:
      - weekdays: ['saturday', 'sunday']
        location: Europe/Berlin
"#;

fn good() -> (Config, Vec<Problem>) {
    let (config, problems) = Config::parse("/etc/am/alertmanager.yml", GOOD, false);
    (config.unwrap_or_else(|| panic!("{problems:?}")), problems)
}

#[test]
fn a_good_file_is_read_whole() {
    let (config, problems) = good();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{texts:?}");
    assert!(problems[0].warning && problems[0].message.starts_with("opsgenie"), "{texts:?}");
    assert_eq!(config.resolve_timeout, Duration::from_secs(360));
    assert_eq!(config.templates, ["/etc/am/templates/*.tmpl"]);
    let keys: Vec<&str> = config.tree.nodes.iter().map(|node| &*node.key).collect();
    let mail = r#"{}/{owner=~"team-.*",service="mail"}"#;
    let deep = format!(r#"{mail}/{{deep="1"}}"#);
    assert_eq!(keys, ["{}", r#"{}/{severity="critical",team=~"a|b"}"#, mail, &deep]);
    let [root, pager, mail, deep] = &config.tree.nodes[..] else { panic!("four routes") };
    assert_eq!((root.group_wait_ms, root.group_wait_written), (30_000, false));
    assert_eq!((pager.group_wait_ms, pager.group_wait_written), (0, true));
    assert_eq!(pager.labels.to_string(), r#"{team="base", tier="one"}"#);
    assert_eq!((deep.group_interval_ms, &*deep.receiver), (60_000, "mail"));
    assert_eq!(deep.group_by, super::super::tree::GroupBy::All);
    assert!(deep.mute.is_empty() && mail.mute.len() == 1, "mute times are not inherited");
    let pager = config.receiver("pager").expect("pager");
    let kinds: Vec<&str> = pager.integrations.iter().map(|one| one.kind.name()).collect();
    assert_eq!(kinds, ["webhook", "pagerduty", "opsgenie"]);
    let Kind::PagerDuty(pagerduty) = &pager.integrations[1].kind else { panic!("pagerduty") };
    let key = pagerduty.routing_key.as_ref().expect("key").read().expect("reads");
    assert_eq!(key, "01234567890123456789012345678901", "digits stay as they are");
    assert_eq!(pagerduty.details["n"], r#"{"x":1}"#);
    assert_eq!(pagerduty.details.len(), 6);
    let Kind::Email(email) = &config.receiver("mail").expect("mail").integrations[0].kind else {
        panic!("email")
    };
    assert_eq!(email.smarthost, ("mail.example.org".to_owned(), 587));
    assert_eq!((email.headers["Subject"].as_str(), email.require_tls), ("Hi", false));
}

#[test]
fn secrets_are_never_shown() {
    let (config, _) = good();
    let debug = format!("{config:?}");
    for text in [&config.shown, &debug] {
        assert!(!text.contains("secret-"), "{text}");
        assert!(!text.contains("012345678901"), "{text}");
    }
    let again = Config::parse("shown.yml", &config.shown, false);
    let texts: Vec<String> = again.1.iter().map(ToString::to_string).collect();
    assert!(!any_error(&again.1), "{texts:?}\n{}", config.shown);
}

#[test]
fn strict_refuses_what_cannot_be_notified() {
    let (config, problems) = Config::parse("am.yml", GOOD, true);
    assert!(config.is_none() && any_error(&problems));
}

const BASE: &str = "route: {receiver: r}\nreceivers: [{name: r}]\n";

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        ("", "a:1:1: no route provided in config"),
        ("route: [", "a:1:8: "),
        ("route: {}\nreceivers: []\n", "a:1:8: root route must specify a default receiver"),
        ("route: {receiver: x}\n", "a:1:9: undefined receiver \"x\" used in route"),
        (
            "route: {receiver: r, match: {a: b}}\nreceivers: [{name: r}]\n",
            "a:1:22: root route must not have any matchers",
        ),
        (
            "route: {receiver: r, continue: true}\nreceivers: [{name: r}]\n",
            "a:1:22: cannot have continue in root route",
        ),
        (
            "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]\n",
            "a:2:24: notification config name \"r\" is not unique",
        ),
        (
            "route: {receiver: r, group_by: ['...', a]}\nreceivers: [{name: r}]\n",
            "a:1:33: cannot have wildcard group_by (`...`) and other labels at the same time",
        ),
        (
            "route: {receiver: r, group_by: [a, a]}\nreceivers: [{name: r}]\n",
            "a:1:36: duplicated label \"a\" in group_by",
        ),
        (
            "route: {receiver: r, group_interval: 0s}\nreceivers: [{name: r}]\n",
            "a:1:22: group_interval cannot be zero",
        ),
        (
            "route: {receiver: r, group_wait: 5 minutes}\nreceivers: [{name: r}]\n",
            "a:1:34: group_wait: \"5 minutes\" is not a duration such as 1h30m",
        ),
        (
            "route:\n  receiver: r\n  recevier: r\nreceivers: [{name: r}]\n",
            "a:3:3: unknown field recevier in route; did you mean receiver?",
        ),
        (
            "route: {receiver: r, routes: [{mute_time_intervals: [x]}]}\nreceivers: [{name: r}]\n",
            "a:1:54: undefined time interval \"x\" used in route",
        ),
        (
            "route: {receiver: r, routes: [{matchers: ['a=~(']}]}\nreceivers: [{name: r}]\n",
            "a:1:43: ",
        ),
        (
            "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{channel: x}]}]\n",
            "a:2:39: no global Slack API URL or app token set either inline or in a file",
        ),
        (
            "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: ftp://x}]}]\n",
            "a:2:47: url: unsupported scheme \"ftp\", expected http or https",
        ),
        (
            "route: {receiver: r}\nreceivers: [{name: r, pagerduty_configs: [{routing_key: a, \
             routing_key_file: b}]}]\n",
            "a:2:60: at most one of routing_key & routing_key_file must be configured",
        ),
        (
            "route: {receiver: r}\nreceivers: [{name: r, discord_configs: [{tittle: x, \
             webhook_url: 'https://x'}]}]\n",
            "a:2:41: discord cannot be notified yet; what is routed here becomes a dead letter",
        ),
    ];
    for (text, wanted) in cases {
        let (_, problems) = Config::parse("a", text, false);
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        assert!(first.starts_with(wanted), "{text}\n{first}\n{wanted}");
    }
    assert!(Config::parse("a", BASE, true).0.is_some());
}

#[test]
fn every_mistake_is_told_at_once() {
    let text =
        "route: {receiver: x, typo: 1}\nreceivers: [{name: r, webhook_configs: [{}]}]\nfoo: 1\n";
    let (config, problems) = Config::parse("a", text, false);
    assert!(config.is_none());
    assert_eq!(problems.len(), 4, "{problems:?}");
}
