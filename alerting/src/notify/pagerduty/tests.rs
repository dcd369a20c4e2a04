use super::*;

#[test]
fn the_name_of_an_incident_is_that_of_alertmanager() {
    let key = "{}/{r=\"pd\"}:{alertname=\"P\", instance=\"i\"}";
    let wants = "a3cff56bb4e330999adda6d9cd833c950d6fc1b5ee66a09347168eedd2dfa2bc";
    assert_eq!(dedup_key(key), wants);
}

#[test]
fn what_weighs_too_much_goes_without_details() {
    let mut event = json!({ "payload": { "summary": "s", "custom_details": {
        "firing": "x".repeat(EVENT_BYTES_MAX)
    } } });
    let body = encoded(&mut event).expect("writes");
    assert!(body.len() < 300, "{}", body.len());
    assert_eq!(event["payload"]["summary"], "s");
    let mut small = json!({ "payload": { "custom_details": { "firing": "x" } } });
    encoded(&mut small).expect("writes");
    assert_eq!(small["payload"]["custom_details"]["firing"], "x");
}
