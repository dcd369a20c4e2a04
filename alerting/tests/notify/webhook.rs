//! What a webhook gets.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tarn_alerting::egress::NamedBy;
use tarn_alerting::notify::webhook::Webhook;
use tarn_alerting::route::Reason;
use tarn_testkit::receiver::{Act, Receiver};

use crate::notify::configs;
use crate::notify::desk::{Desk, context};

#[tokio::test]
async fn requests_are_signed_and_carry_their_delivery() -> Result<()> {
    let receiver = Receiver::start([Act::answer(503, "")], Act::answer(204, "")).await?;
    let mut config = configs::webhook(&receiver.url("/hook"));
    config.hmac = Some(configs::secret("key"));
    let sender = Webhook::new(&config, &context(NamedBy::Operator));
    let desk = Desk::new("webhook", Arc::new(sender), Vec::new());
    let page = desk.acked("Down", Reason::First, 1).await?;
    for request in receiver.received() {
        assert_eq!(request.header("idempotency-key"), Some(&*page.id.to_string()));
        let timestamp = request.header("x-tarn-timestamp").context("a time")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(b"key")?;
        mac.update(timestamp.as_bytes());
        mac.update(b":");
        mac.update(&request.body);
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(request.header("x-grafana-alerting-signature"), Some(&*signature));
        let body = request.json();
        assert_eq!((&body["version"], &body["status"]), (&json!("4"), &json!("firing")));
        assert_eq!(body["notification_reason"], "first notification");
        assert_eq!(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_of_ones_own() -> Result<()> {
    let receiver = Receiver::start([], Act::answer(200, "")).await?;
    let mut config = configs::webhook(&receiver.url("/hook"));
    config.payload = Some(json!({ "text": "{{summary}}", "n": [1, "{{group}}", null] }));
    let sender = Webhook::new(&config, &context(NamedBy::Operator));
    let desk = Desk::new("webhook", Arc::new(sender), Vec::new());
    desk.acked("Down", Reason::First, 1).await?;
    let body = receiver.received()[0].json();
    assert_eq!(body, json!({ "text": "Down is firing", "n": [1, "Down", null] }));
    Ok(())
}
