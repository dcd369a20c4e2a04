use super::*;

fn answer(retry_after: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::try_from(retry_after).expect("a header"));
    Answer { status: 429, headers, body: Bytes::new() }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_bounded() {
    // 2026-11-21T12:00:00Z
    let now_ms = 1_795_262_400_000;
    for (text, wants) in [
        ("7", Some(7_000)),
        ("0", Some(0)),
        ("0.5", Some(500)),
        (" 3 ", Some(3_000)),
        ("99999999", Some(900_000)),
        ("Sat, 21 Nov 2026 12:00:09 GMT", Some(9_000)),
        ("Sat, 21 Nov 2026 11:59:00 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
        ("NaN", None),
    ] {
        let wants = wants.map(Duration::from_millis);
        assert_eq!(answer(text).retry_after(now_ms), wants, "{text}");
    }
}
