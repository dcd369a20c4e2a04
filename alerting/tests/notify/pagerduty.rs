//! What PagerDuty gets.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tarn_alerting::egress::NamedBy;
use tarn_alerting::notify::pagerduty::{PagerDuty, dedup_key};
use tarn_alerting::route::Reason;
use tarn_testkit::receiver::{Act, Receiver};

use crate::notify::configs;
use crate::notify::desk::{Desk, context};

#[tokio::test]
async fn a_page_and_its_end_are_one_incident() -> Result<()> {
    let receiver = Receiver::start([], Act::answer(202, "{}")).await?;
    let config = configs::pagerduty(&receiver.url("/v2/enqueue"));
    let sender = PagerDuty::new(&config, &context(NamedBy::Operator));
    let desk = Desk::new("pagerduty", Arc::new(sender), Vec::new());
    desk.acked("Down", Reason::First, 1).await?;
    desk.acked("Down", Reason::AllResolved, 2).await?;
    let received = receiver.received();
    let dedup_key = dedup_key("{}:{alertname=\"Down\"}");
    assert_eq!(
        received[0].json(),
        json!({
            "routing_key": "0123456789abcdef0123456789abcdef",
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "Tarn",
            "client_url": "http://tarn",
            "payload": {
                "summary": "Down is firing",
                "source": "Down",
                "severity": "critical",
                "component": "api",
                "custom_details": { "firing": "Down", "structured": { "a": [1, 2] } },
            },
            "images": [],
            "links": [],
        })
    );
    let end = received[1].json();
    assert_eq!((&end["event_action"], &end["dedup_key"]), (&json!("resolve"), &json!(dedup_key)));
    Ok(())
}

/// PagerDuty answers 400 to a severity that it does not know, and the page would be lost.
#[tokio::test]
async fn severities_are_mended() -> Result<()> {
    let receiver = Receiver::start([], Act::answer(202, "{}")).await?;
    for (written, wants) in [
        ("critical", "critical"),
        ("Warning ", "warning"),
        ("warn", "warning"),
        ("page", "critical"),
        ("", "error"),
        ("sev1", "error"),
    ] {
        let mut config = configs::pagerduty(&receiver.url("/"));
        config.severity = written.to_owned();
        let sender = PagerDuty::new(&config, &context(NamedBy::Operator));
        let desk = Desk::new("pagerduty", Arc::new(sender), Vec::new());
        desk.acked("Down", Reason::First, 1).await?;
        let received = receiver.received();
        let event = received.last().expect("an event").json();
        assert_eq!(event["payload"]["severity"], wants, "{written}");
    }
    Ok(())
}
