//! What every receiver over HTTP must survive.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tarn_alerting::egress::NamedBy;
use tarn_alerting::notify::pagerduty::PagerDuty;
use tarn_alerting::notify::sender::Sender;
use tarn_alerting::notify::slack::Slack;
use tarn_alerting::notify::webhook::Webhook;
use tarn_alerting::notify::{DeadLetter, DeliveryState};
use tarn_alerting::route::Reason;
use tarn_testkit::receiver::{Act, Receiver};

use crate::notify::configs;
use crate::notify::desk::{Desk, SOON, context};

fn sender(kind: &str, receiver: &Receiver) -> (Arc<dyn Sender>, Act) {
    let context = context(NamedBy::Operator);
    let url = receiver.url("/services/s3cret");
    match kind {
        "slack" => (Arc::new(Slack::new(&configs::slack(&url), &context)), Act::answer(200, "ok")),
        "pagerduty" => {
            let accepted = Act::answer(202, r#"{"status":"success"}"#);
            (Arc::new(PagerDuty::new(&configs::pagerduty(&url), &context)), accepted)
        }
        _ => (Arc::new(Webhook::new(&configs::webhook(&url), &context)), Act::answer(200, "")),
    }
}

/// Faults, and how many requests the receiver sees until it has the page.
fn faults(kind: &str) -> Vec<(&'static str, Act, usize)> {
    let mut faults = vec![
        ("500", Act::answer(500, "oops"), 2),
        ("503", Act::answer(503, ""), 2),
        ("503 and Retry-After", Act::retry_after(503, "1"), 2),
        ("429 and Retry-After", Act::retry_after(429, "1"), 2),
        ("reset", Act::Reset, 2),
        ("closed", Act::Close, 2),
        ("half an answer", Act::HalfAnswer, 2),
        ("silence", Act::Hang, 2),
        ("slow body", Act::SlowBody(Duration::from_millis(300), "never whole".to_owned()), 2),
    ];
    if kind == "slack" {
        let busy = Act::answer(200, r#"{"ok":false,"error":"internal_error"}"#);
        faults.push(("200 and a passing error", busy, 2));
    } else {
        faults.push((
            "late",
            Act::Late(Duration::from_millis(100), Box::new(Act::answer(202, ""))),
            1,
        ));
        faults.push(("endless body", Act::Endless, 1));
    }
    faults
}

#[tokio::test]
async fn whatever_passes_is_tried_again_and_delivered_once() -> Result<()> {
    for kind in ["webhook", "slack", "pagerduty"] {
        for (name, fault, requests) in faults(kind) {
            let receiver = Receiver::start([fault], Act::Hang).await?;
            let (sender, good) = sender(kind, &receiver);
            receiver.then(good);
            let desk = Desk::new(kind, sender, Vec::new());
            let acked = desk.acked("Down", Reason::First, 1).await;
            acked.map_err(|error| error.context(format!("{kind} against {name}")))?;
            let received = receiver.received();
            assert_eq!(received.len(), requests, "{kind} against {name}");
            assert!(received.windows(2).all(|pair| {
                let keys = pair[0].header("idempotency-key") == pair[1].header("idempotency-key");
                keys && pair[0].body == pair[1].body
            }));
            let shown = serde_json::to_string(&desk.outbox.deliveries(10))?;
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn retry_after_is_obeyed() -> Result<()> {
    for kind in ["webhook", "slack", "pagerduty"] {
        let receiver = Receiver::start([Act::retry_after(429, "1")], Act::Hang).await?;
        let (sender, good) = sender(kind, &receiver);
        receiver.then(good);
        let desk = Desk::new(kind, sender, Vec::new());
        desk.acked("Down", Reason::First, 1).await?;
        let received = receiver.received();
        let waited = received[1].at - received[0].at;
        assert!(waited >= Duration::from_millis(990), "{kind} waited {waited:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_refused_is_a_dead_letter_and_sent_again_on_demand() -> Result<()> {
    for (kind, status, body) in [
        ("webhook", 400, "bad request"),
        ("webhook", 404, ""),
        ("webhook", 302, ""),
        ("pagerduty", 400, r#"{"status":"invalid event"}"#),
        ("pagerduty", 403, ""),
        ("slack", 404, "channel_not_found"),
        ("slack", 200, "invalid_payload"),
        ("slack", 200, r#"{"ok":false,"error":"is_archived"}"#),
    ] {
        let receiver = Receiver::start([Act::answer(status, body)], Act::Hang).await?;
        let (sender, good) = sender(kind, &receiver);
        receiver.then(good);
        let desk = Desk::new(kind, sender, Vec::new());
        let page = desk.page("Down", Reason::First, 1);
        desk.until(&page, DeliveryState::Dead).await?;
        assert_eq!(receiver.received().len(), 1, "{kind} {status} {body}");
        let DeadLetter { intent, .. } = &desk.outbox.dead_letters()[0];
        assert_eq!(desk.outbox.broken().len(), 1);
        assert!(desk.outbox.replay(intent.id));
        desk.until(&page, DeliveryState::Acked).await?;
        assert!(desk.outbox.broken().is_empty());
    }
    Ok(())
}

/// Nobody listens, then somebody does.
#[tokio::test]
async fn a_receiver_that_never_answers_keeps_nobody_else_waiting() -> Result<()> {
    let hangs = Receiver::start([], Act::Hang).await?;
    let (sender, _) = sender("webhook", &hangs);
    let desk = Desk::new("webhook", sender, Vec::new());
    for i in 0..40 {
        desk.page(&format!("g{i}"), Reason::First, 1);
    }
    hangs.wait_for(12, SOON).await?;
    let stats = desk.outbox.stats();
    assert!(stats.in_flight <= 8, "{stats:?}");
    hangs.then(Act::answer(200, ""));
    tarn_testkit::receiver::eventually(SOON, "all are delivered", || {
        desk.outbox.stats() == tarn_alerting::notify::queue::QueueStats::default()
    })
    .await
}

#[tokio::test]
async fn a_template_that_fails_does_not_cost_the_page() -> Result<()> {
    let receiver = Receiver::start([], Act::answer(202, "{}")).await?;
    let mut config = configs::pagerduty(&receiver.url("/"));
    config.description = "{{ bad }}".to_owned();
    config.severity = "{{ bad }}".to_owned();
    let sender = PagerDuty::new(&config, &context(NamedBy::Operator));
    let desk = Desk::new("pagerduty", Arc::new(sender), Vec::new());
    desk.acked("Down", Reason::First, 1).await?;
    let event = receiver.received()[0].json();
    let summary = event["payload"]["summary"].as_str().unwrap_or_default();
    assert!(summary.starts_with("[FIRING:1] Down"), "{summary}");
    assert_eq!(event["payload"]["severity"], "error");
    let errors = &desk.outbox.deliveries(1)[0].attempts[0].template_errors;
    assert!(errors[0].contains("no such function"), "{errors:?}");
    Ok(())
}
