//! What Slack gets, and how a bot edits it.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tarn_alerting::egress::NamedBy;
use tarn_alerting::notify::slack::Slack;
use tarn_alerting::route::Reason;
use tarn_testkit::receiver::{Act, Receiver};

use crate::notify::configs;
use crate::notify::desk::{Desk, context};

#[tokio::test]
async fn a_page_and_its_end_in_slacks_shape() -> Result<()> {
    let receiver = Receiver::start([], Act::answer(200, "ok")).await?;
    let sender = Slack::new(&configs::slack(&receiver.url("/x")), &context(NamedBy::Operator));
    let desk = Desk::new("slack", Arc::new(sender), Vec::new());
    desk.acked("Down", Reason::First, 1).await?;
    desk.acked("Down", Reason::AllResolved, 2).await?;
    let received = receiver.received();
    assert_eq!(
        received[0].json(),
        json!({
            "channel": "#alerts",
            "username": "tarn",
            "icon_emoji": ":bell:",
            "attachments": [{
                "title": "Down is firing",
                "title_link": "http://tarn/alerts",
                "text": "it is firing",
                "fallback": "Down is firing",
                "color": "danger",
                "image_url": "http://pictures/1.png",
                "fields": [{ "title": "where", "value": "Down", "short": true }],
                "actions": [{ "type": "button", "text": "runbook", "url": "http://runbook" }],
                "mrkdwn_in": ["fallback", "pretext", "text"],
            }],
        })
    );
    assert_eq!(received[1].json()["attachments"][0]["color"], "good");
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_refused_for_its_picture_goes_without() -> Result<()> {
    let refused = [Act::answer(400, "invalid_attachments")];
    let receiver = Receiver::start(refused, Act::answer(200, "ok")).await?;
    let sender = Slack::new(&configs::slack(&receiver.url("/x")), &context(NamedBy::Operator));
    let desk = Desk::new("slack", Arc::new(sender), Vec::new());
    desk.acked("Down", Reason::First, 1).await?;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert!(received[1].json()["attachments"][0].get("image_url").is_none());
    assert_eq!(received[1].json()["attachments"][0]["title"], "Down is firing");
    assert_eq!(desk.outbox.deliveries(1)[0].tried, 1);
    Ok(())
}

#[tokio::test]
async fn a_bot_edits_one_message_per_group_and_posts_anew_where_it_cannot() -> Result<()> {
    let said = |ok: bool, rest: &str| Act::answer(200, &format!(r#"{{"ok":{ok},{rest}}}"#));
    let receiver = Receiver::start(
        [
            said(true, r#""ts":"1.1","channel":"C7""#),
            said(true, r#""ts":"1.1","channel":"C7""#),
            said(false, r#""error":"edit_window_closed""#),
            said(true, r#""ts":"2.2","channel":"C7""#),
            said(true, r#""ts":"2.2","channel":"C7""#),
            said(true, r#""ts":"3.3","channel":"C7""#),
        ],
        Act::Hang,
    )
    .await?;
    let url = receiver.url("/api/chat.postMessage");
    let sender = Slack::new(&configs::bot(&url), &context(NamedBy::Operator));
    let desk = Desk::new("slack", Arc::new(sender), Vec::new());
    let reasons =
        [Reason::First, Reason::NewAlerts, Reason::NewAlerts, Reason::AllResolved, Reason::First];
    for (seq, reason) in (1..).zip(reasons) {
        desk.acked("Down", reason, seq).await?;
    }
    let received = receiver.received();
    let calls: Vec<(String, String)> = received
        .iter()
        .map(|request| {
            let path = request.line.split(' ').nth(1).unwrap_or_default();
            let call = path.trim_start_matches("/api/chat.").to_owned();
            (call, request.json()["ts"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let wants = [
        ("postMessage", ""),
        ("update", "1.1"),
        ("update", "1.1"),
        ("postMessage", ""),
        ("update", "2.2"),
        ("postMessage", ""),
    ];
    let wants: Vec<_> = wants.map(|(call, ts)| (call.to_owned(), ts.to_owned())).into();
    assert_eq!(calls, wants);
    assert_eq!(received[0].header("authorization"), Some("Bearer xoxb-token"));
    assert_eq!(received[1].json()["channel"], "C7");
    Ok(())
}
