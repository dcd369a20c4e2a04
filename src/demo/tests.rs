use std::time::Duration;

use serde_json::json;

use super::*;

#[test]
fn arguments_are_checked() {
    assert_eq!(history("2h"), Ok(Duration::from_secs(7200)));
    assert!(history("25h").is_err() && history("soon").is_err());
    assert_eq!(rate("0.5"), Ok(0.5));
    assert!(rate("0").is_err() && rate("NaN").is_err() && rate("1e9").is_err());
    assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:4390").is_ok());
    assert!(loopback("0.0.0.0:4390").is_err());
}

#[test]
fn the_past_begins_after_the_run_before() {
    let (hour, now) = (60 * MINUTE_NS, 1_000 * 60 * MINUTE_NS);
    let two = Duration::from_secs(7200);
    for (before, expected) in [
        (None, now - 2 * hour),
        (Some(now - 9 * hour), now - 2 * hour),
        (Some(now - hour), now - hour + ENDED_AFTER_NS),
        (Some(now - MINUTE_NS), now),
    ] {
        assert_eq!(begin_ns(now, two, before), expected, "{before:?}");
    }
    assert_eq!(deploy_ns(now, now - 2 * hour), now - DEPLOYED_BEFORE_NS);
    assert_eq!(deploy_ns(now, now - 10 * MINUTE_NS), now - 5 * MINUTE_NS);
    assert_eq!(deploy_ns(now, now), now + DEPLOYED_AFTER_NS);
}

#[test]
fn messages_are_one_line_and_only_text() {
    for (to, body, expected) in [
        (
            "slack",
            json!({"attachments": [{"title": "[FIRING:1]\n a \u{1b}[2J"}]}),
            "[FIRING:1] a [2J",
        ),
        ("slack", json!({"text": "hello"}), "hello"),
        (
            "pagerduty",
            json!({"event_action": "trigger", "payload": {"summary": "it burns"}}),
            "trigger: it burns",
        ),
        (
            "webhook",
            json!({"status": "firing", "alerts": [1, 2], "commonLabels": {"alertname": "A"}}),
            "firing: A (2 alerts)",
        ),
        ("webhook", json!([]), ": (0 alerts)"),
    ] {
        assert_eq!(standin::summary(to, &body), expected);
    }
    assert_eq!(page::escape("<b a='\"&'>"), "&lt;b a=&#39;&quot;&amp;&#39;&gt;");
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = "127.0.0.1:4390".parse().unwrap();
    let written = files::write(folder.path(), receiver).unwrap();
    assert!(files::write(folder.path(), receiver).is_ok());
    let url = "http://127.0.0.1:4320".parse().unwrap();
    assert!(written.how_to_be_paged(&url, receiver).contains("--alerting.slo-files"));
    #[expect(clippy::disallowed_methods, reason = "a file in a temporary folder")]
    std::fs::write(folder.path().join("rules.yml"), "groups: []").unwrap();
    assert!(files::write(folder.path(), receiver).is_err());
}
