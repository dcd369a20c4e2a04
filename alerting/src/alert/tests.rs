use super::*;

/// Measured against Alertmanager.
#[test]
fn fingerprints_are_alertmanagers() {
    let labels = LabelSet::from_pairs(&[("alertname", "lat0"), ("instance", "i")]);
    assert_eq!(Fingerprint::of(&labels).to_string(), "9d2ebe1a40ea39e3");
}

#[test]
fn an_alert_survives_json() {
    let alert = Alert {
        labels: LabelSet::from_pairs(&[("alertname", "a"), ("job", "b")]),
        annotations: LabelSet::from_pairs(&[("summary", "it \"burns\"")]),
        starts_ms: 1,
        ends_ms: 2,
        timeout: true,
        updated_ms: 3,
        generator_url: "http://x/".to_owned(),
    };
    let json = serde_json::to_string(&alert).unwrap();
    assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), alert);
    assert!(!alert.is_resolved(1) && alert.is_resolved(2));
}
