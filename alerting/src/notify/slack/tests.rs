use http::HeaderMap;
use serde_json::json;

use super::*;

#[test]
fn slack_says_what_it_means_in_the_body() {
    let delivered = "delivered";
    for (status, body, wants) in [
        (200, "ok", delivered),
        (200, "ok\n", delivered),
        (200, r#"{"ok":true}"#, delivered),
        (200, r#"{"ok":true,"ts":"1.2","channel":"C1"}"#, "delivered C1 1.2"),
        (200, "invalid_payload", "permanent"),
        (200, "", "permanent"),
        (200, "<html>a proxy's page</html>", "permanent"),
        (200, r#"{"ok":false,"error":"channel_not_found"}"#, "permanent"),
        (200, r#"{"ok":false,"error":"not_in_channel"}"#, "permanent"),
        (200, r#"{"ok":false,"error":"is_archived"}"#, "permanent"),
        (200, r#"{"ok":false,"error":"rate_limited"}"#, "busy"),
        (200, r#"{"ok":false,"error":"ratelimited"}"#, "busy"),
        (200, r#"{"ok":false,"error":"internal_error"}"#, "transient"),
        (200, r#"{"ok":false,"error":"fatal_error"}"#, "transient"),
        (429, "rate_limited", "busy"),
        (429, "", "busy"),
        (400, "invalid_payload", "permanent"),
        (403, "action_prohibited", "permanent"),
        (404, "channel_not_found", "permanent"),
        (410, "channel_is_archived", "permanent"),
        (500, "rollup_error", "transient"),
        (502, "bad gateway", "transient"),
        (500, "ok", "transient"),
        (500, r#"{"ok":true}"#, "transient"),
    ] {
        let answer = Answer { status, headers: HeaderMap::new(), body: body.into() };
        let got = match said(&answer, 0).outcome.verdict {
            Verdict::Delivered { message: None } => "delivered".to_owned(),
            Verdict::Delivered { message: Some(m) } => format!("delivered {} {}", m.channel, m.ts),
            Verdict::Transient { busy: true, .. } => "busy".to_owned(),
            Verdict::Transient { .. } => "transient".to_owned(),
            Verdict::Permanent => "permanent".to_owned(),
        };
        assert_eq!(got, wants, "{status} {body}");
    }
}

#[test]
fn pictures_go_first_then_everything() {
    let mut message = json!({ "channel": "#c", "icon_url": "i", "attachments": [
        { "title": "t", "image_url": "u" }, { "thumb_url": "v" }
    ] });
    assert!(without_images(&mut message));
    let left = json!({ "channel": "#c", "attachments": [{ "title": "t" }, {}] });
    assert_eq!(message, left);
    assert!(!without_images(&mut message));
    strip(&mut message, "bare");
    assert_eq!(message, json!({ "channel": "#c", "text": "bare" }));
}
