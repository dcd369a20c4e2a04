use expect_test::expect;
use tarn_model::labels::LabelSet;

use super::*;
use crate::route::{NEVER_MS, Reason};

pub(super) fn flush() -> Flush {
    let alert = |instance: &str, ends_ms| Alert {
        labels: LabelSet::from_pairs(&[("alertname", "Down"), ("instance", instance)]),
        annotations: LabelSet::from_pairs(&[("summary", "it is \"down\"")]),
        starts_ms: 1_795_262_400_123,
        ends_ms,
        timeout: false,
        updated_ms: 1_795_262_400_123,
        generator_url: "http://tarn/graph".to_owned(),
    };
    let alerts = vec![alert("a", NEVER_MS), alert("b", 1_795_262_430_000)];
    Flush {
        group_key: "{}:{alertname=\"Down\"}".to_owned(),
        receiver: "team.x".into(),
        integration: ("webhook".into(), 0),
        reason: Reason::SomeResolved,
        firing: vec![alerts[0].fingerprint()],
        resolved: vec![alerts[1].fingerprint()],
        alerts,
        group_labels: LabelSet::from_pairs(&[("alertname", "Down")]),
        route_labels: LabelSet::default(),
        at_ms: 1_795_262_460_000,
        flush_seq: 2,
        repeat_ms: 3_600_000,
    }
}

#[test]
fn the_body_is_that_of_version_4() {
    let flush = flush();
    let body = serde_json::to_string_pretty(&Message::of(&flush, 0, "http://tarn")).expect("json");
    expect![[r#"
        {
          "receiver": "team\\.x",
          "status": "firing",
          "alerts": [
            {
              "status": "firing",
              "labels": {
                "alertname": "Down",
                "instance": "a"
              },
              "annotations": {
                "summary": "it is \"down\""
              },
              "startsAt": "2026-11-21T12:00:00.123Z",
              "endsAt": "0001-01-01T00:00:00Z",
              "generatorURL": "http://tarn/graph",
              "fingerprint": "b095cbba435360b4"
            },
            {
              "status": "resolved",
              "labels": {
                "alertname": "Down",
                "instance": "b"
              },
              "annotations": {
                "summary": "it is \"down\""
              },
              "startsAt": "2026-11-21T12:00:00.123Z",
              "endsAt": "2026-11-21T12:00:30Z",
              "generatorURL": "http://tarn/graph",
              "fingerprint": "b099cbba4357498b"
            }
          ],
          "notification_reason": "some alerts resolved",
          "groupLabels": {
            "alertname": "Down"
          },
          "commonLabels": {
            "alertname": "Down"
          },
          "commonAnnotations": {
            "summary": "it is \"down\""
          },
          "externalURL": "http://tarn",
          "routeLabels": {},
          "version": "4",
          "groupKey": "{}:{alertname=\"Down\"}",
          "truncatedAlerts": 0
        }"#]]
    .assert_eq(&body);
}

#[test]
fn what_is_left_out_is_counted_and_not_common() {
    let mut flush = flush();
    flush.alerts.reverse();
    let message = Message::of(&flush, 1, "");
    assert_eq!((message.alerts.len(), message.truncated_alerts), (1, 1));
    assert_eq!((message.status, message.common_labels.len()), ("resolved", 2));
    assert_eq!(Message::of(&flush, 2, "").truncated_alerts, 0);
    assert_eq!(Message::of(&flush, 9, "").truncated_alerts, 0);
}

/// HMAC-SHA256 of RFC 4231, case 2, whose data happens to have no colon to add.
#[test]
fn signatures_cover_time_and_body() {
    let signed = signature("Jefe", "what do ya want for nothing?", b"").expect("signs");
    let other = signature("Jefe", "what do ya want for nothing", b"?").expect("signs");
    assert_eq!(signed.len(), 64);
    assert_ne!(signed, other);
}
