//! DUR of notifications: what was not acknowledged goes out again, under the same identity.

use std::sync::Arc;

use anyhow::Result;
use tarn_alerting::egress::NamedBy;
use tarn_alerting::notify::webhook::Webhook;
use tarn_alerting::route::Reason;
use tarn_testkit::receiver::{Act, Receiver};

use crate::notify::configs;
use crate::notify::desk::{Desk, SOON, context};

#[tokio::test]
async fn what_was_on_its_way_goes_out_again_and_what_was_acknowledged_does_not() -> Result<()> {
    let receiver = Receiver::start([Act::answer(200, "")], Act::Hang).await?;
    let mut config = configs::webhook(&receiver.url("/"));
    config.timeout = None;
    let sender = || Arc::new(Webhook::new(&config, &context(NamedBy::Operator)));
    let desk = Desk::new("webhook", sender(), Vec::new());
    desk.acked("Done", Reason::First, 1).await?;
    let open = desk.page("Open", Reason::First, 1);
    let changed = desk.page("Changed", Reason::First, 1);
    receiver.wait_for(3, SOON).await?;
    let end = desk.page("Changed", Reason::AllResolved, 2);
    let records = desk.records();
    drop(desk);
    receiver.then(Act::answer(200, ""));
    let desk = Desk::new("webhook", sender(), records);
    let received = receiver.wait_for(5, SOON).await?;
    let mut again: Vec<_> =
        received.iter().skip(3).filter_map(|r| r.header("idempotency-key")).collect();
    again.sort_unstable();
    let mut wants = [open.id.to_string(), end.id.to_string()];
    wants.sort_unstable();
    assert_eq!(again, wants);
    assert!(
        received[..3].iter().any(|r| r.header("idempotency-key") == Some(&changed.id.to_string()))
    );
    // A snapshot gives the same state as the records.
    for intent in [&open, &end] {
        desk.until(intent, tarn_alerting::notify::DeliveryState::Acked).await?;
    }
    assert!(desk.outbox.snapshot().is_empty());
    Ok(())
}
